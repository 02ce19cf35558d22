# Part of _core.pyx: losses, updates, and training. The twin: _plain/learning.py.

# ---- losses ----

cdef void run_on(const Network* net, double* rows, Py_ssize_t steps, const Data* data, Py_ssize_t i,
                 Py_ssize_t start) noexcept nogil:
    """Run over steps of sequence `i`, from step `start` on, as far as their losses; nobody has weighed them yet."""
    cdef Py_ssize_t first = data.starts[i] + start
    forward(net, rows, steps, data.inputs + first * net.at.input_size)
    if not net.return_sequences:        # the output layer, at the last step alone
        if start + steps < data.lengths[i]:
            return
        first, rows, steps = i, rows + (steps - 1) * net.at.row, 1
    read_out(net, rows, steps)
    losses_of(net, rows, steps, data.targets + first * net.at.target_size)


cdef void weigh(const Network* net, double* rows, Py_ssize_t steps, const Data* data, Py_ssize_t i,
                Py_ssize_t start) noexcept nogil:
    cdef double* weights = rows + net.at.weight
    cdef Given of = given_for(data, i)
    cdef Py_ssize_t row = net.at.row, t
    if net.return_sequences:
        for t in range(steps):
            weights[t * row] = of.weights[(start + t) * of.stride]
    else:
        for t in range(steps):
            weights[t * row] = loss_weight(net, data, i, start + t)


cdef Py_ssize_t add_losses(const Network* net, const double* rows, Py_ssize_t steps, Total* total) noexcept nogil:
    """Add the losses that count; returns `steps`, or the first step where such a one is not finite."""
    cdef const double* weights = rows + net.at.weight
    cdef const double* losses = rows + net.at.loss
    cdef Total sums = total[0]      # a local copy may live in registers
    cdef Py_ssize_t row = net.at.row, t
    for t in range(steps):
        if weights[t * row] != 0.0:
            sums.loss += weights[t * row] * losses[t * row]
            sums.weight += weights[t * row]
    total[0] = sums
    if not isfinite(sums.loss):
        for t in range(steps):
            if weights[t * row] != 0.0 and not isfinite(losses[t * row]):
                return t
    return steps


cdef int evaluate(Network* net, Tape tape, const Data* data, Total* total, Work* work) except -1 nogil:
    """The losses of all sequences that have a weight, with the parameters as they are."""
    cdef double* rows = tape.rows
    cdef Py_ssize_t i, start, block
    total[0] = Total(0.0, 0.0)
    use_for(net, tape, 2)
    if tape.state == rows:
        keep_state(&net.at, tape, rows)
    for i in range(data.count):
        look_for_signals(work, SEQUENCE)
        fresh_state(&net.at, rows)
        start = 0
        while data.counts[i] and start < data.lengths[i]:
            block = min(tape.steps, net.at.block, data.lengths[i] - start)
            run_on(net, rows, block, data, i, start)
            weigh(net, rows, block, data, i, start)
            add_losses(net, rows, block, total)
            copy_state(&net.at, rows + block * net.at.row, rows)
            start += block
            look_for_signals(work, block * net.at.work)
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


cdef str place_of(Py_ssize_t epoch, Py_ssize_t sequence, Py_ssize_t sequences, Py_ssize_t step):
    """Where a training diverged."""
    return f" at epoch {epoch}, {f'sequence {sequence}, ' if sequences > 1 else ''}step {step}"


cdef bint may_share(const Network* net, const Course* of) noexcept nogil:
    """Whether the pass for an epoch's only update shows the validation loss too, summed in the same order."""
    if not of.same or net.generator or (net.window > 0 and net.return_sequences):
        return False
    return not 0 < net.batch_size < of.data.count


cdef bint judge(const Network* net, Course* of, double loss) noexcept nogil:
    """Take an epoch's validation loss, and keep a copy of the best parameters. Returns whether training goes on."""
    of.judged, of.validation_loss = True, loss
    if net.patience < 0:
        return True
    if loss < of.best_loss - net.min_delta:
        memcpy(of.best, net.memory, net.at.parameters_width * sizeof(double))
        of.best_loss, of.best_epoch = loss, of.epoch
        of.since = 0
    else:
        of.since += 1
    return of.since <= net.patience


cdef void put_back_best(const Network* net, const Course* of) noexcept nogil:
    """The moments stay."""
    if of.best_epoch >= 0:
        memcpy(net.memory, of.best, net.at.parameters_width * sizeof(double))


# ---- helpers: sequences that run side by side ----

cdef struct Batch:
    const int64_t* sequences
    Py_ssize_t count
    Py_ssize_t start            # of the window
    double scale                # of its gradient
    bint straight               # whether the gradient goes from the tape straight to the memory


cdef inline double* state_at(const Layout* at, Tape tape, Py_ssize_t k) noexcept nogil:
    """The state of one of them, in what looks like a row of the tape."""
    return tape.states.start + k * at.states * at.hidden_width - at.h


# ---- learning ----

cdef int update(const Network* net, Tape tape, const double* row) noexcept nogil:
    """Learn from a gradient that is complete. Returns whether all is finite; if it is not, nothing has changed.

    row: the state after it.
    """
    cdef double factor
    add_penalty(net, tape.proposal)
    factor = clip_factor(net, tape.proposal)
    return commit(net, tape, row, net.optimizer.propose(net, factor, tape.proposal))


cdef Py_ssize_t window_of(const Network* net, Py_ssize_t length, Py_ssize_t start, Py_ssize_t* first) noexcept nogil:
    """The steps of a sequence that an update covers: from `start` on or, with one target a sequence, up to the last."""
    if not net.return_sequences:
        first[0] = max(0, length - net.window) if net.window > 0 else 0
        return length
    first[0] = min(start, length)
    return min(start + net.window, length) if net.window > 0 else length


cdef bint has_part(const Course* of, Py_ssize_t i) noexcept nogil:
    """Whether anything depends on a sequence: on one without a weight, the state after training alone."""
    return of.data.counts[i] or (of.shared and of.validation.counts[i]) or i == of.last


cdef double window_weight(const Network* net, const Course* of, const Batch* batch) noexcept nogil:
    """The weights of a window, of all sequences."""
    cdef double total = 0.0
    cdef Py_ssize_t k, i, first, stop
    for k in range(batch.count):
        i = batch.sequences[k]
        stop = window_of(net, of.data.lengths[i], batch.start, &first)
        if not net.return_sequences:
            first = max(first, stop - 1)
        total = add_weights(of.data, i, first, stop, total)
    return total


cdef int run_up(const Network* net, Tape tape, const Course* of, Py_ssize_t i, Py_ssize_t stop,
                Work* work) except -1 nogil:
    """The state at the step where the window of a sequence begins, in the first row."""
    cdef const double* inputs = of.data.inputs + of.data.starts[i] * net.at.input_size
    cdef Py_ssize_t start = 0, block
    while start < stop:
        block = min(tape.steps, net.at.block, stop - start)
        forward(net, tape.rows, block, inputs + start * net.at.input_size)
        copy_state(&net.at, tape.rows + block * net.at.row, tape.rows)
        start += block
        look_for_signals(work, block * net.at.work)
    return 0


cdef Py_ssize_t run_window(const Network* net, Tape tape, Course* of, Py_ssize_t i, Py_ssize_t start, Py_ssize_t stop,
                           Work* work) except -1 nogil:
    """Run over a window of a sequence, and add up its losses. Returns the step behind it, or the one that diverged."""
    cdef double* rows = tape.rows
    cdef Py_ssize_t block, done
    while start < stop:
        block = min(net.at.block, stop - start)
        run_on(net, rows, block, of.data, i, start)
        if of.shared:
            weigh(net, rows, block, of.validation, i, start)
            add_losses(net, rows, block, &of.validation_total)
        weigh(net, rows, block, of.data, i, start)
        done = add_losses(net, rows, block, &of.total)
        if done < block:
            return start + done
        rows += block * net.at.row
        start += block
        look_for_signals(work, block * net.at.work)
    return stop


cdef int add_window(Network* net, Tape tape, Course* of, const Batch* batch, Work* work) except -1 nogil:
    """Run over a window of every sequence, and add `scale` times its gradient. Returns whether all losses are finite.

    The states of the tape are those of the sequences, before the window and then after it.
    """
    cdef bint first_one = True
    cdef Py_ssize_t k, i, first, stop, done
    if not batch.straight:
        no_gradient(net, tape.proposal)
    for k in range(batch.count):
        i = batch.sequences[k]
        stop = window_of(net, of.data.lengths[i], batch.start, &first)
        if first < stop and has_part(of, i):
            copy_state(&net.at, state_at(&net.at, tape, k), tape.rows)
            if first > batch.start:
                run_up(net, tape, of, i, first, work)
            done = run_window(net, tape, of, i, first, stop, work)
            if done < stop:
                of.at_sequence, of.at_step = i, done
                return False
            copy_state(&net.at, tape.rows + (stop - first) * net.at.row, state_at(&net.at, tape, k))
            if of.data.counts[i] and not batch.straight:
                add_gradient(net, tape, stop - first, batch.scale, first_one, work)
                first_one = False
    return True


cdef void first_part(const Network* net, Course* of, const Batch* batch) noexcept nogil:
    """The first sequence that has a part in a window, and its last step there."""
    cdef Py_ssize_t k, first
    for k in range(batch.count):
        of.at_sequence = batch.sequences[k]
        of.at_step = window_of(net, of.data.lengths[of.at_sequence], batch.start, &first) - 1
        if first <= of.at_step and has_part(of, of.at_sequence):
            return


cdef int train_batch(Network* net, Tape tape, Course* of, const int64_t* sequences, Py_ssize_t count,
                     Work* work) except -1 nogil:
    """Train on sequences that run side by side, with an update from all of them after every window. Returns whether
    training goes on."""
    cdef const Layout* at = &net.at
    cdef Batch batch = Batch(sequences, count, 0, 0.0, False)
    cdef Py_ssize_t longest = 0, last = 0, k, first, steps
    cdef double weight
    cdef bint good
    cdef Total validation
    if tape.state == tape.rows:
        keep_state(at, tape, tape.rows)
    look_for_signals(work, SEQUENCE * <double> count)
    for k in range(count):
        if of.data.lengths[sequences[k]] and has_part(of, sequences[k]):
            longest, last = max(longest, of.data.lengths[sequences[k]]), k
    if longest and count == 1 and net.window == 1 and net.return_sequences and may_go_straight(net, 1):
        of.at_step = train_online(net, tape, of.data, sequences[0], &of.total, work)
        of.at_sequence = sequences[0] if of.at_step < longest else -1
        return of.at_sequence < 0
    fill(tape.states.start, count * at.states * at.hidden_width, 0.0)
    while batch.start < longest:
        weight = window_weight(net, of, &batch)
        batch.scale = factor_of_loss(net) / weight if weight > 0.0 else 0.0
        steps = window_of(net, longest, batch.start, &first) - first
        batch.straight = count == 1 and may_go_straight(net, steps)
        use_for(net, tape, steps * count)
        begin_backward(net, tape, steps)
        good = add_window(net, tape, of, &batch, work)
        if of.shared:
            validation = of.validation_total
            if not good:
                evaluate(net, tape, of.validation, &validation, work)
            if not judge(net, of, validation.loss / validation.weight):
                of.at_sequence = -1
                return False
        if not good:
            return False
        if weight == 0.0:
            keep_state(at, tape, state_at(at, tape, last))
        elif not (update_straight(net, tape, steps, batch.scale, state_at(at, tape, last), work) if batch.straight
                  else update(net, tape, state_at(at, tape, last))):
            first_part(net, of, &batch)
            return False
        batch.start += net.window if net.window > 0 and net.return_sequences else longest
    return True


cdef int train_epoch(Network* net, Tape tape, Course* of, Work* work) except -1 nogil:
    """Measure the validation data, then train on all batches. Returns whether training goes on; where a loss or an
    update was not finite, `at` tells where."""
    cdef Py_ssize_t count = of.data.count, size = net.batch_size if net.batch_size > 0 else count, start
    cdef Total total
    of.total = of.validation_total = Total(0.0, 0.0)
    of.shared = may_share(net, of)
    if of.validation and not of.shared:
        evaluate(net, tape, of.validation, &total, work)
        if not judge(net, of, total.loss / total.weight):
            return False
    draw_order(net, count, of.order)
    for start in range(count):
        of.last = of.order[start] if of.data.lengths[of.order[start]] else of.last
    start = 0
    while start < count:
        if not train_batch(net, tape, of, of.order + start, min(size, count - start), work):
            return False
        start += size
    of.epoch += 1
    return True


cdef int gradient_of(Network* net, Tape tape, Course* of, Work* work) except -1 nogil:
    """The mean loss of all sequences, as a total, and its gradient, in the proposal, by full backpropagation."""
    cdef Batch batch = Batch(of.order, of.data.count, 0, 0.0, False)
    net.window = 0
    batch.scale = 1.0 / window_weight(net, of, &batch)
    use_for(net, tape, 2)
    begin_backward(net, tape, 2)
    fill(tape.states.start, batch.count * net.at.states * net.at.hidden_width, 0.0)
    return add_window(net, tape, of, &batch, work)


cdef int update_from(Network* net, Tape tape, Py_ssize_t steps, Work* work) except -1 nogil:
    """Learn from the steps of learn() that wait. Returns whether all is finite; if it is not, nothing has changed."""
    cdef const double* after = tape.rows + steps * net.at.row
    cdef double total = 0.0
    cdef Py_ssize_t t
    for t in range(steps):
        total += tape.rows[t * net.at.row + net.at.weight]
    if total == 0.0:
        keep_state(&net.at, tape, after)
        return True
    begin_backward(net, tape, steps)
    if may_go_straight(net, steps):
        return update_straight(net, tape, steps, factor_of_loss(net) / total, after, work)
    no_gradient(net, tape.proposal)
    add_gradient(net, tape, steps, factor_of_loss(net) / total, True, work)
    return update(net, tape, after)
