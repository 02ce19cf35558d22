"""The error of fastrnn's own exp, sigmoid, tanh and logs against mpmath: `python bench/accuracy.py` takes some minutes.

An ulp is the distance between the doubles on both sides of the true value. Every core gives the bits of the twin, which
is what is measured here: tests/test_rnn_numbers.py and tests/test_rnn_identity.py hold them to it.
"""

import math
import sys

import mpmath
import numpy

from fastrnn._plain import functions

mpmath.mp.prec = 120
LN_2 = math.log(2.0)
draw = numpy.random.default_rng(0)


def spread(low, high, points):
    """Points between, and as many near both ends."""
    ends = (high - low) * 10.0 ** draw.uniform(-15, -2, points // 2)
    return numpy.concatenate([draw.uniform(low, high, points), low + ends[::2], high - ends[1::2]])


def tiny(points):
    """Of all magnitudes down to the least double, of both signs."""
    return 10.0 ** draw.uniform(-323, 0, points) * draw.choice([-1.0, 1.0], points)


def sizes(points):
    """Of all magnitudes that a double can have."""
    return 2.0 ** draw.uniform(-1074, 1024, points)


def near(points):
    return draw.choice([-1.0, 1.0], points) * 10.0 ** draw.uniform(-15, -1, points)


def joins(low, high, points):
    """Near the odd multiples of ln(2) / 4, where one power of two follows another: there the errors are the largest."""
    k = draw.integers(math.ceil(low / LN_2 * 2), math.floor(high / LN_2 * 2), points)
    x = (k + 0.5 + near(points)) * LN_2 / 2
    return x[(x > low) & (x < high)]


def joins_of_log(points):
    """Near sqrt(2) times small powers of two."""
    return math.sqrt(2.0) * 2.0 ** draw.integers(-3, 3, points) * (1.0 + near(points))


RANGES = {
    "exp": [(-745.2, 709.78), (-708.4, 709.78), (-1.0, 1.0), (-0.001, 0.001)],
    "sigmoid": [(-745.2, 40.0), (-10.0, 10.0), (-1.0, 1.0)],
    "tanh": [(-22.5, 22.5), (-2.0, 2.0), (0.17, 0.6), (3.0, 4.0)],
    "log": [(0.0, 20.0), (0.35, 2.9), (0.7, 1.42), (0.999, 1.001)],
    "log1p": [(-1.0, 20.0), (0.0, 1.0), (-0.3, 0.42), (-0.001, 0.001)],
}
SIZES = {"log": sizes, "log1p": lambda points: numpy.concatenate([tiny(points // 2), sizes(points - points // 2)])}
JOINS = {"log": joins_of_log, "log1p": lambda points: joins_of_log(points) - 1.0}
TRUE = {
    "exp": mpmath.exp,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "tanh": mpmath.tanh,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
}


def errors(name, points):
    """The error at each point, in ulp."""
    computed = getattr(functions, f"fast_{name}")
    for x in points.tolist():
        true = TRUE[name](mpmath.mpf(x))
        yield abs(float((computed(x) - true) / math.ulp(float(true)))), x


def main(points):
    print(f"{'function':10}{'range':>22}{'points':>12}{'largest error':>16}   at")
    for name, ranges in RANGES.items():
        sets = {f"{low} to {high}": spread(low, high, points // len(ranges)) for low, high in ranges}
        sets["of all sizes"] = SIZES.get(name, tiny)(points // 4)
        sets["where k changes"] = JOINS[name](points // 4) if name in JOINS else joins(*ranges[0], points // 4)
        for label, x in sets.items():
            worst, at = max(errors(name, x))
            print(f"{name:10}{label:>22}{len(x):12,}{worst:12.3f} ulp   {at!r}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1_000_000)
