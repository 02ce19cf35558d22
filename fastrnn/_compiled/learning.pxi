# Part of _core.pyx: losses, updates, and training. The twin: _plain/learning.py.
# It is the training of one network, whose twin is the plain column's; or of as many as there are lanes, in lockstep,
# each of which learns what it would learn alone.

cdef enum:
    FEWEST = 3          # sequences for which lanes are filled

# ---- losses ----

cdef void run_on(const Network* net, double* rows, Py_ssize_t steps, const Lane* lanes, Py_ssize_t t) noexcept nogil:
    """Run over the steps of each lane in the rows from `t` on, as far as their losses; nobody has weighed them yet."""
    cdef numbers_t[LANES] inputs, targets
    cdef const Data* data
    cdef Py_ssize_t l, first
    cdef bint last = False
    for l in range(net.at.lanes):
        inputs[l] = targets[l] = NULL
        if goes_on(&lanes[l], t):
            data, first = lanes[l].data, lanes[l].first + t
            inputs[l] = data.inputs + (data.starts[lanes[l].i] + first) * net.at.input_size
            if net.return_sequences:
                targets[l] = data.targets + (data.starts[lanes[l].i] + first) * net.at.target_size
            elif first + steps == data.lengths[lanes[l].i]:
                targets[l] = data.targets + lanes[l].i * net.at.target_size
                last = True
    forward(net, rows, steps, inputs)
    if not net.return_sequences:        # the output layer, at the last step alone
        if not last:
            return
        rows, steps = rows + (steps - 1) * net.at.row, 1
    read_out(net, rows, steps)
    losses_of(net, rows, steps, targets)


cdef void weigh(const Network* net, double* rows, Py_ssize_t steps, const Lane* lanes, Py_ssize_t t) noexcept nogil:
    cdef double* weights
    cdef Given of
    cdef Py_ssize_t row = net.at.row, k, l, first
    for l in range(net.at.lanes):
        weights = rows + net.at.weight + l
        if not goes_on(&lanes[l], t):
            for k in range(steps):
                weights[k * row] = 0.0
        elif net.return_sequences:
            of, first = given_for(lanes[l].data, lanes[l].i), lanes[l].first + t
            for k in range(steps):
                weights[k * row] = of.weights[(first + k) * of.stride]
        else:
            for k in range(steps):
                weights[k * row] = loss_weight(net, lanes[l].data, lanes[l].i, lanes[l].first + t + k)


cdef inline void losses_delta(Py_ssize_t steps, Py_ssize_t lanes, const double* weights, const double* losses,
                              Py_ssize_t row, double* loss, double* weight) noexcept nogil:
    cdef Py_ssize_t t, l
    for t in range(steps):
        for l in range(lanes):
            if weights[t * row + l] != 0.0:
                loss[l] += weights[t * row + l] * losses[t * row + l]
                weight[l] += weights[t * row + l]


cdef void add_losses(const Network* net, const double* rows, Py_ssize_t steps, total_t* totals,
                     Py_ssize_t* bad) noexcept nogil:
    """Add the losses that count; bad: `steps`, or the first step where such a one is not finite."""
    cdef const double* weights = rows + net.at.weight
    cdef const double* losses = rows + net.at.loss
    cdef double[LANES] loss, weight     # local copies may live in registers
    cdef Py_ssize_t row = net.at.row, l, t
    for l in range(net.at.lanes):
        loss[l], weight[l], bad[l] = totals[l].loss, totals[l].weight, steps
    if net.at.lanes == 1:
        losses_delta(steps, 1, weights, losses, row, loss, weight)
    else:
        losses_delta(steps, LANES, weights, losses, row, loss, weight)
    for l in range(net.at.lanes):
        totals[l].loss, totals[l].weight = loss[l], weight[l]
        t = 0 if not isfinite(loss[l]) else steps
        while t < steps and bad[l] == steps:
            bad[l] = t if weights[t * row + l] != 0.0 and not isfinite(losses[t * row + l]) else steps
            t += 1


cdef int evaluate(Network* net, Tape tape, data_t* data, Total* totals, Work* work) except -1 nogil:
    """The losses of all sequences that have a weight, with the parameters as they are."""
    cdef Lane[LANES] lanes
    cdef total_t[LANES] of
    cdef Py_ssize_t[LANES] bad
    cdef double* rows = tape.rows
    cdef Py_ssize_t l, t, steps
    cdef bint any_left = True
    use_for(net, tape, 2)
    if tape.state == rows:
        keep_state(&net.at, tape, rows, 0)
    for l in range(net.at.lanes):
        totals[l], of[l], lanes[l] = Total(0.0, 0.0), &totals[l], Lane(data[l], -1, 0, 0)
    while any_left:
        look_for_signals(work, SEQUENCE)
        any_left = False
        for l in range(net.at.lanes):   # each lane's next sequence
            lanes[l].stop = 0
            while data[l] and lanes[l].i + 1 < data[l].count and lanes[l].stop == 0:
                lanes[l].i += 1
                lanes[l].stop = data[l].lengths[lanes[l].i] if data[l].counts[lanes[l].i] else 0
            any_left |= lanes[l].stop > 0
        fresh_state(&net.at, rows)
        t = 0
        steps = pass_of(&net.at, lanes, t, min(tape.steps, net.at.block))
        while steps > 0:
            run_on(net, rows, steps, lanes, t)
            weigh(net, rows, steps, lanes, t)
            add_losses(net, rows, steps, of, bad)
            copy_state(&net.at, rows + steps * net.at.row, rows)
            look_for_signals(work, steps * net.at.work)
            t += steps
            steps = pass_of(&net.at, lanes, t, min(tape.steps, net.at.block))
    return 0


# ---- a call of train() ----

cdef struct Course:             # what it learns from, and how far it is
    const Data* data
    const Data* validation      # or NULL
    bint same                   # whether both are the same sequences, in the same buffers
    int64_t* order              # of the sequences, in this epoch
    Py_ssize_t last             # the sequence that is run last
    Py_ssize_t at_sequence      # the sequence and the step where it diverged, or -1
    Py_ssize_t at_step
    Total total, validation_total
    bint shared                 # whether one pass serves training and validation
    bint judged                 # whether this epoch has its validation loss,
    double validation_loss      # this one
    Py_ssize_t epoch
    double* best                # a copy of the parameters
    double best_loss
    Py_ssize_t best_epoch
    Py_ssize_t since            # epochs since the best
    bint goes_on                # whether training does
    const int64_t* batch        # the sequences that run side by side
    Py_ssize_t count, longest   # of them, and the steps of the longest that has a part
    Py_ssize_t final            # the last one that has
    double weight               # of a window of all of them


cdef str place_of(Py_ssize_t epoch, Py_ssize_t sequence, Py_ssize_t sequences, Py_ssize_t step):
    """Where a training diverged."""
    return f" at epoch {epoch}, {f'sequence {sequence}, ' if sequences > 1 else ''}step {step}"


cdef bint may_share(const Network* net, const Course* of, const Settings* settings) noexcept nogil:
    """Whether the pass for an epoch's only update shows the validation loss too, summed in the same order."""
    if not of.same or settings.generator or (settings.window > 0 and net.return_sequences):
        return False
    return not 0 < settings.batch_size < of.data.count


cdef bint judge(const Network* net, Course* of, Py_ssize_t lane, double loss) noexcept nogil:
    """Take an epoch's validation loss, and keep a copy of the best parameters. Returns whether training goes on."""
    cdef const Settings* settings = &net.of[lane]
    cdef Py_ssize_t lanes = net.at.lanes, i
    of.judged, of.validation_loss = True, loss
    if settings.patience < 0:
        return True
    if loss < of.best_loss - settings.min_delta:
        for i in range(net.at.parameters_width // lanes):
            of.best[i] = net.memory[i * lanes + lane]
        of.best_loss, of.best_epoch = loss, of.epoch
        of.since = 0
    else:
        of.since += 1
    return of.since <= settings.patience


cdef void put_back_best(const Network* net, const Course* of, Py_ssize_t lane) noexcept nogil:
    """The moments stay."""
    cdef Py_ssize_t lanes = net.at.lanes, i
    if of.best_epoch >= 0:
        for i in range(net.at.parameters_width // lanes):
            net.memory[i * lanes + lane] = of.best[i]


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


cdef inline bint learns(const Course* of, Py_ssize_t start) noexcept nogil:
    """Whether there is a training, and something of its batch in the window."""
    return of != NULL and of.goes_on and start < of.longest


cdef bint any_learns(const Window* window, Py_ssize_t lanes) noexcept nogil:
    cdef Py_ssize_t l
    for l in range(lanes):
        if learns(window.of[l], window.start):
            return True
    return False


# ---- learning ----

cdef void update(const Network* net, Tape tape, Window* window) noexcept nogil:
    """Learn from a gradient that is complete. Where all is not finite nothing changes, and training is over."""
    cdef double[LANES] factor
    cdef Py_ssize_t changed, l
    cdef Course* of
    add_penalty(net, tape.proposal)
    clip_factor(net, tape.proposal, factor)
    changed = net.optimizer.propose(net, factor, tape.proposal)
    for l in range(net.at.lanes):
        of = window.of[l]
        if learns(of, window.start) and of.weight > 0.0:
            of.goes_on = commit(net, tape, state_at(&net.at, tape, of.final), changed, l)
            if not of.goes_on:
                first_part(net, of, window.start, l)


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
    cdef Py_ssize_t longest = 0, t = 0, steps, l
    for l in range(net.at.lanes):
        longest = max(longest, lanes[l].first if lanes[l].data else 0)
    # All end together: a lane begins when those behind its first step are as many as the rest has left.
    while t < longest:
        steps = min(tape.steps, net.at.block, longest - t)
        for l in range(net.at.lanes):
            ahead[l].first = t - (longest - lanes[l].first)         # its own step
            if lanes[l].data and ahead[l].first < 0:
                steps = min(steps, -ahead[l].first)
        for l in range(net.at.lanes):
            inputs[l] = NULL
            if lanes[l].data and ahead[l].first >= 0:
                if ahead[l].first == 0:
                    copy_lane(&net.at, net.fresh, tape.rows, l)
                inputs[l] = (lanes[l].data.inputs
                             + (lanes[l].data.starts[lanes[l].i] + ahead[l].first) * net.at.input_size)
        forward(net, tape.rows, steps, inputs)
        copy_state(&net.at, tape.rows + steps * net.at.row, tape.rows)
        look_for_signals(work, steps * net.at.work)
        t += steps
    for l in range(net.at.lanes):
        if lanes[l].data and lanes[l].first == 0:       # it has waited all the time
            copy_lane(&net.at, net.fresh, tape.rows, l)
    return 0


cdef int run_window(const Network* net, Tape tape, Window* window, Lane* lanes, Work* work) except -1 nogil:
    """Run over a window of a sequence of each training, and add up its losses. One that is not finite ends training."""
    cdef Lane[LANES] others
    cdef total_t[LANES] totals, validation
    cdef Total nowhere
    cdef Py_ssize_t[LANES] bad
    cdef double* rows
    cdef Course* of
    cdef Py_ssize_t t = 0, steps = pass_of(&net.at, lanes, 0, net.at.block), l
    cdef bint shared = False
    for l in range(net.at.lanes):
        of = window.of[l]
        totals[l] = validation[l] = &nowhere
        others[l] = lanes[l]
        others[l].data = NULL
        if lanes[l].data:
            totals[l] = &of.total
            if of.shared:
                others[l].data, validation[l], shared = of.validation, &of.validation_total, True
    while steps > 0:
        rows = tape.rows + t * net.at.row
        run_on(net, rows, steps, lanes, t)
        if shared:
            weigh(net, rows, steps, others, t)
            add_losses(net, rows, steps, validation, bad)
        weigh(net, rows, steps, lanes, t)
        add_losses(net, rows, steps, totals, bad)
        for l in range(net.at.lanes):
            if bad[l] < steps:
                of = window.of[l]
                of.at_sequence, of.at_step = lanes[l].i, lanes[l].first + t + bad[l]
                lanes[l].data = others[l].data = NULL
        look_for_signals(work, steps * net.at.work)
        t += steps
        steps = pass_of(&net.at, lanes, t, net.at.block)
    return 0


cdef int add_window(Network* net, Tape tape, Window* window, Py_ssize_t begin, Work* work) except -1 nogil:
    """Run over a window of every sequence, and add `scale` times its gradient. A loss that is not finite ends training.

    The states of the tape are those of the sequences, before the window and then after it. begin: those before this one
    have been added.
    """
    cdef Lane[LANES] lanes
    cdef Py_ssize_t[LANES] ends
    cdef bint first_one = begin == 0, ahead, any_part, any_weight
    cdef Course* of
    cdef Py_ssize_t count = 0, k, l
    for l in range(net.at.lanes):
        count = max(count, window.of[l].count if learns(window.of[l], window.start) else 0)
    if first_one and not window.straight:
        no_gradient(net, tape.proposal)
    for k in range(begin, count):
        ahead = any_part = any_weight = False
        for l in range(net.at.lanes):
            of = window.of[l]
            lanes[l].data, ends[l] = NULL, 0
            if learns(of, window.start) and of.at_sequence < 0 and k < of.count:
                lanes[l].i = of.batch[k]
                lanes[l].stop = window_of(net, of.data.lengths[lanes[l].i], window.start, &lanes[l].first)
                if lanes[l].first < lanes[l].stop and has_part(of, lanes[l].i):
                    lanes[l].data, any_part = of.data, True
                    ahead |= lanes[l].first > window.start
        if not any_part:
            continue
        copy_state(&net.at, state_at(&net.at, tape, k), tape.rows)
        if ahead:
            run_up(net, tape, lanes, work)
        run_window(net, tape, window, lanes, work)
        for l in range(net.at.lanes):
            if lanes[l].data:
                copy_lane(&net.at, tape.rows + (lanes[l].stop - lanes[l].first) * net.at.row,
                          state_at(&net.at, tape, k), l)
                if lanes[l].data.counts[lanes[l].i]:
                    ends[l], any_weight = lanes[l].stop - lanes[l].first, True
        if any_weight and not window.straight:
            add_gradient(net, tape, ends, window.scale, first_one, work)
            first_one = False
    return 0


cdef inline Py_ssize_t rounds_in_lanes(Py_ssize_t count) noexcept nogil:
    """How often lanes are filled with so many sequences: a few that are left over are faster alone."""
    return count // LANES + (count % LANES >= FEWEST)


cdef int add_window_in_lanes(Network* net, Tape tape, Window* window, Work* work) except -1 nogil:
    """`add_window` of one network, to the same numbers: the sequences of its batch in the lanes of tape.wide."""
    cdef Network* wide = window.wide
    cdef Course* of = window.of[0]
    cdef Lane[LANES] lanes
    cdef double[LANES] scale
    cdef Py_ssize_t[LANES] ends
    cdef Py_ssize_t r, k, l
    cdef bint ahead, any_part, any_weight
    no_gradient(net, tape.proposal)
    use_shared(net, wide, tape.wide)
    for r in range(rounds_in_lanes(of.count)):
        ahead = any_part = any_weight = False
        for l in range(LANES):
            k, lanes[l].data, ends[l], scale[l] = r * LANES + l, NULL, 0, window.scale[0]
            if k < of.count:
                lanes[l].i = of.batch[k]
                lanes[l].stop = window_of(net, of.data.lengths[lanes[l].i], window.start, &lanes[l].first)
                if lanes[l].first < lanes[l].stop and has_part(of, lanes[l].i):
                    lanes[l].data, any_part = of.data, True
                    ahead |= lanes[l].first > window.start
        if not any_part:
            continue
        copy_state(&wide.at, state_at(&wide.at, tape.wide, r), tape.wide.rows)
        if ahead:
            run_up(wide, tape.wide, lanes, work)
        run_together(wide, tape.wide, of, lanes, work)
        if of.at_sequence >= 0:
            return 0
        for l in range(LANES):
            if lanes[l].data:
                copy_lane(&wide.at, tape.wide.rows + (lanes[l].stop - lanes[l].first) * wide.at.row,
                          state_at(&wide.at, tape.wide, r), l)
                if of.data.counts[lanes[l].i]:
                    ends[l], any_weight = lanes[l].stop - lanes[l].first, True
        if any_weight:
            no_gradient(wide, tape.wide.own)
            gradient_in_passes(wide, tape.wide, ends, scale, TERM_BY_TERM, tape.wide.own, work)
            for l in range(LANES):
                if ends[l] > 0:
                    fold_lane(net, wide, tape.wide.own, tape.proposal, l)
    if of.final < rounds_in_lanes(of.count) * LANES:        # to where the update looks for the state
        narrow_lane(net, wide, state_at(&wide.at, tape.wide, of.final // LANES), of.final % LANES,
                    state_at(&net.at, tape, of.final))
    return add_window(net, tape, window, rounds_in_lanes(of.count) * LANES, work)


cdef int run_together(const Network* wide, Tape tape, Course* of, Lane* lanes, Work* work) except -1 nogil:
    """`run_window` of sequences of one batch, whose losses are then added up one sequence after the other."""
    cdef double* losses = tape.rows + wide.at.loss
    cdef double* weights = tape.rows + wide.at.weight
    cdef Py_ssize_t row = wide.at.row, t = 0, steps = pass_of(&wide.at, lanes, 0, wide.at.block), l
    cdef double weight
    while steps > 0:
        run_on(wide, tape.rows + t * row, steps, lanes, t)
        weigh(wide, tape.rows + t * row, steps, lanes, t)
        look_for_signals(work, steps * wide.at.work)
        t += steps
        steps = pass_of(&wide.at, lanes, t, wide.at.block)
    for l in range(LANES):
        for t in range(lanes[l].stop - lanes[l].first if lanes[l].data else 0):
            if of.shared:
                weight = loss_weight(wide, of.validation, lanes[l].i, lanes[l].first + t)
                if weight != 0.0:
                    of.validation_total.loss += weight * losses[t * row + l]
                    of.validation_total.weight += weight
            weight = weights[t * row + l]
            if weight != 0.0:
                of.total.loss += weight * losses[t * row + l]
                of.total.weight += weight
                if not isfinite(losses[t * row + l]):
                    of.at_sequence, of.at_step = lanes[l].i, lanes[l].first + t
                    return 0
    return 0


cdef void narrow_lane(const Network* net, const Network* wide, const double* source, Py_ssize_t l,
                      double* target) noexcept nogil:
    """The state of one lane, as that of a network alone."""
    cdef Py_ssize_t i
    for i in range(net.at.hidden_size):
        target[net.at.h + i] = source[wide.at.h + i * LANES + l]
        if net.at.states == 2:
            target[net.at.c + i] = source[wide.at.c + i * LANES + l]


cdef void first_part(const Network* net, Course* of, Py_ssize_t start, Py_ssize_t lane) noexcept nogil:
    """The first sequence that has a part in a window, and its last step there, are where it diverged."""
    cdef Py_ssize_t k, first
    for k in range(of.count):
        of.at_sequence = of.batch[k]
        of.at_step = window_of(net, of.data.lengths[of.at_sequence], start, &first) - 1
        if first <= of.at_step and has_part(of, of.at_sequence):
            return


cdef void begin_batch(const Network* net, Course* of, Py_ssize_t start, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t k, length
    of.batch, of.count, of.longest = of.order + start, count, 0
    for k in range(count):
        length = of.data.lengths[of.batch[k]]
        if length and has_part(of, of.batch[k]):
            of.longest, of.final = max(of.longest, length), k


cdef int train_batch(Network* net, Tape tape, Window* window, Work* work) except -1 nogil:
    """Train on sequences that run side by side, with an update from all of them after every window."""
    cdef const Layout* at = &net.at
    cdef data_t[LANES] validation
    cdef Total[LANES] totals
    cdef Course* of = window.of[0]
    cdef Py_ssize_t longest = 0, count = 0, steps, first, l
    cdef bint any_bad
    if tape.state == tape.rows:
        keep_state(at, tape, tape.rows, 0)
    for l in range(at.lanes):
        if learns(window.of[l], 0):
            longest, count = max(longest, window.of[l].longest), max(count, window.of[l].count)
    look_for_signals(work, SEQUENCE * <double> max(1, count))
    if longest and count == 1 and net.of.window == 1 and net.return_sequences and may_go_straight(net, 1):
        of.at_step = train_online(net, tape, of.data, of.batch[0], &of.total, work)
        of.at_sequence = of.batch[0] if of.at_step < longest else -1
        of.goes_on = of.at_sequence < 0
        return 0
    fill(tape.states.start, count * at.states * at.hidden_width, 0.0)
    if window.wide:
        fill(tape.wide.states.start, tape.wide.states.length, 0.0)
    window.start = 0
    while any_learns(window, at.lanes):
        for l in range(at.lanes):
            of, window.scale[l] = window.of[l], 0.0
            if learns(of, window.start):
                of.weight = window_weight(net, of, window.start)
                window.scale[l] = factor_of_loss(net, l) / of.weight if of.weight > 0.0 else 0.0
        steps = window_of(net, longest, window.start, &first) - first
        window.straight = count == 1 and may_go_straight(net, steps)
        use_for(net, tape, steps * count)
        begin_backward(net, tape, steps)
        if window.wide and count >= FEWEST:
            add_window_in_lanes(net, tape, window, work)
        else:
            add_window(net, tape, window, 0, work)
        any_bad = False
        for l in range(at.lanes):       # those whose pass is not complete have their validation loss yet to come
            of = window.of[l]
            validation[l] = of.validation if learns(of, window.start) and of.shared and of.at_sequence >= 0 else NULL
            any_bad |= validation[l] != NULL
        if any_bad:
            evaluate(net, tape, validation, totals, work)
        for l in range(at.lanes):
            of = window.of[l]
            if not learns(of, window.start):
                continue
            if of.shared:
                if not validation[l]:
                    totals[l] = of.validation_total
                if not judge(net, of, l, totals[l].loss / totals[l].weight):
                    of.at_sequence, of.goes_on = -1, False
                    continue
            of.goes_on = of.at_sequence < 0
            if of.goes_on and of.weight == 0.0:
                keep_state(at, tape, state_at(at, tape, of.final), l)
        if not window.straight:
            update(net, tape, window)
        elif learns(window.of[0], window.start) and window.of[0].weight > 0.0:
            of = window.of[0]
            of.goes_on = update_straight(net, tape, steps, window.scale[0], state_at(at, tape, of.final), work)
            if not of.goes_on:
                first_part(net, of, window.start, 0)
        window.start += net.of.window if net.of.window > 0 and net.return_sequences else longest
    return 0


cdef int train_epoch(Network* net, Tape tape, Window* window, Work* work) except -1 nogil:
    """Measure the validation data, then train on all batches. Afterwards `goes_on` tells of each training whether it
    does; where a loss or an update was not finite, `at` tells where."""
    cdef data_t[LANES] validation
    cdef Total[LANES] totals
    cdef Course* of
    cdef Py_ssize_t size, start, batch = 0, i, l
    cdef bint any_left = False
    for l in range(net.at.lanes):
        of, validation[l] = window.of[l], NULL
        if of:
            of.total = of.validation_total = Total(0.0, 0.0)
            of.shared = may_share(net, of, &net.of[l])
            validation[l] = NULL if of.shared else of.validation
            any_left |= validation[l] != NULL
    if any_left:
        evaluate(net, tape, validation, totals, work)
    for l in range(net.at.lanes):
        of = window.of[l]
        if of:
            of.goes_on = validation[l] == NULL or judge(net, of, l, totals[l].loss / totals[l].weight)
            if of.goes_on:
                draw_order(&net.of[l], of.data.count, of.order)
                for i in range(of.data.count):
                    of.last = of.order[i] if of.data.lengths[of.order[i]] else of.last
    any_left = True
    while any_left:
        any_left = False
        for l in range(net.at.lanes):
            of = window.of[l]
            if of and of.goes_on:
                size = net.of[l].batch_size if net.of[l].batch_size > 0 else of.data.count
                start = batch * size
                begin_batch(net, of, start, max(0, min(size, of.data.count - start)))
                any_left |= start < of.data.count
        if any_left:
            train_batch(net, tape, window, work)
        batch += 1
    for l in range(net.at.lanes):
        if window.of[l] and window.of[l].goes_on:
            window.of[l].epoch += 1
    return 0


cdef int gradient_of(Network* net, Tape tape, Window* window, Work* work) except -1 nogil:
    """The mean loss of all sequences, as a total, and its gradient, in the proposal, by full backpropagation."""
    window.start, window.straight, window.wide, window.of[0].goes_on = 0, False, NULL, True
    begin_batch(net, window.of[0], 0, window.of[0].data.count)
    window.scale[0] = 1.0 / window_weight(net, window.of[0], 0)
    use_for(net, tape, 2)
    begin_backward(net, tape, 2)
    fill(tape.states.start, window.of[0].count * net.at.states * net.at.hidden_width, 0.0)
    return add_window(net, tape, window, 0, work)


cdef int update_from(Network* net, Tape tape, Py_ssize_t steps, Work* work) except -1 nogil:
    """Learn from the steps of learn() that wait. Returns whether all is finite; if it is not, nothing has changed."""
    cdef const double* after = tape.rows + steps * net.at.row
    cdef double total = 0.0, scale, factor
    cdef Py_ssize_t t
    for t in range(steps):
        total += tape.rows[t * net.at.row + net.at.weight]
    if total == 0.0:
        keep_state(&net.at, tape, after, 0)
        return True
    begin_backward(net, tape, steps)
    scale = factor_of_loss(net, 0) / total
    if may_go_straight(net, steps):
        return update_straight(net, tape, steps, scale, after, work)
    no_gradient(net, tape.proposal)
    add_gradient(net, tape, &steps, &scale, True, work)
    add_penalty(net, tape.proposal)
    clip_factor(net, tape.proposal, &factor)
    return commit(net, tape, after, net.optimizer.propose(net, &factor, tape.proposal), 0)
