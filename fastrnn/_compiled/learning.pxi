# Part of _core.pyx: updates, and training and running over sequences. The twin: _plain/learning.py.


# ---- learning ----

cdef int update(const Network* n, double* memory, Tape tape, Py_ssize_t steps, const double* next_input,
                Work* work) except -1 nogil:
    """Learn from a window that is complete. Returns whether all is finite; if it is not, nothing has changed.

    next_input: the input of the step to come, or NULL; with it tape.ahead may be set.
    """
    cdef double factor = 1.0, norm, beta_1 = memory[3 * n.length], beta_2 = memory[3 * n.length + 1]
    cdef double* values = tape.values
    cdef Py_ssize_t length = n.length, changed = length
    # Plain sgd multiplies the gradient of the loss by lr before it runs back, not that of each parameter after it.
    cdef bint plain_sgd = n.optimizer == SGD and n.momentum == 0.0 and not n.clip < INFINITY
    tape.ahead = NULL
    backward(n, memory, tape, steps, n.lr if plain_sgd else 1.0, work)
    # It needs no gradient written down, which saves time where that and the parameters are too large for the cache.
    # Ctrl-C is not heard while the parameters change, so that they change in one go only where that is done in no time.
    if (plain_sgd and (steps == 1 or length > CACHE) and <double> steps * length < WORK / 8
            and is_surely_finite(n, memory, tape, steps, &work.bound)):
        if steps == 1:
            subtract_gradient(n, memory, tape, next_input)
        else:
            gradients(n, tape, steps, memory, True, NULL)
        return True
    gradients(n, tape, steps, values, False, work)
    if n.clip < INFINITY:
        norm = sqrt(square_of_gradient(n, values, values + length))
        if not isfinite(norm):
            return False
        if norm > n.clip:
            factor = n.clip / norm
    if n.optimizer != SGD:
        beta_1 *= BETA_1
        beta_2 *= BETA_2
        adam_step(length, memory, factor, n.lr, 1.0 - n.lr * n.weight_decay if n.optimizer == ADAMW else 1.0,
                  beta_1, beta_2, values, values + length, values + 2 * length)
        changed = 3 * length
    elif n.momentum != 0.0:
        momentum_step(length, memory, factor, n.lr, n.momentum, values, values + length)
        changed = 2 * length
    else:
        sgd_step(length, memory, factor, 1.0 if plain_sgd else n.lr, values)
    if not all_finite(values, changed):
        return False
    memcpy(memory, values, changed * sizeof(double))
    work.bound = INFINITY
    memory[3 * n.length], memory[3 * n.length + 1] = beta_1, beta_2
    return True


cdef struct Progress:
    double total                # the losses of an epoch so far
    Work work
    double* state               # the row with the state after the last update; NULL, if there was none
    double* spare               # a row for it, where that on the tape is needed for the next sequence


cdef Py_ssize_t train_sequence(const Network* n, double* memory, Tape tape, const double* inputs,
                               const double* targets, Py_ssize_t length, Progress* progress) except -1 nogil:
    """Train on a sequence. Returns `length`, or the step that is not finite."""
    cdef double* rows = tape.rows
    cdef double loss
    cdef Py_ssize_t start = 0, steps, block, done, t, window = n.window if n.window > 0 else length
    cdef Py_ssize_t block_size = max(1, <Py_ssize_t> (WORK / 4 / work_of_step(n)))
    tape.ahead = NULL
    if progress.state == rows:
        copy_state(n, rows, progress.spare)
        progress.state = progress.spare
    fill(rows + n.h, n.lanes, 0.0)
    if n.cell == LSTM:
        fill(rows + n.c, n.lanes, 0.0)
    while start < length:
        steps = min(window, length - start)
        done = 0
        if steps > 1:
            pack_weights(n, memory, tape)
        while done < steps:
            block = min(block_size, steps - done)
            forward(n, memory, tape.weights if steps > 1 else NULL, rows + done * n.row, block,
                    inputs + (start + done) * n.input_size, tape.ahead)
            for t in range(done, done + block):
                loss = loss_of_step(n, rows + t * n.row, targets + (start + t) * n.target_size)
                if not isfinite(loss):
                    return start + t
                progress.total += loss
            done += block
            look_for_signals(&progress.work, block * work_of_step(n))
        start += steps
        if not update(n, memory, tape, steps, inputs + start * n.input_size if start < length else NULL,
                      &progress.work):
            return start - 1
        copy_state(n, rows + steps * n.row, rows)
        progress.state = rows
    return length


cdef str place_of(Py_ssize_t epoch, Py_ssize_t sequence, Py_ssize_t sequences, Py_ssize_t step):
    """Where a training diverged."""
    return f" at epoch {epoch}, {f'sequence {sequence}, ' if sequences > 1 else ''}step {step}"


# ---- running ----

cdef int predict_sequence(const Network* n, const double* memory, Tape tape, const double* inputs, Py_ssize_t length,
                          double* state, double* predictions, double* states, Work* work) except -1 nogil:
    """Run over a sequence, from `state`, which takes the last; from a fresh one where it is NULL."""
    cdef double* rows = tape.rows
    cdef Py_ssize_t start = 0, block, t
    fill(rows + n.h, n.lanes, 0.0)
    if n.cell == LSTM:
        fill(rows + n.c, n.lanes, 0.0)
    if state:
        write_state(n, state, rows)
    while start < length:
        block = min(tape.steps, length - start)
        forward(n, memory, tape.weights, rows, block, inputs + start * n.input_size, NULL)
        if predictions:
            for t in range(block):
                activate_output(n.output, n.output_size, rows + t * n.row + n.sums,
                                predictions + (start + t) * n.output_size)
        if states:
            for t in range(block):
                memcpy(states + (start + t) * n.hidden_size, rows + (t + 1) * n.row + n.h,
                       n.hidden_size * sizeof(double))
        copy_state(n, rows + block * n.row, rows)
        start += block
        look_for_signals(work, block * work_of_step(n))
    if state:
        read_state(n, rows, state)
    return 0


cdef void predict_row(const Network* n, double* row, double* decisions) noexcept nogil:
    """What predict() gives after a step that is on the tape."""
    activate_output(n.output, n.output_size, row + n.sums, row + n.by_output)
    decide(n.output, n.output_size, row + n.by_output, decisions)


cdef void feed_back(const Network* n, const double* prediction, double* x) noexcept nogil:
    """The input that a prediction is: itself, or a class among several inputs as a one among zeros."""
    if n.output == SOFTMAX and n.input_size > 1:
        fill(x, n.input_size, 0.0)
        x[<Py_ssize_t> prediction[0]] = 1.0
    else:
        memcpy(x, prediction, n.input_size * sizeof(double))
