"""Every kind of data that is welcome, without a difference in the numbers, and each given back in its kind."""

import ctypes
import decimal
import fractions
import mmap
import sys
import weakref
from array import array

import numpy as np
import pandas as pd
import pytest

VALUES = [0, 1, 1, 0, 1, 0, 0, 1]
DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
DTYPES += ["float16", "float32", "float64", "longdouble", ">f8", "<f8", ">i4", ">f4"]


def strided(step):
    return np.repeat(np.array(VALUES, dtype=float), 3)[::3] if step > 0 else np.array(VALUES[::-1], dtype=float)[::-1]


def read_only():
    values = np.array(VALUES, dtype=float)
    values.flags.writeable = False
    return values


def unaligned():
    memory = np.zeros(8 * len(VALUES) + 1, dtype="u1")
    values = memory[1:].view("f8")
    values[:] = VALUES
    assert not values.flags.aligned
    return values


class Indexable:
    """A sequence by __getitem__ alone."""

    def __getitem__(self, position):
        return VALUES[position]


class List(list):
    pass


class Backwards(list):
    """What it holds is what its iterator says."""

    def __iter__(self):
        return self[::-1].__iter__()

    def __len__(self):
        return 1000


class Misshapen(np.ndarray):
    """An array of a kind with attributes of its own."""

    ndim, shape = "one", None


class ArrayLike:
    """What has only __array__."""

    def __array__(self, dtype=None, copy=None):
        return np.array(VALUES, dtype=dtype)


class Misleading(ArrayLike):
    """What gives such an array."""

    def __array__(self, dtype=None, copy=None):
        return np.array(VALUES, dtype=float).view(Misshapen)


LISTS = {
    "list of int": lambda: list(VALUES),
    "list of float": lambda: [float(v) for v in VALUES],
    "list of bool": lambda: [bool(v) for v in VALUES],
    "list of NumPy float64": lambda: [np.float64(v) for v in VALUES],
    "list of NumPy float32": lambda: [np.float32(v) for v in VALUES],
    "list of NumPy int": lambda: [np.int64(v) for v in VALUES],
    "list of fractions": lambda: [fractions.Fraction(v) for v in VALUES],
    "list of decimals": lambda: [decimal.Decimal(v) for v in VALUES],
    "mixed list": lambda: [0, 1.0, True, np.float32(0), np.uint8(1), False, fractions.Fraction(0), decimal.Decimal(1)],
    "tuple": lambda: tuple(VALUES),
    "generator": lambda: (v for v in VALUES),
    "map": lambda: map(int, VALUES),
    "dict values": lambda: dict(enumerate(VALUES)).values(),
    "by getitem": Indexable,
    "subclass of list": lambda: List(VALUES),
    "subclass of list with an iterator": lambda: Backwards(VALUES[::-1]),
    "what a weak reference stands for": lambda: weakref.proxy(KEPT),
}
KEPT = List(VALUES)
ARRAYS = {
    **{f"array.array {code!r}": lambda code=code: array(code, VALUES) for code in "bBhHiIlLqQfd"},
    **{f"NumPy {dtype}": lambda dtype=dtype: np.array(VALUES, dtype=dtype) for dtype in DTYPES},
    "NumPy object": lambda: np.array(VALUES, dtype=object),
    "NumPy strided": lambda: strided(3),
    "NumPy reversed": lambda: strided(-1),
    "NumPy read-only": read_only,
    "NumPy of another kind": lambda: np.array(VALUES, dtype=float).view(Misshapen),
    "NumPy unaligned": unaligned,
    "memoryview of doubles": lambda: memoryview(array("d", VALUES)),
    "memoryview of ints": lambda: memoryview(array("i", VALUES)),
    "memoryview strided": lambda: memoryview(array("d", [v for v in VALUES for _ in range(2)]))[::2],
    "memoryview unaligned": lambda: memoryview(b"." + bytes(array("d", VALUES)))[1:].cast("d"),
    "memoryview of bytes cast": lambda: memoryview(bytes(array("d", VALUES))).cast("d"),
    "Series": lambda: pd.Series(VALUES, index=list("abcdefgh")),
    "Series of float": lambda: pd.Series(VALUES, dtype=float),
    "Series nullable": lambda: pd.Series(VALUES, dtype="Int64"),
    "Series object": lambda: pd.Series(VALUES, dtype=object),
    "array-like": ArrayLike,
    "array-like of another kind": Misleading,
}
KINDS = {
    **LISTS,
    **ARRAYS,
    "ctypes array": lambda: (ctypes.c_double * len(VALUES))(*VALUES),
    "ctypes array of float": lambda: (ctypes.c_float * len(VALUES))(*VALUES),
    "Index": lambda: pd.Index(VALUES),
    "pandas array": lambda: pd.array(VALUES),
    "masked array, nothing masked": lambda: np.ma.masked_array(VALUES),
}


@pytest.fixture
def network(fastrnn):
    return fastrnn.SimpleRNN(epochs=3, seed=4)


@pytest.fixture
def take(network):
    """fastrnn._data.take, on the network's core."""
    return type(network).train.__globals__["_data"].take


@pytest.mark.parametrize("kind", KINDS)
def test_same_numbers(fastrnn, network, kind):
    expected = fastrnn.SimpleRNN(epochs=3, seed=4)
    expected.train(VALUES, VALUES, verbose=False)
    network.train(KINDS[kind](), KINDS[kind](), verbose=False)
    assert network == expected
    assert network.losses == expected.losses
    assert list(network.predict_proba(KINDS[kind]())) == expected.predict_proba(VALUES)
    assert list(network.predict(KINDS[kind]())) == expected.predict(VALUES)


@pytest.mark.parametrize("kind", LISTS)
def test_lists_out(network, kind):
    assert type(network.predict(LISTS[kind]())) is list
    assert {type(v) for v in network.predict(LISTS[kind]())} == {int}
    assert {type(v) for v in network.predict_proba(LISTS[kind]())} == {float}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_out(network, kind):
    given = ARRAYS[kind]()
    probabilities, classes = network.predict_proba(given), network.predict(given)
    expected = np.ndarray if isinstance(given, (np.ndarray, ArrayLike)) else type(given)
    assert type(probabilities) is type(classes) is expected
    if expected is np.ndarray:
        assert probabilities.dtype == np.float64
        assert classes.dtype == np.int64
        assert probabilities.flags.writeable
    elif expected is pd.Series:
        assert probabilities.dtype == np.float64
        assert classes.dtype == np.int64
        assert list(probabilities.index) == list(classes.index) == list(given.index)
    elif expected is array:
        assert (probabilities.typecode, classes.typecode) == ("d", "q")
    else:
        assert (probabilities.format, classes.format) == ("d", "q")


COLUMNS = {
    "list": lambda: [[v] for v in VALUES],
    "tuples": lambda: tuple((v,) for v in VALUES),
    "list of arrays": lambda: [np.array([v]) for v in VALUES],
    "generator": lambda: ([v] for v in VALUES),
    "NumPy": lambda: np.array(VALUES)[:, None],
    "NumPy float64": lambda: np.array(VALUES, float)[:, None],
    "NumPy object": lambda: np.array(VALUES, object)[:, None],
    "memoryview": lambda: memoryview(np.array(VALUES, float)[:, None]),
    "DataFrame": lambda: pd.DataFrame({"x": VALUES}, index=list("abcdefgh")),
    "subclass of list": lambda: List(List([v]) for v in VALUES),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_rows_of_one_number(fastrnn, network, kind):
    """(T, 1) in, T numbers out."""
    expected = fastrnn.SimpleRNN(epochs=3, seed=4)
    expected.train(VALUES, VALUES, verbose=False)
    network.train(COLUMNS[kind](), COLUMNS[kind](), verbose=False)
    assert network == expected
    for method in ("predict_proba", "predict", "hidden_states"):
        result = getattr(network, method)(COLUMNS[kind]())
        assert np.shape(result) == (8,)
        assert list(result) == getattr(expected, method)(VALUES)
    if kind == "DataFrame":
        assert type(result) is pd.Series
        assert list(result.index) == list("abcdefgh")


@pytest.mark.parametrize("kind", [*ARRAYS, "list of int", "generator"])
def test_hidden_states_in_kind(network, kind):
    given = KINDS[kind]
    states = network.hidden_states(given())
    assert type(states) is type(network.predict_proba(given()))
    assert list(states) == network.hidden_states([float(v) for v in VALUES])


def test_range(network):
    assert network.predict_proba(range(5)) == network.predict_proba([0, 1, 2, 3, 4])


def test_generators_longer_than_a_chunk(network):
    assert network.predict_proba(i % 3 for i in range(20000)) == network.predict_proba([i % 3 for i in range(20000)])


@pytest.mark.parametrize("empty", [[], (), array("d"), np.array([]), memoryview(array("d")), iter([])])
def test_nothing_in_nothing_out(network, empty):
    assert len(network.predict_proba(empty)) == len(network.predict(empty)) == 0


def test_empty_columns(network):
    assert len(network.predict(np.zeros((0, 1)))) == 0


def test_empty_series(network):
    assert len(network.predict(pd.Series([], dtype=float))) == 0


def test_memory_mapped_files(network, tmp_path):
    path = tmp_path / "values"
    path.write_bytes(array("d", VALUES))
    mapped = np.memmap(path, dtype="d", mode="r")
    assert list(network.predict_proba(mapped)) == network.predict_proba(VALUES)
    assert type(network.predict_proba(mapped)) is np.ndarray
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        with memoryview(memory) as raw, raw.cast("d") as view:
            assert network.predict_proba(view).tolist() == network.predict_proba(VALUES)
        with pytest.raises(TypeError, match=r"^inputs is raw bytes \(mmap\).*memoryview\(inputs\).cast\('d'\)"):
            network.predict(memory)


def test_float64_is_read_in_place(take):
    """The buffer that reaches the core is the caller's own."""
    values = np.array(VALUES, dtype=float)
    for given in (values, memoryview(values), values[1:], array("d", VALUES), pd.Series(values), read_only()):
        view = take(given, "inputs")
        assert np.shares_memory(np.asarray(view), np.asarray(given))


def test_columns_are_read_in_place(network):
    take_column = type(network).train.__globals__["_data"].take_column
    values = np.array(VALUES, dtype=float)[:, None]
    for given in (values, memoryview(values), values[1:], pd.DataFrame(values, copy=False)):
        assert np.shares_memory(np.asarray(take_column(given, "inputs")), np.asarray(given))


def test_integers_are_exact_to_the_last_bit(take):
    """Large ints go to the nearest double, as float() does, from lists and from arrays."""
    values = [2**53 + 1, 2**63 - 1, -(2**63), 2**100, -1]
    assert take(values, "inputs").tolist() == [float(v) for v in values]
    assert take(np.array(values[:3]), "inputs").tolist() == [float(v) for v in values[:3]]


def test_a_long_subclass_of_list(network):
    """A chunk at a time, however long it says it is."""
    values = Backwards([0.5, 0.25] * 10_000)
    assert network.predict_proba(values) == network.predict_proba([0.25, 0.5] * 10_000)


def test_columns_that_are_named_as_attributes_are(fastrnn):
    frame = pd.DataFrame({"filled": [0.0, 1.0], "kind": [1.0, 0.0], "mask": [0.5, 0.5], "tolist": [0.0, 0.0]})
    network = fastrnn.RNN(2, input_size=4, seed=1)
    assert network.predict(frame).tolist() == network.predict(frame.to_numpy().tolist())


def test_an_array_like_where_there_is_no_numpy(network, monkeypatch):
    class Listed:
        def __array__(self, dtype=None, copy=None):
            raise ImportError("no NumPy")

        def tolist(self):
            return VALUES

    monkeypatch.delitem(sys.modules, "numpy")
    assert network.predict(Listed()) == network.predict(VALUES)


def test_subclasses_of_library_kinds(network):
    class Named(pd.Series):
        pass

    assert type(network.predict(Named(VALUES))) is pd.Series


@pytest.fixture
def torch():
    return pytest.importorskip("torch", exc_type=ImportError)


class TestTorch:
    @pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int64", "uint8", "bool"])
    def test_tensors(self, network, torch, dtype):
        tensor = torch.tensor(VALUES, dtype=getattr(torch, dtype))
        probabilities, classes = network.predict_proba(tensor), network.predict(tensor)
        assert probabilities.dtype == torch.float64
        assert classes.dtype == torch.int64
        assert probabilities.tolist() == network.predict_proba(VALUES)
        assert classes.tolist() == network.predict(VALUES)

    def test_a_tensor_that_records_its_gradient(self, network, torch):
        tensor = torch.tensor(VALUES, dtype=torch.float64, requires_grad=True)
        assert network.predict_proba(tensor).tolist() == network.predict_proba(VALUES)

    def test_strided_and_empty(self, network, torch):
        tensor = torch.tensor([VALUES, VALUES], dtype=torch.float64).T
        assert network.predict(tensor[:, 0]).tolist() == network.predict(VALUES)
        assert network.predict(tensor[:0, 0]).tolist() == []

    def test_scalars(self, fastrnn, network, torch):
        twin = fastrnn.SimpleRNN(epochs=3, seed=4)
        assert network.step(torch.tensor(1.0)) == twin.step(1.0)
