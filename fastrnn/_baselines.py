"""What a network is measured against: simple ways to predict the next value, and whether it beats them by chance."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import chain
from math import fsum, sqrt
from operator import mul

ORDERS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32)  # of the autoregression: rows that it looks back. 0 is the mean
MOST = 200  # of its coefficients

# ---- linear autoregression ----


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(map(mul, a, b), 0.0)


def autoregression(columns: list[array[float]], season: int | None, cut: int, known: int) -> tuple[list[float], int]:
    """The value after each row from known - 1 on, by least squares on the rows before; and how many rows it looks back.

    That order is the best on cut .. known, of those fitted before `cut`; then all before `known` is fitted.
    """
    width = len(columns)
    orders = {*ORDERS, season or 0, (season or 0) + 1}
    orders = {order for order in orders if order * width <= MOST and order * (width + 2) <= cut // 2}
    moments = [moments_of(column[:known]) for column in columns]
    scaled = [array("d", ((v - mean) / by for v in c)) for c, (mean, by) in zip(columns, moments, strict=True)]
    rows = array("d", chain.from_iterable(zip(*scaled, strict=True)))

    def predict(weights: list[float], order: int, start: int, stop: int) -> list[float]:
        oldest_first = [weights[1 + i * width + k] for i in reversed(range(order)) for k in range(width)]
        spans = (rows[(t - order) * width : t * width] for t in range(start, stop))
        return [weights[0] + dot(oldest_first, span) for span in spans]

    def loss(order: int) -> float:
        return sum((p - v) * (p - v) for p, v in zip(predict(tried[order], order, cut, known), actual, strict=True))

    actual = scaled[0][cut:known]
    tried = least_squares(scaled, orders, cut)
    best = min(sorted(orders), key=loss)
    weights = least_squares(scaled, {best}, known)[best]
    mean, by = moments[0]
    return [mean + by * p for p in predict(weights, best, known, len(rows) // width)], best


def moments_of(values: array[float]) -> tuple[float, float]:
    """Mean and standard deviation, 1.0 of a constant."""
    mean = fsum(values) / len(values)
    return mean, sqrt(fsum((v - mean) * (v - mean) for v in values) / len(values)) or 1.0


def least_squares(columns: list[array[float]], orders: set[int], stop: int) -> dict[int, list[float]]:
    """For each order the weights of 1 and of the rows before, newest first, that predict columns[0] up to `stop`.

    By normal equations, whose leading part is that of a lower order: so one Cholesky decomposition serves all. From lag
    to lag a sum of products differs by its ends alone.
    """
    longest, width = max(orders), len(columns)
    count = stop - longest
    places = [(lag, k) for lag in range(longest + 1) for k in range(width)]
    sums, products = {}, {}
    for k, column in enumerate(columns):
        for lag in range(longest + 1):
            sums[lag, k] = sum(column[longest - lag : stop - lag])
    for k, a in enumerate(columns):
        for m, b in enumerate(columns):
            for apart in range(longest + 1):
                total = dot(a[longest:stop], b[longest - apart : stop - apart])
                for lag in range(longest + 1 - apart):
                    products[lag, k, lag + apart, m] = products[lag + apart, m, lag, k] = total
                    if lag + apart < longest:
                        total += a[longest - 1 - lag] * b[longest - 1 - lag - apart]
                        total -= a[stop - 1 - lag] * b[stop - 1 - lag - apart]
    lagged = places[width:]
    matrix = [[float(count)]]
    for i, place in enumerate(lagged):
        matrix.append([sums[place], *(products[(*place, *other)] for other in lagged[: i + 1])])
    right = [sums[0, 0], *(products[(*place, 0, 0)] for place in lagged)]
    lower: list[list[float]] = []
    solved: list[float] = []
    for row, value in zip(matrix, right, strict=True):
        done: list[float] = []
        for i, other in enumerate(lower):
            done.append((row[i] - dot(done, other)) / other[i] if other[i] else 0.0)
        pivot = row[-1] - dot(done, done)
        done.append(sqrt(pivot) if pivot > 1e-10 * row[-1] else 0.0)  # 0: the others tell as much, it gets no weight
        solved.append((value - dot(done, solved)) / done[-1] if done[-1] else 0.0)
        lower.append(done)
    result = {}
    for order in orders:
        size = 1 + order * width
        weights = [0.0] * size
        for i in reversed(range(size)):
            rest = solved[i] - sum(lower[k][i] * weights[k] for k in range(i + 1, size))
            weights[i] = rest / lower[i][i] if lower[i][i] else 0.0
        result[order] = weights
    return result


# ---- comparisons ----


def root_mean_square(errors: list[float]) -> float:
    return sqrt(sum(error * error for error in errors) / len(errors))


def gain(network: list[float], baseline: list[float], name: str) -> str:
    """One sentence on the errors of the network beside those of the best baseline."""
    ours, theirs = root_mean_square(network), root_mean_square(baseline)
    ratio = ours / theirs if theirs else 1.0
    percent = abs(100.0 * (1.0 - ratio))
    said = f"{percent:.0f} %" if percent >= 9.95 else f"{percent:.1f} %"
    if ratio >= 1.0:
        more = f": its RMSE is {said} larger" if percent >= 0.05 else ""
        return f"The network is no better than {name}{more}."
    # Diebold and Mariano (1995): by chance alone, about one mean in 20 is further than two standard errors from 0.
    differences = [b * b - n * n for n, b in zip(network, baseline, strict=True)]
    mean = sum(differences) / len(differences)
    variance = sum((d - mean) * (d - mean) for d in differences) / max(len(differences) - 1, 1)
    chance = ", which chance alone may explain" if len(differences) * mean * mean <= 4.0 * variance else ""
    return f"The network is {said} better than {name} (RMSE){chance}."


def comparison(ahead: int, apart: int, name: str) -> str:
    """Likewise of 0 and 1, where the two predicted different values `apart` times."""
    if ahead == 0:
        return f"The network does as well as {name}, and no better."
    # McNemar (1947): by chance alone, about one lead in 20 is longer than twice the root of `apart`.
    chance = ", which chance alone may explain" if ahead**2 < 4 * apart else ""
    more = "more" if ahead > 0 else "fewer"
    return f"The network has {abs(ahead)} {more} right than {name}{chance}."
