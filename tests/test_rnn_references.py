"""RNN beside others: SimpleRNN, which it follows to within rounding, and PyTorch, whose layout and numbers it has."""

import math
import random

import pytest

WEIGHTS = ("w_input_hidden", "w_hidden_hidden", "w_hidden_output", "b_hidden", "b_output")


def test_the_notebooks_network(fastrnn):
    """One sigmoid unit, online: SimpleRNN's numbers but for the last bits, which differ by the exp they use."""
    inputs = [t % 2 for t in range(40)]
    simple = fastrnn.SimpleRNN(lr=0.1, epochs=50, seed=3)
    network = fastrnn.RNN(
        1, activation="sigmoid", output="sigmoid", loss="half_squared_error", window=1, lr=0.1, epochs=50, seed=0
    )
    for name in WEIGHTS:
        weight = getattr(simple, name)
        setattr(network, name, [[weight]] if name.startswith("w_") else [weight])
    simple.train(inputs[:-1], inputs[1:], verbose=False)
    network.train(inputs[:-1], inputs[1:])
    for name in WEIGHTS:
        (weight,) = memoryview(bytes(network.parameters[name])).cast("d")
        assert weight == pytest.approx(getattr(simple, name), rel=1e-12)
    assert network.predict_proba(inputs) == pytest.approx(simple.predict_proba(inputs), rel=1e-12)
    assert network.predict(inputs) == simple.predict(inputs)
    # SimpleRNN's loss is the sum of the squared errors, RNN's the mean of their halves.
    assert network.losses == pytest.approx([loss / 2 / 39 for loss in simple.losses], rel=1e-12)


def test_adam_by_hand(fastrnn):
    """Three steps of the algorithm as Kingma and Ba print it, on a gradient that is known: that of b_output."""
    network = fastrnn.RNN(1, optimizer="adam", lr=0.1, window=1, epochs=1, seed=0)
    network.w_hidden_output = [[0.0]]  # the hidden unit has no say, and gets no gradient
    m = v = 0.0
    bias = network.b_output[0]
    for t in range(1, 4):
        gradient = bias - 2.0
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        bias -= 0.1 * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
        network.w_hidden_output = [[0.0]]
        network.learn(0.0, 2.0)
        assert network.b_output[0] == pytest.approx(bias, rel=1e-12)


CASES = [
    ("elman", "tanh", "linear", "half_squared_error"),
    ("elman", "relu", "sigmoid", "binary_cross_entropy"),
    ("gru", "tanh", "softmax", "cross_entropy"),
    ("gru", "tanh", "linear", "half_squared_error"),
    ("lstm", "tanh", "sigmoid", "half_squared_error"),
    ("lstm", "tanh", "softmax", "cross_entropy"),
]


@pytest.mark.parametrize(("cell", "activation", "output", "loss"), CASES)
def test_pytorch(fastrnn, cell, activation, output, loss):
    """Values and gradients: with lr = 1 the update of full backpropagation is minus the gradient."""
    torch = pytest.importorskip("torch")
    inputs, size, outputs, steps = 3, 5, 4, 12
    network = fastrnn.RNN(
        size,
        cell=cell,
        activation=activation,
        input_size=inputs,
        output_size=outputs,
        output=output,
        loss=loss,
        window=None,
        lr=1.0,
        epochs=1,
        seed=4,
    )
    kind = {"elman": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell]
    options = {"nonlinearity": activation} if cell == "elman" else {}
    layer = kind(inputs, size, dtype=torch.float64, **options)
    readout = torch.nn.Linear(size, outputs, dtype=torch.float64)
    p = {name: torch.tensor(view.tolist(), dtype=torch.float64) for name, view in network.parameters.items()}
    with torch.no_grad():
        layer.weight_ih_l0.copy_(p["w_input_hidden"])
        layer.weight_hh_l0.copy_(p["w_hidden_hidden"])
        layer.bias_ih_l0.copy_(p["b_hidden"])
        layer.bias_hh_l0.zero_()
        if cell == "gru":
            layer.bias_hh_l0[2 * size :] = p["b_hidden_hidden"]
        readout.weight.copy_(p["w_hidden_output"])
        readout.bias.copy_(p["b_output"])
    source = random.Random(1)
    x = [[source.uniform(-1, 1) for _ in range(inputs)] for _ in range(steps)]
    if loss == "cross_entropy":
        y = [source.randrange(outputs) for _ in range(steps)]
    else:
        y = [[source.random() for _ in range(outputs)] for _ in range(steps)]
    hidden, _ = layer(torch.tensor(x, dtype=torch.float64))
    sums = readout(hidden)
    if loss == "cross_entropy":
        total = torch.nn.functional.cross_entropy(sums, torch.tensor(y))
        values = torch.softmax(sums, 1)
    else:
        values = torch.sigmoid(sums) if output == "sigmoid" else sums
        target = torch.tensor(y, dtype=torch.float64)
        if loss == "half_squared_error":
            total = 0.5 * ((values - target) ** 2).sum(1).mean()
        else:
            total = torch.nn.functional.binary_cross_entropy_with_logits(sums, target, reduction="none").sum(1).mean()
    total.backward()

    def close(found, expected):
        assert torch.tensor(found, dtype=torch.float64).sub(expected).abs().max().item() <= 1e-10

    close(network.hidden_states(x), hidden.detach())
    close((network.predict if output == "linear" else network.predict_proba)(x), values.detach())
    before = {name: torch.tensor(view.tolist(), dtype=torch.float64) for name, view in network.parameters.items()}
    network.train(x, y)
    close(network.losses, total.detach())
    gradients = {
        "w_input_hidden": layer.weight_ih_l0.grad,
        "w_hidden_hidden": layer.weight_hh_l0.grad,
        "b_hidden": layer.bias_ih_l0.grad,
        "b_hidden_hidden": layer.bias_hh_l0.grad[2 * size :],
        "w_hidden_output": readout.weight.grad,
        "b_output": readout.bias.grad,
    }
    for name, view in network.parameters.items():
        close((before[name] - torch.tensor(view.tolist(), dtype=torch.float64)).tolist(), gradients[name])
