# Part of _core.pyx: a window of steps, forward, backward and its gradients. The twin: _plain/window.py.


# ---- forward ----

cdef void forward(const Network* n, const double* parameters, const double* packed, double* rows, Py_ssize_t steps,
                  const double* inputs, const double* ahead) noexcept nogil:
    """Run over `steps` rows, from the state in the first: the states and traces, and then the sums of the output layer.

    packed: what pack_weights has packed, or NULL, where that would not pay. ahead: NULL, or what the sums of the gates
    come to, if that is known; then `steps` is 1, and the cell no GRU.
    """
    cdef const double* weights = packed if packed else parameters + first_weights(n)
    cdef const double* start = ahead if ahead else parameters + n.b_hidden
    cdef Py_ssize_t terms = 0 if ahead else n.input_size + n.hidden_size
    cdef Py_ssize_t stride = 0 if packed else n.stride, t, i
    cdef double* row
    for t in range(steps):
        row = rows + t * n.row
        for i in range(n.input_size):
            row[n.x + i] = inputs[t * n.input_size + i]
        if n.cell == ELMAN:
            elman_forward(n, start, weights, stride, terms, row, t & 1)
        elif n.cell == GRU:
            gru_forward(n, parameters, weights, stride, row, t & 1)
        else:
            lstm_forward(n, start, weights, stride, terms, row, t & 1)
    for i in range(n.output_size):
        if steps == 1:
            rows[n.sums + i] = output_sum(parameters[n.b_output + i], parameters + n.w_hidden_output + i * n.lanes,
                                          n.hidden_size, rows + n.row + n.h)
        else:
            output_sums(parameters[n.b_output + i], parameters + n.w_hidden_output + i * n.lanes, n.hidden_size,
                        rows + n.row + n.h, n.row, steps, rows + n.sums + i)


# ---- backward ----

cdef int backward(const Network* n, const double* parameters, Tape tape, Py_ssize_t steps, double factor,
                  Work* work) except -1 nogil:
    """`factor` times the gradients of the window's mean loss by all sums, by truncated backpropagation through time."""
    cdef double scale = factor / steps
    cdef double done = n.gates * (n.lanes + 32.0) + n.output_size * (n.lanes + 8.0)
    cdef double* row
    cdef const double* by_rows
    cdef Py_ssize_t t, i
    if steps > 1:
        pack_rows(parameters + n.w_hidden_hidden, n.stride, n.gates, n.lanes, n.hidden_size, tape.w_hidden_hidden)
    if n.cell != ELMAN:
        fill(tape.by_other, n.lanes, 0.0)
    for t in range(steps - 1, -1, -1):
        row = tape.rows + t * n.row
        by_rows = tape.w_hidden_hidden if t > 0 else NULL
        for i in range(n.output_size):
            row[n.by_output + i] = scale * row[n.gradient + i]
        add_products(tape.by_h if t < steps - 1 else tape.by_other, parameters + n.w_hidden_output, n.lanes,
                     row + n.by_output, n.output_size, tape.by_h, n.lanes, False)
        if n.cell == ELMAN:
            elman_backward(n, by_rows, row, tape.by_h, tape.by_other, t & 1)
        elif n.cell == GRU:
            gru_backward(n, by_rows, row, tape.by_h, tape.by_other, t & 1)
        else:
            lstm_backward(n, by_rows, row, tape.by_h, tape.by_other, t & 1)
        look_for_signals(work, done)
    return 0


cdef int gradients(const Network* n, Tape tape, Py_ssize_t steps, double* result, bint subtract,
                   Work* work) except -1 nogil:
    """The gradient of the window's mean loss by the parameters, after backward: written to `result`, or subtracted
    from it. work: NULL, where nobody may look for signals."""
    cdef double* rows = tape.rows
    cdef Py_ssize_t size = n.hidden_size, i
    cdef double* by_q = tape.by_other
    if n.cell == GRU:
        sum_of_products(rows + n.one, 1 + n.input_size, rows + n.delta, n.width, n.row, steps,
                        result + n.b_hidden, n.stride, subtract, work)
        sum_of_products(rows + n.h, size, rows + n.delta_hidden, n.width, n.row, steps,
                        result + n.w_hidden_hidden, n.stride, subtract, work)
        sum_of_deltas_of_q(n, rows, steps, by_q)
        for i in range(size):
            result[n.b_hidden_hidden + i] = result[n.b_hidden_hidden + i] - by_q[i] if subtract else by_q[i]
    else:
        sum_of_products(rows + n.one, 1 + n.input_size + size, rows + n.delta, n.width, n.row, steps,
                        result + n.b_hidden, n.stride, subtract, work)
    sum_of_products(rows + n.by_output, n.output_size, rows + n.row + n.h, n.lanes, n.row, steps,
                    result + n.w_hidden_output, n.lanes, subtract, work)
    sum_of_products(rows + n.one, 1, rows + n.by_output, n.outputs, n.row, steps, result + n.b_output, n.outputs,
                    subtract, work)
    return 0


cdef void sum_of_deltas_of_q(const Network* n, const double* rows, Py_ssize_t steps, out_t sums) noexcept nogil:
    """The gradient of a GRU's b_hidden_hidden."""
    cdef const double* delta = rows + n.delta_hidden + 2 * n.hidden_size
    cdef Py_ssize_t t, i
    for i in range(n.hidden_size):
        sums[i] = delta[i]
    for t in range(1, steps):
        for i in range(n.hidden_size):
            sums[i] += delta[t * n.row + i]
