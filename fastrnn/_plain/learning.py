"""Updates, and training and running over sequences. The twin: _compiled/learning.pxi."""

from __future__ import annotations

from math import isfinite, prod

from fastrnn._plain.network import Network, Row
from fastrnn._plain.optimizers import clip_factor, commit, factor_of_loss
from fastrnn._plain.outputs import any_nan
from fastrnn._plain.sums import Vector
from fastrnn._plain.window import add_gradient, forward

# ---- learning ----


def update(net: Network, rows: list[Row], steps: int) -> bool:
    """Learn from a window that is complete. Returns whether all is finite; if it is not, nothing has changed."""
    # Nothing to add to is -0.0: x + -0.0 is x for every x.
    gradient = {name: [[-0.0] * prod(shape[1:]) for _ in range(shape[0])] for name, shape in net.spec.shapes.items()}
    add_gradient(net, rows, steps, factor_of_loss(net), gradient)
    factor = clip_factor(net, gradient)
    return commit(net, rows, steps, net.optimizer.propose(net, factor, gradient))


def train_sequence(
    net: Network, inputs: memoryview[float], targets: memoryview[float], length: int, total: float
) -> tuple[int, float]:
    """Train on a sequence. Returns `length`, or the step that diverged, and `total` with the losses of its steps."""
    input_size, target_size = net.spec.input_size, net.spec.target_size
    state, start = [0.0] * net.spec.state_size, 0
    while start < length:
        steps = min(net.window, length - start) if net.window > 0 else length
        rows = [Row(net.spec, state), *(Row(net.spec) for _ in range(steps))]
        net.read()
        forward(net, rows, steps, [*inputs[start * input_size : (start + steps) * input_size]])
        net.loss.loss(net, rows, steps, [*targets[start * target_size : (start + steps) * target_size]])
        for t in range(steps):
            if not isfinite(rows[t].loss):
                return start + t, total
            total += rows[t].loss
        start += steps
        if not update(net, rows, steps):
            return start - 1, total
        state = rows[steps].state
    return length, total


# ---- running ----


def predict_sequence(
    net: Network,
    inputs: memoryview[float],
    length: int,
    state: Vector,
    predictions: memoryview[float] | None,
    states: memoryview[float] | None,
) -> Vector:
    """Run over a sequence, from `state`, and return the last one."""
    size, outputs, units = net.spec.input_size, net.spec.output_size, net.spec.hidden_size
    for t in range(length):
        rows = [Row(net.spec, state), Row(net.spec)]
        forward(net, rows, 1, [*inputs[t * size : (t + 1) * size]])
        if predictions is not None:
            for i, value in enumerate(net.output.predict(net, rows, 1)[0]):
                predictions[t * outputs + i] = value
        if states is not None:
            for i, value in enumerate(rows[1].h):
                states[t * units + i] = value
        state = rows[1].state
    return state


def feed_back(net: Network, decision: Vector) -> Vector:
    """The input that a decision is: itself, or a class among several inputs as a one among zeros."""
    if net.spec.classes and net.spec.input_size > 1:
        return [1.0 if i == decision[0] else 0.0 for i in range(net.spec.input_size)]
    return decision


def generate_steps(net: Network, x: Vector, count: int, state: Vector, decisions: memoryview[float]) -> Vector | None:
    """One step for the next input, then count - 1 more, each for the decision before it. Returns the last state; None
    where a prediction is not a number, with which it stops."""
    for t in range(count):
        rows = [Row(net.spec, state), Row(net.spec)]
        forward(net, rows, 1, x)
        (predictions,) = net.output.predict(net, rows, 1)
        if any_nan(predictions):
            return None
        decision = net.output.decide(predictions)
        for i, value in enumerate(decision):
            decisions[t * net.spec.target_size + i] = value
        x, state = feed_back(net, decision), rows[1].state
    return state
