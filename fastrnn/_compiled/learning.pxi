# Part of _core.pyx: updates, and training and running over sequences. The twin: _plain/learning.py.

cdef enum:
    SEQUENCE = 64       # products that a sequence counts as, however short it is


# ---- learning ----

cdef int update(Network* net, Tape tape, Py_ssize_t steps, Work* work) except -1 nogil:
    """Learn from a window that is complete. Returns whether all is finite; if it is not, nothing has changed."""
    cdef double factor
    if may_go_straight(net, steps):     # to the same numbers, in less time
        return update_straight(net, tape, steps, work)
    fill(tape.proposal, net.at.parameters_width, -0.0)
    add_gradient(net, tape, steps, factor_of_loss(net), work)
    factor = clip_factor(net, tape.proposal)
    return commit(net, tape, steps, net.optimizer.propose(net, factor, tape.proposal))


cdef Py_ssize_t train_sequence(Network* net, Tape tape, const double* inputs, const double* targets, Py_ssize_t length,
                               double* total, Work* work) except -1 nogil:
    """Train on a sequence, and add the losses of its steps to `total`. Returns `length`, or the step that diverged."""
    cdef const Layout* at = &net.at
    cdef double* rows = tape.rows
    cdef double loss
    cdef Py_ssize_t start = 0, steps, done, block, t
    if tape.state == rows:
        copy_state(at, rows, tape.spare)
        tape.state = tape.spare
    fresh_state(at, rows)
    look_for_signals(work, SEQUENCE)
    if net.window == 1 and may_go_straight(net, 1):
        return train_online(net, tape, inputs, targets, length, total, work)
    while start < length:
        steps = min(net.window, length - start) if net.window > 0 else length
        if steps > 1:
            use_packed(net, tape)
        else:
            use_as_it_lies(net)
        done = 0
        while done < steps:
            block = min(at.block, steps - done)
            forward(net, rows + done * at.row, block, inputs + (start + done) * at.input_size)
            net.loss.loss(net, rows + done * at.row, block, targets + (start + done) * at.target_size)
            for t in range(done, done + block):
                loss = rows[t * at.row + at.loss]
                if not isfinite(loss):
                    return start + t
                total[0] += loss
            done += block
            look_for_signals(work, block * at.work)
        start += steps
        if not update(net, tape, steps, work):
            return start - 1
    return length


# ---- helpers: what a prediction reads and writes ----

cdef struct Run:            # it is moved on; NULL where it is not wanted
    const double* inputs
    double* state           # the one to start from, which takes the last one; NULL: each sequence has a fresh one
    double* predictions
    double* states


# ---- running ----

cdef int predict_sequence(const Network* net, Tape tape, Py_ssize_t length, Run* run, Work* work) except -1 nogil:
    """Run over a sequence."""
    cdef const Layout* at = &net.at
    cdef double* rows = tape.rows
    cdef Py_ssize_t start = 0, block, t
    fresh_state(at, rows)
    look_for_signals(work, SEQUENCE)
    if run.state:
        write_state(at, run.state, rows)
    while start < length:
        block = min(tape.steps, at.block, length - start)
        forward(net, rows, block, run.inputs)
        run.inputs += block * at.input_size
        if run.predictions:
            net.output.predict(net, rows, block, run.predictions, at.output_size)
            run.predictions += block * at.output_size
        if run.states:
            for t in range(block):
                memcpy(run.states, rows + (t + 1) * at.row + at.h, at.hidden_size * sizeof(double))
                run.states += at.hidden_size
        copy_state(at, rows + block * at.row, rows)
        start += block
        look_for_signals(work, block * at.work)
    if run.state:
        read_state(at, rows, run.state)
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
        forward(net, row, 1, scratch)
        net.output.predict(net, row, 1, predictions, at.output_size)
        if any_nan(at.output_size, predictions):
            return False
        net.output.decide(at.output_size, predictions, run.predictions)
        feed_back(net, run.predictions, scratch)
        run.predictions += at.target_size
        copy_state(at, row + at.row, row)
        look_for_signals(work, at.work)
    read_state(at, row, run.state)
    return True
