# Part of _core.pyx: the sequences of a batch side by side in lanes. It has no twin: one after the other gives the same.

cdef enum:
    FEWEST = 3          # sequences for which lanes are filled
    WIDEST = 16         # units up to which they pay


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
    cdef Py_ssize_t r, k, lane
    cdef bint ahead, any_part, any_weight
    no_gradient(net, tape.proposal)
    use_shared(net, wide, tape.wide)
    for r in range(rounds_in_lanes(of.count)):
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
    if of.final < rounds_in_lanes(of.count) * LANES:        # to where the update looks for the state
        narrow_lane(net, wide, state_at(&wide.at, tape.wide, of.final // LANES), of.final % LANES,
                    state_at(&net.at, tape, of.final))
    return add_window(net, tape, window, rounds_in_lanes(of.count) * LANES, work)


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
