# Part of _core.pyx: the norm of a gradient, and what optimizers make of it. The twin: _plain/optimizers.py.
# An optimizer takes the gradient, `factor` times, and writes over it what is to become of the memory: the parameters,
# and behind them the moments that it keeps. It returns how many numbers these are.

cdef extern from *:
    """
    #define BETA_1 0.9      /* Adam's, as Kingma and Ba (2015) give them */
    #define BETA_2 0.999
    #define EPSILON 1e-8
    """
    const double BETA_1, BETA_2, EPSILON


# ---- helpers: the squares of parameters that lie in columns ----

cdef inline void squares_of_columns(const Matrix* columns, Py_ssize_t size, Py_ssize_t lanes, double* squares,
                                    double* total) noexcept nogil:
    """Add to `total` the sum of squares of each of the `size` rows, row by row."""
    cdef const double* column
    cdef Py_ssize_t i, j, lane
    fill(squares, size * lanes, 0.0)
    for j in range(columns.length):
        column = columns.start + j * columns.stride
        for i in range(size * lanes):
            squares[i] += column[i] * column[i]
    for i in range(size):
        for lane in range(lanes):
            total[lane] += squares[i * lanes + lane]


cdef inline void add_squares(const Network* net, double* gradient, Py_ssize_t lanes, double* total) noexcept nogil:
    cdef const Layout* at = &net.at
    cdef double* squares = gradient + at.parameters_width       # which the optimizer writes to only later
    cdef Parameters by = parameters_at(at, gradient)
    cdef Matrix inputs = Matrix(gradient + at.w_input_hidden, at.stride, at.input_size, at.gates_width, 0, False)
    cdef double[LANES] square
    cdef const double* row
    cdef Py_ssize_t i, j, lane
    by.gates.length = 1         # b_hidden
    squares_of_columns(&inputs, at.gates_size, lanes, squares, total)
    squares_of_columns(&by.hidden, at.gates_size, lanes, squares, total)
    squares_of_columns(&by.gates, at.gates_size, lanes, squares, total)
    squares_of_columns(&by.own, at.own_size, lanes, squares, total)
    for i in range(at.output_size):
        row = gradient + at.w_hidden_output + i * at.hidden_width
        for lane in range(lanes):
            square[lane] = 0.0
        for j in range(at.hidden_size):
            for lane in range(lanes):
                square[lane] += row[j * lanes + lane] * row[j * lanes + lane]
        for lane in range(lanes):
            total[lane] += square[lane]
    squares_of_columns(&by.b_output, at.output_size, lanes, squares, total)


# ---- helpers: what an optimizer takes, of each lane ----

cdef struct Numbers:        # of each lane
    double[LANES] factor, lr, momentum, decay, beta_1, beta_2


cdef Numbers numbers_of(const Network* net, const double* factor) noexcept nogil:
    cdef Numbers of
    cdef Py_ssize_t lane
    for lane in range(net.at.lanes):
        of.factor[lane], of.lr[lane], of.momentum[lane] = factor[lane], net.of[lane].lr, net.of[lane].of_optimizer[0]
        of.decay[lane] = 1.0
    return of


# ---- the norm ----

cdef void norm(const Network* net, double* gradient, double* result) noexcept nogil:
    """The square root of the sum of all squares: of each row first, and then of the rows, parameter by parameter."""
    cdef Py_ssize_t lane
    for lane in range(net.at.lanes):
        result[lane] = 0.0
    if net.at.lanes == 1:
        add_squares(net, gradient, 1, result)
    else:
        add_squares(net, gradient, LANES, result)
    for lane in range(net.at.lanes):
        result[lane] = sqrt(result[lane])


# ---- the optimizers: of each lane `factor` times its gradient ----

cdef inline bint is_plain_sgd(const Network* net) noexcept nogil:
    """With neither momentum, nor a penalty, nor a limit to the gradient; of all lanes."""
    cdef bint plain = net.optimizer.propose == sgd and net.of.of_optimizer[0] == 0.0
    return plain and net.of.l1 == 0.0 and not net.of.clip < INFINITY


cdef double factor_of_loss(const Network* net, Py_ssize_t lane) noexcept nogil:
    """Plain sgd multiplies the gradient of the loss by lr before it runs back, not that of each parameter after it."""
    return net.of[lane].lr if is_plain_sgd(net) else 1.0


cdef inline void sgd_numbers(Py_ssize_t length, Py_ssize_t lanes, const double* values, const Numbers* of,
                             out_t g) noexcept nogil:
    cdef double[LANES] lr, factor       # local copies may live in registers
    cdef Py_ssize_t i, lane, k
    for lane in range(lanes):
        lr[lane], factor[lane] = of.lr[lane], of.factor[lane]
    for i in range(length // lanes):
        for lane in range(lanes):
            k = i * lanes + lane
            g[k] = values[k] - lr[lane] * (g[k] * factor[lane])


cdef inline void momentum_numbers(Py_ssize_t length, Py_ssize_t lanes, const double* values, const Numbers* of,
                                  out_t g, out_t velocity) noexcept nogil:
    cdef double[LANES] lr, factor, momentum
    cdef Py_ssize_t i, lane, k
    for lane in range(lanes):
        lr[lane], factor[lane], momentum[lane] = of.lr[lane], of.factor[lane], of.momentum[lane]
    for i in range(length // lanes):
        for lane in range(lanes):
            k = i * lanes + lane
            velocity[k] = momentum[lane] * values[length + k] + g[k] * factor[lane]
            g[k] = values[k] - lr[lane] * velocity[k]


cdef Py_ssize_t sgd(const Network* net, const double* factor, double* gradient) noexcept nogil:
    """Gradient descent; with momentum, velocity = momentum * velocity + gradient takes the gradient's place."""
    cdef Py_ssize_t length = net.at.parameters_width, lane
    cdef Numbers of = numbers_of(net, factor)
    if net.of.of_optimizer[0] == 0.0:
        for lane in range(net.at.lanes):
            of.lr[lane] = 1.0 if is_plain_sgd(net) else of.lr[lane]
        if net.at.lanes == 1:
            sgd_numbers(length, 1, net.memory, &of, gradient)
        else:
            sgd_numbers(length, LANES, net.memory, &of, gradient)
        return length
    if net.at.lanes == 1:
        momentum_numbers(length, 1, net.memory, &of, gradient, gradient + length)
    else:
        momentum_numbers(length, LANES, net.memory, &of, gradient, gradient + length)
    return 2 * length


cdef inline void adam_numbers(Py_ssize_t length, Py_ssize_t lanes, const double* values, const Numbers* of,
                              out_t gradient, out_t first, out_t second) noexcept nogil:
    cdef double[LANES] lr, factor, decay, beta_1, beta_2
    cdef Py_ssize_t i, lane, k
    cdef double g
    for lane in range(lanes):
        lr[lane], factor[lane], decay[lane] = of.lr[lane], of.factor[lane], of.decay[lane]
        beta_1[lane], beta_2[lane] = of.beta_1[lane], of.beta_2[lane]
    for i in range(length // lanes):
        for lane in range(lanes):
            k = i * lanes + lane
            g = gradient[k] * factor[lane]
            first[k] = BETA_1 * values[length + k] + (1.0 - BETA_1) * g
            second[k] = BETA_2 * values[2 * length + k] + (1.0 - BETA_2) * (g * g)
            gradient[k] = values[k] * decay[lane] - lr[lane] * (
                (first[k] / (1.0 - beta_1[lane])) / (sqrt(second[k] / (1.0 - beta_2[lane])) + EPSILON))


cdef Py_ssize_t adam_with_decay(const Network* net, Numbers* of, double* gradient) noexcept nogil:
    cdef Py_ssize_t length = net.at.parameters_width, lanes = net.at.lanes, lane
    cdef const double* before = net.memory + net.at.powers
    cdef double* powers = gradient + net.at.powers
    for lane in range(lanes):
        powers[lane] = of.beta_1[lane] = before[lane] * BETA_1
        powers[lanes + lane] = of.beta_2[lane] = before[lanes + lane] * BETA_2
    if lanes == 1:
        adam_numbers(length, 1, net.memory, of, gradient, gradient + length, gradient + 2 * length)
    else:
        adam_numbers(length, LANES, net.memory, of, gradient, gradient + length, gradient + 2 * length)
    return net.at.memory


cdef Py_ssize_t adam(const Network* net, const double* factor, double* gradient) noexcept nogil:
    """Kingma and Ba (2015)."""
    cdef Numbers of = numbers_of(net, factor)
    return adam_with_decay(net, &of, gradient)


cdef Py_ssize_t adamw(const Network* net, const double* factor, double* gradient) noexcept nogil:
    """Loshchilov and Hutter (2019)."""
    cdef Numbers of = numbers_of(net, factor)
    cdef Py_ssize_t lane
    for lane in range(net.at.lanes):
        of.decay[lane] = 1.0 - net.of[lane].lr * net.of[lane].of_optimizer[0]
    return adam_with_decay(net, &of, gradient)


# ---- penalty, clip, and commit ----

cdef inline void penalty_delta(Py_ssize_t length, Py_ssize_t lanes, const double* l1, const double* weights,
                               out_t g) noexcept nogil:
    cdef Py_ssize_t i, lane, k
    for i in range(length // lanes):
        for lane in range(lanes):
            k = i * lanes + lane
            g[k] += l1[lane] if weights[k] > 0.0 else -l1[lane] if weights[k] < 0.0 else 0.0


cdef void add_penalty(const Network* net, double* gradient) noexcept nogil:
    """That of l1 times the sum of all |w| over the input and the recurrent weights."""
    cdef const Layout* at = &net.at
    cdef const double* weights = net.memory + at.w_input_hidden
    cdef Py_ssize_t length = at.stride * (at.input_size + at.hidden_size), lane
    cdef double[LANES] l1
    if net.of.l1 == 0.0:
        return
    for lane in range(at.lanes):
        l1[lane] = net.of[lane].l1
    if at.lanes == 1:       # the recurrent weights lie right behind those of the input
        penalty_delta(length, 1, l1, weights, gradient + at.w_input_hidden)
    else:
        penalty_delta(length, LANES, l1, weights, gradient + at.w_input_hidden)


cdef void clip_factor(const Network* net, double* gradient, double* factor) noexcept nogil:
    """What the gradient is multiplied by so that its norm is at most clip (Pascanu et al. 2013); NaN if it has none."""
    cdef double[LANES] length
    cdef double clip
    cdef Py_ssize_t lane
    if net.of.clip < INFINITY:
        norm(net, gradient, length)
    for lane in range(net.at.lanes):
        clip, factor[lane] = net.of[lane].clip, 1.0
        if clip < INFINITY:
            factor[lane] = NAN if not isfinite(length[lane]) else clip / length[lane] if length[lane] > clip else 1.0


cdef bint commit(const Network* net, Tape tape, const double* row, Py_ssize_t changed) noexcept nogil:
    """Take over what was proposed, if it is finite, and the state in a row with it. No signal is heard in between."""
    if not all_finite(tape.proposal, changed):
        return False
    memcpy(net.memory, tape.proposal, changed * sizeof(double))
    keep_state(&net.at, tape, row, 0)
    tape.updates[0] += 1
    return True


# ---- the rows ----

cdef Optimizer[3] OPTIMIZERS
OPTIMIZERS[:] = [
    Optimizer(b"sgd", sgd),
    Optimizer(b"adam", adam),
    Optimizer(b"adamw", adamw),
]
