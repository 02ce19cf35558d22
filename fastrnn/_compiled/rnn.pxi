# Part of _core.pyx: RNNCore, the door to it all. The twin: _plain/rnn.py.

cdef class RNNCore:
    """The numbers of an RNN and all that is done to them. fastrnn.RNN is the class to use.

    All that learning changes lies in one block of memory: the parameters, then for each of them its first moment (the
    velocity of sgd) and its second, then the powers of Adam's betas.
    """
    cdef Network network
    cdef Doubles memory
    cdef Doubles state          # h, with an LSTM c after it
    cdef Tape tape              # of learn() and step()
    cdef Py_ssize_t waiting     # steps on the tape, since the last update
    cdef Doubles row            # x, the targets and the predictions of step() and learn()
    cdef dict views             # of the parameters, by name
    cdef readonly object parameters     # the same, not to be written to
    cdef readonly object _x, _targets, _predictions     # where these lie, as float64 memoryviews
    cdef public double _lr, _momentum, _weight_decay, _clip     # a clip of infinity is none
    cdef public Py_ssize_t _window                              # 0: the whole sequence

    def __cinit__(self, *_args, **_keywords):
        self._build("elman", "tanh", 1, 1, 1, "linear", "half_squared_error", "sgd")

    def _build(self, str cell, str activation, Py_ssize_t input_size, Py_ssize_t hidden_size, Py_ssize_t output_size,
               str output, str loss, str optimizer):
        """Lay out the network, with all parameters 0.0."""
        cdef Network* n = &self.network
        n.cell = {"elman": ELMAN, "gru": GRU, "lstm": LSTM}[cell]
        n.activation = {"tanh": TANH, "sigmoid": SIGMOID, "relu": RELU}[activation]
        n.output = {"linear": LINEAR, "sigmoid": SIGMOIDS, "softmax": SOFTMAX}[output]
        n.loss = {"half_squared_error": HALF_SQUARED_ERROR, "binary_cross_entropy": BINARY_CROSS_ENTROPY,
                  "cross_entropy": CROSS_ENTROPY}[loss]
        n.optimizer = {"sgd": SGD, "adam": ADAM, "adamw": ADAMW}[optimizer]
        n.input_size, n.hidden_size, n.output_size = input_size, hidden_size, output_size
        n.target_size = 1 if n.loss == CROSS_ENTROPY else output_size
        lay_out(n)
        self.memory = Doubles(3 * n.length + 2)
        self.memory.start[3 * n.length] = self.memory.start[3 * n.length + 1] = 1.0
        self.state = Doubles(2 * hidden_size)
        self.tape = None
        self.waiting = 0
        self.row = Doubles(input_size + n.target_size + output_size)
        self._x = as_view(self.row, self.row.start, input_size, 1, 0, 0)
        self._targets = as_view(self.row, self.row.start + input_size, n.target_size, 1, 0, 0)
        self._predictions = as_view(self.row, self.row.start + input_size + n.target_size, output_size, 1, 0, 0)
        self.views = {}
        self._add("w_input_hidden", n.w_input_hidden, n.gates, 1, input_size, n.stride)
        self._add("w_hidden_hidden", n.w_hidden_hidden, n.gates, 1, hidden_size, n.stride)
        self._add("b_hidden", n.b_hidden, n.gates, 1, 0, 0)
        if n.cell == GRU:
            self._add("b_hidden_hidden", n.b_hidden_hidden, hidden_size, 1, 0, 0)
        self._add("w_hidden_output", n.w_hidden_output, output_size, n.lanes, hidden_size, 1)
        self._add("b_output", n.b_output, output_size, 1, 0, 0)
        self.parameters = MappingProxyType(self.views)
        self._lr, self._momentum, self._weight_decay, self._clip, self._window = 0.01, 0.0, 0.0, INFINITY, 32

    cdef const Network* _settled(self) noexcept:
        """The network as it is now to learn."""
        cdef Network* n = &self.network
        n.lr, n.momentum, n.weight_decay, n.clip = self._lr, self._momentum, self._weight_decay, self._clip
        n.window = self._window
        return n

    def _is_finite(self):
        """Whether all parameters are."""
        return all_finite(self.memory.start, self.network.length)

    cdef _add(self, str name, Py_ssize_t start, Py_ssize_t rows, Py_ssize_t row_stride,
              Py_ssize_t columns, Py_ssize_t column_stride):
        """Show a parameter; without columns it is a vector."""
        self.views[name] = as_view(self.memory, self.memory.start + start, rows, row_stride, columns, column_stride)

    cdef Py_ssize_t _sizes(self):
        """How many doubles of the memory are no padding."""
        return 3 * sum([view.nbytes for view in self.views.values()]) // <Py_ssize_t> sizeof(double) + 2

    @property
    def _memory(self):
        """All that learning changes, a copy: parameters row by row, first and second moments, powers of betas."""
        cdef Buffer copy = Buffer(memoryview(bytearray(self._sizes() * sizeof(double))).cast("d"), PyBUF_WRITABLE)
        cdef double* doubles = <double*> copy.view.buf
        cdef Py_ssize_t part
        for part in range(3):
            for view in self.views.values():
                doubles = copy_view(view.obj, part * self.network.length, doubles, False)
        memcpy(doubles, self.memory.start + 3 * self.network.length, 2 * sizeof(double))
        return memoryview(<object> copy.view.obj)

    @_memory.setter
    def _memory(self, values):
        cdef Buffer source = Buffer(values)
        cdef double* doubles = <double*> source.view.buf
        cdef Py_ssize_t part
        source.hold_to(self._sizes())
        for part in range(3):
            for view in self.views.values():
                doubles = copy_view(view.obj, part * self.network.length, doubles, True)
        memcpy(self.memory.start + 3 * self.network.length, doubles, 2 * sizeof(double))

    def _write(self, str name, values, /):
        """Overwrite a parameter with as many doubles, row by row; no signal is heard in between."""
        cdef Buffer source = Buffer(values)
        view = self.views[name]
        source.hold_to(view.nbytes // <Py_ssize_t> sizeof(double))
        copy_view(view.obj, 0, <double*> source.view.buf, True)

    cdef Py_ssize_t _state_size(self):
        return (2 if self.network.cell == LSTM else 1) * self.network.hidden_size

    @property
    def _state(self):
        """The state, as a list: the hidden state, with an LSTM the cell after it. Setting it gives up waiting steps."""
        return [self.state.start[i] for i in range(self._state_size())]

    @_state.setter
    def _state(self, values):
        cdef Py_ssize_t i
        cdef list doubles = list(map(float, values))
        check_length(doubles, self._state_size())
        for i in range(len(doubles)):
            self.state.start[i] = doubles[i]
        self.waiting = 0

    cdef list _stored(self):
        """Where the doubles of a step that waits lie, from the beginning of its row on the tape."""
        cdef Network* n = &self.network
        cdef Py_ssize_t after = n.row, size = n.hidden_size
        cdef list places = [*range(n.x, n.x + n.input_size), *range(n.h, n.h + size)]
        if n.cell == LSTM:
            places += range(n.c, n.c + size)
        places += range(n.trace, n.trace + (0 if n.cell == ELMAN else n.gates + size))
        places += range(after + n.h, after + n.h + size)
        if n.cell == LSTM:
            places += range(after + n.c, after + n.c + size)
        return [*places, *range(n.gradient, n.gradient + n.output_size)]

    @property
    def _waiting(self):
        """The steps that wait for an update of learn(), a list of floats each: the input, the state before, what
        backward needs of the cell, the state after, the gradient of the loss by the sums of the output layer."""
        cdef Py_ssize_t t, place
        cdef list places = self._stored()
        return [[self.tape.rows[t * self.network.row + place] for place in places] for t in range(self.waiting)]

    @_waiting.setter
    def _waiting(self, values):
        cdef Py_ssize_t t, place
        cdef list places = self._stored(), rows = [list(map(float, row)) for row in values]
        for row in rows:
            check_length(row, len(places))
        self.waiting = 0
        self._need(max(1, len(rows)), True)
        for t in range(len(rows)):
            for place, value in zip(places, rows[t]):
                self.tape.rows[t * self.network.row + place] = value
        self.waiting = len(rows)

    def _train(self, inputs, targets, lengths, Py_ssize_t epochs, list losses not None, report, /):
        """Train on sequences that follow each other in two float64 buffers, and append each epoch's mean loss."""
        cdef Network network = self._settled()[0]
        cdef Buffer x = Buffer(inputs), y = Buffer(targets)
        cdef const double* x_values = <const double*> x.view.buf
        cdef const double* y_values = <const double*> y.view.buf
        cdef Lengths sequences = Lengths(lengths)
        cdef Py_ssize_t epoch, i = 0, start = 0, done = 0, steps = sequences.total
        cdef Doubles memory = self.memory, state = self.state, spare = Doubles(network.row)
        cdef Progress progress
        cdef Tape tape
        x.hold_to(steps * network.input_size)
        y.hold_to(steps * network.target_size)
        tape = new_tape(&network, min(sequences.longest, network.window) if network.window > 0 else sequences.longest,
                        True)
        progress.work.done = 0.0
        progress.state = NULL
        progress.spare = spare.start
        for epoch in range(epochs):
            progress.total = 0.0
            progress.work.bound = INFINITY      # `report` may have written to the parameters
            start = 0
            try:
                with nogil:
                    for i in range(sequences.count):
                        done = train_sequence(&network, memory.start, tape, x_values + start * network.input_size,
                                              y_values + start * network.target_size, sequences.values[i], &progress)
                        if done < sequences.values[i]:
                            break
                        start += sequences.values[i]
                if start < steps:
                    raise diverged(place_of(epoch, i, sequences.count, done), network.lr, network.clip)
            finally:
                if progress.state:
                    read_state(&network, progress.state, state.start)
                    self.waiting = 0
            losses.append(progress.total / steps)
            if report is not None and epoch % 10 == 0:
                report(epoch, progress.total / steps)

    def _predict(self, inputs, lengths, state, predictions, states, /):
        """Run over sequences that follow each other in a float64 buffer; write the predictions and states of all steps.

        Each sequence starts from the state in the buffer `state`, and leaves its last one there; if that is None, each
        starts from a fresh one. `predictions` or `states`, buffers of T rows, may be None.
        """
        cdef Network network = self.network
        cdef Network* n = &network
        cdef Lengths sequences = Lengths(lengths)
        cdef Buffer x = Buffer(inputs), h = None, p = None, s = None
        cdef const double* x_values = <const double*> x.view.buf
        cdef double* h_values = NULL
        cdef double* p_values = NULL
        cdef double* s_values = NULL
        cdef Py_ssize_t i
        cdef Doubles memory = self.memory
        cdef Tape tape = new_tape(n, min(sequences.longest, ROWS), False)
        cdef Work work = Work(0.0, INFINITY)
        x.hold_to(sequences.total * n.input_size)
        if state is not None:
            h = Buffer(state, PyBUF_WRITABLE)
            h.hold_to(self._state_size())
            h_values = <double*> h.view.buf
        if predictions is not None:
            p = Buffer(predictions, PyBUF_WRITABLE)
            p.hold_to(sequences.total * n.output_size)
            p_values = <double*> p.view.buf
        if states is not None:
            s = Buffer(states, PyBUF_WRITABLE)
            s.hold_to(sequences.total * n.hidden_size)
            s_values = <double*> s.view.buf
        with nogil:
            pack_weights(n, memory.start, tape)
            for i in range(sequences.count):
                predict_sequence(n, memory.start, tape, x_values, sequences.values[i], h_values, p_values, s_values,
                                 &work)
                x_values += sequences.values[i] * n.input_size
                if p_values:
                    p_values += sequences.values[i] * n.output_size
                if s_values:
                    s_values += sequences.values[i] * n.hidden_size

    def _generate(self, inputs, state, predictions, /):
        """Run over inputs from the state in the buffer `state`, then feed each prediction back, till `predictions` is
        full; `state` takes the last state. A prediction is what predict() gives, a class number one double."""
        cdef Network network = self.network
        cdef Network* n = &network
        cdef Buffer x = Buffer(inputs), h = Buffer(state, PyBUF_WRITABLE), p = Buffer(predictions, PyBUF_WRITABLE)
        cdef Py_ssize_t steps = x.length() // n.input_size, size = n.target_size, count = p.length() // size, t
        cdef const double* x_values = <const double*> x.view.buf
        cdef double* h_values = <double*> h.view.buf
        cdef double* p_values = <double*> p.view.buf
        cdef Doubles memory = self.memory
        cdef Tape tape = new_tape(n, max(1, min(steps, ROWS)), False)
        cdef double* row = tape.rows
        cdef Work work = Work(0.0, INFINITY)
        x.hold_to(steps * n.input_size)
        h.hold_to(self._state_size())
        p.hold_to(count * size)
        if n.input_size != n.output_size and not (n.output == SOFTMAX and n.input_size == 1):
            raise ValueError("a prediction is no input")
        if count < 1 or steps < 1:
            return
        with nogil:
            pack_weights(n, memory.start, tape)
            predict_sequence(n, memory.start, tape, x_values, steps - 1, h_values, NULL, NULL, &work)
            write_state(n, h_values, row)
            forward(n, memory.start, tape.weights, row, 1, x_values + (steps - 1) * n.input_size, NULL)
            predict_row(n, row, p_values)
            for t in range(1, count):
                copy_state(n, row + n.row, row)
                feed_back(n, p_values + (t - 1) * size, row + n.gradient)
                forward(n, memory.start, tape.weights, row, 1, row + n.gradient, NULL)
                predict_row(n, row, p_values + t * size)
                look_for_signals(&work, work_of_step(n))
            read_state(n, row + n.row, h_values)

    cdef int _need(self, Py_ssize_t steps, bint learn) except -1:
        """Make room for `steps` on the tape of learn() and step(); the steps that wait stay."""
        cdef Network* n = &self.network
        cdef Tape tape = self.tape
        if tape is None or tape.steps < steps or (learn and tape.weights == tape.values):
            self.tape = new_tape(n, steps, learn)
            if tape is not None and self.waiting > 0:
                memcpy(self.tape.rows, tape.rows, (self.waiting + 1) * n.row * sizeof(double))
                for i in range(self.waiting, steps):
                    self.tape.rows[i * n.row + n.one] = 1.0
        return 0

    def _step(self):
        """One step on from the network's own state, from _x to _predictions, without learning.

        Steps that wait for an update are given up. Returns whether the predictions are numbers; where one is NaN the
        state has not changed.
        """
        cdef Network* n = &self.network
        cdef double* predictions = self.row.start + n.input_size + n.target_size
        cdef double* row
        cdef Py_ssize_t i
        with cython.critical_section(self):
            self._need(self.waiting + 1, False)
            row = self.tape.rows + self.waiting * n.row
            write_state(n, self.state.start, row)
            forward(n, self.memory.start, NULL, row, 1, self.row.start, NULL)
            activate_output(n.output, n.output_size, row + n.sums, predictions)
            for i in range(n.output_size):
                if predictions[i] != predictions[i]:
                    return False
            read_state(n, row + n.row, self.state.start)
            self.waiting = 0
        return True

    def _learn(self):
        """One step on from the network's own state, from _x and _targets; _predictions are those before the update,
        if one is due."""
        cdef Network network = self._settled()[0]
        cdef const Network* n = &network
        cdef Doubles memory = self.memory, numbers = self.row, state = self.state
        cdef const double* x = numbers.start
        cdef const double* targets = x + n.input_size
        cdef double* row
        cdef Tape tape
        cdef Work work = Work(0.0, INFINITY)
        with cython.critical_section(self):
            # The tape grows with the steps that wait: an update may be long in coming (or, with a window of 0, never).
            if self.tape is None or self.tape.steps <= self.waiting or self.tape.weights == self.tape.values:
                self._need(max(n.window if 0 < n.window < ROWS else ROWS, 2 * self.waiting), True)
            tape = self.tape
            row = tape.rows + self.waiting * n.row
            write_state(n, state.start, row)
            forward(n, memory.start, NULL, row, 1, x, NULL)
            if not isfinite(loss_of_step(n, row, targets)):
                raise diverged("", n.lr, n.clip)
            if 0 < n.window <= self.waiting + 1:
                if not update(n, memory.start, tape, self.waiting + 1, NULL, &work):
                    raise diverged("", n.lr, n.clip)
                self.waiting = 0
            else:
                self.waiting += 1
            activate_output(n.output, n.output_size, row + n.sums, numbers.start + n.input_size + n.target_size)
            read_state(n, row + n.row, state.start)

    def reset(self):
        """Start a new sequence: a fresh state. Steps that wait for an update are given up; the parameters stay."""
        fill(self.state.start, self._state_size(), 0.0)
        self.waiting = 0
