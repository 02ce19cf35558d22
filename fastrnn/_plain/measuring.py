"""Losses, and what a call of train() is about. The twin: _compiled/measuring.pxi."""

from __future__ import annotations

from math import inf, isfinite

from fastrnn._plain.data import Data, Total, loss_weight
from fastrnn._plain.network import Network, Row
from fastrnn._plain.window import forward, losses_of, read_out

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


def evaluate(net: Network, data: Data, losses: memoryview[float] | None = None) -> Total:
    """The losses of all sequences that have a weight, with the parameters as they are.

    losses : takes that of every step that counts; with one target a sequence, of every sequence that does.
    """
    total = Total()
    net.read()
    for i, length in enumerate(data.lengths):
        state = [0.0] * net.spec.state_size
        for t in range(length if data.counts[i] else 0):
            rows = [Row(net.spec, state), Row(net.spec)]
            run_on(net, rows, 1, data, i, t)
            weigh(net, rows, 1, data, i, t)
            add_losses(rows, 1, total)
            if losses is not None and rows[0].weight != 0.0:
                losses[data.starts[i] + t if net.spec.return_sequences else i] = rows[0].loss
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
