# Part of _core.pyx: running over sequences, and on from them. The twin: _plain/running.py.

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
    cdef Py_ssize_t start = 0, block, first, t
    fresh_state(at, rows)
    look_for_signals(work, SEQUENCE)
    if run.state:
        write_state(at, run.state, rows)
    while start < length:
        block = min(tape.steps, at.block, length - start)
        forward(net, rows, block, &run.inputs)
        run.inputs += block * at.input_size
        first = 0 if net.return_sequences else block - 1    # where the output layer is wanted
        if run.predictions and (net.return_sequences or start + block == length):
            read_out(net, rows + first * at.row, block - first)
            predictions_of(net, rows + first * at.row, block - first, run.predictions)
            run.predictions += (block - first) * at.output_size
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
