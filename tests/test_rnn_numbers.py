"""fastrnn's own functions: within 2 ulp of the truth, exact where they are special, the same everywhere."""

import random
from array import array
from decimal import Decimal, localcontext
from itertools import chain, pairwise
from math import inf, isnan, log, nan, sqrt, ulp

import pytest

from fastrnn._plain.functions import LOG_LOW, fast_exp, fast_log, fast_log1p, fast_sigmoid, fast_tanh

LN_2 = log(2.0)
draw = random.Random(0)
POINTS = {
    "exp": [draw.uniform(-745, 709.7) for _ in range(1000)] + [draw.uniform(-1, 1) for _ in range(1000)],
    "sigmoid": [draw.uniform(-745, 40) for _ in range(1000)] + [draw.uniform(-5, 5) for _ in range(1000)],
    "tanh": [draw.uniform(-22.5, 22.5) for _ in range(1000)] + [draw.uniform(-1, 1) for _ in range(1000)],
    "log": [2.0 ** draw.uniform(-1074, 1023.9) for _ in range(1000)] + [draw.uniform(0.5, 3) for _ in range(1000)],
    "log1p": [2.0 ** draw.uniform(-60, 1023.9) for _ in range(1000)] + [draw.uniform(-1, 2) for _ in range(1000)],
}
WORST = {  # for these formulas and for some that were tried: found around multiples of ln 2, and where a log is one
    "exp": [-636.65568528839265, -261.66306065453705],
    "sigmoid": [-4.463625202751224, -37.039639802336914, -37.043399890732516],
    "tanh": [3.642174680349489, 18.195113489698567],
    "log": [0.7036769766704839, 0.7049313303581851, 1.0000000093381012],
    "log1p": [0.4142135609796036, -0.2928932278911861, -9.325814046253305e-09],
}
TINY = [draw.choice([-1, 1]) * 10.0 ** draw.uniform(-20, 0) for _ in range(1000)]
TRUE = {
    "exp": lambda x: x.exp(),
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "tanh": lambda x: ((2 * x).exp() - 1) / ((2 * x).exp() + 1),
    "log": lambda x: x.ln(),
    "log1p": lambda x: (1 + x).ln(),
}
FUNCTIONS = {"exp": fast_exp, "sigmoid": fast_sigmoid, "tanh": fast_tanh, "log": fast_log, "log1p": fast_log1p}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_error(name):
    """bench/accuracy.py looks at millions of points."""
    with localcontext() as context:
        context.prec = 60  # tanh and log1p as written above lose as many digits as x has zeros
        context.Emin, context.Emax = -(10**6), 10**6
        for x in POINTS[name] + WORST[name] + [abs(x) if name == "log" else x for x in TINY]:
            true = TRUE[name](Decimal(x))
            error = abs(Decimal(FUNCTIONS[name](x)) - true) / Decimal(ulp(float(true)))
            assert error <= (1 if name.startswith("log") else 2), x


def test_special_values():
    assert [fast_exp(x) for x in (0.0, -0.0, inf, -inf, 1e308, -1e308, 5e-324)] == [1.0, 1.0, inf, 0.0, inf, 0.0, 1.0]
    assert [fast_sigmoid(x) for x in (0.0, -0.0, inf, -inf, 40.0, 1e308, -1e308)] == [0.5, 0.5, 1, 0, 1, 1, 0]
    assert [fast_tanh(x) for x in (inf, -inf, 23.0, -23.0, 1e308)] == [1.0, -1.0, 1.0, -1.0, 1.0]
    assert [fast_tanh(x) for x in (5e-324, -5e-324)] == [5e-324, -5e-324]
    assert [str(fast_tanh(x)) for x in (0.0, -0.0)] == ["0.0", "-0.0"]
    least = [10.0 ** draw.uniform(-323, -9) for _ in range(1000)]
    assert all(abs(fast_tanh(x) - x) <= ulp(x) for x in least)
    assert all(isnan(function(nan)) for function in FUNCTIONS.values())


def test_special_values_of_logs():
    assert [fast_log(x) for x in (0.0, -0.0, inf)] == [-inf, -inf, inf]
    assert [fast_log1p(x) for x in (-1.0, inf)] == [-inf, inf]
    assert all(isnan(fast_log(x)) and isnan(fast_log1p(x - 1.0)) for x in (-1e-15, -1.0, -1e308, -inf))
    assert isnan(fast_log(-5e-324))
    assert str(fast_log(1.0)) == "0.0"
    assert [str(fast_log1p(x)) for x in (0.0, -0.0)] == ["0.0", "-0.0"]
    least = [draw.choice([-1, 1]) * 2.0 ** draw.uniform(-1074, -54) for _ in range(1000)]
    assert [fast_log1p(x) for x in least] == least


@pytest.mark.parametrize(("name", "step"), [("exp", LN_2), ("sigmoid", LN_2), ("tanh", LN_2 / 2)])
def test_no_gap_where_one_power_of_two_follows_another(name, step):
    for around in [(k + 0.5) * step for k in range(-30, 30)] + [-708.5, -37.0, -22.0, 22.0, 37.0, 40.0]:
        assert rises(name, around)


def test_no_gap_where_logs_change_their_power_of_two():
    edges = [sqrt(0.5) * 2.0**k for k in range(-30, 30)]
    assert all(rises("log", around) for around in [*edges, 1.0, LOG_LOW, 2.0**-1022])
    assert all(rises("log1p", around) for around in [*(x - 1.0 for x in edges), 2.0**-54, -(2.0**-54), 2.0**53])


def rises(name, around):
    values = [FUNCTIONS[name](around + i * ulp(around)) for i in range(-16, 17)]
    return all(later >= earlier - ulp(earlier) for earlier, later in pairwise(values))


def test_nothing_beyond_where_they_saturate():
    assert all(0.0 <= fast_sigmoid(x) <= 1.0 for x in [draw.uniform(-750, -700) for _ in range(5000)])
    assert all(0.9999 <= fast_sigmoid(x) <= 1.0 for x in [draw.uniform(20, 45) for _ in range(5000)])
    assert all(0.9999 <= fast_tanh(x) <= 1.0 for x in [draw.uniform(10, 23) for _ in range(5000)])


def packed(rows):
    return array("d", chain.from_iterable(rows)).tobytes()


SPECIAL = [0.0, -0.0, 1e308, -1e308, 5e-324, 22.0, LN_2 / 4, -37.0, -708.4, -708.5, -740.0, -745.1, -745.2]


@pytest.mark.parametrize("units", [1, 7, 43])  # alone; in vectors, in two loops of 32, and in what is left over
@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_every_core_computes_the_same(fastrnn, activation, units):
    """Units with a weight of 1 or 2 and nothing else are the function itself."""
    points = [*POINTS[activation], *TINY, *SPECIAL]
    weights = [1.0 + i % 2 for i in range(units)]
    network = fastrnn.RNN(units, activation=activation, seed=0)
    network.w_input_hidden, network.b_hidden = [[w] for w in weights], [0.0] * units
    network.w_hidden_hidden = [[0.0] * units] * units
    expected = [[FUNCTIONS[activation](0.0 + w * x) for w in weights] for x in points]
    assert packed(network.hidden_states(points)) == packed(expected)


@pytest.mark.parametrize("outputs", [2, 5, 8, 13])
def test_every_core_computes_the_same_exp(fastrnn, outputs):
    """Where the other class has a sum of 0 and x is far below, softmax is exp."""
    network = fastrnn.RNN(1, activation="relu", output_size=outputs, output="softmax", seed=0)
    network.w_input_hidden, network.w_hidden_hidden, network.b_hidden = [[-1.0]], [[0.0]], [0.0]
    network.w_hidden_output = [[0.0], *([-1.0 - i / 64] for i in range(1, outputs))]
    network.b_output = [0.0] * outputs
    points = [draw.uniform(-740.0, -40.0) for _ in range(300)] + [x for x in SPECIAL if -800.0 < x < -40.0]
    expected = [[1.0] + [fast_exp(0.0 + (-1.0 - i / 64) * -x) for i in range(1, outputs)] for x in points]
    assert packed(network.predict_proba(points)) == packed(expected)


LENGTHS = [1, 2, 3, 4, 5, 7, 40, 100] * 20  # of sequences: in vectors, in passes of 64 steps, and in what is left over


def sizes(length, largest):
    """Of any magnitude and around 1, where logs of different libraries differ most often."""
    return [draw.choice([10.0 ** draw.uniform(-16, largest), draw.uniform(0, 2)]) for _ in range(length)]


@pytest.mark.filterwarnings("ignore:.*standardize=True:UserWarning")
@pytest.mark.parametrize("outputs", [2, 5, 13])
def test_every_core_computes_the_same_log(fastrnn, outputs):
    """The loss of the likeliest class is log(total): from a hair above 0 to log(outputs)."""
    network = fastrnn.RNN(1, activation="relu", output_size=outputs, output="softmax", window=None, lr=0.0, epochs=1)
    network.w_input_hidden, network.w_hidden_hidden, network.b_hidden = [[1.0]], [[0.0]], [0.0]
    network.w_hidden_output = [[0.0], *([-1.0 - i / 64] for i in range(1, outputs))]
    network.b_output = [0.0] * outputs
    for length in LENGTHS:
        points = sizes(length, 1.6)
        network.train(points, [0] * length)
        expected = 0.0
        for x in points:
            total = 1.0
            for i in range(1, outputs):
                total += fast_exp((-1.0 - i / 64) * x)
            expected += fast_log(total)
        assert network.losses[-1] == expected / length


@pytest.mark.filterwarnings("ignore:.*standardize=True:UserWarning")
@pytest.mark.parametrize("outputs", [1, 2, 5, 13])
def test_every_core_computes_the_same_log1p(fastrnn, outputs):
    """Where a sum is below 0 and its target is 0, the loss is log1p(exp(sum))."""
    network = fastrnn.RNN(1, activation="relu", output_size=outputs, output="sigmoid", window=None, lr=0.0, epochs=1)
    network.w_input_hidden, network.w_hidden_hidden, network.b_hidden = [[1.0]], [[0.0]], [0.0]
    network.w_hidden_output = [[-1.0 - i / 64] for i in range(outputs)]
    network.b_output = [0.0] * outputs
    for length in LENGTHS:
        points = sizes(length, 2.7)
        network.train(points, [0] * length if outputs == 1 else [[0] * outputs] * length)
        expected = 0.0
        for x in points:
            loss = 0.0
            for i in range(outputs):
                loss += fast_log1p(fast_exp((-1.0 - i / 64) * x))
            expected += loss
        assert network.losses[-1] == expected / length


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_no_place_where_it_is_not_seen(fastrnn, bad):
    for length in range(1, 41):
        for place in range(length):
            values = array("d", [1.0] * length)
            values[place] = bad
            assert fastrnn.simple.core.find_not_finite(values) == place
            assert fastrnn.simple.core.find_bad_target(values, None, 1, 0.0, 1.0, False) == place
            weights = array("d", [0.5] * length)
            assert fastrnn.simple.core.find_bad_target(values, weights, 1, 0.0, 1.0, False) == place
            weights[place] = 0.0
            assert fastrnn.simple.core.find_bad_target(values, weights, 1, 0.0, 1.0, False) == -1


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize(
    ("bad", "low", "high", "whole"),
    [
        (nan, 0.0, 2.0, True),
        (-1.0, 0.0, 2.0, True),
        (0.5, 0.0, 2.0, True),
        (2.5, -inf, 2.0, False),
        (1e9, 0.0, 2.0, False),
    ],
)
def test_targets_are_looked_at_where_they_count(fastrnn, width, bad, low, high, whole):
    """Beyond the steps that are looked at in one go too."""
    find, rows = fastrnn.simple.core.find_bad_target, 2**20 + 70 if fastrnn.backend != "python" else 70
    values, weights = array("d", [1.0, 0.0, 2.0]) * rows, array("d", [1.0]) * (rows * 3 // width)
    assert find(values, None, 1, low, high, whole) == find(values, weights, width, low, high, whole) == -1
    places = [0, 4, len(values) - 1]
    for place in reversed(places):
        values[place] = bad
        assert find(values, None, 1, low, high, whole) == find(values, weights, width, low, high, whole) == place
    for place, after in zip(places, [*places[1:], -1], strict=True):
        weights[place // width] = 0.0
        assert find(values, weights, width, low, high, whole) == after
    assert find(values, None, 1, low, high, whole) == 0
    assert find(array("d"), None, 1, low, high, whole) == find(array("d"), array("d"), width, low, high, whole) == -1


def test_weights_are_as_many_as_the_targets(fastrnn):
    for weights, width in ((array("d", [1.0]), 1), (array("d", [1.0] * 3), 2), (array("d"), 0)):
        with pytest.raises(ValueError, match=r"buffer of|no numbers"):
            fastrnn.simple.core.find_bad_target(array("d", [1.0] * 3), weights, width, 0.0, 1.0, False)
