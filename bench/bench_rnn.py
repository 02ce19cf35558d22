"""RNN: training by truncated backpropagation over 32 steps and predicting whole sequences; online learning; length."""

from functools import cache

import numpy
import pytest

from bench.rnn_rows import (
    CELLS,
    JAX,
    STEPS,
    UNITS,
    WINDOW,
    Base,
    DyNet,
    Fastrnn,
    Numba,
    ONNXRuntime,
    PyTorch,
    PyTorchCompiled,
    Twin,
)

NETWORKS = [(cell, units) for cell in CELLS for units in UNITS]
grid = pytest.mark.parametrize(("cell", "units"), NETWORKS)


@cache
def expected_training(cell, units, steps, window):
    row = Fastrnn()
    row.steps = steps
    return row.trainer(cell, units, window).numbers()


@cache
def twin_is_the_same(cell, units, window):
    """The bits of the row that the others are compared with are the twin's, over the first windows."""
    twin = Twin()
    assert twin.trainer(cell, units, window).numbers() == expected_training(cell, units, twin.steps, window)


@grid
@pytest.mark.parametrize("row", [Fastrnn, Base, JAX, PyTorch, Twin], indirect=True)
def test_train(row, cell, units, measure):
    twin_is_the_same(cell, units, WINDOW)
    run = row.trainer(cell, units)
    measure(
        f"RNN, train in windows of {WINDOW}: {cell} of {units}",
        row.name,
        run,
        unit="ns a step",
        per=row.steps,
        of=STEPS,
        numbers=run.numbers(),
        expected=expected_training(cell, units, row.steps, WINDOW),
        exact=row.exact,
        remark=getattr(run, "remark", ""),
        grid=("RNN, train in windows of 32 steps, ns a step; JAX unrolled by", cell, units),
    )


@grid
@pytest.mark.parametrize("row", [Fastrnn, Base, JAX, PyTorch, Twin], indirect=True)
def test_predict(row, cell, units, measure):
    predict(row, cell, units, measure, "RNN, predict a whole sequence, ns a step; JAX unrolled by")


def predict(row, cell, units, measure, title, of=""):
    run = row.predictor(cell, units)
    reference = Fastrnn()
    reference.predict_steps = row.predict_steps
    measure(
        f"RNN, predict{of}: {cell} of {units}",
        row.name,
        run,
        unit="ns a step",
        per=row.predict_steps,
        of=STEPS,
        numbers=run(),
        expected=reference.predictor(cell, units)(),
        exact=row.exact,
        remark=getattr(run, "remark", ""),
        grid=(title, cell, units),
    )


# Further peers, in tables of their own: those above have no room.

further = [(kind, *network) for network in NETWORKS for kind in (Fastrnn, DyNet)]
further += [(PyTorchCompiled, *network) for network in PyTorchCompiled.networks]


@pytest.mark.parametrize(("row", "cell", "units"), further, indirect=["row"])
def test_train_further(row, cell, units, measure):
    run, how = row.trainer(cell, units), {}
    if isinstance(row, DyNet):
        # Its numbers are others; but it has as many weights, with one bias a gate, and it learns.
        ours = Fastrnn().network(cell, units).parameters
        assert run.weights == sum(numpy.asarray(view).size for name, view in ours.items() if name != "b_hidden_hidden")
        losses = [run() for _ in range(3)]
        assert losses[2] < losses[0]
    else:
        twin_is_the_same(cell, units, WINDOW)
        how = {"numbers": run.numbers(), "expected": expected_training(cell, units, row.steps, WINDOW)}
    measure(
        f"RNN, train in windows of {WINDOW}, further peers: {cell} of {units}",
        row.name,
        run,
        unit="ns a step",
        per=row.steps,
        of=STEPS,
        exact=row.exact,
        remark=getattr(run, "remark", ""),
        grid=("RNN, train in windows of 32 steps, ns a step; PyTorch compiled in", cell, units),
        **how,
    )


@pytest.mark.parametrize(("cell", "units"), PyTorchCompiled.networks)
@pytest.mark.parametrize("row", [Fastrnn, PyTorchCompiled], indirect=True)
def test_predict_further(row, cell, units, measure):
    predict(
        row, cell, units, measure, "RNN, predict a whole sequence, ns a step; PyTorch compiled in", ", further peers"
    )


@pytest.mark.parametrize("units", [16, 64])
@pytest.mark.parametrize("row", [Fastrnn, Base, Numba], indirect=True)
def test_online(row, units, measure):
    twin_is_the_same("elman", units, 1)
    run = row.trainer("elman", units, 1)
    measure(
        f"RNN, learn online (window=1): elman of {units}",
        row.name,
        run,
        unit="ns a step",
        per=row.steps,
        numbers=run.numbers(),
        expected=expected_training("elman", units, row.steps, 1),
        exact=row.exact,
    )


CALLS = 1_000
XS = numpy.sin(0.1 * numpy.arange(CALLS)).tolist()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("row", [Fastrnn, PyTorch, ONNXRuntime, Twin], indirect=True)
def test_step(row, cell, measure):
    group = f"RNN, step, a call: {cell} of 16"
    xs = XS[:100] if row.name == "twin" else XS
    step = row.stepper(cell, 16)
    numbers, expected = [step(x) for x in xs], Fastrnn().network(cell, 16).predict(xs)
    if row.name.endswith("float32"):
        numpy.testing.assert_allclose(numbers, expected, rtol=1e-4, atol=1e-5)
        numbers = expected = None

    def run():
        for x in xs:
            step(x)

    measure(
        group,
        row.name,
        run,
        unit="ns a call",
        per=len(xs),
        numbers=numbers,
        expected=expected,
        exact=row.exact,
    )


@pytest.mark.parametrize("cell", CELLS)
def test_step_arithmetic(cell, measure):
    """What a step costs inside predict(): the rest is the price of the call."""
    run = Fastrnn().predictor(cell, 16)
    measure(f"RNN, step, a call: {cell} of 16", "the same in predict", run, unit="ns a call", per=STEPS)


@pytest.mark.parametrize("steps", [10**4, 10**5, 10**6, 10**7])
def test_length(steps, measure):
    """Time a step does not grow with the length of the sequence."""
    x = numpy.sin(0.1 * numpy.arange(steps + 1.0))

    def run():
        network = Fastrnn().network("gru", 4)
        network.train(x[:-1], x[1:])
        return network

    group = "RNN, train a GRU of 4 on sequences of all lengths"
    how = {"rounds": 1} if steps > 10**6 else {}
    measure(group, f"{steps:,} steps", run, unit="ns a step", per=steps, **how)
