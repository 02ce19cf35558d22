"""The twin of _core_functions.pxi: exp, tanh and sigmoid, and the sums of an RNN."""

from __future__ import annotations

from math import copysign, ldexp

Vector = list[float]
Matrix = list[Vector]  # its rows

# ---- exp, tanh and sigmoid: plain double arithmetic, so that every core and vector width gives the same bits ----

LOG2_E = 1.4426950408889634  # log2(e)
# ln 2 in two parts, the first of 33 bits: its product with an integer below 2^20 is exact (Cody and Waite 1980).
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it rounds a double to an integer, subtracting it gives that back
EXP_LOW, EXP_HIGH = -746.0, 710.0  # exp is 0.0 below, infinity above
TANH_ONE = 22.0  # tanh is 1.0 above
TANH_LARGE = 0.55  # where 1 - 2 / (exp(2x) + 1) becomes the more exact form


def exp_tail(r: float) -> float:
    """exp(r) - 1 - r for |r| <= ln(2) / 2: Taylor's polynomial to r^13 (the rest: below 5e-18), Estrin's scheme."""
    r2 = r * r
    r4 = r2 * r2
    r8 = r4 * r4
    a = (1.0 / 2.0 + r * (1.0 / 6.0)) + r2 * (1.0 / 24.0 + r * (1.0 / 120.0))
    b = (1.0 / 720.0 + r * (1.0 / 5040.0)) + r2 * (1.0 / 40320.0 + r * (1.0 / 362880.0))
    c = (1.0 / 3628800.0 + r * (1.0 / 39916800.0)) + r2 * (1.0 / 479001600.0 + r * (1.0 / 6227020800.0))
    return r2 * ((a + r4 * b) + r8 * c)


def fast_exp(x: float) -> float:
    """exp(x) = 2^k * exp(r), with k the integer nearest to x / ln 2 and r = x - k * ln 2."""
    if x != x:
        return x
    x = EXP_LOW if x < EXP_LOW else x
    x = EXP_HIGH if x > EXP_HIGH else x
    k = (x * LOG2_E + ROUND) - ROUND
    high = x - k * LN2_HIGH
    low = k * LN2_LOW
    value = 1.0 + (high - (low - exp_tail(high - low)))
    half = (0.5 * k + ROUND) - ROUND  # in two steps, for 2^k alone can be too large or too small for a double
    return value * ldexp(1.0, int(half)) * ldexp(1.0, int(k - half))


def fast_sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), as exp(x) / (1 + exp(x)) below 0, and with the rounding of the denominator put right."""
    e = fast_exp(-abs(x))
    denominator = 1.0 + e
    rest = e - (denominator - 1.0)
    value = (e if x < 0.0 else 1.0) / denominator
    return value - value * rest * (1.0 - value if x < 0.0 else value)


def fast_tanh(x: float) -> float:
    """tanh(x) = m / (m + 2) with m = exp(2x) - 1, exact to the last digits near 0 too; the same put otherwise above."""
    t = abs(x)
    if t != t:
        return x
    t = TANH_ONE if t > TANH_ONE else t
    y = 2.0 * t
    k = (y * LOG2_E + ROUND) - ROUND
    high = y - k * LN2_HIGH
    low = k * LN2_LOW
    scale = ldexp(1.0, int(k))
    m = scale * (high - (low - exp_tail(high - low))) + (scale - 1.0)
    denominator = m + 2.0
    rest = m - (denominator - 2.0)
    value = (m if t < TANH_LARGE else 2.0) / denominator
    return copysign(value - value * rest * (0.5 - 0.5 * value) if t < TANH_LARGE else 1.0 - value, x)


# ---- sums: in the order of their terms ----


def add_products(start: Vector, weights: Matrix, vector: Vector) -> Vector:
    """start[i] + weights[i][0] * vector[0] + weights[i][1] * vector[1] + ..., for every row i."""
    result = []
    for total, row in zip(start, weights, strict=True):
        for weight, value in zip(row, vector, strict=True):
            total += weight * value
        result.append(total)
    return result


def add_transposed_products(start: Vector, weights: Matrix, vector: Vector) -> Vector:
    """start[j] + weights[0][j] * vector[0] + weights[1][j] * vector[1] + ..., for every column j."""
    result = list(start)
    for row, value in zip(weights, vector, strict=True):
        for j, weight in enumerate(row):
            result[j] += weight * value
    return result


def sum_of_products(rows: list[Vector], columns: list[Vector]) -> Matrix:
    """rows[0][i] * columns[0][j] + rows[1][i] * columns[1][j] + ..., for every i and j: a gradient over a window."""
    result = [[r * c for c in columns[0]] for r in rows[0]]
    for row, column in zip(rows[1:], columns[1:], strict=True):
        for total, r in zip(result, row, strict=True):
            for j, c in enumerate(column):
                total[j] += r * c
    return result
