"""step and learn: one call a time step, as a stream needs it.

A table's times are those of the calls alone: a row of its own measures the loop around them, and is taken off. The row
C is the arithmetic of a step, inside one long C loop: what is beyond it is the price of the call.
"""

import pytest

from bench.peers import JAX, Numba, PyTorch, PyTorchByHand
from bench.rows import INPUTS, STEPS, TARGETS, Fastrnn, Limit, Twin, predicted, trained

CALLS = 1_000  # a round: one call alone is too short to time
XS, YS = INPUTS[:CALLS].tolist(), TARGETS[:CALLS].tolist()
STEP, LEARN, LOOP = "step, a call", "learn, a call", "the loop"
UNIT = "ns a call"


@pytest.mark.parametrize("row", [Fastrnn, Numba, JAX, PyTorch, Twin], indirect=True)
def test_step(row, measure):
    network, twin = row.network(), Twin().network()
    numbers, expected = [network.step(x) for x in XS], [twin.step(x) for x in XS]

    def run():
        for x in XS:
            network.step(x)

    measure(
        STEP,
        row.name,
        run,
        unit=UNIT,
        per=CALLS,
        numbers=numbers,
        expected=expected,
        exact=row.exact,
        less=LOOP,
    )


@pytest.mark.parametrize("row", [Fastrnn, Numba, JAX, PyTorchByHand, PyTorch, Twin], indirect=True)
def test_learn(row, measure):
    network, twin = row.network(), Twin().network()
    numbers = [network.learn(x, y) for x, y in zip(XS, YS, strict=True)]
    expected = [twin.learn(x, y) for x, y in zip(XS, YS, strict=True)]

    def run():
        for x, y in zip(XS, YS, strict=True):
            network.learn(x, y)

    measure(
        LEARN,
        row.name,
        run,
        unit=UNIT,
        per=CALLS,
        numbers=numbers,
        expected=expected,
        exact=row.exact,
        less=LOOP,
    )


@pytest.mark.parametrize("row", [Limit], indirect=True)
def test_step_arithmetic(row, measure):
    inputs = row.take(INPUTS)

    def run():
        return row.predict_proba(inputs)

    measure(STEP, row.name, run, unit=UNIT, per=STEPS, numbers=run(), expected=predicted(STEPS))


@pytest.mark.parametrize("row", [Limit], indirect=True)
def test_learn_arithmetic(row, measure):
    inputs, targets = row.take(INPUTS), row.take(TARGETS)

    def run():
        return row.train(inputs, targets, 1)

    measure(LEARN, row.name, run, unit=UNIT, per=STEPS, numbers=run(), expected=trained(STEPS))


def test_step_loop(measure):
    def run():
        for _x in XS:
            pass

    measure(STEP, LOOP, run, unit=UNIT, per=CALLS)


def test_learn_loop(measure):
    def run():
        for _x, _y in zip(XS, YS, strict=True):
            pass

    measure(LEARN, LOOP, run, unit=UNIT, per=CALLS)
