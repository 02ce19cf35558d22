# Part of _core.pyx: running over sequences, and on from them. The twin: _plain/running.py.

# ---- helpers: what a prediction reads and writes ----

cdef struct Run:            # of a network, or a lane; it is moved on; NULL where it is not wanted
    const int64_t* lengths  # of the sequences that are to come,
    Py_ssize_t count        # how many there are,
    Py_ssize_t left         # and the steps that are left of the one that runs
    const double* inputs
    double* state           # of one network alone: the one to start from, which takes the last one; else a fresh one
    double* predictions
    double* states


cdef Py_ssize_t begin_pass(const Layout* at, double* rows, Run* runs, Work* work) except -1 nogil:
    """Let each lane that has ended begin its next sequence; returns for how many steps none ends, 0 where all have."""
    cdef Py_ssize_t lane, i, steps = 0
    cdef Run* run
    for lane in range(at.lanes):
        run = &runs[lane]
        while run.left == 0 and run.count > 0:
            look_for_signals(work, SEQUENCE)
            run.left = run.lengths[0]
            run.lengths += 1
            run.count -= 1
            if at.lanes == 1:
                fresh_state(at, rows)
            else:
                for i in range(at.states * at.hidden_size):
                    rows[at.h + i * LANES + lane] = 0.0     # c is right behind h
            if run.state:
                write_state(at, run.state, rows)
        if run.left > 0 and (steps == 0 or run.left < steps):
            steps = run.left
    return steps


cdef inline bint gives(const Network* net, const Run* run, Py_ssize_t steps) noexcept nogil:
    """Whether a pass of so many steps comes to predictions that are wanted."""
    return run.predictions != NULL and (run.left > 0 if net.return_sequences else run.left == steps)


cdef inline double* read_lane(const Layout* at, const double* numbers, Py_ssize_t steps, Py_ssize_t size,
                              double* result) noexcept nogil:
    """`size` numbers a step of one lane; returns their end."""
    cdef Py_ssize_t t, i
    for i in range(size):
        for t in range(steps):
            result[t * size + i] = numbers[t * at.row + i * LANES]
    return result + steps * size


cdef void give_predictions(const Network* net, double* rows, Py_ssize_t steps, Run* runs) noexcept nogil:
    """Those of a pass, or of its last step alone."""
    cdef const Layout* at = &net.at
    cdef const Settings* of
    cdef Py_ssize_t size = at.output_size, given = steps if net.return_sequences else 1, lane
    cdef double* end
    cdef bint any_gives = False
    for lane in range(at.lanes):
        any_gives |= gives(net, &runs[lane], steps)
    if not any_gives:
        return
    rows += (steps - given) * at.row
    read_out(net, rows, given)
    if at.lanes == 1:
        predictions_of(net, rows, given, runs.predictions)
        runs.predictions += given * size
        return
    net.output.predict(net, rows, given, rows + at.gradient, at.row)
    for lane in range(LANES):
        if gives(net, &runs[lane], steps):
            of = &net.of[lane]
            end = read_lane(at, rows + at.gradient + lane, given, size, runs[lane].predictions)
            if of.target_mean:
                unscale_numbers(given, size, of.target_mean, of.target_scale, size, runs[lane].predictions)
            runs[lane].predictions = end


cdef void give_states(const Layout* at, const double* rows, Py_ssize_t steps, Run* runs) noexcept nogil:
    """Those after each step of a pass."""
    cdef Py_ssize_t lane, t
    for lane in range(at.lanes):
        if runs[lane].states == NULL or runs[lane].left == 0:
            continue
        if at.lanes > 1:
            runs[lane].states = read_lane(at, rows + at.row + at.h + lane, steps, at.hidden_size, runs[lane].states)
            continue
        for t in range(steps):
            memcpy(runs.states, rows + (t + 1) * at.row + at.h, at.hidden_size * sizeof(double))
            runs.states += at.hidden_size


# ---- running ----

cdef int predict_sequences(const Network* net, Tape tape, Run* runs, Work* work) except -1 nogil:
    """Run over sequences, one after the other; in lanes until one of these has no more."""
    cdef const Layout* at = &net.at
    cdef numbers_t[LANES] inputs
    cdef double* rows = tape.rows
    cdef Py_ssize_t most = min(tape.steps, at.block), steps, lane
    cdef Run* run
    cdef bint all_go_on = True
    while all_go_on:
        steps = min(most, begin_pass(at, rows, runs, work))
        if steps == 0:
            return 0
        for lane in range(at.lanes):
            inputs[lane] = runs[lane].inputs if runs[lane].left > 0 else NULL
        forward(net, rows, steps, inputs)
        give_predictions(net, rows, steps, runs)
        give_states(at, rows, steps, runs)
        copy_state(at, rows + steps * at.row, rows)
        for lane in range(at.lanes):
            run = &runs[lane]
            if run.left > 0:
                run.inputs += steps * at.input_size
                run.left -= steps
                if run.left == 0:
                    all_go_on &= run.count > 0
                    if run.state:
                        read_state(at, rows, run.state)
        look_for_signals(work, steps * at.work)
    return 0


cdef void feed_back(const Network* net, const double* decision, double* x) noexcept nogil:
    """The input that a decision is: itself, or a class among several inputs as a one among zeros."""
    if net.classes and net.at.input_size > 1:
        fill(x, net.at.input_size, 0.0)
        x[<Py_ssize_t> decision[0]] = 1.0
    else:
        memcpy(x, decision, net.at.input_size * sizeof(double))


cdef int generate_steps(const Network* net, Tape tape, Py_ssize_t count, double* scratch, Run* run,
                        Work* work) except -1 nogil:
    """One step for the next input, then count - 1 more, each for the decision before it; all decisions go to
    run.predictions. Returns whether all predictions are numbers; at the first NaN it stops. scratch: room for an input
    and for the predictions of a step."""
    cdef const Layout* at = &net.at
    cdef double* row = tape.rows
    cdef double* predictions = scratch + at.input_size
    cdef Py_ssize_t t
    memcpy(scratch, run.inputs, at.input_size * sizeof(double))
    write_state(at, run.state, row)
    for t in range(count):
        forward(net, row, 1, <numbers_t*> &scratch)
        read_out(net, row, 1)
        predictions_of(net, row, 1, predictions)
        if any_nan(at.output_size, predictions):
            return False
        net.output.decide(at.output_size, predictions, run.predictions)
        feed_back(net, run.predictions, scratch)
        run.predictions += at.target_size
        copy_state(at, row + at.row, row)
        look_for_signals(work, at.work)
    read_state(at, row, run.state)
    return True
