# Part of _core.pyx: what is far from 0 and 1, and how it is scaled. The twin: _plain/scales.py.

# ---- scale ----

cdef void scale_numbers(Py_ssize_t length, const double* values, Py_ssize_t size, const double* mean,
                        const double* scale, Py_ssize_t step, Py_ssize_t stride, double* result) noexcept nogil:
    """Rows in the units of the data as the network takes them, to rows `stride` apart, of numbers `step` apart."""
    cdef Py_ssize_t t, i
    if mean == NULL and size == 1:
        for t in range(length):
            result[t * stride] = values[t]
        return
    if mean == NULL:
        for i in range(size):
            for t in range(length):
                result[t * stride + i * step] = values[t * size + i]
        return
    for t in range(length):
        for i in range(size):
            result[t * stride + i * step] = (values[t * size + i] - mean[i]) / scale[i]


cdef void unscale_numbers(Py_ssize_t length, Py_ssize_t size, const double* mean, const double* scale,
                          Py_ssize_t stride, double* values) noexcept nogil:
    """And back, in place."""
    cdef Py_ssize_t t, i
    for t in range(length):
        for i in range(size):
            values[t * stride + i] = values[t * stride + i] * scale[i] + mean[i]


# ---- helpers: a pass over a column ----

cdef struct Column:
    const double* values        # a number a row
    Py_ssize_t stride
    Py_ssize_t rows
    double first, mean, total, square
    bint varies


cdef int pass_over(Column* of, const Data* data, bint of_steps, bint again, Work* work) except -1 nogil:
    """Add up a column, or `again` the squares of what is left: over the rows that count, those with a weight."""
    cdef Py_ssize_t i, row, start, stop, end
    cdef double value
    for i in range(data.count):
        look_for_signals(work, SEQUENCE)
        if not data.counts[i]:
            continue
        start = data.starts[i] if of_steps else i
        end = start + data.lengths[i] if of_steps else i + 1
        while start < end:
            stop = min(end, start + BLOCK)
            for row in range(start, stop):
                if of_steps and data.weights and data.by_step and not data.weights[row] > 0.0:
                    continue
                value = of.values[row * of.stride]
                if again:
                    of.square += (value - of.mean) * (value - of.mean)
                    continue
                if not of.rows:
                    of.first = value
                of.rows += 1
                of.total += value
                of.varies |= value != of.first
            look_for_signals(work, <double> 4 * (stop - start))
            start = stop
    return 0


# ---- its moments ----

cdef int moments(const Network* net, const Data* data, bint of_targets, double* means, double* deviations,
                 Work* work) except -1 nogil:
    """The mean of each column and its standard deviation, the root of the mean square of the rest: exactly 0.0 where
    all numbers are the same. Rows without weight do not count."""
    cdef Py_ssize_t size = net.at.target_size if of_targets else net.at.input_size, i
    cdef bint of_steps = net.return_sequences or not of_targets
    cdef Column of
    for i in range(size):
        of = Column((data.targets if of_targets else data.inputs) + i, size, 0, 0.0, 0.0, 0.0, 0.0, False)
        pass_over(&of, data, of_steps, False, work)
        of.mean = of.total / of.rows if of.varies else of.first
        pass_over(&of, data, of_steps, True, work)
        means[i], deviations[i] = of.mean, sqrt(of.square / of.rows)
    return 0


# ---- helpers: most columns can be told to be near enough to 0 and 1 in one pass, whose order is free ----

cdef enum:
    ROWS_AT_ONCE = 64      # so many that the compiler makes vectors of a loop over them

cdef struct Look:
    double[ROWS_AT_ONCE] rows          # of every 64th: how many count,
    double[ROWS_AT_ONCE] total         # their values less the first,
    double[ROWS_AT_ONCE] square        # and the squares of these


cdef inline void look_at(Look* of, const double* values, Py_ssize_t size, double first, const double* weights,
                         Py_ssize_t rows) noexcept nogil:
    """Add up to 64 rows of a column; inlined with constants for the most usual case."""
    cdef double counts, value
    cdef Py_ssize_t k
    for k in range(rows):
        counts = 1.0 if weights == NULL or weights[k] > 0.0 else 0.0
        value = (values[k * size] - first) * counts
        of.rows[k] += counts
        of.total[k] += value
        of.square[k] += value * value


cdef void look_over(Look* of, const double* values, Py_ssize_t size, double first, const double* weights,
                    Py_ssize_t rows) noexcept nogil:
    while rows > 0:
        if rows < ROWS_AT_ONCE or size > 1:
            look_at(of, values, size, first, weights, min(rows, ROWS_AT_ONCE))
        elif weights:
            look_at(of, values, 1, first, weights, ROWS_AT_ONCE)
        else:
            look_at(of, values, 1, first, NULL, ROWS_AT_ONCE)
        values += ROWS_AT_ONCE * size
        weights += ROWS_AT_ONCE if weights else 0
        rows -= ROWS_AT_ONCE


cdef bint looks_scaled(const Data* data, Py_ssize_t size, Py_ssize_t column) noexcept nogil:
    """Whether the mean and deviation of a column are surely within the limits of find_unscaled."""
    cdef const double* values = data.inputs + column
    cdef const double* weights = data.weights if data.by_step else NULL
    cdef Py_ssize_t i = 0, t = 0, k
    cdef double first, mean, deviation
    cdef Look of
    while not data.counts[i]:
        i += 1
    while t + 1 < data.lengths[i] and not step_weight(data, i, t) > 0.0:     # another thread may write to them
        t += 1
    first = values[(data.starts[i] + t) * size]
    memset(&of, 0, sizeof(of))
    for i in range(data.count):
        if data.counts[i]:      # so those that have one weight for all steps have one above 0
            t = data.starts[i]
            look_over(&of, values + t * size, size, first, weights + t if weights else NULL, data.lengths[i])
    for k in range(1, ROWS_AT_ONCE):
        of.rows[0] += of.rows[k]
        of.total[0] += of.total[k]
        of.square[0] += of.square[k]
    mean = of.total[0] / of.rows[0]
    deviation = sqrt(max(0.0, of.square[0] / of.rows[0] - mean * mean))
    mean = fabs(mean + first)
    return of.square[0] == 0.0 or (mean < 9.9 * deviation and deviation < 29.9)


# ---- columns far from 0 and 1 ----

cdef Py_ssize_t find_unscaled(const Network* net, const Data* data, double* means, double* deviations,
                              Work* work) except -2 nogil:
    """The first column of the inputs whose mean is more than 10 deviations, or whose deviation is above 30, with its
    moments; or -1. Constant columns are left alone."""
    cdef Py_ssize_t size = net.at.input_size, i
    cdef bint suspect = False
    for i in range(size):
        suspect = suspect or not looks_scaled(data, size, i)
    if not suspect:
        return -1
    moments(net, data, False, means, deviations, work)
    for i in range(size):
        if deviations[i] > 0.0 and (fabs(means[i]) > 10.0 * deviations[i] or deviations[i] > 30.0):
            return i
    return -1
