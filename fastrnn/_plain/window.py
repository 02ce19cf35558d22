"""A window of steps, forward, backward and its gradients. The twin: _compiled/window.pxi."""

from __future__ import annotations

from math import prod

from fastrnn._plain.network import Network, Row
from fastrnn._plain.scales import scale_numbers, unscale_numbers
from fastrnn._plain.sums import Matrix, Vector, add_products, sum_of_products

# ---- a window, forward ----


def forward(net: Network, rows: list[Row], steps: int, inputs: Vector) -> None:
    """Run over `steps` rows, from the state in the first: the states and traces."""
    inputs = scale_numbers(inputs, net.scales[0], net.scales[1])
    for t in range(steps):
        rows[t].x = inputs[t * net.spec.input_size : (t + 1) * net.spec.input_size]
    net.cell.forward(net, rows, steps)


def read_out(net: Network, rows: list[Row], steps: int) -> None:
    """The sums of the output layer, after forward."""
    for t in range(steps):
        rows[t].sums = add_products(net.b_output, net.w_hidden_output, rows[t + 1].h)


def predictions_of(net: Network, rows: list[Row], steps: int) -> Matrix:
    """What comes out, in the units of the data, after read_out."""
    return [unscale_numbers(row, net.scales[2], net.scales[3]) for row in net.output.predict(net, rows, steps)]


def losses_of(net: Network, rows: list[Row], steps: int, targets: Vector) -> None:
    """The loss of each step and its gradient by the sums, after read_out; targets in the units of the data."""
    net.loss.loss(net, rows, steps, scale_numbers(targets, net.scales[2], net.scales[3]))


# ---- a window, backward ----

Gradient = dict[str, Matrix]  # by the parameters, in their order; vectors as rows of one number


def no_gradient(net: Network) -> Gradient:
    """Nothing to add to is -0.0: x + -0.0 is x for every x."""
    return {name: [[-0.0] * prod(shape[1:]) for _ in range(shape[0])] for name, shape in net.spec.shapes.items()}


def backward(net: Network, rows: list[Row], steps: int, scale: float) -> None:
    """`scale` times the gradients of the window's weighted losses by all sums, by truncated backpropagation through
    time. What has no weight is skipped, for it can be anything."""
    by_state = [[0.0] * net.spec.hidden_size for _ in range(net.spec.states)]
    for t in range(steps):
        row = rows[t]
        none = row.weight == 0.0
        row.by_output = [0.0] * net.spec.output_size if none else [scale * row.weight * g for g in row.gradient]
    net.cell.backward(net, rows, steps, by_state, False)


def gradients(net: Network, rows: list[Row], steps: int, result: Gradient) -> None:
    """The gradient of the window's loss by the parameters, after backward: added to `result`, from the last step to the
    first."""
    of, ones = rows[:steps][::-1], [[1.0]] * steps
    deltas = [row.delta for row in of]
    by_hidden = [row.delta_hidden for row in of] if net.spec.apart else deltas
    outputs = [row.by_output for row in of]
    sum_of_products(deltas, ones, result["b_hidden"])
    sum_of_products(deltas, [row.x for row in of], result["w_input_hidden"])
    sum_of_products(by_hidden, [row.h for row in of], result["w_hidden_hidden"])
    own = [g for name in net.spec.own for g in result[name]]
    sum_of_products([row.by_own for row in of], ones, own)
    sum_of_products(outputs, [row.h for row in rows[1 : steps + 1][::-1]], result["w_hidden_output"])
    sum_of_products(outputs, ones, result["b_output"])


def add_gradient(net: Network, rows: list[Row], steps: int, scale: float, result: Gradient) -> None:
    """Add the gradient of a window of one sequence, a sum of its own, to that of the next update."""
    while steps > 0 and rows[steps - 1].weight == 0.0:  # what comes after the last weight has no part in it
        steps -= 1
    if steps == 0:
        return
    own = no_gradient(net)
    backward(net, rows, steps, scale)
    gradients(net, rows, steps, own)
    for name, whole in result.items():
        for total, row in zip(whole, own[name], strict=True):
            for i, g in enumerate(row):
                total[i] += g
