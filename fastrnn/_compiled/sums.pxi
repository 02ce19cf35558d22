# Part of _core.pyx: sums, in the order of their terms. The twin: _plain/sums.py.
# What runs side by side, in vectors and registers, are different sums.

cdef enum:
    PART = 64           # rows of its result that sum_of_products takes at a time


# ---- helpers: blocks of sums, in registers ----

cdef inline Py_ssize_t block_of(Py_ssize_t width) noexcept nogil:
    """How many sums to take at once where `width` are left to be done."""
    return VECTOR * (8 if width >= 8 * VECTOR else 4 if width >= 4 * VECTOR else 2 if width >= 2 * VECTOR else 1)


cdef inline Py_ssize_t block_before(Py_ssize_t end) noexcept nogil:
    """The same of the block that ends there: the small ones come after those of eight vectors."""
    cdef Py_ssize_t rest = end % (8 * VECTOR)
    return rest & -rest if rest else 8 * VECTOR


cdef inline void add_products_block(const double* start, const double* weights, Py_ssize_t stride, const double* vector,
                                    Py_ssize_t length, double* result, Py_ssize_t block) noexcept nogil:
    """`block` vectors of add_products; inlined with a constant, so that the sums stay in registers."""
    cdef vector_t sums[8]
    cdef const vector_t* column
    cdef double value
    cdef Py_ssize_t i, k
    for i in range(block):
        sums[i] = (<const vector_t*> start)[i]
    for k in range(length):
        column = <const vector_t*> (weights + k * stride)
        value = vector[k]
        for i in range(block):
            sums[i] = sums[i] + column[i] * value
    for i in range(block):
        (<vector_t*> result)[i] = sums[i]


cdef inline void sum_of_products_block(const Products* of, Py_ssize_t height, Py_ssize_t block) noexcept nogil:
    """`height` times `block` vectors of sum_of_products, in registers."""
    cdef const double* rows = of.rows
    cdef const double* columns = of.columns
    cdef double* result = of.result
    cdef Py_ssize_t steps = of.steps, result_stride = of.result_stride, t, i, k
    cdef Py_ssize_t rows_stride = of.rows_stride, columns_stride = of.columns_stride
    cdef vector_t sums[4][2]
    cdef const vector_t* column
    cdef vector_t* row
    for k in range(height):
        row = <vector_t*> (result + k * result_stride)
        for i in range(block):
            sums[k][i] = row[i] if of.way == TERM_BY_TERM else NOTHING
    for t in range(steps - 1, -1, -1):
        column = <const vector_t*> (columns + t * columns_stride)
        for k in range(height):
            for i in range(block):
                sums[k][i] = sums[k][i] + column[i] * rows[t * rows_stride + k]
    for k in range(height):
        row = <vector_t*> (result + k * result_stride)
        for i in range(block):
            row[i] = (sums[k][i] if of.way == TERM_BY_TERM else row[i] + sums[k][i] if of.way == WHOLE
                      else row[i] - sums[k][i])


# ---- sums ----

cdef void add_products(const double* start, const Matrix* weights, const double* vector, double* result,
                       bint from_last, bint in_lanes) noexcept nogil:
    """result[i] = start[i] + weights[0][i] * vector[0] + weights[1][i] * vector[1] + ..., for i up to weights.width.

    weights: the columns of a matrix. from_last: begin with the last block, for then what the call before has read last
    is still in the cache.
    """
    cdef Py_ssize_t width = weights.width, length = weights.length, i = width if from_last else 0, block, stride
    cdef const double* columns
    if in_lanes:
        add_all_products_in_lanes(start, weights, vector, result)
        return
    while (i > 0 if from_last else i < width):
        block = block_before(i) if from_last else block_of(width - i)
        i -= block if from_last else 0
        stride = weights.stride if weights.stride else block
        columns = weights.start + (i if weights.stride else i * length)
        if block == 8 * VECTOR:
            add_products_block(start + i, columns, stride, vector, length, result + i, 8)
        elif block == 4 * VECTOR:
            add_products_block(start + i, columns, stride, vector, length, result + i, 4)
        elif block == 2 * VECTOR:
            add_products_block(start + i, columns, stride, vector, length, result + i, 2)
        else:
            add_products_block(start + i, columns, stride, vector, length, result + i, 1)
        i += 0 if from_last else block


cdef inline void add_transposed_products(const double* start, const Matrix* weights, const double* vector,
                                         double* result, bint from_last, bint in_lanes) noexcept nogil:
    """The same of a matrix whose vectors are its rows: result[j] = start[j] + weights[0][j] * vector[0] + ..."""
    add_products(start, weights, vector, result, from_last, in_lanes)


cdef int sum_of_products(const Products* products, const Matrix* result, Work* work) except -1 nogil:
    """result[k][i] += rows[0][k] * columns[0][i] and so on, from the last step to the first: a gradient.

    rows and columns: of `steps` steps, each their stride apart; the rows of the result are taken in parts of PART,
    so that what they need stays in the cache. work: NULL, where nobody may look for signals.
    """
    cdef Products of = products[0]
    cdef Py_ssize_t first = 0, last, i, k, block
    if result.step:
        sum_of_all_products_in_lanes(products, result)
        return 0
    of.result_stride = result.stride
    while first < result.length:
        last = min(first + PART, result.length)
        i = 0
        while i < result.width:
            block = 2 if i + 2 * VECTOR <= result.width else 1
            of.columns = products.columns + i
            k = first
            while k < last:
                of.rows = products.rows + k
                of.result = result.start + k * result.stride + i
                if block == 2 and k + 4 <= last:
                    sum_of_products_block(&of, 4, 2)
                    k += 4
                elif block == 2:
                    sum_of_products_block(&of, 1, 2)
                    k += 1
                elif k + 4 <= last:
                    sum_of_products_block(&of, 4, 1)
                    k += 4
                else:
                    sum_of_products_block(&of, 1, 1)
                    k += 1
            i += block * VECTOR
            if work:
                look_for_signals(work, <double> block * VECTOR * (last - first) * of.steps)
        first = last
    return 0


# ---- helpers: packing, in the order in which add_products takes the numbers of a large matrix ----

cdef void pack(const Matrix* columns, double* packed) noexcept nogil:
    cdef Py_ssize_t i = 0, j, k, block
    while i < columns.width:
        block = block_of(columns.width - i)
        for k in range(columns.length):
            for j in range(block // VECTOR):    # memcpy would take its time to begin
                (<vector_t*> (packed + i * columns.length + k * block))[j] = (
                    <const vector_t*> (columns.start + k * columns.stride + i))[j]
        i += block


cdef void pack_rows(const Matrix* columns, Py_ssize_t size, Matrix* rows) noexcept nogil:
    """Of the `size` rows of a matrix that lies in columns, in tiles of a cache line's width."""
    cdef Py_ssize_t i = 0, j, k, tile, block
    while i < rows.width:
        block = block_of(rows.width - i)
        for tile in range(0, rows.length, 8):
            for j in range(i, min(i + block, size)):
                for k in range(tile, min(tile + 8, rows.length)):
                    rows.start[i * rows.length + k * block + j - i] = columns.start[j * columns.stride + k]
        i += block


# ---- helpers: the sums of the output layer ----

cdef inline double output_sum(double bias, const double* weights, Py_ssize_t size, const double* h) noexcept nogil:
    cdef double total = bias
    cdef Py_ssize_t j
    for j in range(size):
        total += weights[j] * h[j]
    return total


cdef void output_sums(double bias, const double* weights, Py_ssize_t size, const double* h, Py_ssize_t stride,
                      Py_ssize_t steps, double* sums) noexcept nogil:
    """One sum of the output layer in every step, four steps side by side: a sum waits for each of its additions.

    h, sums: those of the first step; from a step to the next it is `stride` doubles.
    """
    cdef double a, b, c, d, weight
    cdef Py_ssize_t t = 0, j
    while t + 4 <= steps:
        a = b = c = d = bias
        for j in range(size):
            weight = weights[j]
            a += weight * h[j]
            b += weight * h[stride + j]
            c += weight * h[2 * stride + j]
            d += weight * h[3 * stride + j]
        sums[0] = a
        sums[stride] = b
        sums[2 * stride] = c
        sums[3 * stride] = d
        h += 4 * stride
        sums += 4 * stride
        t += 4
    while t < steps:
        sums[0] = output_sum(bias, weights, size, h)
        h += stride
        sums += stride
        t += 1
