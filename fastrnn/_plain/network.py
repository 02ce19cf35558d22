"""A network as the passes take it, and a row of the tape. The twin: _compiled/network.pxi."""

from __future__ import annotations

from math import inf, prod

from fastrnn._plain.sums import Matrix, Vector

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from typing import Any

    from fastrnn._kinds import Spec

# ---- a network as the passes take it, and a row of the tape ----

Scales = tuple["Vector | None", "Vector | None", "Vector | None", "Vector | None"]  # mean and scale of inputs, targets


class Network:
    """What an RNN is: the numbers that learning changes, and with them what the passes need to know.

    memory : the parameters row by row, then for each of them its first moment (the velocity of sgd) and its second,
        then the powers of Adam's betas. One assignment replaces it whole.
    running : the state, and the rows that wait for an update of learn().
    """

    def __init__(self, spec: Spec, **kinds: Any) -> None:
        """kinds : the rows of its cell, activation, output, loss and optimizer, in the tables of the rooms."""
        self.spec = spec
        self.cell, self.activation = kinds["cell"], kinds["activation"]
        self.output, self.loss, self.optimizer = kinds["output"], kinds["loss"], kinds["optimizer"]
        try:
            self.bytes = memoryview(bytearray(8 * spec.memory))
        except MemoryError:
            raise MemoryError(f"there is no memory for {spec.count:,} parameters") from None
        self.memory = self.bytes.cast("d")
        self.memory[-2] = self.memory[-1] = 1.0
        self.views: dict[str, memoryview[float]] = {}
        end = 0
        for name, shape in spec.shapes.items():
            length = prod(shape)
            self.views[name] = self.memory[end : end + length].cast("B").cast("d", shape)
            end += length
        self.running: tuple[Vector, tuple[Row, ...]] = [0.0] * spec.state_size, ()
        row = memoryview(bytearray(8 * (spec.input_size + spec.target_size))).cast("d")
        self.x, self.targets = row[: spec.input_size], row[spec.input_size :]
        settings = [default for default, _ in spec.settings.values()]  # of the loss, then of the optimizer
        # A clip of infinity is none; a window of 0 the whole sequence.
        # A batch_size of 0 is all sequences; a patience of -1 none.
        self.wanted: dict[str, Any] = {
            "lr": 0.01,
            "clip": inf,
            "l1": 0.0,
            "min_delta": 0.0,
            "window": 32,
            "batch_size": 1,
            "patience": -1,
            "settings": settings,
        }
        self.generator = 0  # the state of the one that shuffles
        self.scales: Scales = (None, None, None, None)
        self.updates = 0  # that trainings have made

    def copy(self) -> Network:
        """Of what it settles and reads, for a call that changes nothing: the memory is the same."""
        other = Network.__new__(Network)
        vars(other).update(vars(self))
        return other

    @property
    def is_ready(self) -> bool:
        """Whether all scales are there that there must be."""
        return None not in self.scales[: len(self.spec.scales)]

    def settle(self) -> None:
        """Have training take the settings as they are now: what changes meanwhile counts from the next epoch on."""
        self.lr: float = self.wanted["lr"]
        self.clip: float = self.wanted["clip"]
        self.l1: float = self.wanted["l1"]
        self.min_delta: float = self.wanted["min_delta"]
        self.window: int = self.wanted["window"]
        self.batch_size: int = self.wanted["batch_size"]
        self.patience: int = self.wanted["patience"]
        of_loss = len(self.spec.of_loss)
        self.of_loss: list[float] = self.wanted["settings"][:of_loss]
        self.of_optimizer: list[float] = self.wanted["settings"][of_loss:]

    def read(self) -> None:
        """Have the passes take the parameters as they are now, as rows."""
        values: dict[str, Any] = {name: view.tolist() for name, view in self.views.items()}
        self.b_hidden: Vector = values["b_hidden"]
        self.w_gates: Matrix = values["w_input_hidden"]
        self.w_hidden_hidden: Matrix = values["w_hidden_hidden"]
        if not self.spec.apart:  # side by side
            self.w_gates = [x + h for x, h in zip(self.w_gates, self.w_hidden_hidden, strict=True)]
        self.own: Vector = [value for name in self.spec.own for value in values[name]]
        self.w_hidden_output: Matrix = values["w_hidden_output"]
        self.b_output: Vector = values["b_output"]


class Row:
    """What a step leaves on the tape; the state after it is the h (and c) of the next row."""

    loss: float
    weight: float  # of the step's loss
    x: Vector
    h: Vector  # the hidden state before the step
    c: Vector  # the cell's memory before the step, where there are two states
    trace: Vector  # what backward needs of the cell
    sums: Vector  # of the output layer
    gradient: Vector  # of the step's loss by the sums of the output layer
    by_output: Vector  # gradient by these of the loss of the update
    delta: Vector  # gradient by the sums of the gates, where apart by those over x
    delta_hidden: Vector  # where apart: by those over h
    by_own: Vector  # gradient by the cell's own parameters

    def __init__(self, spec: Spec, state: Vector | None = None) -> None:
        state = [] if state is None else state
        self.h, self.c, self.by_own = state[: spec.hidden_size], state[spec.hidden_size :], []

    @property
    def state(self) -> Vector:
        return self.h + self.c
