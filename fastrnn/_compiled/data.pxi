# Part of _core.pyx: sequences as the passes take them: their weights and order. The twin: _plain/data.py.

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
    cdef Py_ssize_t steps = 0, left, lane
    for lane in range(at.lanes):
        left = lanes[lane].stop - lanes[lane].first - t
        if goes_on(&lanes[lane], t) and (steps == 0 or left < steps):
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
    cdef int64_t* values

    def __cinit__(self, Py_ssize_t length):
        self.values = <int64_t*> calloc(length + 1, sizeof(int64_t))    # one more: none is no memory to some
        if self.values == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.values)


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
