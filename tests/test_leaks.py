"""No call leaves memory, a reference or an exported buffer behind, whether it succeeds or fails."""

import copy
import gc
import sys
from array import array
from fractions import Fraction
from itertools import count, islice
from types import SimpleNamespace

import pytest

from tests.conftest import examples

CALLS = 200

pytestmark = [
    pytest.mark.skipif(
        sys.getallocatedblocks() == 0,
        reason="this Python counts no memory blocks: PYTHONMALLOC=malloc, or a build without",
    ),
    pytest.mark.filterwarnings("ignore:.*standardize=True:UserWarning"),  # its numbers are large
]


@pytest.fixture(scope="module", autouse=True)
def _little_garbage():
    """Leave out all that exists already, or every collection looks through the libraries of the other tests."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def growth(call):
    """Memory blocks that stay behind, a call: the least of three rounds, since other things come and go as well."""
    for _ in range(50):
        call()
    rounds = []
    for _ in range(3):
        gc.collect()
        before = sys.getallocatedblocks()
        for _ in range(CALLS):
            call()
        gc.collect()
        rounds.append((sys.getallocatedblocks() - before) / CALLS)
    return min(rounds)


def test_a_leak_would_be_seen():
    kept = []
    assert growth(lambda: kept.append(object())) >= 1


# ---- what a call can be given ----


class Stop(Exception):
    pass


def stop(*_):
    raise Stop


def one_then_infinity():
    yield 1.0
    yield float("inf")


@pytest.fixture
def given(fastrnn):
    """Arguments of every kind, and a network; each call below takes what it needs."""
    number, integer = (1000.5 + i for i in count()), (2000 + i for i in count())  # constants are shared, these are not
    given = SimpleNamespace(
        network=fastrnn.SimpleRNN(epochs=2, seed=1),
        core=fastrnn.simple.core,
        number=next(number),
        integer=next(integer),
        floats=list(islice(number, 8)),
        integers=list(islice(integer, 8)),
        fractions=[Fraction(n, 2) for n in islice(integer, 8)],
        ends_in_infinity=[next(number), float("inf")],
        ends_in_a_word=[next(number), next(integer), "a word"],
        large=[x * 1e304 for x in islice(number, 2)],
        huge=[10 ** (400 + next(integer))],
        values=array("d", [0.0, 1.0] * 4),
        not_finite=array("d", [0.0, float("nan")]),
        extreme=array("d", [1e308, -1e308]),
        out=array("d", [0.0] * 8),
        classes=array("q", [0] * 8),
        short=array("d", [0.0] * 3),
        writable=memoryview(bytearray(64)).cast("d"),
        read_only=memoryview(bytes(64)).cast("d"),
        losses=[],
        report=lambda *_: None,
        stop=stop,
    )
    given.rnn = fastrnn.RNN(1, cell="gru", window=2, epochs=1, seed=1)
    given.classes_of = fastrnn.RNN(1, cell="lstm", output="softmax", output_size=2, optimizer="adam", epochs=1, seed=1)
    given.fast = fastrnn.SimpleRNN(lr=1e300, seed=1)
    return given


def train(g, inputs, targets):
    g.network.train(inputs, targets, verbose=False)
    g.network.losses.clear()


def train_rnn(network, inputs, targets):
    network.train(inputs, targets)
    network.losses.clear()


def train_core(g, inputs, targets, losses, report):
    g.network._train(inputs, targets, 12, losses, report)
    g.losses.clear()


SUCCEED = {
    "make": lambda g: type(g.network)(seed=1),
    "train on a buffer": lambda g: train(g, g.values, g.values),
    "train on lists": lambda g: train(g, g.integers, g.floats),
    "train and report": lambda g: train_core(g, g.values, g.values, g.losses, g.report),
    "predict from a buffer": lambda g: g.network.predict(g.values),
    "predict from a view": lambda g: g.network.predict(g.read_only),
    "predict from a list": lambda g: g.network.predict(g.floats),
    "predict_proba from a buffer": lambda g: g.network.predict_proba(g.values),
    "predict_proba from a view": lambda g: g.network.predict_proba(g.writable),
    "predict_proba from integers": lambda g: g.network.predict_proba(g.integers),
    "predict_proba from fractions": lambda g: g.network.predict_proba(g.fractions),
    "predict_proba from a range": lambda g: g.network.predict_proba(range(8)),
    "predict_proba from a generator": lambda g: g.network.predict_proba(x for x in g.floats),
    "predict_proba from nothing": lambda g: g.network.predict_proba([]),
    "hidden states of one unit": lambda g: (g.network.hidden_states(g.values), g.network.hidden_states(g.floats)),
    "step": lambda g: (g.network.step(g.number), g.network.step(g.integer), g.network.step(g.fractions[0])),
    "learn": lambda g: (g.network.learn(*g.floats[:2]), g.network.learn(g.integer, g.fractions[0])),
    "reset": lambda g: g.network.reset(),
    "read": lambda g: (g.network.b_output, g.network.hidden_state, g.network.lr, repr(g.network)),
    "write": lambda g: (setattr(g.network, "b_output", g.number), setattr(g.network, "b_output", 0)),
    "copy": lambda g: copy.deepcopy(g.network) == g.network,
    "state": lambda g: g.network.__reduce__(),
    "list to doubles": lambda g: g.core.copy_numbers(g.floats, 0, 8, memoryview(g.out)),
    "list to doubles, up to a word": lambda g: g.core.copy_numbers(g.ends_in_a_word, 0, 3, memoryview(g.short)),
    "list to doubles, up to a huge number": lambda g: g.core.copy_numbers(g.huge, 0, 1, memoryview(g.short)[:1]),
    "look for NaN": lambda g: g.core.find_not_finite(memoryview(g.not_finite)),
    "round": lambda g: g.core.round_probabilities(memoryview(g.values), memoryview(g.classes)),
}

SUCCEED |= {
    "make an RNN": lambda g: type(g.rnn)(3, cell="lstm", seed=1),
    "train an RNN on a buffer": lambda g: train_rnn(g.rnn, g.values, g.values),
    "train an RNN on lists of sequences": lambda g: train_rnn(g.classes_of, [g.floats, [0.5]], [[1] * 8, [0]]),
    "predict with an RNN": lambda g: (g.rnn.predict(g.values), g.classes_of.predict_proba([g.floats, g.integers])),
    "predict in chunks": lambda g: g.rnn.predict(g.values, state=g.floats[:1]),
    "hidden states": lambda g: g.rnn.hidden_states(g.floats),
    "generate": lambda g: (g.rnn.generate(g.floats, 5), g.classes_of.generate(g.values, 5)),
    "step an RNN": lambda g: (g.rnn.step(g.number), g.classes_of.step(g.fractions[0])),
    "learn with an RNN": lambda g: (g.rnn.learn(*g.floats[:2]), g.classes_of.learn(g.number, 1)),
    "read an RNN": lambda g: (g.rnn.parameters["b_output"].tolist(), g.rnn.state, g.rnn.w_hidden_hidden, repr(g.rnn)),
    "write an RNN": lambda g: (setattr(g.rnn, "b_output", [0.5]), setattr(g.rnn, "state", g.short[:1]), g.rnn.reset()),
    "copy an RNN": lambda g: copy.deepcopy(g.rnn) == g.rnn,
    "choose classes": lambda g: g.core.choose_classes(memoryview(g.values), 2, memoryview(g.classes)[:4]),
    "look for what is out of range": lambda g: g.core.find_bad_target(memoryview(g.values), None, 1, 0.0, 0.5, True),
    "look for it where it counts": lambda g: g.core.find_bad_target(
        g.writable, memoryview(g.values), 1, 0.0, 1.0, True
    ),
}

FAIL = {
    "make": lambda g: type(g.network)(lr=-1.0),
    "train on unequal lengths": lambda g: train(g, g.values, g.short),
    "train on nothing": lambda g: train(g, [], []),
    "train on NaN": lambda g: train(g, g.values, g.not_finite),
    "train on infinity in a list": lambda g: train(g, g.ends_in_infinity, g.floats),
    "train on a word": lambda g: train(g, g.values, g.ends_in_a_word),
    "train on None": lambda g: train(g, g.values, None),
    "train until it diverges": lambda g: g.fast.train(g.extreme, g.extreme, verbose=False),
    "train, and the report fails": lambda g: train_core(g, g.values, g.values, g.losses.copy(), g.stop),
    "train, and the losses are no list": lambda g: train_core(g, g.values, g.values, g.number, None),
    "train the core on unequal lengths": lambda g: train_core(g, memoryview(g.values), g.short, g.losses, None),
    "train the core on no buffer": lambda g: train_core(g, memoryview(g.values), g.number, g.losses, None),
    "predict from infinity": lambda g: g.network.predict(g.ends_in_infinity),
    "predict from a generator": lambda g: g.network.predict(one_then_infinity()),
    "predict_proba from a word": lambda g: g.network.predict_proba(g.ends_in_a_word),
    "predict_proba from a huge number": lambda g: g.network.predict_proba(g.huge),
    "predict the core to another length": lambda g: g.network._predict(memoryview(g.values), memoryview(g.short), None),
    "predict the core to what cannot be written": lambda g: g.network._predict(memoryview(g.values), None, g.read_only),
    "predict the core to no buffer": lambda g: g.network._predict(memoryview(g.values), g.number, None),
    "step with a word": lambda g: g.network.step(g.ends_in_a_word[2]),
    "step with infinity": lambda g: g.network.step(g.ends_in_infinity[1]),
    "learn from None": lambda g: g.network.learn(g.number, None),
    "learn, and it diverges": lambda g: g.fast.learn(g.large[0], g.large[1]),
    "write NaN": lambda g: setattr(g.network, "b_output", g.not_finite[1]),
    "write a word": lambda g: setattr(g.network, "hidden_state", g.ends_in_a_word[2]),
    "write a negative lr": lambda g: setattr(g.network, "lr", -1.0),
    "list to doubles of another length": lambda g: g.core.copy_numbers(g.floats, 0, 8, memoryview(g.short)),
    "look for bad targets with fewer weights": lambda g: g.core.find_bad_target(
        memoryview(g.values), memoryview(g.short), 1, 0.0, 1.0, False
    ),
    "round to another length": lambda g: g.core.round_probabilities(memoryview(g.values), memoryview(g.classes)[:3]),
}

FAIL |= {
    "make an RNN": lambda g: type(g.rnn)(3, cell="none"),
    "train an RNN on unequal lengths": lambda g: train_rnn(g.rnn, [g.floats, g.integers], [[0.5] * 8, [0.5]]),
    "train an RNN on NaN": lambda g: train_rnn(g.rnn, g.not_finite, g.not_finite),
    "train an RNN until it diverges": lambda g: train_rnn(g.rnn, g.extreme, g.extreme),
    "train an RNN on classes that there are not": lambda g: train_rnn(g.classes_of, g.floats, g.integers),
    "predict with an RNN from a word": lambda g: g.rnn.predict([g.floats, g.ends_in_a_word]),
    "predict to what cannot be written": lambda g: g.rnn.predict(g.floats, state=g.read_only[:1]),
    "generate from nothing": lambda g: g.rnn.generate([], 5),
    "step an RNN with infinity": lambda g: g.rnn.step(g.ends_in_infinity[1]),
    "learn with an RNN, and it diverges": lambda g: g.rnn.learn(g.large[0], g.large[1]),
    "write a parameter of another shape": lambda g: setattr(g.rnn, "w_hidden_hidden", [g.floats]),
    "predict the core on other lengths": lambda g: g.rnn._predict(memoryview(g.values), [3], None, None, None),
    "predict the core from another state": lambda g: g.rnn._predict(g.writable, [8], g.writable, None, None),
    "train the core on other lengths": lambda g: g.rnn._train(
        examples(memoryview(g.values), g.writable, [9]), None, 1, [], [], None
    ),
    "train the core on a negative length": lambda g: g.rnn._train(
        examples(memoryview(g.values), g.writable, [-8, 16]), None, 1, [], [], None
    ),
    "choose among no classes": lambda g: g.core.choose_classes(memoryview(g.values), 0, memoryview(g.classes)),
}


def references(given):
    gc.collect()
    counts = {}
    for name, value in vars(given).items():
        counts[name] = sys.getrefcount(value)
        if isinstance(value, list):
            for i, item in enumerate(value):
                counts[f"{name}[{i}]"] = sys.getrefcount(item)
    return counts


def check(given, call):
    before = references(given)
    assert growth(call) < 0.5
    assert references(given) == before
    # A buffer that is still exported cannot be resized or released.
    for value in vars(given).values():
        if isinstance(value, array):
            value.append(value.pop())
        elif isinstance(value, memoryview):
            value.release()


@pytest.mark.parametrize("call", SUCCEED.values(), ids=SUCCEED)
def test_a_call_that_succeeds(given, call):
    check(given, lambda: call(given))


@pytest.mark.parametrize("call", FAIL.values(), ids=FAIL)
def test_a_call_that_fails(given, call):
    def fail():
        try:
            call(given)
        except (TypeError, ValueError, ArithmeticError, AttributeError, BufferError, Stop):
            return
        raise AssertionError("the call did not fail")

    check(given, fail)


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
@pytest.mark.parametrize("form", ["float64", "float32", "int8", "bool", "float64, every other"])
def test_numpy(given, method, form):
    numpy = pytest.importorskip("numpy")
    form, _, stride = form.partition(",")
    given.array = numpy.arange(16).astype(form)[:: 2 if stride else 1]
    check(given, lambda: (train(given, given.array, given.array), getattr(given.network, method)(given.array)))
