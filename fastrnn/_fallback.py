"""The pure-Python core: the definition of what fastrnn computes.

Its twin is _core.pyx: the same names in the same order and, line for line, the same arithmetic, so that both give the
same bits. _core.pyi is the boundary of both. The functions for one step come first, the loops over time after them. RNN
is in _plain/, a room a subject.

Every operation is one IEEE double operation, in the order written: no sum(), which compensates its rounding since
Python 3.12, and no error ** 2, which can differ from error * error in the last bit. A state is an immutable tuple that
one assignment replaces whole, so that Ctrl-C never finds half an update.
"""

from __future__ import annotations

from math import exp, isfinite, nan

from fastrnn._checks import check_length, check_list, diverged, not_negative, number
from fastrnn._plain.many import evaluate_in_lanes as evaluate_in_lanes
from fastrnn._plain.many import fewest_in_lanes_of as fewest_in_lanes_of
from fastrnn._plain.many import predict_in_lanes as predict_in_lanes
from fastrnn._plain.many import train_in_lanes as train_in_lanes
from fastrnn._plain.outputs import likeliest
from fastrnn._plain.rnn import RNNCore as RNNCore

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Callable

lanes = 1  # trainings side by side
stops: dict[int, memoryview[int]] = {}  # of threads that another may want to stop: nobody looks, for there are none

# ---- what crosses the boundary: numbers and float64 buffers ----


def plain(value: object) -> float:
    """A float or an int as a float; NaN for anything else, and for an int too large."""
    if isinstance(value, float):
        return float.__float__(value)  # the number itself, whatever a subclass makes of it
    if isinstance(value, int):
        try:
            return int.__float__(value)
        except OverflowError:
            return nan
    return nan


def finite(value: object, name: str) -> float:
    """`value` as a float, or an error that names it."""
    result = plain(value)
    return result if isfinite(result) else number(value, name)


def copy_numbers(values: list[object], start: int, stop: int, out: memoryview[float], /) -> int:
    """Copy finite floats and ints, from `start` up to `stop`, to the same positions of the float64 buffer `out`.

    Returns the position of the first value that is something else and was not copied, or `stop`.
    """
    check_length(out, len(values))
    if not 0 <= start <= stop <= len(out):
        raise IndexError(f"{start} to {stop} is not within {len(out)} numbers")
    for i in range(start, stop):
        value = plain(values[i])
        if not isfinite(value):
            return i
        out[i] = value
    return stop


def is_aligned(_values: memoryview[float], /) -> bool:
    """Whether a float64 buffer starts where the CPU wants doubles to start: Python reads it wherever it is."""
    return True


def find_not_finite(values: memoryview[float], /) -> int:
    """The position of the first NaN or infinity in a float64 buffer, or -1."""
    for i, value in enumerate(values):
        if not isfinite(value):
            return i
    return -1


def find_bad_target(
    targets: memoryview[float], weights: memoryview[float] | None, width: int, low: float, high: float, whole: bool, /
) -> int:
    """The position of the first number in a float64 buffer that is not within [low, high], as NaN never is, or -1.

    weights: None, or a buffer of one for every `width` numbers, which are not looked at where it is 0. whole: nor may a
    number have a fraction.
    """
    if weights is not None:
        if width < 1:
            raise ValueError("a target has no numbers")
        check_length(targets, len(weights) * width)
    for i, value in enumerate(targets):
        if weights is not None and weights[i // width] == 0.0:
            continue
        if not low <= value <= high or (whole and not value.is_integer()):
            return i
    return -1


def round_probabilities(probabilities: memoryview[float], out: memoryview[int], /) -> None:
    """Write 1 to the int64 buffer `out` where a probability is above one half, else 0: Python's round(p)."""
    check_length(out, len(probabilities))
    for i, p in enumerate(probabilities):
        out[i] = p > 0.5


def choose_classes(probabilities: memoryview[float], classes: int, out: memoryview[int], /) -> None:
    """Write the likeliest of `classes` to the int64 buffer `out`, for each row of probabilities."""
    if classes < 1:
        raise ValueError("there are no classes")
    check_length(probabilities, len(out) * classes)
    for i in range(len(out)):
        out[i] = likeliest([*probabilities[i * classes : (i + 1) * classes]])


# ---- SimpleRNN, one step ----

# w_input_hidden, w_hidden_hidden, w_hidden_output, b_hidden, b_output, hidden_state
State = tuple[float, float, float, float, float, float]


def sigmoid(a: float) -> float:
    try:
        return 1.0 / (1.0 + exp(-a))
    except OverflowError:  # C's exp gives infinity there
        return 0.0


def predict_step(state: State, x: float) -> tuple[float, State]:
    """Move the hidden state on by one step; returns the probability and the new state."""
    w_input_hidden, w_hidden_hidden, w_hidden_output, b_hidden, b_output, hidden_state = state
    hidden_state = sigmoid(w_input_hidden * x + w_hidden_hidden * hidden_state + b_hidden)
    probability = sigmoid(w_hidden_output * hidden_state + b_output)
    return probability, (w_input_hidden, w_hidden_hidden, w_hidden_output, b_hidden, b_output, hidden_state)


def learn_step(state: State, lr: float, x: float, target: float) -> tuple[float, State]:
    """One step of online gradient descent on half the squared error, truncated to one step back (Elman 1990).

    Returns the probability before the update and the new state, or NaN where the update is not finite: then the state
    is as it was.
    """
    w_input_hidden, w_hidden_hidden, w_hidden_output, b_hidden, b_output, hidden_state = state
    hidden = sigmoid(w_input_hidden * x + w_hidden_hidden * hidden_state + b_hidden)
    probability = sigmoid(w_hidden_output * hidden + b_output)
    error = probability - target
    d_output = error * (probability * (1.0 - probability))
    d_hidden = d_output * w_hidden_output * (hidden * (1.0 - hidden))
    w_hidden_output = w_hidden_output - lr * d_output * hidden
    b_output = b_output - lr * d_output
    w_input_hidden = w_input_hidden - lr * d_hidden * x
    w_hidden_hidden = w_hidden_hidden - lr * d_hidden * hidden_state
    b_hidden = b_hidden - lr * d_hidden
    # With any weight at infinity or NaN their sum is not finite; where it is not, look at each.
    if not isfinite(w_input_hidden + w_hidden_hidden + w_hidden_output + b_hidden + b_output) and not (
        isfinite(w_input_hidden)
        and isfinite(w_hidden_hidden)
        and isfinite(w_hidden_output)
        and isfinite(b_hidden)
        and isfinite(b_output)
    ):
        return nan, state
    return probability, (w_input_hidden, w_hidden_hidden, w_hidden_output, b_hidden, b_output, hidden)


# ---- SimpleRNN, over time ----


def train_steps(network: SimpleRNNCore, inputs: memoryview[float], targets: memoryview[float], epoch: int) -> float:
    """Train on every step of one epoch; returns the sum of their squared errors.

    The network takes over a state once its step is complete, in one assignment.
    """
    lr, loss = network._lr, 0.0
    state: State = (*network._state[:5], 0.0)
    for step, (x, target) in enumerate(zip(inputs, targets, strict=True)):
        probability, state = learn_step(state, lr, x, target)
        if probability != probability:
            raise diverged(f" at epoch {epoch}, step {step}", lr)
        network._state = state
        error = probability - target
        loss += error * error
    return loss


def predict_steps(
    state: State, inputs: memoryview[float], probabilities: memoryview[float] | None, states: memoryview[float] | None
) -> None:
    """Write the probability of every step, and the hidden state; either may be None."""
    for step, x in enumerate(inputs):
        probability, state = predict_step(state, x)
        if probabilities is not None:
            probabilities[step] = probability
        if states is not None:
            states[step] = state[5]


def _weight(index: int, name: str, doc: str) -> property:
    def get(network: SimpleRNNCore) -> float:
        return network._state[index]

    def set_(network: SimpleRNNCore, value: object) -> None:
        number = finite(value, name)
        network._state = (*network._state[:index], number, *network._state[index + 1 :])  # type: ignore[assignment]

    return property(get, set_, doc=doc)


class SimpleRNNCore:
    """The numbers of a SimpleRNN and all that is done to them. fastrnn.SimpleRNN is the class to use."""

    __slots__ = ("_lr", "_state")

    _state: State
    _lr: float

    def __new__(cls, *_args: object, **_keywords: object) -> SimpleRNNCore:
        network = super().__new__(cls)
        network._state = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        network._lr = 0.0
        return network

    w_input_hidden = _weight(0, "w_input_hidden", "Weight from the input to the hidden unit.")
    w_hidden_hidden = _weight(1, "w_hidden_hidden", "Weight from the hidden unit to itself, one step later.")
    w_hidden_output = _weight(2, "w_hidden_output", "Weight from the hidden unit to the output.")
    b_hidden = _weight(3, "b_hidden", "Bias of the hidden unit.")
    b_output = _weight(4, "b_output", "Bias of the output.")

    @property
    def hidden_state(self) -> float:
        """The hidden unit's value after the last step, a sigmoid's: from 0.0, when fresh, to 1.0."""
        return self._state[5]

    @hidden_state.setter
    def hidden_state(self, value: object) -> None:
        hidden_state = finite(value, "hidden_state")
        if not 0.0 <= hidden_state <= 1.0:
            raise ValueError(f"hidden_state must be from 0 to 1, as a sigmoid is, and it is {hidden_state!r}")
        self._state = (*self._state[:5], hidden_state)

    @property
    def lr(self) -> float:
        """Learning rate: finite and not negative."""
        return self._lr

    @lr.setter
    def lr(self, value: object) -> None:
        self._lr = not_negative(value, "lr")

    def reset(self) -> None:
        """Start a new sequence: hidden_state goes back to 0.0. The weights stay."""
        self.hidden_state = 0.0

    def step(self, x: object, /) -> float:
        """Take one input (a finite number) and return the probability that the next value is 1, a float.

        hidden_state is carried on from call to call: from a fresh state, a loop of step() is predict_proba().
        """
        x_value = finite(x, "x")
        probability, self._state = predict_step(self._state, x_value)
        return probability

    def learn(self, x: object, target: object, /) -> float:
        """Take one input and its target (finite numbers), and learn from them; return the probability before that.

        hidden_state is carried on from call to call: from a fresh state, a loop of learn() over a sequence is one
        epoch of train(), bit for bit. OverflowError where the update is not finite; then nothing has changed.
        """
        x_value, target_value = finite(x, "x"), finite(target, "target")
        probability, self._state = learn_step(self._state, self._lr, x_value, target_value)
        if probability != probability:
            raise diverged("", self._lr)
        return probability

    def _train(
        self,
        inputs: memoryview[float],
        targets: memoryview[float],
        epochs: int,
        losses: list[float],
        report: Callable[[int, float], object] | None,
        /,
    ) -> None:
        """Train on two float64 buffers of one length, and append each epoch's total loss to `losses`.

        report(epoch, loss) is called after the epochs 0, 10, 20, ..., unless it is None. OverflowError where an update
        is not finite; then, after Ctrl-C and after an error in report(), the state is the one after the last step.
        """
        check_length(targets, len(inputs))
        check_list(losses, "losses")
        for epoch in range(epochs):
            loss = train_steps(self, inputs, targets, epoch)
            losses.append(loss)
            if report is not None and epoch % 10 == 0:
                report(epoch, loss)

    def _predict(
        self,
        inputs: memoryview[float],
        probabilities: memoryview[float] | None,
        states: memoryview[float] | None,
        /,
    ) -> None:
        """Run over a float64 buffer from a fresh state; write the probabilities and hidden states of all steps.

        `probabilities` or `states`, buffers of the same length, may be None. The network does not change.
        """
        for buffer in (probabilities, states):
            if buffer is not None:
                check_length(buffer, len(inputs))
        predict_steps((*self._state[:5], 0.0), inputs, probabilities, states)
