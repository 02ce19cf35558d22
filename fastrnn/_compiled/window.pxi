# Part of _core.pyx: a window of steps, forward, backward and its gradients. The twin: _plain/window.py.

# ---- helpers: the weights of a pass ----

cdef void use_as_it_lies(Network* net) noexcept nogil:
    """Have forward take the weights where they are, and add up all of them."""
    cdef const Layout* at = &net.at
    net.b_hidden = net.memory + at.b_hidden
    net.w_gates = Matrix(net.memory + at.w_input_hidden, at.stride,
                         at.input_size if at.apart else at.input_size + at.hidden_size, at.gates_width)
    net.w_hidden_hidden = Matrix(net.memory + at.w_hidden_hidden, at.stride, at.hidden_size, at.gates_width)


cdef void use_packed(Network* net, Tape tape) noexcept nogil:
    """Have forward take the recurrent weights, or all columns that it takes together, from a packed copy."""
    cdef Matrix* columns = &net.w_hidden_hidden if net.at.apart else &net.w_gates
    use_as_it_lies(net)
    pack(columns, tape.columns)
    columns.start, columns.stride = tape.columns, 0


cdef inline double work_of_step(const Network* net) noexcept nogil:
    cdef const Layout* at = &net.at
    return (at.gates_width * (at.hidden_size + at.input_size + 32.0)
            + at.output_size * (at.hidden_size + 32.0))


cdef inline Py_ssize_t block_of_steps(const Network* net) noexcept nogil:
    """From one look for signals to the next."""
    return max(1, <Py_ssize_t> (WORK / 4 / work_of_step(net)))


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
        weights = net.w_hidden_output.start + i * net.w_hidden_output.stride
        if steps == 1:
            sums[i] = output_sum(net.b_output[i], weights, at.hidden_size, h)
        else:
            output_sums(net.b_output[i], weights, at.hidden_size, h, at.row, steps, sums + i)


cdef int backward(Network* net, Tape tape, Py_ssize_t steps, double factor, Work* work) except -1 nogil:
    """`factor` times the gradients of the window's mean loss by all sums, by truncated backpropagation through time."""
    cdef const Layout* at = &net.at
    cdef Matrix columns
    cdef Py_ssize_t stop = steps, block = block_of_steps(net), start, t, i
    cdef Row row
    if steps > 1:
        columns = Matrix(net.memory + at.w_hidden_hidden, at.stride, at.hidden_size, at.gates_width)
        net.w_rows = Matrix(tape.w_hidden_hidden, 0, at.gates, at.hidden_width)
        pack_rows(&columns, at.hidden_size, &net.w_rows)
    fill(tape.by_state, at.states * at.hidden_width, 0.0)
    while stop > 0:
        start = max(0, stop - block)
        for t in range(start, stop):
            row = row_at(net, tape.rows, t)
            row.scale[0] = factor / steps
            for i in range(at.output_size):
                row.by_output[i] = row.scale[0] * row.gradient[i]
        net.cell.backward(net, tape.rows + start * at.row, stop - start, tape.by_state, start > 0)
        look_for_signals(work, (stop - start) * work_of_step(net))
        stop = start
    return 0


cdef int gradients(const Network* net, Tape tape, Py_ssize_t steps, double* result, bint subtract,
                   Work* work) except -1 nogil:
    """The gradient of the window's loss by the parameters, after backward: added to `result`, which is laid out as the
    memory, or subtracted from it. work: NULL, where nobody may look for signals."""
    cdef const Layout* at = &net.at
    cdef double* rows = tape.rows
    cdef double* after = rows + at.row
    cdef Py_ssize_t inputs = 1 + at.input_size
    cdef Matrix by_gates = Matrix(result + at.b_hidden, at.stride,
                                  inputs if at.apart else inputs + at.hidden_size, at.gates_width)
    cdef Matrix by_hidden = Matrix(result + at.w_hidden_hidden, at.stride, at.hidden_size, at.gates_width)
    cdef Matrix by_own = Matrix(result + at.own, 0, 1, at.own_width)
    cdef Matrix by_weights = Matrix(result + at.w_hidden_output, at.hidden_width, at.output_size, at.hidden_width)
    cdef Matrix by_bias = Matrix(result + at.b_output, 0, 1, at.output_width)
    sum_of_products(rows + at.one, rows + at.delta, at.row, steps, &by_gates, subtract, work)
    if at.apart:
        sum_of_products(rows + at.h, rows + at.delta_hidden, at.row, steps, &by_hidden, subtract, work)
    sum_of_products(rows + at.one, rows + at.by_own, at.row, steps, &by_own, subtract, work)
    sum_of_products(rows + at.by_output, after + at.h, at.row, steps, &by_weights, subtract, work)
    sum_of_products(rows + at.one, rows + at.by_output, at.row, steps, &by_bias, subtract, work)
    return 0


cdef int add_gradient(Network* net, Tape tape, Py_ssize_t steps, double factor, Work* work) except -1 nogil:
    """Add `factor` times the gradient of the window's mean loss to the one that the next update is made of."""
    backward(net, tape, steps, factor, work)
    return gradients(net, tape, steps, tape.proposal, False, work)
