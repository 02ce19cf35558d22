# Part of _core.pyx: sequences as the passes take them: their weights, order and scale. The twin: _plain/data.py.

cdef enum:
    SEQUENCE = 64       # products that a sequence counts as, however short it is


# ---- sequences, with what is to be learnt from them ----

cdef struct Data:
    const double* inputs
    const double* targets
    const double* weights       # NULL: each is 1.0
    bint by_step                # one a step, or one a sequence
    const int64_t* lengths
    const int64_t* starts       # the first step of each
    const char* counts          # whether a sequence has any weight
    Py_ssize_t count


# ---- helpers: what was given for a sequence, so that a loop over its steps asks nothing ----

cdef double ONE = 1.0

cdef struct Given:
    const double* weights
    Py_ssize_t stride           # from a step to the next


cdef inline Given given_for(const Data* data, Py_ssize_t i) noexcept nogil:
    if data.weights == NULL:
        return Given(&ONE, 0)
    return Given(data.weights + data.starts[i], 1) if data.by_step else Given(data.weights + i, 0)


cdef double add_weights(const Data* data, Py_ssize_t i, Py_ssize_t first, Py_ssize_t stop, double total) noexcept nogil:
    """Add them to `total`, one after the other: ones and zeros to a whole number, which is exact, in any order."""
    cdef Given of = given_for(data, i)
    cdef int64_t ones = 0, zeros = 0    # as wide as a double: the compiler makes vectors of the loop
    cdef Py_ssize_t t
    if data.weights == NULL:
        return total + (stop - first)
    if of.stride == 1 and total < 1e15 and total == floor(total):
        for t in range(first, stop):
            ones += of.weights[t] == 1.0
            zeros += of.weights[t] == 0.0
        if ones + zeros == stop - first:
            return total + ones
    for t in range(first, stop):
        total += of.weights[t * of.stride]
    return total


# ---- the weight of a step ----

cdef inline double step_weight(const Data* data, Py_ssize_t i, Py_ssize_t t) noexcept nogil:
    """What was given for step `t` of sequence `i`."""
    cdef Given of = given_for(data, i)
    return of.weights[t * of.stride]


cdef inline double loss_weight(const Network* net, const Data* data, Py_ssize_t i, Py_ssize_t t) noexcept nogil:
    """The weight of the step's loss: with one target a sequence the last step alone has one."""
    if not net.return_sequences and t + 1 < data.lengths[i]:
        return 0.0
    return step_weight(data, i, t)


# ---- helpers: what runs in a lane ----

ctypedef const Data* data_t

cdef struct Lane:
    const Data* data            # NULL: nothing
    Py_ssize_t i                # a sequence,
    Py_ssize_t first, stop      # and steps of it, the first of them in the first row of the tape


cdef inline bint goes_on(const Lane* lane, Py_ssize_t t) noexcept nogil:
    """Whether it has a step in row `t`."""
    return lane.data != NULL and lane.first + t < lane.stop


cdef Py_ssize_t pass_of(const Layout* at, const Lane* lanes, Py_ssize_t t, Py_ssize_t most) noexcept nogil:
    """The steps of a pass from row `t` on, in which no lane ends; 0 where all have."""
    cdef Py_ssize_t steps = 0, left, l
    for l in range(at.lanes):
        left = lanes[l].stop - lanes[l].first - t
        if goes_on(&lanes[l], t) and (steps == 0 or left < steps):
            steps = left
    return min(steps, most)


# ---- their losses ----

cdef struct Total:      # weighted, and their weights, added up step by step; their ratio is the mean loss
    double loss, weight


# ---- helpers: what holds the buffers ----

ctypedef Total* total_t

@cython.final
@cython.internal
cdef class Integers:
    """Memory of zeros."""
    cdef Buffer buffer
    cdef int64_t* values

    def __cinit__(self, Py_ssize_t length):
        self.buffer = Buffer(memoryview(bytearray(8 * length)).cast("q"), PyBUF_WRITABLE, b"q")
        self.values = <int64_t*> self.buffer.view.buf


@cython.final
@cython.internal
cdef class Lengths:
    """The lengths of sequences that follow each other in a buffer, and where each begins."""
    cdef Integers integers
    cdef int64_t* values
    cdef int64_t* starts
    cdef Py_ssize_t count, longest, total

    def __cinit__(self, list lengths not None):
        cdef int64_t length
        cdef Py_ssize_t i
        self.count = len(lengths)
        self.integers = Integers(2 * self.count)
        self.values, self.starts = self.integers.values, self.integers.values + self.count
        for i in range(self.count):
            length = lengths[i]
            if length < 0:
                raise ValueError("a length is negative")
            self.values[i], self.starts[i] = length, self.total
            if length > PY_SSIZE_T_MAX - self.total:
                raise ValueError("the lengths are too large")
            self.longest = max(self.longest, length)
            self.total += length


@cython.final
@cython.internal
cdef class HeldData:
    """A Data, made of a fastrnn._data.Examples and held to what the network takes."""
    cdef Data data
    cdef Lengths lengths
    cdef Buffer inputs, targets, weights
    cdef bytearray counts

    def __cinit__(self, spec, examples):
        cdef Py_ssize_t i, t
        cdef char* counts
        cdef Data* data = &self.data
        self.lengths = Lengths(examples.lengths)
        data.count, data.lengths, data.starts = self.lengths.count, self.lengths.values, self.lengths.starts
        self.inputs, self.targets = Buffer(examples.inputs), Buffer(examples.targets)
        self.inputs.hold_to(self.lengths.total, spec.input_size)
        self.targets.hold_to(self.lengths.total if spec.return_sequences else data.count, spec.target_size)
        data.inputs, data.targets = <const double*> self.inputs.view.buf, <const double*> self.targets.view.buf
        data.by_step = examples.by_step
        if examples.weights is not None:
            self.weights = Buffer(examples.weights)
            self.weights.hold_to(self.lengths.total if data.by_step else data.count)
            data.weights = <const double*> self.weights.view.buf
        self.counts = bytearray(data.count)
        counts = self.counts
        data.counts = counts
        for i in range(data.count):
            for t in range(data.lengths[i]):
                if step_weight(data, i, t) > 0.0:
                    counts[i] = True
                    break
        if not any(self.counts):
            raise ValueError("there is nothing to learn from")


# ---- their order ----

# SplitMix64 (Steele, Lea and Flood 2014), with the constants of its 13th variant of the mixing function (Stafford).
cdef extern from *:
    """
    #define GOLDEN 0x9E3779B97F4A7C15ULL
    #define MIX_1 0xBF58476D1CE4E5B9ULL
    #define MIX_2 0x94D049BB133111EBULL
    """
    const uint64_t GOLDEN, MIX_1, MIX_2


cdef uint64_t next_random(const Settings* of) noexcept nogil:
    """The next of the generator's numbers, of 64 bits."""
    cdef uint64_t z
    of.generator[0] += GOLDEN
    z = of.generator[0]
    z = (z ^ (z >> 30)) * MIX_1
    z = (z ^ (z >> 27)) * MIX_2
    return z ^ (z >> 31)


cdef void draw_order(const Settings* of, Py_ssize_t count, int64_t* order) noexcept nogil:
    """The order of an epoch's sequences: that given or, where they are shuffled, each with the same chance (Durstenfeld
    1964)."""
    cdef Py_ssize_t i, j
    for i in range(count):
        order[i] = i
    if of.generator:
        for i in range(count - 1, 0, -1):
            j = <Py_ssize_t> (<double> (next_random(of) >> 11) * (1.0 / 9007199254740992.0) * (i + 1))
            order[i], order[j] = order[j], order[i]


# ---- their scale ----

cdef void scale_numbers(Py_ssize_t length, const double* values, Py_ssize_t size, const double* mean,
                        const double* scale, Py_ssize_t step, Py_ssize_t stride, double* result) noexcept nogil:
    """Rows in the units of the data as the network takes them, to rows `stride` apart, of numbers `step` apart."""
    cdef Py_ssize_t t, i
    if mean == NULL and size == 1:
        for t in range(length):
            result[t * stride] = values[t]
        return
    if mean == NULL:
        for t in range(length):
            for i in range(size):
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
    while not step_weight(data, i, t) > 0.0:
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
