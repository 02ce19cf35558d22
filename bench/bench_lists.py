"""Lists to float64 buffers, which is what train and predict do first with a list: the copy and its checks."""

import random
from array import array

import numpy
import pytest

from bench.rows import COMPILED, package

LENGTH = 1_000_000
draw = random.Random(0)
LISTS = {
    "floats": [draw.random() for _ in range(LENGTH)],
    "zeros and ones": [draw.randrange(2) for _ in range(LENGTH)],
    "ints below 1,000,000": [draw.randrange(1_000_000) for _ in range(LENGTH)],
    "ints of 60 bits": [draw.getrandbits(60) for _ in range(LENGTH)],
}
ROWS = {
    "fastrnn": lambda values: package(COMPILED)._data.take(values, "values"),
    "twin": lambda values: package("python")._data.take(values, "values"),
    "array.array": lambda values: array("d", values),
    "numpy.array": lambda values: numpy.array(values, float),
}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("kind", LISTS)
def test_list(kind, name, measure):
    values = LISTS[kind][: 100_000 if name == "twin" else LENGTH]

    def run():
        return ROWS[name](values)

    expected = [float(value) for value in values]
    measure(
        f"list of {kind}", name, run, unit="ns an element", per=len(values), of=LENGTH, numbers=run(), expected=expected
    )
