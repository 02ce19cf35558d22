"""Outputs and losses, one step. The twin: _compiled/outputs.pxi."""

from __future__ import annotations

from math import log, log1p, nan

from fastrnn._plain.functions import fast_exp, fast_sigmoid
from fastrnn._plain.sums import Vector

# ---- outputs and losses, one step ----
# (sums of the output layer, targets) -> (loss, gradient by the sums)


def half_squared_error(output: str, sums: Vector, targets: Vector) -> tuple[float, Vector]:
    """Half the sum of the squared errors, of linear outputs or of sigmoids."""
    loss = 0.0
    gradient = []
    for value, target in zip(activate_output(output, sums), targets, strict=True):
        error = value - target
        loss += error * error
        gradient.append(error * (value * (1.0 - value)) if output == "sigmoid" else error)
    return 0.5 * loss, gradient


def binary_cross_entropy(output: str, sums: Vector, targets: Vector) -> tuple[float, Vector]:
    """-y log p - (1 - y) log(1 - p) as max(a, 0) - a y + log(1 + exp(-|a|)): no digits lost, no overflow."""
    loss = 0.0
    gradient = []
    for a, p, target in zip(sums, activate_output(output, sums), targets, strict=True):
        loss += ((a if a > 0.0 else 0.0) - a * target) + log1p(fast_exp(-abs(a)))
        gradient.append(p - target)
    return loss, gradient


def cross_entropy(_output: str, sums: Vector, targets: Vector) -> tuple[float, Vector]:
    """-log p[class], as log(sum of exp(a - max a)) - (a[class] - max a); NaN for a class that there is not."""
    label = int(targets[0]) if 0.0 <= targets[0] < len(sums) else -1
    largest = max_of(sums)
    if label < 0:
        return nan, []
    exps = [fast_exp(a - largest) for a in sums]
    total = 0.0
    for e in exps:
        total += e
    gradient = [e / total for e in exps]
    gradient[label] -= 1.0
    return log(total) - (sums[label] - largest), gradient


def activate_output(output: str, sums: Vector) -> Vector:
    """The predictions: the sums themselves, their sigmoids, or their softmax."""
    if output == "linear":
        return list(sums)
    if output == "sigmoid":
        return [fast_sigmoid(a) for a in sums]
    largest = max_of(sums)
    exps = [fast_exp(a - largest) for a in sums]
    total = 0.0
    for e in exps:
        total += e
    return [e / total for e in exps]


def decide(output: str, predictions: Vector) -> Vector:
    """What RNN.predict() makes of predictions: the values as they are, 1.0 or 0.0 each, or the likeliest class."""
    if output == "softmax":
        return [float(likeliest(predictions))]
    return [1.0 if p > 0.5 else 0.0 for p in predictions] if output == "sigmoid" else predictions


def likeliest(probabilities: Vector) -> int:
    """The class of the largest probability, the first of equal ones."""
    label = 0
    for i, probability in enumerate(probabilities):
        label = i if probability > probabilities[label] else label
    return label


def max_of(values: Vector) -> float:
    """The largest; written out, for max() orders NaN otherwise."""
    largest = values[0]
    for value in values[1:]:
        largest = value if value > largest else largest
    return largest


LOSSES = {
    "half_squared_error": half_squared_error,
    "binary_cross_entropy": binary_cross_entropy,
    "cross_entropy": cross_entropy,
}
