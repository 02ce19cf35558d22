# Part of _core.pyx: all that an RNN is, behind its door. It computes nothing, and has no twin.

# ---- what an RNN is ----

cdef Py_ssize_t row_of(str name, const void* table, size_t row, size_t whole) except -1:
    """The index of a kind in its table, of `whole` bytes and `row` bytes a row, each of which begins with the name."""
    cdef const char* here
    cdef size_t i
    for i in range(whole // row):
        here = (<const char**> (<const char*> table + i * row))[0]
        if here != NULL and here == name.encode():
            return i
    raise ValueError(f"this core has no {name!r}")


cdef int take_kinds(Network* net, spec, bint in_lanes) except -1:
    cdef Py_ssize_t cell = row_of(spec.cell, CELLS, sizeof(Cell), sizeof(CELLS))
    cdef Py_ssize_t activation = row_of(spec.activation, ACTIVATIONS, sizeof(Activation), sizeof(ACTIVATIONS))
    cdef Py_ssize_t output = row_of(spec.output, OUTPUTS, sizeof(Output), sizeof(OUTPUTS))
    cdef Py_ssize_t loss = row_of(spec.loss, LOSSES, sizeof(Loss), sizeof(LOSSES))
    net.cell = CELLS_IN_LANES[cell] if in_lanes else CELLS[cell]
    net.activation = ACTIVATIONS_IN_LANES[activation] if in_lanes else ACTIVATIONS[activation]
    net.output = OUTPUTS_IN_LANES[output] if in_lanes else OUTPUTS[output]
    net.loss = LOSSES_IN_LANES[loss] if in_lanes else LOSSES[loss]
    net.optimizer = OPTIMIZERS[row_of(spec.optimizer, OPTIMIZERS, sizeof(Optimizer), sizeof(OPTIMIZERS))]
    return 0


@cython.final
@cython.internal
cdef class Body:
    """All that an RNN is, made whole before the network takes it, so that what runs never sees a part of it change."""
    cdef Network net
    cdef Settings settings
    cdef object spec
    cdef Doubles memory         # the parameters, and behind them all else that learning changes
    cdef Doubles zeros
    cdef dict views             # of the parameters, by name
    cdef Doubles state          # h, and where there are two states c after it
    cdef Tape tape              # of learn() and step()
    cdef Py_ssize_t waiting     # steps on the tape, since the last update
    cdef Doubles scales         # the mean and scale of the inputs, and those of the targets
    cdef bint[4] is_scaled      # which of them are there
    cdef bint is_ready          # whether all are that there must be
    cdef uint64_t generator     # the state of the one that shuffles
    cdef Py_ssize_t updates     # that trainings have made
    cdef Doubles exchange       # x, the targets and the predictions of step() and learn()
    cdef object x, targets      # where these lie, as float64 memoryviews

    def __cinit__(self, spec):
        cdef Network* net = &self.net
        cdef Settings* of = &self.settings
        net.of = of
        net.at = lay_out(spec, 1)
        take_kinds(net, spec, False)
        net.classes, net.return_sequences = spec.classes, spec.return_sequences
        of.generator = &self.generator if spec.shuffle else NULL
        self.spec = spec
        try:
            self.memory = Doubles(net.at.memory)
        except MemoryError:
            raise MemoryError(f"there is no memory for {spec.count:,} parameters") from None
        settle_places(net, self.memory.start)
        net.memory[net.at.powers] = net.memory[net.at.powers + 1] = 1.0
        self.zeros = Doubles(net.at.states * net.at.hidden_width)
        net.zeros = self.zeros.start
        net.fresh = net.zeros - net.at.h
        self.views = parameter_views(&net.at, spec, self.memory)
        self.state = Doubles(spec.state_size)
        self.scales = Doubles(2 * (spec.input_size + spec.target_size))
        self.is_ready = not spec.scales
        self.exchange = Doubles(spec.input_size + spec.target_size + spec.output_size)
        self.x = memoryview(vector_view(self.exchange, 0, spec.input_size))
        self.targets = memoryview(vector_view(self.exchange, spec.input_size, spec.target_size))
        of.lr, of.clip, of.window, of.batch_size, of.patience = 0.01, INFINITY, 32, 1, -1
        if max(len(spec.of_loss), len(spec.of_optimizer)) > SETTINGS:
            raise ValueError(f"there is room for {SETTINGS} settings of a loss or an optimizer")
        for i, (default, _) in enumerate(spec.settings.values()):
            self.setting(i)[0] = default

    cdef double* setting(self, Py_ssize_t i):
        """Those of the loss, then those of the optimizer."""
        cdef Py_ssize_t of_loss = len(self.spec.of_loss)
        return &self.settings.of_loss[i] if i < of_loss else &self.settings.of_optimizer[i - of_loss]

    cdef double* copy_views(self, Py_ssize_t offset, double* doubles, bint write):
        """Copy what lies `offset` doubles behind the parameters, to or from `doubles`; returns the end of these."""
        cdef View view
        for view in self.views.values():
            doubles = view.copy(offset, doubles, write)
        return doubles

    cdef int copy_memory(self, Buffer other, bint write) except -1:
        """All that learning changes, to or from a buffer of as many doubles."""
        cdef double* doubles = <double*> other.view.buf
        cdef double* powers = self.net.memory + self.net.at.powers
        cdef Py_ssize_t part
        other.hold_to(self.spec.memory)
        for part in range(3):
            doubles = self.copy_views(part * self.net.at.parameters_width, doubles, write)
        memcpy(powers if write else doubles, doubles if write else powers, 2 * sizeof(double))
        return 0

    cdef double* scale(self, Py_ssize_t which, Py_ssize_t* size) noexcept:
        """One of the four, and its size."""
        cdef Py_ssize_t inputs = self.net.at.input_size, targets = self.net.at.target_size
        size[0] = inputs if which < 2 else targets
        return self.scales.start + (which * inputs if which < 2 else 2 * inputs + (which - 2) * targets)

    cdef tuple scales_there(self):
        """A list of floats each; None where there is none."""
        cdef Py_ssize_t size = 0, which
        cdef double* numbers
        cdef list result = []
        for which in range(4):
            numbers = self.scale(which, &size)
            result.append([numbers[i] for i in range(size)] if self.is_scaled[which] else None)
        return tuple(result)

    cdef int take_scales(self, values) except -1:
        """The same, and have the passes take those that are there, mean and scale together."""
        cdef Py_ssize_t size = 0, which, i
        cdef double* numbers
        cdef list given = [None if value is None else list(map(float, value)) for value in values]
        check_length(given, 4)
        for which in range(4):
            self.scale(which, &size)
            if given[which] is not None:
                check_length(given[which], size)
        for which in range(4):
            numbers = self.scale(which, &size)
            self.is_scaled[which] = given[which] is not None
            for i in range(size if self.is_scaled[which] else 0):
                numbers[i] = given[which][i]
        inputs, targets = self.is_scaled[0] and self.is_scaled[1], self.is_scaled[2] and self.is_scaled[3]
        self.settings.input_mean = self.scale(0, &size) if inputs else NULL
        self.settings.input_scale = self.scale(1, &size) if inputs else NULL
        self.settings.target_mean = self.scale(2, &size) if targets else NULL
        self.settings.target_scale = self.scale(3, &size) if targets else NULL
        self.is_ready = all([self.is_scaled[which] for which in range(len(self.spec.scales))])
        return 0

    cdef object prediction(self):
        """What the last step came to: a float, or a list of them."""
        cdef const double* values = self.exchange.start + self.net.at.input_size + self.net.at.target_size
        return values[0] if self.net.at.output_size == 1 else [values[i] for i in range(self.net.at.output_size)]

    cdef Tape tape_for(self, Py_ssize_t needed, Py_ssize_t wanted, bint learns):
        """The tape with room for the steps that are needed, or a new one for those that are wanted; steps that wait
        stay. Where a call of learn() is about it (around a signal handler, or in another thread) it is a new one."""
        cdef Tape tape = self.tape, other
        if tape is None or tape.steps < needed or learns > tape.learns or tape.busy:
            other = new_tape(&self.net.at, max(needed, wanted), learns)
            if tape is not None and self.waiting > 0:
                memcpy(other.rows, tape.rows, (self.waiting + 1) * self.net.at.row * sizeof(double))
            self.tape = other
        use_as_it_lies(&self.net, self.tape)
        return self.tape

    cdef list places(self):
        """Where the doubles of a step that waits lie, from the beginning of its row of the tape: see Spec.waiting."""
        cdef const Layout* at = &self.net.at
        cdef list state = [*range(at.h, at.h + at.hidden_size)]
        if at.states == 2:
            state += range(at.c, at.c + at.hidden_size)
        return [*range(at.x, at.x + at.input_size), *state, *range(at.trace, at.trace + at.trace_size),
                *[at.row + place for place in state], *range(at.gradient, at.gradient + at.output_size),
                at.weight]


# ---- what a call of it is about ----


@cython.final
@cython.internal
cdef class HeldCourse:
    """A Course, and the memory that it looks at."""
    cdef Course of
    cdef Window window
    cdef Network net            # copies: of the network, and of its settings as they are when an epoch begins,
    cdef Settings settings
    cdef Network wide           # and in lanes
    cdef Settings[LANES] in_lanes
    cdef HeldData data, validation
    cdef Integers order
    cdef Doubles best, zeros

    def __cinit__(self, Body body, data, validation):
        cdef Py_ssize_t i
        self.data, self.order = HeldData(body.spec, data), Integers(len(data.lengths))
        self.best = Doubles(body.net.at.parameters_width)
        self.window.of[0] = &self.of
        self.of.data, self.of.order, self.of.at_sequence = &self.data.data, self.order.values, -1
        self.of.best, self.of.best_loss, self.of.best_epoch = self.best.start, INFINITY, -1
        for i in range(self.of.data.count):
            self.of.order[i] = i
        if validation is not None:
            self.validation = HeldData(body.spec, validation)
            self.of.validation = &self.validation.data
            self.of.same = (data.inputs is validation.inputs and data.targets is validation.targets
                            and data.lengths == validation.lengths)

    cdef Tape begin(self, Body body, Tape tape, Py_ssize_t longest):
        """Take the network as it is now. Returns a tape for windows of so many steps: `tape`, if it has the room."""
        cdef Py_ssize_t count = self.of.data.count
        self.net, self.settings = body.net, body.settings
        self.net.of = &self.settings
        return tape_of_training(&self.net.at, tape, min(longest, self.data.lengths.longest),
                                min(self.settings.batch_size, count) if self.settings.batch_size > 0 else count)

    cdef Tape begin_epoch(self, Body body, Tape tape):
        """The same for an epoch of training, and where that pays for the sequences of a batch in lanes."""
        cdef Py_ssize_t longest = self.data.lengths.longest, count = self.of.data.count, lane
        cdef Network* wide = &self.wide
        if body.settings.window > 0:
            longest = min(longest, body.settings.window)
        tape = self.begin(body, tape, longest)
        if self.settings.batch_size > 0:
            count = min(count, self.settings.batch_size)
        self.window.wide = NULL
        if count < fewest_in_lanes(&self.net.at, True):
            return tape
        wide[0], wide.at, wide.of = self.net, lay_out(body.spec, LANES), self.in_lanes
        take_kinds(wide, body.spec, True)
        for lane in range(LANES):
            self.in_lanes[lane] = self.settings
        try:
            tape.wide = tape_of_training(&wide.at, tape.wide, longest, (count + LANES - 1) // LANES)
        except MemoryError:     # one after the other needs less
            return tape
        self.window.wide = wide
        settle_places(wide, tape.wide.own)
        if self.zeros is None:
            self.zeros = Doubles(wide.at.states * wide.at.hidden_width)
        wide.zeros, wide.fresh = self.zeros.start, self.zeros.start - wide.at.h
        return tape


cdef struct Training:       # what a call of train() is about
    PyObject* body
    PyObject* tape


cdef void show_training(void* of) noexcept:
    """Before Python code runs: the network is whole, as after its last complete update, and may be written to."""
    cdef Body body = <Body> (<Training*> of).body
    cdef Tape tape = <Tape> (<Training*> of).tape
    tape.bound = INFINITY
    body.updates += tape.updates[0]
    tape.updates[0] = 0
    if tape.state:
        read_state(&body.net.at, tape.state, body.state.start)
        body.waiting = 0
