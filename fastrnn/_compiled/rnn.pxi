# Part of _core.pyx: RNNCore, the door to it all. The twin: _plain/rnn.py.

# ---- helpers: what an RNN is ----

cdef Py_ssize_t row_of(str name, const void* table, size_t row, size_t whole) except -1:
    """The index of a kind in its table, of `whole` bytes and `row` bytes a row, each of which begins with the name."""
    cdef const char* here
    cdef size_t i
    for i in range(whole // row):
        here = (<const char**> (<const char*> table + i * row))[0]
        if here != NULL and here == name.encode():
            return i
    raise ValueError(f"this core has no {name!r}")


@cython.final
@cython.internal
cdef class Body:
    """All that an RNN is, made whole before the network takes it, so that what runs never sees a part of it change."""
    cdef Network net
    cdef object spec
    cdef Doubles memory         # the parameters, and behind them all else that learning changes
    cdef Doubles zeros
    cdef dict views             # of the parameters, by name
    cdef Doubles state          # h, and where there are two states c after it
    cdef Tape tape              # of learn() and step()
    cdef Py_ssize_t waiting     # steps on the tape, since the last update
    cdef Doubles exchange       # x, the targets and the predictions of step() and learn()
    cdef object x, targets, predictions     # where these lie, as float64 memoryviews

    def __cinit__(self, spec):
        cdef Network* net = &self.net
        net.at = lay_out(spec)
        net.cell = CELLS[row_of(spec.cell, CELLS, sizeof(Cell), sizeof(CELLS))]
        net.activation = ACTIVATIONS[row_of(spec.activation, ACTIVATIONS, sizeof(Activation), sizeof(ACTIVATIONS))]
        net.output = OUTPUTS[row_of(spec.output, OUTPUTS, sizeof(Output), sizeof(OUTPUTS))]
        net.loss = LOSSES[row_of(spec.loss, LOSSES, sizeof(Loss), sizeof(LOSSES))]
        net.optimizer = OPTIMIZERS[row_of(spec.optimizer, OPTIMIZERS, sizeof(Optimizer), sizeof(OPTIMIZERS))]
        net.classes = spec.classes
        self.spec = spec
        try:
            self.memory = Doubles(net.at.memory)
        except MemoryError:
            raise MemoryError(f"there is no memory for {spec.count:,} parameters") from None
        settle_places(net, self.memory.start)
        net.memory[net.at.powers] = net.memory[net.at.powers + 1] = 1.0
        self.zeros = Doubles(net.at.states * net.at.hidden_width)
        net.zeros = self.zeros.start
        use_as_it_lies(net)
        self.views = parameter_views(&net.at, spec, self.memory)
        self.state = Doubles(spec.state_size)
        self.exchange = Doubles(spec.input_size + spec.target_size + spec.output_size)
        self.x = memoryview(vector_view(self.exchange, 0, spec.input_size))
        self.targets = memoryview(vector_view(self.exchange, spec.input_size, spec.target_size))
        self.predictions = memoryview(vector_view(self.exchange, spec.input_size + spec.target_size, spec.output_size))
        net.lr, net.clip, net.window = 0.01, INFINITY, 32
        if max(len(spec.of_loss), len(spec.of_optimizer)) > SETTINGS:
            raise ValueError(f"there is room for {SETTINGS} settings of a loss or an optimizer")
        for i, (default, _) in enumerate(spec.settings.values()):
            self.setting(i)[0] = default

    cdef double* setting(self, Py_ssize_t i):
        """Those of the loss, then those of the optimizer."""
        cdef Py_ssize_t of_loss = len(self.spec.of_loss)
        return &self.net.of_loss[i] if i < of_loss else &self.net.of_optimizer[i - of_loss]

    cdef Tape tape_for(self, Py_ssize_t needed, Py_ssize_t wanted, bint learns):
        """The tape with room for the steps that are needed, or a new one for those that are wanted; steps that wait
        stay. Where a call of learn() is about it (around a signal handler, or in another thread) it is a new one."""
        cdef Tape tape = self.tape, other
        if tape is None or tape.steps < needed or learns > tape.learns or tape.busy:
            other = new_tape(&self.net.at, max(needed, wanted), learns)
            if tape is not None and self.waiting > 0:
                memcpy(other.rows, tape.rows, (self.waiting + 1) * self.net.at.row * sizeof(double))
            self.tape = other
        return self.tape

    cdef list places(self):
        """Where the doubles of a step that waits lie, from the beginning of its row of the tape: see Spec.waiting."""
        cdef const Layout* at = &self.net.at
        cdef list state = [*range(at.h, at.h + at.hidden_size)]
        if at.states == 2:
            state += range(at.c, at.c + at.hidden_size)
        return [*range(at.x, at.x + at.input_size), *state, *range(at.trace, at.trace + at.trace_size),
                *[at.row + place for place in state], *range(at.gradient, at.gradient + at.output_size)]


cdef struct Training:       # what a call of train() is about
    PyObject* body
    PyObject* tape


cdef void show_training(void* of) noexcept:
    """Before Python code runs: the network is whole, as after its last complete update, and may be written to."""
    cdef Body body = <Body> (<Training*> of).body
    cdef Tape tape = <Tape> (<Training*> of).tape
    tape.bound = INFINITY
    if tape.state:
        read_state(&body.net.at, tape.state, body.state.start)
        body.waiting = 0


# ---- the door ----

cdef str place_of(Py_ssize_t epoch, Py_ssize_t sequence, Py_ssize_t sequences, Py_ssize_t step):
    """Where a training diverged."""
    return f" at epoch {epoch}, {f'sequence {sequence}, ' if sequences > 1 else ''}step {step}"


cdef class RNNCore:
    """The numbers of an RNN and all that is done to them. fastrnn.RNN is the class to use."""
    cdef Body body

    def __cinit__(self, *_args, **_keywords):   # the arguments are __init__'s
        pass

    def _build(self, spec, /):
        """Become a network of this kind, with all parameters 0.0 and the settings at their defaults."""
        cdef Body body = Body(spec)
        with cython.critical_section(self):
            self.body = body

    def _adopt(self, RNNCore other not None, /):
        """Become what `other` is; it should not be used any more."""
        cdef Body body = other._body()
        with cython.critical_section(self):
            self.body = body

    cdef Body _body(self):
        """To hold on to: nothing that a call uses goes away while it runs. One that nobody has built is of one unit."""
        with cython.critical_section(self):
            if self.body is None:
                self.body = Body(Spec(1))
            return self.body

    @property
    def parameters(self):
        """The network's own memory, a new view of each parameter, by name."""
        return MappingProxyType({name: memoryview(view) for name, view in self._body().views.items()})

    def _view(self, str name, /):
        """A new view of one parameter."""
        return memoryview(self._body().views[name])

    @property
    def _spec(self):
        return self._body().spec

    @property
    def _x(self):
        return self._body().x

    @property
    def _targets(self):
        return self._body().targets

    @property
    def _predictions(self):
        return self._body().predictions

    @property
    def _lr(self):
        return self._body().net.lr

    @_lr.setter
    def _lr(self, double value):
        self._body().net.lr = value

    @property
    def _clip(self):
        """Infinity is none."""
        return self._body().net.clip

    @_clip.setter
    def _clip(self, double value):
        self._body().net.clip = value

    @property
    def _window(self):
        """0: the whole sequence."""
        return self._body().net.window

    @_window.setter
    def _window(self, Py_ssize_t value):
        self._body().net.window = value

    @property
    def _settings(self):
        """Those of the loss, then those of the optimizer, as a list."""
        cdef Body body = self._body()
        return [body.setting(i)[0] for i in range(len(body.spec.settings))]

    @_settings.setter
    def _settings(self, values):
        cdef Body body = self._body()
        cdef list doubles = list(map(float, values))
        check_length(doubles, len(body.spec.settings))
        for i in range(len(doubles)):
            body.setting(i)[0] = doubles[i]

    @property
    def _memory(self):
        """All that learning changes, a copy: parameters row by row, first and second moments, powers of betas."""
        cdef Body body = self._body()
        cdef Buffer copy = Buffer(memoryview(bytearray(8 * body.spec.memory)).cast("d"), PyBUF_WRITABLE)
        cdef double* doubles = <double*> copy.view.buf
        cdef Py_ssize_t part
        cdef View view
        for part in range(3):
            for view in body.views.values():
                doubles = view.copy(part * body.net.at.parameters_width, doubles, False)
        memcpy(doubles, body.net.memory + body.net.at.powers, 2 * sizeof(double))
        return memoryview(<object> copy.view.obj)

    @_memory.setter
    def _memory(self, values):
        cdef Body body = self._body()
        cdef Buffer source = Buffer(values)
        cdef double* doubles = <double*> source.view.buf
        cdef Py_ssize_t part
        cdef View view
        source.hold_to(body.spec.memory)
        for part in range(3):
            for view in body.views.values():
                doubles = view.copy(part * body.net.at.parameters_width, doubles, True)
        memcpy(body.net.memory + body.net.at.powers, doubles, 2 * sizeof(double))

    def _write(self, str name, values, /):
        """Overwrite a parameter with as many doubles, row by row; no signal is heard in between."""
        cdef Buffer source = Buffer(values)
        cdef View view = self._body().views[name]
        source.hold_to(view.length())
        view.copy(0, <double*> source.view.buf, True)

    def _is_finite(self):
        """Whether all parameters are."""
        cdef Body body = self._body()
        return all_finite(body.net.memory, body.net.at.parameters_width)

    @property
    def _state(self):
        """The state, as a list: the hidden state, then the cell's memory. Setting it gives up waiting steps."""
        cdef Body body = self._body()
        return [body.state.start[i] for i in range(body.state.length)]

    @_state.setter
    def _state(self, values):
        cdef Body body = self._body()
        cdef list doubles = list(map(float, values))
        cdef Py_ssize_t i
        check_length(doubles, body.state.length)
        with cython.critical_section(body):
            for i in range(len(doubles)):
                body.state.start[i] = doubles[i]
            body.waiting = 0

    @property
    def _waiting(self):
        """The steps that wait for an update of learn(), a list of floats each, whose parts Spec.waiting names."""
        cdef Body body = self._body()
        cdef Py_ssize_t t, place
        cdef list places = body.places()
        with cython.critical_section(body):
            return [[body.tape.rows[t * body.net.at.row + place] for place in places] for t in range(body.waiting)]

    @_waiting.setter
    def _waiting(self, values):
        cdef Body body = self._body()
        cdef Py_ssize_t t, place
        cdef list places = body.places(), rows = [list(map(float, row)) for row in values]
        cdef Tape tape
        for row in rows:
            check_length(row, len(places))
        with cython.critical_section(body):
            body.waiting = 0
            tape = body.tape_for(max(1, len(rows)), 0, True)
            for t in range(len(rows)):
                for place, value in zip(places, rows[t]):
                    tape.rows[t * body.net.at.row + place] = value
            body.waiting = len(rows)

    def _train(self, inputs, targets, lengths, Py_ssize_t epochs, losses, report, /):
        """Train on sequences that follow each other in two float64 buffers, and append each epoch's mean loss."""
        cdef Body body = self._body()
        cdef Network net = body.net
        cdef Buffer x = Buffer(inputs), y = Buffer(targets)
        cdef const double* x_values = <const double*> x.view.buf
        cdef const double* y_values = <const double*> y.view.buf
        cdef Lengths sequences = Lengths(lengths)
        cdef Py_ssize_t epoch, i = 0, start = 0, done = 0, steps = sequences.total, longest
        cdef double total = 0.0
        cdef Training training
        cdef Work work = Work(0.0, show_training, &training)
        cdef Tape tape = None
        x.hold_to(steps, net.at.input_size)
        y.hold_to(steps, net.at.target_size)
        check_list(losses, "losses")
        if not steps:
            raise ValueError("there is nothing to learn from")
        for epoch in range(epochs):
            net = body.net          # `report` may have changed the settings, and written to the parameters
            longest = min(sequences.longest, net.window) if net.window > 0 else sequences.longest
            if tape is None or tape.steps < longest:
                tape = new_tape(&net.at, longest, True)
            tape.state, tape.bound = NULL, INFINITY
            training.body, training.tape = <PyObject*> body, <PyObject*> tape
            total = 0.0
            start = 0
            try:
                with nogil:
                    for i in range(sequences.count):
                        done = train_sequence(&net, tape, x_values + start * net.at.input_size,
                                              y_values + start * net.at.target_size, sequences.values[i], &total,
                                              &work)
                        if done < sequences.values[i]:
                            break
                        start += sequences.values[i]
                if start < steps:
                    raise diverged(place_of(epoch, i, sequences.count, done), net.lr, net.clip)
            finally:
                show_training(&training)
            losses.append(total / steps)
            if report is not None and epoch % 10 == 0:
                report(epoch, total / steps)

    def _predict(self, inputs, lengths, state, predictions, states, /):
        """Run over sequences that follow each other in a float64 buffer; write the predictions and states of all steps.

        Each sequence starts from the state in the buffer `state`, and leaves its last one there; if that is None, each
        starts from a fresh one. `predictions` or `states`, buffers of T rows, may be None.
        """
        cdef Body body = self._body()
        cdef Network net = body.net
        cdef Lengths sequences = Lengths(lengths)
        cdef Buffer x = Buffer(inputs), h, p, s
        cdef Run run = Run(<const double*> x.view.buf, NULL, NULL, NULL)
        cdef Tape tape = new_tape(&net.at, min(sequences.longest, ROWS), False)
        cdef Work work = Work(0.0, NULL, NULL)
        cdef Py_ssize_t i
        x.hold_to(sequences.total, net.at.input_size)
        if state is not None:
            h = Buffer(state, PyBUF_WRITABLE)
            h.hold_to(body.state.length)
            run.state = <double*> h.view.buf
        if predictions is not None:
            p = Buffer(predictions, PyBUF_WRITABLE)
            p.hold_to(sequences.total, net.at.output_size)
            run.predictions = <double*> p.view.buf
        if states is not None:
            s = Buffer(states, PyBUF_WRITABLE)
            s.hold_to(sequences.total, net.at.hidden_size)
            run.states = <double*> s.view.buf
        with nogil:
            use_packed(&net, tape)
            for i in range(sequences.count):
                predict_sequence(&net, tape, sequences.values[i], &run, &work)

    def _generate(self, inputs, state, predictions, /):
        """Run over inputs from the state in the buffer `state`, then feed each prediction back, till `predictions` is
        full; `state` takes the last state. A prediction is what predict() gives, a class number one double.

        Returns whether all that decided was numbers; at the first NaN it stops.
        """
        cdef Body body = self._body()
        cdef Network net = body.net
        cdef Buffer x = Buffer(inputs), h = Buffer(state, PyBUF_WRITABLE), p = Buffer(predictions, PyBUF_WRITABLE)
        cdef Py_ssize_t steps = x.length() // net.at.input_size, count = p.length() // net.at.target_size
        cdef Run run = Run(<const double*> x.view.buf, <double*> h.view.buf, NULL, NULL)
        cdef Tape tape = new_tape(&net.at, max(1, min(steps, ROWS)), False)
        cdef Doubles scratch = Doubles(net.at.input_size + net.at.output_size)
        cdef Work work = Work(0.0, NULL, NULL)
        cdef bint good
        x.hold_to(steps, net.at.input_size)
        h.hold_to(body.state.length)
        p.hold_to(count, net.at.target_size)
        if not body.spec.feeds_back:
            raise ValueError("a prediction is no input")
        if count < 1 or steps < 1:
            return True
        with nogil:
            use_packed(&net, tape)
            predict_sequence(&net, tape, steps - 1, &run, &work)
            run.predictions = <double*> p.view.buf
            good = generate_steps(&net, tape, count, scratch.start, &run, &work)
        return good

    def _step(self):
        """One step on from the network's own state, from _x to _predictions, without learning.

        Steps that wait for an update are given up. Returns whether the predictions are numbers; where one is NaN the
        state has not changed.
        """
        cdef Body body = self._body()
        cdef Network* net = &body.net
        cdef double* predictions = body.exchange.start + net.at.input_size + net.at.target_size
        cdef double* row
        cdef Tape tape
        with cython.critical_section(body):
            tape = body.tape_for(body.waiting + 1, 0, False)
            row = tape.rows + body.waiting * net.at.row
            write_state(&net.at, body.state.start, row)
            forward(net, row, 1, body.exchange.start)
            net.output.predict(net, row, 1, predictions, net.at.output_size)
            if any_nan(net.at.output_size, predictions):
                return False
            read_state(&net.at, row + net.at.row, body.state.start)
            body.waiting = 0
        return True

    def _learn(self):
        """One step on from the network's own state, from _x and _targets; _predictions are those before the update,
        if one is due."""
        cdef Body body = self._body()
        cdef Network net            # a copy: a signal handler may change the settings, and learn by itself
        cdef double* x = body.exchange.start
        cdef double* targets = x + body.net.at.input_size
        cdef double* row
        cdef Py_ssize_t waiting
        cdef Tape tape
        cdef Work work = Work(0.0, NULL, NULL)
        with cython.critical_section(body):
            net, waiting = body.net, body.waiting
            # It grows with the steps that wait: an update may be long in coming.
            tape = body.tape_for(waiting + 1, max(net.window if 0 < net.window < ROWS else ROWS, 2 * waiting), True)
            row = tape.rows + waiting * net.at.row
            tape.busy = True
            try:
                write_state(&net.at, body.state.start, row)
                forward(&net, row, 1, x)
                net.loss.loss(&net, row, 1, targets)
                if not isfinite(row[net.at.loss]):
                    raise diverged("", net.lr, net.clip)
                waiting += 1
                if 0 < net.window <= waiting:
                    tape.bound = INFINITY       # the parameters may have been written to
                    if not update(&net, tape, waiting, &work):
                        raise diverged("", net.lr, net.clip)
                    waiting = 0
                net.output.predict(&net, row, 1, targets + net.at.target_size, net.at.output_size)
                read_state(&net.at, row + net.at.row, body.state.start)
                body.tape, body.waiting = tape, waiting
            finally:
                tape.busy = False

    def reset(self):
        """Start a new sequence: a fresh state. Steps that wait for an update are given up; the parameters stay."""
        cdef Body body = self._body()
        with cython.critical_section(body):
            fill(body.state.start, body.state.length, 0.0)
            body.waiting = 0
