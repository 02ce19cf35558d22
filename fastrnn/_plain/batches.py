"""A window of the sequences of a batch, and the update from it. The twin: _compiled/batches.pxi."""

from __future__ import annotations

from fastrnn._plain.data import loss_weight
from fastrnn._plain.measuring import Course, add_losses, run_on, weigh
from fastrnn._plain.network import Network, Row
from fastrnn._plain.optimizers import add_penalty, clip_factor, commit
from fastrnn._plain.sums import Vector
from fastrnn._plain.window import Gradient, add_gradient, forward

# ---- a window of a batch ----


def update(net: Network, state: Vector, gradient: Gradient) -> bool:
    """Learn from a gradient that is complete. Returns whether all is finite; if it is not, nothing has changed."""
    add_penalty(net, gradient)
    factor = clip_factor(net, gradient)
    return commit(net, state, net.optimizer.propose(net, factor, gradient))


def window_of(net: Network, length: int, start: int) -> tuple[int, int]:
    """The steps of a sequence that an update covers: from `start` on or, with one target a sequence, up to the last."""
    if not net.spec.return_sequences:
        return max(0, length - net.window) if net.window > 0 else 0, length
    return min(start, length), min(start + net.window, length) if net.window > 0 else length


def has_part(of: Course, i: int) -> bool:
    """Whether anything depends on a sequence: on one without a weight, the state after training alone."""
    shared = of.shared and of.validation is not None and of.validation.counts[i]
    return of.data.counts[i] or shared or i == of.last


def window_weight(net: Network, of: Course, batch: list[int], start: int) -> float:
    """The weights of a window, of all sequences."""
    total = 0.0
    for i in batch:
        first, stop = window_of(net, of.data.lengths[i], start)
        for t in range(first, stop):
            total += loss_weight(net, of.data, i, t)
    return total


def run_up(net: Network, of: Course, i: int, stop: int) -> Vector:
    """The state at the step where the window of a sequence begins."""
    size, state = net.spec.input_size, [0.0] * net.spec.state_size
    for t in range(stop):
        rows, first = [Row(net.spec, state), Row(net.spec)], of.data.starts[i] + t
        forward(net, rows, 1, [*of.data.inputs[first * size : (first + 1) * size]])
        state = rows[1].state
    return state


def run_window(net: Network, of: Course, rows: list[Row], i: int, start: int) -> int:
    """Run over a window of a sequence, and add up its losses. Returns the step behind it, or the one that diverged."""
    steps = len(rows) - 1
    run_on(net, rows, steps, of.data, i, start)
    if of.shared and of.validation is not None:
        weigh(net, rows, steps, of.validation, i, start)
        add_losses(rows, steps, of.validation_total)
    weigh(net, rows, steps, of.data, i, start)
    return start + add_losses(rows, steps, of.total)


def add_window(
    net: Network, of: Course, batch: list[int], states: list[Vector], start: int, scale: float, gradient: Gradient
) -> bool:
    """Run over a window of every sequence, and add `scale` times its gradient. Returns whether all losses are finite.

    states: of the sequences, before the window and then after it.
    """
    for k, i in enumerate(batch):
        first, stop = window_of(net, of.data.lengths[i], start)
        if first < stop and has_part(of, i):
            if first > start:
                states[k] = run_up(net, of, i, first)
            rows = [Row(net.spec, states[k]), *(Row(net.spec) for _ in range(stop - first))]
            done = run_window(net, of, rows, i, first)
            if done < stop:
                of.at = i, done
                return False
            add_gradient(net, rows, stop - first, scale, gradient)
            states[k] = rows[-1].state
    return True


def first_part(net: Network, of: Course, batch: list[int], start: int) -> tuple[int, int]:
    """The first sequence that has a part in a window, and its last step there."""
    for i in batch:
        first, stop = window_of(net, of.data.lengths[i], start)
        if first < stop and has_part(of, i):
            break
    return i, stop - 1
