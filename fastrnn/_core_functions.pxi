# Part of _core.pyx: exp, tanh and sigmoid, and the sums of an RNN. The twin: _fallback_functions.py.

# ---- exp, tanh and sigmoid: plain double arithmetic, so that every core and vector width gives the same bits ----
# Each splits its argument into one where its value follows from a power of two, 2^k, and a small rest, and puts the two
# together by an addition theorem. With b, the rest or half of it, and a = (2^k - 1) / (2^k + 1), tanh of k ln(2) / 2:
#   tanh(k ln(2) / 2 + b) = a + (1 - a^2) * increase
#   sigmoid(k ln(2) + 2b) = s + s (1 - s) * 2 increase, with s = 2^k / (2^k + 1)
#   exp(k ln(2) + 2b) = 2^k (1 + 2 increase), with the increase for 2^k = 0, where a is -1
# where increase = tanh(b) / (1 + a tanh(b)), and tanh(b) = b / (1 + z / (3 + z / (5 + ...))) with z = b^2, Lambert's
# continued fraction (1768). Cut off after z / 11 it is b * top(z) / bottom(z), and off by less than 6e-19 of its value:
#   top(z) = z^2 + 60 z + 495, bottom(z) = top(z) + rest(z), rest(z) = (z^3 + 189 z^2 + 3465 z) / 21
# top and rest are computed from their roots, for (z + root) * (z + root) is faster than a sum of powers.

cdef extern from *:
    """
    #define LOG2_E 1.4426950408889634           /* log2(e) */
    /* ln(2) / 2 in two parts, the first of 32 bits: k times it is exact (Cody and Waite 1980). */
    #define HALF_LN2_HIGH 3.46573590184561908245e-01
    #define HALF_LN2_LOW 9.54107464635293850010e-11
    #define ROUND 6755399441055744.0            /* 1.5 * 2^52: added, it rounds to an integer */
    #define EXP_LOW -746.0                      /* exp is 0.0 below, */
    #define EXP_HIGH 710.0                      /* and infinity above */
    #define SIGMOID_ONE 40.0                    /* sigmoid is 1.0 above */
    #define TANH_ONE 22.0                       /* tanh is 1.0 above */
    #define TOP_ROOT_1 9.8753882025018927       /* 30 - sqrt(405) */
    #define TOP_ROOT_2 50.124611797498107       /* 30 + sqrt(405) */
    #define REST_ROOT_1 20.572670817890358      /* 94.5 - sqrt(5465.25) */
    #define REST_ROOT_2 168.42732918210965      /* 94.5 + sqrt(5465.25) */
    """
    const double LOG2_E, HALF_LN2_HIGH, HALF_LN2_LOW, ROUND, EXP_LOW, EXP_HIGH, SIGMOID_ONE, TANH_ONE
    const double TOP_ROOT_1, TOP_ROOT_2, REST_ROOT_1, REST_ROOT_2


cdef union Bits:
    double number
    uint64_t bits


cdef inline double power_of_two(double rounded) noexcept nogil:
    """2^k from k + ROUND, with k an integer: it stands in the last bits, from where it is shifted to the exponent's."""
    cdef Bits value
    value.number = rounded
    value.bits = (value.bits + 1023) << 52
    return value.number


cdef inline double split(double half, double* b) noexcept nogil:
    """`half` as k ln(2) / 2 + b, with the integer k for which b is smallest; returns k + ROUND."""
    cdef double rounded = half * (2.0 * LOG2_E) + ROUND, k = rounded - ROUND
    b[0] = (half - k * HALF_LN2_HIGH) - k * HALF_LN2_LOW
    return rounded


cdef inline double decrease(double power, double b) noexcept nogil:
    """1 - increase / b, with power = 2^k: a small number, so that taking b times it from b loses no digits.

    It is (rest + a b top) / (rest + (1 + a b) top); numerator and denominator are multiplied by 2^k + 1.
    """
    cdef double z = b * b, below = (power - 1.0) * b, above = power + 1.0
    cdef double top = (z + TOP_ROOT_1) * (z + TOP_ROOT_2)
    cdef double above_rest = ((above * (1.0 / 21.0)) * z) * ((z + REST_ROOT_1) * (z + REST_ROOT_2))
    return (above_rest + below * top) / (above_rest + (below + above) * top)


cdef inline double fast_exp(double x) noexcept nogil:
    cdef double rounded, half, c, b
    x = EXP_LOW if x < EXP_LOW else x
    x = EXP_HIGH if x > EXP_HIGH else x
    rounded = split(0.5 * x, &b)
    half = 0.5 * (rounded - ROUND) + ROUND      # 2^k in two steps: it can be too large or too small for a double
    c = 2.0 * b
    return (1.0 + (c - c * decrease(0.0, b))) * power_of_two(half) * power_of_two(rounded - half + ROUND)


cdef inline double split_sigmoid(double x, double* b) noexcept nogil:
    """The 2^k and b of which join_sigmoid makes the sigmoid."""
    cdef double rounded, half
    x = EXP_LOW if x < EXP_LOW else x
    x = SIGMOID_ONE if x > SIGMOID_ONE else x
    rounded = split(0.5 * x, b)
    half = 0.5 * (rounded - ROUND) + ROUND
    return power_of_two(half) * power_of_two(rounded - half + ROUND)


cdef inline double join_sigmoid(double power, double b) noexcept nogil:
    cdef double s = power / (power + 1.0), c = (s * (1.0 - s)) * (2.0 * b)
    return s + (c - c * decrease(power, b))


cdef inline double fast_sigmoid(double x) noexcept nogil:
    cdef double b, power = split_sigmoid(x, &b)
    return join_sigmoid(power, b)


cdef inline double split_tanh(double x, double* b) noexcept nogil:
    """The 2^k and b of which join_tanh makes tanh |x|."""
    cdef double t = fabs(x)
    t = TANH_ONE if t > TANH_ONE else t
    return power_of_two(split(t, b))


cdef inline double join_tanh(double power, double b, double x) noexcept nogil:
    cdef double a = (power - 1.0) / (power + 1.0), c = (1.0 - a * a) * b
    return copysign(a + (c - c * decrease(power, b)), x)


cdef inline double fast_tanh(double x) noexcept nogil:
    cdef double b, power = split_tanh(x, &b)
    return join_tanh(power, b, x)


# Of many values: in two short loops instead of a long one the CPU sees more of them at a time.

cdef void sigmoid_all(double* values, Py_ssize_t length) noexcept nogil:
    cdef double[32] power, b
    cdef Py_ssize_t i
    while length >= 32:
        for i in range(32):
            power[i] = split_sigmoid(values[i], &b[i])
        for i in range(32):
            values[i] = join_sigmoid(power[i], b[i])
        values += 32
        length -= 32
    for i in range(length):
        values[i] = fast_sigmoid(values[i])


cdef void tanh_all(double* values, Py_ssize_t length) noexcept nogil:
    cdef double[32] power, b
    cdef Py_ssize_t i
    while length >= 32:
        for i in range(32):
            power[i] = split_tanh(values[i], &b[i])
        for i in range(32):
            values[i] = join_tanh(power[i], b[i], values[i])
        values += 32
        length -= 32
    for i in range(length):
        values[i] = fast_tanh(values[i])


# ---- sums: in the order of their terms ----
# What runs side by side, in vectors and registers, are different sums.

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


cdef inline Py_ssize_t block_of(Py_ssize_t width) noexcept nogil:
    """How many sums to take at once where `width` are left to be done."""
    cdef Py_ssize_t lanes = sizeof(lanes_t) // sizeof(double)
    return lanes * (8 if width >= 8 * lanes else 4 if width >= 4 * lanes else 2 if width >= 2 * lanes else 1)


cdef inline Py_ssize_t block_before(Py_ssize_t end) noexcept nogil:
    """The same of the block that ends there: the small ones come after those of eight."""
    cdef Py_ssize_t lanes = sizeof(lanes_t) // sizeof(double), rest = end % (8 * lanes)
    return rest & -rest if rest else 8 * lanes


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


cdef struct Work:
    double done         # products since the last look for signals
    double bound        # no parameter is larger: told by is_surely_finite, infinity as soon as Python code may have run


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


cdef int look_for_signals(Work* work, double done) except -1 nogil:
    """Count the products that are done, and every WORK of them look for Ctrl-C."""
    work.done += done
    if work.done > WORK:
        work.done = 0.0
        work.bound = INFINITY       # a handler may write to the parameters
        with gil:
            PyErr_CheckSignals()
    return 0
