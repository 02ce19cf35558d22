"""The norm of a gradient, and what optimizers make of it. The twin: _compiled/optimizers.pxi.

An optimizer takes the gradient, `factor` times, and returns what is to become of the memory: the parameters, and behind
them the moments that it keeps.
"""

from __future__ import annotations

from math import inf, isfinite, nan, sqrt
from struct import pack
from types import SimpleNamespace as Kind

from fastrnn._plain.network import Network
from fastrnn._plain.sums import Vector
from fastrnn._plain.window import Gradient

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Adam's, as Kingma and Ba (2015) give them


# ---- the norm ----


def norm(_net: Network, gradient: Gradient) -> float:
    """The square root of the sum of all squares: of each row first, and then of the rows, parameter by parameter."""
    total = 0.0
    for rows in gradient.values():
        for row in rows:
            square = 0.0
            for g in row:
                square += g * g
            total += square
    return sqrt(total)


# ---- the optimizers ----


def is_plain_sgd(net: Network) -> bool:
    """With neither momentum, nor a penalty, nor a limit to the gradient."""
    plain = net.spec.optimizer == "sgd" and net.of_optimizer[0] == 0.0
    return plain and net.l1 == 0.0 and not net.clip < inf


def factor_of_loss(net: Network) -> float:
    """Plain sgd multiplies the gradient of the loss by lr before it runs back, not that of each parameter after it."""
    return net.lr if is_plain_sgd(net) else 1.0


def sgd_numbers(length: int, values: Vector, factor: float, lr: float, g: Vector) -> None:
    for i in range(length):
        values[i] = values[i] - lr * (g[i] * factor)


def momentum_numbers(length: int, values: Vector, factor: float, lr: float, momentum: float, g: Vector) -> None:
    for i in range(length):
        values[length + i] = momentum * values[length + i] + g[i] * factor
        values[i] = values[i] - lr * values[length + i]


def sgd(net: Network, factor: float, gradient: Gradient) -> Vector:
    """Gradient descent; with momentum, velocity = momentum * velocity + gradient takes the gradient's place."""
    length, g = net.spec.count, [g for rows in gradient.values() for row in rows for g in row]
    momentum = net.of_optimizer[0]
    if momentum == 0.0:
        values = [*net.memory[:length]]
        sgd_numbers(length, values, factor, 1.0 if is_plain_sgd(net) else net.lr, g)
        return values
    values = [*net.memory[: 2 * length]]
    momentum_numbers(length, values, factor, net.lr, momentum, g)
    return values


def adam_numbers(net: Network, values: Vector, factor: float, decay: float, gradient: Vector) -> None:
    length, lr = net.spec.count, net.lr
    beta_1, beta_2 = values[3 * length :]
    for i in range(length):
        g = gradient[i] * factor
        first = values[length + i] = BETA_1 * values[length + i] + (1.0 - BETA_1) * g
        second = values[2 * length + i] = BETA_2 * values[2 * length + i] + (1.0 - BETA_2) * (g * g)
        values[i] = values[i] * decay - lr * ((first / (1.0 - beta_1)) / (sqrt(second / (1.0 - beta_2)) + EPSILON))


def adam_with_decay(net: Network, factor: float, decay: float, gradient: Gradient) -> Vector:
    length, values = net.spec.count, [*net.memory]
    values[3 * length] *= BETA_1
    values[3 * length + 1] *= BETA_2
    adam_numbers(net, values, factor, decay, [g for rows in gradient.values() for row in rows for g in row])
    return values


def adam(net: Network, factor: float, gradient: Gradient) -> Vector:
    """Kingma and Ba (2015)."""
    return adam_with_decay(net, factor, 1.0, gradient)


def adamw(net: Network, factor: float, gradient: Gradient) -> Vector:
    """Loshchilov and Hutter (2019)."""
    return adam_with_decay(net, factor, 1.0 - net.lr * net.of_optimizer[0], gradient)


# ---- penalty, clip, and commit ----


def penalty_delta(l1: float, weights: memoryview[float], g: Vector) -> None:
    for i, weight in enumerate(weights):
        g[i] += l1 if weight > 0.0 else -l1 if weight < 0.0 else 0.0


def add_penalty(net: Network, gradient: Gradient) -> None:
    """That of l1 times the sum of all |w| over the input and the recurrent weights."""
    if net.l1 == 0.0:
        return
    for name in ("w_input_hidden", "w_hidden_hidden"):
        size = net.spec.shapes[name][1]
        flat = net.views[name].cast("B").cast("d")
        for i, row in enumerate(gradient[name]):
            penalty_delta(net.l1, flat[i * size : (i + 1) * size], row)


def clip_factor(net: Network, gradient: Gradient) -> float:
    """What the gradient is multiplied by so that its norm is at most clip (Pascanu et al. 2013); NaN if it has none."""
    if not net.clip < inf:
        return 1.0
    length = norm(net, gradient)
    if not isfinite(length):
        return nan
    return net.clip / length if length > net.clip else 1.0


def commit(net: Network, state: Vector, proposal: Vector) -> bool:
    """Take over what was proposed, if it is finite, and the state with it. No signal is heard in between."""
    if not all(map(isfinite, proposal)):
        return False
    values, running = pack(f"{len(proposal)}d", *proposal), (state, ())
    # Three stores side by side: between them nothing looks for Ctrl-C.
    net.bytes[: len(values)], net.running, net.updates = values, running, net.updates + 1
    return True


# ---- the rows ----

OPTIMIZERS = {"sgd": Kind(propose=sgd), "adam": Kind(propose=adam), "adamw": Kind(propose=adamw)}
