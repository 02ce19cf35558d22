"""RNN: the gradient of every parameter, by central finite differences, on every core."""

import random

import pytest

from fastrnn._kinds import Spec
from tests.conftest import examples
from tests.test_rnn_identity import KINDS, OUTPUTS, buffer, target


@pytest.mark.parametrize(("cell", "activation"), KINDS)
@pytest.mark.parametrize(("output", "loss"), OUTPUTS)
def test_gradients(fastrnn, cell, activation, output, loss):
    """Full backpropagation over a sequence: with lr = 1 the update is minus the gradient of the mean loss."""
    source = random.Random(f"{cell} {activation} {output} {loss}")
    inputs, size, outputs, steps = 2, 3, 2, 5
    network = fastrnn.simple.core.RNNCore()
    spec = Spec(size, cell, activation, inputs, outputs, output, loss)
    network._build(spec)
    network._lr, network._window = 1.0, 0
    start = network._memory.tolist()
    count = (len(start) - 2) // 3
    start[:count] = [source.uniform(-1, 1) for _ in range(count)]
    names = [f"{name}[{i}]" for name, view in network.parameters.items() for i in range(view.nbytes // 8)]
    x = buffer([source.uniform(-1, 1) for _ in range(steps * inputs)])
    y = buffer([target(source, spec) for _ in range(steps * spec.target_size)])

    def train(memory):
        losses = []
        network._memory = buffer(memory)
        network._train(examples(x, y, [steps]), None, 1, losses, [], None)
        return losses[0]

    train(start)
    analytic = [before - after for before, after in zip(start[:count], network._memory, strict=False)]
    h = 2e-4  # a difference of the fourth order: its own error is some 1e-16, that of rounding some 1e-12
    for i in range(count):
        up, down, far_up, far_down = (train([*start[:i], start[i] + k * h, *start[i + 1 :]]) for k in (1, -1, 2, -2))
        numeric = (8.0 * (up - down) - (far_up - far_down)) / (12.0 * h)
        assert analytic[i] == pytest.approx(numeric, rel=1e-6, abs=2e-12), names[i]
