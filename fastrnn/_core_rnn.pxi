# Part of _core.pyx: an RNN over time. The twin: _fallback_rnn.py.

cdef extern from *:
    """
    #define BETA_1 0.9      /* Adam's, as Kingma and Ba (2015) give them */
    #define BETA_2 0.999
    #define EPSILON 1e-8
    """
    const double BETA_1, BETA_2, EPSILON


@cython.final
@cython.internal
cdef class Doubles:
    """Memory of zeros, at the beginning of a cache line."""
    cdef void* memory
    cdef double* start

    def __cinit__(self, Py_ssize_t length):
        self.memory = calloc(length + 8, sizeof(double))
        if self.memory == NULL:
            raise MemoryError
        self.start = <double*> ((<uintptr_t> self.memory + 63) // 64 * 64)

    def __dealloc__(self):
        free(self.memory)


@cython.final
@cython.internal
cdef class View:
    """What a memoryview looks at: rows and columns, or rows alone, somewhere in the network's memory."""
    cdef Doubles owner
    cdef double* start
    cdef int ndim
    cdef Py_ssize_t[2] shape
    cdef Py_ssize_t[2] strides

    def __getbuffer__(self, Py_buffer* view, int flags):
        if flags & PyBUF_STRIDES != PyBUF_STRIDES:
            raise BufferError("the parameter is not contiguous")
        view.obj = self
        view.buf = self.start
        view.len = self.shape[0] * (self.shape[1] if self.ndim == 2 else 1) * <Py_ssize_t> sizeof(double)
        view.itemsize = sizeof(double)
        view.readonly = False
        view.format = b"d"
        view.ndim = self.ndim
        view.shape = self.shape
        view.strides = self.strides
        view.suboffsets = NULL
        view.internal = NULL


@cython.final
@cython.internal
cdef class Tape:
    """What a window of steps leaves behind for backward, a row a step, and the memory that backward and update need."""
    cdef Doubles memory
    cdef Py_ssize_t steps       # that it has room for
    cdef double* rows           # one more than steps: the state after the last one
    # Laid out as the network's memory: the gradient, then what is to be written there; or what `ahead` points to.
    cdef double* values
    cdef double* weights        # those of forward, packed
    cdef double* w_hidden_hidden    # its rows, packed
    cdef double* by_h
    cdef double* by_other       # an LSTM's gradient by c, a GRU's by h without its gates; with an Elman network zeros
    cdef const double* ahead    # the next step's sums of the gates, where update has computed them (in values), or NULL
    cdef bint from_last         # where the last pass that did so began

    def __cinit__(self, Py_ssize_t steps, Py_ssize_t row, Py_ssize_t values, Py_ssize_t weights, Py_ssize_t rows,
                  Py_ssize_t lanes):
        if steps >= (PY_SSIZE_T_MAX // 16 - values - weights - rows - 2 * lanes) // row:
            raise MemoryError(f"there is no memory for {steps} steps at once: lower window")
        self.steps = steps
        self.memory = Doubles((steps + 1) * row + values + weights + rows + 2 * lanes)
        self.rows = self.memory.start
        self.values = self.rows + (steps + 1) * row
        self.weights = self.values + values
        self.w_hidden_hidden = self.weights + weights
        self.by_h = self.w_hidden_hidden + rows
        self.by_other = self.by_h + lanes


cdef Tape new_tape(const Network* n, Py_ssize_t steps, bint learn):
    cdef Tape tape = Tape(steps, n.row, 3 * n.length if learn else 0, n.b_hidden_hidden - first_weights(n),
                          n.gates * n.lanes if learn else 0, n.lanes)
    cdef Py_ssize_t t
    for t in range(steps):
        tape.rows[t * n.row + n.one] = 1.0
    return tape


cdef Py_ssize_t first_weights(const Network* n) noexcept nogil:
    """Where the columns begin that forward wants packed; they end where those of w_hidden_hidden do."""
    return n.w_hidden_hidden if n.cell == GRU else n.w_input_hidden


cdef void pack_weights(const Network* n, const double* parameters, Tape tape) noexcept nogil:
    cdef Py_ssize_t first = first_weights(n)
    pack(parameters + first, n.stride, (n.b_hidden_hidden - first) // n.stride, n.width, tape.weights)


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


cdef inline double output_sum(double bias, const double* weights, Py_ssize_t size, const double* h) noexcept nogil:
    cdef double total = bias
    cdef Py_ssize_t j
    for j in range(size):
        total += weights[j] * h[j]
    return total


cdef void output_sums(double bias, const double* weights, Py_ssize_t size, const double* h, Py_ssize_t row,
                      Py_ssize_t steps, double* sums) noexcept nogil:
    """One sum of the output layer in every step, four steps side by side: a sum waits for each of its additions."""
    cdef double a, b, c, d, weight
    cdef Py_ssize_t t = 0, j
    while t + 4 <= steps:
        a = b = c = d = bias
        for j in range(size):
            weight = weights[j]
            a += weight * h[j]
            b += weight * h[row + j]
            c += weight * h[2 * row + j]
            d += weight * h[3 * row + j]
        sums[0] = a
        sums[row] = b
        sums[2 * row] = c
        sums[3 * row] = d
        h += 4 * row
        sums += 4 * row
        t += 4
    while t < steps:
        sums[0] = output_sum(bias, weights, size, h)
        h += row
        sums += row
        t += 1


cdef double loss_of_step(const Network* n, double* row, const double* targets) noexcept nogil:
    """The loss of a step; its gradient by the sums goes on the tape."""
    if n.loss == HALF_SQUARED_ERROR:
        return half_squared_error(n.output, n.output_size, row + n.sums, targets, row + n.gradient)
    if n.loss == BINARY_CROSS_ENTROPY:
        return binary_cross_entropy(n.output, n.output_size, row + n.sums, targets, row + n.gradient)
    return cross_entropy(n.output_size, row + n.sums, targets, row + n.gradient)


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


cdef int update(const Network* n, double* memory, Tape tape, Py_ssize_t steps, const double* next_input,
                Work* work) except -1 nogil:
    """Learn from a window that is complete. Returns whether all is finite; if it is not, nothing has changed.

    next_input: the input of the step to come, or NULL; with it tape.ahead may be set.
    """
    cdef double factor = 1.0, norm, beta_1 = memory[3 * n.length], beta_2 = memory[3 * n.length + 1]
    cdef double* values = tape.values
    cdef Py_ssize_t length = n.length, changed = length
    # Plain sgd multiplies the gradient of the loss by lr before it runs back, not that of each parameter after it.
    cdef bint plain_sgd = n.optimizer == SGD and n.momentum == 0.0 and not n.clip < INFINITY
    tape.ahead = NULL
    backward(n, memory, tape, steps, n.lr if plain_sgd else 1.0, work)
    # It needs no gradient written down, which saves time where that and the parameters are too large for the cache.
    # Ctrl-C is not heard while the parameters change, so that they change in one go only where that is done in no time.
    if (plain_sgd and (steps == 1 or length > CACHE) and <double> steps * length < WORK / 8
            and is_surely_finite(n, memory, tape, steps, &work.bound)):
        if steps == 1:
            subtract_gradient(n, memory, tape, next_input)
        else:
            gradients(n, tape, steps, memory, True, NULL)
        return True
    gradients(n, tape, steps, values, False, work)
    if n.clip < INFINITY:
        norm = sqrt(square_of_gradient(n, values, values + length))
        if not isfinite(norm):
            return False
        if norm > n.clip:
            factor = n.clip / norm
    if n.optimizer != SGD:
        beta_1 *= BETA_1
        beta_2 *= BETA_2
        adam_step(length, memory, factor, n.lr, 1.0 - n.lr * n.weight_decay if n.optimizer == ADAMW else 1.0,
                  beta_1, beta_2, values, values + length, values + 2 * length)
        changed = 3 * length
    elif n.momentum != 0.0:
        momentum_step(length, memory, factor, n.lr, n.momentum, values, values + length)
        changed = 2 * length
    else:
        sgd_step(length, memory, factor, 1.0 if plain_sgd else n.lr, values)
    if not all_finite(values, changed):
        return False
    memcpy(memory, values, changed * sizeof(double))
    work.bound = INFINITY
    memory[3 * n.length], memory[3 * n.length + 1] = beta_1, beta_2
    return True


cdef struct Progress:
    double total                # the losses of an epoch so far
    Work work
    double* state               # the row with the state after the last update; NULL, if there was none
    double* spare               # a row for it, where that on the tape is needed for the next sequence


cdef Py_ssize_t train_sequence(const Network* n, double* memory, Tape tape, const double* inputs,
                               const double* targets, Py_ssize_t length, Progress* progress) except -1 nogil:
    """Train on a sequence. Returns `length`, or the step that is not finite."""
    cdef double* rows = tape.rows
    cdef double loss
    cdef Py_ssize_t start = 0, steps, block, done, t, window = n.window if n.window > 0 else length
    cdef Py_ssize_t block_size = max(1, <Py_ssize_t> (WORK / 4 / work_of_step(n)))
    tape.ahead = NULL
    if progress.state == rows:
        copy_state(n, rows, progress.spare)
        progress.state = progress.spare
    fill(rows + n.h, n.lanes, 0.0)
    if n.cell == LSTM:
        fill(rows + n.c, n.lanes, 0.0)
    while start < length:
        steps = min(window, length - start)
        done = 0
        if steps > 1:
            pack_weights(n, memory, tape)
        while done < steps:
            block = min(block_size, steps - done)
            forward(n, memory, tape.weights if steps > 1 else NULL, rows + done * n.row, block,
                    inputs + (start + done) * n.input_size, tape.ahead)
            for t in range(done, done + block):
                loss = loss_of_step(n, rows + t * n.row, targets + (start + t) * n.target_size)
                if not isfinite(loss):
                    return start + t
                progress.total += loss
            done += block
            look_for_signals(&progress.work, block * work_of_step(n))
        start += steps
        if not update(n, memory, tape, steps, inputs + start * n.input_size if start < length else NULL,
                      &progress.work):
            return start - 1
        copy_state(n, rows + steps * n.row, rows)
        progress.state = rows
    return length


cdef inline double work_of_step(const Network* n) noexcept nogil:
    return n.width * (n.hidden_size + n.input_size + 32.0) + n.output_size * (n.hidden_size + 32.0)


cdef void copy_state(const Network* n, const double* source, double* target) noexcept nogil:
    """From one row of the tape to another."""
    copy_padded(source + n.h, n.hidden_size, target + n.h)
    if n.cell == LSTM:
        copy_padded(source + n.c, n.hidden_size, target + n.c)


cdef void read_state(const Network* n, const double* row, double* state) noexcept nogil:
    memcpy(state, row + n.h, n.hidden_size * sizeof(double))
    if n.cell == LSTM:
        memcpy(state + n.hidden_size, row + n.c, n.hidden_size * sizeof(double))


cdef void write_state(const Network* n, const double* state, double* row) noexcept nogil:
    memcpy(row + n.h, state, n.hidden_size * sizeof(double))
    if n.cell == LSTM:
        memcpy(row + n.c, state + n.hidden_size, n.hidden_size * sizeof(double))


cdef int predict_sequence(const Network* n, const double* memory, Tape tape, const double* inputs, Py_ssize_t length,
                          double* state, double* predictions, double* states, Work* work) except -1 nogil:
    """Run over a sequence, from `state`, which takes the last; from a fresh one where it is NULL."""
    cdef double* rows = tape.rows
    cdef Py_ssize_t start = 0, block, t
    fill(rows + n.h, n.lanes, 0.0)
    if n.cell == LSTM:
        fill(rows + n.c, n.lanes, 0.0)
    if state:
        write_state(n, state, rows)
    while start < length:
        block = min(tape.steps, length - start)
        forward(n, memory, tape.weights, rows, block, inputs + start * n.input_size, NULL)
        if predictions:
            for t in range(block):
                activate_output(n.output, n.output_size, rows + t * n.row + n.sums,
                                predictions + (start + t) * n.output_size)
        if states:
            for t in range(block):
                memcpy(states + (start + t) * n.hidden_size, rows + (t + 1) * n.row + n.h,
                       n.hidden_size * sizeof(double))
        copy_state(n, rows + block * n.row, rows)
        start += block
        look_for_signals(work, block * work_of_step(n))
    if state:
        read_state(n, rows, state)
    return 0


cdef void predict_row(const Network* n, double* row, double* decisions) noexcept nogil:
    """What predict() gives after a step that is on the tape."""
    activate_output(n.output, n.output_size, row + n.sums, row + n.by_output)
    decide(n.output, n.output_size, row + n.by_output, decisions)


cdef void feed_back(const Network* n, const double* prediction, double* x) noexcept nogil:
    """The input that a prediction is: itself, or a class among several inputs as a one among zeros."""
    if n.output == SOFTMAX and n.input_size > 1:
        fill(x, n.input_size, 0.0)
        x[<Py_ssize_t> prediction[0]] = 1.0
    else:
        memcpy(x, prediction, n.input_size * sizeof(double))


cdef str place_of(Py_ssize_t epoch, Py_ssize_t sequence, Py_ssize_t sequences, Py_ssize_t step):
    """Where a training diverged."""
    return f" at epoch {epoch}, {f'sequence {sequence}, ' if sequences > 1 else ''}step {step}"


@cython.final
@cython.internal
cdef class Lengths:
    """The lengths of sequences that follow each other in a buffer."""
    cdef Buffer buffer
    cdef const int64_t* values
    cdef Py_ssize_t count, longest, total

    def __cinit__(self, list lengths not None):
        cdef int64_t length
        cdef Py_ssize_t i
        self.count = len(lengths)
        self.buffer = Buffer(memoryview(bytearray(8 * self.count)).cast("q"), 0, b"q")
        self.values = <const int64_t*> self.buffer.view.buf
        for i in range(self.count):
            length = lengths[i]
            if length < 0:
                raise ValueError("a length is negative")
            (<int64_t*> self.values)[i] = length
            self.longest = max(self.longest, length)
            self.total += length


cdef object as_view(Doubles owner, double* start, Py_ssize_t rows, Py_ssize_t row_stride,
                    Py_ssize_t columns, Py_ssize_t column_stride):
    """A memoryview of doubles somewhere in the memory of `owner`; without columns it is a vector."""
    cdef View view = View()
    view.owner = owner
    view.start = start
    view.ndim = 2 if columns else 1
    view.shape[0], view.shape[1] = rows, columns
    view.strides[0] = row_stride * <Py_ssize_t> sizeof(double)
    view.strides[1] = column_stride * <Py_ssize_t> sizeof(double)
    return memoryview(view)


cdef double* copy_view(View view, Py_ssize_t offset, double* doubles, bint write):
    """Copy what lies `offset` doubles behind a view, row by row, to or from `doubles`; returns the end of these."""
    cdef Py_ssize_t i, j, rows = view.shape[0], columns = view.shape[1] if view.ndim == 2 else 1
    cdef Py_ssize_t down = view.strides[0] // <Py_ssize_t> sizeof(double)
    cdef Py_ssize_t right = view.strides[1] // <Py_ssize_t> sizeof(double)
    cdef double* start = view.start + offset
    for i in range(rows):
        for j in range(columns):
            if write:
                start[i * down + j * right] = doubles[i * columns + j]
            else:
                doubles[i * columns + j] = start[i * down + j * right]
    return doubles + rows * columns


cdef class RNNCore:
    """The numbers of an RNN and all that is done to them. fastrnn.RNN is the class to use.

    All that learning changes lies in one block of memory: the parameters, then for each of them its first moment (the
    velocity of sgd) and its second, then the powers of Adam's betas.
    """
    cdef Network network
    cdef Doubles memory
    cdef Doubles state          # h, with an LSTM c after it
    cdef Tape tape              # of learn() and step()
    cdef Py_ssize_t waiting     # steps on the tape, since the last update
    cdef Doubles row            # x, the targets and the predictions of step() and learn()
    cdef dict views             # of the parameters, by name
    cdef readonly object parameters     # the same, not to be written to
    cdef readonly object _x, _targets, _predictions     # where these lie, as float64 memoryviews
    cdef public double _lr, _momentum, _weight_decay, _clip     # a clip of infinity is none
    cdef public Py_ssize_t _window                              # 0: the whole sequence

    def __cinit__(self, *_args, **_keywords):
        self._build("elman", "tanh", 1, 1, 1, "linear", "half_squared_error", "sgd")

    def _build(self, str cell, str activation, Py_ssize_t input_size, Py_ssize_t hidden_size, Py_ssize_t output_size,
               str output, str loss, str optimizer):
        """Lay out the network, with all parameters 0.0."""
        cdef Network* n = &self.network
        n.cell = {"elman": ELMAN, "gru": GRU, "lstm": LSTM}[cell]
        n.activation = {"tanh": TANH, "sigmoid": SIGMOID, "relu": RELU}[activation]
        n.output = {"linear": LINEAR, "sigmoid": SIGMOIDS, "softmax": SOFTMAX}[output]
        n.loss = {"half_squared_error": HALF_SQUARED_ERROR, "binary_cross_entropy": BINARY_CROSS_ENTROPY,
                  "cross_entropy": CROSS_ENTROPY}[loss]
        n.optimizer = {"sgd": SGD, "adam": ADAM, "adamw": ADAMW}[optimizer]
        n.input_size, n.hidden_size, n.output_size = input_size, hidden_size, output_size
        n.target_size = 1 if n.loss == CROSS_ENTROPY else output_size
        lay_out(n)
        self.memory = Doubles(3 * n.length + 2)
        self.memory.start[3 * n.length] = self.memory.start[3 * n.length + 1] = 1.0
        self.state = Doubles(2 * hidden_size)
        self.tape = None
        self.waiting = 0
        self.row = Doubles(input_size + n.target_size + output_size)
        self._x = as_view(self.row, self.row.start, input_size, 1, 0, 0)
        self._targets = as_view(self.row, self.row.start + input_size, n.target_size, 1, 0, 0)
        self._predictions = as_view(self.row, self.row.start + input_size + n.target_size, output_size, 1, 0, 0)
        self.views = {}
        self._add("w_input_hidden", n.w_input_hidden, n.gates, 1, input_size, n.stride)
        self._add("w_hidden_hidden", n.w_hidden_hidden, n.gates, 1, hidden_size, n.stride)
        self._add("b_hidden", n.b_hidden, n.gates, 1, 0, 0)
        if n.cell == GRU:
            self._add("b_hidden_hidden", n.b_hidden_hidden, hidden_size, 1, 0, 0)
        self._add("w_hidden_output", n.w_hidden_output, output_size, n.lanes, hidden_size, 1)
        self._add("b_output", n.b_output, output_size, 1, 0, 0)
        self.parameters = MappingProxyType(self.views)
        self._lr, self._momentum, self._weight_decay, self._clip, self._window = 0.01, 0.0, 0.0, INFINITY, 32

    cdef const Network* _settled(self) noexcept:
        """The network as it is now to learn."""
        cdef Network* n = &self.network
        n.lr, n.momentum, n.weight_decay, n.clip = self._lr, self._momentum, self._weight_decay, self._clip
        n.window = self._window
        return n

    def _is_finite(self):
        """Whether all parameters are."""
        return all_finite(self.memory.start, self.network.length)

    cdef _add(self, str name, Py_ssize_t start, Py_ssize_t rows, Py_ssize_t row_stride,
              Py_ssize_t columns, Py_ssize_t column_stride):
        """Show a parameter; without columns it is a vector."""
        self.views[name] = as_view(self.memory, self.memory.start + start, rows, row_stride, columns, column_stride)

    cdef Py_ssize_t _sizes(self):
        """How many doubles of the memory are no padding."""
        return 3 * sum([view.nbytes for view in self.views.values()]) // <Py_ssize_t> sizeof(double) + 2

    @property
    def _memory(self):
        """All that learning changes, a copy: parameters row by row, first and second moments, powers of betas."""
        cdef Buffer copy = Buffer(memoryview(bytearray(self._sizes() * sizeof(double))).cast("d"), PyBUF_WRITABLE)
        cdef double* doubles = <double*> copy.view.buf
        cdef Py_ssize_t part
        for part in range(3):
            for view in self.views.values():
                doubles = copy_view(view.obj, part * self.network.length, doubles, False)
        memcpy(doubles, self.memory.start + 3 * self.network.length, 2 * sizeof(double))
        return memoryview(<object> copy.view.obj)

    @_memory.setter
    def _memory(self, values):
        cdef Buffer source = Buffer(values)
        cdef double* doubles = <double*> source.view.buf
        cdef Py_ssize_t part
        source.hold_to(self._sizes())
        for part in range(3):
            for view in self.views.values():
                doubles = copy_view(view.obj, part * self.network.length, doubles, True)
        memcpy(self.memory.start + 3 * self.network.length, doubles, 2 * sizeof(double))

    def _write(self, str name, values, /):
        """Overwrite a parameter with as many doubles, row by row; no signal is heard in between."""
        cdef Buffer source = Buffer(values)
        view = self.views[name]
        source.hold_to(view.nbytes // <Py_ssize_t> sizeof(double))
        copy_view(view.obj, 0, <double*> source.view.buf, True)

    cdef Py_ssize_t _state_size(self):
        return (2 if self.network.cell == LSTM else 1) * self.network.hidden_size

    @property
    def _state(self):
        """The state, as a list: the hidden state, with an LSTM the cell after it. Setting it gives up waiting steps."""
        return [self.state.start[i] for i in range(self._state_size())]

    @_state.setter
    def _state(self, values):
        cdef Py_ssize_t i
        cdef list doubles = list(map(float, values))
        check_length(doubles, self._state_size())
        for i in range(len(doubles)):
            self.state.start[i] = doubles[i]
        self.waiting = 0

    cdef list _stored(self):
        """Where the doubles of a step that waits lie, from the beginning of its row on the tape."""
        cdef Network* n = &self.network
        cdef Py_ssize_t after = n.row, size = n.hidden_size
        cdef list places = [*range(n.x, n.x + n.input_size), *range(n.h, n.h + size)]
        if n.cell == LSTM:
            places += range(n.c, n.c + size)
        places += range(n.trace, n.trace + (0 if n.cell == ELMAN else n.gates + size))
        places += range(after + n.h, after + n.h + size)
        if n.cell == LSTM:
            places += range(after + n.c, after + n.c + size)
        return [*places, *range(n.gradient, n.gradient + n.output_size)]

    @property
    def _waiting(self):
        """The steps that wait for an update of learn(), a list of floats each: the input, the state before, what
        backward needs of the cell, the state after, the gradient of the loss by the sums of the output layer."""
        cdef Py_ssize_t t, place
        cdef list places = self._stored()
        return [[self.tape.rows[t * self.network.row + place] for place in places] for t in range(self.waiting)]

    @_waiting.setter
    def _waiting(self, values):
        cdef Py_ssize_t t, place
        cdef list places = self._stored(), rows = [list(map(float, row)) for row in values]
        for row in rows:
            check_length(row, len(places))
        self.waiting = 0
        self._need(max(1, len(rows)), True)
        for t in range(len(rows)):
            for place, value in zip(places, rows[t]):
                self.tape.rows[t * self.network.row + place] = value
        self.waiting = len(rows)

    def _train(self, inputs, targets, lengths, Py_ssize_t epochs, list losses not None, report, /):
        """Train on sequences that follow each other in two float64 buffers, and append each epoch's mean loss."""
        cdef Network network = self._settled()[0]
        cdef Buffer x = Buffer(inputs), y = Buffer(targets)
        cdef const double* x_values = <const double*> x.view.buf
        cdef const double* y_values = <const double*> y.view.buf
        cdef Lengths sequences = Lengths(lengths)
        cdef Py_ssize_t epoch, i = 0, start = 0, done = 0, steps = sequences.total
        cdef Doubles memory = self.memory, state = self.state, spare = Doubles(network.row)
        cdef Progress progress
        cdef Tape tape
        x.hold_to(steps * network.input_size)
        y.hold_to(steps * network.target_size)
        tape = new_tape(&network, min(sequences.longest, network.window) if network.window > 0 else sequences.longest,
                        True)
        progress.work.done = 0.0
        progress.state = NULL
        progress.spare = spare.start
        for epoch in range(epochs):
            progress.total = 0.0
            progress.work.bound = INFINITY      # `report` may have written to the parameters
            start = 0
            try:
                with nogil:
                    for i in range(sequences.count):
                        done = train_sequence(&network, memory.start, tape, x_values + start * network.input_size,
                                              y_values + start * network.target_size, sequences.values[i], &progress)
                        if done < sequences.values[i]:
                            break
                        start += sequences.values[i]
                if start < steps:
                    raise diverged(place_of(epoch, i, sequences.count, done), network.lr, network.clip)
            finally:
                if progress.state:
                    read_state(&network, progress.state, state.start)
                    self.waiting = 0
            losses.append(progress.total / steps)
            if report is not None and epoch % 10 == 0:
                report(epoch, progress.total / steps)

    def _predict(self, inputs, lengths, state, predictions, states, /):
        """Run over sequences that follow each other in a float64 buffer; write the predictions and states of all steps.

        Each sequence starts from the state in the buffer `state`, and leaves its last one there; if that is None, each
        starts from a fresh one. `predictions` or `states`, buffers of T rows, may be None.
        """
        cdef Network network = self.network
        cdef Network* n = &network
        cdef Lengths sequences = Lengths(lengths)
        cdef Buffer x = Buffer(inputs), h = None, p = None, s = None
        cdef const double* x_values = <const double*> x.view.buf
        cdef double* h_values = NULL
        cdef double* p_values = NULL
        cdef double* s_values = NULL
        cdef Py_ssize_t i
        cdef Doubles memory = self.memory
        cdef Tape tape = new_tape(n, min(sequences.longest, ROWS), False)
        cdef Work work = Work(0.0, INFINITY)
        x.hold_to(sequences.total * n.input_size)
        if state is not None:
            h = Buffer(state, PyBUF_WRITABLE)
            h.hold_to(self._state_size())
            h_values = <double*> h.view.buf
        if predictions is not None:
            p = Buffer(predictions, PyBUF_WRITABLE)
            p.hold_to(sequences.total * n.output_size)
            p_values = <double*> p.view.buf
        if states is not None:
            s = Buffer(states, PyBUF_WRITABLE)
            s.hold_to(sequences.total * n.hidden_size)
            s_values = <double*> s.view.buf
        with nogil:
            pack_weights(n, memory.start, tape)
            for i in range(sequences.count):
                predict_sequence(n, memory.start, tape, x_values, sequences.values[i], h_values, p_values, s_values,
                                 &work)
                x_values += sequences.values[i] * n.input_size
                if p_values:
                    p_values += sequences.values[i] * n.output_size
                if s_values:
                    s_values += sequences.values[i] * n.hidden_size

    def _generate(self, inputs, state, predictions, /):
        """Run over inputs from the state in the buffer `state`, then feed each prediction back, till `predictions` is
        full; `state` takes the last state. A prediction is what predict() gives, a class number one double."""
        cdef Network network = self.network
        cdef Network* n = &network
        cdef Buffer x = Buffer(inputs), h = Buffer(state, PyBUF_WRITABLE), p = Buffer(predictions, PyBUF_WRITABLE)
        cdef Py_ssize_t steps = x.length() // n.input_size, size = n.target_size, count = p.length() // size, t
        cdef const double* x_values = <const double*> x.view.buf
        cdef double* h_values = <double*> h.view.buf
        cdef double* p_values = <double*> p.view.buf
        cdef Doubles memory = self.memory
        cdef Tape tape = new_tape(n, max(1, min(steps, ROWS)), False)
        cdef double* row = tape.rows
        cdef Work work = Work(0.0, INFINITY)
        x.hold_to(steps * n.input_size)
        h.hold_to(self._state_size())
        p.hold_to(count * size)
        if n.input_size != n.output_size and not (n.output == SOFTMAX and n.input_size == 1):
            raise ValueError("a prediction is no input")
        if count < 1 or steps < 1:
            return
        with nogil:
            pack_weights(n, memory.start, tape)
            predict_sequence(n, memory.start, tape, x_values, steps - 1, h_values, NULL, NULL, &work)
            write_state(n, h_values, row)
            forward(n, memory.start, tape.weights, row, 1, x_values + (steps - 1) * n.input_size, NULL)
            predict_row(n, row, p_values)
            for t in range(1, count):
                copy_state(n, row + n.row, row)
                feed_back(n, p_values + (t - 1) * size, row + n.gradient)
                forward(n, memory.start, tape.weights, row, 1, row + n.gradient, NULL)
                predict_row(n, row, p_values + t * size)
                look_for_signals(&work, work_of_step(n))
            read_state(n, row + n.row, h_values)

    cdef int _need(self, Py_ssize_t steps, bint learn) except -1:
        """Make room for `steps` on the tape of learn() and step(); the steps that wait stay."""
        cdef Network* n = &self.network
        cdef Tape tape = self.tape
        if tape is None or tape.steps < steps or (learn and tape.weights == tape.values):
            self.tape = new_tape(n, steps, learn)
            if tape is not None and self.waiting > 0:
                memcpy(self.tape.rows, tape.rows, (self.waiting + 1) * n.row * sizeof(double))
                for i in range(self.waiting, steps):
                    self.tape.rows[i * n.row + n.one] = 1.0
        return 0

    def _step(self):
        """One step on from the network's own state, from _x to _predictions, without learning.

        Steps that wait for an update are given up. Returns whether the predictions are numbers; where one is NaN the
        state has not changed.
        """
        cdef Network* n = &self.network
        cdef double* predictions = self.row.start + n.input_size + n.target_size
        cdef double* row
        cdef Py_ssize_t i
        with cython.critical_section(self):
            self._need(self.waiting + 1, False)
            row = self.tape.rows + self.waiting * n.row
            write_state(n, self.state.start, row)
            forward(n, self.memory.start, NULL, row, 1, self.row.start, NULL)
            activate_output(n.output, n.output_size, row + n.sums, predictions)
            for i in range(n.output_size):
                if predictions[i] != predictions[i]:
                    return False
            read_state(n, row + n.row, self.state.start)
            self.waiting = 0
        return True

    def _learn(self):
        """One step on from the network's own state, from _x and _targets; _predictions are those before the update,
        if one is due."""
        cdef Network network = self._settled()[0]
        cdef const Network* n = &network
        cdef Doubles memory = self.memory, numbers = self.row, state = self.state
        cdef const double* x = numbers.start
        cdef const double* targets = x + n.input_size
        cdef double* row
        cdef Tape tape
        cdef Work work = Work(0.0, INFINITY)
        with cython.critical_section(self):
            # The tape grows with the steps that wait: an update may be long in coming (or, with a window of 0, never).
            if self.tape is None or self.tape.steps <= self.waiting or self.tape.weights == self.tape.values:
                self._need(max(n.window if 0 < n.window < ROWS else ROWS, 2 * self.waiting), True)
            tape = self.tape
            row = tape.rows + self.waiting * n.row
            write_state(n, state.start, row)
            forward(n, memory.start, NULL, row, 1, x, NULL)
            if not isfinite(loss_of_step(n, row, targets)):
                raise diverged("", n.lr, n.clip)
            if 0 < n.window <= self.waiting + 1:
                if not update(n, memory.start, tape, self.waiting + 1, NULL, &work):
                    raise diverged("", n.lr, n.clip)
                self.waiting = 0
            else:
                self.waiting += 1
            activate_output(n.output, n.output_size, row + n.sums, numbers.start + n.input_size + n.target_size)
            read_state(n, row + n.row, state.start)

    def reset(self):
        """Start a new sequence: a fresh state. Steps that wait for an update are given up; the parameters stay."""
        fill(self.state.start, self._state_size(), 0.0)
        self.waiting = 0
