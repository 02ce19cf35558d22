"""RNN: every kind of data that is welcome, one sequence or several, and each given back in its kind."""

from array import array
from collections import deque, namedtuple

import numpy as np
import pandas as pd
import pytest

FLAT = [0.5, -1.0, 0.25, 2.0, 0.0]
ROWS = [[0.5, -1.0], [0.25, 2.0], [0.0, 1.0], [3.0, -0.5], [1.5, 0.75]]


class List(list):
    pass


class Backwards(list):
    """What it holds is what its iterator says."""

    def __iter__(self):
        return self[::-1].__iter__()


class Odd:
    """An iterable whose attributes are not what arrays have under these names."""

    ndim, shape = 2.5, "any"

    def __init__(self, values):
        self.values = values

    def __iter__(self):
        return iter(self.values)

    @property
    def dtype(self):
        raise RuntimeError("no")


class Odder(Odd):
    ndim = Odd.dtype


class Table:
    """What tells an array its numbers by rows, and an iterator by columns, as the tables of some libraries do."""

    def __init__(self, rows):
        self.rows = np.array(rows)
        self.shape = self.rows.shape

    def __array__(self, dtype=None, copy=None):
        return self.rows

    def __iter__(self):
        return iter(self.rows.T)


Pair = namedtuple("Pair", ["x", "y"])
FLAT_KINDS = {
    "list": lambda: list(FLAT),
    "tuple": lambda: tuple(FLAT),
    "generator": lambda: iter(FLAT),
    "deque": lambda: deque(FLAT),
    "list of rows of one": lambda: [[x] for x in FLAT],
    "list of arrays of one": lambda: [np.array([x]) for x in FLAT],
    "generator of rows of one": lambda: ((x,) for x in FLAT),
    "array.array": lambda: array("d", FLAT),
    "array.array of float32": lambda: array("f", FLAT),
    "memoryview": lambda: memoryview(array("d", FLAT)),
    "memoryview of a column": lambda: memoryview(array("d", FLAT)).cast("B").cast("d", (5, 1)),
    "NumPy": lambda: np.array(FLAT),
    "NumPy float32": lambda: np.array(FLAT, "f4"),
    "NumPy column": lambda: np.array(FLAT)[:, None],
    "NumPy strided": lambda: np.repeat(FLAT, 2)[::2],
    "NumPy object": lambda: np.array(FLAT, object),
    "Series": lambda: pd.Series(FLAT, index=list("abcde")),
    "DataFrame of one column": lambda: pd.DataFrame({"x": FLAT}),
    "subclass of list": lambda: List(FLAT),
    "subclass of list with an iterator": lambda: Backwards(FLAT[::-1]),
    "attributes that lie": lambda: Odd(FLAT),
    "attributes that raise": lambda: Odder(FLAT),
    "subclass of list of rows of one": lambda: List(List([x]) for x in FLAT),
}
ROW_KINDS = {
    "lists": lambda: [list(row) for row in ROWS],
    "tuples": lambda: tuple(map(tuple, ROWS)),
    "list of arrays": lambda: [np.array(row) for row in ROWS],
    "list of array.array": lambda: [array("d", row) for row in ROWS],
    "named tuples": lambda: [Pair(*row) for row in ROWS],
    "subclass of list": lambda: List(List(row) for row in ROWS),
    "subclass of list with an iterator": lambda: Backwards(Backwards(row[::-1]) for row in ROWS[::-1]),
    "table": lambda: Table(ROWS),
    "attributes that lie": lambda: [Odd(row) for row in ROWS],
    "attributes that raise": lambda: Odder([Odder(row) for row in ROWS]),
    "generator": lambda: (list(row) for row in ROWS),
    "generator of generators": lambda: ((x for x in row) for row in ROWS),
    "zip": lambda: zip(*zip(*ROWS, strict=True), strict=True),
    "memoryview": lambda: memoryview(np.array(ROWS)),
    "memoryview by columns": lambda: memoryview(np.asfortranarray(ROWS)),
    "memoryview of float32": lambda: memoryview(np.array(ROWS, "f4")),
    "NumPy": lambda: np.array(ROWS),
    "NumPy float32": lambda: np.array(ROWS, "f4"),
    "NumPy by columns": lambda: np.asfortranarray(ROWS),
    "NumPy strided": lambda: np.repeat(ROWS, 3, axis=1)[:, ::3],
    "NumPy object": lambda: np.array(ROWS, object),
    "DataFrame": lambda: pd.DataFrame(ROWS, index=list("abcde")),
    "DataFrame of several types": lambda: pd.DataFrame(ROWS).astype({0: "f4"}),
}


@pytest.fixture
def network(fastrnn):
    return fastrnn.RNN(3, seed=1, epochs=2, window=2)


@pytest.fixture
def wide(fastrnn):
    return fastrnn.RNN(3, input_size=2, output_size=2, seed=1, epochs=2, window=2)


def listed(result):
    if isinstance(result, list):
        return result
    return result.values.tolist() if hasattr(result, "values") else result.tolist()


@pytest.mark.parametrize("kind", FLAT_KINDS)
def test_numbers(fastrnn, network, kind):
    expected = fastrnn.RNN(3, seed=1, epochs=2, window=2)
    expected.train(FLAT, FLAT)
    network.train(FLAT_KINDS[kind](), FLAT_KINDS[kind]())
    assert network == expected
    assert network.losses == expected.losses
    assert listed(network.predict(FLAT_KINDS[kind]())) == expected.predict(FLAT)
    assert listed(network.hidden_states(FLAT_KINDS[kind]())) == expected.hidden_states(FLAT)


@pytest.mark.parametrize("kind", ROW_KINDS)
def test_rows(fastrnn, wide, kind):
    expected = fastrnn.RNN(3, input_size=2, output_size=2, seed=1, epochs=2, window=2)
    expected.train(ROWS, ROWS)
    wide.train(ROW_KINDS[kind](), ROW_KINDS[kind]())
    assert wide == expected
    assert listed(wide.predict(ROW_KINDS[kind]())) == expected.predict(ROWS)


def test_long_rows_in_blocks(fastrnn):
    """Conversions go block by block: more rows than one block has."""
    rows = np.random.default_rng(0).random((9000, 3)).astype("f4")
    network = fastrnn.RNN(1, input_size=3, seed=1)
    _data = type(network).train.__globals__["_data"]
    taken = [bytes(_data.take_rows(kind, "x", 3)) for kind in (rows, rows.tolist(), iter(rows), rows.astype(float))]
    assert len(set(taken)) == 1


def test_data_is_used_in_place(fastrnn):
    network = fastrnn.RNN(1, input_size=2, seed=1)
    _data = type(network).train.__globals__["_data"]
    rows = np.random.default_rng(0).random((5, 2))
    for kind in (rows, memoryview(rows), pd.DataFrame(rows, copy=False)):
        assert np.shares_memory(np.asarray(_data.take_rows(kind, "x", 2)), rows)


@pytest.mark.parametrize(
    ("kind", "flat", "rows"),
    [
        ("list", list, list),
        ("tuple", list, list),
        ("generator", list, list),
        ("subclass of list", list, list),
        ("array.array", array, memoryview),
        ("memoryview", memoryview, memoryview),
        ("NumPy", np.ndarray, np.ndarray),
        ("Series", pd.Series, pd.DataFrame),
        ("DataFrame of one column", pd.Series, pd.DataFrame),
    ],
)
def test_results_in_kind(network, kind, flat, rows):
    predictions, states = network.predict(FLAT_KINDS[kind]()), network.hidden_states(FLAT_KINDS[kind]())
    assert (type(predictions), type(states)) == (flat, rows)
    assert np.shape(predictions) == (5,)
    assert np.shape(states) == (5, 3)
    if flat is pd.Series:
        assert list(predictions.index) == list(states.index) == list(FLAT_KINDS[kind]().index)


def test_classes_are_integers(fastrnn):
    for options, shape in [
        ({"output": "softmax", "output_size": 3}, (5,)),
        ({"output": "sigmoid"}, (5,)),
        ({"output": "sigmoid", "output_size": 2}, (5, 2)),
    ]:
        network = fastrnn.RNN(4, seed=0, **options)
        probabilities = network.predict_proba(np.array(FLAT))
        classes = network.predict(np.array(FLAT))
        assert classes.dtype == np.int64
        assert classes.shape == shape
        expected = probabilities.argmax(1) if options["output"] == "softmax" else probabilities > 0.5
        assert (classes == expected).all()
        assert network.predict(FLAT) == classes.tolist()
        assert network.predict(array("d", FLAT)).tolist() == classes.tolist()
    assert type(fastrnn.RNN(1, output="sigmoid", seed=0).predict([1.0])[0]) is int


@pytest.mark.parametrize("like", [[], (), array("d"), np.zeros(0), np.zeros((0, 1)), pd.Series([], dtype=float)])
def test_nothing(network, like):
    assert len(network.predict(like)) == 0
    assert len(network.hidden_states(like)) == 0


def test_nothing_in_rows(wide):
    assert wide.predict([]) == []
    assert wide.predict(np.zeros((0, 2))).shape == (0, 2)


# ---- several sequences ----

SEQUENCES = [ROWS, ROWS[:1], ROWS[1:4]]


def check_several(network, sequences, kinds):
    """Each from a fresh state; each result of the kind of its sequence."""
    results = network.predict(kinds)
    assert isinstance(results, list)
    assert [listed(result) for result in results] == [network.predict(sequence) for sequence in sequences]


@pytest.mark.parametrize("kind", [list, tuple, iter, List], ids=["list", "tuple", "generator", "subclass of list"])
def test_several_sequences(wide, kind):
    check_several(wide, SEQUENCES, kind(SEQUENCES))
    arrays = [np.array(rows) for rows in SEQUENCES]
    check_several(wide, SEQUENCES, kind(arrays))
    check_several(wide, SEQUENCES, kind([pd.DataFrame(rows) for rows in SEQUENCES]))
    check_several(wide, SEQUENCES, kind([Table(rows) for rows in SEQUENCES]))
    check_several(wide, SEQUENCES, kind([List(rows) for rows in SEQUENCES]))
    assert all(isinstance(result, np.ndarray) for result in wide.hidden_states(kind(arrays)))


def test_several_flat_sequences(network):
    sequences = [FLAT, FLAT[:2], FLAT[2:3]]
    check_several(network, sequences, sequences)
    check_several(network, sequences, [np.array(sequence) for sequence in sequences])
    check_several(network, sequences, np.array([np.array(sequence) for sequence in sequences], object))
    check_several(network, sequences, [array("d", sequence) for sequence in sequences])
    check_several(network, sequences, [[[x] for x in sequence] for sequence in sequences])


def test_sequences_in_what_only_says_that_it_is_an_array(wide):
    class Several(list):
        ndim, shape = 3, (1, 1, 2)

    check_several(wide, SEQUENCES, Several(SEQUENCES))


def test_array_of_three_dimensions(wide):
    array = np.random.default_rng(0).random((4, 5, 2))
    result = wide.predict(array)
    assert result.shape == (4, 5, 2)
    assert result.tolist() == wide.predict(array.tolist())
    assert result.tolist() == [wide.predict(rows.tolist()) for rows in array]
    assert wide.hidden_states(array).shape == (4, 5, 3)


def test_several_sequences_that_begin_with_nothing(wide):
    assert wide.predict([[], ROWS]) == [[], wide.predict(ROWS)]
    assert wide.predict(memoryview(np.array([ROWS, ROWS]))).tolist() == [wide.predict(ROWS)] * 2


def test_sequences_of_one_step_are_rows(network):
    """Numbers nested twice, one in each: a column of one sequence, by the rule for T x input_size."""
    assert network.predict([[0.5], [1.0]]) == network.predict([0.5, 1.0])
    assert network.predict([[[0.5]], [[1.0]]]) == [network.predict([0.5]), network.predict([1.0])]


def test_training_on_sequences_of_one_step(fastrnn):
    """The targets follow the inputs where both readings would do."""
    network = fastrnn.RNN(2, input_size=2, output="softmax", output_size=2, epochs=1, seed=0)
    expected = fastrnn.RNN(2, input_size=2, output="softmax", output_size=2, epochs=1, seed=0)
    network.train([[[0.5, 1.0]], [[2.0, 0.0]]], [[0], [1]])
    expected.train([[[0.5, 1.0]], [[2.0, 0.0]]], [[[0]], [[1]]])
    assert network == expected


def test_training_on_several_sequences(fastrnn):
    """One after the other; an empty one has nothing to say. Nested lists, arrays and a mixture are the same."""
    networks = [fastrnn.RNN(3, input_size=2, epochs=2, window=2, seed=3) for _ in range(4)]
    targets = [[1.0] * len(rows) for rows in SEQUENCES]
    networks[0].train(SEQUENCES, targets)
    networks[1].train([np.array(rows) for rows in SEQUENCES], [np.array(t) for t in targets])
    networks[2].train([np.array(SEQUENCES[0]), *SEQUENCES[1:]], [targets[0], *map(np.array, targets[1:])])
    networks[3].train([*SEQUENCES[:2], np.zeros((0, 2)), SEQUENCES[2]], [*targets[:2], [], targets[2]])
    assert all(network == networks[0] for network in networks)
    one_by_one = fastrnn.RNN(3, input_size=2, epochs=1, window=2, seed=3)
    for _ in range(2):
        for rows, t in zip(SEQUENCES, targets, strict=True):
            one_by_one.train(rows, t)
    one_by_one.epochs = 2
    assert one_by_one == networks[0]


def test_subclasses_of_list_as_states_rows_and_parameters(fastrnn, network, wide):
    twin = fastrnn.RNN(3, input_size=2, output_size=2, seed=1, epochs=2, window=2)
    for x, target in zip(ROWS, ROWS[::-1], strict=True):
        assert wide.learn(List(x), Backwards(target[::-1])) == twin.learn(x, target)
        assert wide.step(Backwards(x[::-1])) == twin.step(x)
    wide.state, wide.w_hidden_hidden, wide.b_hidden = (
        List([1.0, 2.0, 3.0]),
        List([List([0.5] * 3)] * 3),
        List([1.0] * 3),
    )
    twin.state, twin.w_hidden_hidden, twin.b_hidden = [1.0, 2.0, 3.0], [[0.5] * 3] * 3, [1.0] * 3
    assert wide == twin
    state, expected = List([0.25, -0.5, 0.75]), [0.25, -0.5, 0.75]
    assert network.predict(FLAT, state=state) == network.predict(FLAT, state=expected)
    assert state == expected


def test_numbers_in_arrays_without_dimensions(network):
    expected = network.step(0.5)
    network.reset()
    assert network.step(np.array(0.5)) == expected
    network.reset()
    assert network.learn(np.array(0.5), np.float32(1)) == expected


# ---- what is to be learnt from ----

STEPS = np.random.default_rng(1).random((3, 4, 2))  # N sequences of T steps
EACH = STEPS[:, :, 0].round()  # a number from 0 to 1 for each of them
MASK = np.array([[True, True, False, True], [False] * 4, [True, False, True, True]])


@pytest.fixture
def take(fastrnn):
    """take_examples() for a network with these options."""
    module = type(fastrnn.RNN(1)).train.__globals__["_data"]

    def take(inputs, targets, sample_weight=None, **options):
        spec = fastrnn.RNN(1, input_size=2, **options)._spec
        return module.take_examples(spec, inputs, targets, sample_weight)

    return take


def told(examples):
    weights = examples.weights and examples.weights.tolist()
    return examples.inputs.tolist(), examples.targets.tolist(), examples.lengths, weights


def test_examples(take):
    one = take(ROWS, FLAT)
    assert told(one) == ([x for row in ROWS for x in row], FLAT, [5], None)
    assert (one.several, one.by_step) == (False, True)
    two = take([ROWS, ROWS[:2]], [FLAT, FLAT[:2]], [[1, 0, 1, 0, 1], [0.0, 0.5]])
    assert told(two)[1:] == (FLAT + FLAT[:2], [5, 2], [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.5])
    assert (two.several, two.by_step) == (True, True)
    assert take([ROWS, ROWS[:2]], [FLAT, FLAT[:2]], [0.0, 2.0]).by_step is False


TABLES = {
    "array": lambda table: table,
    "float32": lambda table: table.astype("f4"),
    "integers": lambda table: table.astype("i8"),
    "by columns": np.asfortranarray,
    "of objects": lambda table: table.astype(object),
    "three dimensions": lambda table: table[:, :, None],
    "memoryview": lambda table: memoryview(table.astype(float)),
    "DataFrame": pd.DataFrame,
    "list of lists": lambda table: table.tolist(),
    "list of arrays": list,
    "list of Series": lambda table: [pd.Series(row) for row in table],
    "list of columns": lambda table: [row[:, None] for row in table],
    "generator of generators": lambda table: ((x for x in row) for row in table.tolist()),
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("inputs", [STEPS, list(STEPS), STEPS.tolist()], ids=["array", "list of arrays", "lists"])
def test_tables_beside_several_sequences(take, inputs, kind):
    """(N, T) targets and weights, where there is one a step."""
    for options in ({}, {"output": "softmax", "output_size": 2}):
        examples = take(inputs, TABLES[kind](EACH), TABLES[kind](MASK), **options)
        assert told(examples) == (STEPS.ravel().tolist(), EACH.ravel().tolist(), [4] * 3, MASK.ravel().tolist())
        assert examples.by_step


def test_a_table_of_one_step_each(take):
    """The sequences are in a list: so the targets are."""
    assert take(STEPS[:, :1], EACH[:, :1]).lengths == [1, 1, 1]
    assert take(STEPS[:1], EACH[:1]).lengths == [4]


def test_training_on_a_table(fastrnn):
    networks = [fastrnn.RNN(3, input_size=2, epochs=2, window=2, seed=3) for _ in range(3)]
    networks[0].train(STEPS.tolist(), EACH.tolist())
    networks[1].train(STEPS, EACH)
    networks[2].train(STEPS, EACH[:, :, None])
    assert networks[1] == networks[0]
    assert networks[2] == networks[0]


WEIGHTS = [1, 0, 0.5, True, 0.0]


@pytest.mark.parametrize(
    "kind",
    [list, tuple, iter, np.array, lambda w: array("d", w), pd.Series, lambda w: np.array(w)[:, None]],
    ids=["list", "tuple", "iterator", "NumPy", "array.array", "Series", "column"],
)
def test_weights_of_steps(take, kind):
    examples = take(ROWS, FLAT, kind(WEIGHTS))
    assert examples.weights.tolist() == WEIGHTS
    assert examples.by_step
    assert take([ROWS, ROWS], [FLAT, FLAT], [kind(WEIGHTS), kind(WEIGHTS)]).weights.tolist() == WEIGHTS * 2


@pytest.mark.parametrize(
    "mask", [[True, False, True, True, False], np.array([True, False, True, True, False])], ids=["list", "NumPy"]
)
def test_masks(take, mask):
    for kind in (mask, pd.Series(mask), memoryview(np.array(mask))):
        assert take(ROWS, FLAT, kind).weights.tolist() == [1.0, 0.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, iter], ids=["list", "NumPy", "Series", "iterator"])
@pytest.mark.parametrize("return_sequences", [True, False])
def test_weights_of_sequences(take, kind, return_sequences):
    targets = EACH if return_sequences else EACH[:, 0]
    for weights in ([0, 2, 0.5], [True, False, True]):
        examples = take(STEPS, targets, kind(weights), return_sequences=return_sequences)
        assert examples.weights.tolist() == weights
        assert not examples.by_step
    for weight in (2, True, np.float64(0.5), np.array(2.0)):
        one = take(ROWS, FLAT if return_sequences else 0.5, weight, return_sequences=return_sequences)
        assert one.weights.tolist() == [weight]
        assert not one.by_step


NAN = float("nan")
HOLES = [NAN, -1.0, 0.5, float("inf"), 0.25]
COUNTS = [0, 0, 1, 0, 2]
HOLED = {
    "list": lambda: list(HOLES),
    "tuple": lambda: tuple(HOLES),
    "generator": lambda: iter(HOLES),
    "rows of one": lambda: [[x] for x in HOLES],
    "list of arrays": lambda: [np.array([x]) for x in HOLES],
    "NumPy scalars": lambda: [np.float32(x) for x in HOLES],
    "array.array": lambda: array("d", HOLES),
    "NumPy": lambda: np.array(HOLES),
    "float32": lambda: np.array(HOLES, "f4"),
    "objects": lambda: np.array(HOLES, object),
    "Series": lambda: pd.Series(HOLES),
    "DataFrame": lambda: pd.DataFrame({"x": HOLES}),
    "strided memoryview": lambda: memoryview(np.repeat(HOLES, 2))[::2],
}


@pytest.mark.parametrize("kind", HOLED)
def test_where_the_weight_is_0_the_target_is_not_looked_at(take, kind):
    options = {"output": "sigmoid"}  # targets from 0 to 1
    for given, sequences in ((COUNTS, 1), ([COUNTS, COUNTS], 2)):
        inputs = ROWS if sequences == 1 else [ROWS, ROWS]
        targets = HOLED[kind]() if sequences == 1 else [HOLED[kind](), HOLED[kind]()]
        examples = take(inputs, targets, given, **options)
        assert np.array_equal(examples.targets, HOLES * sequences, equal_nan=True)
    by_sequence = take([ROWS, ROWS], [FLAT[:3] + [0.0] * 2, HOLED[kind]()], [1, 0])
    assert np.array_equal(by_sequence.targets[5:], HOLES, equal_nan=True)


@pytest.mark.parametrize("return_sequences", [True, False])
def test_rows_that_are_not_looked_at(take, return_sequences):
    options = {"output": "sigmoid", "output_size": 2, "return_sequences": return_sequences}
    rows = [[NAN, 0.5], [0.5, 0.25], [1.0, 7.0]]
    inputs = ROWS[:3] if return_sequences else [ROWS[:3]] * 3
    for kind in (list, np.array, pd.DataFrame, iter):
        examples = take(inputs, kind(rows), [0, 1, 0], **options)
        assert np.array_equal(examples.targets, np.ravel(rows), equal_nan=True)


def test_masked_targets(take):
    masked = np.ma.masked_array([0.0, 5.0, 1.0, 1.0, 0.0], [False, True, False, False, False])
    examples = take(ROWS, masked, [1, 0, 1, 1, 1], output="sigmoid")
    assert np.array_equal(examples.targets, [0.0, NAN, 1.0, 1.0, 0.0], equal_nan=True)
    integers = np.ma.masked_array([0, 5, 1, 1, 0], masked.mask)
    assert np.array_equal(take(ROWS, integers, ~masked.mask).targets, examples.targets, equal_nan=True)
    assert np.array_equal(masked.data, [0.0, 5.0, 1.0, 1.0, 0.0])


def test_examples_are_read_in_place(take):
    inputs, targets, weights = np.random.default_rng(0).random((3, 6, 1))
    inputs = np.repeat(inputs, 2, axis=1)
    examples = take(inputs, targets, weights)
    for given, taken in ((inputs, examples.inputs), (targets, examples.targets), (weights, examples.weights)):
        assert np.shares_memory(np.asarray(taken), given)
    table = EACH.copy()
    examples = take(STEPS, table, table + 1.0)
    assert np.shares_memory(np.asarray(examples.targets), table)


# ---- one result a sequence ----

ONE_EACH = [
    {},
    {"output_size": 2},
    {"output": "sigmoid"},
    {"output": "sigmoid", "output_size": 2},
    {"output": "softmax", "output_size": 3},
]


@pytest.mark.parametrize("kind", [list, tuple, iter, np.array, pd.Series], ids=lambda kind: kind.__name__)
def test_one_target_for_each_sequence(take, kind):
    for options in ({}, {"output": "softmax", "output_size": 2}):
        assert take(STEPS, kind([1, 0, 1]), return_sequences=False, **options).targets.tolist() == [1.0, 0.0, 1.0]
    rows = [[1.0, 0.5], [0.0, 0.25], [1.0, 0.0]]
    given = pd.DataFrame(rows) if kind is pd.Series else kind(rows)
    assert take(list(STEPS), given, return_sequences=False, output_size=2).targets.tolist() == np.ravel(rows).tolist()


@pytest.mark.parametrize("target", [1, 1.0, True, np.float32(1), np.array(1), [1], (1.0,), [[1]], np.ones((1, 1))])
def test_one_target_for_one_sequence(take, target):
    for options in ({}, {"output": "softmax", "output_size": 2}):
        examples = take(ROWS, target, return_sequences=False, **options)
        assert told(examples)[1:] == ([1.0], [5], None)


@pytest.mark.parametrize(
    "row", [[0.5, 1.0], (0.5, 1), np.array([0.5, 1.0]), pd.Series([0.5, 1.0]), [[0.5, 1.0]], np.array([[0.5, 1.0]])]
)
def test_one_row_for_one_sequence(take, row):
    assert take(ROWS, row, return_sequences=False, output_size=2).targets.tolist() == [0.5, 1.0]


@pytest.fixture(params=ONE_EACH, ids=str)
def pair(fastrnn, request):
    """A network with one result a sequence, and the same with one a step."""
    return [fastrnn.RNN(3, input_size=2, seed=1, return_sequences=each, **request.param) for each in (False, True)]


def methods(network):
    return ["predict", *(["predict_proba"] if network.output != "linear" else [])]


def test_the_result_of_a_sequence_is_that_of_its_last_step(pair):
    network, whole = pair
    for method in methods(network):
        each, steps = getattr(network, method), getattr(whole, method)
        expected = steps(ROWS)[-1]
        assert each(ROWS) == expected
        assert type(each(ROWS)) is type(expected)
        assert each([ROWS, ROWS[:1], ROWS[1:4]]) == [steps(rows)[-1] for rows in (ROWS, ROWS[:1], ROWS[1:4])]
        assert each(rows for rows in (ROWS, ROWS[:2])) == [expected, steps(ROWS[:2])[-1]]
        array = np.array([ROWS, ROWS[::-1]])
        result = each(array)
        assert result.tolist() == [expected, steps(ROWS[::-1])[-1]]
        assert result.dtype == steps(array).dtype
        assert each(memoryview(array)).tolist() == result.tolist()
    assert network.hidden_states(ROWS) == whole.hidden_states(ROWS)
    assert network.hidden_states([ROWS, ROWS[:2]]) == whole.hidden_states([ROWS, ROWS[:2]])


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        (list, list),
        (np.array, np.ndarray),
        (pd.DataFrame, pd.Series),
        (lambda rows: memoryview(np.array(rows)), memoryview),
    ],
    ids=["list", "NumPy", "DataFrame", "memoryview"],
)
def test_one_result_in_kind(pair, kind, row):
    network, whole = pair
    for method in methods(network):
        expected = getattr(whole, method)(ROWS)[-1]
        for result in (getattr(network, method)(kind(ROWS)), getattr(network, method)([kind(ROWS), ROWS])[0]):
            assert listed(result) == expected if isinstance(expected, list) else result == expected
            assert type(result) is (row if isinstance(expected, list) else type(expected))
            if type(result) is pd.Series:
                assert result.index.equals(pd.RangeIndex(len(result)))


def test_one_result_of_numbers(fastrnn):
    network = fastrnn.RNN(3, output_size=2, seed=1, return_sequences=False)
    expected = network.predict(FLAT)
    for kind, row in (("array.array", array), ("Series", pd.Series), ("generator", list), ("NumPy column", np.ndarray)):
        result = network.predict(FLAT_KINDS[kind]())
        assert type(result) is row
        assert list(result) == expected
    assert network.predict([FLAT, FLAT[:2]])[0] == expected


def test_one_result_in_chunks(pair):
    network, whole = pair
    for method in methods(network):
        state, expected = network.state, whole.state
        assert getattr(network, method)(ROWS[:2], state=state) == getattr(whole, method)(ROWS[:2], state=expected)[-1]
        assert getattr(network, method)(ROWS[2:], state=state) == getattr(whole, method)(ROWS)[-1]
        assert state != expected


def test_no_sequences_no_results(pair):
    network, _ = pair
    row = () if network.predict(np.zeros((1, 1, 2))).ndim == 1 else (2,)
    assert network.predict(np.zeros((0, 3, 2))).shape == (0, *row)


def test_generate_goes_step_by_step(fastrnn):
    network, whole = (fastrnn.RNN(3, seed=1, return_sequences=each) for each in (False, True))
    assert network.generate(FLAT, 4) == whole.generate(FLAT, 4)


# ---- torch ----


def test_torch(fastrnn):
    torch = pytest.importorskip("torch")
    network = fastrnn.RNN(3, input_size=2, output_size=2, seed=1)
    for dtype in (torch.float64, torch.float32):
        rows = torch.tensor(ROWS, dtype=dtype)
        result = network.predict(rows)
        assert isinstance(result, torch.Tensor)
        assert result.tolist() == network.predict(ROWS)
    several = network.predict([torch.tensor(ROWS), torch.tensor(ROWS[:2])])
    assert [tuple(result.shape) for result in several] == [(5, 2), (2, 2)]
    assert network.predict(torch.tensor([ROWS, ROWS])).shape == (2, 5, 2)
    assert network.predict(torch.zeros((0, 2))).shape == (0, 2)
    one = fastrnn.RNN(2, seed=1)
    assert [one.step(x) for x in torch.tensor(FLAT, dtype=torch.float64)] == one.predict(FLAT)
    network.w_hidden_output = torch.zeros(2, 3)
    assert network.w_hidden_output.tolist() == [[0.0] * 3] * 2


def test_torch_weights(take):
    torch = pytest.importorskip("torch")
    steps = torch.tensor(STEPS)
    for mask in (torch.tensor(MASK), torch.tensor(MASK)[:, :, None], [torch.tensor(row) for row in MASK]):
        examples = take(steps, torch.tensor(EACH), mask)
        assert told(examples) == (STEPS.ravel().tolist(), EACH.ravel().tolist(), [4] * 3, MASK.ravel().tolist())
    assert take(steps, torch.tensor(EACH[:, 0]), torch.tensor([0, 1, 2]), return_sequences=False).weights.tolist() == [
        0,
        1,
        2,
    ]


def test_torch_gets_one_result_a_sequence(pair):
    torch = pytest.importorskip("torch")
    network, _ = pair
    expected = network.predict(ROWS)
    several = network.predict(torch.tensor([ROWS, ROWS]))
    assert isinstance(several, torch.Tensor)
    assert several.tolist() == [expected] * 2
    one = network.predict(torch.tensor(ROWS))
    assert (one.tolist() if isinstance(expected, list) else one) == expected
    assert isinstance(one, torch.Tensor if isinstance(expected, list) else type(expected))
