"""Sequences as the passes take them: their weights and order. The twin: _compiled/data.pxi."""

from __future__ import annotations

from fastrnn._checks import check_length, check_lengths
from fastrnn._plain.network import Network

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from fastrnn._data import Examples as _Examples

# ---- sequences, with what is to be learnt from them ----


class Data:
    """What a network learns from, or is measured by."""

    def __init__(self, net: Network, of: _Examples) -> None:
        spec = net.spec
        self.lengths, steps = of.lengths, check_lengths(of.lengths)
        check_length(of.inputs, steps * spec.input_size)
        check_length(of.targets, (steps if spec.return_sequences else len(of.lengths)) * spec.target_size)
        if of.weights is not None:
            check_length(of.weights, steps if of.by_step else len(of.lengths))
        self.inputs, self.targets, self.weights, self.by_step = of.inputs, of.targets, of.weights, of.by_step
        self.starts = [0]  # the first step of each
        for length in of.lengths:
            self.starts.append(self.starts[-1] + length)
        self.counts = [  # whether a sequence has any weight
            any(step_weight(self, i, t) > 0.0 for t in range(length)) for i, length in enumerate(of.lengths)
        ]
        if not any(self.counts):
            raise ValueError("there is nothing to learn from")


def step_weight(data: Data, i: int, t: int) -> float:
    """What was given for step `t` of sequence `i`."""
    if data.weights is None:
        return 1.0
    return data.weights[data.starts[i] + t] if data.by_step else data.weights[i]


def loss_weight(net: Network, data: Data, i: int, t: int) -> float:
    """The weight of the step's loss: with one target a sequence the last step alone has one."""
    if not net.spec.return_sequences and t + 1 < data.lengths[i]:
        return 0.0
    return step_weight(data, i, t)


# ---- their losses ----


class Total:
    """Weighted, and their weights, added up step by step; their ratio is the mean loss."""

    def __init__(self) -> None:
        self.loss, self.weight = 0.0, 0.0

    @property
    def mean(self) -> float:
        return self.loss / self.weight


# ---- their order ----

# SplitMix64 (Steele, Lea and Flood 2014), with the constants of its 13th variant of the mixing function (Stafford).
GOLDEN, MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def next_random(net: Network) -> int:
    """The next of the generator's numbers, of 64 bits."""
    net.generator = (net.generator + GOLDEN) & 0xFFFFFFFFFFFFFFFF
    z = net.generator
    z = ((z ^ (z >> 30)) * MIX_1) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ (z >> 27)) * MIX_2) & 0xFFFFFFFFFFFFFFFF
    return z ^ (z >> 31)


def draw_order(net: Network, count: int) -> list[int]:
    """The order of an epoch's sequences: that given or, where they are shuffled, each with the same chance (Durstenfeld
    1964)."""
    order = [*range(count)]
    if net.spec.shuffle:
        for i in range(count - 1, 0, -1):
            j = int((next_random(net) >> 11) * (1.0 / 9007199254740992.0) * (i + 1))
            order[i], order[j] = order[j], order[i]
    return order
