"""Running over sequences, and on from them. The twin: _compiled/running.pxi."""

from __future__ import annotations

from fastrnn._plain.network import Network, Row
from fastrnn._plain.outputs import any_nan
from fastrnn._plain.sums import Vector
from fastrnn._plain.window import forward, predictions_of, read_out

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
    each = net.spec.return_sequences
    for t in range(length):
        rows = [Row(net.spec, state), Row(net.spec)]
        forward(net, rows, 1, [*inputs[t * size : (t + 1) * size]])
        if predictions is not None and (each or t + 1 == length):
            read_out(net, rows, 1)
            for i, value in enumerate(predictions_of(net, rows, 1)[0]):
                predictions[(t if each else 0) * outputs + i] = value
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
        read_out(net, rows, 1)
        (predictions,) = predictions_of(net, rows, 1)
        if any_nan(predictions):
            return None
        decision = net.output.decide(predictions)
        for i, value in enumerate(decision):
            decisions[t * net.spec.target_size + i] = value
        x, state = feed_back(net, decision), rows[1].state
    return state
