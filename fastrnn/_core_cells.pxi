# Part of _core.pyx: one step of an RNN, forward and backward; its outputs and losses. The twin: _fallback_cells.py.

# ---- layout ----

cdef enum Cell:
    ELMAN
    GRU
    LSTM

cdef enum Activation:
    TANH
    SIGMOID
    RELU

cdef enum Output:
    LINEAR
    SIGMOIDS
    SOFTMAX

cdef enum Loss:
    HALF_SQUARED_ERROR
    BINARY_CROSS_ENTROPY
    CROSS_ENTROPY

cdef enum Optimizer:
    SGD
    ADAM
    ADAMW


cdef struct Network:
    Cell cell
    Activation activation
    Output output
    Loss loss
    Optimizer optimizer
    Py_ssize_t input_size, hidden_size, output_size, target_size
    Py_ssize_t gates            # rows of w_hidden_hidden
    Py_ssize_t lanes            # hidden_size, padded
    Py_ssize_t outputs          # output_size, padded
    Py_ssize_t width            # gates, padded
    Py_ssize_t stride           # from one column of the input and hidden weights to the next
    Py_ssize_t length           # doubles of all parameters, padded
    # Where the parameters begin, in their memory and in everything laid out like it. b_hidden, w_input_hidden and
    # w_hidden_hidden are the columns of one matrix, in this order; w_hidden_output lies in rows, `lanes` apart.
    Py_ssize_t b_hidden, w_input_hidden, w_hidden_hidden, b_hidden_hidden, w_hidden_output, b_output
    # What a step leaves on the tape, and where in its row: 1.0, the input and the hidden state before, in sequence;
    # an LSTM's c before; what backward needs; the sums of the output layer; the gradient of the step's
    # loss by them, and of the window's; and that by the other sums.
    Py_ssize_t one, x, h, c, trace, sums, gradient, by_output, delta, delta_hidden, row
    double lr, momentum, weight_decay, clip
    Py_ssize_t window


cdef inline Py_ssize_t padded(Py_ssize_t length) noexcept nogil:
    return (length + PADDING - 1) // PADDING * PADDING


cdef inline Py_ssize_t take(Py_ssize_t* end, Py_ssize_t length) noexcept nogil:
    """Lay out `length` more doubles behind `end`; returns where they begin."""
    cdef Py_ssize_t start = end[0]
    end[0] += padded(length)
    return start


cdef inline Py_ssize_t cache_lines(Py_ssize_t length) noexcept nogil:
    """Doubles that fill an odd number of cache lines: rows so far apart use all of the cache, not a part of it."""
    return (length + 7) // 8 * 8 | 8


cdef void lay_out(Network* n) noexcept nogil:
    """Set the sizes and places that follow from cell, input_size, hidden_size and output_size."""
    cdef Py_ssize_t end = 0
    n.gates = (1 if n.cell == ELMAN else 3 if n.cell == GRU else 4) * n.hidden_size
    n.lanes = padded(n.hidden_size)
    n.outputs = padded(n.output_size)
    n.width = padded(n.gates)
    n.stride = cache_lines(n.width) if n.width > 32 else n.width       # small ones lie in the cache as they are
    n.b_hidden = take(&end, n.stride)
    n.w_input_hidden = take(&end, n.stride * n.input_size)
    n.w_hidden_hidden = take(&end, n.stride * n.hidden_size)
    n.b_hidden_hidden = take(&end, n.hidden_size if n.cell == GRU else 0)
    n.w_hidden_output = take(&end, n.lanes * n.output_size)
    n.b_output = take(&end, n.output_size)
    n.length = end
    end = 0
    n.h = padded(1 + n.input_size)
    n.x = n.h - n.input_size
    n.one = n.x - 1
    end = n.h + n.lanes
    n.c = take(&end, n.hidden_size if n.cell == LSTM else 0)
    n.trace = take(&end, 0 if n.cell == ELMAN else n.gates)
    if n.cell != ELMAN:
        take(&end, n.hidden_size)       # behind the gates of a GRU q, of an LSTM tanh c
    n.sums = take(&end, n.output_size)
    n.gradient = take(&end, n.output_size)
    n.by_output = take(&end, n.output_size)
    n.delta = take(&end, n.gates)
    n.delta_hidden = take(&end, n.gates) if n.cell == GRU else n.delta
    n.row = cache_lines(end)


# ---- the cells, one step forward and backward ----
# forward: from `row` on the tape, with its x and h (and c), to the h (and c) of the row after it. `weights`, `stride`:
# the columns of w_input_hidden and w_hidden_hidden, with a GRU of w_hidden_hidden alone, for add_products, as is
# `from_last` here and below. `start`, `terms`: what their sums start from, and how many columns are to be added: the
# bias and all of them or, where the sums are known already, these and none (a GRU has two kinds of sums, and its bias).
# backward: from the gradient by the state after it, by_h (and by_c), to the deltas and the gradient by the state
# before. `rows`: the rows of w_hidden_hidden, packed, or NULL where the latter is not wanted: by_h then stays as it is.
# `zeros`: as many as there are units, padded.

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


cdef inline void copy_padded(const double* values, Py_ssize_t length, double* target) noexcept nogil:
    """With what lies behind them, up to a multiple of the lanes: for a few values faster than memcpy."""
    cdef Py_ssize_t i, lanes = sizeof(lanes_t) // sizeof(double)
    for i in range((length + lanes - 1) // lanes):
        (<lanes_t*> target)[i] = (<const lanes_t*> values)[i]


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


cdef void fill(double* values, Py_ssize_t length, double value) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(length):
        values[i] = value


# ---- outputs and losses, one step ----
# They take the sums of the output layer and the targets; write the gradient by the sums; and return the loss.

cdef double half_squared_error(Output output, Py_ssize_t size, const double* sums, const double* targets,
                               double* gradient) noexcept nogil:
    """Half the sum of the squared errors, of linear outputs or of sigmoids."""
    cdef double loss = 0.0, value, error
    cdef Py_ssize_t i
    activate_output(output, size, sums, gradient)
    for i in range(size):
        value = gradient[i]
        error = value - targets[i]
        loss += error * error
        gradient[i] = error * (value * (1.0 - value)) if output == SIGMOIDS else error
    return 0.5 * loss


cdef double binary_cross_entropy(Output output, Py_ssize_t size, const double* sums, const double* targets,
                                 double* gradient) noexcept nogil:
    """-y log p - (1 - y) log(1 - p) as max(a, 0) - a y + log(1 + exp(-|a|)): no digits lost, no overflow."""
    cdef double loss = 0.0, a
    cdef Py_ssize_t i
    activate_output(output, size, sums, gradient)
    for i in range(size):
        a = sums[i]
        loss += ((a if a > 0.0 else 0.0) - a * targets[i]) + log1p(fast_exp(-fabs(a)))
        gradient[i] -= targets[i]
    return loss


cdef double cross_entropy(Py_ssize_t size, const double* sums, const double* targets, double* gradient) noexcept nogil:
    """-log p[class], as log(sum of exp(a - max a)) - (a[class] - max a); NaN for a class that there is not."""
    cdef Py_ssize_t label = <Py_ssize_t> targets[0] if 0.0 <= targets[0] < size else -1, i
    cdef double largest = max_of(size, sums), total = 0.0
    if label < 0:
        return NAN
    for i in range(size):
        gradient[i] = fast_exp(sums[i] - largest)
    for i in range(size):
        total += gradient[i]
    for i in range(size):
        gradient[i] = gradient[i] / total
    gradient[label] -= 1.0
    return log(total) - (sums[label] - largest)


cdef inline void activate_output(Output output, Py_ssize_t size, const double* sums,
                                 double* predictions) noexcept nogil:
    """The predictions: the sums themselves, their sigmoids, or their softmax."""
    cdef double largest, total = 0.0
    cdef Py_ssize_t i
    if output == LINEAR:
        for i in range(size):
            predictions[i] = sums[i]
    elif output == SIGMOIDS:
        for i in range(size):
            predictions[i] = fast_sigmoid(sums[i])
    else:
        largest = max_of(size, sums)
        for i in range(size):
            predictions[i] = fast_exp(sums[i] - largest)
        for i in range(size):
            total += predictions[i]
        for i in range(size):
            predictions[i] = predictions[i] / total


cdef void decide(Output output, Py_ssize_t size, const double* predictions, double* decisions) noexcept nogil:
    """What RNN.predict() makes of predictions: the values as they are, 1.0 or 0.0 each, or the likeliest class."""
    cdef Py_ssize_t i
    if output == SOFTMAX:
        decisions[0] = likeliest(size, predictions)
    else:
        for i in range(size):
            decisions[i] = (1.0 if predictions[i] > 0.5 else 0.0) if output == SIGMOIDS else predictions[i]


cdef Py_ssize_t likeliest(Py_ssize_t size, const double* probabilities) noexcept nogil:
    """The class of the largest probability, the first of equal ones."""
    cdef Py_ssize_t i, label = 0
    for i in range(1, size):
        label = i if probabilities[i] > probabilities[label] else label
    return label


cdef double max_of(Py_ssize_t size, const double* values) noexcept nogil:
    cdef double largest = values[0]
    cdef Py_ssize_t i
    for i in range(1, size):
        largest = values[i] if values[i] > largest else largest
    return largest
