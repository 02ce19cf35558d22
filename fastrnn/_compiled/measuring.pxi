# Part of _core.pyx: losses, and what a call of train() is about. The twin: _plain/measuring.py.
# It is of one network, as the twin's; or of as many as there are lanes, each as it would be alone.

# ---- losses ----

cdef void run_on(const Network* net, double* rows, Py_ssize_t steps, const Lane* lanes, Py_ssize_t t) noexcept nogil:
    """Run over the steps of each lane in the rows from `t` on, as far as their losses; nobody has weighed them yet."""
    cdef numbers_t[LANES] inputs, targets
    cdef const Data* data
    cdef Py_ssize_t lane, first
    cdef bint last = False
    for lane in range(net.at.lanes):
        inputs[lane] = targets[lane] = NULL
        if goes_on(&lanes[lane], t):
            data, first = lanes[lane].data, lanes[lane].first + t
            inputs[lane] = data.inputs + (data.starts[lanes[lane].i] + first) * net.at.input_size
            if net.return_sequences:
                targets[lane] = data.targets + (data.starts[lanes[lane].i] + first) * net.at.target_size
            elif first + steps == data.lengths[lanes[lane].i]:
                targets[lane] = data.targets + lanes[lane].i * net.at.target_size
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
    cdef Py_ssize_t row = net.at.row, k, lane, first
    for lane in range(net.at.lanes):
        weights = rows + net.at.weight + lane
        if not goes_on(&lanes[lane], t):
            for k in range(steps):
                weights[k * row] = 0.0
        elif net.return_sequences:
            of, first = given_for(lanes[lane].data, lanes[lane].i), lanes[lane].first + t
            for k in range(steps):
                weights[k * row] = of.weights[(first + k) * of.stride]
        else:
            for k in range(steps):
                weights[k * row] = loss_weight(net, lanes[lane].data, lanes[lane].i, lanes[lane].first + t + k)


# ---- helpers: losses added up, of all lanes ----

cdef void add_one(const double* weights, const double* losses, Py_ssize_t steps, Py_ssize_t row, double* loss,
                  double* weight) noexcept nogil:
    cdef Py_ssize_t t
    for t in range(steps):
        if weights[t * row] != 0.0:
            loss[0] += weights[t * row] * losses[t * row]
            weight[0] += weights[t * row]


cdef void add_in_lanes(const double* weights, const double* losses, Py_ssize_t steps, Py_ssize_t row, double* loss,
                       double* weight) noexcept nogil:
    """To a total, which is never -0.0, a 0.0 may be added."""
    cdef vector_t[DEEP] loss_of, weight_of
    cdef vector_t one
    cdef Py_ssize_t t, q
    for q in range(DEEP):
        loss_of[q], weight_of[q] = (<vector_t*> loss)[q], (<vector_t*> weight)[q]
    for t in range(steps):
        for q in range(DEEP):
            one = (<const vector_t*> (weights + t * row))[q]
            loss_of[q] = loss_of[q] + weighed(one * (<const vector_t*> (losses + t * row))[q], one)
            weight_of[q] = weight_of[q] + one
    for q in range(DEEP):
        (<vector_t*> loss)[q], (<vector_t*> weight)[q] = loss_of[q], weight_of[q]


# ---- helpers: losses, one by one ----

cdef void put_losses(const Network* net, const double* rows, Py_ssize_t steps, const Lane* lane, Py_ssize_t t,
                     double* losses) noexcept nogil:
    """Write the losses that count to their places among those of all steps, or of all sequences."""
    cdef Py_ssize_t row = net.at.row, k
    for k in range(steps):
        if rows[k * row + net.at.weight] != 0.0:
            losses[lane.data.starts[lane.i] + lane.first + t + k if net.return_sequences else lane.i] = (
                rows[k * row + net.at.loss])


# ---- losses, added up ----

cdef void add_losses(const Network* net, const double* rows, Py_ssize_t steps, total_t* totals,
                     Py_ssize_t* bad) noexcept nogil:
    """Add the losses that count; bad: `steps`, or the first step where such a one is not finite."""
    cdef const double* weights = rows + net.at.weight
    cdef const double* losses = rows + net.at.loss
    cdef double[LANES] loss, weight     # local copies may live in registers
    cdef Py_ssize_t row = net.at.row, lane, t
    for lane in range(net.at.lanes):
        loss[lane], weight[lane], bad[lane] = totals[lane].loss, totals[lane].weight, steps
    if net.at.lanes == 1:
        add_one(weights, losses, steps, row, loss, weight)
    else:
        add_in_lanes(weights, losses, steps, row, loss, weight)
    for lane in range(net.at.lanes):
        totals[lane].loss, totals[lane].weight = loss[lane], weight[lane]
        t = 0 if not isfinite(loss[lane]) else steps
        while t < steps and bad[lane] == steps:
            bad[lane] = t if weights[t * row + lane] != 0.0 and not isfinite(losses[t * row + lane]) else steps
            t += 1


cdef int evaluate(Network* net, Tape tape, data_t* data, Total* totals, double* losses, Work* work) except -1 nogil:
    """The losses of all sequences that have a weight, with the parameters as they are.

    losses : NULL or, of one network, takes that of every step that counts; with one target a sequence, of every
        sequence that does.
    """
    cdef Lane[LANES] lanes
    cdef total_t[LANES] of
    cdef Py_ssize_t[LANES] bad
    cdef double* rows = tape.rows
    cdef Py_ssize_t lane, t, steps
    cdef bint any_left = True
    use_for(net, tape, 2)
    if tape.state == rows:
        keep_state(&net.at, tape, rows, 0)
    for lane in range(net.at.lanes):
        totals[lane], of[lane], lanes[lane] = Total(0.0, 0.0), &totals[lane], Lane(data[lane], -1, 0, 0)
    while any_left:
        look_for_signals(work, SEQUENCE)
        any_left = False
        for lane in range(net.at.lanes):   # each lane's next sequence
            lanes[lane].stop = 0
            while data[lane] and lanes[lane].i + 1 < data[lane].count and lanes[lane].stop == 0:
                lanes[lane].i += 1
                lanes[lane].stop = data[lane].lengths[lanes[lane].i] if data[lane].counts[lanes[lane].i] else 0
            any_left |= lanes[lane].stop > 0
        fresh_state(&net.at, rows)
        t = 0
        steps = pass_of(&net.at, lanes, t, min(tape.steps, net.at.block))
        while steps > 0:
            run_on(net, rows, steps, lanes, t)
            weigh(net, rows, steps, lanes, t)
            add_losses(net, rows, steps, of, bad)
            if losses != NULL:
                put_losses(net, rows, steps, lanes, t, losses)
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
