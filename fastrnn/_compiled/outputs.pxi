# Part of _core.pyx: outputs and losses, one step. The twin: _plain/outputs.py.


# ---- outputs ----

cdef double max_of(Py_ssize_t size, const double* values) noexcept nogil:
    cdef double largest = values[0]
    cdef Py_ssize_t i
    for i in range(1, size):
        largest = values[i] if values[i] > largest else largest
    return largest


cdef Py_ssize_t likeliest(Py_ssize_t size, const double* probabilities) noexcept nogil:
    """The class of the largest probability, the first of equal ones."""
    cdef Py_ssize_t i, label = 0
    for i in range(1, size):
        label = i if probabilities[i] > probabilities[label] else label
    return label


cdef inline void activate_output(Output output, Py_ssize_t size, const double* sums,
                                 double* predictions) noexcept nogil:
    """The predictions: the sums themselves, their sigmoids, or their softmax."""
    cdef double largest, total = 0.0
    cdef Py_ssize_t i
    if output == LINEAR:
        for i in range(size):
            predictions[i] = sums[i]
    elif output == SIGMOIDS:
        for i in range(size):
            predictions[i] = fast_sigmoid(sums[i])
    else:
        largest = max_of(size, sums)
        for i in range(size):
            predictions[i] = fast_exp(sums[i] - largest)
        for i in range(size):
            total += predictions[i]
        for i in range(size):
            predictions[i] = predictions[i] / total


cdef void decide(Output output, Py_ssize_t size, const double* predictions, double* decisions) noexcept nogil:
    """What RNN.predict() makes of predictions: the values as they are, 1.0 or 0.0 each, or the likeliest class."""
    cdef Py_ssize_t i
    if output == SOFTMAX:
        decisions[0] = likeliest(size, predictions)
    else:
        for i in range(size):
            decisions[i] = (1.0 if predictions[i] > 0.5 else 0.0) if output == SIGMOIDS else predictions[i]


# ---- losses ----
# They take the sums of the output layer and the targets; write the gradient by the sums; and return the loss.

cdef double half_squared_error(Output output, Py_ssize_t size, const double* sums, const double* targets,
                               double* gradient) noexcept nogil:
    """Half the sum of the squared errors, of linear outputs or of sigmoids."""
    cdef double loss = 0.0, value, error
    cdef Py_ssize_t i
    activate_output(output, size, sums, gradient)
    for i in range(size):
        value = gradient[i]
        error = value - targets[i]
        loss += error * error
        gradient[i] = error * (value * (1.0 - value)) if output == SIGMOIDS else error
    return 0.5 * loss


cdef double binary_cross_entropy(Output output, Py_ssize_t size, const double* sums, const double* targets,
                                 double* gradient) noexcept nogil:
    """-y log p - (1 - y) log(1 - p) as max(a, 0) - a y + log(1 + exp(-|a|)): no digits lost, no overflow."""
    cdef double loss = 0.0, a
    cdef Py_ssize_t i
    activate_output(output, size, sums, gradient)
    for i in range(size):
        a = sums[i]
        loss += ((a if a > 0.0 else 0.0) - a * targets[i]) + log1p(fast_exp(-fabs(a)))
        gradient[i] -= targets[i]
    return loss


cdef double cross_entropy(Py_ssize_t size, const double* sums, const double* targets, double* gradient) noexcept nogil:
    """-log p[class], as log(sum of exp(a - max a)) - (a[class] - max a); NaN for a class that there is not."""
    cdef Py_ssize_t label = <Py_ssize_t> targets[0] if 0.0 <= targets[0] < size else -1, i
    cdef double largest = max_of(size, sums), total = 0.0
    if label < 0:
        return NAN
    for i in range(size):
        gradient[i] = fast_exp(sums[i] - largest)
    for i in range(size):
        total += gradient[i]
    for i in range(size):
        gradient[i] = gradient[i] / total
    gradient[label] -= 1.0
    return log(total) - (sums[label] - largest)


cdef double loss_of_step(const Network* n, double* row, const double* targets) noexcept nogil:
    """The loss of a step; its gradient by the sums goes on the tape."""
    if n.loss == HALF_SQUARED_ERROR:
        return half_squared_error(n.output, n.output_size, row + n.sums, targets, row + n.gradient)
    if n.loss == BINARY_CROSS_ENTROPY:
        return binary_cross_entropy(n.output, n.output_size, row + n.sums, targets, row + n.gradient)
    return cross_entropy(n.output_size, row + n.sums, targets, row + n.gradient)
