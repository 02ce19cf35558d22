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

cdef double square_of_columns(const Matrix* columns, Py_ssize_t size, double* squares, double total) noexcept nogil:
    """`total` with the sum of squares of each of the `size` rows added, row by row."""
    cdef Py_ssize_t i, j
    fill(squares, size, 0.0)
    for j in range(columns.length):
        for i in range(size):
            squares[i] += columns.start[j * columns.stride + i] * columns.start[j * columns.stride + i]
    for i in range(size):
        total += squares[i]
    return total


# ---- the norm ----

cdef double norm(const Network* net, double* gradient) noexcept nogil:
    """The square root of the sum of all squares: of each row first, and then of the rows, parameter by parameter."""
    cdef const Layout* at = &net.at
    cdef double* squares = gradient + at.parameters_width         # which the optimizer writes to only later
    cdef Parameters by = parameters_at(at, gradient)
    cdef Matrix inputs = Matrix(gradient + at.w_input_hidden, at.stride, at.input_size, at.gates_width, 0, False)
    cdef double total = square_of_columns(&inputs, at.gates_size, squares, 0.0), square
    cdef const double* row
    cdef Py_ssize_t i, j
    by.gates.length = 1         # b_hidden
    total = square_of_columns(&by.hidden, at.gates_size, squares, total)
    total = square_of_columns(&by.gates, at.gates_size, squares, total)
    total = square_of_columns(&by.own, at.own_size, squares, total)
    for i in range(at.output_size):
        row = gradient + at.w_hidden_output + i * at.hidden_width
        square = 0.0
        for j in range(at.hidden_size):
            square += row[j] * row[j]
        total += square
    return sqrt(square_of_columns(&by.b_output, at.output_size, squares, total))


# ---- the optimizers ----

cdef inline bint is_plain_sgd(const Network* net) noexcept nogil:
    """With neither momentum, nor a penalty, nor a limit to the gradient."""
    cdef bint plain = net.optimizer.propose == sgd and net.of.of_optimizer[0] == 0.0
    return plain and net.of.l1 == 0.0 and not net.of.clip < INFINITY


cdef double factor_of_loss(const Network* net) noexcept nogil:
    """Plain sgd multiplies the gradient of the loss by lr before it runs back, not that of each parameter after it."""
    return net.of.lr if is_plain_sgd(net) else 1.0


cdef void sgd_numbers(Py_ssize_t length, const double* values, double factor, double lr, out_t g) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(length):
        g[i] = values[i] - lr * (g[i] * factor)


cdef void momentum_numbers(Py_ssize_t length, const double* values, double factor, double lr, double momentum,
                           out_t g, out_t velocity) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(length):
        velocity[i] = momentum * values[length + i] + g[i] * factor
        g[i] = values[i] - lr * velocity[i]


cdef Py_ssize_t sgd(const Network* net, double factor, double* gradient) noexcept nogil:
    """Gradient descent; with momentum, velocity = momentum * velocity + gradient takes the gradient's place."""
    cdef Py_ssize_t length = net.at.parameters_width
    cdef double momentum = net.of.of_optimizer[0]
    if momentum == 0.0:
        sgd_numbers(length, net.memory, factor, 1.0 if is_plain_sgd(net) else net.of.lr, gradient)
        return length
    momentum_numbers(length, net.memory, factor, net.of.lr, momentum, gradient, gradient + length)
    return 2 * length


cdef void adam_numbers(const Network* net, double factor, double decay, const double* powers, out_t gradient,
                       out_t first, out_t second) noexcept nogil:
    cdef const double* values = net.memory
    cdef Py_ssize_t length = net.at.parameters_width, i
    cdef double lr = net.of.lr, beta_1 = powers[0], beta_2 = powers[1], g
    for i in range(length):
        g = gradient[i] * factor
        first[i] = BETA_1 * values[length + i] + (1.0 - BETA_1) * g
        second[i] = BETA_2 * values[2 * length + i] + (1.0 - BETA_2) * (g * g)
        gradient[i] = values[i] * decay - lr * ((first[i] / (1.0 - beta_1))
                                                / (sqrt(second[i] / (1.0 - beta_2)) + EPSILON))


cdef Py_ssize_t adam_with_decay(const Network* net, double factor, double decay, double* gradient) noexcept nogil:
    cdef double* powers = gradient + net.at.powers
    cdef Py_ssize_t length = net.at.parameters_width
    powers[0] = net.memory[net.at.powers] * BETA_1
    powers[1] = net.memory[net.at.powers + 1] * BETA_2
    adam_numbers(net, factor, decay, powers, gradient, gradient + length, gradient + 2 * length)
    return net.at.memory


cdef Py_ssize_t adam(const Network* net, double factor, double* gradient) noexcept nogil:
    """Kingma and Ba (2015)."""
    return adam_with_decay(net, factor, 1.0, gradient)


cdef Py_ssize_t adamw(const Network* net, double factor, double* gradient) noexcept nogil:
    """Loshchilov and Hutter (2019)."""
    return adam_with_decay(net, factor, 1.0 - net.of.lr * net.of.of_optimizer[0], gradient)


# ---- penalty, clip, and commit ----

cdef void penalty_delta(Py_ssize_t length, double l1, const double* weights, out_t g) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(length):
        g[i] += l1 if weights[i] > 0.0 else -l1 if weights[i] < 0.0 else 0.0


cdef void add_penalty(const Network* net, double* gradient) noexcept nogil:
    """That of l1 times the sum of all |w| over the input and the recurrent weights."""
    cdef const Layout* at = &net.at
    cdef Py_ssize_t length = at.stride * (at.input_size + at.hidden_size)
    if net.of.l1 != 0.0:       # the recurrent weights lie right behind those of the input
        penalty_delta(length, net.of.l1, net.memory + at.w_input_hidden, gradient + at.w_input_hidden)


cdef double clip_factor(const Network* net, double* gradient) noexcept nogil:
    """What the gradient is multiplied by so that its norm is at most clip (Pascanu et al. 2013); NaN if it has none."""
    cdef double length
    if not net.of.clip < INFINITY:
        return 1.0
    length = norm(net, gradient)
    if not isfinite(length):
        return NAN
    return net.of.clip / length if length > net.of.clip else 1.0


cdef bint commit(const Network* net, Tape tape, const double* row, Py_ssize_t changed) noexcept nogil:
    """Take over what was proposed, if it is finite, and the state in a row with it. No signal is heard in between."""
    if not all_finite(tape.proposal, changed):
        return False
    memcpy(net.memory, tape.proposal, changed * sizeof(double))
    keep_state(&net.at, tape, row)
    tape.updates += 1
    return True


# ---- the rows ----

cdef Optimizer[3] OPTIMIZERS
OPTIMIZERS[:] = [
    Optimizer(b"sgd", sgd),
    Optimizer(b"adam", adam),
    Optimizer(b"adamw", adamw),
]
