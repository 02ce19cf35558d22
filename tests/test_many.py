"""train_all(): what one training after the other gives, to the bit, on every core, on one thread and on two."""

import copy
import random
import time
import warnings
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

# ---- lists of trainings of all kinds ----


def kind(source):
    """(hidden_size, options) of networks that can share lanes."""
    cell, output = source.choice(["elman", "gru", "lstm"]), source.choice(["linear", "sigmoid", "softmax"])
    options = {
        "cell": cell,
        "activation": source.choice(["tanh", "sigmoid", "relu"]) if cell == "elman" else "tanh",
        "input_size": source.choice([1, 2]),
        "output_size": 2 if output == "softmax" else source.choice([1, 2]),
        "output": output,
        "return_sequences": source.random() < 0.75,
        "window": source.choice([None, None, 1, 3, 7]),
        "shuffle": source.random() < 0.3,
        "standardize": source.random() < 0.2,
        "optimizer": source.choice(["sgd", "adam", "adamw"]),
    }
    return source.choice([1, 2, 3, 5]), options


def rows(draw, options, length):
    """Targets for a sequence."""
    count = length if options["return_sequences"] else 1
    classes = options["output"] == "softmax"
    y = draw.integers(0, 2, count) if classes else draw.random((count, options["output_size"]))
    return y if options["return_sequences"] else y[0]


def one_of(fastrnn, source, draw, size, options, data, seed):
    """A training of that kind, on data of its own, or on those of another: in `data`, by kind."""
    network = fastrnn.RNN(
        size,
        **options,
        batch_size=source.choice([1, 2, None]),
        momentum=source.choice([0.0, 0.0, 0.9]) if options["optimizer"] == "sgd" else 0.0,
        lr=source.choice([0.01, 0.1, 1.0]) if source.random() < 0.95 else 1e200,
        clip=source.choice([None, None, 1.0]),
        l1=source.choice([0.0, 0.0, 0.01]),
        patience=source.choice([None, None, 0, 1, 2]),
        epochs=source.choice([0, 1, 3, 6]),
        seed=seed,
    )
    lengths = [source.choice([1, 2, 5, 9, 17, 60]) for _ in range(source.choice([1, 1, 2, 4]))]
    if str(options) not in data or source.random() < 0.7:
        x = [draw.normal(size=(length, options["input_size"])) for length in lengths]
        data[str(options)] = x, [rows(draw, options, length) for length in lengths]
    x, y = data[str(options)]
    weights = None
    if source.random() < 0.4:
        each = options["return_sequences"]
        weights = [draw.integers(0, 3, len(part)) / 2 for part in x] if each else draw.integers(0, 3, len(x)) / 2
        weights = weights if any(np.any(part) for part in weights) else None
        if weights is not None and each and source.random() < 0.5:  # where the weight is 0 nobody looks at the target
            y = [
                np.where(part.reshape(-1, *[1] * (of.ndim - 1)) == 0, np.nan, of)
                for part, of in zip(weights, y, strict=True)
            ]
    validation = source.choice([(x, y), (x, y, [1.0] * len(x)), (copy.deepcopy(x), copy.deepcopy(y))])
    if network.patience is None and source.random() < 0.7:
        validation = None
    return fastrnn.Training(network, x, y if source.random() > 0.03 else None, weights, validation)


def trainings_of(fastrnn, seed):
    source, draw, data = random.Random(seed), np.random.default_rng(seed), {}
    kinds, trainings = [kind(source) for _ in range(source.choice([1, 2, 3]))], []
    for number in range(source.choice([1, 3, 7, 12, 25])):
        if source.random() < 0.05:
            bits = draw.integers(0, 2, 30).astype(float)
            trainings.append(fastrnn.Training(fastrnn.SimpleRNN(epochs=3, seed=number), bits[:-1], bits[1:]))
        else:
            trainings.append(one_of(fastrnn, source, draw, *source.choice(kinds), data, number))
    return trainings


def one_after_the_other(trainings):
    for training in trainings:
        data = [training.inputs, training.targets]
        options = {"sample_weight": training.sample_weight, "validation": training.validation}
        if type(training.network).__name__ == "SimpleRNN":
            options = {"verbose": False}
        try:
            training.network.train(*data, **options)
        except (TypeError, ValueError, OverflowError) as error:
            training.error = error
    return trainings


def told(training):
    """All that a training leaves behind."""
    return repr((training.network.__getstate__(), type(training.error), str(training.error)))


@pytest.mark.filterwarnings("ignore")
@given(seed=st.integers(0, 2**32), threads=st.sampled_from([1, 2]))
def test_the_same_as_one_after_the_other(fastrnn, seed, threads):
    alone, together = one_after_the_other(trainings_of(fastrnn, seed)), trainings_of(fastrnn, seed)
    order = random.Random(seed).sample(range(len(together)), len(together))
    given_back = fastrnn.train_all((together[i] for i in order), threads=threads)
    assert given_back == [together[i] for i in order]
    for one, other in zip(alone, together, strict=True):
        assert told(one) == told(other)


def online(fastrnn):
    """Networks that learn from every step: of unlike lengths, some without weights, and two that diverge."""
    draw = np.random.default_rng(0)
    for seed, length in enumerate([30, 30, 7, 19, 30, 30, 1, 30, 30, 25, 30, 30]):
        for lr in [0.1, 1e155] if seed == 3 else [0.1]:
            x, y = draw.normal(size=(length, 2)), draw.normal(size=length)
            weights = draw.integers(0, 3, length) / 2 + (np.arange(length) == 0) if seed % 4 == 1 else None
            if weights is not None:
                y[weights == 0] = np.nan
            if seed == 8:
                y[9] = 1e200  # its loss is infinite
            options = {"input_size": 2, "window": 1, "lr": lr, "epochs": 2}
            yield fastrnn.Training(fastrnn.RNN(3, **options, seed=seed), x, y, weights)


@pytest.mark.filterwarnings("ignore")
def test_online_as_one_after_the_other(fastrnn):
    alone, together = one_after_the_other([*online(fastrnn)]), [*online(fastrnn)]
    fastrnn.train_all(together)
    assert [told(training) for training in together] == [told(training) for training in alone]
    assert [isinstance(training.error, OverflowError) for training in together].count(True) == 2


# ---- for users ----


@pytest.fixture
def make(fastrnn):
    x, y = np.sin(np.arange(40.0)), np.cos(np.arange(40.0))

    def make(count, **options):
        settings = {"cell": "gru", "optimizer": "adam", "epochs": 5} | options
        return [fastrnn.Training(fastrnn.RNN(2, **settings, seed=seed), x, y) for seed in range(count)]

    return make


def test_a_second_call_goes_on(fastrnn, make):
    twice, once = make(9), make(9, epochs=10)
    fastrnn.train_all(twice)
    fastrnn.train_all(twice)
    fastrnn.train_all(once)
    for one, other in zip(twice, once, strict=True):
        assert one.network._memory == other.network._memory
        assert one.network.losses == other.network.losses
        assert copy.deepcopy(one.network) == one.network


def test_what_fails_ends_alone(fastrnn, make):
    trainings, expected = make(9), make(9)
    trainings[3].targets = [np.nan] * 40
    trainings[5].network.lr = 1e300
    trainings[5].network.epochs = 200
    with pytest.warns(
        RuntimeWarning, match=r"^2 of 9 trainings failed \(3, 5; see their `error`\), the first one with: "
    ):
        fastrnn.train_all(trainings)
    assert isinstance(trainings[3].error, ValueError)
    assert isinstance(trainings[5].error, OverflowError)
    assert trainings[3].network == expected[3].network
    fastrnn.train_all(expected)
    for i in (0, 1, 2, 4, 6, 7, 8):
        assert trainings[i].error is None
        assert trainings[i].network == expected[i].network


def test_bad_calls_change_nothing(fastrnn, make):
    trainings = make(4)
    before = [training.network.__reduce__() for training in trainings]
    with pytest.raises(ValueError, match=r"^the network of trainings\[4\] is there twice: train copies of it$"):
        fastrnn.train_all([*trainings, fastrnn.Training(trainings[1].network, [1.0], [1.0])])
    with pytest.raises(TypeError, match=r"^trainings\[0\] must be a fastrnn.Training, not RNN$"):
        fastrnn.train_all([trainings[0].network])
    with pytest.raises(TypeError, match=r"^trainings\[1\].network must be an RNN or a SimpleRNN, not str$"):
        fastrnn.train_all([trainings[0], fastrnn.Training("x", [1.0], [1.0])])
    with pytest.raises(ValueError, match="threads must be at least 1"):
        fastrnn.train_all(trainings, threads=0)
    assert [training.network.__reduce__() for training in trainings] == before
    assert fastrnn.train_all([]) == []


def test_threads_by_the_environment(fastrnn, make, monkeypatch):
    for value, told in (("2", 2), ("1", 1)):
        monkeypatch.setenv("FASTRNN_THREADS", value)
        assert fastrnn.many.number_of(None) <= told
    assert fastrnn.many.number_of(7) == 7
    for value in ("0", "two", "-1", "1.5"):
        monkeypatch.setenv("FASTRNN_THREADS", value)
        with pytest.raises(ValueError, match="FASTRNN_THREADS must be a number of threads, at least 1, not"):
            fastrnn.train_all(make(1))


def test_the_same_objects_are_looked_at_once(fastrnn, monkeypatch, make):
    trainings, calls = make(20), []
    for i, training in enumerate(trainings):
        training.sample_weight = [1.0 + i % 2] * 40 if i < 10 else None
    weights = [training.sample_weight for training in trainings[:2]]
    for i, training in enumerate(trainings[:10]):
        training.sample_weight = weights[i % 2]
    take = fastrnn._data.take_sequences

    def note(values, name, *args, **keywords):
        calls.append(name)
        return take(values, name, *args, **keywords)

    monkeypatch.setattr(fastrnn._data, "take_sequences", note)
    fastrnn.train_all(trainings)
    assert sorted(calls) == ["inputs", "sample_weight", "sample_weight", "targets"]


def test_progress(fastrnn, make, capsys):
    trainings = make(12)
    trainings[0].network.lr = 1e300
    trainings[0].network.epochs = 200
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fastrnn.train_all(trainings, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == "12 of 12 trainings done, 1 failed"


class Unfit:
    """A stream that says nothing of itself."""

    isatty = None

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_progress_tells_what_runs(fastrnn, make, monkeypatch):
    monkeypatch.setattr("sys.stderr", stream := Unfit())
    fastrnn.train_all(make(4), threads=1, progress=True)
    lines = stream.text.splitlines()
    assert lines[0] == "0 of 4 trainings done, 1 running"
    assert lines[-1] == "4 of 4 trainings done"
    monkeypatch.setattr("sys.stderr", None)
    fastrnn.train_all(make(4), progress=True)


def test_lanes_that_cannot_begin(fastrnn, make, monkeypatch):
    """However many there are, the others are trained."""
    begin = fastrnn.many.Job.begin

    def spoilt(job, level):
        begin(job, level)
        if 8 <= job.network.seed < 17:
            job.network = fastrnn.RNN(3, cell="gru", optimizer="adam", epochs=5)  # of another kind

    monkeypatch.setattr(fastrnn.many.Job, "begin", spoilt)
    trainings = make(20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fastrnn.train_all(trainings, threads=1)
    trained = [*trainings[:8], *trainings[17:]]
    assert [len(training.network.losses) for training in trained] == [5] * 11
    if fastrnn.backend != "python":
        assert all("of one kind" in str(training.error) for training in trainings[8:17])


def test_where_lanes_find_no_memory_each_is_trained_alone(fastrnn, make, monkeypatch):
    def refuse(*_):
        raise MemoryError

    monkeypatch.setattr(fastrnn.many.core, "train_in_lanes", refuse)
    trainings = fastrnn.train_all(make(9))
    assert [told(training) for training in trainings] == [told(training) for training in one_after_the_other(make(9))]


def test_a_subclass_is_trained_by_its_own_method(fastrnn, make):
    class Network(fastrnn.RNN):
        def train(self, inputs, targets, **options):
            self.called_with = options
            super().train(inputs, targets, **options)

    (first, *_), mask = make(1), [1.0] * 40
    network = Network(2, cell="gru", optimizer="adam", epochs=5, seed=0)
    (training,) = fastrnn.train_all([fastrnn.Training(network, first.inputs, first.targets, mask)])
    assert training.error is None
    assert network.called_with == {"verbose": False, "sample_weight": mask}
    assert network.losses == one_after_the_other(make(1))[0].network.losses


def test_data_that_raise_end_one_training(fastrnn, make):
    class Data:
        def __iter__(self):
            raise RuntimeError("no data today")

    trainings = make(3)
    trainings[1].inputs = Data()
    with pytest.warns(RuntimeWarning, match="1 of 3 trainings failed"):
        fastrnn.train_all(trainings)
    assert str(trainings[1].error) == "no data today"
    assert [len(training.network.losses) for training in trainings] == [5, 0, 5]


def test_scales_are_kept_after_an_update_alone(fastrnn, make):
    trainings = make(6, standardize=True)
    trainings[2].network.w_hidden_output = [[1e200, 1e200]]
    trainings[4].network.epochs = 0
    with pytest.warns(RuntimeWarning):
        fastrnn.train_all(trainings)
    kept = [training.network.input_mean is not None for training in trainings]
    assert kept == [True, True, False, True, False, True]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("seconds", [0.05, 0.2])
def test_ctrl_c_leaves_every_network_whole(fastrnn, make, threads, seconds, interrupted_after):
    """As after its last complete update; what has made none has no scales."""
    trainings = [*make(11, epochs=10**6, window=None, standardize=True), *make(2, epochs=10**6, window=3)]
    interrupted_after(seconds)
    with pytest.raises(KeyboardInterrupt):
        fastrnn.train_all(trainings, threads=threads)
    for seed, training in enumerate(trainings[:11]):
        network, alone = training.network, make(11, window=None, standardize=True)[seed].network
        assert (network.input_mean is not None) == (network._updates > 0)
        alone.epochs = network._updates
        if 0 < alone.epochs < 3000:
            alone.train(training.inputs, training.targets)
            assert network._memory == alone._memory
            assert network.state == alone.state


@pytest.mark.parametrize("seconds", [0.03, 0.05, 0.07])
def test_ctrl_c_leaves_no_thread_at_work(fastrnn, make, seconds, interrupted_after):
    trainings = make(30, epochs=10**6, window=None)
    interrupted_after(seconds)
    with pytest.raises(KeyboardInterrupt):
        fastrnn.train_all(trainings, threads=2)
    left = [training.network._memory for training in trainings]
    time.sleep(0.2)
    assert left == [training.network._memory for training in trainings]


@pytest.mark.parametrize("seconds", [0.02, 0.05])
def test_ctrl_c_while_networks_learn_online(fastrnn, make, seconds, interrupted_after):
    """As after the last step that all of them have learnt from: a loop of learn() comes to the same."""
    trainings = make(11, epochs=10**6, window=1, optimizer="sgd")
    interrupted_after(seconds)
    with pytest.raises(KeyboardInterrupt):
        fastrnn.train_all(trainings)
    for seed, training in enumerate(trainings):
        network, alone = training.network, make(11, window=1, optimizer="sgd")[seed].network
        alone.epochs, rest = divmod(network._updates, 40)
        alone.train(training.inputs, training.targets)
        if rest:
            alone.reset()
        for x, y in zip(training.inputs[:rest], training.targets[:rest], strict=True):
            alone.learn(x, y)
        assert network._memory == alone._memory
        assert network.state == alone.state


@pytest.mark.parametrize("threads", [1, 2])
def test_a_stream_that_fails_stops_all(fastrnn, make, monkeypatch, threads):
    class Stream:
        def write(self, _):
            raise OSError("the stream is closed")

        flush = write

    trainings = make(20)
    monkeypatch.setattr("sys.stderr", Stream())
    with pytest.raises(OSError, match="the stream is closed"):
        fastrnn.train_all(trainings, threads=threads, progress=True)
    monkeypatch.undo()
    for training in trainings:  # each is whole, and goes on
        again = copy.deepcopy(training.network)
        again.epochs = 10 - len(again.losses)
        again.train(training.inputs, training.targets)
        expected = make(20, epochs=10)[again.seed].network
        expected.train(training.inputs, training.targets)
        assert again._memory == expected._memory


def test_simple_networks_take_no_weights(fastrnn):
    training = fastrnn.Training(fastrnn.SimpleRNN(epochs=2), [0, 1], [1, 0], sample_weight=[1, 1])
    with pytest.warns(RuntimeWarning):
        fastrnn.train_all([training])
    assert "takes no sample_weight" in str(training.error)
    assert training.network.losses == []


def test_infinite_states_of_other_lanes_do_no_harm(fastrnn):
    """relu may grow without end in one lane, and what waits runs over whatever stands there."""
    x = [np.full((length, 1), 1e3) for length in (60, 2, 30)]
    y = [np.zeros(length) for length in (60, 2, 30)]

    def trainings():
        networks = [fastrnn.RNN(2, activation="relu", epochs=3, window=None, lr=1e-9, seed=seed) for seed in range(12)]
        for i, network in enumerate(networks):
            network.w_hidden_hidden = [[1e3 * (i % 4 == 0), 0.0], [0.0, 0.0]]
        return [fastrnn.Training(network, x[: 1 + i % 3], y[: 1 + i % 3]) for i, network in enumerate(networks)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alone, together = one_after_the_other(trainings()), fastrnn.train_all(trainings())
    assert [told(one) for one in alone] == [told(one) for one in together]
    assert any(inf in training.network.state for training in alone) or any(training.error for training in alone)
