# Part of _core.pyx: plain sgd straight from the tape to the memory, with no gradient written down; and online learning,
# a window of one step, in one pass. The numbers are those of window and optimizers, so there is no twin.

cdef enum:
    CACHE = 4096        # doubles that the first-level cache holds


# ---- whether an update stays finite, told without computing it ----

cdef double sum_of_squares(const double* values, Py_ssize_t length) noexcept nogil:
    """Of padded values; NaN or infinity if one of them is. Not part of any result: its order is free."""
    cdef const vector_t* vectors = <const vector_t*> values
    cdef vector_t[4] sums       # side by side: a sum waits for each of its additions
    cdef vector_t total
    cdef Py_ssize_t i, k
    cdef double result = 0.0
    for k in range(4):
        sums[k] = NOTHING
    for i in range(0, length // VECTOR - 3, 4):
        for k in range(4):
            sums[k] = sums[k] + vectors[i + k] * vectors[i + k]
    for i in range(length // VECTOR // 4 * 4, length // VECTOR):
        sums[0] = sums[0] + vectors[i] * vectors[i]
    total = (sums[0] + sums[1]) + (sums[2] + sums[3])
    for k in range(VECTOR):
        result += (<double*> &total)[k]
    return result


cdef bint is_surely_finite(const Network* net, Tape tape, const double* row, Py_ssize_t steps) noexcept nogil:
    """Whether all parameters stay finite when the gradient is subtracted: told from bounds, without computing it.

    A yes is always right, and means that it has to be subtracted: tape.bound, below which all parameters are, or
    infinity, is then that of the new ones. A no means that it has to be tried. row: the first of the steps.
    """
    cdef const Layout* at = &net.at
    cdef double by_outputs = 0.0, values = 2.0, total       # all below 1e100: far from what overflows
    cdef Py_ssize_t i
    # Only a bound that is known spares the look at all numbers: it makes an online step of 16 units 7 % faster.
    if steps == 1 and tape.bound < 1e100 and net.cell.forward == elman_forward and net.activation.bounded:
        # From few numbers: no state is larger than 1 (train() begins with zeros, learn() knows no bound), and no
        # gradient by a sum is larger than those by the outputs times an output weight.
        for i in range(at.output_size):
            by_outputs += fabs(net.slate[at.by_output + i])
        for i in range(at.input_size):
            values += fabs(row[at.x + i])
        tape.bound += by_outputs * (1.0 + tape.bound) * values
        if tape.bound < 1e100:
            return True
    # By Cauchy and Schwarz no sum of products of what is on the tape is larger than the sum of all its squares.
    total = sum_of_squares(net.slate, steps * at.slate)
    if at.lanes == 1:
        total += sum_of_squares(row, steps * at.row + at.h + at.hidden_width)
    else:       # one step, without its loss, which can be anything where it has no weight
        total += sum_of_squares(row + at.one, at.h + at.hidden_width - at.one)
    tape.bound += total
    if not tape.bound < 1e100:
        tape.bound = sqrt(sum_of_squares(net.memory, at.parameters_width)) + total
    return tape.bound < 1e100


# ---- the gradient, subtracted ----

cdef void subtract_gradient(const Network* net, Tape tape, Py_ssize_t steps) noexcept nogil:
    """`gradients`, all steps at once, from the memory; no signal is heard in between."""
    cdef Products of
    cdef Py_ssize_t i
    for i in range(net.terms_count):
        of = products_of(net, tape.rows, &net.terms[i], steps, NEGATIVE)
        sum_of_products(&of, &net.terms[i].of, NULL)


# ---- the gradient of one step, subtracted ----

cdef struct Ahead:
    const double* vector    # what the columns of the new weights are multiplied by in the same pass: [1, x, h] of the
    double* sums            # step to come, and where its sums go; or NULL
    bint from_last          # begin with the last block, for then what the pass before touched last is in the cache
    bint done               # whether the sums are there


cdef inline void subtract_products_block(const double* rows, const double* columns, const Matrix* result, Py_ssize_t i,
                                         const Ahead* ahead, Py_ssize_t block) noexcept nogil:
    """`block` vectors of subtract_products; inlined with constants: columns and sums stay in registers."""
    cdef vector_t column[4]
    cdef vector_t total[4]
    cdef vector_t* row
    cdef const double* vector = ahead.vector if ahead else NULL
    cdef double* start = result.start + i
    cdef Py_ssize_t stride = result.stride, length = result.length, k
    cdef double value, next_value = 0.0
    for i in range(block):
        column[i] = -(<const vector_t*> columns)[i]     # to add instead of subtracting: an instruction less
        total[i] = NOTHING
    for k in range(length):
        row = <vector_t*> (start + k * stride)
        value = rows[k]
        if ahead:
            next_value = vector[k]
        for i in range(block):
            row[i] = row[i] + column[i] * value
            if ahead:
                total[i] = total[i] + row[i] * next_value
    if ahead:
        for i in range(block):
            (<vector_t*> (ahead.sums + (start - result.start)))[i] = total[i]


cdef void subtract_products(const double* rows, const double* columns, const Matrix* result,
                            const Ahead* ahead) noexcept nogil:
    """result[k][i] -= rows[k] * columns[i]: sum_of_products over one step, subtracted, in 10 to 25 % less time.

    ahead: with a vector, sums[i] = result[0][i] * vector[0] + ... of the new result besides.
    """
    cdef Py_ssize_t width = result.width, i = width if ahead.from_last else 0, block
    while (i > 0 if ahead.from_last else i < width):
        block = 4 * VECTOR if (i % (4 * VECTOR) == 0 if ahead.from_last else i + 4 * VECTOR <= width) else VECTOR
        i -= block if ahead.from_last else 0
        if ahead.vector and block > VECTOR:
            subtract_products_block(rows, columns + i, result, i, ahead, 4)
        elif ahead.vector:
            subtract_products_block(rows, columns + i, result, i, ahead, 1)
        elif block > VECTOR:
            subtract_products_block(rows, columns + i, result, i, NULL, 4)
        else:
            subtract_products_block(rows, columns + i, result, i, NULL, 1)
        i += 0 if ahead.from_last else block


cdef void subtract_gradient_of_step(const Network* net, Tape tape, Ahead* ahead) noexcept nogil:
    cdef Ahead none = Ahead(NULL, NULL, True, False)
    cdef Products of
    cdef Py_ssize_t i
    for i in range(net.terms_count):
        of = products_of(net, tape.rows, &net.terms[i], 1, NEGATIVE)
        subtract_products(of.rows, of.columns, &net.terms[i].of, &none if i else ahead)
    ahead.done = ahead.vector != NULL


# ---- learning ----

cdef inline bint may_go_straight(const Network* net, Py_ssize_t steps) noexcept nogil:
    """Where that saves time, and where it is over so soon that nobody misses Ctrl-C, which is not heard meanwhile."""
    cdef bint large = net.at.parameters_width > CACHE and steps <= net.at.block
    return (net.at.lanes == 1 and is_plain_sgd(net) and (steps == 1 or large)
            and <double> steps * net.at.parameters_width < WORK / 8)


cdef inline bint learns_online(const Network* net) noexcept nogil:
    """An update from every step, straight to the memory."""
    if not (net.of.window == 1 and net.return_sequences):
        return False
    return may_go_straight(net, 1) or (net.at.lanes > 1 and is_plain_sgd(net))


cdef int go_straight(Network* net, Tape tape, Py_ssize_t steps, double scale, Ahead* ahead,
                     Work* work) except -1 nogil:
    """`add_gradient` and `update`, and where it can the sums of the next step; the state stays to be kept. Returns
    whether all is finite."""
    cdef double one = 1.0
    while steps > 1 and tape.rows[(steps - 1) * net.at.row + net.at.weight] == 0.0:
        steps -= 1
    copy_padded(net.zeros, net.at.states * net.at.hidden_width, tape.by_state)
    backward(net, tape.rows, steps, &scale, tape.by_state, False)
    look_for_signals(work, steps * net.at.work)
    if not is_surely_finite(net, tape, tape.rows, steps):
        no_gradient(net, tape.proposal)
        gradients(net, tape.rows, steps, WHOLE, tape.proposal, work)
        sgd(net, &one, tape.proposal)
        if not all_finite(tape.proposal, net.at.parameters_width):
            return False
        memcpy(net.memory, tape.proposal, net.at.parameters_width * sizeof(double))
    elif steps == 1:
        subtract_gradient_of_step(net, tape, ahead)
    else:
        subtract_gradient(net, tape, steps)
    tape.updates[0] += 1
    return True


cdef int update_straight(Network* net, Tape tape, Py_ssize_t steps, double scale, const double* row,
                         Work* work) except -1 nogil:
    """`update`, to the same numbers, of the window that is on the tape; row: with the state after it."""
    cdef Ahead none = Ahead(NULL, NULL, True, False)
    if not go_straight(net, tape, steps, scale, &none, work):
        return False
    keep_state(&net.at, tape, row, 0)
    return True


cdef Py_ssize_t train_online(Network* net, Tape tape, const Data* data, Py_ssize_t sequence, Total* total,
                             Work* work) except -1 nogil:
    """`train_batch` of one sequence with a window of one step. Returns the length, or the step that diverged.

    Where the weights leave the cache between two passes over them, an update computes the sums of the next step in the
    same pass: then forward starts from these and has nothing to add.
    """
    cdef const Layout* at = &net.at
    cdef const double* inputs = data.inputs + data.starts[sequence] * at.input_size
    cdef const double* targets = data.targets + data.starts[sequence] * at.target_size
    cdef const double* here
    cdef double* row = tape.rows
    cdef double* after = row + at.row
    cdef Ahead ahead = Ahead(NULL, tape.ahead, True, False)
    cdef bint large = at.parameters_width > CACHE and not at.apart and not net.of.input_mean
    cdef Py_ssize_t t, i, length = data.lengths[sequence]
    cdef double weight
    if tape.state == row:       # that of the sequence before: it stays till the first update
        keep_state(at, tape, row, 0)
    fresh_state(at, row)
    use_for(net, tape, 1)
    for t in range(length):
        here = inputs + t * at.input_size
        forward(net, row, 1, &here)
        weight = step_weight(data, sequence, t)
        row[at.weight] = weight
        if weight > 0.0:
            read_out(net, row, 1)
            here = targets + t * at.target_size
            losses_of(net, row, 1, &here)
            total.loss += weight * row[at.loss]
            total.weight += weight
            if not isfinite(row[at.loss]):
                return t
            if large and t + 1 < length:
                for i in range(at.input_size):
                    after[at.x + i] = inputs[(t + 1) * at.input_size + i]
                ahead.vector, ahead.from_last, ahead.done = after + at.one, not ahead.from_last, False
            if not go_straight(net, tape, 1, net.of.lr / weight, &ahead, work):
                return t
        else:
            look_for_signals(work, at.work)
        move_on(at, tape)
        if large:
            use_as_it_lies(net, tape)
            if ahead.done:
                net.b_hidden, net.w_gates.length = ahead.sums, 0
            ahead.vector, ahead.done = NULL, False
    return length
