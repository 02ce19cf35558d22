# Part of _core.pyx: training. The twin: _plain/learning.py.
# It is of one network, as the twin's; or of as many as there are lanes, each as it would be alone.

# ---- learning ----

cdef int train_batch(Network* net, Tape tape, Window* window, Work* work) except -1 nogil:
    """Train on sequences that run side by side, with an update from all of them after every window."""
    cdef const Layout* at = &net.at
    cdef data_t[LANES] validation
    cdef Total[LANES] totals
    cdef Course* of = window.of[0]
    cdef Py_ssize_t longest = 0, count = 0, steps, first, lane
    cdef bint any_bad, incomplete
    if tape.state == tape.rows:
        keep_state(at, tape, tape.rows, 0)
    for lane in range(at.lanes):
        if has_window(window.of[lane], 0):
            longest, count = max(longest, window.of[lane].longest), max(count, window.of[lane].count)
    look_for_signals(work, SEQUENCE * <double> max(1, count))
    if longest and count == 1 and learns_online(net):
        if at.lanes > 1:
            return train_online_in_lanes(net, tape, window, work)
        of.at_step = train_online(net, tape, of.data, of.batch[0], &of.total, work)
        of.at_sequence = of.batch[0] if of.at_step < longest else -1
        of.goes_on = of.at_sequence < 0
        return 0
    fill(tape.states.start, count * at.states * at.hidden_width, 0.0)
    if window.wide:
        fill(tape.wide.states.start, tape.wide.states.length, 0.0)
    window.start = 0
    while any_has_window(window, at.lanes):
        for lane in range(at.lanes):
            of, window.scale[lane] = window.of[lane], 0.0
            if has_window(of, window.start):
                of.weight = window_weight(net, of, window.start)
                window.scale[lane] = factor_of_loss(net, lane) / of.weight if of.weight > 0.0 else 0.0
        steps = window_of(net, longest, window.start, &first) - first
        window.straight = count == 1 and may_go_straight(net, steps)
        use_for(net, tape, steps * count)
        begin_backward(net, tape, steps)
        if window.wide:
            add_window_in_lanes(net, tape, window, work)
        else:
            add_window(net, tape, window, 0, count, work)
        any_bad = False
        for lane in range(at.lanes):       # those whose pass is not complete have their validation loss yet to come
            of = window.of[lane]
            incomplete = has_window(of, window.start) and of.shared and of.at_sequence >= 0
            validation[lane] = of.validation if incomplete else NULL
            any_bad |= validation[lane] != NULL
        if any_bad:
            evaluate(net, tape, validation, totals, NULL, work)
        for lane in range(at.lanes):
            of = window.of[lane]
            if not has_window(of, window.start):
                continue
            if of.shared:
                if not validation[lane]:
                    totals[lane] = of.validation_total
                if not judge(net, of, lane, totals[lane].loss / totals[lane].weight):
                    of.at_sequence, of.goes_on = -1, False
                    continue
            of.goes_on = of.at_sequence < 0
            if of.goes_on and of.weight == 0.0:
                keep_state(at, tape, state_at(at, tape, of.final), lane)
        if not window.straight:
            update(net, tape, window)
        elif has_window(window.of[0], window.start) and window.of[0].weight > 0.0:
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
    cdef Py_ssize_t size, start, batch = 0, i, lane
    cdef bint any_left = False
    for lane in range(net.at.lanes):
        of, validation[lane] = window.of[lane], NULL
        if of:
            of.total = of.validation_total = Total(0.0, 0.0)
            of.shared = may_share(net, of, &net.of[lane])
            validation[lane] = NULL if of.shared else of.validation
            any_left |= validation[lane] != NULL
    if any_left:
        evaluate(net, tape, validation, totals, NULL, work)
    for lane in range(net.at.lanes):
        of = window.of[lane]
        if of:
            of.goes_on = validation[lane] == NULL or judge(net, of, lane, totals[lane].loss / totals[lane].weight)
            if of.goes_on:
                draw_order(&net.of[lane], of.data.count, of.order)
                for i in range(of.data.count):
                    of.last = of.order[i] if of.data.lengths[of.order[i]] else of.last
    any_left = True
    while any_left:
        any_left = False
        for lane in range(net.at.lanes):
            of = window.of[lane]
            if of and of.goes_on:
                size = net.of[lane].batch_size if net.of[lane].batch_size > 0 else of.data.count
                start = batch * size
                begin_batch(net, of, start, max(0, min(size, of.data.count - start)))
                any_left |= start < of.data.count
        if any_left:
            train_batch(net, tape, window, work)
        batch += 1
    for lane in range(net.at.lanes):
        if window.of[lane] and window.of[lane].goes_on:
            window.of[lane].epoch += 1
    return 0


cdef int gradient_of(Network* net, Tape tape, Window* window, Work* work) except -1 nogil:
    """The mean loss of all sequences, as a total, and its gradient, in the proposal, by full backpropagation."""
    window.start, window.straight, window.wide, window.of[0].goes_on = 0, False, NULL, True
    begin_batch(net, window.of[0], 0, window.of[0].data.count)
    window.scale[0] = 1.0 / window_weight(net, window.of[0], 0)
    use_for(net, tape, 2)
    begin_backward(net, tape, 2)
    fill(tape.states.start, window.of[0].count * net.at.states * net.at.hidden_width, 0.0)
    return add_window(net, tape, window, 0, window.of[0].count, work)


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
    return commit(net, tape, after, net.optimizer.propose(net, &factor, tape.proposal))
