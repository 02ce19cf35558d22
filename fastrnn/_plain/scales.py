"""What is far from 0 and 1, and how it is scaled. The twin: _compiled/scales.pxi."""

from __future__ import annotations

from math import nan, sqrt

from fastrnn._plain.data import Data, step_weight
from fastrnn._plain.network import Network
from fastrnn._plain.sums import Vector

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Iterator as _Iterator

# ---- scale ----


def scale_numbers(values: Vector, mean: Vector | None, scale: Vector | None) -> Vector:
    """Rows in the units of the data as the network takes them."""
    if mean is None or scale is None:
        return values
    return [(value - mean[i % len(mean)]) / scale[i % len(mean)] for i, value in enumerate(values)]


def unscale_numbers(values: Vector, mean: Vector | None, scale: Vector | None) -> Vector:
    """And back."""
    if mean is None or scale is None:
        return values
    return [value * scale[i] + mean[i] for i, value in enumerate(values)]


# ---- its moments ----


def moments(net: Network, data: Data, of_targets: bool) -> tuple[Vector, Vector]:
    """The mean of each column and its standard deviation, the root of the mean square of the rest: exactly 0.0 where
    all numbers are the same. Rows without weight do not count."""
    values, size = (data.targets, net.spec.target_size) if of_targets else (data.inputs, net.spec.input_size)
    of_steps = net.spec.return_sequences or not of_targets

    def column(i: int) -> _Iterator[float]:
        for k, length in enumerate(data.lengths):
            for t in range(length if of_steps else 1):
                if data.counts[k] and (not of_steps or step_weight(data, k, t) > 0.0):
                    yield values[(data.starts[k] + t if of_steps else k) * size + i]

    means, deviations = [], []
    for i in range(size):
        first, rows, total, square, varies = nan, 0, 0.0, 0.0, False
        for value in column(i):
            first = first if rows else value
            rows += 1
            total += value
            varies = varies or value != first
        mean = total / rows if varies else first
        for value in column(i):
            square += (value - mean) * (value - mean)
        means.append(mean)
        deviations.append(sqrt(square / rows))
    return means, deviations


# ---- columns far from 0 and 1 ----


def find_unscaled(net: Network, data: Data) -> tuple[int, float, float] | None:
    """The first column of the inputs whose mean is more than 10 deviations, or whose deviation is above 30, with its
    moments; or None. Constant columns are left alone."""
    for i, (mean, deviation) in enumerate(zip(*moments(net, data, False), strict=True)):
        if deviation > 0.0 and (abs(mean) > 10.0 * deviation or deviation > 30.0):
            return i, mean, deviation
    return None
