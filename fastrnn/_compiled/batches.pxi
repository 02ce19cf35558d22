# Part of _core.pyx: a window of the sequences of a batch, and the update from it. The twin: _plain/batches.py.
# It is of one network, as the twin's; or of as many as there are lanes, each as it would be alone.

# ---- helpers: a window of all lanes ----

ctypedef Course* course_t

cdef struct Window:
    course_t[LANES] of          # the training in each lane; NULL: none
    Py_ssize_t start            # where the window begins
    double[LANES] scale         # of its gradient
    bint straight               # whether the gradient goes from the tape straight to the memory
    Network* wide               # one network in lanes, for sequences of its batch; or NULL


cdef inline double* state_at(const Layout* at, Tape tape, Py_ssize_t k) noexcept nogil:
    """The state of the k-th of the sequences that run side by side, in what looks like a row of the tape."""
    return tape.states.start + k * at.states * at.hidden_width - at.h


cdef inline bint has_window(const Course* of, Py_ssize_t start) noexcept nogil:
    """Whether there is a training, and something of its batch in the window."""
    return of != NULL and of.goes_on and start < of.longest


cdef bint any_has_window(const Window* window, Py_ssize_t lanes) noexcept nogil:
    cdef Py_ssize_t lane
    for lane in range(lanes):
        if has_window(window.of[lane], window.start):
            return True
    return False


cdef void commit_in_lanes(const Network* net, Tape tape, Window* window, const bint* learns,
                          Py_ssize_t changed) noexcept nogil:
    """`commit` of the lanes that learn."""
    cdef vector_t[DEEP] totals
    cdef const vector_t* proposal = <const vector_t*> tape.proposal
    cdef Py_ssize_t i, q, lane
    cdef bint[LANES] takes
    cdef bint all_take = True
    cdef Course* of
    memset(totals, 0, sizeof(totals))
    for i in range(changed // LANES):
        for q in range(DEEP):
            totals[q] = totals[q] + proposal[i * DEEP + q] * 0.0       # NaN, if one is not finite
    for lane in range(LANES):
        of = window.of[lane]
        takes[lane] = learns[lane] and (<double*> totals)[lane] == 0.0
        all_take &= takes[lane] or of == NULL
        if takes[lane]:
            keep_state(&net.at, tape, state_at(&net.at, tape, of.final), lane)
            tape.updates[lane] += 1
        elif learns[lane]:
            of.goes_on = False
    if all_take:
        memcpy(net.memory, tape.proposal, changed * sizeof(double))
        return
    for i in range(changed // LANES):
        for lane in range(LANES):
            if takes[lane]:
                net.memory[i * LANES + lane] = tape.proposal[i * LANES + lane]


# ---- a window of a batch ----

cdef void update(const Network* net, Tape tape, Window* window) noexcept nogil:
    """Learn from a gradient that is complete. Where all is not finite nothing changes, and training is over."""
    cdef double[LANES] factor
    cdef bint[LANES] learns
    cdef Py_ssize_t changed, lane
    cdef Course* of
    add_penalty(net, tape.proposal)
    clip_factor(net, tape.proposal, factor)
    changed = net.optimizer.propose(net, factor, tape.proposal)
    for lane in range(net.at.lanes):
        learns[lane] = has_window(window.of[lane], window.start) and window.of[lane].weight > 0.0
    if net.at.lanes > 1:
        commit_in_lanes(net, tape, window, learns, changed)
    elif learns[0]:
        window.of[0].goes_on = commit(net, tape, state_at(&net.at, tape, window.of[0].final), changed)
    for lane in range(net.at.lanes):
        of = window.of[lane]
        if learns[lane] and not of.goes_on:
            first_part(net, of, window.start, lane)


cdef Py_ssize_t window_of(const Network* net, Py_ssize_t length, Py_ssize_t start, Py_ssize_t* first) noexcept nogil:
    """The steps of a sequence that an update covers: from `start` on or, with one target a sequence, up to the last."""
    if not net.return_sequences:
        first[0] = max(0, length - net.of.window) if net.of.window > 0 else 0
        return length
    first[0] = min(start, length)
    return min(start + net.of.window, length) if net.of.window > 0 else length


cdef bint has_part(const Course* of, Py_ssize_t i) noexcept nogil:
    """Whether anything depends on a sequence: on one without a weight, the state after training alone."""
    return of.data.counts[i] or (of.shared and of.validation.counts[i]) or i == of.last


cdef double window_weight(const Network* net, const Course* of, Py_ssize_t start) noexcept nogil:
    """The weights of a window, of all sequences."""
    cdef double total = 0.0
    cdef Py_ssize_t k, i, first, stop
    for k in range(of.count):
        i = of.batch[k]
        stop = window_of(net, of.data.lengths[i], start, &first)
        if not net.return_sequences:
            first = max(first, stop - 1)
        total = add_weights(of.data, i, first, stop, total)
    return total


cdef int run_up(const Network* net, Tape tape, Lane* lanes, Work* work) except -1 nogil:
    """The states at the steps where the windows of sequences begin, in the first row."""
    cdef numbers_t[LANES] inputs
    cdef Lane[LANES] ahead
    cdef Py_ssize_t longest = 0, t = 0, steps, lane
    for lane in range(net.at.lanes):
        longest = max(longest, lanes[lane].first if lanes[lane].data else 0)
    # All end together: a lane begins when those behind its first step are as many as the rest has left.
    while t < longest:
        steps = min(tape.steps, net.at.block, longest - t)
        for lane in range(net.at.lanes):
            ahead[lane].first = t - (longest - lanes[lane].first)         # its own step
            if lanes[lane].data and ahead[lane].first < 0:
                steps = min(steps, -ahead[lane].first)
        for lane in range(net.at.lanes):
            inputs[lane] = NULL
            if lanes[lane].data and ahead[lane].first >= 0:
                if ahead[lane].first == 0:
                    copy_lane(&net.at, net.fresh, tape.rows, lane)
                inputs[lane] = (lanes[lane].data.inputs
                                + (lanes[lane].data.starts[lanes[lane].i] + ahead[lane].first) * net.at.input_size)
        forward(net, tape.rows, steps, inputs)
        copy_state(&net.at, tape.rows + steps * net.at.row, tape.rows)
        look_for_signals(work, steps * net.at.work)
        t += steps
    for lane in range(net.at.lanes):
        if lanes[lane].data and lanes[lane].first == 0:       # it has waited all the time
            copy_lane(&net.at, net.fresh, tape.rows, lane)
    return 0


cdef int run_window(const Network* net, Tape tape, Window* window, Lane* lanes, Work* work) except -1 nogil:
    """Run over a window of a sequence of each training, and add up its losses. One that is not finite ends training."""
    cdef Lane[LANES] others
    cdef total_t[LANES] totals, validation
    cdef Total nowhere = Total(0.0, 0.0)
    cdef Py_ssize_t[LANES] bad
    cdef double* rows
    cdef Course* of
    cdef Py_ssize_t t = 0, steps = pass_of(&net.at, lanes, 0, net.at.block), lane
    cdef bint shared = False
    for lane in range(net.at.lanes):
        of = window.of[lane]
        totals[lane] = &of.total if lanes[lane].data else &nowhere
        shared |= lanes[lane].data != NULL and of.shared
    for lane in range(net.at.lanes if shared else 0):
        of, others[lane], validation[lane] = window.of[lane], lanes[lane], &nowhere
        others[lane].data = NULL
        if lanes[lane].data and of.shared:
            others[lane].data, validation[lane] = of.validation, &of.validation_total
    while steps > 0:
        rows = tape.rows + t * net.at.row
        run_on(net, rows, steps, lanes, t)
        if shared:
            weigh(net, rows, steps, others, t)
            add_losses(net, rows, steps, validation, bad)
        weigh(net, rows, steps, lanes, t)
        add_losses(net, rows, steps, totals, bad)
        for lane in range(net.at.lanes):
            if bad[lane] < steps:
                of = window.of[lane]
                of.at_sequence, of.at_step = lanes[lane].i, lanes[lane].first + t + bad[lane]
                lanes[lane].data = NULL
                if shared:
                    others[lane].data = NULL
        look_for_signals(work, steps * net.at.work)
        t += steps
        steps = pass_of(&net.at, lanes, t, net.at.block)
    return 0


cdef int add_window(Network* net, Tape tape, Window* window, Py_ssize_t begin, Py_ssize_t end,
                    Work* work) except -1 nogil:
    """Run over a window of every sequence, and add `scale` times its gradient. A loss that is not finite ends training.

    The states of the tape are those of the sequences, before the window and then after it. begin, end: those that are
    run; those before have been added.
    """
    cdef Lane[LANES] lanes
    cdef Py_ssize_t[LANES] ends
    cdef bint first_one = begin == 0, ahead, any_part, any_weight
    cdef Course* of
    cdef Py_ssize_t count = 0, k, lane
    for lane in range(net.at.lanes):
        count = max(count, window.of[lane].count if has_window(window.of[lane], window.start) else 0)
    if first_one and not window.straight:
        no_gradient(net, tape.proposal)
    for k in range(begin, min(end, count)):
        ahead = any_part = any_weight = False
        for lane in range(net.at.lanes):
            of = window.of[lane]
            lanes[lane].data, ends[lane] = NULL, 0
            if has_window(of, window.start) and of.at_sequence < 0 and k < of.count:
                lanes[lane].i = of.batch[k]
                lanes[lane].stop = window_of(net, of.data.lengths[lanes[lane].i], window.start, &lanes[lane].first)
                if lanes[lane].first < lanes[lane].stop and has_part(of, lanes[lane].i):
                    lanes[lane].data, any_part = of.data, True
                    ahead |= lanes[lane].first > window.start
        if not any_part:
            continue
        copy_state(&net.at, state_at(&net.at, tape, k), tape.rows)
        if ahead:
            run_up(net, tape, lanes, work)
        run_window(net, tape, window, lanes, work)
        for lane in range(net.at.lanes):
            if lanes[lane].data:
                copy_lane(&net.at, tape.rows + (lanes[lane].stop - lanes[lane].first) * net.at.row,
                          state_at(&net.at, tape, k), lane)
                if lanes[lane].data.counts[lanes[lane].i]:
                    ends[lane], any_weight = lanes[lane].stop - lanes[lane].first, True
        if any_weight and not window.straight:
            add_gradient(net, tape, ends, window.scale, first_one, work)
            first_one = False
    return 0


cdef void first_part(const Network* net, Course* of, Py_ssize_t start, Py_ssize_t lane) noexcept nogil:
    """The first sequence that has a part in a window, and its last step there, are where it diverged."""
    cdef Py_ssize_t k, first
    for k in range(of.count):
        of.at_sequence = of.batch[k]
        of.at_step = window_of(net, of.data.lengths[of.at_sequence], start, &first) - 1
        if first <= of.at_step and has_part(of, of.at_sequence):
            return


# ---- helpers: a batch begins ----

cdef void begin_batch(const Network* net, Course* of, Py_ssize_t start, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t k, length
    of.batch, of.count, of.longest = of.order + start, count, 0
    for k in range(count):
        length = of.data.lengths[of.batch[k]]
        if length and has_part(of, of.batch[k]):
            of.longest, of.final = max(of.longest, length), k
