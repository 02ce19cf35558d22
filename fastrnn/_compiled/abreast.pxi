# Part of _core.pyx: what is done in another way in lanes. It has no twin: one after the other gives the same.

# ---- where lanes pay: measured by bench/many.py ----

cdef extern from *:
    """
    #ifdef FASTRNN_V4
    #define FASTRNN_WIDEST 128
    #else
    #define FASTRNN_WIDEST 16
    #endif
    """
    enum:
        WIDEST "FASTRNN_WIDEST"     # units of one network whose weights are read for all lanes


cdef double fewest_in_lanes(const Layout* at, bint shared) noexcept nogil:
    """How many lanes must have something to do, in the mean, that they take no longer than one after the other; with
    too many units infinitely many. shared: the weights of one network are those of all lanes."""
    cdef Py_ssize_t units = at.hidden_size, most = WIDEST if shared else 16 if at.gates_size == at.hidden_size else 10
    if units > most:
        return INFINITY
    return LANES * (0.375 if units <= 2 else 0.625 if units <= 4 else 0.875)


# ---- the sequences of a batch side by side ----

cdef bint round_pays(const Network* net, const Course* of, Py_ssize_t r) noexcept nogil:
    """Whether so many of a round of sequences are about as long as its longest: the same in every window."""
    cdef Py_ssize_t longest = 0, total = 0, k, length
    for k in range(r * LANES, min(of.count, (r + 1) * LANES)):
        length = of.data.lengths[of.batch[k]] if has_part(of, of.batch[k]) else 0
        longest, total = max(longest, length), total + length
    return longest > 0 and total >= fewest_in_lanes(&net.at, True) * longest


cdef int add_window_in_lanes(Network* net, Tape tape, Window* window, Work* work) except -1 nogil:
    """`add_window` of one network, to the same numbers: the sequences of its batch in the lanes of tape.wide, in
    rounds, or where those do not pay one after the other."""
    cdef Network* wide = window.wide
    cdef Course* of = window.of[0]
    cdef Lane[LANES] lanes
    cdef double[LANES] scale
    cdef Py_ssize_t[LANES] ends
    cdef Py_ssize_t r, k, lane
    cdef bint ahead, any_part, any_weight
    no_gradient(net, tape.proposal)
    use_shared(net, wide, tape.wide)
    for r in range((of.count + LANES - 1) // LANES):
        if not round_pays(net, of, r):
            add_window(net, tape, window, r * LANES, (r + 1) * LANES, work)
            if of.at_sequence >= 0:
                return 0
            continue
        ahead = any_part = any_weight = False
        for lane in range(LANES):
            k, lanes[lane].data, ends[lane], scale[lane] = r * LANES + lane, NULL, 0, window.scale[0]
            if k < of.count:
                lanes[lane].i = of.batch[k]
                lanes[lane].stop = window_of(net, of.data.lengths[lanes[lane].i], window.start, &lanes[lane].first)
                if lanes[lane].first < lanes[lane].stop and has_part(of, lanes[lane].i):
                    lanes[lane].data, any_part = of.data, True
                    ahead |= lanes[lane].first > window.start
        if not any_part:
            continue
        copy_state(&wide.at, state_at(&wide.at, tape.wide, r), tape.wide.rows)
        if ahead:
            run_up(wide, tape.wide, lanes, work)
        run_together(wide, tape.wide, of, lanes, work)
        if of.at_sequence >= 0:
            return 0
        for lane in range(LANES):
            if lanes[lane].data:
                copy_lane(&wide.at, tape.wide.rows + (lanes[lane].stop - lanes[lane].first) * wide.at.row,
                          state_at(&wide.at, tape.wide, r), lane)
                if of.data.counts[lanes[lane].i]:
                    ends[lane], any_weight = lanes[lane].stop - lanes[lane].first, True
        if any_weight:
            no_gradient(wide, tape.wide.own)
            gradient_in_passes(wide, tape.wide, ends, scale, TERM_BY_TERM, tape.wide.own, work)
            for lane in range(LANES):
                if ends[lane] > 0:
                    fold_lane(net, wide, tape.wide.own, tape.proposal, lane)
    if round_pays(net, of, of.final // LANES):      # to where the update looks for the state
        narrow_lane(net, wide, state_at(&wide.at, tape.wide, of.final // LANES), of.final % LANES,
                    state_at(&net.at, tape, of.final))
    return 0


cdef int run_together(const Network* wide, Tape tape, Course* of, Lane* lanes, Work* work) except -1 nogil:
    """`run_window` of sequences of one batch, whose losses are then added up one sequence after the other."""
    cdef double* losses = tape.rows + wide.at.loss
    cdef double* weights = tape.rows + wide.at.weight
    cdef Py_ssize_t row = wide.at.row, t = 0, steps = pass_of(&wide.at, lanes, 0, wide.at.block), lane
    cdef double weight
    while steps > 0:
        run_on(wide, tape.rows + t * row, steps, lanes, t)
        weigh(wide, tape.rows + t * row, steps, lanes, t)
        look_for_signals(work, steps * wide.at.work)
        t += steps
        steps = pass_of(&wide.at, lanes, t, wide.at.block)
    for lane in range(LANES):
        for t in range(lanes[lane].stop - lanes[lane].first if lanes[lane].data else 0):
            if of.shared:
                weight = loss_weight(wide, of.validation, lanes[lane].i, lanes[lane].first + t)
                if weight != 0.0:
                    of.validation_total.loss += weight * losses[t * row + lane]
                    of.validation_total.weight += weight
            weight = weights[t * row + lane]
            if weight != 0.0:
                of.total.loss += weight * losses[t * row + lane]
                of.total.weight += weight
                if not isfinite(losses[t * row + lane]):
                    of.at_sequence, of.at_step = lanes[lane].i, lanes[lane].first + t
                    return 0
    return 0


cdef void narrow_lane(const Network* net, const Network* wide, const double* source, Py_ssize_t lane,
                      double* target) noexcept nogil:
    """The state of one lane, as that of a network alone."""
    cdef Py_ssize_t i
    for i in range(net.at.hidden_size):
        target[net.at.h + i] = source[wide.at.h + i * LANES + lane]
        if net.at.states == 2:
            target[net.at.c + i] = source[wide.at.c + i * LANES + lane]


# ---- online learning of a network in each lane ----

cdef void_in_lanes online_step(const Network* net, Tape tape, double* row, const double* targets, const double* lr,
                               double* updates, bint* done) noexcept nogil:
    """A step of the lanes where it has a weight; row: with its inputs, its weights and the state before.

    done: whether it surely leaves all finite; if not, the parameters have not been touched.
    """
    cdef const Layout* at = &net.at
    cdef const lanes_t* weight = <const lanes_t*> (row + at.weight)
    cdef lanes_t scale[DEEP_IN_LANES]
    cdef lanes_t not_finite = NOTHING_IN_LANES      # or NaN, if a loss is
    cdef double total = 0.0
    cdef bint all_learn = True
    cdef Products products
    cdef Py_ssize_t i, q
    net.cell.forward(net, row, 1)
    read_out(net, row, 1)
    net.loss.loss(net, row, 1, targets)
    for q in range(DEEP_IN_LANES):
        scale[q] = (<const lanes_t*> lr)[q] / weight[q]
    copy_padded(net.zeros, at.states * at.hidden_width, tape.by_state)
    share_in_lanes(net, row, 1, <const double*> scale)
    net.cell.backward(net, row, 1, tape.by_state, False)
    for q in range(DEEP_IN_LANES):
        not_finite = not_finite + weighed_in_lanes((<lanes_t*> (row + at.loss))[q] * 0.0, weight[q])
    for i in range(WIDE):
        total += (<const double*> &not_finite)[i]
    for i in range(LANES):
        all_learn &= row[at.weight + i] != 0.0
    done[0] = total == 0.0 and is_surely_finite(net, tape, row, 1)
    if not done[0]:
        return
    for i in range(net.terms_count):
        products = products_of(net, row, &net.terms[i], 1, NEGATIVE)
        if all_learn:
            subtract_products_in_lanes(&products, &net.terms[i].of, weight, True)
        else:
            subtract_products_in_lanes(&products, &net.terms[i].of, weight, False)
    for q in range(DEEP_IN_LANES):
        (<lanes_t*> updates)[q] = (<lanes_t*> updates)[q] + weighed_in_lanes(
            (<const lanes_t*> (row + at.one))[q], weight[q])


cdef int update_in_lanes(Network* net, Tape tape, Window* window, const double* row, Work* work) except -1 nogil:
    """The update of a step, after online_step has not made it; where a loss or a parameter is not finite, none."""
    cdef Course* of
    cdef Py_ssize_t lane
    for lane in range(LANES):
        of = window.of[lane]
        if of == NULL:
            continue
        of.weight = row[net.at.weight + lane]
        if of.weight > 0.0 and not isfinite(row[net.at.loss + lane]):
            of.at_sequence, of.at_step, of.goes_on = of.batch[0], window.start, False
    copy_state(&net.at, row + net.at.row, state_at(&net.at, tape, 0))
    no_gradient(net, tape.proposal)
    gradients(net, row, 1, WHOLE, tape.proposal, work)
    update(net, tape, window)
    tape.bound = INFINITY
    return 0


cdef int train_online_in_lanes(Network* net, Tape tape, Window* window, Work* work) except -1 nogil:
    """`train_batch` of one sequence in each lane with a window of one step."""
    cdef const Layout* at = &net.at
    cdef Lane[LANES] lanes
    cdef numbers_t[LANES] inputs, targets
    cdef Total nowhere = Total(0.0, 0.0)
    cdef total_t[LANES] totals
    cdef Py_ssize_t[LANES] bad
    cdef const Data* data
    cdef Course* of
    cdef double[LANES] lr, updates
    cdef double* rows = tape.rows
    cdef double* row
    cdef Py_ssize_t t = 0, steps, k, lane
    cdef bint done
    for lane in range(LANES):
        of, lanes[lane], totals[lane] = window.of[lane], Lane(NULL, 0, 0, 0), &nowhere
        if has_window(of, 0):
            lanes[lane], totals[lane] = Lane(of.data, of.batch[0], 0, of.data.lengths[of.batch[0]]), &of.total
        lr[lane], updates[lane] = net.of[lane].lr, 0.0
    fresh_state(at, rows)
    use_for(net, tape, 1)
    steps = pass_of(at, lanes, 0, min(tape.steps, at.block))
    while steps > 0:
        for lane in range(LANES):
            inputs[lane] = targets[lane] = NULL
            if goes_on(&lanes[lane], t):
                data = lanes[lane].data
                inputs[lane] = data.inputs + (data.starts[lanes[lane].i] + t) * at.input_size
                targets[lane] = data.targets + (data.starts[lanes[lane].i] + t) * at.target_size
        take_inputs(net, rows, steps, inputs)
        take_targets(net, steps, targets)
        weigh(net, rows, steps, lanes, t)
        for k in range(steps):
            row = rows + k * at.row
            online_step(net, tape, row, net.taken_targets + k * at.target_size * LANES, lr, updates, &done)
            if done:
                continue
            window.start = t + k
            update_in_lanes(net, tape, window, row, work)
            for lane in range(LANES):
                if lanes[lane].data and not window.of[lane].goes_on:    # it has diverged, and waits from now on
                    if t + k > 0:
                        keep_state(at, tape, row, lane)
                    lanes[lane].data, totals[lane] = NULL, &nowhere
            weigh(net, row + at.row, steps - k - 1, lanes, t + k + 1)
        add_losses(net, rows, steps, totals, bad)
        for lane in range(LANES):
            if goes_on(&lanes[lane], t):
                keep_state(at, tape, rows + steps * at.row, lane)
            tape.updates[lane] += <Py_ssize_t> updates[lane]
            updates[lane] = 0.0
        copy_state(at, rows + steps * at.row, rows)
        look_for_signals(work, steps * at.work)
        t += steps
        steps = pass_of(at, lanes, t, min(tape.steps, at.block))
    return 0
