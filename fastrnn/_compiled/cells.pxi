# Part of _core.pyx: the cells, a pass forward and a pass backward. The twin: _plain/cells.py.
# forward: from x and the state of each of `steps` rows to the state of the row after it and the trace.
# backward: from the gradients by the sums of the output layer and, in by_state, by the state after the last row, from
# there to the first row: the gradients by the sums of the gates and by the cell's own parameters. by_state (h, and c
# hidden_width behind it) takes the one by the state before the first row, where `further` asks for it.

# ---- Elman ----

cdef void relu_all(double* values, Py_ssize_t length) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(length):
        values[i] = 0.0 if values[i] < 0.0 else values[i]


cdef void tanh_delta(Py_ssize_t size, const double* by_h, const double* h, out_t delta) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        delta[i] = by_h[i] * (1.0 - h[i] * h[i])


cdef void sigmoid_delta(Py_ssize_t size, const double* by_h, const double* h, out_t delta) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        delta[i] = by_h[i] * (h[i] * (1.0 - h[i]))


cdef void relu_delta(Py_ssize_t size, const double* by_h, const double* h, out_t delta) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        delta[i] = by_h[i] if h[i] > 0.0 else 0.0


cdef void elman_forward(const Network* net, double* rows, Py_ssize_t steps) noexcept nogil:
    """Elman (1990): h = activation(w_input_hidden x + w_hidden_hidden h + b_hidden)."""
    cdef Py_ssize_t size = net.at.hidden_size * net.at.lanes, t
    cdef bint in_lanes = net.at.lanes > 1
    cdef Row row, after
    for t in range(steps):
        row, after = row_at(net, rows, t), row_at(net, rows, t + 1)
        add_products(net.b_hidden, &net.w_gates, row.x, after.h, t & 1, in_lanes)
        net.activation.activate(after.h, size)


cdef void elman_backward(const Network* net, double* rows, Py_ssize_t steps, double* by_state,
                         bint further) noexcept nogil:
    cdef Py_ssize_t size = net.at.hidden_size * net.at.lanes, t
    cdef bint in_lanes = net.at.lanes > 1
    cdef double* by_h = by_state
    cdef Row row, after
    for t in range(steps - 1, -1, -1):
        row, after = row_at(net, rows, t), row_at(net, rows, t + 1)
        add_transposed_products(by_h, &net.parameters.outputs, row.by_output, by_h, False, in_lanes)
        net.activation.derive(size, by_h, after.h, row.delta)
        if t > 0 or further:
            add_transposed_products(net.zeros, &net.w_rows, row.delta, by_h, t & 1, in_lanes)


# ---- GRU ----

cdef void gru_new(Py_ssize_t size, const double* a, const double* r, out_t q, out_t n) noexcept nogil:
    """The sums of n, from those over x, which are a, and those over h, which stand in n and are kept as q."""
    cdef Py_ssize_t i
    for i in range(size):
        q[i] = n[i]
        n[i] = a[i] + r[i] * q[i]


cdef void gru_state(Py_ssize_t size, const double* z, const double* n, const double* before,
                    out_t after) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        after[i] = (1.0 - z[i]) * n[i] + z[i] * before[i]


cdef void gru_delta(Py_ssize_t size, const double* before, const double* trace, out_t by_h, out_t delta_r,
                    out_t delta_z, out_t delta_n, out_t delta_q, out_t hidden_r, out_t hidden_z,
                    out_t hidden_q) noexcept nogil:
    """hidden: by the sums over h. What of by_h goes past the gates to the state before stays in by_h."""
    cdef const double* r = trace
    cdef const double* z = r + size
    cdef const double* n = z + size
    cdef const double* q = n + size
    cdef Py_ssize_t i
    for i in range(size):
        delta_n[i] = by_h[i] * (1.0 - z[i]) * (1.0 - n[i] * n[i])
        delta_r[i] = hidden_r[i] = delta_n[i] * q[i] * (r[i] * (1.0 - r[i]))
        delta_z[i] = hidden_z[i] = by_h[i] * (before[i] - n[i]) * (z[i] * (1.0 - z[i]))
        delta_q[i] = hidden_q[i] = delta_n[i] * r[i]
        by_h[i] = by_h[i] * z[i]


cdef void gru_forward(const Network* net, double* rows, Py_ssize_t steps) noexcept nogil:
    """Cho et al. (2014), with the hidden bias inside the reset as in PyTorch:

    r, z = sigmoid(...), n = tanh(input part + r * hidden part), h = (1 - z) * n + z * h.
    """
    cdef Py_ssize_t size = net.at.hidden_size * net.at.lanes, t
    cdef bint in_lanes = net.at.lanes > 1
    cdef Row row, after
    cdef double* r
    cdef double* z
    cdef double* n
    cdef double* q
    cdef double* a
    for t in range(steps):
        row, after = row_at(net, rows, t), row_at(net, rows, t + 1)
        a = row.delta
        r, z, n, q = row.trace, row.trace + size, row.trace + 2 * size, row.trace + 3 * size
        add_products(net.b_hidden, &net.w_gates, row.x, a, False, in_lanes)
        copy_padded(a, 2 * size, r)     # behind which n may take more than its own
        copy_padded(net.own, size, n)
        add_products(r, &net.w_hidden_hidden, row.h, r, t & 1, in_lanes)
        sigmoid_all(r, 2 * size)
        gru_new(size, a + 2 * size, r, q, n)
        tanh_all(n, size)
        gru_state(size, z, n, row.h, after.h)


cdef void gru_backward(const Network* net, double* rows, Py_ssize_t steps, double* by_state,
                       bint further) noexcept nogil:
    cdef Py_ssize_t size = net.at.hidden_size * net.at.lanes, t
    cdef bint in_lanes = net.at.lanes > 1
    cdef double* by_h = by_state
    cdef Row row
    for t in range(steps - 1, -1, -1):
        row = row_at(net, rows, t)
        add_transposed_products(by_h, &net.parameters.outputs, row.by_output, by_h, False, in_lanes)
        gru_delta(size, row.h, row.trace, by_h, row.delta, row.delta + size, row.delta + 2 * size, row.by_own,
                  row.delta_hidden, row.delta_hidden + size, row.delta_hidden + 2 * size)
        if t > 0 or further:
            add_transposed_products(by_h, &net.w_rows, row.delta_hidden, by_h, t & 1, in_lanes)


# ---- LSTM ----

cdef void lstm_cell(Py_ssize_t size, const double* gates, const double* before, out_t after,
                    out_t tanh_c) noexcept nogil:
    cdef const double* i = gates
    cdef const double* f = i + size
    cdef const double* g = f + size
    cdef Py_ssize_t k
    for k in range(size):
        after[k] = f[k] * before[k] + i[k] * g[k]
        tanh_c[k] = fast_tanh(after[k])


cdef void lstm_hidden(Py_ssize_t size, const double* o, const double* tanh_c, out_t after) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(size):
        after[k] = o[k] * tanh_c[k]


cdef void lstm_delta(Py_ssize_t size, const double* c, const double* trace, const double* by_h, out_t by_c,
                     out_t delta_i, out_t delta_f, out_t delta_g, out_t delta_o) noexcept nogil:
    """by_c becomes the gradient by the memory before."""
    cdef const double* i = trace
    cdef const double* f = i + size
    cdef const double* g = f + size
    cdef const double* o = g + size
    cdef const double* tanh_c = o + size
    cdef double d
    cdef Py_ssize_t k
    for k in range(size):
        delta_o[k] = by_h[k] * tanh_c[k] * (o[k] * (1.0 - o[k]))
        d = by_c[k] + by_h[k] * o[k] * (1.0 - tanh_c[k] * tanh_c[k])
        delta_i[k] = d * g[k] * (i[k] * (1.0 - i[k]))
        delta_f[k] = d * c[k] * (f[k] * (1.0 - f[k]))
        delta_g[k] = d * i[k] * (1.0 - g[k] * g[k])
        by_c[k] = d * f[k]


cdef void lstm_forward(const Network* net, double* rows, Py_ssize_t steps) noexcept nogil:
    """Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000):

    i, f, o = sigmoid(...), g = tanh(...), c = f * c + i * g, h = o * tanh(c).
    """
    cdef Py_ssize_t size = net.at.hidden_size * net.at.lanes, t
    cdef bint in_lanes = net.at.lanes > 1
    cdef Row row, after
    cdef double* gates
    for t in range(steps):
        row, after = row_at(net, rows, t), row_at(net, rows, t + 1)
        gates = row.trace
        add_products(net.b_hidden, &net.w_gates, row.x, gates, t & 1, in_lanes)
        sigmoid_all(gates, 2 * size)
        tanh_all(gates + 2 * size, size)
        sigmoid_all(gates + 3 * size, size)
        lstm_cell(size, gates, row.c, after.c, gates + 4 * size)
        lstm_hidden(size, gates + 3 * size, gates + 4 * size, after.h)


cdef void lstm_backward(const Network* net, double* rows, Py_ssize_t steps, double* by_state,
                        bint further) noexcept nogil:
    cdef Py_ssize_t size = net.at.hidden_size * net.at.lanes, t
    cdef bint in_lanes = net.at.lanes > 1
    cdef double* by_h = by_state
    cdef double* by_c = by_h + net.at.hidden_width
    cdef Row row
    for t in range(steps - 1, -1, -1):
        row = row_at(net, rows, t)
        add_transposed_products(by_h, &net.parameters.outputs, row.by_output, by_h, False, in_lanes)
        lstm_delta(size, row.c, row.trace, by_h, by_c, row.delta, row.delta + size, row.delta + 2 * size,
                   row.delta + 3 * size)
        if t > 0 or further:
            add_transposed_products(net.zeros, &net.w_rows, row.delta, by_h, t & 1, in_lanes)


# ---- helpers: tanh in whole vectors ----

cdef void tanh_padded(double* values, Py_ssize_t length) noexcept nogil:
    """tanh(0) = 0: the padding stays, and takes part to fill vectors."""
    tanh_all(values, padded(length))


# ---- the rows ----

cdef Activation[3] ACTIVATIONS
ACTIVATIONS[:] = [
    Activation(b"tanh", tanh_padded, tanh_delta, True),
    Activation(b"sigmoid", sigmoid_all, sigmoid_delta, True),
    Activation(b"relu", relu_all, relu_delta, False),
]

cdef Cell[3] CELLS
CELLS[:] = [
    Cell(b"elman", elman_forward, elman_backward),
    Cell(b"gru", gru_forward, gru_backward),
    Cell(b"lstm", lstm_forward, lstm_backward),
]
