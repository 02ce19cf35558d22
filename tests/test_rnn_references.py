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


# ---- the whole recipe of those who fit choices: masks, a batch of all, AdamW, l1, patience ----

SESSIONS = (150, 41, 97, 12, 150, 63, 128, 7, 85)  # trials
HELD_OUT = 2  # sessions


def choices():
    """An agent before two arms: of each session the inputs (last action, outcome, reward) and the actions that follow,
    of which one in 25 is missed."""
    source = random.Random(1)
    inputs, targets = [], []
    for trials in SESSIONS:
        values, good, row, x, y = [0.0, 0.0], 0, [0.0, 0.0, 0.0], [], []
        for _ in range(trials):
            action = int(source.random() < 1.0 / (1.0 + math.exp(4.0 * (values[0] - values[1]))))
            outcome = action ^ (source.random() < 0.2)
            good ^= source.random() < 0.05
            reward = source.random() < (0.8 if outcome == good else 0.2)
            values[action] += 0.4 * (reward - values[action])
            missed = source.random() < 0.04
            x.append(row)
            y.append(source.choice([-1, math.nan]) if missed else action)
            row = [0.0, 0.0, 0.0] if missed else [float(action), float(outcome), float(reward)]
        inputs.append(x)
        targets.append(y)
    return inputs, targets


def masks(targets, split):
    """What every trial counts in training, and in validation: one trial in five, or the first sessions."""
    source = random.Random(2)
    training, held_out = [], []
    for i, session in enumerate(targets):
        weights = [float(action >= 0) for action in session]  # NaN is not
        if split == "last trials":
            weights = [0.0] * (len(session) - 1) + [weights[-1] * (i % 3 + 0.5)]
        out = [source.random() < 0.2 if split == "trials" else i < HELD_OUT for _ in session]
        training.append([0.0 if held else weight for weight, held in zip(weights, out, strict=True)])
        held_out.append([weight if held else 0.0 for weight, held in zip(weights, out, strict=True)])
    return training, held_out


def run_by_hand(torch, cell, p, x):
    """The sums of the output layer, of rows (steps, sequences, inputs): cells with one bias a gate, where those of
    torch.nn have two, whose sum Adam moves twice as far."""
    size = p["w_hidden_hidden"].shape[1]
    h = c = torch.zeros(x.shape[1], size, dtype=torch.float64)
    hidden = []
    for a in x @ p["w_input_hidden"].T + p["b_hidden"]:
        s = h @ p["w_hidden_hidden"].T
        if cell == "elman":
            h = torch.tanh(a + s)
        elif cell == "gru":
            r, z = torch.sigmoid(a + s)[:, : 2 * size].split(size, 1)
            n = torch.tanh(a[:, 2 * size :] + r * (s[:, 2 * size :] + p["b_hidden_hidden"]))
            h = (1.0 - z) * n + z * h
        else:
            i, f, g, o = (a + s).split(size, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        hidden.append(h)
    return torch.stack(hidden) @ p["w_hidden_output"].T + p["b_output"]


def train_by_hand(torch, network, inputs, targets, masks):
    """Losses, validation losses, the best epoch and the parameters of `network`, which stays as it is."""

    def padded(sessions):
        return torch.nn.utils.rnn.pad_sequence([torch.tensor(session, dtype=torch.float64) for session in sessions])

    x, y, mask, held_out = map(padded, (inputs, targets, *masks))
    y = torch.where(y >= 0.0, y, 0.0).long()
    p = {n: torch.tensor(v.tolist(), dtype=torch.float64, requires_grad=True) for n, v in network.parameters.items()}
    optimizer = torch.optim.AdamW(p.values(), lr=network.lr, weight_decay=network.weight_decay)
    losses, validation_losses, best = [], [], (math.inf, None, None)
    for epoch in range(network.epochs):
        sums = run_by_hand(torch, network.cell, p, x)
        every = torch.nn.functional.cross_entropy(sums.flatten(0, 1), y.flatten(), reduction="none").view_as(y)
        loss, validation_loss = ((every * counts).sum() / counts.sum() for counts in (mask, held_out))
        validation_losses.append(validation_loss.item())
        if validation_losses[-1] < best[0]:
            best = validation_losses[-1], epoch, {name: value.detach().clone() for name, value in p.items()}
        if epoch - best[1] > network.patience:
            break
        losses.append(loss.item())
        penalty = network.l1 * (p["w_input_hidden"].abs().sum() + p["w_hidden_hidden"].abs().sum())
        optimizer.zero_grad()
        (loss + penalty).backward()
        optimizer.step()
    return losses, validation_losses, best[1], best[2]


@pytest.mark.parametrize(
    ("cell", "size", "split", "l1", "seed", "stops"),
    [
        ("gru", 2, "trials", 1e-4, 0, False),
        ("gru", 1, "trials", 1e-2, 0, False),
        ("gru", 2, "sessions", 1e-2, 2, True),
        ("gru", 1, "sessions", 1e-3, 7, True),
        ("gru", 2, "last trials", 1e-3, 0, True),
        ("lstm", 2, "sessions", 1e-2, 5, True),
        ("elman", 1, "trials", 1e-2, 9, True),
    ],
)
def test_pytorch_trains_alike(packages, cell, size, split, l1, seed, stops):
    """100 epochs, or as many as patience lets: all losses, the best epoch, and the parameters that are put back."""
    torch = pytest.importorskip("torch")
    inputs, targets = choices()
    expected = None
    for fastrnn in packages:
        y, weights = targets, masks(targets, split)
        network = fastrnn.RNN(
            size,
            cell=cell,
            input_size=3,
            output_size=2,
            output="softmax",
            return_sequences=split != "last trials",
            window=None,
            batch_size=None,
            optimizer="adamw",
            lr=0.005,
            weight_decay=0.0,
            l1=l1,
            patience=10,
            seed=seed,
        )
        expected = expected or train_by_hand(torch, network, inputs, targets, weights)
        losses, validation_losses, best_epoch, parameters = expected
        assert (len(losses) < network.epochs) == stops
        if split == "last trials":
            y, *weights = [[session[-1] for session in sessions] for sessions in (y, *weights)]
        if split == "trials":  # the same objects with other weights: one pass serves both
            data, validation = (inputs, y, weights[0]), (inputs, y, weights[1])
        else:
            data = inputs[HELD_OUT:], y[HELD_OUT:], weights[0][HELD_OUT:]
            validation = inputs[:HELD_OUT], y[:HELD_OUT], weights[1][:HELD_OUT]
        network.train(data[0], data[1], sample_weight=data[2], validation=validation)
        assert network.losses == pytest.approx(losses, rel=0, abs=1e-9)
        assert network.validation_losses == pytest.approx(validation_losses, rel=0, abs=1e-9)
        assert network.best_epoch == best_epoch
        for name, view in network.parameters.items():
            found = torch.tensor(view.tolist(), dtype=torch.float64)
            assert found.sub(parameters[name]).abs().max().item() <= 1e-9
