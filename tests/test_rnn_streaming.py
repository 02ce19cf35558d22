"""RNN: sample by sample, in chunks and all at once, resumed or in one go: the same bits."""

import copy
from math import inf

import numpy as np
import pandas as pd
import pytest

KINDS = [
    {"cell": "elman", "output": "sigmoid"},
    {"cell": "gru", "output_size": 2},
    {"cell": "lstm", "output": "softmax", "output_size": 3},
]
X = [0.5, -1.0, 0.25, 2.0, 0.0, 1.5, -0.75, 0.125, 1.0, -2.0]


@pytest.fixture(params=KINDS, ids=["elman", "gru", "lstm"])
def make(fastrnn, request):
    def make(**options):
        return fastrnn.RNN(5, seed=3, lr=0.1, **request.param, **options)

    return make


def targets_of(network):
    if network.output == "softmax":
        return [i % 3 for i in range(len(X))]
    return [[0.25 * i, 0.5] if network.output_size == 2 else i % 2 for i in range(len(X))]


def outputs(network, x, **options):
    """All that comes out, as floats."""
    return (network.predict if network.output == "linear" else network.predict_proba)(x, **options)


def test_loop_of_step_is_a_prediction(make):
    network = make()
    assert [network.step(x) for x in X] == outputs(network, X)
    assert network.state[:5] == network.hidden_states(X)[-1]
    network.reset()
    assert network.state == [0.0] * len(network.state)
    assert [network.step(x) for x in X] == outputs(network, X)


@pytest.mark.parametrize("window", [1, 2, 5])
def test_loop_of_learn_is_an_epoch(make, window):
    network, trained = make(window=window), make(window=window, epochs=1)
    targets = targets_of(network)
    trained.train(X, targets)
    seen = [network.learn(x, target) for x, target in zip(X, targets, strict=True)]
    assert network._memory == trained._memory
    assert network.state == trained.state
    assert seen[:window] == outputs(make(), X[:window])  # before the first update


def test_learn_gives_what_step_would(make):
    network = make(window=3)
    for x, target in zip(X, targets_of(network), strict=True):
        expected = copy.deepcopy(network).step(x)
        assert network.learn(x, target) == expected


@pytest.mark.parametrize("split", [1, 4, 9])
@pytest.mark.parametrize("kind", [list, np.array], ids=["list", "array"])
def test_chunks(make, split, kind):
    network = make()
    for method in ("predict", "hidden_states", *(["predict_proba"] if network.output != "linear" else [])):
        state = kind(network.state)
        run = getattr(network, method)
        parts = [*run(X[:split], state=state), *run(X[split:], state=state)]
        assert parts == run(X)
        network.reset()
        assert [network.step(x) for x in X]
        assert list(state) == network.state
        network.reset()


def test_chunks_of_many_blocks(make):
    """The core predicts in blocks of steps, which must not be seen."""
    network = make()
    x = np.sin(np.arange(1000.0))
    whole = np.asarray(outputs(network, x))
    state = network.state
    parts = [outputs(network, part, state=state) for part in np.array_split(x, [1, 16, 32, 33, 64, 65, 129, 500])]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_predictions_change_nothing(make):
    network = make()
    network.step(1.0)
    before = network.__reduce__()
    for method in (network.predict, network.hidden_states, lambda x: outputs(network, x)):
        assert method(X) == method(X)
    if network.output != "linear":
        network.predict_proba([X, X[:3]])
    assert network.__reduce__() == before


def test_state_goes_on_after_training(make):
    network = make(epochs=2, window=4)
    network.train(X, targets_of(network))
    other = make()
    for name, view in network.parameters.items():
        setattr(other, name, view)
    last = other.hidden_states(X[-2:])  # another state: from a fresh one
    assert network.state[:5] != last[-1]
    state = network.state
    assert network.step(0.5) == outputs(other, [0.5], state=state)[0]


def test_resumed_is_one_go(make):
    whole, parts = make(epochs=6, window=3), make(epochs=2, window=3)
    targets = targets_of(whole)
    whole.train(X, targets)
    for _ in range(3):
        parts.train(X, targets)
        parts = copy.deepcopy(parts)
    parts.epochs = 6
    assert parts == whole
    assert parts.losses == whole.losses


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_resumed_within_a_window(make, optimizer):
    """Steps that wait for their update are not lost in a copy."""
    whole = make(window=4, optimizer=optimizer)
    parts = make(window=4, optimizer=optimizer)
    for x, target in zip(X * 2, targets_of(whole) * 2, strict=True):
        assert whole.learn(x, target) == parts.learn(x, target)
        parts = copy.deepcopy(parts)
        assert parts == whole


def test_momentum_resumed(fastrnn):
    whole = fastrnn.RNN(3, momentum=0.9, epochs=4, seed=0)
    parts = fastrnn.RNN(3, momentum=0.9, epochs=2, seed=0)
    whole.train(X[:-1], X[1:])
    parts.train(X[:-1], X[1:])
    parts.train(X[:-1], X[1:])
    assert parts._memory == whole._memory


def test_a_step_among_learn_is_one_without_a_target(make):
    """It counts towards the window, and makes the update that falls due."""
    network, other = make(window=4), make(window=4)
    targets = targets_of(network)
    for i, x in enumerate(X):
        if i % 3 == 1 and network._waiting:
            assert network.step(x) == other.learn(x, None)
        else:
            assert network.learn(x, targets[i]) == other.learn(x, targets[i])
        assert network == other
    assert len(network._waiting) == len(X) % 4
    network.window = None
    network.step(X[0])  # no update can ever fall due
    assert network._waiting == []


def test_a_step_every_third_does_not_keep_from_learning(make):
    network = make(window=4)
    before, targets = network._memory, targets_of(network)
    for i, x in enumerate(X[:4]):
        network.learn(x, targets[i]) if i != 2 else network.step(x)
    assert network._memory != before


def test_peek_changes_nothing(make):
    network = make(window=4)
    targets = targets_of(network)
    for x, target in zip(X, targets, strict=True):
        before = network.__reduce__()
        seen = network.peek(x)
        assert network.__reduce__() == before
        assert network.learn(x, target) == seen


def test_one_target_a_sequence_learnt_step_by_step(make):
    network, trained = make(return_sequences=False), make(return_sequences=False, window=None, epochs=1)
    target = targets_of(network)[-1]
    trained.train([X, X[:3]], [target, target])
    for sequence in X, X[:3]:
        network.reset()
        network.window = len(sequence)
        for x in sequence[:-1]:
            network.learn(x, None)
        network.learn(sequence[-1], target)
    assert network._memory == trained._memory
    assert network.state == trained.state
    before = network._memory
    network.reset()
    for x in X[:2]:  # fewer than the window
        network.learn(x, target)
    network.reset()
    assert network._memory == before


@pytest.mark.parametrize("window", [1, 3, 5])
def test_learn_with_weights_is_an_epoch(make, window):
    weights = [1.0, 0.5, 0.0, 2.0, 1.0, 1.0, 0.0, 0.0, 0.0, 3.0][: len(X)]
    network, trained = make(window=window), make(window=window, epochs=1)
    targets = targets_of(network)
    whole = len(X) // window * window
    trained.train(X[:whole], targets[:whole], sample_weight=weights[:whole])
    for x, target, weight in list(zip(X, targets, weights, strict=True))[:whole]:
        if weight:
            network.learn(x, target, weight)
        else:
            network.learn(x, *((None,) if x > 0 else (float("nan"), 0)))  # a target without weight is not looked at
    assert network._memory == trained._memory
    assert network.state == trained.state


@pytest.mark.parametrize(
    ("before", "waiting", "after"), [(8, 3, 2), (8, 3, 9), (1000, 16, 10), (1000, 33, 40), (70, 69, 1), (2, 1, 300)]
)
def test_a_window_that_changes(fastrnn, before, waiting, after):
    """Lowered below the steps that wait, the update falls due with the next; it is that of all of them."""
    steps = max(after, waiting + 1)
    x = np.sin(np.arange(steps + 1.0))
    network = fastrnn.RNN(3, cell="gru", window=before, seed=3)
    for i in range(waiting):
        network.learn(x[i], x[i + 1])
    network.window = after
    for i in range(waiting, steps):
        network.learn(x[i], x[i + 1])
    expected = fastrnn.RNN(3, cell="gru", window=None, epochs=1, seed=3)
    expected.train(x[:-1], x[1:])
    assert network._memory == expected._memory
    assert network.state == expected.state
    assert network._waiting == []


# ---- generate ----


def test_generate_is_a_loop_of_predictions(fastrnn):
    for options in ({}, {"cell": "lstm"}, {"input_size": 2, "output_size": 2, "cell": "gru"}):
        network = fastrnn.RNN(6, seed=2, **options)
        x = [[v, -v] for v in X] if options.get("input_size") == 2 else X
        loop = fastrnn.RNN(6, seed=2, **options)
        for value in x:
            prediction = loop.step(value)
        expected = []
        for _ in range(7):
            expected.append(prediction)
            prediction = loop.step(prediction)
        assert network.generate(x, 7) == expected
        assert network.generate(np.array(x), 7).tolist() == expected
        assert network.generate(x, 1) == expected[:1]
        assert network.generate(x, 0) == []
        assert network == fastrnn.RNN(6, seed=2, **options)


def test_generate_classes(fastrnn):
    network = fastrnn.RNN(8, output="softmax", output_size=4, seed=5)
    text = [0, 1, 2, 3, 0, 2]
    expected = []
    for _ in range(6):
        expected.append(network.predict([*text, *expected])[-1])
    assert network.generate(text, 6) == expected
    assert network.generate(np.array(text), 6).dtype == np.int64


def test_generate_one_hot(fastrnn):
    network = fastrnn.RNN(8, output="softmax", input_size=3, output_size=3, seed=5)
    one = np.eye(3).tolist()
    expected = []
    for _ in range(6):
        expected.append(network.predict([one[0], one[2], *(one[label] for label in expected)])[-1])
    assert network.generate([one[0], one[2]], 6) == expected


def test_generate_zeros_and_ones(fastrnn):
    network = fastrnn.RNN(8, output="sigmoid", seed=6)
    expected = []
    for _ in range(6):
        expected.append(network.predict([1, 0, *expected])[-1])
    assert network.generate([1, 0], 6) == expected
    assert all(type(value) is int for value in network.generate([1, 0], 6))


def test_generate_from_a_state(make):
    network = make()
    if network.input_size != network.output_size:
        pytest.skip("its predictions cannot be inputs")
    state = network.state
    network.predict(X[:-1], state=state)
    assert network.generate(X[-1:], 5, state=state) == network.generate(X, 5)
    assert state != [0.0] * len(state)


HOURS = pd.date_range("2026-03-28 20:00", periods=10, freq="h", tz="Europe/Berlin", name="when")  # summer time begins
INDICES = {
    "range": (pd.RangeIndex(100, 110, name="n"), range(110, 113)),
    "range in steps": (pd.RangeIndex(20, 0, -2), range(0, -6, -2)),
    "hours": (HOURS, pd.date_range("2026-03-29 07:00", periods=3, freq="h", tz="Europe/Berlin")),
    "ends of months": (pd.date_range("2025-01-31", periods=10, freq="ME"), ["2025-11-30", "2025-12-31", "2026-01-31"]),
    "days without a frequency": (
        pd.DatetimeIndex([f"2026-01-{day:02}" for day in range(1, 11)]),
        ["2026-01-11", "2026-01-12", "2026-01-13"],
    ),
    "quarters": (pd.period_range("2024Q1", periods=10, freq="Q", name="q"), ["2026Q3", "2026Q4", "2027Q1"]),
    "time that has passed": (pd.timedelta_range("1h", periods=10, freq="15min"), ["3.5h", "3.75h", "4h"]),
    "days with a gap": (pd.DatetimeIndex([*HOURS[:9], HOURS[9] + pd.Timedelta("1h")]), None),
    "days and none": (pd.DatetimeIndex([*HOURS[:9], pd.NaT]), None),
    "dates to the end of time": (pd.date_range("2253-01-01", periods=10, freq="YS", unit="ns"), None),
    "names": (pd.Index(list("abcdefghij"), name="letters"), None),
}


@pytest.mark.parametrize(("index", "expected"), INDICES.values(), ids=INDICES)
def test_generate_goes_on_with_the_index(fastrnn, index, expected):
    network = fastrnn.RNN(2, seed=0)
    result = network.generate(pd.Series(X, index=index), 3)
    assert isinstance(result, pd.Series)
    assert result.tolist() == network.generate(X, 3)
    if expected is None:
        assert result.index.equals(pd.RangeIndex(3))
    else:
        assert result.index.equals(type(index)(expected, dtype=index.dtype))
        assert result.index.name == index.name
        assert len(network.generate(pd.Series(X, index=index), 0).index) == 0


def test_generate_keeps_the_names_of_columns(fastrnn):
    network = fastrnn.RNN(2, seed=0)
    series = pd.Series(X, name="level")
    assert network.generate(series, 3).name == "level"
    assert network.generate(series.to_frame(), 3).name == "level"
    assert network.generate(pd.Series(X), 3).name is None
    wide = fastrnn.RNN(2, input_size=2, output_size=2, seed=0)
    frame = pd.DataFrame({"a": X, "b": X}, index=HOURS)
    frame.columns.name = "sensor"
    result = wide.generate(frame, 2)
    assert result.columns.equals(frame.columns)
    assert result.columns.name == "sensor"
    assert list(result.index) == [HOURS[-1] + pd.Timedelta("1h"), HOURS[-1] + pd.Timedelta("2h")]


def test_what_is_no_column_of_the_inputs_has_no_name(fastrnn):
    """Predictions, and classes that were fed back as ones among zeros."""
    frame = pd.DataFrame({"a": X, "b": X}, index=HOURS)
    network = fastrnn.RNN(2, input_size=2, output_size=2, seed=0)
    for result in (network.predict(frame), network.hidden_states(frame)):
        assert list(result.columns) == [0, 1]
        assert result.index is frame.index
    series = pd.Series(X, index=HOURS, name="level")
    assert fastrnn.RNN(2, seed=0).predict(series).name is None
    classes = fastrnn.RNN(2, input_size=2, output_size=2, output="softmax", seed=0).generate(frame, 2)
    assert classes.name is None
    assert list(classes.index) == [HOURS[-1] + pd.Timedelta("1h"), HOURS[-1] + pd.Timedelta("2h")]
    numbers = fastrnn.RNN(2, output_size=3, output="softmax", seed=0)
    assert numbers.generate(pd.Series([0, 2, 1], name="word"), 2).name == "word"


def test_an_infinite_state_goes_on_in_chunks_as_in_one_go(fastrnn):
    """With relu a state can grow without end. Infinity is a number to go on from; what is not a number is refused."""
    network = fastrnn.RNN(1, activation="relu", seed=0)
    network.w_input_hidden, network.w_hidden_hidden, network.b_hidden = [[1e200]], [[1e200]], [0.0]
    network.w_hidden_output = [[1.0]]
    x = [1.0, 1.0, 1.0, 1.0]
    whole = network.predict(x)
    assert whole[2:] == [inf, inf]
    for kind in (list, np.array):
        state = kind(network.state)
        assert [*network.predict(x[:3], state=state), *network.predict(x[3:], state=state)] == whole
        assert list(state) == [inf]
    assert [network.step(value) for value in x] == whole
    assert network.state == [inf]
    network.state = network.state
    assert copy.deepcopy(network) == network
    with pytest.raises(ValueError, match=r"^state\[0\] must be a number, not nan$"):
        network.state = [float("nan")]


def test_settings_written_by_a_callback_count_from_the_next_epoch_on(make):
    network, expected = make(epochs=3, window=2, optimizer="adam"), make(epochs=1, window=2, optimizer="adam")
    targets = targets_of(network)

    def write(of):
        of.lr, of.window, of.clip = 0.5, 7, 0.25
        of.w_hidden_output[0, 0] = 0.75

    network.train(X, targets, callback=lambda of, epoch: epoch == 0 and write(of))
    expected.train(X, targets)
    write(expected)
    expected.epochs = 2
    expected.train(X, targets)
    assert network._memory == expected._memory
    assert network.losses == expected.losses
