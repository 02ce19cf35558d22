# Part of _core.pyx: vectors of the CPU, matrices as they lie, and sums in lanes. It has no twin: what it computes are
# the sums of the room after it.

# ---- vectors, and a matrix as it lies ----

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
    /* In the core for x86-64-v4 lanes take vectors of eight doubles: a function of type void_in_lanes is compiled for
       them, with copies of all that it calls but others of this type. Networks alone do not: most are too small for
       such vectors, and lose by them. A compiler that does not know the attribute makes the same numbers of it. */
    #if defined(FASTRNN_V4) && defined(__GNUC__)
    typedef double fastrnn_in_lanes __attribute__((vector_size(64), aligned(8), may_alias));
    #define FASTRNN_NOTHING_IN_LANES ((fastrnn_in_lanes){-0.0, -0.0, -0.0, -0.0, -0.0, -0.0, -0.0, -0.0})
    #define FASTRNN_IN_LANES __attribute__((noinline, flatten, target( \\
        "avx512f,avx512cd,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")))
    #else
    typedef fastrnn_vector fastrnn_in_lanes;
    #define FASTRNN_NOTHING_IN_LANES FASTRNN_NOTHING
    #define FASTRNN_IN_LANES
    #endif
    /* A value where its weight is not 0, else 0; and with nothing to add in its place. */
    #ifdef __GNUC__
    #define fastrnn_weighed(value, weight) \\
        ((__typeof__(value))(((weight) != 0.0) & (__typeof__((weight) != 0.0))(value)))
    #define fastrnn_learnt(value, weight) \\
        ((__typeof__(value))((__typeof__((weight) != 0.0))fastrnn_weighed(value, weight) \\
                             | (((weight) == 0.0) & (__typeof__((weight) != 0.0))FASTRNN_NOTHING_IN_LANES)))
    #else
    #define fastrnn_weighed(value, weight) ((weight) != 0.0 ? (value) : 0.0)
    #define fastrnn_learnt(value, weight) ((weight) != 0.0 ? (value) : FASTRNN_NOTHING_IN_LANES)
    #endif
    """
    ctypedef double vector_t "fastrnn_vector"
    ctypedef double lanes_t "fastrnn_in_lanes"          # a vector in functions of type
    ctypedef void void_in_lanes "FASTRNN_IN_LANES void"
    const vector_t NOTHING "FASTRNN_NOTHING"
    const lanes_t NOTHING_IN_LANES "FASTRNN_NOTHING_IN_LANES"
    vector_t weighed "fastrnn_weighed"(vector_t value, vector_t weight) nogil
    lanes_t weighed_in_lanes "fastrnn_weighed"(lanes_t value, lanes_t weight) nogil
    lanes_t learnt "fastrnn_learnt"(lanes_t value, lanes_t weight) nogil
    enum:
        LANES "FASTRNN_LANES"                       # networks, or sequences, side by side
        DEEP "FASTRNN_LANES * sizeof(double) / sizeof(fastrnn_vector)"  # vectors that a number of all lanes is


cdef enum:
    VECTOR = sizeof(vector_t) // sizeof(double)     # doubles in one: 4, 2 or 1
    WIDE = sizeof(lanes_t) // sizeof(double)        # and in one of lanes: 8, or as many
    DEEP_IN_LANES = LANES // WIDE
    PADDING = 4         # what is taken in vectors is padded with zeros to a multiple of this, the most there are
    WORK = 1 << 26      # products from one look at Ctrl-C to the next: at most 0.05 s


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


# ---- sums in lanes. Each is one sum a lane, of vectors in which a number is one a lane ----

cdef inline void add_products_in_lanes(const double* start, const Matrix* weights, const double* vector,
                                       double* result, Py_ssize_t height) noexcept nogil:
    """`height` sums of add_products, of all lanes, in registers; start and result: of the first of them."""
    cdef lanes_t sums[4][DEEP_IN_LANES]
    cdef const double* column = weights.start
    cdef const lanes_t* value
    cdef Py_ssize_t stride = weights.stride, step = weights.step, j, k, q
    cdef bint shared = weights.shared
    for k in range(height):
        for q in range(DEEP_IN_LANES):
            sums[k][q] = (<const lanes_t*> (start + k * LANES))[q]
    for j in range(weights.length):
        value = <const lanes_t*> (vector + j * LANES)
        for k in range(height):
            for q in range(DEEP_IN_LANES):
                if shared:
                    sums[k][q] = sums[k][q] + value[q] * column[k * step]
                else:
                    sums[k][q] = sums[k][q] + (<const lanes_t*> (column + k * step))[q] * value[q]
        column += stride
    for k in range(height):
        for q in range(DEEP_IN_LANES):
            (<lanes_t*> (result + k * LANES))[q] = sums[k][q]


cdef void_in_lanes add_all_products_in_lanes(const double* start, const Matrix* weights, const double* vector,
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
    cdef lanes_t sums[3][4]
    cdef lanes_t value
    cdef lanes_t* result
    cdef Py_ssize_t q, t, k, i
    for q in range(DEEP_IN_LANES):
        rows = of.rows + q * WIDE + of.steps * of.rows_stride
        columns = of.columns + q * WIDE + of.steps * of.columns_stride
        for k in range(height):
            result = <lanes_t*> (of.result + k * of.result_stride + q * WIDE)
            for i in range(width):
                sums[k][i] = result[i * DEEP_IN_LANES] if of.way == TERM_BY_TERM else NOTHING_IN_LANES
        for t in range(of.steps):
            rows -= of.rows_stride
            columns -= of.columns_stride
            for k in range(height):
                value = (<const lanes_t*> rows)[k * DEEP_IN_LANES]
                for i in range(width):
                    sums[k][i] = sums[k][i] + (<const lanes_t*> columns)[i * DEEP_IN_LANES] * value
        for k in range(height):
            result = <lanes_t*> (of.result + k * of.result_stride + q * WIDE)
            for i in range(width):
                if of.way == TERM_BY_TERM:
                    result[i * DEEP_IN_LANES] = sums[k][i]
                else:
                    result[i * DEEP_IN_LANES] = result[i * DEEP_IN_LANES] + sums[k][i]


cdef void_in_lanes sum_of_all_products_in_lanes(const Products* products, const Matrix* result) noexcept nogil:
    cdef Products of = products[0]
    cdef Py_ssize_t columns = result.width // LANES, i, k = 0, left, height, width
    of.result_stride = result.stride
    while k < result.length:
        left = result.length - k
        height = 3 if left == 3 or left > 4 else 2 if left > 1 else 1       # four are two and two
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
            elif height == 2 and width == 4:
                sum_of_products_in_lanes(&of, 2, 4)
            elif height == 2 and width == 2:
                sum_of_products_in_lanes(&of, 2, 2)
            elif height == 2:
                sum_of_products_in_lanes(&of, 2, 1)
            elif width == 4:
                sum_of_products_in_lanes(&of, 1, 4)
            elif width == 2:
                sum_of_products_in_lanes(&of, 1, 2)
            else:
                sum_of_products_in_lanes(&of, 1, 1)
            i += width
        k += height


cdef inline void subtract_products_in_lanes(const Products* of, const Matrix* result, const lanes_t* weight,
                                            bint all_learn) noexcept nogil:
    """result[k][i] -= rows[k] * columns[i], of one step, in all lanes, or those that have a weight."""
    cdef lanes_t minus[DEEP_IN_LANES]
    cdef lanes_t product
    cdef const lanes_t* rows = <const lanes_t*> of.rows
    cdef const lanes_t* columns = <const lanes_t*> of.columns
    cdef lanes_t* place
    cdef double* start = result.start
    cdef Py_ssize_t stride = result.stride, length = result.length, width = result.width // LANES, k, i, q
    for k in range(length):
        place = <lanes_t*> (start + k * stride)
        for q in range(DEEP_IN_LANES):
            minus[q] = -rows[k * DEEP_IN_LANES + q]
        for i in range(width):
            for q in range(DEEP_IN_LANES):
                product = minus[q] * columns[i * DEEP_IN_LANES + q]
                place[i * DEEP_IN_LANES + q] = (
                    place[i * DEEP_IN_LANES + q] + (product if all_learn else learnt(product, weight[q])))
