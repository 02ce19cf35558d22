"""The facts: every kind of cell, output, loss and optimizer, a row each; and Spec, what a network is built of.

Whatever else the package knows of a kind (options, checks, layout, pickles, the tests' lists) follows from its row.
What it computes stands under its name in both columns, in the rooms cells, outputs and optimizers.
"""

from __future__ import annotations

import sys
from math import inf, prod
from struct import pack

from fastrnn._checks import count, not_negative, one_of, yes_or_no

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    _Number = tuple[float, Callable[[Any, str], float]]


class Cell:
    """How many numbers a cell has, in units of hidden_size.

    gates : rows of w_input_hidden, w_hidden_hidden and b_hidden.
    states : parts of the state: 1, the hidden state h; or 2, h and then the cell's memory c.
    trace : what backward needs of a step beside x and the states before and after it.
    own : parameters that this cell alone has, vectors, by name.
    apart : whether the sums over x and over h are wanted apart from each other, each with a gradient of its own.
    activations : of which one can be chosen, the default first.
    """

    def __init__(
        self,
        *,
        gates: int,
        states: int = 1,
        trace: int = 0,
        own: Mapping[str, int] | None = None,
        apart: bool = False,
        activations: tuple[str, ...] = ("tanh",),
    ) -> None:
        self.gates, self.states, self.trace, self.own = gates, states, trace, own or {}
        self.apart, self.activations = apart, activations


class Output:
    """integers : whether predict() decides: its results are integers, made of what are probabilities.
    classes : whether all outputs together are one decision, the number of a class.
    units : whether it has those of the targets, so that these can be standardized.
    """

    def __init__(self, *, integers: bool = False, classes: bool = False, units: bool = False) -> None:
        self.integers, self.classes, self.units = integers, classes, units


class Loss:
    """outputs : those that it fits. An output's default is the first loss in the table that fits it.
    low, high : the range of its targets; with classes a target is the number of one, and they do not matter.
    settings : the numbers that such losses alone take, options of the network: the default of each, and its check.
    """

    def __init__(self, *outputs: str, low: float = -inf, high: float = inf, **settings: _Number) -> None:
        self.outputs, self.low, self.high, self.settings = outputs, low, high, settings


class Optimizer:
    """settings : the numbers that such optimizers alone take, as with a loss."""

    def __init__(self, **settings: _Number) -> None:
        self.settings = settings


CELLS = {
    "elman": Cell(gates=1, activations=("tanh", "sigmoid", "relu")),
    "gru": Cell(gates=3, trace=4, own={"b_hidden_hidden": 1}, apart=True),
    "lstm": Cell(gates=4, states=2, trace=5),
}
OUTPUTS = {
    "linear": Output(units=True),
    "sigmoid": Output(integers=True),
    "softmax": Output(integers=True, classes=True),
}
LOSSES = {
    "binary_cross_entropy": Loss("sigmoid", low=0.0, high=1.0),
    "half_squared_error": Loss("linear", "sigmoid"),
    "cross_entropy": Loss("softmax"),
}
OPTIMIZERS = {
    "sgd": Optimizer(momentum=(0.0, not_negative)),
    "adam": Optimizer(),
    "adamw": Optimizer(weight_decay=(0.01, not_negative)),
}

MOST = sys.maxsize // 256  # parameters: so that no size of what is made for them overflows


def losses_of(output: str) -> list[str]:
    """The losses that fit an output, its default first."""
    return [name for name, loss in LOSSES.items() if output in loss.outputs]


def kinds_with(setting: str) -> tuple[str, str]:
    """Whether it belongs to losses or to optimizers, and which ones, for a message."""
    tables: dict[str, Mapping[str, Loss | Optimizer]] = {"loss": LOSSES, "optimizer": OPTIMIZERS}
    for of, table in tables.items():
        if kinds := [repr(kind) for kind, row in table.items() if setting in row.settings]:
            return of, " or ".join(kinds)
    raise KeyError(setting)


class Spec:
    """What a network is built of, checked: it does not change as long as the network lives.

    What follows from it stands here too: sizes in numbers, and the shapes of the parameters in their order.
    """

    NAMES = (
        *("hidden_size", "cell", "activation", "input_size", "output_size", "output", "loss", "return_sequences"),
        *("optimizer", "shuffle", "standardize"),
    )

    def __init__(
        self,
        hidden_size: Any,
        cell: str = "elman",
        activation: str = "tanh",
        input_size: Any = 1,
        output_size: Any = 1,
        output: str = "linear",
        loss: str | None = None,
        return_sequences: Any = True,
        optimizer: str = "sgd",
        shuffle: Any = False,
        standardize: Any = False,
    ) -> None:
        one_of(CELLS, cell, "cell")
        one_of(CELLS[cell].activations, activation, "activation", f" with cell={cell!r}")
        one_of(OUTPUTS, output, "output")
        losses = losses_of(output)
        loss = losses[0] if loss is None else loss
        one_of(losses, loss, "loss", f" with output={output!r}")
        one_of(OPTIMIZERS, optimizer, "optimizer")
        self.hidden_size = count(hidden_size, "hidden_size", least=1)
        self.input_size = count(input_size, "input_size", least=1)
        self.output_size = count(output_size, "output_size", least=1)
        self.cell, self.activation, self.output, self.loss, self.optimizer = cell, activation, output, loss, optimizer
        self.return_sequences = yes_or_no(return_sequences, "return_sequences")
        self.shuffle, self.standardize = yes_or_no(shuffle, "shuffle"), yes_or_no(standardize, "standardize")
        self.of_loss, self.of_optimizer = LOSSES[loss].settings, OPTIMIZERS[optimizer].settings
        self.settings = {**self.of_loss, **self.of_optimizer}  # with their defaults and checks
        row = CELLS[cell]
        self.gates_size, self.trace_size = row.gates * self.hidden_size, row.trace * self.hidden_size
        self.states, self.state_size, self.apart = row.states, row.states * self.hidden_size, row.apart
        self.classes, self.integers = OUTPUTS[output].classes, OUTPUTS[output].integers
        scales = ("input_mean", "input_scale", *(("target_mean", "target_scale") if OUTPUTS[output].units else ()))
        self.scales = scales if self.standardize else ()
        self.target_size = 1 if self.classes else self.output_size  # numbers of a target, and of what predict() gives
        if self.classes and self.output_size < 2:
            raise ValueError(
                f"with output={output!r} output_size is the number of classes, at least 2, and it is {self.output_size}"
            )
        self.shapes: dict[str, tuple[int, ...]] = {
            "w_input_hidden": (self.gates_size, self.input_size),
            "w_hidden_hidden": (self.gates_size, self.hidden_size),
            "b_hidden": (self.gates_size,),
            **{name: (parts * self.hidden_size,) for name, parts in row.own.items()},
            "w_hidden_output": (self.output_size, self.hidden_size),
            "b_output": (self.output_size,),
        }
        self.own = tuple(row.own)
        self.own_size = sum(row.own.values()) * self.hidden_size
        self.count = sum(map(prod, self.shapes.values()))  # of all parameters
        if self.count > MOST:
            raise ValueError(
                f"hidden_size, input_size and output_size are too large: that would be {self.count:.3g} parameters"
            )

    @property
    def memory(self) -> int:
        """Numbers that learning changes: the parameters, two moments of each, and the powers of Adam's two betas."""
        return 3 * self.count + 2

    def cut(self, memory: bytes) -> bytes:
        """That memory without the moments that no update has touched: most of it in a network that is to be trained."""
        for kept in (1, 2):  # two: the velocity
            if memory.endswith(untouched := self.untouched(kept)):
                return memory[: -len(untouched)]
        return memory

    def whole(self, memory: bytes) -> bytes:
        """What cut() has made smaller."""
        kept = next((kept for kept in (1, 2) if len(memory) == 8 * kept * self.count), 0)
        return memory + self.untouched(kept) if kept else memory

    def untouched(self, kept: int) -> bytes:
        """What lies behind the parameters, or behind the first moments too, before any update: zeros, powers of 1."""
        return bytes(8 * (3 - kept) * self.count) + pack("<2d", 1.0, 1.0)

    @property
    def parts(self) -> dict[str, tuple[int, ...]]:
        """What that memory holds, in its order: the shapes of its parts, by the names that they have in a file."""
        moments = {f"moment_{k}.{name}": shape for k in (1, 2) for name, shape in self.shapes.items()}
        return {**self.shapes, **moments, "moments.powers": (self.memory - 3 * self.count,)}

    @property
    def waiting(self) -> tuple[int, ...]:
        """The parts of a step that waits for its update: x, the state before, the trace, the state after, the gradient
        of the loss by the sums of the output layer, and its weight."""
        return self.input_size, self.state_size, self.trace_size, self.state_size, self.output_size, 1

    @property
    def feeds_back(self) -> bool:
        """Whether what predict() gives for a step can be the input of the next: itself, or a class as a one among
        zeros."""
        return self.input_size == self.output_size or (self.classes and self.input_size == 1)

    @property
    def targets(self) -> tuple[float, float]:
        """The least and the largest number that a target can be."""
        return (0.0, self.output_size - 1.0) if self.classes else (LOSSES[self.loss].low, LOSSES[self.loss].high)
