"""fastrnn's own exp, sigmoid and tanh: within 2 ulp of the truth, exact where they are special, the same everywhere."""

import random
from decimal import Decimal, localcontext
from itertools import pairwise
from math import inf, isnan, log, nan, ulp

import pytest

from fastrnn._fallback_functions import fast_exp, fast_sigmoid, fast_tanh

LN_2 = log(2.0)
draw = random.Random(0)
POINTS = {
    "exp": [draw.uniform(-745, 709.7) for _ in range(1000)] + [draw.uniform(-1, 1) for _ in range(1000)],
    "sigmoid": [draw.uniform(-745, 40) for _ in range(1000)] + [draw.uniform(-5, 5) for _ in range(1000)],
    "tanh": [draw.uniform(-22.5, 22.5) for _ in range(1000)] + [draw.uniform(-1, 1) for _ in range(1000)],
}
TINY = [draw.choice([-1, 1]) * 10.0 ** draw.uniform(-20, 0) for _ in range(1000)]
TRUE = {
    "exp": lambda x: x.exp(),
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "tanh": lambda x: ((2 * x).exp() - 1) / ((2 * x).exp() + 1),
}
FUNCTIONS = {"exp": fast_exp, "sigmoid": fast_sigmoid, "tanh": fast_tanh}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_error(name):
    """bench/accuracy.py looks at millions of points."""
    with localcontext() as context:
        context.prec = 60  # tanh as written above loses as many digits as x has zeros
        context.Emin, context.Emax = -(10**6), 10**6
        for x in POINTS[name] + TINY:
            true = TRUE[name](Decimal(x))
            error = abs(Decimal(FUNCTIONS[name](x)) - true) / Decimal(ulp(float(true)))
            assert error <= 2, x


def test_special_values():
    assert [fast_exp(x) for x in (0.0, -0.0, inf, -inf, 1e308, -1e308, 5e-324)] == [1.0, 1.0, inf, 0.0, inf, 0.0, 1.0]
    assert [fast_sigmoid(x) for x in (0.0, -0.0, inf, -inf, 40.0, 1e308, -1e308)] == [0.5, 0.5, 1, 0, 1, 1, 0]
    assert [fast_tanh(x) for x in (inf, -inf, 23.0, -23.0, 1e308)] == [1.0, -1.0, 1.0, -1.0, 1.0]
    assert [fast_tanh(x) for x in (5e-324, -5e-324)] == [5e-324, -5e-324]
    assert [str(fast_tanh(x)) for x in (0.0, -0.0)] == ["0.0", "-0.0"]
    least = [10.0 ** draw.uniform(-323, -9) for _ in range(1000)]
    assert all(abs(fast_tanh(x) - x) <= ulp(x) for x in least)
    assert all(isnan(function(nan)) for function in FUNCTIONS.values())


@pytest.mark.parametrize("name, step", [("exp", LN_2), ("sigmoid", LN_2), ("tanh", LN_2 / 2)])
def test_no_gap_where_one_power_of_two_follows_another(name, step):
    for around in [(k + 0.5) * step for k in range(-30, 30)] + [-708.5, -37.0, -22.0, 22.0, 37.0, 40.0]:
        values = [FUNCTIONS[name](around + i * ulp(around)) for i in range(-16, 17)]
        assert all(later >= earlier - 2 * ulp(earlier) for earlier, later in pairwise(values))


def test_nothing_beyond_where_they_saturate():
    assert all(0.0 <= fast_sigmoid(x) <= 1.0 for x in [draw.uniform(-750, -700) for _ in range(5000)])
    assert all(0.9999 <= fast_sigmoid(x) <= 1.0 for x in [draw.uniform(20, 45) for _ in range(5000)])
    assert all(0.9999 <= fast_tanh(x) <= 1.0 for x in [draw.uniform(10, 23) for _ in range(5000)])


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_every_core_computes_the_same(fastrnn, activation):
    """A unit with a weight of 1 and nothing else is the function itself."""
    points = [*POINTS[activation], *TINY, 0.0, -0.0, 1e308, -1e308, 5e-324, 22.0, LN_2 / 4, -745.1, -745.2]
    network = fastrnn.RNN(1, activation=activation, seed=0)
    network.w_input_hidden, network.w_hidden_hidden, network.b_hidden = [[1.0]], [[0.0]], [0.0]
    expected = [FUNCTIONS[activation](0.0 + x) for x in points]
    assert [h for (h,) in network.hidden_states(points)] == expected
