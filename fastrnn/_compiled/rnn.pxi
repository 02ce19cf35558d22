# Part of _core.pyx: RNNCore, the door to it all. The twin: _plain/rnn.py.

# ---- the door ----

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
    def _lr(self):
        return self._body().settings.lr

    @_lr.setter
    def _lr(self, double value):
        self._body().settings.lr = value

    @property
    def _clip(self):
        """Infinity is none."""
        return self._body().settings.clip

    @_clip.setter
    def _clip(self, double value):
        self._body().settings.clip = value

    @property
    def _window(self):
        """0: the whole sequence."""
        return self._body().settings.window

    @_window.setter
    def _window(self, Py_ssize_t value):
        self._body().settings.window = value

    @property
    def _l1(self):
        return self._body().settings.l1

    @_l1.setter
    def _l1(self, double value):
        self._body().settings.l1 = value

    @property
    def _min_delta(self):
        return self._body().settings.min_delta

    @_min_delta.setter
    def _min_delta(self, double value):
        self._body().settings.min_delta = value

    @property
    def _batch_size(self):
        """0: all sequences."""
        return self._body().settings.batch_size

    @_batch_size.setter
    def _batch_size(self, Py_ssize_t value):
        self._body().settings.batch_size = value

    @property
    def _patience(self):
        """-1: none."""
        return self._body().settings.patience

    @_patience.setter
    def _patience(self, Py_ssize_t value):
        self._body().settings.patience = value

    @property
    def _generator(self):
        """The state of the one that shuffles, of 64 bits."""
        return self._body().generator

    @_generator.setter
    def _generator(self, value):
        self._body().generator = value & 0xFFFFFFFFFFFFFFFF

    @property
    def _scales(self):
        """The mean and scale of the inputs, and those of the targets; None where there are none."""
        return self._body().scales_there()

    @_scales.setter
    def _scales(self, values):
        self._body().take_scales(values)

    @property
    def _updates(self):
        """How many trainings have made, those in a callback of another too."""
        return self._body().updates

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
        copy = memoryview(bytearray(8 * body.spec.memory)).cast("d")
        body.copy_memory(Buffer(copy, PyBUF_WRITABLE), False)
        return copy

    @_memory.setter
    def _memory(self, values):
        self._body().copy_memory(Buffer(values), True)

    def _write(self, str name, values, /):
        """Overwrite a parameter with as many doubles, row by row; no signal is heard in between."""
        cdef Buffer source = Buffer(values)
        cdef View view = self._body().views[name]
        source.hold_to(view.length())
        view.copy(0, <double*> source.view.buf, True)

    def _is_finite(self):
        """Whether all parameters are."""
        return all_finite(self._body().memory.start, self._body().net.at.parameters_width)

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

    def _train(self, data, validation, Py_ssize_t epochs, losses, validation_losses, report, /):
        """Train on `data`, and append each epoch's mean loss, and that of `validation` before it, where it is not None.

        report(epoch) is called after every epoch, unless it is None; a true result ends training. With a patience the
        best parameters are put back then; returns their epoch.
        """
        cdef Body body = self._body()
        cdef HeldCourse held = HeldCourse(body, data, validation)
        cdef Course* of = &held.of
        cdef Py_ssize_t epoch
        cdef Training training
        cdef Work work = Work(0.0, show_training, &training)
        cdef Tape tape = None
        check_list(losses, "losses")
        check_list(validation_losses, "validation_losses")
        for epoch in range(epochs):
            tape = held.begin_epoch(body, tape)     # `report` may have changed the settings
            training.body, training.tape = <PyObject*> body, <PyObject*> tape
            of.judged = False
            try:
                with nogil:
                    train_epoch(&held.net, tape, &held.window, &work)
            finally:
                show_training(&training)
                if of.judged:
                    validation_losses.append(of.validation_loss)
            if of.at_sequence >= 0:
                raise diverged(place_of(epoch, of.at_sequence, of.data.count, of.at_step), held.settings.lr,
                               held.settings.clip)
            if not of.goes_on:
                break
            losses.append(of.total.loss / of.total.weight)
            if report is not None and report(epoch):
                break
        put_back_best(&body.net, of, 0)
        return of.best_epoch if of.best_epoch >= 0 else None

    def _evaluate(self, data, gradient, losses, /):
        """The mean loss. Unless None, `gradient` takes that of the parameters; or else `losses` those that count."""
        cdef Body body = self._body()
        cdef HeldCourse held = HeldCourse(body, data, None)
        cdef Buffer target = None if gradient is None else Buffer(gradient, PyBUF_WRITABLE)
        cdef Buffer each = None if losses is None else Buffer(losses, PyBUF_WRITABLE)
        cdef Tape tape = held.begin(body, None, body.net.at.block if gradient is None else held.data.lengths.longest)
        cdef Work work = Work(0.0, NULL, NULL)
        held.settings.window = 0
        if gradient is None:
            if each is not None:
                each.hold_to(len(data.targets) // body.net.at.target_size)
            with nogil:
                evaluate(&held.net, tape, <data_t*> &held.of.data, &held.of.total,
                         NULL if each is None else <double*> each.view.buf, &work)
        else:
            target.hold_to(body.spec.count)
            if tape.states.length < held.of.data.count * body.zeros.length:
                tape.states = Doubles(held.of.data.count * body.zeros.length)
            with nogil:
                gradient_of(&held.net, tape, &held.window, &work)
            body.copy_views(tape.proposal - held.net.memory, <double*> target.view.buf, False)
        return held.of.total.loss / held.of.total.weight

    def _moments(self, data, bint of_targets, /):
        """The mean of each column, and its standard deviation: 0.0 where all that counts is the same."""
        cdef Body body = self._body()
        cdef HeldData held = HeldData(body.spec, data)
        cdef Py_ssize_t size = body.net.at.target_size if of_targets else body.net.at.input_size, i
        cdef Doubles found = Doubles(2 * size)
        cdef Work work = Work(0.0, NULL, NULL)
        with nogil:
            moments(&body.net, &held.data, of_targets, found.start, found.start + size, &work)
        return [found.start[i] for i in range(size)], [found.start[size + i] for i in range(size)]

    def _find_unscaled(self, data, /):
        """A column of the inputs far from 0 and 1, with its mean and standard deviation; or None."""
        cdef Body body = self._body()
        cdef HeldData held = HeldData(body.spec, data)
        cdef Py_ssize_t size = body.net.at.input_size, i
        cdef Doubles found = Doubles(2 * size)
        cdef Work work = Work(0.0, NULL, NULL)
        with nogil:
            i = find_unscaled(&body.net, &held.data, found.start, found.start + size, &work)
        return None if i < 0 else (i, found.start[i], found.start[size + i])

    def _predict(self, inputs, lengths, state, predictions, states, /):
        """Run over sequences that follow each other in a float64 buffer; write the predictions and states of all steps.

        Each sequence starts from the state in the buffer `state`, and leaves its last one there; if that is None, each
        starts from a fresh one. `predictions` or `states`, buffers of T rows, may be None.
        """
        cdef Body body = self._body()
        cdef Network net = body.net
        cdef Lengths sequences = Lengths(lengths)
        cdef Buffer x = Buffer(inputs), h, p, s
        cdef Run run = Run(sequences.values, sequences.count, 0, <const double*> x.view.buf, NULL, NULL, NULL)
        cdef Tape tape = new_tape(&net.at, min(sequences.longest, ROWS), False)
        cdef Work work = Work(0.0, NULL, NULL)
        x.hold_to(sequences.total, net.at.input_size)
        if state is not None:
            h = Buffer(state, PyBUF_WRITABLE)
            h.hold_to(body.state.length)
            run.state = <double*> h.view.buf
        if predictions is not None:
            p = Buffer(predictions, PyBUF_WRITABLE)
            p.hold_to(sequences.total if net.return_sequences else sequences.count, net.at.output_size)
            run.predictions = <double*> p.view.buf
        if states is not None:
            s = Buffer(states, PyBUF_WRITABLE)
            s.hold_to(sequences.total, net.at.hidden_size)
            run.states = <double*> s.view.buf
        with nogil:
            use_packed(&net, tape)
            predict_sequences(&net, tape, &run, &work)

    def _generate(self, inputs, state, predictions, /):
        """Run over inputs from the state in the buffer `state`, then feed each prediction back, till `predictions` is
        full; `state` takes the last state. A prediction is what predict() gives, a class number one double.

        Returns whether all that decided was numbers; at the first NaN it stops.
        """
        cdef Body body = self._body()
        cdef Network net = body.net
        cdef Buffer x = Buffer(inputs), h = Buffer(state, PyBUF_WRITABLE), p = Buffer(predictions, PyBUF_WRITABLE)
        cdef Py_ssize_t steps = x.length() // net.at.input_size, count = p.length() // net.at.target_size
        cdef int64_t before = steps - 1
        cdef Run run = Run(&before, 1, 0, <const double*> x.view.buf, <double*> h.view.buf, NULL, NULL)
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
            predict_sequences(&net, tape, &run, &work)
            run.predictions = <double*> p.view.buf
            good = generate_steps(&net, tape, count, scratch.start, &run, &work)
        return good

    cdef double* _run_row(self, Body body) except? NULL:
        """One step on from the state, from x to the predictions, in the row behind those that wait; returns it, or
        NULL where a prediction is NaN."""
        cdef Network* net = &body.net
        cdef double* predictions = body.exchange.start + net.at.input_size + net.at.target_size
        cdef Tape tape = body.tape_for(body.waiting + 1, 0, False)
        cdef double* row = tape.rows + body.waiting * net.at.row
        write_state(&net.at, body.state.start, row)
        forward(net, row, 1, <numbers_t*> &body.exchange.start)
        read_out(net, row, 1)
        predictions_of(net, row, 1, predictions)
        return NULL if any_nan(net.at.output_size, predictions) else row

    def _peek(self):
        """What _step() would return, with no other change."""
        cdef Body body = self._body()
        with cython.critical_section(body):
            return body.prediction() if body.is_ready and self._run_row(body) != NULL else None

    def _step(self):
        """One step on from the network's own state, from _x; returns the prediction, a float or a list of them.

        Where steps wait for an update it is one that has no weight; else nothing is learnt. None where a prediction is
        NaN or the scales are not there: nothing has changed.
        """
        cdef Body body = self._body()
        cdef double* row
        if body.waiting > 0 and body.settings.window > 0:
            return self._learn(0.0)
        with cython.critical_section(body):
            row = self._run_row(body) if body.is_ready else NULL
            if row == NULL:
                return None
            read_state(&body.net.at, row + body.net.at.row, body.state.start)
            body.waiting = 0
            return body.prediction()

    def _learn(self, double weight, /):
        """One step on from the network's own state, from _x and _targets; returns as _step() does, the prediction from
        before the update, if one is due. With a weight of 0.0 _targets are not looked at."""
        cdef Body body = self._body()
        cdef Network net            # a copy: a signal handler may learn by itself,
        cdef Settings settings      # and change these
        cdef double* x = body.exchange.start
        cdef double* targets = x + body.net.at.input_size
        cdef double* predictions = targets + body.net.at.target_size
        cdef double* row
        cdef Py_ssize_t waiting, wanted
        cdef Tape tape
        cdef Work work = Work(0.0, NULL, NULL)
        if not body.is_ready:
            return None
        with cython.critical_section(body):
            net, settings, waiting = body.net, body.settings, body.waiting
            net.of = &settings
            # It grows with the steps that wait: an update may be long in coming.
            wanted = settings.window if 0 < settings.window < ROWS else ROWS
            tape = body.tape_for(waiting + 1, max(wanted, 2 * waiting), True)
            row = tape.rows + waiting * net.at.row
            tape.busy = True
            try:
                use_as_it_lies(&net, tape)
                write_state(&net.at, body.state.start, row)
                forward(&net, row, 1, <numbers_t*> &x)
                read_out(&net, row, 1)
                row[net.at.weight] = weight
                if weight > 0.0:
                    losses_of(&net, row, 1, <numbers_t*> &targets)
                    if not isfinite(row[net.at.loss]):
                        raise diverged("", settings.lr, settings.clip)
                else:
                    fill(row + net.at.gradient, net.at.output_size, 0.0)
                    predictions_of(&net, row, 1, predictions)
                    if any_nan(net.at.output_size, predictions):
                        return None
                waiting += 1
                if 0 < settings.window <= waiting:
                    tape.bound = INFINITY       # the parameters may have been written to
                    if not update_from(&net, tape, waiting, &work):
                        raise diverged("", settings.lr, settings.clip)
                    waiting = 0
                predictions_of(&net, row, 1, predictions)
                read_state(&net.at, row + net.at.row, body.state.start)
                body.tape, body.waiting = tape, waiting
                return body.prediction()
            finally:
                tape.busy = False

    def reset(self):
        """Start a new sequence: a fresh state. Steps that wait for an update are given up; the parameters stay."""
        cdef Body body = self._body()
        with cython.critical_section(body):
            fill(body.state.start, body.state.length, 0.0)
            body.waiting = 0
