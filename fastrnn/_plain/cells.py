"""The cells, a pass forward and a pass backward. The twin: _compiled/cells.pxi.

forward : from x and the state of each of `steps` rows to the state of the row after it and the trace.
backward : from the gradient by the state after the last of them and those by the sums of the output layer, from the
    last row to the first, to the gradients by the sums of the gates. by_state takes the one by the state before the
    first row, where `further` asks for it.
"""

from __future__ import annotations

from math import inf, prod

from fastrnn._plain.functions import sigmoid_all, tanh_all
from fastrnn._plain.sums import Matrix, Vector, add_products, add_transposed_products

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from typing import Any

    from fastrnn._kinds import Spec

# ---- a network as the passes take it, and a row of the tape ----


class Network:
    """What an RNN is: the numbers that learning changes, and with them what the passes need to know.

    memory : the parameters row by row, then for each of them its first moment (the velocity of sgd) and its second,
        then the powers of Adam's betas. One assignment replaces it whole.
    running : the state, and the rows that wait for an update of learn().
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        try:
            self.bytes = memoryview(bytearray(8 * (3 * spec.parameters + 2)))
        except MemoryError:
            raise MemoryError(f"there is no memory for {spec.parameters:,} parameters") from None
        self.memory = self.bytes.cast("d")
        self.memory[3 * spec.parameters] = self.memory[3 * spec.parameters + 1] = 1.0
        self.views: dict[str, memoryview[float]] = {}
        end = 0
        for name, shape in spec.shapes.items():
            length = prod(shape)
            self.views[name] = self.memory[end : end + length].cast("B").cast("d", shape)
            end += length
        self.running: tuple[Vector, tuple[Row, ...]] = [0.0] * spec.state_size, ()
        row = memoryview(bytearray(8 * (spec.input_size + spec.target_size + spec.output_size))).cast("d")
        self.x, self.targets = row[: spec.input_size], row[spec.input_size : spec.input_size + spec.target_size]
        self.predictions = row[spec.input_size + spec.target_size :]
        self.lr, self.clip, self.window = 0.01, inf, 32  # a clip of infinity is none; a window of 0 the whole sequence
        self.settings = [*spec.settings.values()]  # those of the loss, then those of the optimizer

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
    scale: float  # what the step's gradient is multiplied by: its share in the loss of the window
    x: Vector
    h: Vector  # the hidden state before the step
    c: Vector  # the cell's memory before the step, where there are two states
    trace: Vector  # what backward needs of the cell
    sums: Vector  # of the output layer
    gradient: Vector  # of the step's loss by the sums of the output layer
    by_output: Vector  # scale * gradient
    delta: Vector  # gradient by the sums of the gates, where apart by those over x
    delta_hidden: Vector  # where apart: by those over h
    by_own: Vector  # gradient by the cell's own parameters

    def __init__(self, spec: Spec, state: Vector = []) -> None:  # noqa: B006
        self.h, self.c = state[: spec.hidden_size], state[spec.hidden_size :]
        self.by_own = []

    @property
    def state(self) -> Vector:
        return self.h + self.c


# ---- Elman ----


def relu_all(values: Vector) -> Vector:
    return [0.0 if a < 0.0 else a for a in values]


def tanh_delta(by_h: Vector, h: Vector) -> Vector:
    return [d * (1.0 - v * v) for d, v in zip(by_h, h, strict=True)]


def sigmoid_delta(by_h: Vector, h: Vector) -> Vector:
    return [d * (v * (1.0 - v)) for d, v in zip(by_h, h, strict=True)]


def relu_delta(by_h: Vector, h: Vector) -> Vector:
    return [d if v > 0.0 else 0.0 for d, v in zip(by_h, h, strict=True)]


def elman_forward(net: Network, rows: list[Row], steps: int) -> None:
    """Elman (1990): h = activation(w_input_hidden x + w_hidden_hidden h + b_hidden)."""
    activate, _ = ACTIVATIONS[net.spec.activation]
    for t in range(steps):
        row, after = rows[t], rows[t + 1]
        after.h = activate(add_products(net.b_hidden, net.w_gates, row.x + row.h))
        row.trace = []


def elman_backward(net: Network, rows: list[Row], steps: int, by_state: list[Vector], further: bool) -> None:
    _, derive = ACTIVATIONS[net.spec.activation]
    (by_h,) = by_state
    for t in range(steps - 1, -1, -1):
        row, after = rows[t], rows[t + 1]
        by_h = add_transposed_products(by_h, net.w_hidden_output, row.by_output)
        row.delta = derive(by_h, after.h)
        if t > 0 or further:
            by_h = add_transposed_products([0.0] * len(by_h), net.w_hidden_hidden, row.delta)
    by_state[:] = [by_h]


# ---- GRU ----


def gru_new(a: Vector, r: Vector, q: Vector) -> Vector:
    """The sums of n, from those over x, which are a, and those over h, which are q."""
    return [a[i] + r[i] * q[i] for i in range(len(q))]


def gru_state(z: Vector, n: Vector, before: Vector) -> Vector:
    return [(1.0 - z[i]) * n[i] + z[i] * before[i] for i in range(len(z))]


def gru_delta(before: Vector, trace: Vector, by_h: Vector) -> tuple[Vector, Vector, Vector, Vector, Vector]:
    """The last of them is what of by_h goes past the gates to the state before."""
    size = len(before)
    r, z, n, q = (trace[k * size : (k + 1) * size] for k in range(4))
    delta_n = [by_h[i] * (1.0 - z[i]) * (1.0 - n[i] * n[i]) for i in range(size)]
    delta_r = [delta_n[i] * q[i] * (r[i] * (1.0 - r[i])) for i in range(size)]
    delta_z = [by_h[i] * (before[i] - n[i]) * (z[i] * (1.0 - z[i])) for i in range(size)]
    delta_q = [delta_n[i] * r[i] for i in range(size)]
    by_h = [by_h[i] * z[i] for i in range(size)]
    return delta_r, delta_z, delta_n, delta_q, by_h


def gru_forward(net: Network, rows: list[Row], steps: int) -> None:
    """Cho et al. (2014), with the hidden bias inside the reset as in PyTorch:

    r, z = sigmoid(...), n = tanh(input part + r * hidden part), h = (1 - z) * n + z * h.
    """
    size = net.spec.hidden_size
    for t in range(steps):
        row, after = rows[t], rows[t + 1]
        a = add_products(net.b_hidden, net.w_gates, row.x)
        s = add_products(a[: 2 * size] + net.own, net.w_hidden_hidden, row.h)
        r, z = sigmoid_all(s[:size]), sigmoid_all(s[size : 2 * size])
        q = s[2 * size :]
        n = tanh_all(gru_new(a[2 * size :], r, q))
        after.h = gru_state(z, n, row.h)
        row.trace = r + z + n + q


def gru_backward(net: Network, rows: list[Row], steps: int, by_state: list[Vector], further: bool) -> None:
    (by_h,) = by_state
    for t in range(steps - 1, -1, -1):
        row = rows[t]
        by_h = add_transposed_products(by_h, net.w_hidden_output, row.by_output)
        delta_r, delta_z, delta_n, row.by_own, by_h = gru_delta(row.h, row.trace, by_h)
        row.delta = delta_r + delta_z + delta_n
        row.delta_hidden = delta_r + delta_z + row.by_own
        if t > 0 or further:
            by_h = add_transposed_products(by_h, net.w_hidden_hidden, row.delta_hidden)
    by_state[:] = [by_h]


# ---- LSTM ----


def lstm_cell(gates: Vector, before: Vector) -> tuple[Vector, Vector]:
    size = len(before)
    i, f, g = (gates[k * size : (k + 1) * size] for k in range(3))
    after = [f[k] * before[k] + i[k] * g[k] for k in range(size)]
    return after, tanh_all(after)


def lstm_hidden(o: Vector, tanh_c: Vector) -> Vector:
    return [o[k] * tanh_c[k] for k in range(len(o))]


def lstm_delta(c: Vector, trace: Vector, by_h: Vector, by_c: Vector) -> tuple[Vector, Vector, Vector, Vector, Vector]:
    """The last of them is the gradient by the memory before."""
    size = len(c)
    i, f, g, o, tanh_c = (trace[k * size : (k + 1) * size] for k in range(5))
    delta_o = [by_h[k] * tanh_c[k] * (o[k] * (1.0 - o[k])) for k in range(size)]
    d = [by_c[k] + by_h[k] * o[k] * (1.0 - tanh_c[k] * tanh_c[k]) for k in range(size)]
    delta_i = [d[k] * g[k] * (i[k] * (1.0 - i[k])) for k in range(size)]
    delta_f = [d[k] * c[k] * (f[k] * (1.0 - f[k])) for k in range(size)]
    delta_g = [d[k] * i[k] * (1.0 - g[k] * g[k]) for k in range(size)]
    by_c = [d[k] * f[k] for k in range(size)]
    return delta_i, delta_f, delta_g, delta_o, by_c


def lstm_forward(net: Network, rows: list[Row], steps: int) -> None:
    """Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000):

    i, f, o = sigmoid(...), g = tanh(...), c = f * c + i * g, h = o * tanh(c).
    """
    size = net.spec.hidden_size
    for t in range(steps):
        row, after = rows[t], rows[t + 1]
        a = add_products(net.b_hidden, net.w_gates, row.x + row.h)
        gates = sigmoid_all(a[: 2 * size]) + tanh_all(a[2 * size : 3 * size]) + sigmoid_all(a[3 * size :])
        after.c, tanh_c = lstm_cell(gates, row.c)
        after.h = lstm_hidden(gates[3 * size :], tanh_c)
        row.trace = gates + tanh_c


def lstm_backward(net: Network, rows: list[Row], steps: int, by_state: list[Vector], further: bool) -> None:
    by_h, by_c = by_state
    for t in range(steps - 1, -1, -1):
        row = rows[t]
        by_h = add_transposed_products(by_h, net.w_hidden_output, row.by_output)
        delta_i, delta_f, delta_g, delta_o, by_c = lstm_delta(row.c, row.trace, by_h, by_c)
        row.delta = delta_i + delta_f + delta_g + delta_o
        if t > 0 or further:
            by_h = add_transposed_products([0.0] * len(by_h), net.w_hidden_hidden, row.delta)
    by_state[:] = [by_h, by_c]


# ---- the rows ----

ACTIVATIONS = {"tanh": (tanh_all, tanh_delta), "sigmoid": (sigmoid_all, sigmoid_delta), "relu": (relu_all, relu_delta)}
CELLS = {
    "elman": (elman_forward, elman_backward),
    "gru": (gru_forward, gru_backward),
    "lstm": (lstm_forward, lstm_backward),
}
