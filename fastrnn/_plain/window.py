"""A window of steps, forward, backward and its gradients. The twin: _compiled/window.pxi."""

from __future__ import annotations

from fastrnn._plain.network import Network, Row
from fastrnn._plain.sums import Matrix, Vector, add_products, sum_of_products

# ---- a window ----

Gradient = dict[str, Matrix]  # by the parameters, in their order; vectors as rows of one number


def forward(net: Network, rows: list[Row], steps: int, inputs: Vector) -> None:
    """Run over `steps` rows, from the state in the first: the states and traces, and then the sums of the output."""
    for t in range(steps):
        rows[t].x = inputs[t * net.spec.input_size : (t + 1) * net.spec.input_size]
    net.cell.forward(net, rows, steps)
    for t in range(steps):
        rows[t].sums = add_products(net.b_output, net.w_hidden_output, rows[t + 1].h)


def backward(net: Network, rows: list[Row], steps: int, factor: float) -> None:
    """`factor` times the gradients of the window's mean loss by all sums, by truncated backpropagation through time."""
    by_state = [[0.0] * net.spec.hidden_size for _ in range(net.spec.states)]
    for t in range(steps):
        row = rows[t]
        row.scale = factor / steps
        row.by_output = [row.scale * g for g in row.gradient]
    net.cell.backward(net, rows, steps, by_state, False)


def gradients(net: Network, rows: list[Row], steps: int, result: Gradient) -> None:
    """The gradient of the window's loss by the parameters, after backward: added to `result`."""
    ones = [[1.0]] * steps
    deltas = [row.delta for row in rows[:steps]]
    by_hidden = [row.delta_hidden for row in rows[:steps]] if net.spec.apart else deltas
    outputs = [row.by_output for row in rows[:steps]]
    sum_of_products(deltas, ones, result["b_hidden"])
    sum_of_products(deltas, [row.x for row in rows[:steps]], result["w_input_hidden"])
    sum_of_products(by_hidden, [row.h for row in rows[:steps]], result["w_hidden_hidden"])
    own = [g for name in net.spec.own for g in result[name]]
    sum_of_products([row.by_own for row in rows[:steps]], ones, own)
    sum_of_products(outputs, [row.h for row in rows[1 : steps + 1]], result["w_hidden_output"])
    sum_of_products(outputs, ones, result["b_output"])


def add_gradient(net: Network, rows: list[Row], steps: int, factor: float, result: Gradient) -> None:
    """Add `factor` times the gradient of the window's mean loss to the one that the next update is made of."""
    backward(net, rows, steps, factor)
    gradients(net, rows, steps, result)
