"""RNNCore, the door to it all, and an RNN over time. The twin: _compiled/rnn.pxi."""

from __future__ import annotations

from math import inf, isfinite, isnan, prod, sqrt
from struct import pack
from types import MappingProxyType

from fastrnn._checks import check_length, diverged
from fastrnn._plain.cells import CELLS, Weights
from fastrnn._plain.outputs import LOSSES, activate_output, decide
from fastrnn._plain.sums import Matrix, Vector, add_products, add_transposed_products, sum_of_products

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Adam's, as Kingma and Ba (2015) give them


# A step that waits for its update: x, state before, trace, state after, gradient by the sums of the output.
Step = tuple[Vector, Vector, Vector, Vector, Vector]
Running = tuple[Vector, tuple[Step, ...]]  # the state, and the steps since the last update


class RNNCore:
    """The numbers of an RNN and all that is done to them. fastrnn.RNN is the class to use.

    All that learning changes lies in one buffer, that one assignment replaces whole: the parameters, then for each of
    them its first moment (the velocity of sgd) and its second, then the powers of Adam's betas.
    """

    __slots__ = (
        "_activation",
        "_backward",
        "_bytes",
        "_cell",
        "_clip",
        "_count",
        "_forward",
        "_fresh",
        "_hidden_size",
        "_input_size",
        "_loss",
        "_lr",
        "_momentum",
        "_optimizer",
        "_output",
        "_output_size",
        "_parameters",
        "_predictions",
        "_running",
        "_target_size",
        "_targets",
        "_values",
        "_weight_decay",
        "_window",
        "_x",
    )

    _parameters: MappingProxyType[str, memoryview[float]]
    _x: memoryview[float]  # where the numbers of step() and learn() lie
    _targets: memoryview[float]
    _predictions: memoryview[float]
    _lr: float
    _momentum: float
    _weight_decay: float
    _clip: float  # infinity is none
    _window: int  # 0: the whole sequence
    _running: Running

    def __new__(cls, *_args: object, **_keywords: object) -> RNNCore:
        network = super().__new__(cls)
        network._build("elman", "tanh", 1, 1, 1, "linear", "half_squared_error", "sgd")
        return network

    @property
    def parameters(self) -> MappingProxyType[str, memoryview[float]]:
        return self._parameters

    @property
    def _memory(self) -> memoryview[float]:
        """All that learning changes, a copy: parameters row by row, first and second moments, powers of betas."""
        return memoryview(bytearray(self._bytes)).cast("d")

    @_memory.setter
    def _memory(self, values: memoryview[float]) -> None:
        check_length(values, 3 * self._count + 2)
        self._bytes[:] = values.cast("B")

    def _write(self, name: str, values: memoryview[float], /) -> None:
        """Overwrite a parameter with as many doubles, row by row; no signal is heard in between."""
        view = self.parameters[name]
        check_length(values, view.nbytes // 8)
        view.cast("B")[:] = values.cast("B")

    @property
    def _state(self) -> Vector:
        """The state, as a list: the hidden state, with an LSTM the cell after it. Setting it gives up waiting steps."""
        return list(self._running[0])

    @_state.setter
    def _state(self, values: Sequence[float]) -> None:
        check_length(values, len(self._fresh))
        self._running = list(map(float, values)), ()

    def _build(
        self,
        cell: str,
        activation: str,
        input_size: int,
        hidden_size: int,
        output_size: int,
        output: str,
        loss: str,
        optimizer: str,
    ) -> None:
        """Lay out the network, with all parameters 0.0."""
        rows = {"elman": 1, "gru": 3, "lstm": 4}[cell] * hidden_size
        shapes: dict[str, tuple[int, ...]] = {}
        shapes |= {"w_input_hidden": (rows, input_size), "w_hidden_hidden": (rows, hidden_size), "b_hidden": (rows,)}
        if cell == "gru":
            shapes["b_hidden_hidden"] = (hidden_size,)
        shapes |= {"w_hidden_output": (output_size, hidden_size), "b_output": (output_size,)}
        self._forward, self._backward = CELLS[cell]
        self._cell, self._activation, self._output, self._optimizer = cell, activation, output, optimizer
        self._loss = LOSSES[loss]
        self._target_size = 1 if loss == "cross_entropy" else output_size
        self._input_size, self._hidden_size, self._output_size = input_size, hidden_size, output_size
        self._count = sum(prod(shape) for shape in shapes.values())
        self._bytes = memoryview(bytearray(8 * (3 * self._count + 2)))
        self._values = self._bytes.cast("d")
        self._values[3 * self._count] = self._values[3 * self._count + 1] = 1.0
        row = memoryview(bytearray(8 * (input_size + self._target_size + output_size))).cast("d")
        self._x, self._targets = row[:input_size], row[input_size : input_size + self._target_size]
        self._predictions = row[input_size + self._target_size :]
        views = {}
        start = 0
        for name, shape in shapes.items():
            part = self._values[start : start + prod(shape)]
            views[name] = part.cast("B").cast("d", shape)
            start += prod(shape)
        self._parameters = MappingProxyType(views)
        self._lr, self._momentum, self._weight_decay, self._clip, self._window = 0.01, 0.0, 0.0, inf, 32
        self._fresh = [0.0] * (2 * hidden_size if cell == "lstm" else hidden_size)
        self._running = self._fresh, ()

    def _is_finite(self) -> bool:
        """Whether all parameters are."""
        return all(map(isfinite, self._values[: self._count]))

    @property
    def _waiting(self) -> list[Vector]:
        """The steps that wait for an update of learn(), a list of floats each: the input, the state before, what
        backward needs of the cell, the state after, the gradient of the loss by the sums of the output layer."""
        return [[value for part in step for value in part] for step in self._running[1]]

    @_waiting.setter
    def _waiting(self, values: Sequence[Sequence[float]]) -> None:
        state, trace = len(self._fresh), {"elman": 0, "gru": 4, "lstm": 5}[self._cell] * self._hidden_size
        sizes = (self._input_size, state, trace, state, self._output_size)
        steps = []
        for row in values:
            check_length(row, sum(sizes))
            left = iter(map(float, row))
            x, before, trace_values, after, gradient = ([next(left) for _ in range(size)] for size in sizes)
            steps.append((x, before, trace_values, after, gradient))
        self._running = self._running[0], tuple(steps)

    def _predict_step(self, weights: Weights, state: Vector, x: Vector) -> tuple[Vector, Vector, Vector]:
        """One step forward: the state after, what backward needs of this step, and the sums of the output layer."""
        after, trace = self._forward(weights, x, state)
        return after, trace, add_products(weights.b_output, weights.w_hidden_output, after[: self._hidden_size])

    def _learn_step(
        self, weights: Weights, running: Running, x: Vector, targets: Vector, last: bool, where: str
    ) -> tuple[float, Vector, Running]:
        """One step forward, and where a window is complete (or this step is the `last`) the update.

        Returns the loss of the step, its predictions, and what runs on: the state, and the steps that wait.
        """
        before, window = running
        after, trace, sums = self._predict_step(weights, before, x)
        loss, gradient = self._loss(self._output, sums, targets)
        if not isfinite(loss):
            raise diverged(where, self._lr, self._clip)
        running = after, (*window, (x, before, trace, after, gradient))
        if last or 0 < self._window <= len(running[1]):
            values, running = self._update(weights, running[1], where), (after, ())
            # Two stores side by side: between them nothing looks for Ctrl-C.
            self._bytes[:], self._running = values, running
        return loss, activate_output(self._output, sums), running

    def _gradients(self, weights: Weights, window: tuple[Step, ...], factor: float) -> list[Matrix]:
        """`factor` times the gradient of the window's mean loss, by truncated backpropagation through time, as rows."""
        size = self._hidden_size
        scale = factor / len(window)
        by_state = [0.0] * len(self._fresh)
        outputs: Matrix = []
        deltas: Matrix = []
        deltas_hidden: Matrix = []
        for _, before, trace, after, gradient in reversed(window):
            by_output = [scale * d for d in gradient]
            by_hidden = add_transposed_products(by_state[:size], weights.w_hidden_output, by_output)
            delta, delta_hidden, by_state = self._backward(weights, before, trace, after, by_hidden + by_state[size:])
            outputs.insert(0, by_output)
            deltas.insert(0, delta)
            deltas_hidden.insert(0, delta_hidden)
        ones = [[1.0]] * len(window)
        gradients = [
            sum_of_products(deltas, [x for x, *_ in window]),
            sum_of_products(deltas_hidden, [before[:size] for _, before, *_ in window]),
            sum_of_products(deltas, ones),
        ]
        if self._cell == "gru":
            gradients.append(sum_of_products([delta[2 * size :] for delta in deltas_hidden], ones))
        gradients.append(sum_of_products(outputs, [after[:size] for *_, after, _ in window]))
        gradients.append(sum_of_products(outputs, ones))
        return gradients

    def _update(self, weights: Weights, window: tuple[Step, ...], where: str) -> bytes:
        """All that learning changes, after a window that is complete: what is to be written to the memory."""
        # Plain sgd multiplies the gradient of the loss by lr before it runs back, not that of each parameter after it.
        plain_sgd = self._optimizer == "sgd" and self._momentum == 0.0 and self._clip == inf
        gradients = self._gradients(weights, window, self._lr if plain_sgd else 1.0)
        lr = 1.0 if plain_sgd else self._lr
        factor = 1.0
        finite = True
        if self._clip < inf:
            square = 0.0
            for rows in gradients:
                for row in rows:
                    row_square = 0.0
                    for g in row:
                        row_square += g * g
                    square += row_square
            norm = sqrt(square)
            finite = isfinite(norm)
            if norm > self._clip:
                factor = self._clip / norm
        values = read(self._values)
        n = self._count
        if self._optimizer != "sgd":
            values[3 * n] *= BETA_1
            values[3 * n + 1] *= BETA_2
        beta_1, beta_2 = values[3 * n :]
        for i, g in enumerate(g for rows in gradients for row in rows for g in row):
            g = g * factor
            if self._optimizer == "sgd":
                if self._momentum != 0.0:
                    g = values[n + i] = self._momentum * values[n + i] + g
                values[i] -= lr * g
                continue
            if self._optimizer == "adamw":
                values[i] *= 1.0 - lr * self._weight_decay
            m = values[n + i] = BETA_1 * values[n + i] + (1.0 - BETA_1) * g
            v = values[2 * n + i] = BETA_2 * values[2 * n + i] + (1.0 - BETA_2) * (g * g)
            values[i] -= lr * ((m / (1.0 - beta_1)) / (sqrt(v / (1.0 - beta_2)) + EPSILON))
        if not (finite and all(map(isfinite, values))):
            raise diverged(where, self._lr, self._clip)
        return pack(f"{len(values)}d", *values)

    def _train(
        self,
        inputs: memoryview[float],
        targets: memoryview[float],
        lengths: list[int],
        epochs: int,
        losses: list[float],
        report: Callable[[int, float], object] | None,
        /,
    ) -> None:
        """Train on sequences that follow each other in two float64 buffers, and append each epoch's mean loss."""
        steps = total_of(lengths)
        check_length(inputs, steps * self._input_size)
        check_length(targets, steps * self._target_size)
        for epoch in range(epochs):
            total, start = 0.0, 0
            for i, length in enumerate(lengths):
                where = f" at epoch {epoch}, {f'sequence {i}, ' if len(lengths) > 1 else ''}step "
                total = self._train_sequence(inputs, targets, start, start + length, where, total)
                start += length
            losses.append(total / steps)
            if report is not None and epoch % 10 == 0:
                report(epoch, total / steps)

    def _train_sequence(
        self, inputs: memoryview[float], targets: memoryview[float], start: int, stop: int, where: str, total: float
    ) -> float:
        """Train on the steps from `start` to `stop`; returns `total` with their losses added, one by one.

        The network takes over a state with each update, so that it never waits in the middle of a window.
        """
        weights = Weights(self._activation, self.parameters)
        running: Running = self._fresh, ()
        for step in range(start, stop):
            x, y = self._row(inputs, step, self._input_size), self._row(targets, step, self._target_size)
            loss, _, running = self._learn_step(weights, running, x, y, step + 1 == stop, f"{where}{step - start}")
            total += loss
            if not running[1]:
                weights = Weights(self._activation, self.parameters)
        return total

    def _row(self, buffer: memoryview[float], step: int, size: int) -> Vector:
        return read(buffer[step * size : (step + 1) * size])

    def _predict(
        self,
        inputs: memoryview[float],
        lengths: list[int],
        state: memoryview[float] | None,
        predictions: memoryview[float] | None,
        states: memoryview[float] | None,
        /,
    ) -> None:
        """Run over sequences that follow each other in a float64 buffer; write the predictions and states of all steps.

        Each sequence starts from the state in the buffer `state`, and leaves its last one there; if that is None, each
        starts from a fresh one. `predictions` or `states`, buffers of T rows, may be None.
        """
        weights = Weights(self._activation, self.parameters)
        total, start = total_of(lengths), 0
        check_length(inputs, total * self._input_size)
        if state is not None:
            check_length(state, len(self._fresh))
        if predictions is not None:
            check_length(predictions, total * self._output_size)
        if states is not None:
            check_length(states, total * self._hidden_size)
        for length in lengths:
            h = self._fresh if state is None else read(state)
            for step in range(start, start + length):
                h, _, sums = self._predict_step(weights, h, self._row(inputs, step, self._input_size))
                if predictions is not None:
                    write(predictions, step * self._output_size, activate_output(self._output, sums))
                if states is not None:
                    write(states, step * self._hidden_size, h[: self._hidden_size])
            if state is not None:
                write(state, 0, h)
            start += length

    def _generate(self, inputs: memoryview[float], state: memoryview[float], predictions: memoryview[float], /) -> None:
        """Run over inputs from the state in the buffer `state`, then feed each prediction back, till `predictions` is
        full; `state` takes the last state. A prediction is what predict() gives, a class number one double."""
        steps, count = len(inputs) // self._input_size, len(predictions) // self._target_size
        check_length(inputs, steps * self._input_size)
        check_length(state, len(self._fresh))
        check_length(predictions, count * self._target_size)
        if self._input_size != self._output_size and not (self._output == "softmax" and self._input_size == 1):
            raise ValueError("a prediction is no input")
        if count < 1 or steps < 1:
            return
        weights = Weights(self._activation, self.parameters)
        h = read(state)
        for step in range(steps):
            h, _, sums = self._predict_step(weights, h, self._row(inputs, step, self._input_size))
        prediction = decide(self._output, activate_output(self._output, sums))
        write(predictions, 0, prediction)
        for step in range(1, count):
            h, _, sums = self._predict_step(weights, h, self._feed_back(prediction))
            prediction = decide(self._output, activate_output(self._output, sums))
            write(predictions, step * self._target_size, prediction)
        write(state, 0, h)

    def _feed_back(self, prediction: Vector) -> Vector:
        """The input that a prediction is: itself, or a class among several inputs as a one among zeros."""
        if self._output == "softmax" and self._input_size > 1:
            return [1.0 if i == prediction[0] else 0.0 for i in range(self._input_size)]
        return prediction

    def _step(self) -> bool:
        """One step on from the network's own state, from _x to _predictions, without learning.

        Steps that wait for an update are given up. Returns whether the predictions are numbers; where one is NaN the
        state has not changed.
        """
        weights = Weights(self._activation, self.parameters)
        state, _, sums = self._predict_step(weights, self._running[0], read(self._x))
        values = activate_output(self._output, sums)
        write(self._predictions, 0, values)
        if any(map(isnan, values)):
            return False
        self._running = state, ()
        return True

    def _learn(self) -> None:
        """One step on from the network's own state, from _x and _targets; _predictions are those before the update,
        if one is due."""
        weights = Weights(self._activation, self.parameters)
        x, targets = read(self._x), read(self._targets)
        _, values, self._running = self._learn_step(weights, self._running, x, targets, False, "")
        write(self._predictions, 0, values)

    def reset(self) -> None:
        """Start a new sequence: a fresh state. Steps that wait for an update are given up; the parameters stay."""
        self._running = self._fresh, ()


def total_of(lengths: list[int]) -> int:
    if min(lengths, default=0) < 0:
        raise ValueError("a length is negative")
    return sum(lengths)


def read(buffer: memoryview[float]) -> Vector:
    return buffer.tolist()  # type: ignore[return-value]


def write(buffer: memoryview[float], start: int, values: Vector) -> None:
    for i, value in enumerate(values):
        buffer[start + i] = value
