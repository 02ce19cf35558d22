"""predict_all(): what one network after the other gives, to the bit and in its kind, on one thread and on two."""

import array
import random

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

METHODS = ("predict", "predict_proba", "hidden_states", "evaluate")

# ---- lists of networks of all kinds, and data ----


def kind(source, method):
    """(hidden_size, options) of networks that can share lanes."""
    outputs = ["sigmoid", "softmax"] if method == "predict_proba" else ["linear", "sigmoid", "softmax"]
    cell, output = source.choice(["elman", "gru", "lstm"]), source.choice(outputs)
    options = {
        "cell": cell,
        "activation": source.choice(["tanh", "sigmoid", "relu"]) if cell == "elman" else "tanh",
        "output": output,
        "standardize": source.random() < 0.3,
    }
    return source.choice([1, 2, 3, 5, 9]), options


def network(fastrnn, source, draw, size, options, shape):
    """shape : what all have in common, so that they can run on the same data."""
    made = fastrnn.RNN(size, **options, **shape, optimizer=source.choice(["sgd", "adam"]), seed=source.random())
    if made.standardize:
        made.input_mean, made.input_scale = draw.normal(size=made.input_size), 0.5 + draw.random(made.input_size)
        if made.output == "linear":
            made.target_mean, made.target_scale = (
                draw.normal(size=made.output_size),
                0.5 + draw.random(made.output_size),
            )
    if source.random() < 0.2:
        made.w_hidden_hidden = np.zeros(np.shape(made.w_hidden_hidden))
    if source.random() < 0.1 and options["activation"] == "relu":  # up to infinity, and the lanes beside it go on
        made.w_hidden_hidden = 1e9 * np.eye(size)
    return made


def some_data(source, draw, shape, method):
    """Inputs and targets for any of these networks: one sequence, or several."""
    each, width = shape["return_sequences"], shape["output_size"]
    lengths = [source.choice([0, 1, 2, 9, 16, 17, 33, 60]) for _ in range(source.choice([1, 1, 2, 5]))]
    if not each:
        lengths = [max(1, length) for length in lengths]
    if method == "evaluate" and not sum(lengths):
        lengths[0] = 3
    x = [draw.normal(size=(length, shape["input_size"])) for length in lengths]
    y = [draw.integers(0, 2, (length if each else 1, width)) for length in lengths]
    y = [part if each else part[0] for part in y]
    if width == 1 or shape["classes"]:
        y = [part[..., 0] for part in y]
    if source.random() < 0.3:
        x = [part.tolist() for part in x] if all(lengths) else x
    return (x[0], y[0]) if len(x) == 1 and source.random() < 0.8 and len(x[0]) else (x, y)


def drawn(fastrnn, seed):
    """(networks, inputs, targets, each, method)"""
    source, draw = random.Random(seed), np.random.default_rng(seed)
    method, each, classes = source.choice(METHODS), source.random() < 0.5, source.random() < 0.4
    shape = {"input_size": source.choice([1, 2]), "output_size": 2 if classes else source.choice([1, 2])}
    shape["return_sequences"] = source.random() < 0.7
    kinds = []
    while len(kinds) < source.choice([1, 2, 3]):
        size, options = kind(source, method)
        if (options["output"] == "softmax") == classes:  # which have targets of another kind
            kinds.append((size, options))
    count = source.choice([1, 3, 7, 8, 9, 20])
    networks = [network(fastrnn, source, draw, *source.choice(kinds), shape) for _ in range(count)]
    if source.random() < 0.2:
        networks.append(networks[0])
    data = [some_data(source, draw, shape | {"classes": classes}, method) for _ in networks if each or _ is networks[0]]
    if each and source.random() < 0.3:
        data = [source.choice(data) for _ in networks]
    inputs, targets = [x for x, _ in data], [y for _, y in data]
    return networks, inputs if each else inputs[0], targets if each else targets[0], each, method


def one_after_the_other(networks, inputs, targets, each, method):
    results = []
    for i, one in enumerate(networks):
        data = [inputs[i] if each else inputs]
        if method == "evaluate":
            data.append(targets[i] if each else targets)
        try:
            results.append(getattr(one, method)(*data))
        except OverflowError as error:
            return f"networks[{i}]: {error}"
    return results


def told(results):
    """Kinds and bytes of all."""
    if isinstance(results, list):
        return [told(result) for result in results]
    if isinstance(results, np.ndarray):
        return "array", results.shape, results.dtype, results.tobytes()
    if isinstance(results, memoryview):
        return results.format, results.shape, results.tobytes()
    return type(results), repr(results)


@given(seed=st.integers(0, 2**32), threads=st.sampled_from([1, 2]))
def test_the_same_as_one_after_the_other(fastrnn, seed, threads):
    networks, inputs, targets, each, method = drawn(fastrnn, seed)
    before = [repr(network.__getstate__()) for network in networks]
    alone = one_after_the_other(networks, inputs, targets, each, method)
    data = (inputs, targets) if method == "evaluate" else (inputs,)
    try:
        together = fastrnn.predict_all(networks, *data, each=each, method=method, threads=threads)
    except OverflowError as error:
        together = str(error)
    assert told(together) == told(alone)
    assert [repr(network.__getstate__()) for network in networks] == before


# ---- for users ----


@pytest.fixture
def make(fastrnn):
    def make(count, size=2, **options):
        settings = {"cell": "gru", "output": "sigmoid"} | options
        return [fastrnn.RNN(size, **settings, seed=seed) for seed in range(count)]

    return make


WAVE = np.sin(np.arange(40.0))


def test_results_are_in_the_kind_of_the_inputs(fastrnn, make):
    dates = pandas.date_range("2024-01-01", periods=40, name="day")
    column, cube = WAVE.reshape(-1, 1), np.stack([WAVE.reshape(-1, 1)] * 3)
    kinds = [WAVE, column, WAVE.tolist(), column.tolist(), array.array("d", WAVE), memoryview(WAVE), (0, 1, 1)]
    kinds += [pandas.Series(WAVE, dates, name="wave"), pandas.DataFrame({"wave": WAVE}, dates), cube]
    kinds += [WAVE.astype("float32"), np.ma.array(WAVE), [WAVE.tolist(), WAVE, pandas.Series(WAVE, dates)]]
    networks = [*make(9), *make(2, 40), *make(5, cell="lstm")]
    for method in METHODS[:3]:
        for inputs in kinds:
            several = inputs is cube or inputs is kinds[-1]  # a SimpleRNN takes one sequence
            some = networks if several else [*networks, fastrnn.SimpleRNN(seed=1)]
            alone = [getattr(one, method)(inputs) for one in some]
            together = fastrnn.predict_all(some, inputs, method=method)
            assert told(together) == told(alone)
            for one, other in zip(alone, together, strict=True):
                assert type(one) is type(other)
                if isinstance(one, (pandas.Series, pandas.DataFrame)):
                    pandas.testing.assert_index_equal(one.index, other.index)
                    assert one.equals(other)
        mixed = [kinds[i % 10] for i in range(12)]
        alone = [getattr(one, method)(x) for one, x in zip(make(12), mixed, strict=True)]
        assert told(fastrnn.predict_all(make(12), mixed, each=True, method=method)) == told(alone)


@pytest.mark.parametrize("threads", [1, 2, None])
def test_more_networks_than_run_at_once(fastrnn, make, threads):
    networks = make(150)
    shuffled = random.Random(0).sample(networks, 150)
    lengths = [random.Random(seed).choice([0, 1, 7, 40]) for seed in range(150)]
    alone = [one.predict_proba(WAVE) for one in shuffled]
    assert told(fastrnn.predict_all(shuffled, WAVE, method="predict_proba", threads=threads)) == told(alone)
    own = [WAVE[:length] for length in lengths]
    alone = [one.hidden_states(x) for one, x in zip(shuffled, own, strict=True)]
    together = fastrnn.predict_all(iter(shuffled), own, each=True, method="hidden_states", threads=threads)
    assert told(together) == told(alone)
    alone = [one.evaluate(WAVE, WAVE > 0) for one in shuffled]
    assert fastrnn.predict_all(shuffled, WAVE, WAVE > 0, method="evaluate", threads=threads) == alone


def test_an_iterator_is_for_all(fastrnn, make):
    networks = [*make(4), *make(4, 3), fastrnn.SimpleRNN(seed=1), fastrnn.SimpleRNN(seed=2)]
    assert fastrnn.predict_all(networks, iter([0.0, 1.0])) == fastrnn.predict_all(networks, [0.0, 1.0])
    assert fastrnn.predict_all([], [0.0]) == []
    assert fastrnn.predict_all([], [], each=True) == []


def test_the_same_objects_are_looked_at_once(fastrnn, monkeypatch, make):
    calls, take = [], fastrnn._data.take_sequences

    def note(values, name, *args, **keywords):
        calls.append(name)
        return take(values, name, *args, **keywords)

    monkeypatch.setattr(fastrnn._data, "take_sequences", note)
    networks = [*make(9), *make(9, 3), *make(2, 3, cell="elman")]
    fastrnn.predict_all(networks, WAVE)
    fastrnn.predict_all(networks, [WAVE] * 20, each=True)
    assert calls == ["inputs", "inputs"]
    fastrnn.predict_all(networks, WAVE, WAVE > 0, method="evaluate")
    assert calls[2:] == ["inputs", "targets"]


def test_bad_calls_say_what_is_wrong(fastrnn, make):
    networks, predict_all = make(3), fastrnn.predict_all
    simple = fastrnn.SimpleRNN(seed=0)
    for error, message, call in (
        (ValueError, "method must be 'predict' or 'predict_proba' or", lambda: predict_all(networks, WAVE, method="x")),
        (TypeError, "networks must be a list of networks, not RNN", lambda: predict_all(networks[0], WAVE)),
        (
            TypeError,
            r"networks\[3\] must be an RNN or a SimpleRNN, not str",
            lambda: predict_all([*networks, "x"], WAVE),
        ),
        (
            TypeError,
            r"networks\[1\] is a SimpleRNN, which has no evaluate\(\)",
            lambda: predict_all([networks[0], simple], WAVE, WAVE, method="evaluate"),
        ),
        (ValueError, "method='evaluate' needs targets", lambda: predict_all(networks, WAVE, method="evaluate")),
        (ValueError, "targets is for method='evaluate', and method is", lambda: predict_all(networks, WAVE, WAVE)),
        (
            ValueError,
            "inputs must be a list with one for each network: there are 3 networks, and it has 2",
            lambda: predict_all(networks, [WAVE, WAVE], each=True),
        ),
        (
            ValueError,
            "targets must be a list with one for each network: there are 3 networks, and it has 40",
            lambda: predict_all(networks, [WAVE] * 3, WAVE, each=True, method="evaluate"),
        ),
        (TypeError, "inputs must be a list, with one for each", lambda: predict_all(networks, 1.0, each=True)),
        (ValueError, "threads must be at least 1", lambda: predict_all(networks, WAVE, threads=0)),
        (
            ValueError,
            r"^networks\[1\]: inputs\[2\] must be finite, not nan$",
            lambda: predict_all(networks, [WAVE, [0.0, 1.0, np.nan], WAVE], each=True),
        ),
        (TypeError, r"^networks\[0\]: inputs must be a sequence", lambda: predict_all(networks, "x")),
        (
            ValueError,
            r"^networks\[3\]: predict_proba\(\) gives probabilities",
            lambda: predict_all([*networks, *make(1, output="linear")], WAVE, method="predict_proba"),
        ),
        (
            ValueError,
            r"^networks\[3\]: the network is to be standardized and has no input_mean yet",
            lambda: predict_all([*networks, *make(1, standardize=True)], WAVE),
        ),
        (
            ValueError,
            r"^networks\[1\]: inputs\[1\] must be finite",
            lambda: predict_all([networks[0], simple], [[0.0], [1.0, np.inf]], each=True),
        ),
    ):
        with pytest.raises(error, match=message):
            call()


def test_the_core_takes_networks_of_one_kind(fastrnn, make):
    networks = [*make(3), *make(3, 3)]
    data = [fastrnn._data.take_sequences(WAVE, "inputs", 1)] * 6
    with pytest.raises(ValueError, match=r"must be of one kind|a buffer of \d+ numbers is needed"):
        fastrnn.rnn.core.predict_in_lanes(networks, data, fastrnn._data.zeros("d", 6 * 40 - 1), None)
    with pytest.raises(ValueError, match=r"too small|a buffer of \d+ numbers is needed"):
        fastrnn.rnn.core.predict_in_lanes(networks[:3], data[:3], fastrnn._data.zeros("d", 3 * 40 - 1), None)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_first_result_that_is_no_number_is_named(fastrnn, make, threads):
    networks = [*make(20, activation="relu", cell="elman", output="linear"), *make(2, 40, output="linear")]
    for bad in (20, 7, 4):
        networks[bad].w_hidden_output = [[1e308, -1e308] + [0.0] * (networks[bad].hidden_size - 2)]
        networks[bad].b_hidden = np.full(len(networks[bad].b_hidden), 1e308)
        if networks[bad].cell == "gru":  # whose states are bounded
            networks[bad].w_hidden_output = [[1.7e308] * 40]
            continue
        with pytest.raises(OverflowError, match=rf"^networks\[{bad}\]: the result is not a number"):
            fastrnn.predict_all(networks, WAVE, threads=threads)
    with pytest.raises(OverflowError, match=r"^networks\[4\]: the result is not a number"):
        fastrnn.predict_all(networks, WAVE, WAVE, method="evaluate", threads=threads)
    assert told(fastrnn.predict_all(networks[:4], WAVE)) == told([one.predict(WAVE) for one in networks[:4]])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("method", ["predict", "evaluate"])
@pytest.mark.parametrize("seconds", [0.05, 0.15])
def test_ctrl_c_is_heard(fastrnn, make, method, threads, seconds, interrupted_after):
    networks, x = [*make(9), *make(4, 16), *make(3, cell="lstm")], np.resize(WAVE, 10**6)
    expected, data = make(9), (x, x > 0) if method == "evaluate" else (x,)
    interrupted_after(seconds)
    with pytest.raises(KeyboardInterrupt):
        fastrnn.predict_all(networks, *data, method=method, threads=threads)
    assert networks[:9] == expected
    assert told(fastrnn.predict_all(networks, WAVE)) == told([one.predict(WAVE) for one in networks])


def test_a_subclass_predicts_by_its_own_method(fastrnn):
    class Network(fastrnn.RNN):
        def predict(self, inputs, **_):
            return ["mine", len(inputs)]

    networks = [fastrnn.RNN(2, seed=0), Network(2, seed=1)]
    assert fastrnn.predict_all(networks, [1.0, 2.0])[1] == ["mine", 2]
    assert fastrnn.predict_all(networks, [1.0], [1.0], method="evaluate")[1] == networks[1].evaluate([1.0], [1.0])
