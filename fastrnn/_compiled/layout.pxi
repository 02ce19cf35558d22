# Part of _core.pyx: where the numbers of an RNN lie. It computes nothing, and has no twin.

# ---- sizes and places ----
# In memory the parameters come first, then in the same places the first moments (the velocity of sgd), then the second
# ones, then the powers of Adam's betas. The columns b_hidden, w_input_hidden, w_hidden_hidden are those of one matrix,
# `stride` apart; the parameters of a cell's own are one vector; w_hidden_output lies in rows, `hidden_width` apart.
#
# A step leaves a row on the tape. [1, x, h] follow each other, so that bias, input and state take one sum; the state
# after the step is the h (and c) of the next row. What is not there takes no room; everything else is padded.
#
#   | loss weight 1 x | h | c | trace | sums | gradient |
#     |    |      |     |   |   |       |      |
#     |    |      |     |   |   |       |      gradient of the step's loss by the sums of the output layer
#     |    |      |     |   |   |       sums of the output layer
#     |    |      |     |   |   what backward needs of the cell, part after part of hidden_size
#     |    |      |     |   the cell's memory before the step, where there are two states
#     |    |      |     hidden state before the step
#     |    |      input
#     |    weight of the step's loss
#     the step's loss
#
# What a pass alone needs lies apart, in a row of the slate, of which there are as many as a pass has steps: it stays in
# the first-level cache from backward to the gradient, and the tape is the shorter for it.
#
#   | by_output | delta | delta_hidden | by_own |
#     |           |       |              gradient by the cell's own parameters
#     |           |       apart: gradient by the sums over h
#     |           apart: sums over x, forward; then gradient by the sums
#     gradient by the sums of the output layer, of the loss of the update

cdef enum:
    ROWS = 16           # steps that a prediction remembers at a time, and learn() at first
    BLOCK_OF_STEPS = 64     # the most that a pass takes at once: so that the next pass finds them in the cache
    BLOCK_IN_LANES = 16     # and in lanes
    SPAN = 128          # numbers that a pass has of one, of all lanes: BLOCK_IN_LANES of 8, or BLOCK_OF_STEPS


cdef struct Layout:
    Py_ssize_t lanes                                    # numbers side by side, where one stands: 1, or LANES
    Py_ssize_t input_size, hidden_size, output_size, target_size
    Py_ssize_t units, outputs                           # numbers of h, and of the sums of the output layer
    Py_ssize_t gates_size                               # rows of w_hidden_hidden
    Py_ssize_t states                                   # 1: h; 2: h and c
    Py_ssize_t trace_size, own_size
    bint apart                                          # the sums over x and over h
    Py_ssize_t hidden_width, output_width, gates_width, own_width   # padded
    Py_ssize_t stride
    Py_ssize_t b_hidden, w_input_hidden, w_hidden_hidden, own, w_hidden_output, b_output    # in memory
    Py_ssize_t parameters_width                         # of all of them, padded: here begin the first moments
    Py_ssize_t powers, memory                           # of the betas; doubles of it all
    Py_ssize_t loss, weight, one, x, h, c, trace, sums, gradient    # in a row of the tape,
    Py_ssize_t by_output, delta, delta_hidden, by_own               # and of the slate
    Py_ssize_t row, slate                               # doubles of one
    double work                                         # products of a step, forward or backward
    Py_ssize_t block                                    # steps that a pass takes at once


cdef inline Py_ssize_t take(Py_ssize_t* end, Py_ssize_t length) noexcept nogil:
    """Lay out `length` more doubles behind `end`; returns where they begin."""
    cdef Py_ssize_t start = end[0]
    end[0] += padded(length)
    return start


cdef inline Py_ssize_t cache_lines(Py_ssize_t length) noexcept nogil:
    """Doubles that fill an odd number of cache lines: rows so far apart use all of the cache, not a part of it."""
    return (length + 7) // 8 * 8 | 8


cdef Layout lay_out(spec, Py_ssize_t lanes):
    cdef Layout at
    cdef Py_ssize_t end = 0
    at.lanes = lanes
    at.input_size, at.hidden_size, at.output_size = spec.input_size, spec.hidden_size, spec.output_size
    at.target_size, at.gates_size, at.states, at.apart = spec.target_size, spec.gates_size, spec.states, spec.apart
    at.trace_size, at.own_size = spec.trace_size, spec.own_size
    at.units, at.outputs = lanes * at.hidden_size, lanes * at.output_size
    at.hidden_width, at.output_width = padded(at.units), padded(at.outputs)
    at.gates_width, at.own_width = padded(lanes * at.gates_size), padded(lanes * at.own_size)
    # Small ones lie in the cache.
    at.stride = cache_lines(at.gates_width) if lanes == 1 and at.gates_width > 32 else at.gates_width
    at.b_hidden = take(&end, at.stride)
    at.w_input_hidden = take(&end, at.stride * at.input_size)
    at.w_hidden_hidden = take(&end, at.stride * at.hidden_size)
    at.own = take(&end, lanes * at.own_size)
    at.w_hidden_output = take(&end, at.hidden_width * at.output_size)
    at.b_output = take(&end, at.outputs)
    at.parameters_width = end
    at.powers = 3 * at.parameters_width
    at.memory = at.powers + 2 * lanes
    at.h = padded(lanes * (3 + at.input_size))
    at.x = at.h - lanes * at.input_size
    at.one, at.weight, at.loss = at.x - lanes, at.x - 2 * lanes, at.x - 3 * lanes
    end = at.h + at.hidden_width
    at.c = take(&end, at.units if at.states == 2 else 0)
    at.trace = take(&end, lanes * at.trace_size)
    at.sums = take(&end, at.outputs)
    at.gradient = take(&end, at.outputs)
    at.row = cache_lines(end)
    end = 0
    at.by_output = take(&end, at.outputs)
    at.delta = take(&end, lanes * at.gates_size)
    at.delta_hidden = take(&end, lanes * at.gates_size) if at.apart else at.delta
    at.by_own = take(&end, lanes * at.own_size)
    at.slate = cache_lines(end)
    at.work = lanes * (at.gates_size * (at.hidden_size + at.input_size + 32.0)
                       + at.output_size * (at.hidden_size + 32.0))
    at.block = max(1, min(BLOCK_OF_STEPS if lanes == 1 else BLOCK_IN_LANES, <Py_ssize_t> (WORK / 4 / at.work)))
    return at


# ---- memory ----

@cython.final
@cython.internal
cdef class Doubles:
    """Memory of zeros, at the beginning of a cache line."""
    cdef void* memory
    cdef double* start
    cdef Py_ssize_t length

    def __cinit__(self, Py_ssize_t length):
        self.memory = calloc(length + 8, sizeof(double))
        if self.memory == NULL:
            raise MemoryError
        self.start = <double*> ((<uintptr_t> self.memory + 63) // 64 * 64)
        self.length = length

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

    cdef Py_ssize_t length(self) noexcept:
        return self.shape[0] * self.shape[1]

    cdef double* copy(self, Py_ssize_t offset, double* doubles, bint write) noexcept:
        """Copy what lies `offset` doubles behind it, row by row, to or from `doubles`; returns the end of these."""
        cdef Py_ssize_t i, j
        cdef Py_ssize_t down = self.strides[0] // <Py_ssize_t> sizeof(double)
        cdef Py_ssize_t right = self.strides[1] // <Py_ssize_t> sizeof(double)
        cdef double* start = self.start + offset
        for i in range(self.shape[0]):
            for j in range(self.shape[1]):
                if write:
                    start[i * down + j * right] = doubles[i * self.shape[1] + j]
                else:
                    doubles[i * self.shape[1] + j] = start[i * down + j * right]
        return doubles + self.length()


cdef View vector_view(Doubles owner, Py_ssize_t start, Py_ssize_t length):
    return matrix_view(owner, start, (length,), 1, 1)


cdef View matrix_view(Doubles owner, Py_ssize_t start, tuple shape, Py_ssize_t down, Py_ssize_t right):
    """Of a shape (rows, columns) or (rows,). down, right: doubles from a row and a column to the next."""
    cdef View view = View()
    view.owner = owner
    view.start = owner.start + start
    view.ndim = len(shape)
    view.shape[0], view.shape[1] = shape[0], shape[1] if len(shape) == 2 else 1
    view.strides[0] = down * <Py_ssize_t> sizeof(double)
    view.strides[1] = right * <Py_ssize_t> sizeof(double)
    return view


cdef dict parameter_views(const Layout* at, spec, Doubles memory):
    """A view of each parameter, by name, in the order of the spec."""
    cdef dict views = {}
    cdef Py_ssize_t end = at.own
    for name, shape in spec.shapes.items():
        if name == "w_input_hidden":
            views[name] = matrix_view(memory, at.w_input_hidden, shape, 1, at.stride)
        elif name == "w_hidden_hidden":
            views[name] = matrix_view(memory, at.w_hidden_hidden, shape, 1, at.stride)
        elif name == "b_hidden":
            views[name] = matrix_view(memory, at.b_hidden, shape, 1, 1)
        elif name == "w_hidden_output":
            views[name] = matrix_view(memory, at.w_hidden_output, shape, at.hidden_width, 1)
        elif name == "b_output":
            views[name] = matrix_view(memory, at.b_output, shape, 1, 1)
        else:       # of the cell's own
            views[name] = matrix_view(memory, end, shape, 1, 1)
            end += shape[0]
    return views


@cython.final
@cython.internal
cdef class Tape:
    """What a window of steps leaves behind for backward, a row a step, and the memory that backward and update need."""
    cdef Doubles memory
    cdef Py_ssize_t steps       # that it has room for
    cdef bint learns            # or it has no room for what learning needs
    cdef double* rows           # one more than steps: the state after the last one
    cdef double* slate          # as many rows as a pass has
    cdef double* proposal       # laid out as the network's memory: the gradient, then what is to be written there
    cdef double* own            # likewise: the gradient of one sequence of several
    cdef double* targets        # of a pass, scaled
    cdef Doubles states         # of the sequences that run side by side, h and c each
    cdef double* columns        # those that forward takes, packed
    cdef double* w_hidden_hidden    # its rows, packed
    cdef double* by_state       # the gradient by the state
    cdef double* ahead          # sums of the gates, where online learning has computed those of the next step
    cdef double* state          # the row with the state after the last update; NULL, if there was none
    cdef Tape wide              # in lanes, for sequences of one network; or None
    cdef double* starts         # in lanes: what sums start from, one number for all lanes, of those sequences
    cdef double* spare          # a row for it, where the first one is needed for the next sequence
    cdef bint[LANES] kept           # whether there is a state for the network
    cdef Py_ssize_t[LANES] updates  # that have been made with it, and that the network does not know of yet
    cdef double bound           # no parameter is larger; infinity, as soon as Python code may have written to them
    cdef bint busy              # a call of learn() is about it

    def __cinit__(self):
        self.bound = INFINITY


cdef Tape new_tape(const Layout* at, Py_ssize_t steps, bint learns):
    """Zeros, but for the ones."""
    cdef Tape tape = Tape()
    cdef Py_ssize_t columns = at.stride * (at.input_size + at.hidden_size), state = at.states * at.hidden_width, t
    cdef Py_ssize_t slate = min(steps, at.block) * at.slate, learning = 0
    if learns:
        learning = (padded(at.memory) + at.parameters_width + padded(at.block * at.target_size * at.lanes)
                    + at.gates_size * at.hidden_width + state + at.gates_width + at.row
                    + at.gates_width + at.own_width + at.output_width)
    try:
        if steps >= (PY_SSIZE_T_MAX // 16 - slate - columns - learning) // at.row:
            raise MemoryError
        tape.memory = Doubles((steps + 1) * at.row + slate + columns + learning)
    except MemoryError:
        raise MemoryError(f"there is no memory for {steps:,} steps at once: lower window") from None
    tape.steps, tape.learns = steps, learns
    tape.rows = tape.memory.start
    tape.slate = tape.rows + (steps + 1) * at.row
    tape.columns = tape.slate + slate
    if learns:
        tape.proposal = tape.columns + columns
        tape.own = tape.proposal + padded(at.memory)
        tape.targets = tape.own + at.parameters_width
        tape.w_hidden_hidden = tape.targets + padded(at.block * at.target_size * at.lanes)
        tape.by_state = tape.w_hidden_hidden + at.gates_size * at.hidden_width
        tape.ahead = tape.by_state + state
        tape.spare = tape.ahead + at.gates_width
        tape.starts = tape.spare + at.row
    for t in range(steps + 1):
        fill(tape.rows + t * at.row + at.one, at.lanes, 1.0)
    return tape


cdef Tape tape_of_training(const Layout* at, Tape tape, Py_ssize_t steps, Py_ssize_t sequences):
    """A tape for windows of so many steps of sequences that run side by side: this one, if it has the room."""
    cdef Py_ssize_t size = sequences * at.states * at.hidden_width
    cdef Tape before = tape
    if tape is None or tape.steps < steps:
        tape = new_tape(at, steps, True)
        if before is not None:
            tape.updates = before.updates
    if tape.states is None or tape.states.length < size:
        tape.states = Doubles(size)
    tape.state, tape.bound = NULL, INFINITY
    return tape


# ---- the state ----

cdef inline void fresh_state(const Layout* at, double* row) noexcept nogil:
    fill(row + at.h, at.states * at.hidden_width, 0.0)      # c is right behind h


cdef inline void copy_state(const Layout* at, const double* source, double* target) noexcept nogil:
    """From one row of the tape to another."""
    copy_padded(source + at.h, at.units, target + at.h)
    if at.states == 2:
        copy_padded(source + at.c, at.units, target + at.c)


cdef void copy_lane(const Layout* at, const double* source, double* target, Py_ssize_t lane) noexcept nogil:
    """The state of one lane, from one row of the tape to another."""
    cdef Py_ssize_t i, place
    if at.lanes == 1:
        copy_state(at, source, target)
        return
    for i in range(at.hidden_size):
        place = i * at.lanes + lane
        target[at.h + place] = source[at.h + place]
        if at.states == 2:
            target[at.c + place] = source[at.c + place]


cdef void keep_state(const Layout* at, Tape tape, const double* row, Py_ssize_t lane) noexcept nogil:
    """That of a row is the network's."""
    copy_lane(at, row, tape.spare, lane)
    tape.state, tape.kept[lane] = tape.spare, True


cdef void move_on(const Layout* at, Tape tape) noexcept nogil:
    """The state after the first row is the network's, and the one before the next step."""
    copy_state(at, tape.rows + at.row, tape.rows)
    tape.state = tape.rows


cdef void read_state(const Layout* at, const double* row, double* state) noexcept nogil:
    memcpy(state, row + at.h, at.hidden_size * sizeof(double))
    if at.states == 2:
        memcpy(state + at.hidden_size, row + at.c, at.hidden_size * sizeof(double))


cdef void write_state(const Layout* at, const double* state, double* row) noexcept nogil:
    memcpy(row + at.h, state, at.hidden_size * sizeof(double))
    if at.states == 2:
        memcpy(row + at.c, state + at.hidden_size, at.hidden_size * sizeof(double))
