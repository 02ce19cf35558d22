"""RNNCore, the door to it all. The twin: _compiled/rnn.pxi."""

from __future__ import annotations

from math import isfinite
from types import MappingProxyType

from fastrnn._checks import check_length, check_lengths, check_list, diverged, doubles
from fastrnn._kinds import Spec
from fastrnn._plain.cells import ACTIVATIONS, CELLS
from fastrnn._plain.data import Data
from fastrnn._plain.learning import gradient_of, train_epoch, update_from
from fastrnn._plain.measuring import Course, evaluate, place_of, put_back_best
from fastrnn._plain.network import Network, Row
from fastrnn._plain.optimizers import OPTIMIZERS
from fastrnn._plain.outputs import LOSSES, OUTPUTS, any_nan
from fastrnn._plain.running import generate_steps, predict_sequences
from fastrnn._plain.scales import find_unscaled, moments
from fastrnn._plain.sums import Vector
from fastrnn._plain.window import forward, losses_of, predictions_of, read_out

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastrnn._data import Examples as _Examples
    from fastrnn._plain.network import Scales as _Scales


# ---- the door ----


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
    def _l1(self) -> float:
        return self._net.wanted["l1"]  # type: ignore[no-any-return]

    @_l1.setter
    def _l1(self, value: float) -> None:
        self._net.wanted["l1"] = value

    @property
    def _min_delta(self) -> float:
        return self._net.wanted["min_delta"]  # type: ignore[no-any-return]

    @_min_delta.setter
    def _min_delta(self, value: float) -> None:
        self._net.wanted["min_delta"] = value

    @property
    def _batch_size(self) -> int:
        """0: all sequences."""
        return self._net.wanted["batch_size"]  # type: ignore[no-any-return]

    @_batch_size.setter
    def _batch_size(self, value: int) -> None:
        self._net.wanted["batch_size"] = value

    @property
    def _patience(self) -> int:
        """-1: none."""
        return self._net.wanted["patience"]  # type: ignore[no-any-return]

    @_patience.setter
    def _patience(self, value: int) -> None:
        self._net.wanted["patience"] = value

    @property
    def _generator(self) -> int:
        """The state of the one that shuffles, of 64 bits."""
        return self._net.generator

    @_generator.setter
    def _generator(self, value: int) -> None:
        self._net.generator = value & 0xFFFFFFFFFFFFFFFF

    @property
    def _scales(self) -> _Scales:
        """The mean and scale of the inputs, and those of the targets; None where there are none."""
        return self._net.scales

    @_scales.setter
    def _scales(self, values: _Scales) -> None:
        sizes = self._net.spec.input_size, self._net.spec.target_size
        for i, value in enumerate(values):
            if value is not None:
                check_length(value, sizes[i // 2])
        mean, scale, target_mean, target_scale = (None if value is None else [*map(float, value)] for value in values)
        self._net.scales = mean, scale, target_mean, target_scale

    @property
    def _updates(self) -> int:
        """How many trainings have made, those in a callback of another too."""
        return self._net.updates

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
        return [row.x + row.state + row.trace + after[t] + row.gradient + [row.weight] for t, row in enumerate(rows)]

    @_waiting.setter
    def _waiting(self, values: Sequence[Sequence[float]]) -> None:
        spec, rows = self._net.spec, []
        for value in values:
            check_length(value, sum(spec.waiting))
            left = iter(map(float, value))
            x, before, trace, _, gradient, (weight,) = ([next(left) for _ in range(size)] for size in spec.waiting)
            row = Row(spec, before)
            row.x, row.trace, row.gradient, row.weight = x, trace, gradient, weight
            rows.append(row)
        self._net.running = self._net.running[0], tuple(rows)

    def _train(
        self,
        data: _Examples,
        validation: _Examples | None,
        epochs: int,
        losses: list[float],
        validation_losses: list[float],
        report: Callable[[int], object] | None,
        /,
    ) -> int | None:
        """Train on `data`, and append each epoch's mean loss, and that of `validation` before it, where it is not None.

        report(epoch) is called after every epoch, unless it is None; a true result ends training. With a patience the
        best parameters are put back then; returns their epoch.
        """
        net = self._net
        net.settle()
        of = Course(net, Data(net, data), None if validation is None else Data(net, validation))
        check_list(losses, "losses")
        check_list(validation_losses, "validation_losses")
        for epoch in range(epochs):
            of.judged = False
            try:
                goes_on = train_epoch(net, of)
            finally:
                if of.judged:
                    validation_losses.append(of.validation_loss)
            sequence, step = of.at
            if sequence >= 0:
                raise diverged(place_of(epoch, sequence, len(of.data.lengths), step), net.lr, net.clip)
            if not goes_on:
                break
            losses.append(of.total.mean)
            if report is not None and report(epoch):
                break
        put_back_best(net, of)
        return of.best_epoch if of.best_epoch >= 0 else None

    def _evaluate(
        self, data: _Examples, gradient: memoryview[float] | None, losses: memoryview[float] | None, /
    ) -> float:
        """The mean loss. Unless None, `gradient` takes that of the parameters; or else `losses` those that count."""
        net = self._net.copy()  # training may run around a signal handler, or in another thread
        of = Data(net, data)
        if gradient is None:
            if losses is not None:
                check_length(losses, len(data.targets) // net.spec.target_size)
            return evaluate(net, of, losses).mean
        check_length(gradient, net.spec.count)
        loss, by = gradient_of(net, of)
        gradient[:] = doubles([g for rows in by.values() for row in rows for g in row])
        return loss

    def _moments(self, data: _Examples, of_targets: bool, /) -> tuple[Vector, Vector]:
        """The mean of each column, and its standard deviation: 0.0 where all that counts is the same."""
        net = self._net
        of = Data(net, data)
        return moments(net, of, of_targets)

    def _find_unscaled(self, data: _Examples, /) -> tuple[int, float, float] | None:
        """A column of the inputs far from 0 and 1, with its mean and standard deviation; or None."""
        return find_unscaled(self._net, Data(self._net, data))

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
        net, total = self._net, check_lengths(lengths)
        check_length(inputs, total * net.spec.input_size)
        if state is not None:
            check_length(state, net.spec.state_size)
        if predictions is not None:
            check_length(predictions, (total if net.spec.return_sequences else len(lengths)) * net.spec.output_size)
        if states is not None:
            check_length(states, total * net.spec.hidden_size)
        net.read()
        predict_sequences(net, inputs, lengths, state, predictions, states)

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
        predict_sequences(net, inputs, [steps - 1], state, None, None)
        x = [*inputs[(steps - 1) * net.spec.input_size :]]
        last = generate_steps(net, x, count, [*state], predictions)
        if last is None:
            return False
        state[:] = doubles(last)
        return True

    def _run_row(self, rows: list[Row]) -> float | Vector | None:
        """One step, from _x to the prediction, a float or a list of them; None where one is NaN."""
        net = self._net
        net.read()
        forward(net, rows, 1, [*net.x])
        read_out(net, rows, 1)
        (predictions,) = predictions_of(net, rows, 1)
        if any_nan(predictions):
            return None
        return predictions[0] if len(predictions) == 1 else predictions

    def _peek(self) -> float | Vector | None:
        """What _step() would return, with no other change."""
        net = self._net
        return self._run_row([Row(net.spec, net.running[0]), Row(net.spec)]) if net.is_ready else None

    def _step(self) -> float | Vector | None:
        """One step on from the network's own state, from _x; returns the prediction, a float or a list of them.

        Where steps wait for an update it is one that has no weight; else nothing is learnt. None where a prediction is
        NaN or the scales are not there: nothing has changed.
        """
        net = self._net
        state, waiting = net.running
        if waiting and net.wanted["window"] > 0:
            return self._learn(0.0)
        rows = [Row(net.spec, state), Row(net.spec)]
        predictions = self._run_row(rows) if net.is_ready else None
        if predictions is not None:
            net.running = rows[1].state, ()
        return predictions

    def _learn(self, weight: float, /) -> float | Vector | None:
        """One step on from the network's own state, from _x and _targets; returns as _step() does, the prediction from
        before the update, if one is due. With a weight of 0.0 _targets are not looked at."""
        net = self._net
        if not net.is_ready:
            return None
        net.settle()
        state, waiting = net.running
        rows = [*waiting, Row(net.spec, state), Row(net.spec)]
        row, after = rows[-2:]
        predictions = self._run_row([row, after])
        row.weight, row.gradient = weight, [0.0] * net.spec.output_size
        if weight > 0.0:
            losses_of(net, [row, after], 1, [*net.targets])
            if not isfinite(row.loss):
                raise diverged("", net.lr, net.clip)
        elif predictions is None:
            return None
        if not 0 < net.window <= len(waiting) + 1:
            net.running = after.state, (*waiting, row)
        elif not update_from(net, rows, len(waiting) + 1):
            raise diverged("", net.lr, net.clip)
        return predictions

    def reset(self) -> None:
        """Start a new sequence: a fresh state. Steps that wait for an update are given up; the parameters stay."""
        self._net.running = [0.0] * self._net.spec.state_size, ()
