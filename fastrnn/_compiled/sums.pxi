# Part of _core.pyx: sums, in the order of their terms. The twin: _plain/sums.py.
# What runs side by side, in vectors and registers, are different sums.


# ---- Ctrl-C ----

cdef struct Work:
    double done         # products since the last look for signals
    double bound        # no parameter is larger: told by is_surely_finite, infinity as soon as Python code may have run


cdef int look_for_signals(Work* work, double done) except -1 nogil:
    """Count the products that are done, and every WORK of them look for Ctrl-C."""
    work.done += done
    if work.done > WORK:
        work.done = 0.0
        work.bound = INFINITY       # a handler may write to the parameters
        with gil:
            PyErr_CheckSignals()
    return 0


# ---- blocks of sums, in registers ----

cdef void fill(double* values, Py_ssize_t length, double value) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(length):
        values[i] = value


cdef inline void copy_padded(const double* values, Py_ssize_t length, double* target) noexcept nogil:
    """With what lies behind them, up to a multiple of the lanes: for a few values faster than memcpy."""
    cdef Py_ssize_t i, lanes = sizeof(lanes_t) // sizeof(double)
    for i in range((length + lanes - 1) // lanes):
        (<lanes_t*> target)[i] = (<const lanes_t*> values)[i]


cdef inline Py_ssize_t block_of(Py_ssize_t width) noexcept nogil:
    """How many sums to take at once where `width` are left to be done."""
    cdef Py_ssize_t lanes = sizeof(lanes_t) // sizeof(double)
    return lanes * (8 if width >= 8 * lanes else 4 if width >= 4 * lanes else 2 if width >= 2 * lanes else 1)


cdef inline Py_ssize_t block_before(Py_ssize_t end) noexcept nogil:
    """The same of the block that ends there: the small ones come after those of eight."""
    cdef Py_ssize_t lanes = sizeof(lanes_t) // sizeof(double), rest = end % (8 * lanes)
    return rest & -rest if rest else 8 * lanes


cdef inline void add_products_block(const double* start, const double* weights, Py_ssize_t stride, const double* vector,
                                    Py_ssize_t length, double* result, Py_ssize_t block) noexcept nogil:
    """`block` times lanes_t of add_products; inlined with a constant, so that the sums stay in registers."""
    cdef lanes_t sums[8]
    cdef const lanes_t* column
    cdef double value
    cdef Py_ssize_t i, k
    for i in range(block):
        sums[i] = (<const lanes_t*> start)[i]
    for k in range(length):
        column = <const lanes_t*> (weights + k * stride)
        value = vector[k]
        for i in range(block):
            sums[i] = sums[i] + column[i] * value
    for i in range(block):
        (<lanes_t*> result)[i] = sums[i]


cdef inline void sum_of_products_block(const double* rows, const double* columns, Py_ssize_t stride, Py_ssize_t steps,
                                       double* result, Py_ssize_t result_stride, bint go_on, bint subtract,
                                       Py_ssize_t height, Py_ssize_t block) noexcept nogil:
    """`height` times `block` times lanes_t of sum_of_products, in registers. go_on: with the sums in `result`."""
    cdef lanes_t* row
    cdef lanes_t sums[4][2]
    cdef const lanes_t* column = <const lanes_t*> columns
    cdef Py_ssize_t t, i, k
    for k in range(height):
        row = <lanes_t*> (result + k * result_stride)
        for i in range(block):
            sums[k][i] = row[i] if go_on else column[i] * rows[k]
    for t in range(0 if go_on else 1, steps):
        column = <const lanes_t*> (columns + t * stride)
        for k in range(height):
            for i in range(block):
                sums[k][i] = sums[k][i] + column[i] * rows[t * stride + k]
    for k in range(height):
        row = <lanes_t*> (result + k * result_stride)
        for i in range(block):
            row[i] = row[i] - sums[k][i] if subtract else sums[k][i]


# ---- sums ----

cdef void add_products(const double* start, const double* weights, Py_ssize_t stride, const double* vector,
                       Py_ssize_t length, double* result, Py_ssize_t width, bint from_last) noexcept nogil:
    """result[i] = start[i] + weights[0][i] * vector[0] + weights[1][i] * vector[1] + ..., for i up to `width`, padded.

    weights: `length` columns of a matrix, each `stride` doubles from the one before it, or packed if stride is 0. For
    the rows of a matrix this is the twin's add_transposed_products. from_last: begin with the last block, for then what
    the call before has read last is still in the cache.
    """
    cdef Py_ssize_t i = width if from_last else 0, lanes = sizeof(lanes_t) // sizeof(double), block, step
    cdef const double* columns
    while (i > 0 if from_last else i < width):
        block = block_before(i) if from_last else block_of(width - i)
        i -= block if from_last else 0
        step = stride if stride else block
        columns = weights + (i if stride else i * length)
        if block == 8 * lanes:
            add_products_block(start + i, columns, step, vector, length, result + i, 8)
        elif block == 4 * lanes:
            add_products_block(start + i, columns, step, vector, length, result + i, 4)
        elif block == 2 * lanes:
            add_products_block(start + i, columns, step, vector, length, result + i, 2)
        else:
            add_products_block(start + i, columns, step, vector, length, result + i, 1)
        i += 0 if from_last else block


cdef int sum_of_products(const double* rows, Py_ssize_t length, const double* columns, Py_ssize_t width,
                         Py_ssize_t stride, Py_ssize_t steps, double* result, Py_ssize_t result_stride, bint subtract,
                         Work* work) except -1 nogil:
    """result[k][i] = rows[0][k] * columns[0][i] + rows[1][k] * columns[1][i] + ...: a gradient over a window.

    rows and columns: `steps` rows of the tape, `stride` doubles apart; k up to `length`, i up to `width`, padded. The
    steps are taken in parts of STEPS, and k in parts of PART, so that what they need stays in the cache until all
    columns have gone by. subtract: from what is in `result`, all steps at once. work: NULL, where nobody may look for
    signals.
    """
    cdef Py_ssize_t start = 0, part = steps if subtract else min(steps, STEPS)
    cdef Py_ssize_t first, last, i, k, lanes = sizeof(lanes_t) // sizeof(double), block
    cdef const double* column
    cdef double* sums
    while start < steps:
        part = min(part, steps - start)
        first = 0
        while first < length:
            last = min(first + PART, length)
            i = 0
            while i < width:
                block = 2 if i + 2 * lanes <= width else 1
                column = columns + start * stride + i
                k = first
                while k < last:
                    sums = result + k * result_stride + i
                    if block == 2 and k + 4 <= last:
                        sum_of_products_block(rows + start * stride + k, column, stride, part, sums, result_stride,
                                              start > 0, subtract, 4, 2)
                        k += 4
                    elif block == 2:
                        sum_of_products_block(rows + start * stride + k, column, stride, part, sums, result_stride,
                                              start > 0, subtract, 1, 2)
                        k += 1
                    elif k + 4 <= last:
                        sum_of_products_block(rows + start * stride + k, column, stride, part, sums, result_stride,
                                              start > 0, subtract, 4, 1)
                        k += 4
                    else:
                        sum_of_products_block(rows + start * stride + k, column, stride, part, sums, result_stride,
                                              start > 0, subtract, 1, 1)
                        k += 1
                i += block * lanes
                if work:
                    look_for_signals(work, <double> block * lanes * (last - first) * part)
            first = last
        start += part
    return 0


# ---- packing ----

cdef void pack(const double* columns, Py_ssize_t stride, Py_ssize_t length, Py_ssize_t width,
               double* packed) noexcept nogil:
    """Copy columns in the order in which add_products takes them: a large matrix is read faster so."""
    cdef Py_ssize_t i = 0, j, k, lanes = sizeof(lanes_t) // sizeof(double), block
    while i < width:
        block = block_of(width - i)
        for k in range(length):
            for j in range(block // lanes):     # memcpy would take its time to begin
                (<lanes_t*> (packed + i * length + k * block))[j] = (<const lanes_t*> (columns + k * stride + i))[j]
        i += block


cdef void pack_rows(const double* columns, Py_ssize_t stride, Py_ssize_t length, Py_ssize_t width, Py_ssize_t size,
                    double* packed) noexcept nogil:
    """The same of the `length` rows of a matrix that lies in `size` columns, in tiles of a cache line's width."""
    cdef Py_ssize_t i = 0, j, k, tile, block
    while i < width:
        block = block_of(width - i)
        for tile in range(0, length, 8):
            for j in range(i, min(i + block, size)):
                for k in range(tile, min(tile + 8, length)):
                    packed[i * length + k * block + j - i] = columns[j * stride + k]
        i += block


# ---- the sums of the output layer ----

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
