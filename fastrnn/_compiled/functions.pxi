# Part of _core.pyx. The twin: _plain/functions.py.


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
