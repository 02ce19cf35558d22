# Part of _core.pyx: outputs and losses, a pass over steps whose sums are on the tape. The twin: _plain/outputs.py.

# ---- outputs: from the sums, predictions, those of a step `stride` doubles behind those of the step before ----
# Where there are lanes, a number is one a lane. What is inlined with a constant for their number is in vectors.

cdef inline void max_of(Py_ssize_t size, Py_ssize_t lanes, const double* values, double* largest) noexcept nogil:
    cdef Py_ssize_t i, lane
    for lane in range(lanes):
        largest[lane] = values[lane]
    for i in range(1, size):
        for lane in range(lanes):
            largest[lane] = values[i * lanes + lane] if values[i * lanes + lane] > largest[lane] else largest[lane]


cdef inline void softmax(Py_ssize_t size, Py_ssize_t lanes, const double* sums, double* result, double* largest,
                         double* total) noexcept nogil:
    """exp(a - max a) / total: no overflow; largest: of the sums, total: of the exponentials."""
    cdef double[LANES] most, sum_of     # local copies may live in registers
    cdef Py_ssize_t i, lane
    max_of(size, lanes, sums, most)
    for i in range(size):
        for lane in range(lanes):
            result[i * lanes + lane] = fast_exp(sums[i * lanes + lane] - most[lane])
    for lane in range(lanes):
        sum_of[lane] = 0.0
    for i in range(size):
        for lane in range(lanes):
            sum_of[lane] += result[i * lanes + lane]
    for i in range(size):
        for lane in range(lanes):
            result[i * lanes + lane] = result[i * lanes + lane] / sum_of[lane]
    for lane in range(lanes):
        largest[lane], total[lane] = most[lane], sum_of[lane]


# ---- helpers: two classes, all steps of a pass side by side ----

cdef struct TwoClasses:
    double[SPAN] first, second          # the sums, then the probabilities, then the gradient
    double[SPAN] first_log, second_log  # of the exponentials
    double[SPAN] total                  # of the exponentials, then the losses


cdef inline void take_two(const double* sums, Py_ssize_t steps, Py_ssize_t lanes, Py_ssize_t row,
                          TwoClasses* of) noexcept nogil:
    cdef Py_ssize_t t, lane
    for t in range(steps):
        for lane in range(lanes):
            of.first[t * lanes + lane] = sums[t * row + lane]
            of.second[t * lanes + lane] = sums[t * row + lanes + lane]


cdef inline void give_two(const TwoClasses* of, Py_ssize_t steps, Py_ssize_t lanes, double* result,
                          Py_ssize_t stride) noexcept nogil:
    cdef Py_ssize_t t, lane
    for t in range(steps):
        for lane in range(lanes):
            result[t * stride + lane] = of.first[t * lanes + lane]
            result[t * stride + lanes + lane] = of.second[t * lanes + lane]


cdef void softmax_of_two(TwoClasses* of, Py_ssize_t count) noexcept nogil:
    """One of the two exponentials is exp(0), exactly 1: only the other one is computed."""
    cdef double most
    cdef Py_ssize_t k
    for k in range(count):
        most = of.second[k] if of.second[k] > of.first[k] else of.first[k]
        of.first_log[k], of.second_log[k] = of.first[k] - most, of.second[k] - most
        of.total[k] = fast_exp(of.first_log[k] + of.second_log[k])
    for k in range(count):
        of.first[k] = 1.0 if of.first_log[k] == 0.0 else of.total[k]
        of.second[k] = 1.0 if of.second_log[k] == 0.0 else of.total[k]
        of.total[k] = of.first[k] + of.second[k]
        of.first[k] = of.first[k] / of.total[k]
        of.second[k] = of.second[k] / of.total[k]


cdef inline void class_probabilities(const Network* net, const double* rows, Py_ssize_t steps, double* result,
                                     Py_ssize_t stride, Py_ssize_t lanes) noexcept nogil:
    cdef double[LANES] largest, total
    cdef TwoClasses of
    cdef Py_ssize_t size = net.at.output_size, t
    cdef const double* sums = rows + net.at.sums
    if size == 2:
        take_two(sums, steps, lanes, net.at.row, &of)
        softmax_of_two(&of, steps * lanes)
        give_two(&of, steps, lanes, result, stride)
        return
    for t in range(steps):
        softmax(size, lanes, sums + t * net.at.row, result + t * stride, largest, total)


# ---- predictions ----

cdef void predict_linear(const Network* net, const double* rows, Py_ssize_t steps, double* result,
                         Py_ssize_t stride) noexcept nogil:
    """The sums themselves."""
    cdef Py_ssize_t t, i
    for i in range(net.at.outputs):     # outside: most networks have one
        for t in range(steps):
            result[t * stride + i] = rows[t * net.at.row + net.at.sums + i]


cdef void predict_sigmoid(const Network* net, const double* rows, Py_ssize_t steps, double* result,
                          Py_ssize_t stride) noexcept nogil:
    """The probability of a one, for each output."""
    cdef Py_ssize_t size = net.at.output_size * net.at.lanes, t, i
    cdef const double* sums
    for t in range(steps):
        sums = rows + t * net.at.row + net.at.sums
        for i in range(size):
            result[t * stride + i] = fast_sigmoid(sums[i])


cdef void predict_softmax(const Network* net, const double* rows, Py_ssize_t steps, double* result,
                          Py_ssize_t stride) noexcept nogil:
    """The probability of each class."""
    class_probabilities(net, rows, steps, result, stride, 1)


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


# ---- helpers: losses, inlined with a constant for the number of lanes ----

cdef inline void half_squared_numbers(const Network* net, double* rows, Py_ssize_t steps, const double* targets,
                                      Py_ssize_t lanes) noexcept nogil:
    cdef double[LANES] loss
    cdef double value, error
    cdef Py_ssize_t size = net.at.output_size, t, i, lane
    cdef slope_t slope = net.output.slope
    cdef Row row
    net.output.predict(net, rows, steps, rows + net.at.gradient, net.at.row)
    for t in range(steps):
        row = row_at(net, rows, t)
        for i in range(size):
            for lane in range(lanes):
                value = row.gradient[i * lanes + lane]
                error = value - targets[(t * size + i) * lanes + lane]
                loss[lane] = error * error if i == 0 else loss[lane] + error * error
                row.gradient[i * lanes + lane] = error * slope(value) if slope else error
        for lane in range(net.at.lanes):    # no constant: one by one they would be waited for by who reads vectors
            row.loss[lane] = 0.5 * loss[lane]


# ---- losses: of every step, and its gradient by the sums. Until backward comes, by_output is free ----

cdef void half_squared_error(const Network* net, double* rows, Py_ssize_t steps, const double* targets) noexcept nogil:
    """Half the sum of the squared errors."""
    half_squared_numbers(net, rows, steps, targets, 1)


cdef void log1p_exp(Py_ssize_t length, const double* sums, Py_ssize_t stride, double* result,
                    Py_ssize_t result_stride) noexcept nogil:
    """log(1 + exp(-|a|)), of sums `stride` apart. In two short loops the CPU sees more of them at a time."""
    cdef Py_ssize_t i
    for i in range(length):
        result[i * result_stride] = fast_exp(-fabs(sums[i * stride]))
    for i in range(length):
        result[i * result_stride] = fast_log1p(result[i * result_stride])


# ---- helpers: and the others ----

cdef inline void binary_numbers(const Network* net, double* rows, Py_ssize_t steps, const double* targets,
                                Py_ssize_t lanes) noexcept nogil:
    cdef double[LANES] loss
    cdef double a
    cdef Py_ssize_t size = net.at.output_size, t, i, lane
    cdef Row row
    net.output.predict(net, rows, steps, rows + net.at.gradient, net.at.row)
    if size * lanes == 1:       # the logs side by side: those of all steps, or those of all outputs of a step
        log1p_exp(steps, rows + net.at.sums, net.at.row, net.slate + net.at.by_output, net.at.slate)
    for t in range(steps):
        row = row_at(net, rows, t)
        if size * lanes > 1:
            log1p_exp(size * lanes, row.sums, 1, row.by_output, 1)
        for lane in range(lanes):
            loss[lane] = 0.0
        for i in range(size):
            for lane in range(lanes):
                a = row.sums[i * lanes + lane]
                loss[lane] += (((a if a > 0.0 else 0.0) - a * targets[(t * size + i) * lanes + lane])
                               + row.by_output[i * lanes + lane])
                row.gradient[i * lanes + lane] -= targets[(t * size + i) * lanes + lane]
        for lane in range(lanes):
            row.loss[lane] = loss[lane]


cdef void two_losses(TwoClasses* of, Py_ssize_t count, const double* targets) noexcept nogil:
    cdef double log_of
    cdef Py_ssize_t k
    for k in range(count):
        log_of = of.first_log[k] if targets[k] == 0.0 else NAN
        log_of = of.second_log[k] if targets[k] == 1.0 else log_of
        of.total[k] = fast_log(of.total[k]) - log_of
        of.first[k] -= 1.0 if targets[k] == 0.0 else 0.0
        of.second[k] -= 1.0 if targets[k] == 1.0 else 0.0


cdef inline void two_class_numbers(const Network* net, double* rows, Py_ssize_t steps, const double* targets,
                                   Py_ssize_t lanes) noexcept nogil:
    cdef TwoClasses of
    cdef Py_ssize_t t, lane
    take_two(rows + net.at.sums, steps, lanes, net.at.row, &of)
    softmax_of_two(&of, steps * lanes)
    two_losses(&of, steps * lanes, targets)
    give_two(&of, steps, lanes, rows + net.at.gradient, net.at.row)
    for t in range(steps):
        for lane in range(lanes):
            rows[t * net.at.row + net.at.loss + lane] = of.total[t * lanes + lane]


cdef inline void class_numbers(const Network* net, double* rows, Py_ssize_t steps, const double* targets,
                               Py_ssize_t lanes) noexcept nogil:
    cdef double[LANES] largest
    cdef Py_ssize_t size = net.at.output_size, t, lane, place
    cdef Row row
    if size == 2:
        two_class_numbers(net, rows, steps, targets, lanes)
        return
    for t in range(steps):
        row = row_at(net, rows, t)
        softmax(size, lanes, row.sums, row.gradient, largest, row.by_output)
        for lane in range(lanes):
            row.loss[lane] = NAN
            if 0.0 <= targets[t * lanes + lane] < size:
                place = <Py_ssize_t> targets[t * lanes + lane] * lanes + lane
                row.gradient[place] -= 1.0
                row.loss[lane] = row.sums[place] - largest[lane]
    for t in range(steps):      # the logs of all steps side by side
        row = row_at(net, rows, t)
        for lane in range(lanes):
            row.loss[lane] = fast_log(row.by_output[lane]) - row.loss[lane]


# ---- the other losses ----

cdef void binary_cross_entropy(const Network* net, double* rows, Py_ssize_t steps,
                               const double* targets) noexcept nogil:
    """-y log p - (1 - y) log(1 - p) as max(a, 0) - a y + log(1 + exp(-|a|)): no digits lost, no overflow."""
    binary_numbers(net, rows, steps, targets, 1)


cdef void cross_entropy(const Network* net, double* rows, Py_ssize_t steps, const double* targets) noexcept nogil:
    """-log p[class], as log(sum of exp(a - max a)) - (a[class] - max a); NaN for a class that there is not."""
    class_numbers(net, rows, steps, targets, 1)


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
