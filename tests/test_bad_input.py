"""Bad input: a clear error that names the argument and the first bad position, and nothing has changed."""

import decimal
import fractions
import re
from array import array

import numpy as np
import pandas as pd
import pytest

GOOD = [0.0, 1.0, 0.0, 1.0]
NAN, INF = float("nan"), float("inf")


class Gives:
    """An array-like whose __array__ gives this, or raises it."""

    def __init__(self, given):
        self.given = given

    def __array__(self, dtype=None, copy=None):
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


class Itself(Gives):
    def tolist(self):
        return self


class Yes:
    """A number that has every attribute, and each of them is a `Yes` too."""

    def __getattr__(self, name):
        return Yes()

    def __float__(self):
        return 1.0


class NoIndex:
    def __index__(self):
        return "1"


class Undecodable:
    """A number with an error that cannot be made of a message alone."""

    def __float__(self):
        return float(b"\xff".decode())


def nested(values, levels):
    for _ in range(levels):
        values = [values]
    return values


IN_ITSELF = []
IN_ITSELF.append(IN_ITSELF)

SEQUENCES = {
    "NaN": ([0, 1, NAN, NAN], ValueError, r"NAME\[2\] must be finite, not nan"),
    "infinity": ([0, INF, 1, NAN], ValueError, r"NAME\[1\] must be finite, not inf"),
    "NaN before a string": ([0, NAN, "1", 0], ValueError, r"NAME\[1\] must be finite"),
    "NaN in an array": (np.array([0, 1, 1, NAN]), ValueError, r"NAME\[3\] must be finite, not nan"),
    "NaN in float32": (np.array([0, 1, 1, NAN], "f4"), ValueError, r"NAME\[3\] must be finite, not nan"),
    "infinity in array.array": (array("d", [-INF, 0, 0, 0]), ValueError, r"NAME\[0\] must be finite, not -inf"),
    "infinity in array.array of float32": (array("f", [0, INF, 0, 0]), ValueError, r"NAME\[1\] must be finite"),
    "NaN in a Series": (pd.Series([0, NAN, 0, 1]), ValueError, r"NAME\[1\] must be finite, not nan"),
    "NA in a Series": (pd.Series([0, None, 0, 1], dtype="Int64"), (TypeError, ValueError), r"NAME\[1\] must be "),
    "a decimal NaN": ([0, decimal.Decimal("nan"), 0, 0], ValueError, r"NAME\[1\] must be finite"),
    "a NumPy NaN": ([0, 0, np.float32("nan"), 0], ValueError, r"NAME\[2\] must be finite"),
    "a string inside": ([0, 1, "1", 0], TypeError, r"NAME\[2\] must be a real number, not str"),
    "None inside": ([0, None, 1, 0], TypeError, r"NAME\[1\] must be a real number, not None"),
    "complex inside": ([0, 1, 0, 1 + 0j], TypeError, r"NAME\[3\] must be a real number, not complex"),
    "NumPy complex inside": ([np.complex64(1), 1, 0, 1], TypeError, r"NAME\[0\] must be a real number, not complex64"),
    "a NumPy string inside": (list(np.array(["0", "1"])), TypeError, r"NAME\[0\] must be a real number, not str_"),
    "a NumPy date inside": (
        [0, np.datetime64("2026-01-01")],
        TypeError,
        r"NAME\[1\] must be a real number, not datetime64",
    ),
    "a signalling NaN": ([0, decimal.Decimal("sNaN")], ValueError, r"NAME\[1\] must be a real number: "),
    "a masked array": (np.ma.masked_array([0.0, 1.0, 0.0], [False, True, False]), ValueError, r"NAME\[1\] is masked"),
    "a buffer of another byte order": (
        memoryview(np.zeros(4, ">f8")),
        TypeError,
        r"NAME is a buffer of a format that Python cannot",
    ),
    "an array-like that fails": (Gives(RuntimeError("no")), TypeError, r"NAME \(Gives\) cannot be .* numbers: no$"),
    "one that does not say why": (Gives(KeyError()), TypeError, r"NAME \(Gives\) cannot be .* numbers: KeyError$"),
    "one that gives a list": (Gives([0.0]), TypeError, r"NAME \(Gives\) .*: its __array__\(\) gives list, not a NumPy"),
    "one that gives None": (Gives(None), TypeError, r"NAME \(Gives\) .*: its __array__\(\) gives None, not a NumPy"),
    "one that gives a Series": (
        Gives(pd.Series([0.0])),
        TypeError,
        r"NAME \(Gives\) .* gives Series, not a NumPy array",
    ),
    "one that gives a number": (Gives(np.array(0.0)), ValueError, r"NAME is a single number"),
    "one that lists itself": (Itself(None), TypeError, r"NAME must be a sequence of numbers, not Itself"),
    "one that gives a masked array": (
        Gives(np.ma.masked_array([0.0, 1.0, 0.0], [False, True, False])),
        ValueError,
        r"NAME\[1\] is masked",
    ),
    "an int too large": ([0, 10**400, 0, 0], ValueError, r"NAME\[1\] must fit a float64"),
    "a late one in a generator": ((0 if i != 9000 else "x" for i in range(9999)), TypeError, r"NAME\[9000\] must be"),
    "a string": ("0101", TypeError, r"NAME must be a sequence of numbers, not a str"),
    "bytes": (b"0101", TypeError, r"NAME is raw bytes \(bytes\).*memoryview\(NAME\)\.cast\('d'\)"),
    "bytearray": (bytearray(8), TypeError, r"NAME is raw bytes \(bytearray\)"),
    "None": (None, TypeError, r"NAME must be a sequence of numbers, not None"),
    "a number": (1.0, TypeError, r"NAME must be a sequence of numbers, not float"),
    "a NumPy number": (np.float64(1), ValueError, r"NAME is a single number"),
    "a dict": ({0: 1}, TypeError, r"NAME must be a sequence of numbers, not a dict"),
    "a set": ({0, 1}, TypeError, r"NAME must be a sequence of numbers, not a set"),
    "complex array": (np.array([0, 1j, 0, 1]), TypeError, r"NAME must hold real numbers, not complex128"),
    "array of strings": (np.array(["0", "1", "0", "1"]), TypeError, r"NAME must hold real numbers, not <U1"),
    "array of dates": (
        np.array(["2026-01-01"] * 4, "M8[D]"),
        TypeError,
        r"NAME must hold real numbers, not datetime64",
    ),
    "objects with a string": (
        np.array([0, "1", 0, 1], dtype=object),
        TypeError,
        r"NAME\[1\] must be a real number, not str",
    ),
    "two-dimensional": (np.zeros((4, 2)), ValueError, r"NAME has shape \(4, 2\).*NAME\[:, 0\].*NAME\.ravel\(\)"),
    "three-dimensional": (np.zeros((4, 1, 1)), ValueError, r"NAME has shape \(4, 1, 1\)"),
    "a data frame": (pd.DataFrame({"x": [0, 1], "y": [1, 0]}), ValueError, r"NAME has shape \(2, 2\)"),
    "NaN in a column": (np.array([[0.0], [NAN], [0.0], [1.0]]), ValueError, r"NAME\[1\] must be finite, not nan"),
    "two-dimensional memoryview": (
        memoryview(bytes(32)).cast("d", [2, 2]),
        ValueError,
        r"NAME has shape \(2, 2\)",
    ),
    "rows": ([[0, 1], [1, 0]], ValueError, r"NAME\[0\] is a list: NAME must be flat.*\[row\[0\] for row in NAME\]"),
    "nested in itself": (IN_ITSELF, ValueError, r"NAME\[0\] is a list: NAME must be flat"),
    "nested 100,000 deep": (nested([0.0], 100_000), ValueError, r"NAME\[0\] is a list: NAME must be flat"),
    "ragged": ([0, 1, [0, 1]], ValueError, r"NAME\[2\] is a list"),
    "rows of one and more": ([[0], [0, 1]], ValueError, r"NAME\[1\] must have 1 number, not 2"),
    "arrays in a list": ([np.zeros(2), np.zeros(2)], ValueError, r"NAME\[0\] is a ndarray"),
    "characters in a memoryview": (
        memoryview(b"0101").cast("c"),
        TypeError,
        r"NAME\[0\] must be a real number, not bytes",
    ),
}
NUMBERS = {
    "NaN": (NAN, ValueError, "must be finite, not nan"),
    "infinity": (-INF, ValueError, "must be finite, not -inf"),
    "a string": ("1", TypeError, "must be a real number, not str"),
    "None": (None, TypeError, "must be a real number, not None"),
    "complex": (1j, TypeError, "must be a real number, not complex"),
    "a list": ([1.0], TypeError, "must be a real number, not list"),
    "an array": (np.array([1.0]), TypeError, "must be a real number, not ndarray"),
    "an int too large": (10**400, ValueError, "must fit a float64"),
    "a fraction too large": (
        fractions.Fraction(10**400),
        ValueError,
        "must fit a float64, and it is too large for that",
    ),
    "an object that has every attribute": (Yes(), TypeError, "must be a real number, not Yes"),
    "an error of several arguments": (Undecodable(), ValueError, "must be a real number: 'utf-8' codec can't decode"),
}
PARTS = ["w_input_hidden", "w_hidden_hidden", "w_hidden_output", "b_hidden", "b_output", "hidden_state", "lr"]


@pytest.fixture
def network(fastrnn):
    """A network, and a look afterwards at whether anything has changed."""
    network = fastrnn.SimpleRNN(epochs=2, seed=6)
    network.train(GOOD, GOOD, verbose=False)
    before = [getattr(network, name) for name in PARTS], network.epochs, list(network.losses)
    yield network
    assert ([getattr(network, name) for name in PARTS], network.epochs, network.losses) == before


@pytest.mark.parametrize("bad", SEQUENCES)
class TestSequences:
    @pytest.fixture(autouse=True)
    def fresh_generators(self, bad, monkeypatch):
        if bad == "a late one in a generator":
            again = (0 if i != 9000 else "x" for i in range(9999))
            monkeypatch.setitem(SEQUENCES, bad, (again, *SEQUENCES[bad][1:]))

    def test_inputs(self, network, bad):
        values, error, message = SEQUENCES[bad]
        with pytest.raises(error, match="^" + message.replace("NAME", "inputs")):
            network.train(values, GOOD)

    def test_targets(self, network, bad):
        values, error, message = SEQUENCES[bad]
        with pytest.raises(error, match="^" + message.replace("NAME", "targets")):
            network.train(GOOD, values)

    @pytest.mark.parametrize("method", ["predict", "predict_proba", "hidden_states"])
    def test_predictions(self, network, bad, method):
        values, error, message = SEQUENCES[bad]
        with pytest.raises(error, match="^" + message.replace("NAME", "inputs")):
            getattr(network, method)(values)


def test_lengths(network):
    with pytest.raises(ValueError, match=r"^inputs and targets must be of one length, not 4 and 3$"):
        network.train(GOOD, GOOD[:-1])


def test_nothing_to_train_on(network):
    with pytest.raises(ValueError, match=r"^inputs and targets are empty"):
        network.train([], [])


@pytest.mark.parametrize("bad", NUMBERS)
class TestNumbers:
    def test_step(self, network, bad):
        value, error, message = NUMBERS[bad]
        with pytest.raises(error, match=f"^x {message}"):
            network.step(value)

    @pytest.mark.parametrize("position", [0, 1])
    def test_learn(self, network, bad, position):
        value, error, message = NUMBERS[bad]
        arguments = [1.0, 1.0]
        arguments[position] = value
        with pytest.raises(error, match=f"^{('x', 'target')[position]} {message}"):
            network.learn(*arguments)

    @pytest.mark.parametrize("name", PARTS)
    def test_attributes(self, network, bad, name):
        value, error, message = NUMBERS[bad]
        with pytest.raises(error, match=f"^{name} {message}"):
            setattr(network, name, value)

    def test_constructor(self, fastrnn, bad):
        value, error, message = NUMBERS[bad]
        with pytest.raises(error, match=f"^lr {message}"):
            fastrnn.SimpleRNN(lr=value)


def test_negative_lr(fastrnn, network):
    for attempt in (lambda: fastrnn.SimpleRNN(lr=-0.1), lambda: setattr(network, "lr", -0.1)):
        with pytest.raises(ValueError, match=r"^lr must not be negative, and it is -0.1$"):
            attempt()


@pytest.mark.parametrize(
    ("epochs", "error", "message"),
    [
        (-1, ValueError, "epochs must not be negative, and it is -1"),
        (10.0, TypeError, "epochs must be an integer, not float"),
        ("10", TypeError, "epochs must be an integer, not str"),
        (None, TypeError, "epochs must be an integer, not None"),
        (np.array([5]), TypeError, "epochs must be an integer, not ndarray"),
        (int, TypeError, "epochs must be an integer, not type"),
        (10**30, ValueError, "epochs is too large: it must be at most "),
        (NoIndex(), TypeError, "epochs must be an integer, not NoIndex"),
    ],
)
def test_epochs(fastrnn, network, epochs, error, message):
    for attempt in (lambda: fastrnn.SimpleRNN(epochs=epochs), lambda: setattr(network, "epochs", epochs)):
        with pytest.raises(error, match="^" + re.escape(message)):
            attempt()


def test_ints_that_python_does_not_print(fastrnn):
    with pytest.raises(ValueError, match=r"^epochs is too large: it must be at most \d+$"):
        fastrnn.SimpleRNN(epochs=10**5000)
    with pytest.raises(ValueError, match=r"^epochs must not be negative$"):
        fastrnn.SimpleRNN(epochs=-(10**5000))


@pytest.mark.parametrize("value", [-0.1, 1.1, 1e300])
def test_hidden_state_is_that_of_a_sigmoid(network, value):
    with pytest.raises(ValueError, match=r"^hidden_state must be from 0 to 1, as a sigmoid is, and it is "):
        network.hidden_state = value


def test_losses_must_be_a_list(fastrnn):
    network = fastrnn.SimpleRNN(seed=1)
    before = repr(network)
    network.losses = ()
    with pytest.raises(TypeError):
        network.train(GOOD, GOOD)
    assert repr(network) == before


def test_attributes_cannot_be_deleted(network):
    for name in [*PARTS, "epochs"]:
        with pytest.raises(AttributeError, match=f"^{name} cannot be deleted$"):
            delattr(network, name)


class Mischief:
    """A number that changes the list it stands in when it is looked at."""

    def __init__(self, values, change):
        self.values, self.change = values, change

    def __float__(self):
        self.change(self.values)
        return 1.0


@pytest.mark.parametrize("change", [list.clear, lambda values: values.extend([0.0] * 1000)])
def test_a_list_that_changes_while_it_is_read(network, change):
    values = [0.0] * 100
    values[50] = Mischief(values, change)
    with pytest.raises(RuntimeError, match=r"^inputs changed while it was read$"):
        network.predict(values)


def test_an_error_of_the_callers_own(network):
    """What the caller's own code raises comes through as it is."""

    def values():
        yield 1.0
        raise KeyError("a column")

    with pytest.raises(KeyError, match="a column"):
        network.predict(values())


class TestDivergence:
    """An update that is not finite is refused, with the network as it was after the last complete one."""

    @pytest.mark.parametrize("step", range(4))
    @pytest.mark.parametrize("epoch", [0, 11])
    def test_train(self, fastrnn, monkeypatch, epoch, step):
        targets = np.array([0.5, 1.0, 0.5, 0.0])
        replay = fastrnn.SimpleRNN(lr=9.0, epochs=epoch, seed=1)
        replay.hidden_state = 0.125
        replay.train(GOOD, targets, verbose=False)
        if step > 0:
            replay.reset()
        for x, target in zip(GOOD[:step], targets[:step], strict=True):
            replay.learn(x, target)
        replay.epochs = 50

        def spoil(line, **_):
            """Where the line of epoch 10 is printed, change the data that is read in place."""
            if line.startswith("Epoch 10:"):
                targets[step] = 1.7e308

        monkeypatch.setattr("builtins.print", spoil)
        if epoch == 0:
            targets[step] = 1.7e308
        network = fastrnn.SimpleRNN(lr=9.0, epochs=50, seed=1)
        network.hidden_state = 0.125
        with pytest.raises(OverflowError) as caught:
            network.train(GOOD, targets)
        assert str(caught.value) == (
            f"training diverged at epoch {epoch}, step {step}: the update is not finite. "
            "The network is as it was before it. Lower lr (it is 9.0), or scale the inputs and targets down"
        )
        assert network == replay
        assert network.losses == replay.losses

    def test_learn(self, fastrnn):
        network = fastrnn.SimpleRNN(lr=1e308, seed=1)
        before = repr(network)
        with pytest.raises(OverflowError, match=r"^training diverged: the update is not finite"):
            network.learn(1e300, 1e300)
        assert repr(network) == before
