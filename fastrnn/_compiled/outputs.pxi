# Part of _core.pyx: outputs and losses, a pass over steps whose sums are on the tape. The twin: _plain/outputs.py.

# ---- outputs: from the sums, predictions, those of a step `stride` doubles behind those of the step before ----

cdef double max_of(Py_ssize_t size, const double* values) noexcept nogil:
    cdef double largest = values[0]
    cdef Py_ssize_t i
    for i in range(1, size):
        largest = values[i] if values[i] > largest else largest
    return largest


cdef double softmax(Py_ssize_t size, const double* sums, double* result) noexcept nogil:
    """exp(a - max a) / total: no overflow. Returns the total of the exponentials."""
    cdef double largest = max_of(size, sums), total = 0.0
    cdef Py_ssize_t i
    for i in range(size):
        result[i] = fast_exp(sums[i] - largest)
    for i in range(size):
        total += result[i]
    for i in range(size):
        result[i] = result[i] / total
    return total


cdef void predict_linear(const Network* net, const double* rows, Py_ssize_t steps, double* result,
                         Py_ssize_t stride) noexcept nogil:
    """The sums themselves."""
    cdef Py_ssize_t size = net.at.output_size, t, i
    for i in range(size):       # outside: most networks have one
        for t in range(steps):
            result[t * stride + i] = rows[t * net.at.row + net.at.sums + i]


cdef void predict_sigmoid(const Network* net, const double* rows, Py_ssize_t steps, double* result,
                          Py_ssize_t stride) noexcept nogil:
    """The probability of a one, for each output."""
    cdef Py_ssize_t size = net.at.output_size, t, i
    cdef const double* sums
    for t in range(steps):
        sums = rows + t * net.at.row + net.at.sums
        for i in range(size):
            result[t * stride + i] = fast_sigmoid(sums[i])


cdef void predict_softmax(const Network* net, const double* rows, Py_ssize_t steps, double* result,
                          Py_ssize_t stride) noexcept nogil:
    """The probability of each class."""
    cdef Py_ssize_t size = net.at.output_size, t
    for t in range(steps):
        softmax(size, rows + t * net.at.row + net.at.sums, result + t * stride)


cdef double sigmoid_slope(double p) noexcept nogil:
    return p * (1.0 - p)


# ---- decisions: what RNN.predict() makes of predictions ----

cdef Py_ssize_t likeliest(Py_ssize_t size, const double* probabilities) noexcept nogil:
    """The class of the largest probability, the first of equal ones."""
    cdef Py_ssize_t i, label = 0
    for i in range(1, size):
        label = i if probabilities[i] > probabilities[label] else label
    return label


cdef bint any_nan(Py_ssize_t size, const double* predictions) noexcept nogil:
    """Whether there is one that nothing can be decided by."""
    cdef Py_ssize_t i
    for i in range(size):
        if predictions[i] != predictions[i]:
            return True
    return False


cdef void decide_values(Py_ssize_t size, const double* predictions, double* decisions) noexcept nogil:
    """They stay as they are."""
    memcpy(decisions, predictions, size * sizeof(double))


cdef void decide_ones(Py_ssize_t size, const double* predictions, double* decisions) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        decisions[i] = 1.0 if predictions[i] > 0.5 else 0.0


cdef void decide_class(Py_ssize_t size, const double* predictions, double* decisions) noexcept nogil:
    decisions[0] = likeliest(size, predictions)


# ---- losses: of every step, and its gradient by the sums. Until backward comes, by_output is free ----

cdef void half_squared_error(const Network* net, double* rows, Py_ssize_t steps, const double* targets) noexcept nogil:
    """Half the sum of the squared errors."""
    cdef Py_ssize_t size = net.at.output_size, t, i
    cdef double loss, value, error
    cdef Row row
    net.output.predict(net, rows, steps, rows + net.at.gradient, net.at.row)
    for t in range(steps):
        row = row_at(net, rows, t)
        loss = 0.0
        for i in range(size):
            value = row.gradient[i]
            error = value - targets[t * size + i]
            loss += error * error
            row.gradient[i] = error * net.output.slope(value) if net.output.slope else error
        row.loss[0] = 0.5 * loss


cdef void log1p_exp(Py_ssize_t length, const double* sums, Py_ssize_t stride, double* result,
                    Py_ssize_t result_stride) noexcept nogil:
    """log(1 + exp(-|a|)), of sums `stride` apart. In two short loops the CPU sees more of them at a time."""
    cdef Py_ssize_t i
    for i in range(length):
        result[i * result_stride] = fast_exp(-fabs(sums[i * stride]))
    for i in range(length):
        result[i * result_stride] = fast_log1p(result[i * result_stride])


cdef void binary_cross_entropy(const Network* net, double* rows, Py_ssize_t steps,
                               const double* targets) noexcept nogil:
    """-y log p - (1 - y) log(1 - p) as max(a, 0) - a y + log(1 + exp(-|a|)): no digits lost, no overflow."""
    cdef Py_ssize_t size = net.at.output_size, t, i
    cdef double loss, a
    cdef Row row
    net.output.predict(net, rows, steps, rows + net.at.gradient, net.at.row)
    if size == 1:       # the logs side by side: those of all steps, or those of all outputs of a step
        log1p_exp(steps, rows + net.at.sums, net.at.row, net.slate + net.at.by_output, net.at.slate)
    for t in range(steps):
        row = row_at(net, rows, t)
        if size > 1:
            log1p_exp(size, row.sums, 1, row.by_output, 1)
        loss = 0.0
        for i in range(size):
            a = row.sums[i]
            loss += ((a if a > 0.0 else 0.0) - a * targets[t * size + i]) + row.by_output[i]
            row.gradient[i] -= targets[t * size + i]
        row.loss[0] = loss


cdef void cross_entropy(const Network* net, double* rows, Py_ssize_t steps, const double* targets) noexcept nogil:
    """-log p[class], as log(sum of exp(a - max a)) - (a[class] - max a); NaN for a class that there is not."""
    cdef Py_ssize_t size = net.at.output_size, label, t
    cdef Row row
    for t in range(steps):
        row = row_at(net, rows, t)
        row.by_output[0] = softmax(size, row.sums, row.gradient)
        row.loss[0] = NAN
        if 0.0 <= targets[t] < size:
            label = <Py_ssize_t> targets[t]
            row.gradient[label] -= 1.0
            row.loss[0] = row.sums[label] - max_of(size, row.sums)
    for t in range(steps):      # the logs of all steps side by side
        row = row_at(net, rows, t)
        row.loss[0] = fast_log(row.by_output[0]) - row.loss[0]


# ---- the rows ----

cdef Output[3] OUTPUTS
OUTPUTS[:] = [
    Output(b"linear", predict_linear, NULL, decide_values),
    Output(b"sigmoid", predict_sigmoid, sigmoid_slope, decide_ones),
    Output(b"softmax", predict_softmax, NULL, decide_class),
]

cdef Loss[3] LOSSES
LOSSES[:] = [
    Loss(b"binary_cross_entropy", binary_cross_entropy),
    Loss(b"half_squared_error", half_squared_error),
    Loss(b"cross_entropy", cross_entropy),
]
