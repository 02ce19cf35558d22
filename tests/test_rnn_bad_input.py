"""RNN: bad input is a clear error that names the argument and the position, and nothing has changed."""

import copy
import re
import sys
from decimal import Decimal
from math import inf, nan

import numpy as np
import pandas as pd
import pytest

from fastrnn._kinds import CELLS, OPTIMIZERS

WORDS = {"cell": " or ".join(map(repr, CELLS)), "optimizer": " or ".join(map(repr, OPTIMIZERS))}


def nested(values, levels):
    for _ in range(levels):
        values = [values]
    return values


def is_in_itself():
    values = []
    values.append(values)
    return values


class Liar(list):
    """A row whose len() is not what it holds."""

    def __len__(self):
        return 2


class Nothing(list):
    """A list that says it holds something, and does not."""

    def __bool__(self):
        return True

    def __len__(self):
        return 1


OPTIONS = {
    "no units": ((0,), {}, ValueError, "hidden_size must be at least 1, and it is 0"),
    "half a unit": ((1.5,), {}, TypeError, "hidden_size must be an integer, not float"),
    "units in words": (("8",), {}, TypeError, "hidden_size must be an integer, not str"),
    "an unknown cell": ((2,), {"cell": "rnn"}, ValueError, f"cell must be {WORDS['cell']}, not 'rnn'"),
    "a cell that is no word": ((2,), {"cell": None}, ValueError, f"cell must be {WORDS['cell']}, not None"),
    "an unknown activation": (
        (2,),
        {"activation": "swish"},
        ValueError,
        "activation must be 'tanh' or 'sigmoid' or 'relu' with cell='elman', not 'swish'",
    ),
    "an activation of another cell": (
        (2,),
        {"cell": "lstm", "activation": "relu"},
        ValueError,
        "activation must be 'tanh' with cell='lstm', not 'relu'",
    ),
    "an unknown output": (
        (2,),
        {"output": "tanh"},
        ValueError,
        "output must be 'linear' or 'sigmoid' or 'softmax', not 'tanh'",
    ),
    "an impossible pair": (
        (2,),
        {"output": "sigmoid", "loss": "cross_entropy"},
        ValueError,
        "loss must be 'binary_cross_entropy' or 'half_squared_error' with output='sigmoid', not 'cross_entropy'",
    ),
    "an unknown optimizer": (
        (2,),
        {"optimizer": "none"},
        ValueError,
        f"optimizer must be {WORDS['optimizer']}, not 'none'",
    ),
    "one class": (
        (2,),
        {"output": "softmax"},
        ValueError,
        "with output='softmax' output_size is the number of classes, at least 2, and it is 1",
    ),
    "no inputs": ((2,), {"input_size": 0}, ValueError, "input_size must be at least 1, and it is 0"),
    "a number for a bool": (
        (2,),
        {"return_sequences": 1},
        TypeError,
        "return_sequences must be True or False, not int",
    ),
    "an array for a bool": (
        (2,),
        {"return_sequences": np.array([True])},
        TypeError,
        "return_sequences must be True or False, not ndarray",
    ),
    "momentum of adam": (
        (2,),
        {"optimizer": "adam", "momentum": 0.9},
        ValueError,
        "momentum is for optimizer='sgd', and optimizer is 'adam'",
    ),
    "weight decay of sgd": (
        (2,),
        {"weight_decay": 0.1},
        ValueError,
        "weight_decay is for optimizer='adamw', and optimizer is 'sgd'",
    ),
}
SETTINGS = {
    "a negative lr": ("lr", -0.1, ValueError, "lr must not be negative, and it is -0.1"),
    "an infinite lr": ("lr", inf, ValueError, "lr must be finite, not inf"),
    "an lr in words": ("lr", "0.1", TypeError, "lr must be a real number, not str"),
    "no lr": ("lr", None, TypeError, "lr must be a real number, not None"),
    "a window of nothing": ("window", 0, ValueError, "window must be at least 1, and it is 0"),
    "half a window": ("window", 0.5, TypeError, "window must be an integer, not float"),
    "a clip of nothing": ("clip", 0.0, ValueError, "clip must be positive or None, and it is 0.0"),
    "a clip of NaN": ("clip", nan, ValueError, "clip must be finite, not nan"),
    "epochs in words": ("epochs", "many", TypeError, "epochs must be an integer, not str"),
    "negative epochs": ("epochs", -1, ValueError, "epochs must not be negative, and it is -1"),
    "a negative momentum": ("momentum", -1, ValueError, "momentum must not be negative, and it is -1.0"),
}
ROWS = {  # for an input_size of 2
    "numbers": ([0.0, 1.0], ValueError, "NAME[0] must be a row of 2 numbers, not float"),
    "a number among rows": ([[0, 1], 1], ValueError, "NAME[1] must be a row of 2 numbers, not int"),
    "a row too short": ([[0, 1], [1]], ValueError, "NAME[1] must have 2 numbers, not 1"),
    "a row too long": ([[0, 1], [1, 2, 3]], ValueError, "NAME[1] must have 2 numbers, not 3"),
    "an array too wide": (np.zeros((4, 3)), ValueError, "NAME has shape (4, 3); it must be (T, 2), 2 numbers a step"),
    "an array too flat": (np.zeros(4), ValueError, "NAME has shape (4,); it must be (T, 2), 2 numbers a step"),
    "a Series": (pd.Series([0.0, 1.0]), ValueError, "NAME has shape (2,); it must be (T, 2)"),
    "a NaN": ([[0, 1], [1, nan]], ValueError, "NAME[1][1] must be finite, not nan"),
    "a NaN in an array": (np.array([[0, nan], [1, nan]]), ValueError, "NAME[0][1] must be finite, not nan"),
    "infinity in float32": (np.array([[0, 1], [inf, 0]], "f4"), ValueError, "NAME[1][0] must be finite, not inf"),
    "a NaN in a frame": (pd.DataFrame([[0, 1], [1, None]]), ValueError, "NAME[1][1] must be finite, not nan"),
    "a word in a frame": (pd.DataFrame([[0, "a"]]), TypeError, "NAME[0][1] must be a real number, not str"),
    "a word": ([[0, 1], ["a", 1]], TypeError, "NAME[1][0] must be a real number, not str"),
    "words for rows": (["ab", "cd"], ValueError, "NAME[0] must be a row of 2 numbers, not str"),
    "a string": ("ab", TypeError, "NAME must be a sequence of numbers, not a str"),
    "None": (None, TypeError, "NAME must be a sequence of numbers, not None"),
    "a dict": ({"a": [1, 2]}, TypeError, "NAME must be a sequence of numbers, not a dict"),
    "a complex array": (np.zeros((3, 2), complex), TypeError, "NAME must hold real numbers, not complex128"),
    "a masked array": (np.ma.masked_array([[0.0, 1.0]], [[False, True]]), ValueError, "NAME[0][1] is masked"),
    "nested too deep": ([[[[1.0, 2.0]]]], ValueError, "NAME is nested too deep"),
    "nested in itself": (is_in_itself(), ValueError, "NAME is nested too deep: it must be a sequence of rows"),
    "nested 100,000 deep": (nested([0.0, 1.0], 100_000), ValueError, "NAME is nested too deep: it must be a sequence"),
    "nested 100,000 deep, with nothing inside": (nested([], 100_000), ValueError, "NAME is nested too deep"),
    "nested 100,000 deep in an array of objects": (
        np.array([[nested(0.0, 100_000), 1.0]], object),
        ValueError,
        "NAME is nested too deep",
    ),
    "a row nested 100,000 deep": (
        [[0, 1], [1, nested(0.0, 100_000)]],
        ValueError,
        "NAME is nested too deep: a row is of numbers, and NAME[1][1] is a list",
    ),
    "a later sequence nested in itself": (
        [[[0, 1]], is_in_itself()],
        ValueError,
        "NAME[1][0] must have 2 numbers, not 1",
    ),
    "a row that lies": (
        [Liar([0, 1, 2]), [0, 1]],
        ValueError,
        "NAME has a row with more or fewer numbers than its len()",
    ),
    "a row that seems full": ([Nothing()], ValueError, "NAME[0] must have 2 numbers, not 1"),
    "a kind of data for a row": ([list, list], ValueError, "NAME[0] must be a row of 2 numbers, not type"),
    "a NaN in a later sequence": (
        [[[0, 1]], [[0, 1], [nan, 1]]],
        ValueError,
        "NAME[1][1][0] must be finite, not nan",
    ),
    "a later sequence too wide": ([np.zeros((2, 2)), np.zeros((2, 3))], ValueError, "NAME[1] has shape (2, 3)"),
    "a number among sequences": ([[[0, 1]], 3], TypeError, "NAME[1] must be a sequence of numbers, not int"),
    "bytes": (b"ab", ValueError, "NAME has shape (2,)"),
}
TARGETS = {
    "a class too high": ("softmax", [0, 1, 3], "targets[2] must be the number of a class, from 0 to 2, not 3"),
    "a negative class": ("softmax", [0, -1, 3], "targets[1] must be the number of a class, from 0 to 2, not -1"),
    "half a class": ("softmax", [0.5, 1, 2], "targets[0] must be the number of a class, from 0 to 2, not 0.5"),
    "one-hot classes": (
        "softmax",
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        "targets a list of sequences: both must be alike. A class is one number a step, not a row",
    ),
    "more than a probability": (
        "sigmoid",
        [[0, 1, 0], [0, 1.5, 0], [0, 0, 0]],
        "targets[1][1] must be from 0 to 1, not 1.5",
    ),
    "too few numbers a step": ("linear", [[0, 1], [0, 1], [1, 1]], "targets[0] must have 3 numbers, not 2"),
    "too few steps": ("linear", [[0, 1, 2]] * 2, "inputs and targets must be of one length, not 3 and 2"),
}


def state_of(network):
    return network.__reduce__()


@pytest.fixture
def network(fastrnn):
    return fastrnn.RNN(3, input_size=2, output="sigmoid", window=2, epochs=2, seed=1)


@pytest.mark.parametrize(("args", "options", "error", "message"), OPTIONS.values(), ids=OPTIONS)
def test_options(fastrnn, args, options, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        fastrnn.RNN(*args, **options)


@pytest.mark.parametrize(("name", "value", "error", "message"), SETTINGS.values(), ids=SETTINGS)
def test_settings(fastrnn, network, name, value, error, message):
    before = state_of(network)
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        setattr(network, name, value)
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        fastrnn.RNN(2, **{name: value})
    assert state_of(network) == before


@pytest.mark.parametrize(
    "name", ["hidden_size", "cell", "input_size", "output", "loss", "optimizer", "return_sequences"]
)
def test_what_is_fixed(network, name):
    with pytest.raises(AttributeError, match=f"^{name} cannot be changed: make a new RNN$"):
        setattr(network, name, getattr(network, name))
    with pytest.raises(AttributeError, match=f"^{name} cannot be changed: make a new RNN$"):
        delattr(network, name)


@pytest.mark.parametrize(("rows", "error", "message"), ROWS.values(), ids=ROWS)
def test_rows(network, rows, error, message):
    before = state_of(network)
    calls = [network.predict, network.predict_proba, network.hidden_states, lambda x: network.train(x, [1])]
    for call in calls:
        with pytest.raises(error, match=re.escape(message.replace("NAME", "inputs"))):
            call(rows)
    assert state_of(network) == before


@pytest.mark.parametrize(("output", "targets", "message"), TARGETS.values(), ids=TARGETS)
def test_targets(fastrnn, output, targets, message):
    network = fastrnn.RNN(3, output_size=3, output=output, seed=1)
    before = state_of(network)
    with pytest.raises(ValueError, match=re.escape(message)):
        network.train([0.0, 1.0, 2.0], targets)
    assert state_of(network) == before


def test_lengths_of_several(network):
    good = [[[0, 1]] * 3, [[0, 1]] * 2]
    for inputs, targets, message in [
        (good, [[1, 0, 1], [1]], "inputs[1] and targets[1] must be of one length, not 2 and 1"),
        (good, [[1, 0, 1]], "inputs has 2 sequences, and targets 1"),
        (
            good,
            [1, 0, 1],
            "inputs is a list of sequences, and targets is not: it must have one for each",
        ),
        (good[0], [[1, 0], [1]], "inputs is one sequence, and targets a list of sequences: both must be alike"),
        (good, [[1, 0, 1], [2, 0]], "targets[1][0] must be from 0 to 1, not 2"),
        ([], [], "inputs and targets are empty"),
        ([np.zeros((0, 2))] * 2, [[], []], "inputs and targets are empty"),
    ]:
        before = state_of(network)
        with pytest.raises(ValueError, match=re.escape(message)):
            network.train(inputs, targets)
        assert state_of(network) == before


ONE = [[0, 1]] * 3
TWO = [[[0, 1]] * 3, [[0, 1]] * 2]
EACH = "a network made with return_sequences=False takes one for each sequence"
TAKES = {  # options, inputs, targets, weights, message
    "targets for sequences, not for steps": (
        {},
        TWO,
        [1, 0],
        None,
        f"inputs is a list of sequences, and targets is not: it must have one for each, one for every step ({EACH})",
    ),
    "one target for all steps": (
        {},
        ONE,
        1,
        None,
        f"targets is a single number; it must be a sequence, one target a step ({EACH})",
    ),
    "one NumPy target for all steps": (
        {},
        ONE,
        np.float64(1),
        None,
        "targets is a single number; it must be a sequence",
    ),
    "a column of targets": (
        {},
        TWO,
        [[1], [0]],
        None,
        f"inputs[0] and targets[0] must be of one length, not 3 and 1 ({EACH})",
    ),
    "NaN": (
        {"output": "linear"},
        ONE,
        [1, nan, 0],
        None,
        "targets[1] must be finite, not nan: give its step a sample_weight of 0 to leave it out",
    ),
    "NaN in a table": (
        {"output": "linear"},
        np.zeros((2, 3, 2)),
        np.array([[1, 2, 3], [0, nan, 0]]),
        [[1, 1, 1], [1, 1, 0]],
        "targets[1][1] must be finite, not nan: give its step a sample_weight of 0 to leave it out",
    ),
    "NaN in a sequence that counts": (
        {},
        TWO,
        [[1, nan, 0], [1, nan]],
        [0, 0.5],
        "targets[1][1] must be finite, not nan: give its step a sample_weight of 0 to leave it out",
    ),
    "a masked target": (
        {},
        ONE,
        np.ma.masked_array([1.0, 0.0, 1.0], [False, True, False]),
        None,
        "targets[1] must be finite, not nan: give its step a sample_weight of 0",
    ),
    "infinity in rows": (
        {"output": "linear", "output_size": 2},
        ONE,
        [[1, 2], [3, inf], [nan, 1]],
        [1, 1, 0],
        "targets[1][1] must be finite, not inf: give its step",
    ),
    "no class": (
        {"output": "softmax", "output_size": 2},
        ONE,
        [1, -1, 0],
        [0, 1, 1],
        "targets[1] must be the number of a class, from 0 to 1, not -1",
    ),
    "NaN for a class": (
        {"output": "softmax", "output_size": 2},
        ONE,
        [1, nan, 0],
        None,
        "targets[1] must be finite, not nan",
    ),
    "a negative weight": (
        {},
        TWO,
        [[1, 0, 1], [0, 1]],
        [[1, 0, 1], [0, -1]],
        "sample_weight[1][1] must not be negative, and it is -1.0",
    ),
    "a negative weight of a step": (
        {},
        ONE,
        [1, 0, 1],
        [1, -0.5, 1],
        "sample_weight[1] must not be negative, and it is -0.5",
    ),
    "a negative weight of a sequence": ({}, TWO, [[1, 0, 1], [0, 1]], [1, -2], "sample_weight[1] must not be negative"),
    "a negative weight of all": ({}, ONE, [1, 0, 1], -2, "sample_weight must not be negative, and it is -2.0"),
    "a weight of NaN": ({}, ONE, [1, 0, 1], [1, 0, nan], "sample_weight[2] must be finite, not nan"),
    "an infinite weight in a table": (
        {},
        np.zeros((2, 3, 2)),
        np.zeros((2, 3)),
        np.array([[1, 1, 1], [inf, 1, 1]]),
        "sample_weight[1][0] must be finite, not inf",
    ),
    "no weight": ({}, ONE, [1, 0, 1], [0, 0, 0], "sample_weight is 0 at every step: there is nothing to learn from"),
    "no weight of a sequence": (
        {},
        ONE,
        [1, 0, 1],
        False,
        "sample_weight is 0 at every step: there is nothing to learn",
    ),
    "a weight for nothing": (
        {},
        [np.zeros((0, 2)), [[0, 1]]],
        [[], [1]],
        [1, 0],
        "sample_weight is 0 at every step: there is nothing to learn from",
    ),
    "too few weights": ({}, ONE, [1, 0, 1], [1, 1], "inputs and sample_weight must be of one length, not 3 and 2"),
    "too few weights in a sequence": (
        {},
        TWO,
        [[1, 0, 1], [0, 1]],
        [[1, 1, 1], [1]],
        "inputs[1] and sample_weight[1] must be of one length, not 2 and 1",
    ),
    "too many weights of sequences": (
        {},
        TWO,
        [[1, 0, 1], [0, 1]],
        [1, 1, 1],
        "inputs has 2 sequences, and sample_weight 3: it must be one for each",
    ),
    "weights for another list": (
        {},
        TWO,
        [[1, 0, 1], [0, 1]],
        [[1, 1, 1]],
        "inputs has 2 sequences, and sample_weight 1",
    ),
    "weights of sequences for one": (
        {},
        ONE,
        [1, 0, 1],
        [[1, 1, 1]],
        "inputs is one sequence, and sample_weight a list of sequences: both must be alike",
    ),
    "a table of weights too narrow": (
        {},
        np.zeros((2, 3, 2)),
        np.zeros((2, 3)),
        np.ones((2, 2)),
        "inputs[0] and sample_weight[0] must be of one length, not 3 and 2",
    ),
    "a number for each weight": (
        {},
        TWO,
        [[1, 0, 1], [0, 1]],
        [[[1, 1]] * 3, [[1, 1]] * 2],
        "sample_weight[0][0] must have 1 number, not 2",
    ),
    "targets for steps, not for sequences": (
        {"return_sequences": False},
        TWO,
        [[1, 0, 1], [0, 1]],
        None,
        "targets must be a number for each sequence, not several: return_sequences is False",
    ),
    "targets for the steps of one": (
        {"return_sequences": False},
        ONE,
        [1, 0, 1],
        None,
        "targets must be a number for the whole sequence, and it has 3: return_sequences is False",
    ),
    "no target for one": (
        {"return_sequences": False},
        ONE,
        [],
        None,
        "targets must be a number for the whole sequence, and it has 0",
    ),
    "rows for the steps of one": (
        {"return_sequences": False, "output_size": 2},
        ONE,
        [[1, 0]] * 3,
        None,
        "targets must be a row of 2 numbers for the whole sequence, and it has 3: return_sequences is False",
    ),
    "a row too long for one": (
        {"return_sequences": False, "output_size": 2},
        ONE,
        [1, 0, 1],
        None,
        "targets must be a row of 2 numbers for the whole sequence, and it has 3",
    ),
    "tables for sequences": (
        {"return_sequences": False, "output_size": 2},
        TWO,
        [[[1, 0]] * 3, [[1, 0]] * 2],
        None,
        "targets must be a row of 2 numbers for each sequence, not several: return_sequences is False",
    ),
    "a table of classes": (
        {"return_sequences": False, "output": "softmax", "output_size": 2},
        np.zeros((2, 3, 2)),
        np.zeros((2, 3)),
        None,
        "targets must be the number of a class for each sequence, not several: return_sequences is False",
    ),
    "one-hot classes": (
        {"return_sequences": False, "output": "softmax", "output_size": 2},
        TWO,
        [[1, 0], [0, 1]],
        None,
        "targets must be the number of a class for each sequence, not several",
    ),
    "too many targets": (
        {"return_sequences": False},
        TWO,
        [1, 0, 1],
        None,
        "inputs has 2 sequences, and targets 3: it must be one for each",
    ),
    "weights for steps, not for sequences": (
        {"return_sequences": False},
        TWO,
        [1, 0],
        [[1, 0, 1], [0, 1]],
        "sample_weight must be a number for each sequence, not several: return_sequences is False",
    ),
    "weights for the steps of one sequence": (
        {"return_sequences": False},
        ONE,
        1,
        [1, 0, 1],
        "sample_weight must be a number for the whole sequence, and it has 3: return_sequences is False",
    ),
    "NaN for a sequence": (
        {"return_sequences": False},
        TWO,
        [1, nan],
        None,
        "targets[1] must be finite, not nan: give its sequence a sample_weight of 0 to leave it out",
    ),
    "NaN in a row for a sequence": (
        {"return_sequences": False, "output_size": 2},
        TWO,
        [[1, 0], [1, nan]],
        [0, 1],
        "targets[1][1] must be finite, not nan: give its sequence a sample_weight of 0",
    ),
    "NaN for the only sequence": ({"return_sequences": False}, ONE, nan, None, "targets must be finite, not nan"),
    "a class too high for one": (
        {"return_sequences": False, "output": "softmax", "output_size": 2},
        ONE,
        2,
        None,
        "targets must be the number of a class, from 0 to 1, not 2",
    ),
    "a probability too high in a row": (
        {"return_sequences": False, "output_size": 2},
        ONE,
        [1, 3],
        None,
        "targets[1] must be from 0 to 1, not 3",
    ),
    "an empty sequence": (
        {"return_sequences": False},
        [[[0, 1]], []],
        [1, 0],
        None,
        "inputs[1] is empty: with return_sequences=False every sequence needs a step",
    ),
    "an only sequence that is empty": (
        {"return_sequences": False},
        [],
        1,
        None,
        "inputs is empty: with return_sequences",
    ),
}


@pytest.mark.parametrize(("options", "inputs", "targets", "weights", "message"), TAKES.values(), ids=TAKES)
def test_examples(fastrnn, options, inputs, targets, weights, message):
    network = fastrnn.RNN(2, input_size=2, seed=1, **({"output": "sigmoid"} | options))
    before = state_of(network)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        network.train(inputs, targets, sample_weight=weights)
    assert state_of(network) == before


def test_examples_of_another_name(network):
    """As validation data will be told of: the names of all three are in front."""
    take = type(network).train.__globals__["_data"].take_examples
    for inputs, targets, weights, message in [
        ([[0, nan]], [1], None, "validation inputs[0][1] must be finite, not nan"),
        (TWO, [[1, 0, 1], [1, nan]], None, "validation targets[1][1] must be finite, not nan: give its step"),
        (TWO, [[1, 0, 1], [1, 3]], None, "validation targets[1][1] must be from 0 to 1, not 3"),
        (ONE, [1], None, "validation inputs and validation targets must be of one length, not 3 and 1"),
        (TWO, [[1, 0, 1], [1, 0]], [[1, 0, 1], [1, -1]], "validation sample_weight[1][1] must not be negative"),
        ([], [], None, "validation inputs and validation targets are empty"),
    ]:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
            take(network._spec, inputs, targets, weights, name="validation")


@pytest.mark.parametrize(
    ("targets", "weights", "message"),
    [
        ([1, None, 0], [1, 0, 1], "targets[1] must be a real number, not None"),
        ([1, "a", 0], [1, 0, 1], "targets[1] must be a real number, not str"),
        (None, None, "targets must be a sequence of numbers, not None"),
        ([1, 0, 1], [1, None, 1], "sample_weight[1] must be a real number, not None"),
        ([1, 0, 1], "abc", "sample_weight must be a real number, not str"),
        ([1, 0, 1], {1: 2}, "sample_weight must be a real number, not dict"),
    ],
)
def test_what_is_no_number_is_none_without_weight_either(network, targets, weights, message):
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        network.train(ONE, targets, sample_weight=weights)


def test_one_weight_beside_several(network):
    with pytest.raises(TypeError, match=r"^sample_weight must be a sequence of numbers, not float$"):
        network.train(TWO, [[1, 0, 1], [0, 1]], sample_weight=0.5)


def test_nothing_to_give_a_result_for(fastrnn):
    network = fastrnn.RNN(2, output="sigmoid", return_sequences=False, seed=1)
    for call in (network.predict, network.predict_proba):
        for inputs, message in (([[1.0], []], r"inputs\[1\]"), ([], "inputs"), (np.zeros((2, 0, 1)), r"inputs\[0\]")):
            with pytest.raises(
                ValueError, match=f"^{message} is empty: with return_sequences=False every sequence needs"
            ):
                call(inputs)
    assert network.hidden_states([[1.0], []])[1] == []


def test_an_array_of_sequences_of_numbers(fastrnn):
    message = "inputs has shape (3, 4); it must be (T,) or (T, 1), 1 number a step. Several sequences are a list"
    with pytest.raises(ValueError, match=re.escape(message)):
        fastrnn.RNN(2).predict(np.zeros((3, 4)))
    assert len(fastrnn.RNN(2).predict(list(np.zeros((3, 4))))) == 3


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (1.0, TypeError, "x must be a sequence of numbers, not float"),
        ([1.0], ValueError, "x must have 2 numbers, not 1"),
        ([1.0, nan], ValueError, "x[1] must be finite, not nan"),
        ("ab", TypeError, "x must be a sequence of numbers, not a str"),
        ([[1.0, 2.0]], ValueError, "x must be one step, a row of 2 numbers, not rows: train() and predict() take many"),
        (np.zeros((1, 2)), ValueError, "x must be one step, a row of 2 numbers, not rows"),
    ],
)
def test_one_step(network, x, error, message):
    before = state_of(network)
    for call in (network.step, lambda x: network.learn(x, 1)):
        with pytest.raises(error, match=f"^{re.escape(message)}"):
            call(x)
    assert state_of(network) == before


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ("a", TypeError, "must be"),
        (None, TypeError, "must be a real number, not None"),
        (inf, ValueError, "must be finite, not inf"),
        (np.float32("nan"), ValueError, "must be finite, not nan"),
        ([[1.0]], ValueError, "must be one step, a number, not rows"),
        ([1.0, 2.0], ValueError, "must have 1 number, not 2"),
        (10**400, ValueError, "must fit a float64"),
    ],
)
def test_one_number(fastrnn, x, error, message):
    network = fastrnn.RNN(2, seed=1)
    before = state_of(network)
    calls = [(network.step, "x"), (network.peek, "x"), (lambda x: network.learn(x, 1), "x")]
    if x is not None:  # None is no target
        calls.append((lambda x: network.learn(1, x), "target"))
    for call, name in calls:
        with pytest.raises(error, match=f"^{name}.*{message}"):
            call(x)
    assert state_of(network) == before


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        (-0.5, ValueError, "weight must not be negative, and it is -0.5"),
        (nan, ValueError, "weight must be finite, not nan"),
        ("1", TypeError, "weight must be a real number, not str"),
        (None, TypeError, "weight must be a real number, not None"),
    ],
)
def test_one_weight(fastrnn, weight, error, message):
    network = fastrnn.RNN(2, seed=1)
    before = state_of(network)
    with pytest.raises(error, match=f"^{message}$"):
        network.learn(1.0, 1.0, weight)
    assert state_of(network) == before


def test_one_target(fastrnn):
    network = fastrnn.RNN(2, output="softmax", output_size=3, seed=1)
    with pytest.raises(ValueError, match=r"^target must be the number of a class, from 0 to 2, not 3$"):
        network.learn(1.0, 3)
    network = fastrnn.RNN(2, output="sigmoid", output_size=2, seed=1)
    with pytest.raises(ValueError, match=r"^target\[1\] must be from 0 to 1, not -1$"):
        network.learn(1.0, [1, -1])
    with pytest.raises(ValueError, match=r"^learn\(\) needs to know when an update is due: set window"):
        fastrnn.RNN(2, window=None).learn(1.0, 1.0)


@pytest.mark.parametrize("value", [nan, inf])
@pytest.mark.parametrize("name", ["w_input_hidden", "w_hidden_hidden", "b_hidden", "w_hidden_output", "b_output"])
def test_parameters_written_over(network, name, value):
    view = network.parameters[name]
    view[(0, 1) if view.ndim == 2 else 0] = value
    network.window = 1  # an update, and with it a look at the parameters, falls due with every learn()
    message = f"{name}[{'0, 1' if view.ndim == 2 else 0}] must be finite, and it is {value}"
    before = network.state
    calls = [
        lambda: network.predict([[0, 1]]),
        lambda: network.hidden_states([[0, 1]]),
        lambda: network.train([[0, 1]], [1]),
        lambda: network.learn([0, 1], 1),
    ]
    for call in calls if value == inf else [*calls, lambda: network.step([0, 1])]:
        with pytest.raises(ValueError, match=re.escape(message)):
            call()
    assert network.state == before
    assert network.losses == []


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("w_input_hidden", [[1, 2]], ValueError, "w_input_hidden must have 3 rows, not 1"),
        ("w_input_hidden", [[1]] * 3, ValueError, "w_input_hidden[0] must have 2 numbers, not 1"),
        ("w_hidden_hidden", np.zeros((2, 3)), ValueError, "w_hidden_hidden must have shape (3, 3), not (2, 3)"),
        ("w_hidden_hidden", np.zeros((3, 2)), ValueError, "w_hidden_hidden must have shape (3, 3), not (3, 2)"),
        ("w_hidden_hidden", pd.DataFrame([[0.0]]), ValueError, "w_hidden_hidden must have shape (3, 3), not (1, 1)"),
        ("w_hidden_hidden", np.float64(1.0), ValueError, "w_hidden_hidden must have shape (3, 3), not ()"),
        ("w_hidden_hidden", [1, 2, 3], ValueError, "w_hidden_hidden[0] must be a row of 3 numbers, not int"),
        ("b_hidden", [1, 2], ValueError, "b_hidden must have 3 numbers, not 2"),
        ("b_hidden", [[1], [2], [3]], ValueError, "b_hidden must have shape (3,): numbers in a row, not rows of"),
        ("b_hidden", np.zeros((3, 1)), ValueError, "b_hidden must have shape (3,), not (3, 1)"),
        ("b_hidden", [1, nan, 2], ValueError, "b_hidden[1] must be finite, not nan"),
        ("b_output", 1.0, TypeError, "b_output must be a sequence of numbers, not float"),
        ("b_hidden_hidden", [1], AttributeError, "a network with cell='elman' has no b_hidden_hidden"),
        ("state", [1.0], ValueError, "state must have 3 numbers, not 1"),
        ("state", [1.0, nan, 0.0], ValueError, "state[1] must be a number, not nan"),
    ],
)
def test_parameters_and_state_set(network, name, value, error, message):
    before = state_of(network)
    with pytest.raises(error, match=re.escape(message)):
        setattr(network, name, value)
    assert state_of(network) == before


def test_state_given(network):
    for state, error, message in [
        ([0.0] * 2, ValueError, "state must have 3 numbers, not 2"),
        ((0.0,) * 3, TypeError, "state is overwritten: it must be a list or a writable array of float64, not tuple"),
        (np.zeros(3, "f4"), TypeError, "not a read-only array or one of float32"),
        (
            [[0.0] * 3],
            ValueError,
            "state must be 3 numbers in a row, not rows: state[-1] is the last row",
        ),
        (np.zeros((1, 3)), ValueError, "state must be 3 numbers in a row"),
        (memoryview(bytes(24)).cast("d"), TypeError, "state is overwritten: it must be a list or a writable array"),
    ]:
        with pytest.raises(error, match=re.escape(message)):
            network.predict([[0, 1]], state=state)
    state = [0.0] * 3
    with pytest.raises(ValueError, match=r"^with a state inputs must be one sequence, not a list of them$"):
        network.predict([[[0, 1]], [[0, 1]]], state=state)
    with pytest.raises(ValueError, match=r"finite"):
        network.predict([[0, 1], [0, nan]], state=state)
    assert state == [0.0] * 3


@pytest.mark.parametrize("values", [is_in_itself(), nested(0.0, 100_000)], ids=["in itself", "deep"])
def test_nested_without_end(fastrnn, values):
    network = fastrnn.RNN(2, seed=1)
    before = state_of(network)
    for call, message in [
        (lambda: network.predict(values), "inputs is nested too deep: it must be a sequence of rows"),
        (lambda: network.train(values, values), "inputs is nested too deep"),
        (lambda: network.train([1.0], values), "targets is nested too deep"),
        (lambda: network.generate(values, 3), "inputs is nested too deep"),
        (lambda: network.generate(iter([values]), 3), "inputs is nested too deep"),
        (lambda: network.step(values), "x must be one step, a number, not rows"),
        (lambda: network.learn(1.0, values), "target must be one step, a number, not rows"),
        (lambda: network.predict([1.0], state=values), "state must be 2 numbers in a row, not rows"),
        (lambda: setattr(network, "state", values), "state must be 2 numbers in a row, not rows"),
        (lambda: setattr(network, "b_hidden", values), "b_hidden must have shape (2,): numbers in a row, not rows"),
        (lambda: setattr(network, "w_hidden_hidden", values), "w_hidden_hidden[0] must have 2 numbers, not 1"),
        (
            lambda: setattr(network, "w_input_hidden", [values]),
            "w_input_hidden is nested too deep: a row is of numbers",
        ),
    ]:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
            call()
    assert state_of(network) == before


def test_sequences_of_anything(fastrnn):
    """Where a list may hold numbers, rows of one or sequences, what has no length is none of the three."""
    with pytest.raises(TypeError, match=r"^inputs\[1\] must be a sequence of numbers, not type$"):
        fastrnn.RNN(2).predict([[1.0], list])


def test_no_probabilities(fastrnn):
    with pytest.raises(ValueError, match=r"^predict_proba\(\) gives probabilities, and output is 'linear': use"):
        fastrnn.RNN(2).predict_proba([1.0])


def test_generate(fastrnn, network):
    with pytest.raises(ValueError, match=r"input_size is 2 where output_size is 1$"):
        network.generate([[1, 2]], 3)
    good = fastrnn.RNN(2, seed=1)
    for args, error, message in [
        (([], 3), ValueError, "inputs is empty: there is nothing to go on from"),
        (([1.0], -1), ValueError, "steps must not be negative"),
        (([1.0], 1.5), TypeError, "steps must be an integer"),
        (([[1.0], [nan]], 2), ValueError, r"inputs\[1\] must be finite"),
        (([[1.0, 2.0], [3.0]], 2), ValueError, r"generate\(\) goes on from one sequence, and inputs is a list of them"),
        ((np.zeros((2, 5, 1)), 2), ValueError, r"generate\(\) goes on from one sequence"),
    ]:
        with pytest.raises(error, match=f"^{message}"):
            good.generate(*args)


@pytest.mark.parametrize("inputs", [[1.0], np.ones(1)], ids=["list", "NumPy"])
@pytest.mark.parametrize("options", [{}, {"output": "softmax", "output_size": 3}], ids=["linear", "softmax"])
def test_more_steps_than_memory_holds(fastrnn, inputs, options):
    network = fastrnn.RNN(2, seed=1, **options)
    before, state = state_of(network), [0.0, 0.0]
    for steps in (sys.maxsize, sys.maxsize // 8 + 1):  # fewer would be asked of the system: not in a test
        with pytest.raises(ValueError, match=rf"^steps is too large: {steps} numbers do not fit into memory$"):
            network.generate(inputs, steps, state=state)
    with pytest.raises(ValueError, match=rf"^steps is too large: it must be at most {sys.maxsize}$"):
        network.generate(inputs, sys.maxsize + 1, state=state)
    assert state == [0.0, 0.0]
    assert state_of(network) == before


def test_no_memory_for_the_classes(fastrnn, monkeypatch):
    """They need as much room as the probabilities; the caller's state has not moved on either."""
    network, state = fastrnn.RNN(2, output="softmax", output_size=2, seed=1), [0.0, 0.0]
    data = type(network).train.__globals__["_data"]
    zeros = data.zeros

    def full(form, length):
        if form == "q":
            raise MemoryError
        return zeros(form, length)

    monkeypatch.setattr(data, "zeros", full)
    with pytest.raises(MemoryError, match=r"^steps is too large: 3 numbers do not fit into memory$"):
        network.generate([1.0], 3, state=state)
    with pytest.raises(MemoryError, match=r"^inputs is too large: 1 numbers do not fit into memory$"):
        network.predict([1.0])
    assert state == [0.0, 0.0]


# ---- runs that diverge ----


@pytest.mark.parametrize("options", [{}, {"clip": 1.0}, {"optimizer": "adam"}, {"momentum": 0.9}, {"window": 1}])
@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_a_run_that_diverges(fastrnn, cell, options):
    """It stops with the place and the remedy; the network is as after the last complete update."""
    options = {"window": 2} | options
    network = fastrnn.RNN(3, cell=cell, epochs=3, lr=0.01, seed=1, **options)
    inputs, targets = [0.5] * 10, [0.25] * 6 + [1e200] * 4
    with pytest.raises(OverflowError) as caught:
        network.train(inputs, targets)
    place, _, remedy = str(caught.value).partition(": the loss or the update is not finite. ")
    assert place == "training diverged at epoch 0, step 6"
    assert "Lower lr (it is 0.01), or scale the inputs and targets down" in remedy
    assert ("or lower clip (it is 1.0)" if "clip" in options else "or set clip") in remedy
    assert network.losses == []
    expected = fastrnn.RNN(3, cell=cell, epochs=1, lr=0.01, seed=1, **options)
    expected.train(inputs[:6], targets[:6])
    assert network._memory == expected._memory
    assert network.state == expected.state


def test_the_sequence_that_diverges_is_named(fastrnn):
    network = fastrnn.RNN(3, seed=1)
    with pytest.raises(OverflowError, match=r"^training diverged at epoch 0, sequence 1, step 2: "):
        network.train([[0.0] * 3, [1.0, 1.0, 1.0]], [[0.0] * 3, [0.0, 0.0, 1e300]])


def test_learn_that_diverges(fastrnn):
    network = fastrnn.RNN(3, window=2, seed=1)
    network.learn(1.0, 0.5)
    before = state_of(network)
    with pytest.raises(OverflowError, match=r"^training diverged: the loss or the update is not finite"):
        network.learn(1.0, 1e300)
    assert state_of(network) == before
    network.learn(1.0, 0.25)
    assert network._waiting == []


def test_step_that_overflows(fastrnn):
    network = fastrnn.RNN(2, activation="relu", seed=1)
    network.w_input_hidden = [[1e300], [1e300]]
    network.w_hidden_output = [[1e300, -1e300]]
    before = state_of(network)
    with pytest.raises(OverflowError, match=r"^the result is not a number: the parameters or inputs are"):
        network.step(1e300)
    assert state_of(network) == before


def test_predictions_that_overflow(fastrnn):
    network = fastrnn.RNN(2, activation="relu", output="softmax", output_size=2, seed=1)
    network.w_input_hidden, network.w_hidden_hidden = [[1e300], [1e300]], [[0.0] * 2] * 2
    network.w_hidden_output = [[1e300, -1e300], [-1e300, 1e300]]
    for call in (network.predict, network.predict_proba, lambda x: network.generate(x, 3)):
        state = network.state
        with pytest.raises(OverflowError, match=r"^the result is not a number: the parameters or inputs are"):
            call([1e300])
        assert network.state == state
    infinite = fastrnn.RNN(1, activation="relu", seed=1)
    infinite.w_input_hidden, infinite.w_hidden_output = [[1e300]], [[1.0]]
    assert infinite.predict([1e300]) == [inf]


def test_parameters_cannot_be_replaced(network):
    with pytest.raises(TypeError, match="does not support item assignment"):
        network.parameters["b_output"] = [0.0]
    with pytest.raises(AttributeError):
        network.parameters = {}


@pytest.mark.parametrize("name", ["lr", "epochs", "window", "momentum", "w_hidden_hidden", "b_output"])
def test_what_cannot_be_deleted(network, name):
    with pytest.raises(AttributeError, match=f"^{name} cannot be deleted$"):
        delattr(network, name)


@pytest.mark.parametrize("window", [10**6, 2**61, 2**62])
def test_windows_larger_than_memory(fastrnn, window):
    """The room that learn() needs grows with the steps that wait."""
    network, expected = fastrnn.RNN(2, window=window, seed=1), fastrnn.RNN(2, window=200, epochs=1, seed=1)
    for i in range(199):
        network.learn(0.1 * i, 0.5)
    network.window = 200
    network.learn(19.9, 0.5)
    expected.train([0.1 * i for i in range(199)] + [19.9], [0.5] * 200)
    assert network._memory == expected._memory


@pytest.mark.parametrize(
    "sizes",
    [
        {"hidden_size": 24, "input_size": 6148914691236517208, "output_size": 6148914691236517206},
        {"hidden_size": 2**63 - 1},
        {"hidden_size": 10**9},
        {"hidden_size": 1, "input_size": 2**60},
        {"hidden_size": 1, "output_size": 2**60},
    ],
)
def test_sizes_too_large(fastrnn, sizes):
    with pytest.raises(ValueError, match=r"hidden_size, input_size and output_size are too large: that would be \d"):
        fastrnn.RNN(**sizes)


@pytest.mark.parametrize(("losses", "told"), [(None, "None"), ((), "tuple"), ({}, "dict"), (3.0, "float")])
def test_losses_must_be_a_list(fastrnn, losses, told):
    for network in (fastrnn.RNN(2, epochs=1, seed=1), fastrnn.SimpleRNN(epochs=1, seed=1)):
        before, network.losses = copy.copy(network), losses
        with pytest.raises(TypeError, match=f"losses must be a list, not {told}"):
            network.train([0.0, 1.0], [1.0, 0.0])
        network.losses = []
        assert network == before


def test_losses_may_be_a_subclass_of_list(fastrnn):
    class Losses(list):
        def append(self, value):
            super().append(round(value, 3))

    for network in (fastrnn.RNN(2, epochs=2, seed=1), fastrnn.SimpleRNN(epochs=2, seed=1)):
        network.losses = Losses()
        network.train([0.0, 1.0], [1.0, 0.0])
        assert type(network.losses) is Losses
        assert network.losses == [round(loss, 3) for loss in network.losses]
        assert len(network.losses) == 2


@pytest.mark.parametrize("output", ["linear", "sigmoid", "softmax"])
def test_no_decision_is_made_of_nan(fastrnn, output):
    network = fastrnn.RNN(2, activation="relu", output=output, output_size=1 + (output == "softmax"), seed=1)
    network.w_input_hidden, network.w_hidden_hidden = [[1e300], [1e300]], [[1e300, 0.0], [0.0, 1e300]]
    network.b_hidden = [0.0, 0.0]
    network.w_hidden_output = [[1.0, -1.0]] * network.output_size
    state = network.state
    for call in (lambda: network.predict([1.0] * 9), lambda: network.generate([1.0] * 9, 3, state=state)):
        with pytest.raises(OverflowError, match="the result is not a number"):
            call()
    assert state == network.state


def test_states_are_data_like_any_other(fastrnn):
    network = fastrnn.RNN(2, seed=1)
    for bad in ({0.5, 1.5}, {0.5: 1, 1.5: 2}, 0.5, "ab", np.float64(0.5)):
        with pytest.raises((TypeError, ValueError), match=r"^state "):
            network.state = bad
    for infinite in (np.float64("inf"), np.float32("inf"), Decimal("Infinity"), inf):
        network.reset()
        network.state = [infinite, 0.0]
        assert network.state == [inf, 0.0]
