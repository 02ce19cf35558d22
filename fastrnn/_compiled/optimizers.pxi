# Part of _core.pyx: the norm of a gradient, and what optimizers make of it. The twin: _plain/optimizers.py.

cdef extern from *:
    """
    #define BETA_1 0.9      /* Adam's, as Kingma and Ba (2015) give them */
    #define BETA_2 0.999
    #define EPSILON 1e-8
    """
    const double BETA_1, BETA_2, EPSILON


# ---- the norm ----

cdef double square_of_columns(const double* columns, Py_ssize_t stride, Py_ssize_t length, Py_ssize_t rows,
                              double* squares, double total) noexcept nogil:
    """`total` with the sum of squares of each row added, row by row; the rows lie in `length` columns."""
    cdef Py_ssize_t i, j
    fill(squares, rows, 0.0)
    for j in range(length):
        for i in range(rows):
            squares[i] += columns[j * stride + i] * columns[j * stride + i]
    for i in range(rows):
        total += squares[i]
    return total


cdef double square_of_gradient(const Network* n, const double* gradient, double* squares) noexcept nogil:
    """The sum of the squares of all gradients: of each row first, and then of the rows."""
    cdef double total = 0.0, square
    cdef const double* row
    cdef Py_ssize_t i, j
    total = square_of_columns(gradient + n.w_input_hidden, n.stride, n.input_size, n.gates, squares, total)
    total = square_of_columns(gradient + n.w_hidden_hidden, n.stride, n.hidden_size, n.gates, squares, total)
    total = square_of_columns(gradient + n.b_hidden, n.stride, 1, n.gates, squares, total)
    if n.cell == GRU:
        total = square_of_columns(gradient + n.b_hidden_hidden, n.lanes, 1, n.hidden_size, squares, total)
    for i in range(n.output_size):
        row = gradient + n.w_hidden_output + i * n.lanes
        square = 0.0
        for j in range(n.hidden_size):
            square += row[j] * row[j]
        total += square
    return square_of_columns(gradient + n.b_output, n.outputs, 1, n.output_size, squares, total)


# ---- the optimizers ----

cdef void sgd_step(Py_ssize_t length, const double* values, double factor, double lr, out_t g) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(length):
        g[i] = values[i] - lr * (g[i] * factor)


cdef void momentum_step(Py_ssize_t length, const double* values, double factor, double lr, double momentum,
                        out_t g, out_t velocity) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(length):
        velocity[i] = momentum * values[length + i] + g[i] * factor
        g[i] = values[i] - lr * velocity[i]


cdef void adam_step(Py_ssize_t length, const double* values, double factor, double lr, double decay,
                    double beta_1, double beta_2, out_t gradient, out_t first, out_t second) noexcept nogil:
    cdef double g
    cdef Py_ssize_t i
    for i in range(length):
        g = gradient[i] * factor
        first[i] = BETA_1 * values[length + i] + (1.0 - BETA_1) * g
        second[i] = BETA_2 * values[2 * length + i] + (1.0 - BETA_2) * (g * g)
        gradient[i] = values[i] * decay - lr * ((first[i] / (1.0 - beta_1))
                                                / (sqrt(second[i] / (1.0 - beta_2)) + EPSILON))
