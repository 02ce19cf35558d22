# Part of _core.pyx: where the numbers of an RNN lie. It computes nothing, and has no twin.


# ---- memory ----

@cython.final
@cython.internal
cdef class Doubles:
    """Memory of zeros, at the beginning of a cache line."""
    cdef void* memory
    cdef double* start

    def __cinit__(self, Py_ssize_t length):
        self.memory = calloc(length + 8, sizeof(double))
        if self.memory == NULL:
            raise MemoryError
        self.start = <double*> ((<uintptr_t> self.memory + 63) // 64 * 64)

    def __dealloc__(self):
        free(self.memory)


@cython.final
@cython.internal
cdef class View:
    """What a memoryview looks at: rows and columns, or rows alone, somewhere in the network's memory."""
    cdef Doubles owner
    cdef double* start
    cdef int ndim
    cdef Py_ssize_t[2] shape
    cdef Py_ssize_t[2] strides

    def __getbuffer__(self, Py_buffer* view, int flags):
        if flags & PyBUF_STRIDES != PyBUF_STRIDES:
            raise BufferError("the parameter is not contiguous")
        view.obj = self
        view.buf = self.start
        view.len = self.shape[0] * (self.shape[1] if self.ndim == 2 else 1) * <Py_ssize_t> sizeof(double)
        view.itemsize = sizeof(double)
        view.readonly = False
        view.format = b"d"
        view.ndim = self.ndim
        view.shape = self.shape
        view.strides = self.strides
        view.suboffsets = NULL
        view.internal = NULL


cdef object as_view(Doubles owner, double* start, Py_ssize_t rows, Py_ssize_t row_stride,
                    Py_ssize_t columns, Py_ssize_t column_stride):
    """A memoryview of doubles somewhere in the memory of `owner`; without columns it is a vector."""
    cdef View view = View()
    view.owner = owner
    view.start = start
    view.ndim = 2 if columns else 1
    view.shape[0], view.shape[1] = rows, columns
    view.strides[0] = row_stride * <Py_ssize_t> sizeof(double)
    view.strides[1] = column_stride * <Py_ssize_t> sizeof(double)
    return memoryview(view)


cdef double* copy_view(View view, Py_ssize_t offset, double* doubles, bint write):
    """Copy what lies `offset` doubles behind a view, row by row, to or from `doubles`; returns the end of these."""
    cdef Py_ssize_t i, j, rows = view.shape[0], columns = view.shape[1] if view.ndim == 2 else 1
    cdef Py_ssize_t down = view.strides[0] // <Py_ssize_t> sizeof(double)
    cdef Py_ssize_t right = view.strides[1] // <Py_ssize_t> sizeof(double)
    cdef double* start = view.start + offset
    for i in range(rows):
        for j in range(columns):
            if write:
                start[i * down + j * right] = doubles[i * columns + j]
            else:
                doubles[i * columns + j] = start[i * down + j * right]
    return doubles + rows * columns


@cython.final
@cython.internal
cdef class Lengths:
    """The lengths of sequences that follow each other in a buffer."""
    cdef Buffer buffer
    cdef const int64_t* values
    cdef Py_ssize_t count, longest, total

    def __cinit__(self, list lengths not None):
        cdef int64_t length
        cdef Py_ssize_t i
        self.count = len(lengths)
        self.buffer = Buffer(memoryview(bytearray(8 * self.count)).cast("q"), 0, b"q")
        self.values = <const int64_t*> self.buffer.view.buf
        for i in range(self.count):
            length = lengths[i]
            if length < 0:
                raise ValueError("a length is negative")
            (<int64_t*> self.values)[i] = length
            self.longest = max(self.longest, length)
            self.total += length


# ---- a network, and a row of the tape ----

cdef enum Cell:
    ELMAN
    GRU
    LSTM


cdef enum Activation:
    TANH
    SIGMOID
    RELU


cdef enum Output:
    LINEAR
    SIGMOIDS
    SOFTMAX


cdef enum Loss:
    HALF_SQUARED_ERROR
    BINARY_CROSS_ENTROPY
    CROSS_ENTROPY


cdef enum Optimizer:
    SGD
    ADAM
    ADAMW


cdef struct Network:
    Cell cell
    Activation activation
    Output output
    Loss loss
    Optimizer optimizer
    Py_ssize_t input_size, hidden_size, output_size, target_size
    Py_ssize_t gates            # rows of w_hidden_hidden
    Py_ssize_t lanes            # hidden_size, padded
    Py_ssize_t outputs          # output_size, padded
    Py_ssize_t width            # gates, padded
    Py_ssize_t stride           # from one column of the input and hidden weights to the next
    Py_ssize_t length           # doubles of all parameters, padded
    # Where the parameters begin, in their memory and in everything laid out like it. b_hidden, w_input_hidden and
    # w_hidden_hidden are the columns of one matrix, in this order; w_hidden_output lies in rows, `lanes` apart.
    Py_ssize_t b_hidden, w_input_hidden, w_hidden_hidden, b_hidden_hidden, w_hidden_output, b_output
    # What a step leaves on the tape, and where in its row: 1.0, the input and the hidden state before, in sequence;
    # an LSTM's c before; what backward needs; the sums of the output layer; the gradient of the step's
    # loss by them, and of the window's; and that by the other sums.
    Py_ssize_t one, x, h, c, trace, sums, gradient, by_output, delta, delta_hidden, row
    double lr, momentum, weight_decay, clip
    Py_ssize_t window


cdef inline Py_ssize_t padded(Py_ssize_t length) noexcept nogil:
    return (length + PADDING - 1) // PADDING * PADDING


cdef inline Py_ssize_t take(Py_ssize_t* end, Py_ssize_t length) noexcept nogil:
    """Lay out `length` more doubles behind `end`; returns where they begin."""
    cdef Py_ssize_t start = end[0]
    end[0] += padded(length)
    return start


cdef inline Py_ssize_t cache_lines(Py_ssize_t length) noexcept nogil:
    """Doubles that fill an odd number of cache lines: rows so far apart use all of the cache, not a part of it."""
    return (length + 7) // 8 * 8 | 8


cdef void lay_out(Network* n) noexcept nogil:
    """Set the sizes and places that follow from cell, input_size, hidden_size and output_size."""
    cdef Py_ssize_t end = 0
    n.gates = (1 if n.cell == ELMAN else 3 if n.cell == GRU else 4) * n.hidden_size
    n.lanes = padded(n.hidden_size)
    n.outputs = padded(n.output_size)
    n.width = padded(n.gates)
    n.stride = cache_lines(n.width) if n.width > 32 else n.width       # small ones lie in the cache as they are
    n.b_hidden = take(&end, n.stride)
    n.w_input_hidden = take(&end, n.stride * n.input_size)
    n.w_hidden_hidden = take(&end, n.stride * n.hidden_size)
    n.b_hidden_hidden = take(&end, n.hidden_size if n.cell == GRU else 0)
    n.w_hidden_output = take(&end, n.lanes * n.output_size)
    n.b_output = take(&end, n.output_size)
    n.length = end
    end = 0
    n.h = padded(1 + n.input_size)
    n.x = n.h - n.input_size
    n.one = n.x - 1
    end = n.h + n.lanes
    n.c = take(&end, n.hidden_size if n.cell == LSTM else 0)
    n.trace = take(&end, 0 if n.cell == ELMAN else n.gates)
    if n.cell != ELMAN:
        take(&end, n.hidden_size)       # behind the gates of a GRU q, of an LSTM tanh c
    n.sums = take(&end, n.output_size)
    n.gradient = take(&end, n.output_size)
    n.by_output = take(&end, n.output_size)
    n.delta = take(&end, n.gates)
    n.delta_hidden = take(&end, n.gates) if n.cell == GRU else n.delta
    n.row = cache_lines(end)


# ---- the tape ----

@cython.final
@cython.internal
cdef class Tape:
    """What a window of steps leaves behind for backward, a row a step, and the memory that backward and update need."""
    cdef Doubles memory
    cdef Py_ssize_t steps       # that it has room for
    cdef double* rows           # one more than steps: the state after the last one
    # Laid out as the network's memory: the gradient, then what is to be written there; or what `ahead` points to.
    cdef double* values
    cdef double* weights        # those of forward, packed
    cdef double* w_hidden_hidden    # its rows, packed
    cdef double* by_h
    cdef double* by_other       # an LSTM's gradient by c, a GRU's by h without its gates; with an Elman network zeros
    cdef const double* ahead    # the next step's sums of the gates, where update has computed them (in values), or NULL
    cdef bint from_last         # where the last pass that did so began

    def __cinit__(self, Py_ssize_t steps, Py_ssize_t row, Py_ssize_t values, Py_ssize_t weights, Py_ssize_t rows,
                  Py_ssize_t lanes):
        if steps >= (PY_SSIZE_T_MAX // 16 - values - weights - rows - 2 * lanes) // row:
            raise MemoryError(f"there is no memory for {steps} steps at once: lower window")
        self.steps = steps
        self.memory = Doubles((steps + 1) * row + values + weights + rows + 2 * lanes)
        self.rows = self.memory.start
        self.values = self.rows + (steps + 1) * row
        self.weights = self.values + values
        self.w_hidden_hidden = self.weights + weights
        self.by_h = self.w_hidden_hidden + rows
        self.by_other = self.by_h + lanes


cdef Tape new_tape(const Network* n, Py_ssize_t steps, bint learn):
    cdef Tape tape = Tape(steps, n.row, 3 * n.length if learn else 0, n.b_hidden_hidden - first_weights(n),
                          n.gates * n.lanes if learn else 0, n.lanes)
    cdef Py_ssize_t t
    for t in range(steps):
        tape.rows[t * n.row + n.one] = 1.0
    return tape


cdef Py_ssize_t first_weights(const Network* n) noexcept nogil:
    """Where the columns begin that forward wants packed; they end where those of w_hidden_hidden do."""
    return n.w_hidden_hidden if n.cell == GRU else n.w_input_hidden


cdef void pack_weights(const Network* n, const double* parameters, Tape tape) noexcept nogil:
    cdef Py_ssize_t first = first_weights(n)
    pack(parameters + first, n.stride, (n.b_hidden_hidden - first) // n.stride, n.width, tape.weights)


# ---- the state ----

cdef void copy_state(const Network* n, const double* source, double* target) noexcept nogil:
    """From one row of the tape to another."""
    copy_padded(source + n.h, n.hidden_size, target + n.h)
    if n.cell == LSTM:
        copy_padded(source + n.c, n.hidden_size, target + n.c)


cdef void read_state(const Network* n, const double* row, double* state) noexcept nogil:
    memcpy(state, row + n.h, n.hidden_size * sizeof(double))
    if n.cell == LSTM:
        memcpy(state + n.hidden_size, row + n.c, n.hidden_size * sizeof(double))


cdef void write_state(const Network* n, const double* state, double* row) noexcept nogil:
    memcpy(row + n.h, state, n.hidden_size * sizeof(double))
    if n.cell == LSTM:
        memcpy(row + n.c, state + n.hidden_size, n.hidden_size * sizeof(double))


cdef inline double work_of_step(const Network* n) noexcept nogil:
    return n.width * (n.hidden_size + n.input_size + 32.0) + n.output_size * (n.hidden_size + 32.0)
