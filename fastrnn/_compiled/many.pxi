# Part of _core.pyx: many trainings, in lanes. The twin: _plain/many.py, where they are one after the other.

lanes = LANES   # for fastrnn.many

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
cdef class Group:
    """As many trainings as there are lanes, of networks of one kind and window."""
    cdef Network net
    cdef Settings[LANES] settings
    cdef Window window
    cdef Progress[LANES] progress
    cdef Doubles memory, zeros, losses
    cdef Tape tape
    cdef list jobs, bodies, courses, views      # of each lane

    def __cinit__(self, RNNCore core not None, Py_ssize_t longest, Py_ssize_t sequences):
        """longest, sequences: what a window has of each, at most."""
        cdef Body body = core._body()
        cdef Network* net = &self.net
        cdef Py_ssize_t lane
        net[0] = body.net
        net.at = lay_out(body.spec, LANES)
        net.of = self.settings
        self.memory, self.losses = Doubles(net.at.memory), Doubles(2 * EPOCHS_AT_ONCE * LANES)
        self.zeros = Doubles(net.at.states * net.at.hidden_width)
        settle_places(net, self.memory.start)
        net.zeros, net.fresh = self.zeros.start, self.zeros.start - net.at.h
        self.window.wide = NULL
        self.tape = tape_of_training(&net.at, None, longest, sequences)
        self.jobs, self.bodies, self.courses = [None] * LANES, [None] * LANES, [None] * LANES
        self.views = [parameter_views(&net.at, body.spec, self.memory, lane) for lane in range(LANES)]
        for lane in range(LANES):
            self.settings[lane], self.window.of[lane] = body.settings, NULL

    cdef int copy(self, Py_ssize_t lane, bint out) except -1:
        """All that learning changes, of one lane, from its network or back."""
        cdef Body body = self.bodies[lane]
        cdef View alone, here
        cdef Doubles numbers = Doubles(body.spec.count)
        cdef double* powers = self.net.memory + self.net.at.powers + lane
        cdef double* of_body = body.net.memory + body.net.at.powers
        cdef Py_ssize_t part
        for part in range(3):
            for name in body.views:
                alone, here = body.views[name], self.views[lane][name]
                if out:
                    here.copy(part * self.net.at.parameters_width, numbers.start, False)
                    alone.copy(part * body.net.at.parameters_width, numbers.start, True)
                else:
                    alone.copy(part * body.net.at.parameters_width, numbers.start, False)
                    here.copy(part * self.net.at.parameters_width, numbers.start, True)
        for part in range(2):
            if out:
                of_body[part] = powers[part * LANES]
            else:
                powers[part * LANES] = of_body[part]
        return 0

    cdef int begin(self, Py_ssize_t lane, job) except -1:
        """Take a training into a lane."""
        cdef HeldCourse course
        cdef Body body = (<RNNCore> job.network)._body()
        self.jobs[lane], self.bodies[lane] = job, body
        course = self.courses[lane] = HeldCourse(body, job.data, job.validation)
        self.settings[lane], self.window.of[lane] = body.settings, &course.of
        self.progress[lane] = Progress(job.epochs, 0, 0)
        self.tape.updates[lane] = 0
        self.tape.kept[lane] = False
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


# ---- the door ----

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
                job = take() if group.window.of[lane] == NULL else None
                while job is not None and job.epochs == 0:
                    done(job, None, None)
                    job = take()
                if job is not None:
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
