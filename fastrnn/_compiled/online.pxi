# Part of _core.pyx: plain sgd without a gradient written down, with a window of one step in one pass. It gives the
# numbers of window and optimizers, and has no twin.


# ---- whether an update stays finite, told without computing it ----

cdef double sum_of_squares(const double* values, Py_ssize_t length) noexcept nogil:
    """Of padded values; NaN or infinity if one of them is. Not part of any result: its order is free."""
    cdef const lanes_t* vectors = <const lanes_t*> values
    cdef lanes_t[4] sums        # side by side: a sum waits for each of its additions
    cdef lanes_t total
    cdef Py_ssize_t i, k, lanes = sizeof(lanes_t) // sizeof(double)
    cdef double result = 0.0
    for k in range(4):
        sums[k] = vectors[0] * 0.0
    for i in range(0, length // lanes - 3, 4):
        for k in range(4):
            sums[k] = sums[k] + vectors[i + k] * vectors[i + k]
    for i in range(length // lanes // 4 * 4, length // lanes):
        sums[0] = sums[0] + vectors[i] * vectors[i]
    total = (sums[0] + sums[1]) + (sums[2] + sums[3])
    for k in range(lanes):
        result += (<double*> &total)[k]
    return result


cdef bint is_surely_finite(const Network* n, const double* memory, Tape tape, Py_ssize_t steps,
                           double* bound) noexcept nogil:
    """Whether all parameters stay finite when the gradient is subtracted: told from bounds, without computing it.

    A yes is always right, and means that it has to be subtracted: `bound`, below which all parameters are, or infinity,
    is then that of the new ones. A no means that it has to be tried.
    """
    cdef const double* row = tape.rows
    cdef double by_outputs = 0.0, values = 2.0, total       # all below 1e100: far from what overflows
    cdef Py_ssize_t i
    # Only a bound that is known spares the look at all numbers: it makes an online step of 16 units 7 % faster.
    if steps == 1 and n.cell == ELMAN and n.activation != RELU and bound[0] < 1e100:
        # From few numbers: no state is larger than 1 (train() begins with zeros, learn() knows no bound), and no
        # gradient by a sum is larger than those by the outputs times an output weight.
        for i in range(n.output_size):
            by_outputs += fabs(row[n.by_output + i])
        for i in range(n.input_size):
            values += fabs(row[n.x + i])
        bound[0] += by_outputs * (1.0 + bound[0]) * values
        if bound[0] < 1e100:
            return True
    # By Cauchy and Schwarz no sum of products of what is on the tape is larger than the sum of all its squares.
    total = sum_of_squares(row, steps * n.row + n.h + n.lanes)
    bound[0] += total
    if not bound[0] < 1e100:
        bound[0] = sqrt(sum_of_squares(memory, n.length)) + total
    return bound[0] < 1e100


# ---- the gradient, subtracted ----

cdef inline void subtract_products_block(const double* rows, Py_ssize_t length, const double* columns,
                                         double* result, Py_ssize_t stride, const double* vector, double* sums,
                                         Py_ssize_t block) noexcept nogil:
    """`block` times lanes_t of subtract_products; inlined with constants: columns and sums stay in registers."""
    cdef lanes_t column[4]
    cdef lanes_t total[4]
    cdef lanes_t* row
    cdef double value, next_value = 0.0
    cdef Py_ssize_t i, k
    for i in range(block):
        column[i] = -(<const lanes_t*> columns)[i]      # to add instead of subtracting: an instruction less
        total[i] = -(column[i] - column[i])     # -0.0: added to the first term it leaves that as it is
    for k in range(length):
        row = <lanes_t*> (result + k * stride)
        value = rows[k]
        if vector:
            next_value = vector[k]
        for i in range(block):
            row[i] = row[i] + column[i] * value
            if vector:
                total[i] = total[i] + row[i] * next_value
    if vector:
        for i in range(block):
            (<lanes_t*> sums)[i] = total[i]


cdef void subtract_products(const double* rows, Py_ssize_t length, const double* columns, Py_ssize_t width,
                            double* result, Py_ssize_t stride, const double* vector, double* sums,
                            bint from_last) noexcept nogil:
    """result[k][i] -= rows[k] * columns[i]: sum_of_products over one step, subtracted.

    vector: NULL, or what the columns of the new result are multiplied by in the same pass: sums[i] = result[0][i] *
    vector[0] + ... from_last: begin with the last block, for then what the pass before touched last is in the cache.
    """
    cdef Py_ssize_t i = width if from_last else 0, lanes = sizeof(lanes_t) // sizeof(double), block
    while (i > 0 if from_last else i < width):
        block = 4 * lanes if (i % (4 * lanes) == 0 if from_last else i + 4 * lanes <= width) else lanes
        i -= block if from_last else 0
        if vector and block > lanes:
            subtract_products_block(rows, length, columns + i, result + i, stride, vector, sums + i, 4)
        elif vector:
            subtract_products_block(rows, length, columns + i, result + i, stride, vector, sums + i, 1)
        elif block > lanes:
            subtract_products_block(rows, length, columns + i, result + i, stride, NULL, NULL, 4)
        else:
            subtract_products_block(rows, length, columns + i, result + i, stride, NULL, NULL, 1)
        i += 0 if from_last else block


cdef void subtract_gradient(const Network* n, double* parameters, Tape tape, const double* next_input) noexcept nogil:
    """gradients, subtracted, for a window of one step: in 10 to 25 % less time than sum_of_products would take.

    next_input: the input of the step to come, or NULL. Where the weights leave the cache between two passes, its sums
    of the gates are computed in the same pass.
    """
    cdef double* row = tape.rows
    cdef double* after = row + n.row
    cdef Py_ssize_t i
    if n.cell == GRU:
        subtract_products(row + n.one, 1 + n.input_size, row + n.delta, n.width, parameters + n.b_hidden, n.stride,
                          NULL, NULL, True)
        subtract_products(row + n.h, n.hidden_size, row + n.delta_hidden, n.width,
                          parameters + n.w_hidden_hidden, n.stride, NULL, NULL, True)
        for i in range(n.hidden_size):
            parameters[n.b_hidden_hidden + i] -= row[n.delta_hidden + 2 * n.hidden_size + i]
    elif next_input and n.length > CACHE:
        after[n.one] = 1.0
        for i in range(n.input_size):
            after[n.x + i] = next_input[i]
        tape.ahead = tape.values
        tape.from_last = not tape.from_last
        subtract_products(row + n.one, 1 + n.input_size + n.hidden_size, row + n.delta, n.width,
                          parameters + n.b_hidden, n.stride, after + n.one, tape.values, tape.from_last)
    else:
        subtract_products(row + n.one, 1 + n.input_size + n.hidden_size, row + n.delta, n.width,
                          parameters + n.b_hidden, n.stride, NULL, NULL, True)
    subtract_products(row + n.by_output, n.output_size, row + n.row + n.h, n.lanes,
                      parameters + n.w_hidden_output, n.lanes, NULL, NULL, True)
    subtract_products(row + n.one, 1, row + n.by_output, n.outputs, parameters + n.b_output, n.outputs,
                      NULL, NULL, True)
