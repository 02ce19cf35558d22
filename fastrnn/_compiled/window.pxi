# Part of _core.pyx: a window of steps, forward, backward and its gradients. The twin: _plain/window.py.

# ---- helpers: the weights of a pass ----

cdef void use_as_it_lies(Network* net, Tape tape) noexcept nogil:
    """Have the passes take the weights where they are, and add up all of them."""
    net.slate, net.taken_targets = tape.slate, tape.targets
    net.b_hidden, net.own = net.parameters.gates.start, net.parameters.own.start
    net.b_output = net.parameters.b_output.start
    net.w_gates = net.parameters.gates
    net.w_gates.start += net.at.stride      # without the bias
    net.w_gates.length -= 1
    net.w_hidden_hidden = net.parameters.hidden
    if net.at.lanes > 1:        # the other way round, too: a number of all lanes lies together, wherever
        net.w_outputs = Matrix(net.parameters.outputs.start, net.at.lanes, net.at.hidden_size, net.at.outputs,
                               net.at.hidden_width, False)
        net.w_rows = Matrix(net.parameters.hidden.start, net.at.lanes, net.at.gates_size, net.at.units, net.at.stride,
                            False)


cdef void use_packed(Network* net, Tape tape) noexcept nogil:
    """Have forward take the recurrent weights, or all columns that it takes together, from a packed copy."""
    cdef Matrix* columns = &net.w_hidden_hidden if net.at.apart else &net.w_gates
    use_as_it_lies(net, tape)
    pack(columns, tape.columns)
    columns.start, columns.stride = tape.columns, 0


cdef void use_for(Network* net, Tape tape, Py_ssize_t steps) noexcept nogil:
    """Choose between the two for so many steps, of all sequences of a window."""
    if steps > 1 and net.at.lanes == 1:
        use_packed(net, tape)
    else:
        use_as_it_lies(net, tape)


cdef double* spread(const double* numbers, Py_ssize_t length, double* start) noexcept nogil:
    """Each to all lanes; returns the end."""
    cdef Py_ssize_t i, lane
    for i in range(length):
        for lane in range(LANES):
            start[i * LANES + lane] = numbers[i]
    return start + length * LANES


cdef void use_shared(const Network* net, Network* wide, Tape tape) noexcept nogil:
    """Have the passes in lanes take the weights of one network, each for all lanes. tape: in lanes."""
    cdef const Layout* at = &net.at
    cdef double* end = tape.starts
    wide.slate, wide.taken_targets, wide.memory = tape.slate, tape.targets, tape.own
    wide.b_hidden, end = end, spread(net.parameters.gates.start, at.gates_size, end)
    wide.own, end = end, spread(net.parameters.own.start, at.own_size, end)
    wide.b_output, end = end, spread(net.parameters.b_output.start, at.output_size, end)
    wide.w_gates = Matrix(net.parameters.gates.start + at.stride, at.stride, net.parameters.gates.length - 1,
                          wide.at.gates_width, 1, True)
    wide.w_hidden_hidden = Matrix(net.parameters.hidden.start, at.stride, at.hidden_size, wide.at.gates_width, 1, True)
    wide.w_rows = Matrix(net.parameters.hidden.start, 1, at.gates_size, wide.at.units, at.stride, True)
    wide.w_outputs = Matrix(net.parameters.outputs.start, 1, at.hidden_size, wide.at.outputs, at.hidden_width, True)
    wide.parameters.outputs = Matrix(net.parameters.outputs.start, at.hidden_width, at.output_size, wide.at.units, 1,
                                     True)


cdef void fold_lane(const Network* net, const Network* wide, const double* own, double* result,
                    Py_ssize_t lane) noexcept nogil:
    """Add the gradient of one lane, laid out in lanes, to that of the network."""
    cdef const Layout* at = &net.at
    cdef const Layout* from_ = &wide.at
    cdef Py_ssize_t i, j
    for j in range(1 + at.input_size + at.hidden_size):
        for i in range(at.gates_size):
            result[at.b_hidden + j * at.stride + i] += own[from_.b_hidden + j * from_.stride + i * LANES + lane]
    for i in range(at.own_size):
        result[at.own + i] += own[from_.own + i * LANES + lane]
    for i in range(at.output_size):
        for j in range(at.hidden_size):
            result[at.w_hidden_output + i * at.hidden_width + j] += (
                own[from_.w_hidden_output + i * from_.hidden_width + j * LANES + lane])
        result[at.b_output + i] += own[from_.b_output + i * LANES + lane]


# ---- helpers: what goes in, scaled ----

cdef void take_inputs(const Network* net, double* rows, Py_ssize_t steps, numbers_t* inputs) noexcept nogil:
    """Into the rows; of each lane, NULL where it waits, on whatever stands there."""
    cdef const Layout* at = &net.at
    cdef const Settings* of
    cdef Py_ssize_t lane
    for lane in range(at.lanes):
        if inputs[lane]:
            of = &net.of[lane]
            scale_numbers(steps, inputs[lane], at.input_size, of.input_mean, of.input_scale, at.lanes, at.row,
                          rows + at.x + lane)


cdef void take_targets(const Network* net, Py_ssize_t steps, numbers_t* targets) noexcept nogil:
    """Likewise, to where the losses take them."""
    cdef Py_ssize_t size = net.at.target_size, lanes = net.at.lanes, lane
    cdef const Settings* of
    for lane in range(lanes):
        if targets[lane]:
            of = &net.of[lane]
            scale_numbers(steps, targets[lane], size, of.target_mean, of.target_scale, lanes, size * lanes,
                          net.taken_targets + lane)


# ---- a window, forward ----

cdef void forward(const Network* net, double* rows, Py_ssize_t steps, numbers_t* inputs) noexcept nogil:
    """Run over `steps` rows, from the state in the first: the states and traces."""
    take_inputs(net, rows, steps, inputs)
    net.cell.forward(net, rows, steps)


cdef void read_out(const Network* net, double* rows, Py_ssize_t steps) noexcept nogil:
    """The sums of the output layer, after forward."""
    cdef const Layout* at = &net.at
    cdef double* sums = rows + at.sums
    cdef const double* h = rows + at.row + at.h
    cdef const double* weights
    cdef Py_ssize_t i, t
    if at.lanes > 1:
        for t in range(steps):
            add_products(net.b_output, &net.w_outputs, h + t * at.row, sums + t * at.row, False, True)
        return
    for i in range(at.output_size):
        weights = net.parameters.outputs.start + i * at.hidden_width
        if steps == 1:
            sums[i] = output_sum(net.parameters.b_output.start[i], weights, at.hidden_size, h)
        else:
            output_sums(net.parameters.b_output.start[i], weights, at.hidden_size, h, at.row, steps, sums + i)


cdef void predictions_of(const Network* net, const double* rows, Py_ssize_t steps, double* result) noexcept nogil:
    """What comes out, in the units of the data, after read_out."""
    cdef Py_ssize_t size = net.at.output_size
    net.output.predict(net, rows, steps, result, size)
    if net.of.target_mean:
        unscale_numbers(steps, size, net.of.target_mean, net.of.target_scale, size, result)


cdef void losses_of(const Network* net, double* rows, Py_ssize_t steps, numbers_t* targets) noexcept nogil:
    """The loss of each step and its gradient by the sums, after read_out; targets in the units of the data."""
    if net.at.lanes == 1 and net.of.target_mean == NULL:
        net.loss.loss(net, rows, steps, targets[0])
        return
    take_targets(net, steps, targets)
    net.loss.loss(net, rows, steps, net.taken_targets)


# ---- a window, backward ----

cdef void no_gradient(const Network* net, double* gradient) noexcept nogil:
    """Nothing to add to is -0.0: x + -0.0 is x for every x."""
    fill(gradient, net.at.parameters_width, -0.0)


# ---- helpers: what is packed for it ----

cdef void begin_backward(Network* net, Tape tape, Py_ssize_t steps) noexcept nogil:
    """Pack the rows of the weights: they stay till the update."""
    if steps > 1 and net.at.lanes == 1:
        net.w_rows = Matrix(tape.w_hidden_hidden, 0, net.at.gates_size, net.at.hidden_width, 0, False)
        pack_rows(&net.parameters.hidden, net.at.hidden_size, &net.w_rows)


# ---- helpers: the share of each loss in that of the update ----

cdef void share_one(const Network* net, double* rows, Py_ssize_t steps, double scale) noexcept nogil:
    cdef Py_ssize_t t, i
    cdef double share
    cdef Row row
    for t in range(steps):
        row = row_at(net, rows, t)
        share = scale * row.weight[0]
        for i in range(net.at.output_size):
            row.by_output[i] = 0.0 if row.weight[0] == 0.0 else share * row.gradient[i]
        if row.weight[0] == 0.0:        # is_surely_finite looks at them
            row.loss[0] = 0.0
            fill(row.gradient, net.at.output_size, 0.0)


cdef void_in_lanes share_in_lanes(const Network* net, double* rows, Py_ssize_t steps,
                                  const double* scale) noexcept nogil:
    cdef Py_ssize_t t, i, q
    cdef lanes_t weight, share
    cdef Row row
    for t in range(steps):
        row = row_at(net, rows, t)
        for q in range(DEEP_IN_LANES):
            weight = (<lanes_t*> row.weight)[q]
            share = (<const lanes_t*> scale)[q] * weight
            for i in range(net.at.output_size):
                (<lanes_t*> row.by_output)[i * DEEP_IN_LANES + q] = (
                    weighed_in_lanes(share * (<lanes_t*> row.gradient)[i * DEEP_IN_LANES + q], weight))


# ---- a pass over at most `block` steps ----

cdef void backward(const Network* net, double* rows, Py_ssize_t steps, const double* scale, double* by_state,
                   bint further) noexcept nogil:
    """`scale` times the gradients of the window's weighted losses by all sums, by truncated backpropagation through
    time. What has no weight is skipped, for it can be anything."""
    if net.at.lanes == 1:
        share_one(net, rows, steps, scale[0])
    else:
        share_in_lanes(net, rows, steps, scale)
    net.cell.backward(net, rows, steps, by_state, further)


cdef int gradients(const Network* net, const double* rows, Py_ssize_t steps, Way way, double* result,
                   Work* work) except -1 nogil:
    """The gradient of the window's loss by the parameters, after backward: added to `result`, laid out as memory is,
    from the last step to the first."""
    cdef Products of
    cdef Matrix to
    cdef Py_ssize_t i
    for i in range(net.terms_count):
        to = net.terms[i].of
        to.start += result - net.memory
        of = products_of(net, rows, &net.terms[i], steps, way)
        sum_of_products(&of, &to, work)
    return 0


# ---- helpers: passes over a window ----

cdef void begin_lane(const Network* net, Tape tape, double* own, Py_ssize_t lane) noexcept nogil:
    """What ran in it up to here, while it waited, leaves nothing behind."""
    cdef Py_ssize_t lanes = net.at.lanes, i
    for i in range(net.at.states * net.at.hidden_width // lanes):
        tape.by_state[i * lanes + lane] = 0.0
    for i in range(net.at.parameters_width // lanes):
        own[i * lanes + lane] = -0.0


cdef int gradient_in_passes(Network* net, Tape tape, Py_ssize_t* ends, const double* scale, Way way, double* own,
                            Work* work) except -1 nogil:
    """Go back over a window in passes, each backward and then its gradients, which find in the cache what backward has
    left there. ends: the steps of each lane; what comes after its last weight has no part in it."""
    cdef Py_ssize_t lanes = net.at.lanes, longest = 0, stop, start, lane
    for lane in range(lanes):
        while ends[lane] > 0 and tape.rows[(ends[lane] - 1) * net.at.row + net.at.weight + lane] == 0.0:
            ends[lane] -= 1
        longest = max(longest, ends[lane])
    copy_padded(net.zeros, net.at.states * net.at.hidden_width, tape.by_state)
    stop = longest
    while stop > 0:
        start = max(0, stop - net.at.block)
        for lane in range(lanes if lanes > 1 else 0):
            if ends[lane] < stop:          # a pass does not go beyond where a lane begins
                start = max(start, ends[lane])
            elif ends[lane] == stop and stop < longest:
                begin_lane(net, tape, own, lane)
        backward(net, tape.rows + start * net.at.row, stop - start, scale, tape.by_state, start > 0)
        gradients(net, tape.rows + start * net.at.row, stop - start, way, own, work)
        look_for_signals(work, (stop - start) * net.at.work)
        stop = start
    for lane in range(lanes):
        if ends[lane] == 0 and longest > 0:
            begin_lane(net, tape, own, lane)
    return 0


# ---- the gradient of a window ----

cdef int add_gradient(Network* net, Tape tape, Py_ssize_t* ends, const double* scale, bint first,
                      Work* work) except -1 nogil:
    """Add the gradient of a window of one sequence, a sum of its own, to that of the next update.

    ends: the steps of each lane. first: there is nothing yet that it is added to.
    """
    cdef Py_ssize_t i
    if ends[0] <= net.at.block and net.at.lanes == 1:
        return gradient_in_passes(net, tape, ends, scale, WHOLE, tape.proposal, work)
    if first:
        return gradient_in_passes(net, tape, ends, scale, TERM_BY_TERM, tape.proposal, work)
    no_gradient(net, tape.own)      # the sum of several passes needs a place of its own
    gradient_in_passes(net, tape, ends, scale, TERM_BY_TERM, tape.own, work)
    for i in range(net.at.parameters_width):
        tape.proposal[i] += tape.own[i]
    return 0
