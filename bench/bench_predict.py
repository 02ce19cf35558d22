"""The probabilities of a long sequence."""

import pytest

from bench.peers import JAX, Numba, PyTorch
from bench.rows import INPUTS, STEPS, Fastrnn, Limit, Notebook, Twin, predicted


@pytest.mark.parametrize("row", [Limit, Fastrnn, Numba, JAX, PyTorch, Twin, Notebook], indirect=True)
def test_predict_proba(row, measure):
    inputs = row.take(INPUTS[: row.steps])

    def run():
        return row.predict_proba(inputs)

    measure(
        "predict_proba on 1,000,000 steps, float64 in place",
        row.name,
        run,
        unit="ns a step",
        per=row.steps,
        of=STEPS,
        numbers=run(),
        expected=predicted(row.steps),
        exact=row.exact,
    )
