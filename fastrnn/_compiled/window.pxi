# Part of _core.pyx: a window of steps, forward, backward and its gradients. The twin: _plain/window.py.

# ---- helpers: the weights of a pass ----

cdef void use_as_it_lies(Network* net) noexcept nogil:
    """Have forward take the weights where they are, and add up all of them."""
    net.b_hidden = net.parameters.gates.start
    net.w_gates = net.parameters.gates
    net.w_gates.start += net.at.stride      # without the bias
    net.w_gates.length -= 1
    net.w_hidden_hidden = net.parameters.hidden


cdef void use_packed(Network* net, Tape tape) noexcept nogil:
    """Have forward take the recurrent weights, or all columns that it takes together, from a packed copy."""
    cdef Matrix* columns = &net.w_hidden_hidden if net.at.apart else &net.w_gates
    use_as_it_lies(net)
    pack(columns, tape.columns)
    columns.start, columns.stride = tape.columns, 0


# ---- a window ----

cdef void forward(const Network* net, double* rows, Py_ssize_t steps, const double* inputs) noexcept nogil:
    """Run over `steps` rows, from the state in the first: the states and traces, and then the sums of the output."""
    cdef const Layout* at = &net.at
    cdef double* x = rows + at.x
    cdef double* sums = rows + at.sums
    cdef const double* h = rows + at.row + at.h
    cdef const double* weights
    cdef Py_ssize_t t, i
    for t in range(steps):
        for i in range(at.input_size):
            x[t * at.row + i] = inputs[t * at.input_size + i]
    net.cell.forward(net, rows, steps)
    for i in range(at.output_size):
        weights = net.parameters.outputs.start + i * at.hidden_width
        if steps == 1:
            sums[i] = output_sum(net.parameters.b_output.start[i], weights, at.hidden_size, h)
        else:
            output_sums(net.parameters.b_output.start[i], weights, at.hidden_size, h, at.row, steps, sums + i)


cdef int backward(Network* net, Tape tape, Py_ssize_t steps, double factor, Work* work) except -1 nogil:
    """`factor` times the gradients of the window's mean loss by all sums, by truncated backpropagation through time."""
    cdef const Layout* at = &net.at
    cdef Py_ssize_t stop = steps, start, t, i
    cdef double scale = factor / steps
    cdef Row row
    if steps > 1:
        net.w_rows = Matrix(tape.w_hidden_hidden, 0, at.gates_size, at.hidden_width)
        pack_rows(&net.parameters.hidden, at.hidden_size, &net.w_rows)
    copy_padded(net.zeros, at.states * at.hidden_width, tape.by_state)
    while stop > 0:
        start = max(0, stop - at.block)
        for t in range(start, stop):
            row = row_at(net, tape.rows, t)
            row.scale[0] = scale
            for i in range(at.output_size):
                row.by_output[i] = row.scale[0] * row.gradient[i]
        net.cell.backward(net, tape.rows + start * at.row, stop - start, tape.by_state, start > 0)
        look_for_signals(work, (stop - start) * at.work)
        stop = start
    return 0


cdef int gradients(const Network* net, Tape tape, Py_ssize_t steps, double* result, Work* work) except -1 nogil:
    """The gradient of the window's loss by the parameters, after backward: added to `result`, laid out as memory is."""
    cdef const Term* term
    cdef Matrix of
    cdef Py_ssize_t i
    for i in range(net.terms_count):
        term = &net.terms[i]
        of = term.of
        of.start += result - net.memory
        sum_of_products(tape.rows + term.rows, tape.rows + term.columns, net.at.row, steps, &of, work)
    return 0


cdef int add_gradient(Network* net, Tape tape, Py_ssize_t steps, double factor, Work* work) except -1 nogil:
    """Add `factor` times the gradient of the window's mean loss to the one that the next update is made of."""
    backward(net, tape, steps, factor, work)
    return gradients(net, tape, steps, tape.proposal, work)
