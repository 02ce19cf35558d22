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
    /* Weak, so that the compiler does not know the bounds: else it computes beforehand what they come to, and selects
       among results, which takes longer than a minimum and a maximum of arguments. */
    #ifdef __GNUC__
    __attribute__((weak, visibility("hidden")))
    #endif
    extern const double fastrnn_bounds[4];
    const double fastrnn_bounds[4] = {EXP_LOW, EXP_HIGH, SIGMOID_ONE, TANH_ONE};
    """
    const double LOG2_E, HALF_LN2_HIGH, HALF_LN2_LOW, ROUND
    const double EXP_LOW "fastrnn_bounds[0]", EXP_HIGH "fastrnn_bounds[1]"
    const double SIGMOID_ONE "fastrnn_bounds[2]", TANH_ONE "fastrnn_bounds[3]"
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


# ---- log and log1p, in the same arithmetic ----
# log splits its argument into 2^k m, with m from sqrt(1/2) to sqrt(2). With f = m - 1, s = f / (2 + f) and z = s^2
#   log(2^k m) = k ln(2) + 2 artanh(s), artanh(s) = s + s^3 / 3 + s^5 / 5 + ... (Gregory 1668)
# where 2s = f - s f, and s f = f^2 / 2 - s f^2 / 2. So k ln(2) and f come first, as good as exact, and what is rounded
# is small (fdlibm, Sun 1993, arranges it so):
#   2 artanh(s) = f - (f^2 / 2 - (s f^2 / 2 + s^3 series(z))), series(z) = 2/3 + 2/5 z + 2/7 z^2 + ...
# The series is taken as the polynomial of seven terms nearest to it (Remez 1934), off by 1.3e-18 of log at most.
# log1p is log of y = 1 + x and of what is lost where that is rounded (Knuth 1969): log(y + lost) = log(y) + lost / y.

cdef extern from *:
    """
    #define SQRT_HALF 0.70710678118654757       /* sqrt(1/2) */
    #define SERIES_1 0.66666666666667340
    #define SERIES_2 0.39999999999416640
    #define SERIES_3 0.28571428742028051
    #define SERIES_4 0.22222198605086507
    #define SERIES_5 0.18183562848505259
    #define SERIES_6 0.15314084944121809
    #define SERIES_7 0.14795631989512834
    #define LOG_LOW 1e-300                      /* what is below, log makes larger, */
    #define LOG_SCALE 18014398509481984.0       /* by 2^54, */
    #define LOG_OF_SCALE 37.429947750237047     /* whose log is this */
    """
    const double SQRT_HALF, SERIES_1, SERIES_2, SERIES_3, SERIES_4, SERIES_5, SERIES_6, SERIES_7
    const double LOG_LOW, LOG_SCALE, LOG_OF_SCALE


cdef inline double split_log(double x, double* m) noexcept nogil:
    """x as 2^k m, with the integer k for which m is from sqrt(1/2) to sqrt(2); returns k. x: normal and above 0."""
    cdef Bits value, least, rounded
    cdef uint64_t power
    value.number, least.number, rounded.number = x, SQRT_HALF, ROUND - 1024.0
    power = (value.bits - least.bits + (<uint64_t> 1024 << 52)) >> 52       # k + 1024
    rounded.bits += power
    value.bits -= (power - 1024) << 52
    m[0] = value.number
    return rounded.number - ROUND


cdef inline double log_plus(double x, double more) noexcept nogil:
    """log(x) + more, of an x that is not subnormal."""
    cdef double m, k = split_log(x, &m), f = m - 1.0, s = f / (m + 1.0), z = s * s, w = z * z, s3 = s * z, s7 = s3 * w
    cdef double half_square = 0.5 * f * f, whole = k * (2.0 * HALF_LN2_HIGH), result = whole + f
    more = ((whole - result) + f) + (k * (2.0 * HALF_LN2_LOW) + more)
    result -= half_square - (((s * half_square + more) + s3 * (SERIES_1 + z * SERIES_2))
                             + s7 * ((SERIES_3 + z * SERIES_4) + w * ((SERIES_5 + z * SERIES_6) + w * SERIES_7)))
    result = result if x > 0.0 else -INFINITY
    result = result if x >= 0.0 else NAN
    return result if x < INFINITY else x


cdef inline double fast_log(double x) noexcept nogil:
    return log_plus(x * LOG_SCALE if x < LOG_LOW else x, -LOG_OF_SCALE if x < LOG_LOW else 0.0)


cdef inline double fast_log1p(double x) noexcept nogil:
    cdef double y = 1.0 + x, part = y - 1.0, lost = (1.0 - (y - part)) + (x - part)
    return copysign(log_plus(y, lost / y), x)
