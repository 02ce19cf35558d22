"""Fitting choices: 9 sessions of 150 trials, a GRU of 2 units, AdamW, an update an epoch from all sessions at once.

Inputs are the last action, outcome and reward, the target is the next action. A mask tells which trials count, nine in
ten; the others count in validation. PyTorch takes the sessions as one batch without padding: all are of one length.
"""

import numpy
import pytest

from bench.rnn_rows import Fastrnn, PyTorch, Twin, summary
from bench.rows import package

SESSIONS, TRIALS, UNITS = 9, 150, 2
LR = 0.005
draw = numpy.random.default_rng(0)
X = draw.integers(0, 2, (SESSIONS, TRIALS, 3)).astype(float)
Y = draw.integers(0, 2, (SESSIONS, TRIALS)).astype(float)
MASK = (draw.random((SESSIONS, TRIALS)) < 0.9).astype(float)
WAYS = {  # name: batch_size and validation
    "fastrnn": (None, None),
    "an update each": (1, None),
    "validation, one pass": (None, (X, Y, 1.0 - MASK)),
    "validation, copies": (None, (X.copy(), Y.copy(), 1.0 - MASK)),
}


def network(row, batch_size, epochs):
    return package(row.backend).RNN(
        UNITS,
        cell="gru",
        input_size=3,
        output_size=2,
        output="softmax",
        window=None,
        batch_size=batch_size,
        optimizer="adamw",
        lr=LR,
        weight_decay=0.0,
        epochs=epochs,
        seed=0,
    )


def numbers(row, name, epochs=2):
    """What is left of a short training: the last loss, the norms of the parameters, and the validation losses."""
    batch_size, validation = WAYS[name]
    fresh = network(row, batch_size, epochs)
    fresh.train(X, Y, sample_weight=MASK, validation=validation)
    return [*summary(fresh.losses[-1], fresh.parameters.values()), *fresh.validation_losses]


GROUP = f"RNN, fit a GRU of {UNITS} to {SESSIONS} sessions of {TRIALS} trials, all at once"


@pytest.mark.parametrize("name", WAYS)
def test_fastrnn(name, measure):
    epochs, (batch_size, validation) = 100, WAYS[name]
    learner = network(Fastrnn, batch_size, epochs)
    measure(
        GROUP,
        name,
        lambda: learner.train(X, Y, sample_weight=MASK, validation=validation),
        unit="ns a step",
        per=SESSIONS * TRIALS * epochs,
        numbers=numbers(Fastrnn, name),
        expected=numbers(Twin, name),
    )


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("row", [PyTorch], indirect=True)
def test_pytorch(row, dtype, packed, measure):
    """torch.nn.GRU and Linear; of its two biases a gate only that inside the reset learns, so that numbers match."""
    torch, kind = row.torch, getattr(row.torch, dtype)

    layer, readout = (module.to(kind) for module in row.modules("gru", UNITS, network=network(Fastrnn, None, 1)))
    learning = [*layer.parameters(), *readout.parameters()]
    optimizer = torch.optim.AdamW(learning, lr=LR, weight_decay=0.0, fused=True)
    x, y, mask = (torch.from_numpy(values).transpose(0, 1).contiguous() for values in (X, Y, MASK))
    x, y, mask = x.to(kind), y.long(), mask.to(kind)
    if packed:
        lengths = torch.full((SESSIONS,), TRIALS)
        x, y, mask = (torch.nn.utils.rnn.pack_padded_sequence(values, lengths) for values in (x, y, mask))
        y, mask = y.data, mask.data
    y, mask, total = y.flatten(), mask.flatten(), mask.sum()

    def run():
        hidden, _ = layer(x)
        sums = readout(hidden.data if packed else hidden).view(-1, 2)
        losses = torch.nn.functional.cross_entropy(sums, y, reduction="none")
        loss = (losses * mask).sum() / total
        optimizer.zero_grad()
        loss.backward()
        layer.bias_hh_l0.grad[: 2 * UNITS] = 0.0
        optimizer.step()
        return loss.detach()

    run()
    loss = run()
    parameters = layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0[2 * UNITS :]
    found = summary(loss, [value.detach().numpy() for value in (*parameters, readout.weight, readout.bias)])
    expected = numbers(Fastrnn, "fastrnn")
    if dtype == "float32":
        numpy.testing.assert_allclose(found, expected, rtol=1e-4)
        found = expected = None
    measure(
        GROUP,
        f"PyTorch, {dtype}, {'packed' if packed else 'padded'}",
        run,
        unit="ns a step",
        per=SESSIONS * TRIALS,
        numbers=found,
        expected=expected,
        exact=False,
    )
