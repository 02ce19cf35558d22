# Part of _core.pyx: many networks, in lanes. The twin: _plain/many.py, where they are one after the other.

lanes = LANES   # for fastrnn.many


# ---- helpers: networks side by side ----

cdef inline void copy_lane_of(Py_ssize_t length, double* alone, double* in_lanes, bint out) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(length):
        if out:
            alone[i] = in_lanes[i * LANES]
        else:
            in_lanes[i * LANES] = alone[i]


cdef void copy_parameters(const Layout* at, double* alone, const Layout* wide, double* in_lanes, Py_ssize_t lane,
                          bint out) noexcept nogil:
    """Those of a network, or what is laid out as they are, into a lane, or `out` of it."""
    cdef Py_ssize_t i, j
    cdef double* one
    cdef double* other
    for j in range(1 + at.input_size + at.hidden_size):     # the columns, from b_hidden on
        one, other = alone + at.b_hidden + j * at.stride, in_lanes + wide.b_hidden + j * wide.stride
        copy_lane_of(at.gates_size, one, other + lane, out)
    copy_lane_of(at.own_size, alone + at.own, in_lanes + wide.own + lane, out)
    for i in range(at.output_size):
        one, other = alone + at.w_hidden_output + i * at.hidden_width, in_lanes + wide.w_hidden_output
        copy_lane_of(at.hidden_size, one, other + i * wide.hidden_width + lane, out)
    copy_lane_of(at.output_size, alone + at.b_output, in_lanes + wide.b_output + lane, out)


@cython.internal
cdef class Lanes:
    """As many networks of one kind as there are lanes."""
    cdef Network net
    cdef Settings[LANES] settings
    cdef Doubles memory, zeros
    cdef Tape tape
    cdef list bodies            # of each lane, to hold on to

    def __cinit__(self, RNNCore core not None, *_):
        cdef Body body = core._body()
        cdef Network* net = &self.net
        cdef Py_ssize_t lane
        net[0] = body.net
        net.at = lay_out(body.spec, LANES)
        net.of = self.settings
        take_kinds(net, body.spec, True)
        self.memory, self.zeros = Doubles(net.at.memory), Doubles(net.at.states * net.at.hidden_width)
        settle_places(net, self.memory.start)
        net.zeros, net.fresh = self.zeros.start, self.zeros.start - net.at.h
        self.bodies = [None] * LANES
        for lane in range(LANES):
            self.settings[lane] = body.settings

    cdef Body take_in(self, Py_ssize_t lane, RNNCore core):
        """Take a network into a lane, with the parameters that it has now."""
        cdef Body body = core._body()
        cdef const Layout* at = &body.net.at
        cdef const Layout* wide = &self.net.at
        if (at.input_size != wide.input_size or at.hidden_size != wide.hidden_size
                or at.output_size != wide.output_size or at.gates_size != wide.gates_size):
            raise ValueError("networks in lanes must be of one kind")
        self.bodies[lane], self.settings[lane] = body, body.settings
        copy_parameters(at, body.net.memory, wide, self.net.memory, lane, False)
        return body


# ---- helpers: trainings in lockstep ----

cdef enum:
    EPOCHS_AT_ONCE = 4096       # of one training, until its losses are handed over


cdef struct Progress:           # of a training
    Py_ssize_t left             # epochs
    Py_ssize_t losses, measured     # of them, that wait to be handed over


cdef void note_epoch(const Course* of, Progress* progress, double* losses) noexcept nogil:
    """Its losses wait until they can be handed over: those of training, and behind them those of validation."""
    if of.judged:
        losses[EPOCHS_AT_ONCE + progress.measured] = of.validation_loss
        progress.measured += 1
    if of.goes_on:
        losses[progress.losses] = of.total.loss / of.total.weight
        progress.losses += 1
        progress.left -= 1


cdef int train_epochs(Network* net, Tape tape, Window* window, Progress* progress, double* losses,
                      Work* work) except -1 nogil:
    """Train on, until one of the trainings ends or has no room for its losses."""
    cdef Course* of
    cdef Py_ssize_t lane
    cdef bint enough = False
    while not enough:
        for lane in range(LANES):
            if window.of[lane]:
                window.of[lane].judged = False
        train_epoch(net, tape, window, work)
        for lane in range(LANES):
            of = window.of[lane]
            if of:
                note_epoch(of, &progress[lane], losses + lane * 2 * EPOCHS_AT_ONCE)
                enough |= not of.goes_on or not progress[lane].left or progress[lane].losses == EPOCHS_AT_ONCE
    return 0


@cython.final
@cython.internal
cdef class Group(Lanes):
    """Their trainings, of one window."""
    cdef Window window
    cdef Progress[LANES] progress
    cdef Doubles losses
    cdef list jobs, courses     # of each lane

    def __cinit__(self, RNNCore _, Py_ssize_t longest, Py_ssize_t sequences):
        """longest, sequences: what a window has of each, at most."""
        cdef Py_ssize_t lane
        self.losses = Doubles(2 * EPOCHS_AT_ONCE * LANES)
        self.window.wide = NULL
        self.tape = tape_of_training(&self.net.at, None, max(longest, self.net.at.block), sequences)
        self.jobs, self.courses = [None] * LANES, [None] * LANES
        for lane in range(LANES):
            self.window.of[lane] = NULL

    cdef int copy(self, Py_ssize_t lane, bint out) except -1:
        """All that learning changes, of one lane, from its network or back."""
        cdef Body body = self.bodies[lane]
        cdef double* powers = self.net.memory + self.net.at.powers + lane
        cdef double* of_body = body.net.memory + body.net.at.powers
        cdef Py_ssize_t part
        for part in range(3):
            copy_parameters(&body.net.at, body.net.memory + part * body.net.at.parameters_width, &self.net.at,
                            self.net.memory + part * self.net.at.parameters_width, lane, out)
        for part in range(2):
            if out:
                of_body[part] = powers[part * LANES]
            else:
                powers[part * LANES] = of_body[part]
        return 0

    cdef int begin(self, Py_ssize_t lane, job) except -1:
        """Take a training into a lane."""
        cdef HeldCourse course
        cdef Body body = self.take_in(lane, job.network)
        self.jobs[lane] = job
        course = self.courses[lane] = HeldCourse(body, job.data, job.validation)
        self.window.of[lane] = &course.of
        self.progress[lane] = Progress(job.epochs, 0, 0)
        self.tape.updates[lane] = 0
        self.tape.kept[lane], self.tape.bound = False, INFINITY
        return self.copy(lane, False)

    cdef int hand_over(self, Py_ssize_t lane) except -1:
        """Give a network what it has learnt up to its last complete update, and its losses."""
        cdef Body body = self.bodies[lane]
        cdef const double* losses = self.losses.start + lane * 2 * EPOCHS_AT_ONCE
        cdef const double* state = self.tape.spare
        cdef Py_ssize_t i
        self.copy(lane, True)
        if self.tape.kept[lane]:
            for i in range(self.net.at.hidden_size):
                body.state.start[i] = state[self.net.at.h + i * LANES + lane]
                if self.net.at.states == 2:
                    body.state.start[self.net.at.hidden_size + i] = state[self.net.at.c + i * LANES + lane]
            body.waiting = 0
        body.updates += self.tape.updates[lane]
        self.tape.updates[lane] = 0
        self.jobs[lane].losses.extend([losses[i] for i in range(self.progress[lane].losses)])
        self.jobs[lane].validation_losses.extend(
            [losses[EPOCHS_AT_ONCE + i] for i in range(self.progress[lane].measured)])
        self.progress[lane].losses = self.progress[lane].measured = 0
        return 0

    cdef object end(self, Py_ssize_t lane):
        """Let go of a training that has ended: (its job, the best epoch, what has gone wrong)."""
        cdef Course* of = self.window.of[lane]
        cdef object error = None
        if of.at_sequence >= 0:
            error = diverged(place_of(of.epoch, of.at_sequence, of.data.count, of.at_step), self.settings[lane].lr,
                             self.settings[lane].clip)
        else:
            put_back_best(&self.net, of, lane)
        self.hand_over(lane)
        best = of.best_epoch if of.best_epoch >= 0 and error is None else None
        job = self.jobs[lane]
        self.window.of[lane] = NULL
        self.jobs[lane] = self.bodies[lane] = self.courses[lane] = None
        return job, best, error


# ---- helpers: predictions in lockstep ----

@cython.final
@cython.internal
cdef class Predictions(Lanes):
    """What they make of their sequences, one network's after the other's in the same buffers."""
    cdef Run[LANES] runs
    cdef Buffer predictions, states     # or None
    cdef Py_ssize_t predicted, passed   # numbers in them that have been given to a network
    cdef list held                      # of each lane, to hold on to: lengths and inputs
    cdef object taken                   # the sequences that were taken last, and what is held of them
    cdef Lengths sequences
    cdef Buffer inputs

    def __cinit__(self, RNNCore _, predictions, states):
        self.tape = new_tape(&self.net.at, ROWS, False)
        self.predictions = None if predictions is None else Buffer(predictions, PyBUF_WRITABLE)
        self.states = None if states is None else Buffer(states, PyBUF_WRITABLE)
        self.held = [None] * LANES
        memset(self.runs, 0, sizeof(self.runs))
        use_as_it_lies(&self.net, self.tape)

    cdef bint is_free(self, Py_ssize_t lane) noexcept:
        return self.runs[lane].left == 0 and self.runs[lane].count == 0

    cdef int begin(self, Py_ssize_t lane, RNNCore core, data) except -1:
        """Take a network and its sequences into a lane."""
        cdef Body body = self.take_in(lane, core)
        cdef Network* net = &body.net
        cdef Py_ssize_t steps
        cdef Run run
        if data is not self.taken:
            self.sequences, self.inputs = Lengths(data.lengths), Buffer(data.numbers)
            self.inputs.hold_to(self.sequences.total, net.at.input_size)
            self.taken = data
        steps = self.sequences.total
        run = Run(self.sequences.values, self.sequences.count, 0, <const double*> self.inputs.view.buf,
                  NULL, NULL, NULL)
        if self.predictions is not None:
            run.predictions = next_part(self.predictions, &self.predicted,
                                        steps if net.return_sequences else run.count, net.at.output_size)
        if self.states is not None:
            run.states = next_part(self.states, &self.passed, steps, net.at.hidden_size)
        self.held[lane] = self.sequences, self.inputs
        self.runs[lane] = run
        return 0


cdef double* next_part(Buffer of, Py_ssize_t* end, Py_ssize_t rows, Py_ssize_t size) except? NULL:
    """The next `rows` times `size` numbers of a buffer."""
    cdef double* start = <double*> of.view.buf + end[0]
    if rows > (of.length() - end[0]) // size:
        raise ValueError("a buffer is too small for the results")
    end[0] += rows * size
    return start


# ---- the door ----

def fewest_in_lanes_of(RNNCore network not None, /):
    """How many lanes of such networks must have something to do that they take no longer than one after the other."""
    return fewest_in_lanes(&network._body().net.at, False)


def train_in_lanes(network, Py_ssize_t longest, Py_ssize_t sequences, take, done, /):
    """Train what take() gives (jobs; None: there is none now), each as its network's _train() would.

    done(job, best epoch, error) is called as soon as one has ended. After an exception, Ctrl-C's say, all networks are
    as they are after their last complete update.
    """
    cdef Group group = Group(network, longest, sequences)
    cdef Work work = Work(0.0, NULL, NULL)
    cdef Course* of
    cdef Py_ssize_t lane
    cdef bint any_left
    try:
        while True:
            any_left = False
            for lane in range(LANES):
                while group.window.of[lane] == NULL:
                    job = take()
                    if job is None:
                        break
                    if job.epochs == 0:
                        done(job, None, None)
                        continue
                    try:
                        group.begin(lane, job)
                    except Exception as error:
                        group.window.of[lane] = NULL
                        done(job, None, error)
                any_left |= group.window.of[lane] != NULL
            if not any_left:
                return
            with nogil:
                train_epochs(&group.net, group.tape, &group.window, group.progress, group.losses.start, &work)
            for lane in range(LANES):
                of = group.window.of[lane]
                if of == NULL:
                    continue
                if not of.goes_on or group.progress[lane].left == 0:
                    done(*group.end(lane))
                elif group.progress[lane].losses == EPOCHS_AT_ONCE:
                    group.hand_over(lane)
    except BaseException:
        for lane in range(LANES):
            if group.window.of[lane] != NULL:
                group.hand_over(lane)
        raise


def predict_in_lanes(list networks not None, list data not None, predictions, states, /):
    """Run each of some networks of one kind over its sequences, as its _predict() would from fresh states.

    The results follow each other in the buffers `predictions` or `states`, which may be None.
    """
    cdef Predictions group = Predictions(networks[0], predictions, states)
    cdef Work work = Work(0.0, NULL, NULL)
    cdef Py_ssize_t lane, i = 0
    cdef bint any_left = True
    check_length(data, len(networks))
    while any_left:
        any_left = False
        for lane in range(LANES):
            while group.is_free(lane) and i < len(networks):
                group.begin(lane, networks[i], data[i])
                i += 1
            any_left |= not group.is_free(lane)
        with nogil:
            predict_sequences(&group.net, group.tape, group.runs, &work)


def evaluate_in_lanes(list networks not None, list data not None, /):
    """The mean loss of each of some networks of one kind, as its _evaluate() would give it."""
    cdef Lanes group = Lanes(networks[0])
    cdef data_t[LANES] of
    cdef Total[LANES] totals
    cdef HeldData held = None
    cdef list losses = [], held_by = [None] * LANES
    cdef Work work = Work(0.0, NULL, NULL)
    cdef Py_ssize_t lane, i
    check_length(data, len(networks))
    group.tape = tape_of_training(&group.net.at, None, group.net.at.block, 1)
    for i in range(0, len(networks), LANES):
        for lane in range(LANES):
            of[lane] = NULL
            if i + lane < len(networks):
                spec = group.take_in(lane, networks[i + lane]).spec
                if i + lane == 0 or data[i + lane] is not data[i + lane - 1]:
                    held = HeldData(spec, data[i + lane])
                held_by[lane], of[lane] = held, &held.data
        with nogil:
            evaluate(&group.net, group.tape, of, totals, NULL, &work)
        losses += [totals[lane].loss / totals[lane].weight for lane in range(min(LANES, len(networks) - i))]
    return losses
