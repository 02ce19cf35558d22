# Part of _core.pyx: the cells, one step forward and backward. The twin: _plain/cells.py.
# forward: from `row` on the tape, with its x and h (and c), to the h (and c) of the row after it. `weights`, `stride`:
# the columns of w_input_hidden and w_hidden_hidden, with a GRU of w_hidden_hidden alone, for add_products, as is
# `from_last` here and below. `start`, `terms`: what their sums start from, and how many columns are to be added: the
# bias and all of them or, where the sums are known already, these and none (a GRU has two kinds of sums, and its bias).
# backward: from the gradient by the state after it, by_h (and by_c), to the deltas and the gradient by the state
# before. `rows`: the rows of w_hidden_hidden, packed, or NULL where the latter is not wanted: by_h then stays as it is.
# `zeros`: as many as there are units, padded.



# ---- Elman ----

cdef void elman_forward(const Network* n, const double* start, const double* weights, Py_ssize_t stride,
                        Py_ssize_t terms, double* row, bint from_last) noexcept nogil:
    """Elman (1990): h = activation(w_input_hidden x + w_hidden_hidden h + b_hidden)."""
    cdef double* after = row + n.row + n.h
    cdef Py_ssize_t i
    add_products(start, weights, stride, row + n.x, terms, after, n.lanes, from_last)
    if n.activation == TANH:
        tanh_all(after, n.lanes)        # tanh(0) = 0: the padding stays
    elif n.activation == SIGMOID:
        sigmoid_all(after, n.hidden_size)
    else:
        for i in range(n.hidden_size):
            after[i] = 0.0 if after[i] < 0.0 else after[i]


cdef void elman_delta(const Network* n, const double* after, const double* by_h, out_t delta) noexcept nogil:
    cdef Py_ssize_t i
    if n.activation == TANH:
        for i in range(n.hidden_size):
            delta[i] = by_h[i] * (1.0 - after[i] * after[i])
    elif n.activation == SIGMOID:
        for i in range(n.hidden_size):
            delta[i] = by_h[i] * (after[i] * (1.0 - after[i]))
    else:
        for i in range(n.hidden_size):
            delta[i] = by_h[i] if after[i] > 0.0 else 0.0


cdef void elman_backward(const Network* n, const double* rows, double* row, double* by_h, const double* zeros,
                         bint from_last) noexcept nogil:
    elman_delta(n, row + n.row + n.h, by_h, row + n.delta)
    if rows:
        add_products(zeros, rows, 0, row + n.delta, n.gates, by_h, n.lanes, from_last)


# ---- GRU ----

cdef void gru_new(Py_ssize_t size, const double* a, const double* r, out_t q, out_t n) noexcept nogil:
    """From the sums of q, which stand in n."""
    cdef Py_ssize_t i
    for i in range(size):
        q[i] = n[i]
        n[i] = a[i] + r[i] * q[i]


cdef void gru_state(Py_ssize_t size, const double* z, const double* n, const double* before,
                    out_t after) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(size):
        after[i] = (1.0 - z[i]) * n[i] + z[i] * before[i]


cdef void gru_forward(const Network* n, const double* parameters, const double* weights, Py_ssize_t stride,
                      double* row, bint from_last) noexcept nogil:
    """Cho et al. (2014), with the hidden bias inside the reset as in PyTorch:

    r, z = sigmoid(...), n = tanh(input part + r * hidden part), h = (1 - z) * n + z * h.
    """
    cdef Py_ssize_t size = n.hidden_size
    cdef double* a = row + n.delta      # until backward writes its deltas there
    cdef double* r = row + n.trace
    cdef double* z = r + size
    cdef double* new = z + size
    cdef double* q = new + size
    add_products(parameters + n.b_hidden, parameters + n.w_input_hidden, n.stride, row + n.x, n.input_size, a, n.width,
                 False)
    copy_padded(a, 2 * size, r)
    copy_padded(parameters + n.b_hidden_hidden, size, new)
    add_products(r, weights, stride, row + n.h, size, r, n.width, from_last)
    sigmoid_all(r, 2 * size)
    gru_new(size, a + 2 * size, r, q, new)
    tanh_all(new, size)
    gru_state(size, z, new, row + n.h, row + n.row + n.h)


cdef void gru_delta(Py_ssize_t size, const double* before, const double* trace, const double* by_h,
                    out_t delta_r, out_t delta_z, out_t delta_n, out_t delta_q, out_t direct) noexcept nogil:
    cdef const double* r = trace
    cdef const double* z = r + size
    cdef const double* n = z + size
    cdef const double* q = n + size
    cdef Py_ssize_t i
    for i in range(size):
        delta_n[i] = by_h[i] * (1.0 - z[i]) * (1.0 - n[i] * n[i])
        delta_r[i] = delta_n[i] * q[i] * (r[i] * (1.0 - r[i]))
        delta_z[i] = by_h[i] * (before[i] - n[i]) * (z[i] * (1.0 - z[i]))
        delta_q[i] = delta_n[i] * r[i]
        direct[i] = by_h[i] * z[i]


cdef void gru_backward(const Network* n, const double* rows, double* row, double* by_h, double* direct,
                       bint from_last) noexcept nogil:
    cdef Py_ssize_t size = n.hidden_size
    cdef double* delta = row + n.delta
    cdef double* delta_hidden = row + n.delta_hidden
    gru_delta(size, row + n.h, row + n.trace, by_h, delta, delta + size, delta + 2 * size,
              delta_hidden + 2 * size, direct)
    memcpy(delta_hidden, delta, 2 * size * sizeof(double))
    if rows:
        add_products(direct, rows, 0, delta_hidden, n.gates, by_h, n.lanes, from_last)


# ---- LSTM ----

cdef void lstm_cell(Py_ssize_t size, const double* gates, const double* before, out_t after,
                    out_t tanh_c) noexcept nogil:
    cdef const double* f = gates + size
    cdef const double* g = f + size
    cdef Py_ssize_t k
    for k in range(size):
        after[k] = f[k] * before[k] + gates[k] * g[k]
        tanh_c[k] = fast_tanh(after[k])


cdef void lstm_hidden(Py_ssize_t size, const double* o, const double* tanh_c, out_t after) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(size):
        after[k] = o[k] * tanh_c[k]


cdef void lstm_forward(const Network* n, const double* start, const double* weights, Py_ssize_t stride,
                       Py_ssize_t terms, double* row, bint from_last) noexcept nogil:
    """Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000):

    i, f, o = sigmoid(...), g = tanh(...), c = f * c + i * g, h = o * tanh(c).
    """
    cdef Py_ssize_t size = n.hidden_size
    cdef double* gates = row + n.trace
    cdef double* tanh_c = gates + 4 * size
    add_products(start, weights, stride, row + n.x, terms, gates, n.width, from_last)
    sigmoid_all(gates, 2 * size)
    tanh_all(gates + 2 * size, size)
    sigmoid_all(gates + 3 * size, size)
    lstm_cell(size, gates, row + n.c, row + n.row + n.c, tanh_c)
    lstm_hidden(size, gates + 3 * size, tanh_c, row + n.row + n.h)


cdef void lstm_delta(Py_ssize_t size, const double* c, const double* trace, const double* dh, out_t dc,
                     out_t delta_i, out_t delta_f, out_t delta_g, out_t delta_o) noexcept nogil:
    cdef const double* i = trace
    cdef const double* f = i + size
    cdef const double* g = f + size
    cdef const double* o = g + size
    cdef const double* tanh_c = o + size
    cdef double d
    cdef Py_ssize_t k
    for k in range(size):
        delta_o[k] = dh[k] * tanh_c[k] * (o[k] * (1.0 - o[k]))
        d = dc[k] + dh[k] * o[k] * (1.0 - tanh_c[k] * tanh_c[k])
        delta_i[k] = d * g[k] * (i[k] * (1.0 - i[k]))
        delta_f[k] = d * c[k] * (f[k] * (1.0 - f[k]))
        delta_g[k] = d * i[k] * (1.0 - g[k] * g[k])
        dc[k] = d * f[k]


cdef void lstm_backward(const Network* n, const double* rows, double* row, double* by_h, double* by_c,
                        bint from_last) noexcept nogil:
    cdef Py_ssize_t size = n.hidden_size
    cdef double* delta = row + n.delta
    lstm_delta(size, row + n.c, row + n.trace, by_h, by_c, delta, delta + size, delta + 2 * size, delta + 3 * size)
    if rows:
        fill(by_h, n.lanes, 0.0)
        add_products(by_h, rows, 0, delta, n.gates, by_h, n.lanes, from_last)
