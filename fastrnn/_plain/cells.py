"""The cells, one step forward and backward. The twin: _compiled/cells.pxi."""

from __future__ import annotations

from fastrnn._plain.functions import fast_sigmoid, fast_tanh
from fastrnn._plain.sums import Matrix, Vector, add_products, add_transposed_products

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# ---- layout ----


class Weights:
    """The parameters as rows, and with them what the functions of one step need to know."""

    w_input_hidden: Matrix
    w_hidden_hidden: Matrix
    b_hidden: Vector
    b_hidden_hidden: Vector
    w_hidden_output: Matrix
    b_output: Vector

    def __init__(self, activation: str, parameters: Mapping[str, memoryview[float]]) -> None:
        self.activation = activation
        for name, view in parameters.items():
            setattr(self, name, view.tolist())


# ---- the cells, one step forward and backward ----
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
