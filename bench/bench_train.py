"""Training: a long sequence in place and from lists, and the notebook's own short run."""

import pytest

from bench.peers import JAX, Numba, PyTorch, PyTorchByHand
from bench.rows import INPUTS, STEPS, TARGETS, Fastrnn, Limit, Notebook, Row, Twin, trained

ROWS = [Limit, Fastrnn, Numba, JAX, PyTorchByHand, PyTorch, Twin, Notebook]


def train(measure, row, group, inputs, targets, expected, epochs=1, of=STEPS):
    def run():
        return row.train(inputs, targets, epochs)

    measure(
        group,
        row.name,
        run,
        unit="ns a step",
        per=len(inputs) * epochs,
        of=of,
        numbers=run(),
        expected=expected,
        exact=row.exact,
    )


@pytest.mark.parametrize("row", ROWS, indirect=True)
def test_in_place(row, measure):
    inputs, targets = row.take(INPUTS[: row.steps]), row.take(TARGETS[: row.steps])
    train(measure, row, "train on 1,000,000 steps, float64 in place", inputs, targets, trained(row.steps))


@pytest.mark.parametrize("row", ROWS, indirect=True)
def test_lists(row, measure):
    inputs, targets = INPUTS[: row.steps].tolist(), TARGETS[: row.steps].tolist()
    if isinstance(row, Limit):
        inputs, targets = row.take(inputs), row.take(targets)
    train(measure, row, "train on 1,000,000 steps, from lists of floats", inputs, targets, trained(row.steps))


@pytest.mark.parametrize("row", ROWS, indirect=True)
def test_notebook(row, measure):
    sequence = [0, 1] * 20
    inputs, targets = sequence[:-1], sequence[1:]
    expected = Twin().train(inputs, targets, row.epochs)
    if isinstance(row, Limit):
        inputs, targets = row.take(inputs), row.take(targets)
    group = "the notebook's run: 39 steps, 200 epochs, from lists of ints, silent"
    train(measure, row, group, inputs, targets, expected, row.epochs, len(inputs) * Row.epochs)
