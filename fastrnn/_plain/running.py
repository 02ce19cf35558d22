"""Running over sequences, and on from them. The twin: _compiled/running.pxi."""

from __future__ import annotations

from fastrnn._checks import doubles
from fastrnn._plain.network import Network, Row
from fastrnn._plain.outputs import any_nan
from fastrnn._plain.sums import Vector
from fastrnn._plain.window import forward, predictions_of, read_out

# ---- running ----


def predict_sequences(
    net: Network,
    inputs: memoryview[float],
    lengths: list[int],
    state: memoryview[float] | None,
    predictions: memoryview[float] | None,
    states: memoryview[float] | None,
) -> None:
    """Run over sequences, one after the other: each from `state`, which takes the last one, or from a fresh one."""
    size, outputs, units = net.spec.input_size, net.spec.output_size, net.spec.hidden_size
    each, start = net.spec.return_sequences, 0
    for i, length in enumerate(lengths):
        h = [0.0] * net.spec.state_size if state is None else [*state]
        for t in range(start, start + length):
            rows = [Row(net.spec, h), Row(net.spec)]
            forward(net, rows, 1, [*inputs[t * size : (t + 1) * size]])
            if predictions is not None and (each or t + 1 == start + length):
                read_out(net, rows, 1)
                place = (t if each else i) * outputs
                for k, value in enumerate(predictions_of(net, rows, 1)[0]):
                    predictions[place + k] = value
            if states is not None:
                for k, value in enumerate(rows[1].h):
                    states[t * units + k] = value
            h = rows[1].state
        start += length
        if state is not None:
            state[:] = doubles(h)


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
