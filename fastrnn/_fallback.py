"""The pure-Python core: the definition of what fastrnn computes.

Its twin is _core.pyx: the same names in the same order and, line for line, the same arithmetic, so that both give the
same bits. _core.pyi is the boundary of both. The functions for one step come first, the loops over time after them.

Every operation is one IEEE double operation, in the order written: no sum(), which compensates its rounding since
Python 3.12, and no error ** 2, which can differ from error * error in the last bit. A state is an immutable tuple that
one assignment replaces whole, so that Ctrl-C never finds half an update.
"""

from __future__ import annotations

from math import copysign, exp, inf, isfinite, ldexp, log, log1p, nan, prod, sqrt
from struct import pack

from fastrnn._checks import diverged, number

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# ---- what crosses the boundary: numbers and float64 buffers ----


def check_length(buffer: Sequence[float] | memoryview[float] | memoryview[int], length: int) -> None:
    if len(buffer) != length:
        raise ValueError(f"a buffer of {length} numbers is needed, not of {len(buffer)}")


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


def round_probabilities(probabilities: memoryview[float], out: memoryview[int], /) -> None:
    """Write 1 to the int64 buffer `out` where a probability is above one half, else 0: Python's round(p)."""
    check_length(out, len(probabilities))
    for i, p in enumerate(probabilities):
        out[i] = p > 0.5


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


def predict_steps(state: State, inputs: memoryview[float], probabilities: memoryview[float]) -> None:
    """Write the probability of every step."""
    for step, x in enumerate(inputs):
        probabilities[step], state = predict_step(state, x)


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
        lr = finite(value, "lr")
        if lr < 0.0:
            raise ValueError(f"lr must not be negative, and it is {lr!r}")
        self._lr = lr

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
        if not isinstance(losses, list):
            raise TypeError(f"losses must be a list, not {type(losses).__name__}")
        for epoch in range(epochs):
            loss = train_steps(self, inputs, targets, epoch)
            losses.append(loss)
            if report is not None and epoch % 10 == 0:
                report(epoch, loss)

    def _predict(self, inputs: memoryview[float], probabilities: memoryview[float], /) -> None:
        """Write the probabilities for a float64 buffer, from a fresh state, to another. The network does not change."""
        check_length(probabilities, len(inputs))
        predict_steps((*self._state[:5], 0.0), inputs, probabilities)


# ---- exp, tanh and sigmoid: plain double arithmetic, so that every core and vector width gives the same bits ----

LOG2_E = 1.4426950408889634  # log2(e)
# ln 2 in two parts, the first of 33 bits: its product with an integer below 2^20 is exact (Cody and Waite 1980).
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it rounds a double to an integer, subtracting it gives that back
EXP_LOW, EXP_HIGH = -746.0, 710.0  # exp is 0.0 below, infinity above
TANH_ONE = 22.0  # tanh is 1.0 above
TANH_LARGE = 0.55  # where 1 - 2 / (exp(2x) + 1) becomes the more exact form


def exp_tail(r: float) -> float:
    """exp(r) - 1 - r for |r| <= ln(2) / 2: Taylor's polynomial to r^13 (the rest: below 5e-18), Estrin's scheme."""
    r2 = r * r
    r4 = r2 * r2
    r8 = r4 * r4
    a = (1.0 / 2.0 + r * (1.0 / 6.0)) + r2 * (1.0 / 24.0 + r * (1.0 / 120.0))
    b = (1.0 / 720.0 + r * (1.0 / 5040.0)) + r2 * (1.0 / 40320.0 + r * (1.0 / 362880.0))
    c = (1.0 / 3628800.0 + r * (1.0 / 39916800.0)) + r2 * (1.0 / 479001600.0 + r * (1.0 / 6227020800.0))
    return r2 * ((a + r4 * b) + r8 * c)


def fast_exp(x: float) -> float:
    """exp(x) = 2^k * exp(r), with k the integer nearest to x / ln 2 and r = x - k * ln 2."""
    if x != x:
        return x
    x = EXP_LOW if x < EXP_LOW else x
    x = EXP_HIGH if x > EXP_HIGH else x
    k = (x * LOG2_E + ROUND) - ROUND
    high = x - k * LN2_HIGH
    low = k * LN2_LOW
    value = 1.0 + (high - (low - exp_tail(high - low)))
    half = (0.5 * k + ROUND) - ROUND  # in two steps, for 2^k alone can be too large or too small for a double
    return value * ldexp(1.0, int(half)) * ldexp(1.0, int(k - half))


def fast_sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), as exp(x) / (1 + exp(x)) below 0, and with the rounding of the denominator put right."""
    e = fast_exp(-abs(x))
    denominator = 1.0 + e
    rest = e - (denominator - 1.0)
    value = (e if x < 0.0 else 1.0) / denominator
    return value - value * rest * (1.0 - value if x < 0.0 else value)


def fast_tanh(x: float) -> float:
    """tanh(x) = m / (m + 2) with m = exp(2x) - 1, exact to the last digits near 0 too; the same put otherwise above."""
    t = abs(x)
    if t != t:
        return x
    t = TANH_ONE if t > TANH_ONE else t
    y = 2.0 * t
    k = (y * LOG2_E + ROUND) - ROUND
    high = y - k * LN2_HIGH
    low = k * LN2_LOW
    scale = ldexp(1.0, int(k))
    m = scale * (high - (low - exp_tail(high - low))) + (scale - 1.0)
    denominator = m + 2.0
    rest = m - (denominator - 2.0)
    value = (m if t < TANH_LARGE else 2.0) / denominator
    return copysign(value - value * rest * (0.5 - 0.5 * value) if t < TANH_LARGE else 1.0 - value, x)


# ---- RNN: weights and sums ----

Vector = list[float]
Matrix = list[Vector]  # its rows


def add_products(start: Vector, weights: Matrix, vector: Vector) -> Vector:
    """start[i] + weights[i][0] * vector[0] + weights[i][1] * vector[1] + ..., for every row i."""
    result = []
    for total, row in zip(start, weights, strict=True):
        for weight, value in zip(row, vector, strict=True):
            total += weight * value
        result.append(total)
    return result


def add_transposed_products(start: Vector, weights: Matrix, vector: Vector) -> Vector:
    """start[j] + weights[0][j] * vector[0] + weights[1][j] * vector[1] + ..., for every column j."""
    result = list(start)
    for row, value in zip(weights, vector, strict=True):
        for j, weight in enumerate(row):
            result[j] += weight * value
    return result


def sum_of_products(rows: list[Vector], columns: list[Vector]) -> Matrix:
    """rows[0][i] * columns[0][j] + rows[1][i] * columns[1][j] + ..., for every i and j: a gradient over a window."""
    result = [[r * c for c in columns[0]] for r in rows[0]]
    for row, column in zip(rows[1:], columns[1:], strict=True):
        for total, r in zip(result, row, strict=True):
            for j, c in enumerate(column):
                total[j] += r * c
    return result


# ---- RNN: the cells, one step forward and backward ----
# forward: (weights, x, state) -> (the state after, what backward needs of this step)
# backward: (weights, state before, trace, state after, gradient by the state after) ->
#           (gradient by the sums of w_input_hidden, by those of w_hidden_hidden, by the state before)
# A state is the hidden state h; with an LSTM h, then c. Gates stand in PyTorch's order.

ACTIVATIONS: dict[str, tuple[Callable[[float], float], Callable[[float, float], float]]] = {
    "tanh": (fast_tanh, lambda d, h: d * (1.0 - h * h)),
    "sigmoid": (fast_sigmoid, lambda d, h: d * (h * (1.0 - h))),
    "relu": (lambda a: 0.0 if a < 0.0 else a, lambda d, h: d if h > 0.0 else 0.0),
}


def elman_forward(weights: Weights, x: Vector, state: Vector) -> tuple[Vector, Vector]:
    """Elman (1990): h = activation(w_input_hidden x + w_hidden_hidden h + b_hidden)."""
    activation, _ = ACTIVATIONS[weights.activation]
    a = add_products(weights.b_hidden, weights.w_input_hidden, x)
    a = add_products(a, weights.w_hidden_hidden, state)
    return [activation(v) for v in a], []


def elman_backward(
    weights: Weights, _before: Vector, _trace: Vector, after: Vector, gradient: Vector
) -> tuple[Vector, Vector, Vector]:
    _, derivative = ACTIVATIONS[weights.activation]
    delta = [derivative(d, h) for d, h in zip(gradient, after, strict=True)]
    zeros = [0.0] * len(delta)
    return delta, delta, add_transposed_products(zeros, weights.w_hidden_hidden, delta)


def gru_forward(weights: Weights, x: Vector, state: Vector) -> tuple[Vector, Vector]:
    """Cho et al. (2014), with the hidden bias inside the reset as in PyTorch:

    r, z = sigmoid(...), n = tanh(input part + r * hidden part), h = (1 - z) * n + z * h.
    """
    size = len(state)
    a = add_products(weights.b_hidden, weights.w_input_hidden, x)
    s = add_products(a[: 2 * size] + weights.b_hidden_hidden, weights.w_hidden_hidden, state)
    r = [fast_sigmoid(v) for v in s[:size]]
    z = [fast_sigmoid(v) for v in s[size : 2 * size]]
    q = s[2 * size :]
    n = [fast_tanh(a[2 * size + i] + r[i] * q[i]) for i in range(size)]
    after = [(1.0 - z[i]) * n[i] + z[i] * state[i] for i in range(size)]
    return after, r + z + n + q


def gru_backward(
    weights: Weights, before: Vector, trace: Vector, _after: Vector, gradient: Vector
) -> tuple[Vector, Vector, Vector]:
    size = len(before)
    r, z, n, q = (trace[k * size : (k + 1) * size] for k in range(4))
    delta_n = [gradient[i] * (1.0 - z[i]) * (1.0 - n[i] * n[i]) for i in range(size)]
    delta_r = [delta_n[i] * q[i] * (r[i] * (1.0 - r[i])) for i in range(size)]
    delta_z = [gradient[i] * (before[i] - n[i]) * (z[i] * (1.0 - z[i])) for i in range(size)]
    delta_q = [delta_n[i] * r[i] for i in range(size)]
    direct = [gradient[i] * z[i] for i in range(size)]
    delta_hidden = delta_r + delta_z + delta_q
    return (
        delta_r + delta_z + delta_n,
        delta_hidden,
        add_transposed_products(direct, weights.w_hidden_hidden, delta_hidden),
    )


def lstm_forward(weights: Weights, x: Vector, state: Vector) -> tuple[Vector, Vector]:
    """Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000):

    i, f, o = sigmoid(...), g = tanh(...), c = f * c + i * g, h = o * tanh(c).
    """
    size = len(state) // 2
    h, c = state[:size], state[size:]
    a = add_products(weights.b_hidden, weights.w_input_hidden, x)
    a = add_products(a, weights.w_hidden_hidden, h)
    i = [fast_sigmoid(v) for v in a[:size]]
    f = [fast_sigmoid(v) for v in a[size : 2 * size]]
    g = [fast_tanh(v) for v in a[2 * size : 3 * size]]
    o = [fast_sigmoid(v) for v in a[3 * size :]]
    c = [f[k] * c[k] + i[k] * g[k] for k in range(size)]
    tanh_c = [fast_tanh(v) for v in c]
    return [o[k] * tanh_c[k] for k in range(size)] + c, i + f + g + o + tanh_c


def lstm_backward(
    weights: Weights, before: Vector, trace: Vector, _after: Vector, gradient: Vector
) -> tuple[Vector, Vector, Vector]:
    size = len(before) // 2
    i, f, g, o, tanh_c = (trace[k * size : (k + 1) * size] for k in range(5))
    c = before[size:]
    dh, dc = gradient[:size], gradient[size:]
    delta_o = [dh[k] * tanh_c[k] * (o[k] * (1.0 - o[k])) for k in range(size)]
    dc = [dc[k] + dh[k] * o[k] * (1.0 - tanh_c[k] * tanh_c[k]) for k in range(size)]
    delta_i = [dc[k] * g[k] * (i[k] * (1.0 - i[k])) for k in range(size)]
    delta_f = [dc[k] * c[k] * (f[k] * (1.0 - f[k])) for k in range(size)]
    delta_g = [dc[k] * i[k] * (1.0 - g[k] * g[k]) for k in range(size)]
    delta = delta_i + delta_f + delta_g + delta_o
    zeros = [0.0] * size
    dh = add_transposed_products(zeros, weights.w_hidden_hidden, delta)
    return delta, delta, dh + [dc[k] * f[k] for k in range(size)]


CELLS = {
    "elman": (elman_forward, elman_backward),
    "gru": (gru_forward, gru_backward),
    "lstm": (lstm_forward, lstm_backward),
}


# ---- RNN: outputs and losses, one step ----
# (sums of the output layer, targets) -> (loss, gradient by the sums)


def half_squared_error(output: str, sums: Vector, targets: Vector) -> tuple[float, Vector]:
    """Half the sum of the squared errors, of linear outputs or of sigmoids."""
    loss = 0.0
    gradient = []
    for value, target in zip(activate_output(output, sums), targets, strict=True):
        error = value - target
        loss += error * error
        gradient.append(error * (value * (1.0 - value)) if output == "sigmoid" else error)
    return 0.5 * loss, gradient


def binary_cross_entropy(output: str, sums: Vector, targets: Vector) -> tuple[float, Vector]:
    """-y log p - (1 - y) log(1 - p) as max(a, 0) - a y + log(1 + exp(-|a|)): no digits lost, no overflow."""
    loss = 0.0
    gradient = []
    for a, p, target in zip(sums, activate_output(output, sums), targets, strict=True):
        loss += ((a if a > 0.0 else 0.0) - a * target) + log1p(fast_exp(-abs(a)))
        gradient.append(p - target)
    return loss, gradient


def cross_entropy(_output: str, sums: Vector, targets: Vector) -> tuple[float, Vector]:
    """-log p[class], as log(sum of exp(a - max a)) - (a[class] - max a); NaN for a class that there is not."""
    label = int(targets[0]) if 0.0 <= targets[0] < len(sums) else -1
    largest = max_of(sums)
    if label < 0:
        return nan, []
    exps = [fast_exp(a - largest) for a in sums]
    total = 0.0
    for e in exps:
        total += e
    gradient = [e / total for e in exps]
    gradient[label] -= 1.0
    return log(total) - (sums[label] - largest), gradient


def activate_output(output: str, sums: Vector) -> Vector:
    """The predictions: the sums themselves, their sigmoids, or their softmax."""
    if output == "linear":
        return list(sums)
    if output == "sigmoid":
        return [fast_sigmoid(a) for a in sums]
    largest = max_of(sums)
    exps = [fast_exp(a - largest) for a in sums]
    total = 0.0
    for e in exps:
        total += e
    return [e / total for e in exps]


def max_of(values: Vector) -> float:
    """The largest; written out, for max() orders NaN otherwise."""
    largest = values[0]
    for value in values[1:]:
        largest = value if value > largest else largest
    return largest


LOSSES = {
    "half_squared_error": half_squared_error,
    "binary_cross_entropy": binary_cross_entropy,
    "cross_entropy": cross_entropy,
}

# ---- RNN, over time ----

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Adam's, as Kingma and Ba (2015) give them


# A step that waits for its update: loss, x, state before, trace, state after, gradient by the sums of the output.
Step = tuple[float, Vector, Vector, Vector, Vector, Vector]
Running = tuple[Vector, tuple[Step, ...]]  # the state, and the steps since the last update


class Weights:
    """The parameters as rows, and with them what the functions of one step need to know."""

    w_input_hidden: Matrix
    w_hidden_hidden: Matrix
    b_hidden: Vector
    b_hidden_hidden: Vector
    w_hidden_output: Matrix
    b_output: Vector

    def __init__(self, network: RNNCore) -> None:
        self.activation = network._activation
        for name, view in network.parameters.items():
            setattr(self, name, view.tolist())


class RNNCore:
    """The numbers of an RNN and all that is done to them. fastrnn.RNN is the class to use.

    All that learning changes lies in one buffer, that one assignment replaces whole: the parameters, then for each of
    them its first moment (the velocity of sgd) and its second, then the powers of Adam's betas.
    """

    parameters: dict[str, memoryview[float]]
    lr: float
    momentum: float
    weight_decay: float
    clip: float
    window: int
    _running: Running

    @property
    def _memory(self) -> Vector:
        """All that learning changes, as a list: parameters row by row, first and second moments, powers of betas."""
        return read(self._values)

    @_memory.setter
    def _memory(self, values: Sequence[float]) -> None:
        check_length(values, 3 * self._count + 2)
        self._bytes[:] = pack(f"{len(values)}d", *values)

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
        self.parameters = {}
        start = 0
        for name, shape in shapes.items():
            part = self._values[start : start + prod(shape)]
            self.parameters[name] = part.cast("B").cast("d", shape)
            start += prod(shape)
        self.lr, self.momentum, self.weight_decay, self.clip, self.window = 0.01, 0.0, 0.0, inf, 1
        self._fresh = [0.0] * (2 * hidden_size if cell == "lstm" else hidden_size)
        self._running = self._fresh, ()

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
            raise diverged(where, self.lr)
        running = after, (*window, (loss, x, before, trace, after, gradient))
        if last or 0 < self.window <= len(running[1]):
            values, running = self._update(weights, running[1], where), (after, ())
            # Two stores side by side: between them nothing looks for Ctrl-C.
            self._bytes[:], self._running = values, running
        return loss, activate_output(self._output, sums), running

    def _gradients(self, weights: Weights, window: tuple[Step, ...]) -> list[Matrix]:
        """The gradient of the window's mean loss, by truncated backpropagation through time, as rows."""
        size = self._hidden_size
        scale = 1.0 / len(window)
        by_state = [0.0] * len(self._fresh)
        outputs: Matrix = []
        deltas: Matrix = []
        deltas_hidden: Matrix = []
        for _, _, before, trace, after, gradient in reversed(window):
            by_output = [scale * d for d in gradient]
            by_hidden = add_transposed_products(by_state[:size], weights.w_hidden_output, by_output)
            delta, delta_hidden, by_state = self._backward(weights, before, trace, after, by_hidden + by_state[size:])
            outputs.insert(0, by_output)
            deltas.insert(0, delta)
            deltas_hidden.insert(0, delta_hidden)
        ones = [[1.0]] * len(window)
        gradients = [
            sum_of_products(deltas, [x for _, x, *_ in window]),
            sum_of_products(deltas_hidden, [before[:size] for _, _, before, *_ in window]),
            sum_of_products(deltas, ones),
        ]
        if self._cell == "gru":
            gradients.append(sum_of_products([delta[2 * size :] for delta in deltas_hidden], ones))
        gradients.append(sum_of_products(outputs, [after[:size] for *_, after, _ in window]))
        gradients.append(sum_of_products(outputs, ones))
        return gradients

    def _update(self, weights: Weights, window: tuple[Step, ...], where: str) -> bytes:
        """All that learning changes, after a window that is complete: what is to be written to the memory."""
        gradients = self._gradients(weights, window)
        factor = 1.0
        finite = True
        if self.clip < inf:
            square = 0.0
            for rows in gradients:
                for row in rows:
                    row_square = 0.0
                    for g in row:
                        row_square += g * g
                    square += row_square
            norm = sqrt(square)
            finite = isfinite(norm)
            if norm > self.clip:
                factor = self.clip / norm
        values = self._memory
        n = self._count
        if self._optimizer != "sgd":
            values[3 * n] *= BETA_1
            values[3 * n + 1] *= BETA_2
        beta_1, beta_2 = values[3 * n :]
        for i, g in enumerate(g for rows in gradients for row in rows for g in row):
            g = g * factor
            if self._optimizer == "sgd":
                if self.momentum != 0.0:
                    g = values[n + i] = self.momentum * values[n + i] + g
                values[i] -= self.lr * g
                continue
            if self._optimizer == "adamw":
                values[i] *= 1.0 - self.lr * self.weight_decay
            m = values[n + i] = BETA_1 * values[n + i] + (1.0 - BETA_1) * g
            v = values[2 * n + i] = BETA_2 * values[2 * n + i] + (1.0 - BETA_2) * (g * g)
            values[i] -= self.lr * ((m / (1.0 - beta_1)) / (sqrt(v / (1.0 - beta_2)) + EPSILON))
        if not (finite and all(map(isfinite, values))):
            raise diverged(where, self.lr)
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
        steps = sum(lengths)
        for epoch in range(epochs):
            total, start = 0.0, 0
            for length in lengths:
                total = self._train_sequence(inputs, targets, start, start + length, epoch, total)
                start += length
            losses.append(total / steps)
            if report is not None and epoch % 10 == 0:
                report(epoch, total / steps)

    def _train_sequence(
        self, inputs: memoryview[float], targets: memoryview[float], start: int, stop: int, epoch: int, total: float
    ) -> float:
        """Train on the steps from `start` to `stop`; returns `total` with their losses added, one by one.

        The network takes over a state with each update, so that it never waits in the middle of a window.
        """
        weights = Weights(self)
        running: Running = self._fresh, ()
        for step in range(start, stop):
            x, y = self._row(inputs, step, self._input_size), self._row(targets, step, self._target_size)
            where = f" at epoch {epoch}, step {step}"
            loss, _, running = self._learn_step(weights, running, x, y, step + 1 == stop, where)
            total += loss
            if not running[1]:
                weights = Weights(self)
        return total

    def _row(self, buffer: memoryview[float], step: int, size: int) -> Vector:
        return read(buffer[step * size : (step + 1) * size])

    def _predict(
        self,
        inputs: memoryview[float],
        state: memoryview[float],
        predictions: memoryview[float] | None,
        states: memoryview[float] | None,
        /,
    ) -> None:
        """Run over inputs, from the state in the buffer `state`, which takes the last; write predictions and states.

        `predictions` or `states`, buffers of T rows, may be None.
        """
        weights = Weights(self)
        h, rows = read(state), len(inputs) // self._input_size
        for step in range(rows):
            h, _, sums = self._predict_step(weights, h, self._row(inputs, step, self._input_size))
            if predictions is not None:
                write(predictions, step * self._output_size, activate_output(self._output, sums))
            if states is not None:
                write(states, step * self._hidden_size, h[: self._hidden_size])
        write(state, 0, h)

    def _step(self, x: memoryview[float], predictions: memoryview[float], /) -> None:
        """One step on from the network's own state, without learning; steps that wait for an update are given up."""
        state, _, sums = self._predict_step(Weights(self), self._running[0], read(x))
        write(predictions, 0, activate_output(self._output, sums))
        self._running = state, ()

    def _learn(self, x: memoryview[float], targets: memoryview[float], predictions: memoryview[float], /) -> None:
        """One step on from the network's own state; the predictions are those before the update, if one is due."""
        _, values, self._running = self._learn_step(Weights(self), self._running, read(x), read(targets), False, "")
        write(predictions, 0, values)

    def reset(self) -> None:
        """Start a new sequence: a fresh state. Steps that wait for an update are given up; the parameters stay."""
        self._running = self._fresh, ()


def read(buffer: memoryview[float]) -> Vector:
    return buffer.tolist()  # type: ignore[return-value]


def write(buffer: memoryview[float], start: int, values: Vector) -> None:
    for i, value in enumerate(values):
        buffer[start + i] = value
