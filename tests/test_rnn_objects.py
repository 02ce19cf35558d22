"""RNN as a Python object: parameters, settings, repr, equality, copies and pickles that do not depend on the core."""

import copy
import inspect
import pickle
import random
import re
import struct
import sys
from math import sqrt

import numpy as np
import pytest

from fastrnn._kinds import CELLS, LOSSES, OPTIMIZERS, Spec

SHAPES = {  # of 3 units and 2 inputs
    cell: {"w_input_hidden": (3 * row.gates, 2), "w_hidden_hidden": (3 * row.gates, 3), "b_hidden": (3 * row.gates,)}
    | {name: (3 * parts,) for name, parts in row.own.items()}
    for cell, row in CELLS.items()
}
OUTPUT = {"w_hidden_output": (4, 3), "b_output": (4,)}


def trained(package, cell="gru"):
    network = package.RNN(3, cell=cell, optimizer="adam", window=2, epochs=2, clip=1.0, seed=8)
    network.train([0.5, 1.0, -1.0], [1.0, -1.0, 0.5])
    network.learn(0.5, 0.25)  # a step that waits for its update
    return network


@pytest.fixture
def network(fastrnn):
    return trained(fastrnn)


def test_defaults(fastrnn):
    network = fastrnn.RNN(2)
    assert (network.cell, network.activation, network.input_size, network.output_size) == ("elman", "tanh", 1, 1)
    assert (network.output, network.loss, network.optimizer) == ("linear", "half_squared_error", "sgd")
    assert (network.window, network.lr, network.clip, network.epochs) == (32, 0.01, None, 100)
    assert (network.momentum, network.weight_decay, network.losses) == (0.0, 0.0, [])
    assert network.return_sequences is True
    assert fastrnn.RNN(2, optimizer="adamw").weight_decay == 0.01
    assert fastrnn.RNN(2, output="sigmoid").loss == "binary_cross_entropy"
    assert fastrnn.RNN(2, output="softmax", output_size=2).loss == "cross_entropy"


@pytest.mark.parametrize("cell", SHAPES)
def test_parameters(fastrnn, cell):
    """Shaped, writable, float64, the network's own memory, and drawn in the documented order."""
    network = fastrnn.RNN(3, cell=cell, input_size=2, output_size=4, seed=np.int64(5))
    shapes = SHAPES[cell] | OUTPUT
    assert {name: view.shape for name, view in network.parameters.items()} == shapes
    assert list(network.parameters) == list(shapes)
    source = random.Random(5)
    bound = 1 / sqrt(3)
    for view in network.parameters.values():
        array = np.asarray(view)
        assert array.dtype == np.float64
        assert array.flags.writeable
        assert array.ravel().tolist() == [source.uniform(-bound, bound) for _ in range(array.size)]
    for name, view in network.parameters.items():
        array = np.asarray(view)
        before = network.predict([[1.0, 2.0]] * 2)
        array += 0.25
        assert network.predict([[1.0, 2.0]] * 2) != before
        setattr(network, name, array.tolist())
        assert (np.asarray(getattr(network, name)) == array).all()
    for name, view in network.parameters.items():
        setattr(network, name, np.zeros(view.shape, "f4"))
        assert not np.asarray(view).any()


@pytest.mark.parametrize(
    ("cell", "gates", "parameters"), [("elman", 1, 5), ("gru", 3, 6), ("lstm", 4, 5)], ids=["elman", "gru", "lstm"]
)
def test_shapes_are_those_that_the_docstring_tells(fastrnn, cell, gates, parameters):
    network = fastrnn.RNN(3, cell=cell, input_size=2)
    assert network.w_input_hidden.shape == (3 * gates, 2)
    assert len(network.parameters) == parameters
    assert len(network.state) == (6 if cell == "lstm" else 3)


def test_a_parameter_from_its_own_memory(fastrnn):
    network = fastrnn.RNN(4, seed=1)
    view = np.asarray(network.w_hidden_hidden)
    expected = view.T.copy()
    network.w_hidden_hidden = view.T
    assert (view == expected).all()


def test_the_random_module_without_a_seed(fastrnn):
    random.seed(3)
    network = fastrnn.RNN(3)
    assert network == fastrnn.RNN(3, seed=3)
    state = random.getstate()
    fastrnn.RNN(3, seed=3)
    assert random.getstate() == state


def test_parameters_outlive_the_network(fastrnn):
    network = fastrnn.RNN(3, seed=1)
    view = network.w_hidden_hidden
    values = view.tolist()
    del network
    fastrnn.RNN(3, seed=2)
    assert view.tolist() == values


def test_settings(network):
    for name, values in {
        "lr": (0, 0.5, np.float32(0.25)),
        "window": (1, np.int64(7), None),
        "clip": (2, 0.125, None),
        "epochs": (0, 12),
        "momentum": (0,),
    }.items():
        for value in values:
            setattr(network, name, value)
            assert getattr(network, name) == value
            assert type(getattr(network, name)) in (float, int, type(None))


def test_state(network):
    assert len(network.state) == 3
    network.state = np.array([0.25, -1.5, 2.0])
    assert network.state == [0.25, -1.5, 2.0]
    network.state.append(1.0)  # of a copy
    assert network.state == [0.25, -1.5, 2.0]


def test_the_docstring_names_all_there_is(fastrnn):
    public = {*inspect.signature(fastrnn.RNN).parameters, *vars(fastrnn.RNN), *vars(fastrnn.RNN(1))}
    words = {*re.findall(r"\w+", fastrnn.RNN.__doc__)}
    methods = {name for name, value in vars(fastrnn.RNN).items() if callable(value)}
    assert {name for name in public - methods if not name.startswith("_")} - words == {"VALUES"}


def test_repr(fastrnn):
    assert repr(fastrnn.RNN(4)) == "RNN(4)"
    assert repr(fastrnn.RNN(4, epochs=3, seed="a")) == "RNN(4, epochs=3, seed='a')"
    assert repr(fastrnn.RNN(4, cell="lstm", output="sigmoid", window=None, optimizer="adamw", epochs=3, clip=1)) == (
        "RNN(4, cell='lstm', output='sigmoid', window=None, optimizer='adamw', clip=1.0, epochs=3)"
    )
    assert repr(fastrnn.RNN(4, return_sequences=np.bool_(False))) == "RNN(4, return_sequences=False)"
    network = fastrnn.RNN(4, activation="relu", output="sigmoid", loss="half_squared_error", lr=0.5, momentum=0.25)
    same = eval(repr(network), {"RNN": fastrnn.RNN})
    assert repr(same) == repr(network)


def test_equality(fastrnn, network):
    assert network == trained(fastrnn)
    assert network != 3
    for change in (
        lambda n: setattr(n, "lr", 0.5),
        lambda n: setattr(n, "epochs", 3),
        lambda n: n.step(1.0),
        lambda n: n.learn(1.0, 1.0),
        lambda n: n.reset(),
        lambda n: n.b_output.__setitem__(0, 7.0),
    ):
        other = trained(fastrnn)
        change(other)
        assert network != other
    assert fastrnn.RNN(2, seed=1) != fastrnn.RNN(2, activation="relu", seed=1)
    assert fastrnn.RNN(2, seed=1) != fastrnn.RNN(2, return_sequences=False, seed=1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(network)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_copies(network, duplicate):
    network.train([0.5], [0.5], validation=([1.0], [1.0]))
    other = duplicate(network)
    assert other == network
    assert (other.losses, other.validation_losses) == (network.losses, network.validation_losses)
    other.learn(1.0, 1.0)
    other.losses.clear()
    other.validation_losses.clear()
    assert other != network
    assert network.losses
    assert network.validation_losses


def test_subclass(fastrnn):
    class Named(fastrnn.RNN):
        def __init__(self, name):
            super().__init__(2, seed=0)
            self.name = name

    network = Named("x")
    other = copy.deepcopy(network)
    assert (type(other), other.name, other == network) == (Named, "x", True)
    assert repr(other) == "Named(2, seed=0)"


def test_a_copy_gives_as_many_results(fastrnn):
    network = copy.deepcopy(fastrnn.RNN(2, return_sequences=False, seed=1))
    assert network == fastrnn.RNN(2, return_sequences=False, seed=1)
    assert network.return_sequences is False


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_copy_of_every_kind_goes_on(fastrnn, optimizer, loss):
    """With settings that are not the defaults."""
    kinds = {"output": LOSSES[loss].outputs[0], "output_size": 2, "loss": loss, "optimizer": optimizer}
    settings = {name: 0.7 * default for name, (default, _) in Spec(3, **kinds).settings.items()}
    network = fastrnn.RNN(3, window=2, seed=8, **kinds, **settings)
    target = 1 if network.output == "softmax" else [0.5, 1.0]
    for _ in range(3):  # one waits
        network.learn(0.5, target)
    other = copy.deepcopy(network)
    assert other == network
    assert other.learn(0.5, target) == network.learn(0.5, target)
    assert other == network


@pytest.mark.parametrize("cell", SHAPES)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_do_not_depend_on_the_core(packages, protocol, cell, monkeypatch):
    """Written on each core, read on each core; and the bytes are the same."""
    pickles = []
    for package in packages:
        monkeypatch.setitem(sys.modules, "fastrnn", package)
        monkeypatch.setitem(sys.modules, "fastrnn.rnn", package.rnn)
        pickles.append(pickle.dumps(trained(package, cell), protocol))
    assert all(written == pickles[0] for written in pickles)
    for package in packages:
        monkeypatch.setitem(sys.modules, "fastrnn", package)
        monkeypatch.setitem(sys.modules, "fastrnn.rnn", package.rnn)
        network = pickle.loads(pickles[0])
        assert type(network) is package.RNN
        expected = trained(package, cell)
        assert network == expected
        assert network.losses == expected.losses
        assert network.learn(0.5, 1.0) == expected.learn(0.5, 1.0)
        assert network == expected


def test_views_are_the_callers_own(network):
    """Whoever lets go of a view lets go of that one alone."""
    with network.b_hidden as view:
        view[0] = 0.5
    network.w_hidden_output.release()
    network.parameters["b_output"].release()
    assert network.b_hidden[0] == 0.5
    assert network.w_hidden_output.tolist()
    assert network.parameters["b_output"].tolist()
    network.predict([0.5])


def everything(network):
    return network.__getstate__(), repr(network)


@pytest.mark.parametrize(
    "options",
    [
        {"hidden_size": 0},
        {"hidden_size": 70, "cell": "none"},
        {"hidden_size": 70, "lr": -1.0},
        {"hidden_size": 70, "epochs": "ten"},
        {"hidden_size": 70, "clip": 0.0},
        {"hidden_size": 70, "momentum": 0.5, "optimizer": "adam"},
        {"hidden_size": 70, "seed": [1]},
        {"hidden_size": 2**63 - 1},
    ],
)
def test_a_failed_init_on_a_living_network_changes_nothing(network, options):
    before = everything(network)
    with pytest.raises((TypeError, ValueError)):
        network.__init__(**options)
    assert everything(network) == before
    assert network.peek(1.0) == network.predict([1.0], state=before[0]["_state"])[0]


def test_init_once_more_is_a_new_network(fastrnn, network):
    network.__init__(5, cell="lstm", seed=1)
    assert network == fastrnn.RNN(5, cell="lstm", seed=1)
    assert network.losses == []
    assert len(network.state) == 10


def moment(memory, value):
    """The memory with another last second moment."""
    return memory[:-24] + struct.pack("<d", value) + memory[-16:]


STATES_THAT_ARE_NONE = {
    "no lr": (lambda s: {name: value for name, value in s.items() if name != "lr"}, "it has no 'lr'"),
    "a memory too short": (lambda s: s | {"_memory": s["_memory"][:-8]}, "a buffer of "),
    "part of a number": (lambda s: s | {"_memory": s["_memory"][:-1]}, "its memory is "),
    "words": (lambda s: s | {"_memory": "words"}, ""),
    "another size": (lambda s: s | {"hidden_size": 4}, "a buffer of "),
    "a size too large": (lambda s: s | {"hidden_size": 2**62}, "too large"),
    "no cell": (lambda s: s | {"cell": "none"}, "cell must be "),
    "no number": (lambda s: s | {"lr": "fast"}, "lr must be a real number"),
    "no window": (lambda s: s | {"window": -1}, "window must be at least 1"),
    "a state too short": (lambda s: s | {"_state": s["_state"][1:]}, "is not of 3 numbers"),
    "a state of NaN": (lambda s: s | {"_state": [float("nan")] * 3}, "is not of 3 numbers"),
    "a state of words": (lambda s: s | {"_state": "abc"}, "are no lists"),
    "a waiting step too short": (lambda s: s | {"_waiting": [[1.0]]}, "is not of 21 numbers"),
    "a waiting step of NaN": (lambda s: s | {"_waiting": [[float("nan"), *s["_waiting"][0][1:]]]}, "is not of 21"),
    "another state than after the waiting steps": (lambda s: s | {"_state": [0.5] * 3}, "do not follow each other"),
    "waiting steps out of order": (lambda s: s | {"_waiting": s["_waiting"] * 2}, "do not follow each other"),
    "no waiting steps": (lambda s: s | {"_waiting": 5}, "are no lists"),
    "an infinite moment": (
        lambda s: s | {"_memory": moment(s["_memory"], float("inf"))},
        "no training makes its",
    ),
    "a moment below 0": (lambda s: s | {"_memory": moment(s["_memory"], -1.0)}, "no training makes its"),
    "a power above 1": (
        lambda s: s | {"_memory": s["_memory"][:-8] + struct.pack("<d", 1.5)},
        "no training makes its",
    ),
    "no losses": (lambda s: s | {"losses": None}, "losses must be a list"),
}


@pytest.mark.parametrize(("change", "told"), STATES_THAT_ARE_NONE.values(), ids=STATES_THAT_ARE_NONE)
def test_a_state_that_is_none_is_refused_and_changes_nothing(network, change, told):
    before = everything(network)
    with pytest.raises(ValueError, match=f"^this is no state of RNN: .*{told}"):
        network.__setstate__(change(before[0]))
    assert everything(network) == before
    with pytest.raises(ValueError, match="it must be a dict"):
        network.__setstate__(None)
    network.learn(0.5, 1.0)
    other = type(network).__new__(type(network))
    with pytest.raises(ValueError, match="this is no state"):
        other.__setstate__(change(before[0]))


def test_what_rows_ask_for_is_there_for_users(fastrnn):
    """A cell's own parameters and the settings of losses and optimizers are attributes, the latter arguments too."""
    parameters = {name: "Parameter" for row in CELLS.values() for name in row.own}
    settings = {
        name: "SettingOfKind" for table in (LOSSES, OPTIMIZERS) for row in table.values() for name in row.settings
    }
    there = {name: type(value).__name__ for name, value in vars(fastrnn.RNN).items()}
    assert [f"{name} = {kind}()" for name, kind in (parameters | settings).items() if there.get(name) != kind] == []
    arguments = fastrnn.RNN.__init__.__kwdefaults__
    assert [f"{name} is no argument of RNN()" for name in settings if name not in arguments] == []
    assert [f"{name} is not 0.0 with other kinds" for name in settings if arguments[name] not in (None, 0.0)] == []
    of_losses = {name for row in LOSSES.values() for name in row.settings}
    assert not of_losses & {name for row in OPTIMIZERS.values() for name in row.settings}


def test_a_setting_of_another_kind(fastrnn):
    with pytest.raises(ValueError, match=r"^momentum is for optimizer='sgd', and optimizer is 'adam'$"):
        fastrnn.RNN(2, optimizer="adam", momentum=0.5)
    with pytest.raises(TypeError, match=r"^momentum must be a real number, not str$"):
        fastrnn.RNN(2, optimizer="adam", momentum="much")
    network = fastrnn.RNN(2, optimizer="adam", momentum=0.0)
    network.momentum = None
    assert network.momentum == 0.0


def test_an_older_pickle_without_a_setting(fastrnn, network):
    state = network.__getstate__()
    del state["momentum"], state["weight_decay"]
    other = fastrnn.RNN(1)
    other.__setstate__(state)
    assert other == network


@pytest.mark.parametrize("kind", ["cell", "activation", "output", "loss", "optimizer"])
def test_a_kind_without_functions(fastrnn, kind):
    """A row of facts alone is no kind that could pass for another."""
    spec = Spec(2)
    setattr(spec, kind, "unknown")
    with pytest.raises(ValueError, match=r"this core has no '?unknown'?"):
        fastrnn.simple.core.RNNCore()._build(spec)
