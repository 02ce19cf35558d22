# Part of _core.pyx: a window of steps, forward, backward and its gradients. The twin: _plain/window.py.

# ---- helpers: the weights of a pass ----

cdef void use_as_it_lies(Network* net, Tape tape) noexcept nogil:
    """Have forward take the weights where they are, and add up all of them."""
    net.slate, net.taken_targets = tape.slate, tape.targets
    net.b_hidden = net.parameters.gates.start
    net.w_gates = net.parameters.gates
    net.w_gates.start += net.at.stride      # without the bias
    net.w_gates.length -= 1
    net.w_hidden_hidden = net.parameters.hidden


cdef void use_packed(Network* net, Tape tape) noexcept nogil:
    """Have forward take the recurrent weights, or all columns that it takes together, from a packed copy."""
    cdef Matrix* columns = &net.w_hidden_hidden if net.at.apart else &net.w_gates
    use_as_it_lies(net, tape)
    pack(columns, tape.columns)
    columns.start, columns.stride = tape.columns, 0


cdef void use_for(Network* net, Tape tape, Py_ssize_t steps) noexcept nogil:
    """Choose between the two for so many steps, of all sequences of a window."""
    if steps > 1:
        use_packed(net, tape)
    else:
        use_as_it_lies(net, tape)


# ---- a window, forward ----

cdef void forward(const Network* net, double* rows, Py_ssize_t steps, const double* inputs) noexcept nogil:
    """Run over `steps` rows, from the state in the first: the states and traces."""
    cdef const Layout* at = &net.at
    cdef double* x = rows + at.x
    cdef Py_ssize_t t, i
    if net.of.input_mean:
        scale_numbers(steps, inputs, at.input_size, net.of.input_mean, net.of.input_scale, at.row, x)
    else:
        for t in range(steps):
            for i in range(at.input_size):
                x[t * at.row + i] = inputs[t * at.input_size + i]
    net.cell.forward(net, rows, steps)


cdef void read_out(const Network* net, double* rows, Py_ssize_t steps) noexcept nogil:
    """The sums of the output layer, after forward."""
    cdef const Layout* at = &net.at
    cdef double* sums = rows + at.sums
    cdef const double* h = rows + at.row + at.h
    cdef const double* weights
    cdef Py_ssize_t i
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


cdef void losses_of(const Network* net, double* rows, Py_ssize_t steps, const double* targets) noexcept nogil:
    """The loss of each step and its gradient by the sums, after read_out; targets in the units of the data."""
    cdef Py_ssize_t size = net.at.target_size
    if net.of.target_mean:
        scale_numbers(steps, targets, size, net.of.target_mean, net.of.target_scale, size, net.taken_targets)
        targets = net.taken_targets
    net.loss.loss(net, rows, steps, targets)


# ---- a window, backward ----

cdef void no_gradient(const Network* net, double* gradient) noexcept nogil:
    """Nothing to add to is -0.0: x + -0.0 is x for every x."""
    fill(gradient, net.at.parameters_width, -0.0)


# ---- helpers: what is packed for it ----

cdef void begin_backward(Network* net, Tape tape, Py_ssize_t steps) noexcept nogil:
    """Pack the rows of the weights: they stay till the update."""
    if steps > 1:
        net.w_rows = Matrix(tape.w_hidden_hidden, 0, net.at.gates_size, net.at.hidden_width, 0, False)
        pack_rows(&net.parameters.hidden, net.at.hidden_size, &net.w_rows)


# ---- a pass over at most `block` steps ----

cdef void backward(const Network* net, double* rows, Py_ssize_t steps, double scale, double* by_state,
                   bint further) noexcept nogil:
    """`scale` times the gradients of the window's weighted losses by all sums, by truncated backpropagation through
    time. What has no weight is skipped, for it can be anything."""
    cdef Py_ssize_t size = net.at.output_size, t, i
    cdef double share
    cdef Row row
    for t in range(steps):
        row = row_at(net, rows, t)
        share = scale * row.weight[0]
        if row.weight[0] == 0.0:
            row.loss[0] = 0.0
            fill(row.gradient, size, 0.0)
            fill(row.by_output, size, 0.0)
        else:
            for i in range(size):
                row.by_output[i] = share * row.gradient[i]
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


cdef int add_gradient(Network* net, Tape tape, Py_ssize_t steps, double scale, bint first, Work* work) except -1 nogil:
    """Add the gradient of a window of one sequence, a sum of its own, to that of the next update.

    It goes in passes, each backward and then its gradients, which find in the cache what backward has left there.
    first: there is nothing yet that it is added to.
    """
    cdef double* own = tape.proposal
    cdef Way way = WHOLE
    cdef Py_ssize_t stop, start, i
    while steps > 0 and tape.rows[(steps - 1) * net.at.row + net.at.weight] == 0.0:
        steps -= 1          # what comes after the last weight has no part in it
    if steps > net.at.block:
        way = TERM_BY_TERM
        if not first:       # the sum of several passes needs a place of its own
            own = tape.own
            no_gradient(net, own)
    copy_padded(net.zeros, net.at.states * net.at.hidden_width, tape.by_state)
    stop = steps
    while stop > 0:
        start = max(0, stop - net.at.block)
        backward(net, tape.rows + start * net.at.row, stop - start, scale, tape.by_state, start > 0)
        gradients(net, tape.rows + start * net.at.row, stop - start, way, own, work)
        look_for_signals(work, (stop - start) * net.at.work)
        stop = start
    if own != tape.proposal:
        for i in range(net.at.parameters_width):
            tape.proposal[i] += own[i]
    return 0
