"""The update is minus lr times the gradient of half the squared error, by central finite differences."""

import random

import pytest

from fastrnn import SimpleRNN

WEIGHTS = ("w_input_hidden", "w_hidden_hidden", "w_hidden_output", "b_hidden", "b_output")


def network_at(weights, hidden_state, lr):
    network = SimpleRNN(lr, seed=0)
    for name, value in weights.items():
        setattr(network, name, value)
    network.hidden_state = hidden_state
    return network


@pytest.mark.parametrize("seed", range(20))
def test_update(seed):
    source = random.Random(seed)
    weights = {name: source.uniform(-2, 2) for name in WEIGHTS}
    hidden_state, x, target = source.random(), source.uniform(-2, 2), source.random()

    def half_squared_error(changed):
        error = network_at(weights | changed, hidden_state, 0.0).step(x) - target
        return 0.5 * error * error

    lr, epsilon = 0.5, 1e-5
    network = network_at(weights, hidden_state, lr)
    network.learn(x, target)
    for name in WEIGHTS:
        up = half_squared_error({name: weights[name] + epsilon})
        down = half_squared_error({name: weights[name] - epsilon})
        gradient = (weights[name] - getattr(network, name)) / lr
        assert gradient == pytest.approx((up - down) / (2 * epsilon), rel=1e-6, abs=1e-10), name
