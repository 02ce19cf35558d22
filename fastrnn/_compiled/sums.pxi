# Part of _core.pyx: sums, in the order of their terms. The twin: _plain/sums.py.
# What runs side by side, in vectors and registers, are different sums.

# ---- helpers: vectors, and a matrix as it lies ----

cdef extern from *:
    """
    /* Vectors of as many doubles as the CPU takes at once. Nothing to add to is -0.0: x + -0.0 is x for every x. */
    #if defined(__GNUC__) && defined(__AVX__)
    typedef double fastrnn_vector __attribute__((vector_size(32), aligned(8), may_alias));
    #define FASTRNN_NOTHING ((fastrnn_vector){-0.0, -0.0, -0.0, -0.0})
    #define FASTRNN_LANES 8
    #elif defined(__GNUC__)
    typedef double fastrnn_vector __attribute__((vector_size(16), aligned(8), may_alias));
    #define FASTRNN_NOTHING ((fastrnn_vector){-0.0, -0.0})
    #define FASTRNN_LANES 4
    #else
    typedef double fastrnn_vector;
    #define FASTRNN_NOTHING (-0.0)
    #define FASTRNN_LANES 4
    #endif
    """
    ctypedef double vector_t "fastrnn_vector"
    const vector_t NOTHING "FASTRNN_NOTHING"
    enum:
        LANES "FASTRNN_LANES"                       # networks, or sequences, side by side
        DEEP "FASTRNN_LANES * sizeof(double) / sizeof(fastrnn_vector)"  # vectors that a number of all lanes is


cdef enum:
    VECTOR = sizeof(vector_t) // sizeof(double)     # doubles in one: 4, 2 or 1
    PADDING = 4         # what is taken in vectors is padded with zeros to a multiple of this, the most there are
    WORK = 1 << 26      # products from one look at Ctrl-C to the next: at most 0.05 s
    PART = 64           # rows of its result that sum_of_products takes at a time


cdef struct Matrix:
    double* start
    Py_ssize_t stride       # from one of its vectors (columns or rows) to the next; 0: packed, as `pack` does
    Py_ssize_t length       # how many there are,
    Py_ssize_t width        # and the numbers of each, padded
    Py_ssize_t step         # from one of these to the next in lanes, where each is one a lane; 0: there are no lanes
    bint shared             # in lanes: each is one for all lanes


cdef struct Work:
    double done                             # products since the last look for signals
    void (*before)(void* of) noexcept       # called before Python code may run, with `of`; or NULL
    void* of


cdef int look_for_signals(Work* work, double done) except -1 nogil:
    """Count the products that are done, and every WORK of them look for Ctrl-C."""
    work.done += done
    if work.done > WORK:
        work.done = 0.0
        with gil:
            if work.before:
                work.before(work.of)
            check_signals()
    return 0


cdef inline Py_ssize_t padded(Py_ssize_t length) noexcept nogil:
    return (length + PADDING - 1) // PADDING * PADDING


cdef void fill(double* values, Py_ssize_t length, double value) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(length):
        values[i] = value


cdef inline void copy_padded(const double* values, Py_ssize_t length, double* target) noexcept nogil:
    """With what lies behind them, up to a whole vector: for a few values faster than memcpy."""
    cdef Py_ssize_t i
    for i in range((length + VECTOR - 1) // VECTOR):
        (<vector_t*> target)[i] = (<const vector_t*> values)[i]


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


cdef enum Way:
    TERM_BY_TERM            # the result goes on as a sum,
    WHOLE                   # or a sum of its own is added to it,
    NEGATIVE                # or subtracted from it


cdef struct Products:
    const double* rows      # of the first step, as are the columns
    Py_ssize_t rows_stride  # from a step to the next
    const double* columns
    Py_ssize_t columns_stride
    Py_ssize_t steps
    Way way
    double* result
    Py_ssize_t result_stride


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


# ---- helpers: sums in lanes. Each is one sum a lane, of vectors in which a number is one a lane ----

cdef inline void add_products_in_lanes(const double* start, const Matrix* weights, const double* vector,
                                       double* result, Py_ssize_t height) noexcept nogil:
    """`height` sums of add_products, of all lanes, in registers; start and result: of the first of them."""
    cdef vector_t sums[4][DEEP]
    cdef const double* column = weights.start
    cdef const vector_t* value
    cdef Py_ssize_t stride = weights.stride, step = weights.step, j, k, q
    cdef bint shared = weights.shared
    for k in range(height):
        for q in range(DEEP):
            sums[k][q] = (<const vector_t*> (start + k * LANES))[q]
    for j in range(weights.length):
        value = <const vector_t*> (vector + j * LANES)
        for k in range(height):
            for q in range(DEEP):
                if shared:
                    sums[k][q] = sums[k][q] + value[q] * column[k * step]
                else:
                    sums[k][q] = sums[k][q] + (<const vector_t*> (column + k * step))[q] * value[q]
        column += stride
    for k in range(height):
        for q in range(DEEP):
            (<vector_t*> (result + k * LANES))[q] = sums[k][q]


cdef void add_all_products_in_lanes(const double* start, const Matrix* weights, const double* vector,
                                    double* result) noexcept nogil:
    cdef Matrix of = weights[0]
    cdef Py_ssize_t rows = weights.width // LANES, k = 0, height
    while k < rows:
        height = 4 if rows - k >= 4 else rows - k
        of.start = weights.start + k * weights.step
        if height == 4:
            add_products_in_lanes(start + k * LANES, &of, vector, result + k * LANES, 4)
        elif height == 3:
            add_products_in_lanes(start + k * LANES, &of, vector, result + k * LANES, 3)
        elif height == 2:
            add_products_in_lanes(start + k * LANES, &of, vector, result + k * LANES, 2)
        else:
            add_products_in_lanes(start + k * LANES, &of, vector, result + k * LANES, 1)
        k += height


cdef inline void sum_of_products_in_lanes(const Products* of, Py_ssize_t height, Py_ssize_t width) noexcept nogil:
    """`height` times `width` sums of sum_of_products, of all lanes, in registers, a vector of lanes at a time."""
    cdef const double* rows
    cdef const double* columns
    cdef vector_t sums[3][4]
    cdef vector_t value
    cdef vector_t* result
    cdef Py_ssize_t q, t, k, i
    for q in range(DEEP):
        rows = of.rows + q * VECTOR + of.steps * of.rows_stride
        columns = of.columns + q * VECTOR + of.steps * of.columns_stride
        for k in range(height):
            result = <vector_t*> (of.result + k * of.result_stride + q * VECTOR)
            for i in range(width):
                sums[k][i] = result[i * DEEP] if of.way == TERM_BY_TERM else NOTHING
        for t in range(of.steps):
            rows -= of.rows_stride
            columns -= of.columns_stride
            for k in range(height):
                value = (<const vector_t*> rows)[k * DEEP]
                for i in range(width):
                    sums[k][i] = sums[k][i] + (<const vector_t*> columns)[i * DEEP] * value
        for k in range(height):
            result = <vector_t*> (of.result + k * of.result_stride + q * VECTOR)
            for i in range(width):
                result[i * DEEP] = sums[k][i] if of.way == TERM_BY_TERM else result[i * DEEP] + sums[k][i]


cdef void sum_of_all_products_in_lanes(const Products* products, const Matrix* result) noexcept nogil:
    cdef Products of = products[0]
    cdef Py_ssize_t columns = result.width // LANES, i, k = 0, height, width
    of.result_stride = result.stride
    while k < result.length:
        height = 3 if result.length - k >= 3 else 1
        i = 0
        while i < columns:
            width = 4 if columns - i >= 4 else 2 if columns - i >= 2 else 1
            of.rows, of.columns = products.rows + k * LANES, products.columns + i * LANES
            of.result = result.start + k * result.stride + i * LANES
            if height == 3 and width == 4:
                sum_of_products_in_lanes(&of, 3, 4)
            elif height == 3 and width == 2:
                sum_of_products_in_lanes(&of, 3, 2)
            elif height == 3:
                sum_of_products_in_lanes(&of, 3, 1)
            elif width == 4:
                sum_of_products_in_lanes(&of, 1, 4)
            elif width == 2:
                sum_of_products_in_lanes(&of, 1, 2)
            else:
                sum_of_products_in_lanes(&of, 1, 1)
            i += width
        k += height


# ---- sums ----

cdef void add_products(const double* start, const Matrix* weights, const double* vector, double* result,
                       bint from_last) noexcept nogil:
    """result[i] = start[i] + weights[0][i] * vector[0] + weights[1][i] * vector[1] + ..., for i up to weights.width.

    weights: the columns of a matrix. from_last: begin with the last block, for then what the call before has read last
    is still in the cache.
    """
    cdef Py_ssize_t width = weights.width, length = weights.length, i = width if from_last else 0, block, stride
    cdef const double* columns
    if weights.step:
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
                                         double* result, bint from_last) noexcept nogil:
    """The same of a matrix whose vectors are its rows: result[j] = start[j] + weights[0][j] * vector[0] + ..."""
    add_products(start, weights, vector, result, from_last)


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
