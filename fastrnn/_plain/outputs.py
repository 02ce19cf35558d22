"""Outputs and losses, a pass over steps whose sums are on the tape. The twin: _compiled/outputs.pxi."""

from __future__ import annotations

from math import nan
from types import SimpleNamespace as Kind

from fastrnn._plain.functions import fast_exp, fast_log, fast_log1p, fast_sigmoid
from fastrnn._plain.network import Network, Row
from fastrnn._plain.sums import Matrix, Vector

# ---- outputs: from the sums, predictions ----


def max_of(values: Vector) -> float:
    """The largest; written out, for max() orders NaN otherwise."""
    largest = values[0]
    for value in values[1:]:
        largest = value if value > largest else largest
    return largest


def softmax(sums: Vector) -> tuple[Vector, float]:
    """exp(a - max a) / total: no overflow. Returns the total of the exponentials too."""
    largest, total = max_of(sums), 0.0
    result = [fast_exp(a - largest) for a in sums]
    for e in result:
        total += e
    return [e / total for e in result], total


def predict_linear(_net: Network, rows: list[Row], steps: int) -> Matrix:
    """The sums themselves."""
    return [[*rows[t].sums] for t in range(steps)]


def predict_sigmoid(_net: Network, rows: list[Row], steps: int) -> Matrix:
    """The probability of a one, for each output."""
    return [[fast_sigmoid(a) for a in rows[t].sums] for t in range(steps)]


def predict_softmax(_net: Network, rows: list[Row], steps: int) -> Matrix:
    """The probability of each class."""
    return [softmax(rows[t].sums)[0] for t in range(steps)]


def sigmoid_slope(p: float) -> float:
    return p * (1.0 - p)


# ---- decisions: what RNN.predict() makes of predictions ----


def likeliest(probabilities: Vector) -> int:
    """The class of the largest probability, the first of equal ones."""
    label = 0
    for i, probability in enumerate(probabilities):
        label = i if probability > probabilities[label] else label
    return label


def any_nan(predictions: Vector) -> bool:
    """Whether there is one that nothing can be decided by."""
    return any(p != p for p in predictions)


def decide_values(predictions: Vector) -> Vector:
    """They stay as they are."""
    return predictions


def decide_ones(predictions: Vector) -> Vector:
    return [1.0 if p > 0.5 else 0.0 for p in predictions]


def decide_class(predictions: Vector) -> Vector:
    return [float(likeliest(predictions))]


# ---- losses: of every step, and its gradient by the sums ----


def half_squared_error(net: Network, rows: list[Row], steps: int, targets: Vector) -> None:
    """Half the sum of the squared errors."""
    size = net.spec.output_size
    for t, predictions in enumerate(net.output.predict(net, rows, steps)):
        row = rows[t]
        row.gradient = predictions
        loss = 0.0
        for i in range(size):
            value = row.gradient[i]
            error = value - targets[t * size + i]
            loss += error * error
            row.gradient[i] = error * net.output.slope(value) if net.output.slope else error
        row.loss = 0.5 * loss


def log1p_exp(sums: Vector) -> Vector:
    """log(1 + exp(-|a|)) of each sum."""
    return [fast_log1p(fast_exp(-abs(a))) for a in sums]


def binary_cross_entropy(net: Network, rows: list[Row], steps: int, targets: Vector) -> None:
    """-y log p - (1 - y) log(1 - p) as max(a, 0) - a y + log(1 + exp(-|a|)): no digits lost, no overflow."""
    size = net.spec.output_size
    for t, predictions in enumerate(net.output.predict(net, rows, steps)):
        row = rows[t]
        row.gradient = predictions
        logs = log1p_exp(row.sums)
        loss = 0.0
        for i in range(size):
            a = row.sums[i]
            loss += ((a if a > 0.0 else 0.0) - a * targets[t * size + i]) + logs[i]
            row.gradient[i] -= targets[t * size + i]
        row.loss = loss


def cross_entropy(_net: Network, rows: list[Row], steps: int, targets: Vector) -> None:
    """-log p[class], as log(sum of exp(a - max a)) - (a[class] - max a); NaN for a class that there is not."""
    for t in range(steps):
        row = rows[t]
        row.gradient, total = softmax(row.sums)
        if not 0.0 <= targets[t] < len(row.sums):
            row.loss = nan
            continue
        label = int(targets[t])
        row.gradient[label] -= 1.0
        row.loss = fast_log(total) - (row.sums[label] - max_of(row.sums))


# ---- the rows ----

OUTPUTS = {
    "linear": Kind(predict=predict_linear, slope=None, decide=decide_values),
    "sigmoid": Kind(predict=predict_sigmoid, slope=sigmoid_slope, decide=decide_ones),
    "softmax": Kind(predict=predict_softmax, slope=None, decide=decide_class),
}
LOSSES = {
    "binary_cross_entropy": Kind(loss=binary_cross_entropy),
    "half_squared_error": Kind(loss=half_squared_error),
    "cross_entropy": Kind(loss=cross_entropy),
}
