"""Losses, updates, and training. The twin: _compiled/learning.pxi."""

from __future__ import annotations

from math import inf, isfinite

from fastrnn._plain.data import Data, Total, draw_order, loss_weight
from fastrnn._plain.network import Network, Row
from fastrnn._plain.optimizers import add_penalty, clip_factor, commit, factor_of_loss
from fastrnn._plain.sums import Vector
from fastrnn._plain.window import Gradient, add_gradient, forward, losses_of, no_gradient, read_out

# ---- losses ----


def run_on(net: Network, rows: list[Row], steps: int, data: Data, i: int, start: int) -> None:
    """Run over steps of sequence `i`, from step `start` on, as far as their losses; nobody has weighed them yet."""
    size, target_size = net.spec.input_size, net.spec.target_size
    first = data.starts[i] + start
    forward(net, rows, steps, [*data.inputs[first * size : (first + steps) * size]])
    if not net.spec.return_sequences:  # the output layer, at the last step alone
        if start + steps < data.lengths[i]:
            return
        first, rows, steps = i, rows[steps - 1 :], 1
    read_out(net, rows, steps)
    losses_of(net, rows, steps, [*data.targets[first * target_size : (first + steps) * target_size]])


def weigh(net: Network, rows: list[Row], steps: int, data: Data, i: int, start: int) -> None:
    for t in range(steps):
        rows[t].weight = loss_weight(net, data, i, start + t)


def add_losses(rows: list[Row], steps: int, total: Total) -> int:
    """Add the losses that count; returns `steps`, or the first step where such a one is not finite."""
    bad = steps
    for t in range(steps):
        row = rows[t]
        if row.weight != 0.0:
            total.loss += row.weight * row.loss
            total.weight += row.weight
            if bad == steps and not isfinite(row.loss):
                bad = t
    return bad


def evaluate(net: Network, data: Data) -> Total:
    """The losses of all sequences that have a weight, with the parameters as they are."""
    total = Total()
    net.read()
    for i, length in enumerate(data.lengths):
        state = [0.0] * net.spec.state_size
        for t in range(length if data.counts[i] else 0):
            rows = [Row(net.spec, state), Row(net.spec)]
            run_on(net, rows, 1, data, i, t)
            weigh(net, rows, 1, data, i, t)
            add_losses(rows, 1, total)
            state = rows[1].state
    return total


# ---- a call of train() ----


class Course:
    """What it learns from, and how far it is."""

    def __init__(self, net: Network, data: Data, validation: Data | None) -> None:
        self.data, self.validation = data, validation
        self.same = (  # whether both are the same sequences, in the same buffers
            validation is not None
            and data.inputs is validation.inputs
            and data.targets is validation.targets
            and data.lengths == validation.lengths
        )
        self.last = 0  # the sequence that is run last
        self.at = -1, -1  # the sequence and the step where it diverged
        self.total, self.validation_total = Total(), Total()
        self.shared = False  # whether one pass serves training and validation
        self.judged = False  # whether this epoch has its validation loss,
        self.validation_loss = 0.0  # this one
        self.epoch = 0
        self.best, self.best_loss, self.best_epoch = bytes(8 * net.spec.count), inf, -1
        self.since = 0  # epochs since the best


def place_of(epoch: int, sequence: int, sequences: int, step: int) -> str:
    """Where a training diverged."""
    return f" at epoch {epoch}, {f'sequence {sequence}, ' if sequences > 1 else ''}step {step}"


def may_share(net: Network, of: Course) -> bool:
    """Whether the pass for an epoch's only update shows the validation loss too, summed in the same order."""
    if not of.same or net.spec.shuffle or (net.window > 0 and net.spec.return_sequences):
        return False
    return not 0 < net.batch_size < len(of.data.lengths)


def judge(net: Network, of: Course, loss: float) -> bool:
    """Take an epoch's validation loss, and keep a copy of the best parameters. Returns whether training goes on."""
    of.judged, of.validation_loss = True, loss
    if net.patience < 0:
        return True
    if loss < of.best_loss - net.min_delta:
        of.best, of.best_loss, of.best_epoch = bytes(net.bytes[: 8 * net.spec.count]), loss, of.epoch
        of.since = 0
    else:
        of.since += 1
    return of.since <= net.patience


def put_back_best(net: Network, of: Course) -> None:
    """The moments stay."""
    if of.best_epoch >= 0:
        net.bytes[: 8 * net.spec.count] = of.best


# ---- learning ----


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


def train_batch(net: Network, of: Course, batch: list[int]) -> bool:
    """Train on sequences that run side by side, with an update from all of them after every window. Returns whether
    training goes on."""
    with_part = [k for k, i in enumerate(batch) if of.data.lengths[i] and has_part(of, i)]
    longest = max((of.data.lengths[batch[k]] for k in with_part), default=0)
    states, start = [[0.0] * net.spec.state_size for _ in batch], 0
    while start < longest:
        weight = window_weight(net, of, batch, start)
        scale = factor_of_loss(net) / weight if weight > 0.0 else 0.0
        gradient = no_gradient(net)
        net.read()
        good = add_window(net, of, batch, states, start, scale, gradient)
        if of.shared and of.validation is not None:
            total = of.validation_total if good else evaluate(net, of.validation)
            if not judge(net, of, total.mean):
                of.at = -1, -1
                return False
        if not good:
            return False
        state = states[with_part[-1]]
        if weight == 0.0:
            net.running = state, ()
        elif not update(net, state, gradient):
            of.at = first_part(net, of, batch, start)
            return False
        start = start + net.window if net.window > 0 and net.spec.return_sequences else longest
    return True


def train_epoch(net: Network, of: Course) -> bool:
    """Measure the validation data, then train on all batches. Returns whether training goes on; where a loss or an
    update was not finite, `at` tells where."""
    net.settle()
    of.total, of.validation_total = Total(), Total()
    of.shared = may_share(net, of)
    if of.validation is not None and not of.shared and not judge(net, of, evaluate(net, of.validation).mean):
        return False
    order = draw_order(net, len(of.data.lengths))
    of.last = [i for i in order if of.data.lengths[i]][-1]
    size = net.batch_size if net.batch_size > 0 else len(order)
    for start in range(0, len(order), size):
        if not train_batch(net, of, order[start : start + size]):
            return False
    of.epoch += 1
    return True


def gradient_of(net: Network, data: Data) -> tuple[float, Gradient]:
    """The mean loss of all sequences and its gradient, by full backpropagation."""
    of, batch = Course(net, data, None), [*range(len(data.lengths))]
    net.settle()
    net.window = 0
    net.read()
    gradient = no_gradient(net)
    states = [[0.0] * net.spec.state_size for _ in batch]
    scale = 1.0 / window_weight(net, of, batch, 0)
    add_window(net, of, batch, states, 0, scale, gradient)
    return of.total.mean, gradient


def update_from(net: Network, rows: list[Row], steps: int) -> bool:
    """Learn from the steps of learn() that wait. Returns whether all is finite; if it is not, nothing has changed."""
    total = 0.0
    for row in rows[:steps]:
        total += row.weight
    if total == 0.0:
        net.running = rows[steps].state, ()
        return True
    gradient = no_gradient(net)
    add_gradient(net, rows, steps, factor_of_loss(net) / total, gradient)
    return update(net, rows[steps].state, gradient)
