"""The cells, a pass forward and a pass backward. The twin: _compiled/cells.pxi.

forward : from x and the state of each of `steps` rows to the state of the row after it and the trace.
backward : from the gradients by the sums of the output layer and, in by_state, by the state after the last row, from
    there to the first row: the gradients by the sums of the gates and by the cell's own parameters. by_state (h, and
    c) takes the one by the state before the first row, where `further` asks for it.
"""

from __future__ import annotations

from types import SimpleNamespace as Kind

from fastrnn._plain.functions import sigmoid_all, tanh_all
from fastrnn._plain.network import Network, Row
from fastrnn._plain.sums import Vector, add_products, add_transposed_products

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
    for t in range(steps):
        row, after = rows[t], rows[t + 1]
        after.h = net.activation.activate(add_products(net.b_hidden, net.w_gates, row.x + row.h))
        row.trace = []


def elman_backward(net: Network, rows: list[Row], steps: int, by_state: list[Vector], further: bool) -> None:
    (by_h,) = by_state
    for t in range(steps - 1, -1, -1):
        row, after = rows[t], rows[t + 1]
        by_h = add_transposed_products(by_h, net.w_hidden_output, row.by_output)
        row.delta = net.activation.derive(by_h, after.h)
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

ACTIVATIONS = {
    "tanh": Kind(activate=tanh_all, derive=tanh_delta),
    "sigmoid": Kind(activate=sigmoid_all, derive=sigmoid_delta),
    "relu": Kind(activate=relu_all, derive=relu_delta),
}
CELLS = {
    "elman": Kind(forward=elman_forward, backward=elman_backward),
    "gru": Kind(forward=gru_forward, backward=gru_backward),
    "lstm": Kind(forward=lstm_forward, backward=lstm_backward),
}
