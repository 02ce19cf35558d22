"""exp, tanh, sigmoid and log. The twin: _compiled/functions.pxi."""

from __future__ import annotations

from math import copysign, frexp, inf, ldexp, nan

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

LOG2_E = 1.4426950408889634  # log2(e)
# ln(2) / 2 in two parts, the first of 32 bits: its product with an integer below 2^20 is exact (Cody and Waite 1980).
HALF_LN2_HIGH, HALF_LN2_LOW = 3.46573590184561908245e-01, 9.54107464635293850010e-11
ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it rounds a double to an integer, subtracting it gives that back
EXP_LOW, EXP_HIGH = -746.0, 710.0  # exp is 0.0 below, infinity above
SIGMOID_ONE = 40.0  # sigmoid is 1.0 above
TANH_ONE = 22.0  # tanh is 1.0 above
TOP_ROOT_1, TOP_ROOT_2 = 9.8753882025018927, 50.124611797498107  # 30 - sqrt(405) and 30 + sqrt(405)
REST_ROOT_1, REST_ROOT_2 = 20.572670817890358, 168.42732918210965  # 94.5 - sqrt(5465.25) and 94.5 + sqrt(5465.25)


def power_of_two(rounded: float) -> float:
    """2^k from k + ROUND, with k an integer."""
    return ldexp(1.0, int(rounded - ROUND))


def split(half: float) -> tuple[float, float]:
    """`half` as k ln(2) / 2 + b, with the integer k for which b is smallest; returns k + ROUND and b."""
    rounded = half * (2.0 * LOG2_E) + ROUND
    k = rounded - ROUND
    return rounded, (half - k * HALF_LN2_HIGH) - k * HALF_LN2_LOW


def decrease(power: float, b: float) -> float:
    """1 - increase / b, with power = 2^k: a small number, so that taking b times it from b loses no digits.

    It is (rest + a b top) / (rest + (1 + a b) top); numerator and denominator are multiplied by 2^k + 1.
    """
    z = b * b
    below, above = (power - 1.0) * b, power + 1.0
    top = (z + TOP_ROOT_1) * (z + TOP_ROOT_2)
    above_rest = ((above * (1.0 / 21.0)) * z) * ((z + REST_ROOT_1) * (z + REST_ROOT_2))
    return (above_rest + below * top) / (above_rest + (below + above) * top)


def fast_exp(x: float) -> float:
    if x != x:
        return x
    x = EXP_LOW if x < EXP_LOW else x
    x = EXP_HIGH if x > EXP_HIGH else x
    rounded, b = split(0.5 * x)
    half = 0.5 * (rounded - ROUND) + ROUND  # 2^k in two steps: it can be too large or too small for a double
    c = 2.0 * b
    return (1.0 + (c - c * decrease(0.0, b))) * power_of_two(half) * power_of_two(rounded - half + ROUND)


def split_sigmoid(x: float) -> tuple[float, float]:
    """The 2^k and b of which join_sigmoid makes the sigmoid."""
    x = EXP_LOW if x < EXP_LOW else x
    x = SIGMOID_ONE if x > SIGMOID_ONE else x
    rounded, b = split(0.5 * x)
    half = 0.5 * (rounded - ROUND) + ROUND
    return power_of_two(half) * power_of_two(rounded - half + ROUND), b


def join_sigmoid(power: float, b: float) -> float:
    s = power / (power + 1.0)
    c = (s * (1.0 - s)) * (2.0 * b)
    return s + (c - c * decrease(power, b))


def fast_sigmoid(x: float) -> float:
    return x if x != x else join_sigmoid(*split_sigmoid(x))


def split_tanh(x: float) -> tuple[float, float]:
    """The 2^k and b of which join_tanh makes tanh |x|."""
    t = abs(x)
    t = TANH_ONE if t > TANH_ONE else t
    rounded, b = split(t)
    return power_of_two(rounded), b


def join_tanh(power: float, b: float, x: float) -> float:
    a = (power - 1.0) / (power + 1.0)
    c = (1.0 - a * a) * b
    return copysign(a + (c - c * decrease(power, b)), x)


def fast_tanh(x: float) -> float:
    return x if x != x else join_tanh(*split_tanh(x), x)


def sigmoid_all(values: list[float]) -> list[float]:
    return [fast_sigmoid(x) for x in values]


def tanh_all(values: list[float]) -> list[float]:
    return [fast_tanh(x) for x in values]


# ---- log and log1p, in the same arithmetic ----
# log splits its argument into 2^k m, with m from sqrt(1/2) to sqrt(2). With f = m - 1, s = f / (2 + f) and z = s^2
#   log(2^k m) = k ln(2) + 2 artanh(s), artanh(s) = s + s^3 / 3 + s^5 / 5 + ... (Gregory 1668)
# where 2s = f - s f, and s f = f^2 / 2 - s f^2 / 2. So k ln(2) and f come first, as good as exact, and what is rounded
# is small (fdlibm, Sun 1993, arranges it so):
#   2 artanh(s) = f - (f^2 / 2 - (s f^2 / 2 + s^3 series(z))), series(z) = 2/3 + 2/5 z + 2/7 z^2 + ...
# The series is taken as the polynomial of seven terms nearest to it (Remez 1934), off by 1.3e-18 of log at most.
# log1p is log of y = 1 + x and of what is lost where that is rounded (Knuth 1969): log(y + lost) = log(y) + lost / y.

SQRT_HALF = 0.70710678118654757  # sqrt(1/2)
SERIES_1, SERIES_2, SERIES_3 = 0.66666666666667340, 0.39999999999416640, 0.28571428742028051
SERIES_4, SERIES_5, SERIES_6 = 0.22222198605086507, 0.18183562848505259, 0.15314084944121809
SERIES_7 = 0.14795631989512834
LOG_LOW = 1e-300  # what is below, log makes larger,
LOG_SCALE, LOG_OF_SCALE = 18014398509481984.0, 37.429947750237047  # by 2^54, whose log is the second


def split_log(x: float) -> tuple[float, float]:
    """x as 2^k m, with the integer k for which m is from sqrt(1/2) to sqrt(2); returns k and m. x: above 0."""
    m, k = frexp(x)
    return (float(k), m) if m >= SQRT_HALF else (k - 1.0, 2.0 * m)


def log_plus(x: float, more: float) -> float:
    """log(x) + more."""
    if not 0.0 < x < inf:
        return -inf if x == 0.0 else nan if x < 0.0 else x
    k, m = split_log(x)
    f = m - 1.0
    s = f / (m + 1.0)
    z = s * s
    w, s3 = z * z, s * z
    s7 = s3 * w
    half_square, whole = 0.5 * f * f, k * (2.0 * HALF_LN2_HIGH)
    result = whole + f
    more = ((whole - result) + f) + (k * (2.0 * HALF_LN2_LOW) + more)
    return result - (
        half_square
        - (
            ((s * half_square + more) + s3 * (SERIES_1 + z * SERIES_2))
            + s7 * ((SERIES_3 + z * SERIES_4) + w * ((SERIES_5 + z * SERIES_6) + w * SERIES_7))
        )
    )


def fast_log(x: float) -> float:
    return log_plus(x * LOG_SCALE if x < LOG_LOW else x, -LOG_OF_SCALE if x < LOG_LOW else 0.0)


def fast_log1p(x: float) -> float:
    y = 1.0 + x
    part = y - 1.0
    lost = (1.0 - (y - part)) + (x - part)
    return copysign(log_plus(y, lost / y if y != 0.0 else 0.0), x)
