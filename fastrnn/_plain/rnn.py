"""RNNCore, the door to it all. The twin: _compiled/rnn.pxi."""

from __future__ import annotations

from math import isfinite
from types import MappingProxyType

from fastrnn._checks import check_length, check_lengths, check_list, diverged, doubles
from fastrnn._kinds import Spec
from fastrnn._plain.cells import ACTIVATIONS, CELLS
from fastrnn._plain.learning import generate_steps, predict_sequence, train_sequence, update
from fastrnn._plain.network import Network, Row
from fastrnn._plain.optimizers import OPTIMIZERS
from fastrnn._plain.outputs import LOSSES, OUTPUTS, any_nan
from fastrnn._plain.sums import Vector
from fastrnn._plain.window import forward

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


# ---- the door ----


def place_of(epoch: int, sequence: int, sequences: int, step: int) -> str:
    """Where a training diverged."""
    return f" at epoch {epoch}, {f'sequence {sequence}, ' if sequences > 1 else ''}step {step}"


class RNNCore:
    """The numbers of an RNN and all that is done to them. fastrnn.RNN is the class to use."""

    __slots__ = ("_net",)

    _net: Network

    def __new__(cls, *_args: object, **_keywords: object) -> RNNCore:
        core = super().__new__(cls)
        core._build(Spec(1))
        return core

    def _build(self, spec: Spec, /) -> None:
        """Become a network of this kind, with all parameters 0.0 and the settings at their defaults."""
        try:
            kinds = {
                "cell": CELLS[spec.cell],
                "activation": ACTIVATIONS[spec.activation],
                "output": OUTPUTS[spec.output],
                "loss": LOSSES[spec.loss],
                "optimizer": OPTIMIZERS[spec.optimizer],
            }
        except KeyError as error:
            raise ValueError(f"this core has no {error}") from None
        self._net = Network(spec, **kinds)

    def _adopt(self, other: RNNCore, /) -> None:
        """Become what `other` is; it should not be used any more."""
        self._net = other._net

    @property
    def parameters(self) -> MappingProxyType[str, memoryview[float]]:
        """The network's own memory, a new view of each parameter, by name."""
        return MappingProxyType({name: memoryview(view) for name, view in self._net.views.items()})

    def _view(self, name: str, /) -> memoryview[float]:
        """A new view of one parameter."""
        return memoryview(self._net.views[name])

    @property
    def _spec(self) -> Spec:
        return self._net.spec

    @property
    def _x(self) -> memoryview[float]:
        return self._net.x

    @property
    def _targets(self) -> memoryview[float]:
        return self._net.targets

    @property
    def _predictions(self) -> memoryview[float]:
        return self._net.predictions

    @property
    def _lr(self) -> float:
        return self._net.wanted["lr"]  # type: ignore[no-any-return]

    @_lr.setter
    def _lr(self, value: float) -> None:
        self._net.wanted["lr"] = value

    @property
    def _clip(self) -> float:
        """Infinity is none."""
        return self._net.wanted["clip"]  # type: ignore[no-any-return]

    @_clip.setter
    def _clip(self, value: float) -> None:
        self._net.wanted["clip"] = value

    @property
    def _window(self) -> int:
        """0: the whole sequence."""
        return self._net.wanted["window"]  # type: ignore[no-any-return]

    @_window.setter
    def _window(self, value: int) -> None:
        self._net.wanted["window"] = value

    @property
    def _settings(self) -> list[float]:
        """Those of the loss, then those of the optimizer, as a list."""
        return [*self._net.wanted["settings"]]

    @_settings.setter
    def _settings(self, values: Sequence[float]) -> None:
        check_length(values, len(self._net.spec.settings))
        self._net.wanted["settings"] = [*map(float, values)]

    @property
    def _memory(self) -> memoryview[float]:
        """All that learning changes, a copy: parameters row by row, first and second moments, powers of betas."""
        return memoryview(bytearray(self._net.bytes)).cast("d")

    @_memory.setter
    def _memory(self, values: memoryview[float]) -> None:
        check_length(values, len(self._net.memory))
        self._net.bytes[:] = values.cast("B")

    def _write(self, name: str, values: memoryview[float], /) -> None:
        """Overwrite a parameter with as many doubles, row by row; no signal is heard in between."""
        view = self._net.views[name]
        check_length(values, view.nbytes // 8)
        view.cast("B")[:] = values.cast("B")

    def _is_finite(self) -> bool:
        """Whether all parameters are."""
        return all(map(isfinite, self._net.memory[: self._net.spec.count]))

    @property
    def _state(self) -> Vector:
        """The state, as a list: the hidden state, then the cell's memory. Setting it gives up waiting steps."""
        return [*self._net.running[0]]

    @_state.setter
    def _state(self, values: Sequence[float]) -> None:
        check_length(values, self._net.spec.state_size)
        self._net.running = [*map(float, values)], ()

    @property
    def _waiting(self) -> list[Vector]:
        """The steps that wait for an update of learn(), a list of floats each, whose parts Spec.waiting names."""
        state, rows = self._net.running
        after = [*(row.state for row in rows[1:]), state]
        return [row.x + row.state + row.trace + after[t] + row.gradient for t, row in enumerate(rows)]

    @_waiting.setter
    def _waiting(self, values: Sequence[Sequence[float]]) -> None:
        spec, rows = self._net.spec, []
        for value in values:
            check_length(value, sum(spec.waiting))
            left = iter(map(float, value))
            x, before, trace, _, gradient = ([next(left) for _ in range(size)] for size in spec.waiting)
            row = Row(spec, before)
            row.x, row.trace, row.gradient = x, trace, gradient
            rows.append(row)
        self._net.running = self._net.running[0], tuple(rows)

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
        net, steps = self._net, check_lengths(lengths)
        check_length(inputs, steps * net.spec.input_size)
        check_length(targets, steps * net.spec.target_size)
        check_list(losses, "losses")
        if not steps:
            raise ValueError("there is nothing to learn from")
        for epoch in range(epochs):
            net.settle()
            total, start = 0.0, 0
            for i, length in enumerate(lengths):
                x, y = inputs[start * net.spec.input_size :], targets[start * net.spec.target_size :]
                done, total = train_sequence(net, x, y, length, total)
                if done < length:
                    raise diverged(place_of(epoch, i, len(lengths), done), net.lr, net.clip)
                start += length
            losses.append(total / steps)
            if report is not None and epoch % 10 == 0:
                report(epoch, total / steps)

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
        net, total, start = self._net, check_lengths(lengths), 0
        check_length(inputs, total * net.spec.input_size)
        if state is not None:
            check_length(state, net.spec.state_size)
        if predictions is not None:
            check_length(predictions, total * net.spec.output_size)
        if states is not None:
            check_length(states, total * net.spec.hidden_size)
        net.read()
        for length in lengths:
            h = predict_sequence(
                net,
                inputs[start * net.spec.input_size :],
                length,
                [0.0] * net.spec.state_size if state is None else [*state],
                None if predictions is None else predictions[start * net.spec.output_size :],
                None if states is None else states[start * net.spec.hidden_size :],
            )
            if state is not None:
                state[:] = doubles(h)
            start += length

    def _generate(self, inputs: memoryview[float], state: memoryview[float], predictions: memoryview[float], /) -> bool:
        """Run over inputs from the state in the buffer `state`, then feed each prediction back, till `predictions` is
        full; `state` takes the last state. A prediction is what predict() gives, a class number one double.

        Returns whether all that decided was numbers; at the first NaN it stops.
        """
        net = self._net
        steps, count = len(inputs) // net.spec.input_size, len(predictions) // net.spec.target_size
        check_length(inputs, steps * net.spec.input_size)
        check_length(state, net.spec.state_size)
        check_length(predictions, count * net.spec.target_size)
        if not net.spec.feeds_back:
            raise ValueError("a prediction is no input")
        if count < 1 or steps < 1:
            return True
        net.read()
        h = predict_sequence(net, inputs, steps - 1, [*state], None, None)
        x = [*inputs[(steps - 1) * net.spec.input_size :]]
        last = generate_steps(net, x, count, h, predictions)
        if last is None:
            return False
        state[:] = doubles(last)
        return True

    def _step(self) -> bool:
        """One step on from the network's own state, from _x to _predictions, without learning.

        Steps that wait for an update are given up. Returns whether the predictions are numbers; where one is NaN the
        state has not changed.
        """
        net = self._net
        rows = [Row(net.spec, net.running[0]), Row(net.spec)]
        net.read()
        forward(net, rows, 1, [*net.x])
        (predictions,) = net.output.predict(net, rows, 1)
        net.predictions[:] = doubles(predictions)
        if any_nan(predictions):
            return False
        net.running = rows[1].state, ()
        return True

    def _learn(self) -> None:
        """One step on from the network's own state, from _x and _targets; _predictions are those before the update,
        if one is due."""
        net = self._net
        net.settle()
        state, waiting = net.running
        rows = [*waiting, Row(net.spec, state), Row(net.spec)]
        row, after = rows[-2:]
        net.read()
        forward(net, [row, after], 1, [*net.x])
        net.loss.loss(net, [row, after], 1, [*net.targets])
        if not isfinite(row.loss):
            raise diverged("", net.lr, net.clip)
        if 0 < net.window <= len(waiting) + 1:
            if not update(net, rows, len(waiting) + 1):
                raise diverged("", net.lr, net.clip)
        else:
            net.running = after.state, (*waiting, row)
        net.predictions[:] = doubles(net.output.predict(net, [row], 1)[0])

    def reset(self) -> None:
        """Start a new sequence: a fresh state. Steps that wait for an update are given up; the parameters stay."""
        self._net.running = [0.0] * self._net.spec.state_size, ()
