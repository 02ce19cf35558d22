"""A network as a Python object: attributes, repr, equality, copies and pickles, which do not depend on the core."""

import copy
import enum
import pickle
import random
import re

import numpy as np
import pytest

WEIGHTS = ("w_input_hidden", "w_hidden_hidden", "w_hidden_output", "b_hidden", "b_output")
VALUES = (*WEIGHTS, "hidden_state", "lr", "epochs")


@pytest.fixture
def network(fastrnn):
    network = fastrnn.SimpleRNN(lr=0.3, epochs=4, seed=8)
    network.train([0, 1, 1], [1, 1, 0], verbose=False)
    return network


def test_defaults(fastrnn):
    network = fastrnn.SimpleRNN()
    assert (network.lr, network.epochs, network.hidden_state, network.losses) == (0.1, 100, 0.0, [])


def test_constructor_does_not_touch_the_random_module_with_a_seed(fastrnn):
    random.seed(1)
    expected = random.random()
    random.seed(1)
    fastrnn.SimpleRNN(seed=5)
    assert random.random() == expected


@pytest.mark.parametrize("name", VALUES[:-1])
def test_attributes(network, name):
    values = [0.25, 0, True, -0.0]
    for value in values if name in ("lr", "hidden_state") else [*values, -2.5, 3]:
        setattr(network, name, value)
        assert getattr(network, name) == value
        assert type(getattr(network, name)) is float


def test_epochs(network):
    network.epochs = True
    assert network.epochs == 1
    network.epochs = 7
    assert network.epochs == 7


def test_weights_written_are_weights_used(fastrnn, network):
    other = fastrnn.SimpleRNN(seed=99)
    for name in WEIGHTS:
        setattr(other, name, getattr(network, name))
    assert other.predict_proba([0, 1, 0]) == network.predict_proba([0, 1, 0])


def test_repr(fastrnn):
    network = fastrnn.SimpleRNN(lr=0.5, epochs=3, seed=0)
    for name in WEIGHTS:
        setattr(network, name, 1 / 3)
    assert repr(network) == (
        "SimpleRNN(lr=0.5, epochs=3, seed=0, w_input_hidden=0.333333, w_hidden_hidden=0.333333, "
        "w_hidden_output=0.333333, b_hidden=0.333333, b_output=0.333333, hidden_state=0)"
    )


class Word(enum.StrEnum):
    A = "a"


SEEDS = {  # as given, and as kept
    "None": (None, None),
    "an int": (-3, -3),
    "NumPy's": (np.int64(7), 7),
    "a bool": (True, 1),
    "a large int": (-(10**6000), -(10**6000)),
    "a float": (0.5, 0.5),
    "NumPy's float": (np.float64(0.5), 0.5),
    "infinity": (float("inf"), float("inf")),
    "a str": ("ä", "ä"),
    "a str of another kind": (Word.A, "a"),
    "bytes": (b"a", b"a"),
    "a bytearray": (bytearray(b"a"), b"a"),
}
NO_SEEDS = {
    "a list": ([1], TypeError, r"seed must be an integer, a float, a str, bytes or None, not list"),
    "an array": (np.zeros(2, int), TypeError, r"seed must be an integer, .*, not ndarray"),
    "a complex number": (1j, TypeError, r"seed must be an integer, .*, not complex"),
    "a class": (int, TypeError, r"seed must be an integer, .*, not type"),
    "NaN": (float("nan"), ValueError, r"seed must not be NaN"),
    "half a character": ("\ud800", ValueError, r"seed must be a str that can be encoded as UTF-8"),
}

both = pytest.mark.parametrize(
    "make", [lambda f, seed: f.SimpleRNN(seed=seed), lambda f, seed: f.RNN(2, seed=seed)], ids=["SimpleRNN", "RNN"]
)


@both
@pytest.mark.parametrize(("given", "kept"), SEEDS.values(), ids=SEEDS)
def test_a_seed_is_kept(fastrnn, make, given, kept):
    network = make(fastrnn, given)
    assert (network.seed, type(network.seed)) == (kept, type(kept))
    if kept is not None:
        assert make(fastrnn, network.seed) == network
        assert eval(re.search(r"seed=(\S+?)[,)]", repr(network))[1], {"inf": float("inf")}) == kept
    for other in copy.copy(network), copy.deepcopy(network), pickle.loads(pickle.dumps(network.__getstate__())):
        assert (other["seed"] if isinstance(other, dict) else other.seed) == kept


@both
@pytest.mark.parametrize(("given", "error", "told"), NO_SEEDS.values(), ids=NO_SEEDS)
def test_a_seed_of_another_kind(fastrnn, make, given, error, told):
    with pytest.raises(error, match=f"^{told}"):
        make(fastrnn, given)
    network = make(fastrnn, 1)
    before = network.__getstate__()
    with pytest.raises(ValueError, match=f"this is no state of .*: {told}"):
        network.__setstate__(before | {"seed": given})
    assert network.__getstate__() == before


@both
def test_a_seed_is_not_compared(fastrnn, make):
    network = make(fastrnn, "1")
    other = copy.copy(network)
    other.seed = 2
    assert network == other


@both
def test_a_seed_may_be_missing_in_a_state(fastrnn, make):
    state = make(fastrnn, 1).__getstate__()
    del state["seed"]
    network = make(fastrnn, 2)
    network.__setstate__(state)
    assert network.seed is None


def test_equality_is_by_value(network):
    other = copy.copy(network)
    assert other == network
    assert other is not network
    for name in VALUES:
        other = copy.copy(network)
        setattr(other, name, 1 if name == "hidden_state" else getattr(network, name) + 1)
        assert other != network
    assert network != 1
    with pytest.raises(TypeError, match="unhashable"):
        hash(network)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_copies_are_independent(network, duplicate):
    other = duplicate(network)
    assert other == network
    assert other.losses == network.losses
    other.train([0, 1], [1, 0], verbose=False)
    assert other != network
    assert len(network.losses) == 4


def test_copies_keep_what_users_add(network):
    network.subject = "a"
    assert copy.deepcopy(network).subject == "a"


def test_a_copy_does_not_draw_random_numbers(network):
    random.seed(3)
    expected = random.random()
    random.seed(3)
    copy.deepcopy(network)
    assert random.random() == expected


def test_subclasses(fastrnn):
    class Named(fastrnn.SimpleRNN):
        def __init__(self, name, **options):
            super().__init__(**options)
            self.name = name

    network = Named("x", lr=0.2, seed=1)
    duplicate = copy.deepcopy(network)
    assert type(duplicate) is Named
    assert duplicate.name == "x"
    assert duplicate == network
    assert repr(network).startswith("Named(lr=0.2,")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_do_not_depend_on_the_core(packages, protocol, monkeypatch):
    """Written on each core, read on each core; and the bytes are the same."""
    pickles = {}
    for package in packages:
        monkeypatch.setitem(__import__("sys").modules, "fastrnn", package)
        monkeypatch.setitem(__import__("sys").modules, "fastrnn.simple", package.simple)
        network = package.SimpleRNN(lr=0.3, epochs=4, seed=8)
        network.train([0, 1, 1], [1, 1, 0], verbose=False)
        pickles[package.backend] = pickle.dumps(network, protocol)
    assert pickles["base"] == pickles["python"]
    for package in packages:
        monkeypatch.setitem(__import__("sys").modules, "fastrnn", package)
        monkeypatch.setitem(__import__("sys").modules, "fastrnn.simple", package.simple)
        network = pickle.loads(pickles["base"])
        assert type(network) is package.SimpleRNN
        expected = package.SimpleRNN(lr=0.3, epochs=4, seed=8)
        expected.train([0, 1, 1], [1, 1, 0], verbose=False)
        assert network == expected
        assert network.losses == expected.losses


def test_a_state_that_is_none_is_refused_and_changes_nothing(network):
    before = network.__getstate__()
    for change in (
        {"w_input_hidden": float("nan")},
        {"hidden_state": 2.0},
        {"epochs": -1},
        {"losses": 3},
        {"lr": None},
    ):
        with pytest.raises(ValueError, match="this is no state of SimpleRNN: "):
            network.__setstate__(before | change)
        assert network.__getstate__() == before
    with pytest.raises(ValueError, match="it has no 'b_output'"):
        network.__setstate__({name: value for name, value in before.items() if name != "b_output"})
