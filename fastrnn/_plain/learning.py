"""Training. The twin: _compiled/learning.pxi."""

from __future__ import annotations

from fastrnn._plain.batches import add_window, first_part, has_part, update, window_weight
from fastrnn._plain.data import Data, Total, draw_order
from fastrnn._plain.measuring import Course, evaluate, judge, may_share
from fastrnn._plain.network import Network, Row
from fastrnn._plain.optimizers import factor_of_loss
from fastrnn._plain.window import Gradient, add_gradient, no_gradient

# ---- learning ----


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
