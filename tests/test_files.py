"""Networks on disk: what a file keeps, how it is written, and that nothing in one is believed."""

import contextlib
import copy
import errno
import json
import os
import random
import stat
import struct
import subprocess
import sys
import time
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from fastrnn import _files
from fastrnn._kinds import CELLS, LOSSES, OPTIMIZERS, Spec

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes, links and pipes")
KINDS = {  # every cell, and every loss with every output that it fits
    **{cell: {"cell": cell} for cell in CELLS},
    **{
        f"{output}, {loss}": {"output": output, "loss": loss, "output_size": 2}
        for loss, row in LOSSES.items()
        for output in row.outputs
    },
}


def rnn(package, **options):
    """A trained network with a step that waits for its update."""
    network = package.RNN(3, **{"input_size": 2, "window": 2, "epochs": 3, "seed": 8, "optimizer": "adam"} | options)
    inputs = [[0.5, 1.0], [-1.0, 0.25], [0.75, 0.0]]
    targets = [0, 1, 1] if network.output == "softmax" else [[0.25] * network.output_size] * 3
    network.train(inputs, targets)
    network.learn(inputs[0], targets[0])
    return network


def simple(package):
    network = package.SimpleRNN(lr=0.3, epochs=4, seed=8)
    network.train([0, 1, 1], [1, 1, 0], verbose=False)
    return network


MAKERS = {"RNN": rnn, "SimpleRNN": simple}
both = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.safetensors"


def kept(package, network, path):
    network.save(path)
    return package.load(path)


def bits(value):
    """What can be compared with ==, NaN and -0.0 too."""
    if isinstance(value, float):
        return struct.pack("d", value)
    return [bits(part) for part in value] if isinstance(value, list) else (type(value), value)


def everything(network):
    return {name: bits(value) for name, value in network.__getstate__().items()}


# ---- what a file keeps ----


@both
def test_all_is_kept(fastrnn, make, path):
    network = make(fastrnn)
    before = everything(network)
    other = kept(fastrnn, network, path)
    assert everything(network) == before
    assert everything(other) == before
    assert (type(other), other, repr(other)) == (type(network), network, repr(network))


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_every_kind_is_kept(fastrnn, options, path):
    network = rnn(fastrnn, **options)
    other = kept(fastrnn, network, path)
    assert everything(other) == everything(network)


@pytest.mark.parametrize("window", [1, 2, None])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_goes_on(fastrnn, optimizer, window, path):
    """3 epochs, saved, loaded, and 3 more are 6."""
    settings = {name: 0.7 * default for name, (default, _) in OPTIMIZERS[optimizer].settings.items()}
    settings |= {"momentum": 0.5} if optimizer == "sgd" else {}
    options = {"cell": "gru", "window": window, "optimizer": optimizer, "clip": 0.5, "seed": 3, **settings}
    inputs, targets = [0.5, 1.0, -1.0, 0.25, 2.0], [1.0, -1.0, 0.5, 0.0, 1.0]
    whole = fastrnn.RNN(3, epochs=6, **options)
    whole.train(inputs, targets)
    network = fastrnn.RNN(3, epochs=3, **options)
    network.train(inputs, targets)
    network = kept(fastrnn, network, path)
    network.train(inputs, targets)
    network.epochs = 6
    assert everything(network) == everything(whole)


@both
def test_learning_goes_on_in_mid_window(fastrnn, make, path):
    network = make(fastrnn)
    samples = [(0, 1), (1, 1), (1, 0), (0, 0), (1, 1)]
    if make is rnn:
        samples = [([x, 0.5], y) for x, y in samples]
        network.window = 3
    other = copy.deepcopy(network)
    for x, y in samples:
        other = kept(fastrnn, other, path)
        assert other.learn(x, y) == network.learn(x, y)
        assert everything(other) == everything(network)


@both
def test_training_of_simple_networks_goes_on(fastrnn, make, path):
    network = make(fastrnn)
    inputs, targets = ([[1, 0], [0, 1]], [1, 0]) if make is rnn else ([1, 0, 0], [0, 0, 1])
    other = kept(fastrnn, network, path)
    for each in network, other:
        each.train(inputs, targets, verbose=False)
    assert everything(other) == everything(network)


@both
def test_files_do_not_depend_on_the_core(packages, make, tmp_path):
    """Written on each core, read on each core; and the bytes are the same."""
    written = []
    for package in packages:
        make(package).save(tmp_path / package.backend)
        written.append((tmp_path / package.backend).read_bytes())
    assert all(data == written[0] for data in written)
    for package in packages:
        network = package.load(tmp_path / packages[0].backend)
        assert type(network) is type(make(package))
        assert everything(network) == everything(make(package))


SEEDS = {
    "None": None,
    "an int": 7,
    "a long int": -(2**70),
    "an int too long to print": 10**6000,
    "a float": 7.0,
    "a zero": -0.0,
    "infinity": float("inf"),
    "a str": "7",
    "other characters": "\x00ä\U0001f600",
    "bytes": b"7",
    "other bytes": b"\xff\x00",
    "an empty str": "",
}


@both
@pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS)
def test_seeds_keep_their_type(fastrnn, make, seed, path):
    network = make(fastrnn)
    network.seed = seed
    assert bits(kept(fastrnn, network, path).seed) == bits(seed)


@both
def test_numbers_at_their_limits(fastrnn, make, path):
    """And what training can leave in losses."""
    network = make(fastrnn)
    network.lr, network.epochs = 5e-324, sys.maxsize
    network.losses = [0.0, -0.0, 5e-324, 1.7976931348623157e308, float("inf"), float("nan")]
    if make is rnn:
        network.state = [float("inf"), -0.0, 5e-324]
        network.b_hidden[0] = -0.0
    else:
        network.b_hidden, network.hidden_state = -0.0, 1.0
    assert everything(kept(fastrnn, network, path)) == everything(network)
    network.losses = []
    assert everything(kept(fastrnn, network, path)) == everything(network)


OWN = {  # what RNN may come to keep one day goes the same way
    "history": [0.5, float("nan"), float("inf")],
    "age": 1,
    "_large": 2**64 - 1,
    "_nested": [None, [0.5, -0.0], [float("nan")], None],
    "subject": 'Zoë "1" \ud800\x1b',
    "größe": 1.5,
    "ratio": float("-inf"),
    "raw": b"\x00\xff",
    "done": True,
    "none": None,
    "empty": [],
    "trials": [1, 2, 3],
    "mixed": [1, 2.0, True, None, "x", [b"y", [2**200]]],
    "table": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
    "ragged": [[1.0], [2.0, 3.0], []],
    "hollow": [[], []],
}


@both
def test_attributes_of_your_own(fastrnn, make, path):
    network = make(fastrnn)
    vars(network).update(OWN)
    other = kept(fastrnn, network, path)
    assert {name: bits(getattr(other, name)) for name in OWN} == {name: bits(value) for name, value in OWN.items()}
    assert everything(other) == everything(network)


@both
@pytest.mark.parametrize(
    "value", [{"a": 1}, (1.0, 2.0), {1}, object(), np.zeros(2), 1j, len, [1, [2, (3,)]], bytearray(b"x")], ids=repr
)
def test_attributes_that_no_file_keeps(fastrnn, make, value, path):
    network = make(fastrnn)
    network.log = value
    before = everything(make(fastrnn))
    with pytest.raises(
        TypeError, match=r"^cannot save the attribute log: it is of the type \w+, or holds one\. A file"
    ):
        network.save(path)
    assert list(path.parent.iterdir()) == []
    del network.log
    assert everything(kept(fastrnn, network, path)) == before


def deep():
    value = []
    for _ in range(100_000):
        value = [value]
    return value


NOT_SAVED = {
    "a deep list": ("log", deep, "an attribute is nested too deeply"),
    "a long str": (
        "log",
        lambda: "x" * 2**20,
        r"attributes that are no floats take 1,\d+,\d+ bytes, and a file has room for 1,048,576",
    ),
    "a method": ("train", lambda: 1, "'train' is no name for an attribute of a "),
    "two words": ("two words", lambda: 1, "'two words' is no name for an attribute of a "),
    "an int among losses": ("losses", lambda: [1], "losses must be a list of floats"),
    "words among losses": ("losses", lambda: ["much"], "losses must be a list of floats"),
    "no seed": ("seed", lambda: [1], "seed must be an integer, "),
}


@both
@pytest.mark.parametrize(("name", "value", "told"), NOT_SAVED.values(), ids=NOT_SAVED)
def test_what_could_not_be_loaded_is_not_saved(fastrnn, make, name, value, told, path):
    network = make(fastrnn)
    vars(network)[name] = value()
    with pytest.raises(ValueError, match=f"^cannot save to .*: {told}"):
        network.save(path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_parameter_that_is_no_number_is_not_saved(fastrnn, value, path):
    network = rnn(fastrnn)
    network.w_hidden_hidden[1, 2] = value
    with pytest.raises(
        ValueError, match=rf"^cannot save to .*: w_hidden_hidden\[1, 2\] must be finite, and it is {value}"
    ):
        network.save(path)
    assert list(path.parent.iterdir()) == []


@both
def test_a_subclass_becomes_what_fastrnn_has(fastrnn, make, path):
    kind = type(make(fastrnn))

    class Named(kind):
        def __init__(self, name):
            super().__init__(**({"hidden_size": 2} if make is rnn else {}), seed=0)
            self.name = name

        def __getstate__(self):
            return {"name": self.name}

        def reset(self):
            raise AssertionError

    other = kept(fastrnn, Named("x"), path)
    assert (type(other), other.name) == (kind, "x")
    assert kept(fastrnn, other, path) == other


# ---- the format, as the library reads and writes it ----


@pytest.fixture
def library():
    """The module safetensors, which from Python 3.14 on is no part of the extra `test`: there it may be missing."""
    if sys.version_info >= (3, 14):
        pytest.importorskip("safetensors")
    import safetensors.numpy

    return safetensors


def test_safetensors_opens_it(fastrnn, library, path):
    network = rnn(fastrnn, cell="gru", output_size=2)
    network.save(path)
    arrays = library.numpy.load_file(path)
    for name, view in network.parameters.items():
        assert arrays[name].dtype == np.float64
        assert arrays[name].tolist() == view.tolist()
        for k in 1, 2:
            assert arrays[f"moment_{k}.{name}"].shape == view.shape
    assert tuple(arrays["moments.powers"].tolist()) == struct.unpack("<2d", network.__getstate__()["_memory"][-16:])
    assert arrays["losses"].tolist() == network.losses
    assert arrays["_state"].tolist() == network.state
    assert arrays["_waiting"].shape == (1, sum(Spec(3, cell="gru", input_size=2, output_size=2).waiting))
    with library.safe_open(path, "numpy") as file:
        metadata = file.metadata()
    assert {name: metadata[name] for name in ("format", "version", "network")} == {
        "format": "fastrnn",
        "version": "1",
        "network": "RNN",
    }
    state = json.loads(metadata["state"])
    assert (state["hidden_size"], state["cell"], state["lr"], state["clip"], state["seed"]) == (3, "gru", 0.01, None, 8)


def test_safetensors_opens_a_simple_network(fastrnn, library, path):
    network = simple(fastrnn)
    network.save(path)
    arrays = library.numpy.load_file(path)
    names = ("w_input_hidden", "w_hidden_hidden", "w_hidden_output", "b_hidden", "b_output", "hidden_state")
    assert {name: float(arrays.pop(name)) for name in names} == {name: getattr(network, name) for name in names}
    assert arrays.pop("losses").tolist() == network.losses
    assert not arrays


@both
def test_what_safetensors_writes_is_loaded(fastrnn, library, make, path):
    network = make(fastrnn)
    network.losses = []
    network.save(path)
    arrays = library.numpy.load_file(path)
    with library.safe_open(path, "numpy") as file:
        metadata = file.metadata()
    for name in arrays:
        arrays[name] = np.array(arrays[name])
    library.numpy.save_file(dict(reversed(arrays.items())), path, metadata | {"author": "somebody else"})
    assert everything(fastrnn.load(path)) == everything(network)


@both
def test_arrays_begin_where_doubles_should(fastrnn, make, path):
    for digits in range(9):
        network = make(fastrnn)
        network.name = "x" * digits
        network.save(path)
        assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0


# ---- paths, and how a file is written ----


@both
def test_kinds_of_paths(fastrnn, make, path, monkeypatch):
    network = make(fastrnn)
    monkeypatch.chdir(path.parent)
    for given in path, str(path), os.fsencode(path), path.name:
        network.save(given)
        assert fastrnn.load(given) == network
        path.unlink()
    for given in 3, None, open, [str(path)]:
        with pytest.raises(TypeError, match=r"^path must be a str, bytes or os\.PathLike, not \w+$"):
            network.save(given)
        with pytest.raises(TypeError, match=r"^path must be a str, bytes or os\.PathLike, not \w+$"):
            fastrnn.load(given)
    assert list(path.parent.iterdir()) == []


def test_what_the_system_says(fastrnn, tmp_path):
    network = simple(fastrnn)
    nowhere = tmp_path / "none" / "network"
    for call in network.save, fastrnn.load:
        with pytest.raises(FileNotFoundError) as error:
            call(nowhere)
        assert (error.value.filename, error.value.filename2) == (str(nowhere), None)
    with pytest.raises(ValueError, match=r"^cannot save to .*: it is not a file$"):
        network.save(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match=r"^cannot load .*: it is not a file$"):
        fastrnn.load(tmp_path)


@posix
def test_a_name_as_long_as_can_be(fastrnn, tmp_path):
    network = simple(fastrnn)
    assert kept(fastrnn, network, tmp_path / ("x" * 255)) == network
    with pytest.raises(OSError, match=os.strerror(errno.ENAMETOOLONG)):
        network.save(tmp_path / ("x" * 256))


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o444, 0o777])
def test_a_file_hands_on_its_mode(fastrnn, mode, path):
    path.write_bytes(b"the old one")
    path.chmod(mode)
    before = os.umask(0o077)
    try:
        simple(fastrnn).save(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert fastrnn.load(path) == simple(fastrnn)


@posix
def test_a_new_file_has_the_usual_mode(fastrnn, path):
    before = os.umask(0o027)
    try:
        simple(fastrnn).save(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@posix
@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_a_link(fastrnn, there, tmp_path):
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "network", tmp_path / "link"
    link.symlink_to(target)
    if there:
        target.write_bytes(b"the old one")
    simple(fastrnn).save(link)
    assert link.is_symlink()
    assert fastrnn.load(target) == fastrnn.load(link) == simple(fastrnn)
    assert sorted(tmp_path.rglob("*")) == [target.parent, target, link]


@posix
def test_a_link_in_the_way_is_not_followed(fastrnn, path, monkeypatch):
    """Whoever guessed the name of the file beside could have put one there."""
    victim = path.with_name("victim")
    victim.write_bytes(b"precious")
    monkeypatch.setattr(os, "urandom", bytes)
    path.with_name(f"fastrnn.{bytes(16).hex()}.tmp").symlink_to(victim)
    with pytest.raises(FileExistsError):
        simple(fastrnn).save(path)
    assert victim.read_bytes() == b"precious"
    assert not path.exists()


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="needs devices")
def test_a_device_is_not_replaced(fastrnn, path):
    with pytest.raises(ValueError, match=r"^cannot save to /dev/null: it is not a file$"):
        simple(fastrnn).save("/dev/null")
    path.symlink_to("/dev/null")
    with pytest.raises(ValueError, match=r"it is not a file$"):
        simple(fastrnn).save(path)
    assert not os.path.isfile("/dev/null")


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
def test_an_error_leaves_all_as_it_was(fastrnn, error, call, path, monkeypatch):
    network = simple(fastrnn)
    path.write_bytes(b"the old one")
    there = getattr(os, call)

    def fail(*arguments):
        if call == "open":  # as late as can be
            os.close(there(*arguments))
        raise error

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(type(error)) as raised:
        network.save(path)
    monkeypatch.undo()
    if isinstance(error, OSError):
        assert (raised.value.errno, raised.value.filename, raised.value.filename2) == (errno.ENOSPC, str(path), None)
    assert path.read_bytes() == b"the old one"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_cannot_be_flushed(fastrnn, path, monkeypatch):
    def fail(_):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(_files, "flush_folder", fail)
    assert kept(fastrnn, simple(fastrnn), path) == simple(fastrnn)


@posix
def test_what_is_flushed_and_when(fastrnn, path, monkeypatch):
    """The file before it takes its place, the folder after it."""
    done = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(descriptor):
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else os.fstat(descriptor).st_size)
        fsync(descriptor)

    def watched_replace(*paths):
        done.append("replace")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    simple(fastrnn).save(path)
    assert done == [path.stat().st_size, "replace", "folder"]


SAVER = """
import sys, fastrnn
networks = [fastrnn.RNN(40, cell="gru", seed=seed) for seed in (0, 1)]
while True:
    for network in networks:
        network.save(sys.argv[1])
        print("saved", flush=True)
"""


def test_a_killed_process_leaves_the_old_file_or_the_new(path):
    import fastrnn

    networks = [fastrnn.RNN(40, cell="gru", seed=seed) for seed in (0, 1)]
    draw, found = random.Random(1), []
    for round_ in range(25):
        with subprocess.Popen([sys.executable, "-c", SAVER, str(path)], stdout=subprocess.PIPE) as child:
            assert child.stdout.readline().strip() == b"saved"
            start = time.perf_counter()
            for _ in range(1 + round_ % 2):
                assert child.stdout.readline().strip() == b"saved"
            time.sleep(draw.random() * (time.perf_counter() - start))  # into the next
            child.kill()
        found.append(networks.index(fastrnn.load(path)))
        left = [name for name in os.listdir(path.parent) if name != path.name]
        assert len(left) <= 1
        for name in left:
            assert name.startswith("fastrnn.")
            assert name.endswith(".tmp")
            path.with_name(name).unlink()
    assert {*found} == {0, 1}


# ---- files that are none ----


def take_apart(data):
    """The header and the arrays of a file."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def put_together(header, arrays, text=None):
    text = json.dumps(header).encode() if text is None else text
    return len(text).to_bytes(8, "little") + text + arrays


def change_header(change):
    """A file whose header is another one."""

    def changed(data):
        header, arrays = take_apart(data)
        change(header)
        return put_together(header, arrays)

    return changed


def change_state(**values):
    def change(header):
        state = json.loads(header["__metadata__"]["state"]) | values
        header["__metadata__"]["state"] = json.dumps({name: v for name, v in state.items() if v != "left out"})

    return change_header(change)


def change_text(old, new):
    """Of the whole header, or of the state in it."""

    def changed(data):
        header, arrays = take_apart(data)
        text = json.dumps(header).encode()
        if old in text:
            return put_together(None, arrays, text.replace(old, new))
        header["__metadata__"]["state"] = header["__metadata__"]["state"].replace(old.decode(), new.decode())
        return put_together(header, arrays)

    return changed


def change_number(name, index, value):
    def changed(data):
        header, arrays = take_apart(data)
        start = header[name]["data_offsets"][0] + 8 * index
        return put_together(header, arrays[:start] + struct.pack("<d", value) + arrays[start + 8 :])

    return changed


def entry(name, **values):
    return change_header(lambda header: header[name].update(values))


def metadata(**values):
    return change_header(lambda header: header["__metadata__"].update(values))


def swap(header):
    header["w_input_hidden"], header["b_hidden"] = header["b_hidden"], header["w_input_hidden"]


def add(name, count=1):
    def changed(data):
        header, arrays = take_apart(data)
        header[name] = {"dtype": "F64", "shape": [count], "data_offsets": [len(arrays), len(arrays) + 8 * count]}
        return put_together(header, arrays + bytes(8 * count))

    return changed


NAN, INF = float("nan"), float("inf")
HOSTILE = {
    "nothing": (lambda _: b"", "no safetensors file, or cut short"),
    "a few bytes": (lambda data: data[:7], "no safetensors file, or cut short"),
    "a length alone": (lambda data: data[:8], "no safetensors file, or cut short"),
    "half a header": (lambda data: data[:100], "no safetensors file, or cut short"),
    "one byte less": (lambda data: data[:-1], "its arrays have "),
    "one byte more": (lambda data: data + b"x", "its arrays have "),
    "a header of a gigabyte": (lambda data: (2**30).to_bytes(8, "little") + data[8:], "no safetensors file, or cut"),
    "a header of all bytes": (lambda data: b"\xff" * 8 + data[8:], "no safetensors file, or cut short"),
    "a long header": (
        lambda _: (2**21).to_bytes(8, "little") + b"{}".ljust(2**21),
        "its header has 2,097,152 bytes",
    ),
    "no header": (lambda data: bytes(8) + data[8:], "its header is not JSON as it must be"),
    "old JSON": (lambda _: b'\xef\xbb\xbf {\n  "format": "fastrnn model"\n}\n', "it is JSON, a form that is not read"),
    "a pickle": (lambda _: b"\x80\x05\x95\x10" * 10, "no safetensors file, or cut short"),
    "no UTF-8": (change_text(b'"fastrnn"', b'"\xff"'), "its header is not JSON as it must be"),
    "UTF-16": (lambda _: put_together(None, b"", "{}".encode("utf-16")), "its header is not JSON as it must be"),
    "no object": (lambda _: put_together([], b""), "it does not begin with {"),
    "no JSON": (lambda _: put_together(None, b"", b"{"), "its header is not JSON as it must be"),
    "deep JSON": (lambda _: put_together(None, b"", b'{"a":' + b"[" * 500_000), "it is nested too deeply"),
    "deep JSON that ends": (
        lambda _: put_together(None, b"", b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        "it is nested too deeply",
    ),
    "a name twice": (change_text(b'"losses":', b'"losses": {}, "losses":'), "a key stands there twice"),
    "NaN as a token": (change_text(b'"lr": 0.01', b'"lr": NaN'), "there is NaN"),
    "infinity as a token": (change_text(b'"lr": 0.01', b'"lr": -Infinity'), "there is -Infinity"),
    "a number beyond float64": (change_text(b'"lr": 0.01', b'"lr": 1e999'), "lr must be finite"),
    "a huge integer": (change_text(b'"lr": 0.01', b'"lr": 1' + b"0" * 9000), "an integer has more than 20 digits"),
    "a huge integer in the table": (change_text(b'"shape": [3', b'"shape": [3' + b"0" * 9000), "more than 20 digits"),
    "no metadata": (
        change_header(lambda header: header.pop("__metadata__")),
        "but not of a network that fastrnn saved",
    ),
    "metadata that is none": (lambda _: put_together({"__metadata__": [1]}, b""), "its metadata is not of strings"),
    "metadata of numbers": (metadata(version=1), "its metadata is not of strings"),
    "another format": (metadata(format="pt"), "but not of a network that fastrnn saved"),
    "a newer version": (metadata(version="2"), "its version is '2', and this fastrnn reads '1': upgrade fastrnn"),
    "another class": (metadata(network="__import__"), "its network is '__import__', not RNN or SimpleRNN"),
    "a state that is none": (metadata(state="[]"), "its state is not JSON as it must be"),
    "a state of words": (metadata(state="{x"), "its state is not JSON as it must be"),
    "no state": (change_header(lambda header: header["__metadata__"].pop("state")), "its state is not JSON"),
    "an array that is none": (change_header(lambda header: header.update(losses=3)), "of 'losses' its header does not"),
    "an array without shape": (
        change_header(lambda header: header["losses"].pop("shape")),
        "does not tell dtype, shape",
    ),
    "an array of more": (entry("losses", order="C"), "does not tell dtype, shape and data_offsets alone"),
    "another type": (entry("losses", dtype="F32"), "'losses' is of 'F32', and networks are of 'F64'"),
    "a type that is none": (entry("losses", dtype=["F64"]), "'losses' is of "),
    "a shape that is none": (entry("losses", shape=3), "no list of integers"),
    "a shape of floats": (entry("losses", shape=[3.0]), "no list of integers"),
    "a shape of bools": (entry("losses", shape=[True]), "no list of integers"),
    "a shape below 0": (entry("losses", shape=[-3]), "no list of integers"),
    "another shape": (entry("losses", shape=[4]), "where 0|lies at"),
    "three dimensions": (entry("losses", shape=[1, 1, 3]), "the shape of 'losses' is"),
    "rows of nothing": (entry("losses", shape=[10**18, 0]), "the shape of 'losses' is"),
    "sizes that overflow": (entry("losses", shape=[2**61, 8]), "lies at"),
    "no place": (entry("losses", data_offsets=[]), "and its place"),
    "a place below 0": (entry("losses", data_offsets=[-8, 16]), "no list of integers"),
    "a place beyond": (entry("losses", data_offsets=[10**9, 10**9 + 24]), "lies at"),
    "a place backwards": (entry("losses", data_offsets=[24, 0]), "lies at"),
    "an overlap": (change_header(lambda header: header["_state"].update(header["b_hidden"])), "lies at"),
    "a hole": (change_header(lambda header: header.pop("b_hidden")), "lies at"),
    "a parameter under another's name": (
        change_header(swap),
        "w_input_hidden must be of the shape (9, 2), and it is (9,)",
    ),
    "a parameter of another shape": (entry("w_input_hidden", shape=[18]), "w_input_hidden must be of the shape"),
    "a moment of another shape": (entry("moment_1.b_hidden", shape=[3, 3]), "moment_1.b_hidden must be of the shape"),
    "another size": (change_state(hidden_size=4), "w_input_hidden must be of the shape (12, 2), and it is (9, 2)"),
    "a size that no memory has": (change_state(hidden_size=10**6), "must be of the shape"),
    "a size too large": (change_state(hidden_size=2**62), "are too large"),
    "no size": (change_state(hidden_size="left out"), "it has no 'hidden_size'"),
    "a size of words": (change_state(hidden_size="3"), "hidden_size must be an integer"),
    "another cell": (change_state(cell="elman"), "must be of the shape (3, 2)"),
    "no cell": (change_state(cell="\x1b[31m"), "cell must be 'elman' or "),
    "a cell that is none": (change_state(cell=["gru"]), "cell must be "),
    "no lr": (change_state(lr="left out"), "it has no 'lr'"),
    "an lr of words": (change_state(lr="fast"), "lr must be a real number"),
    "an lr below 0": (change_state(lr=-1), "lr must not be negative"),
    "no window": (change_state(window=0), "window must be at least 1"),
    "a memory in the state": (change_state(_memory={"bytes": "00"}), "it has '_memory' twice"),
    "an array in the state too": (change_state(losses=[]), "it has 'losses' twice"),
    "a memory as an array": (add("_memory"), "it has '_memory' twice"),
    "a setting once more": (change_state(_epochs="words"), "'_epochs' is no name for an attribute of a RNN"),
    "a setting of the core": (change_state(_lr=3.5), "'_lr' is no name for an attribute of a RNN"),
    "a method": (change_state(predict=1), "'predict' is no name"),
    "a list of the class": (change_state(VALUES=["lr"]), "'VALUES' is no name"),
    "a private name": (change_state(__class__="int"), "'__class__' is no name"),
    "a name with steering": (change_state(**{"\x1b]2;title\x07": 1}), r"'\x1b]2;title\x07' is no name"),
    "a moment too many": (add("moment_3.b_hidden"), "'moment_3.b_hidden' is no name"),
    "an unknown kind of value": (change_state(note={"code": "1"}), "an unknown kind of value"),
    "a value of two kinds": (change_state(note={"int": "1", "float": "1"}), "an unknown kind of value"),
    "a value of no kind": (change_state(note={}), "an unknown kind of value"),
    "an integer that is none": (change_state(note={"int": "x"}), "invalid literal for int"),
    "bytes that are none": (change_state(note={"bytes": "0"}), "non-hexadecimal"),
    "a float that is none": (change_state(note={"float": [1]}), "an unknown kind of value"),
    "a seed that is none": (change_state(seed=[1]), "seed must be an integer"),
    "a seed of NaN": (change_state(seed={"float": "nan"}), "seed must not be NaN"),
    "no losses": (change_header(lambda header: header.update(other=header.pop("losses"))), "it has no 'losses'"),
    "a loss for losses": (entry("losses", shape=[3, 1]), "losses must be a list of floats"),
    "validation losses twice": (change_state(validation_losses=["x"]), "it has 'validation_losses' twice"),
    "a best epoch below 0": (change_state(best_epoch=-1), "best_epoch must not be negative"),
    "a best epoch of half": (change_state(best_epoch=1.5), "best_epoch must be an integer"),
    "a generator of 65 bits": (change_state(_generator=2**64), "no generator has such a state"),
    "half a generator": (change_state(_generator=0.5), "no generator has such a state"),
    "scales of others": (change_state(_scales=[[1.0], None, None, None]), "standardize"),
    "three scales": (change_state(_scales=[None, None, None]), "its scales"),
    "a parameter of NaN": (change_number("b_hidden", 4, NAN), "b_hidden[4] must be finite, and it is nan"),
    "an infinite parameter": (change_number("w_input_hidden", 5, INF), "w_input_hidden[2, 1] must be finite"),
    "a moment of NaN": (change_number("moment_1.b_hidden", 0, NAN), "no training makes its moments"),
    "an infinite moment": (change_number("moment_2.b_hidden", 0, INF), "no training makes its moments"),
    "a moment below 0": (change_number("moment_2.b_output", 0, -1.0), "no training makes its moments"),
    "a power above 1": (change_number("moments.powers", 0, 1.5), "no training makes its moments"),
    "a power of NaN": (change_number("moments.powers", 1, NAN), "no training makes its moments"),
    "a state of NaN": (change_number("_state", 0, NAN), "is not of 3 numbers"),
    "another state": (change_number("_state", 0, 0.5), "do not follow each other"),
    "a waiting step of NaN": (change_number("_waiting", 0, NAN), "is not of "),
    "a waiting step of a weight below 0": (change_number("_waiting", 21, -1.0), "no step has such a weight"),
    "a waiting step of infinite weight": (change_number("_waiting", 21, INF), "no step has such a weight"),
    "waiting steps in one row": (entry("_waiting", shape=[22]), "are no lists"),
    "a long name": (change_state(**{"x" * 10_000 + " ": 1}), "is no name for an attribute of a RNN"),
    "a long version": (metadata(version="\n" * 10_000), "upgrade fastrnn"),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The bytes of a network with a step that waits."""
    import fastrnn

    path = tmp_path_factory.mktemp("good") / "network"
    rnn(fastrnn, cell="gru").save(path)
    return path.read_bytes()


@pytest.mark.parametrize(("change", "told"), HOSTILE.values(), ids=HOSTILE)
def test_a_file_that_is_none(fastrnn, change, told, good, path):
    path.write_bytes(change(good))
    assert path.read_bytes() != good
    with pytest.raises(ValueError, match=r"^cannot load ") as error:
        fastrnn.load(path)
    line = str(error.value)
    assert any(part in line for part in told.split("|"))
    assert line.isprintable()
    assert len(line) <= 300


def test_a_simple_network_that_is_none(fastrnn, path):
    simple(fastrnn).save(path)
    good = path.read_bytes()
    for change, told in [
        (change_number("b_output", 0, NAN), "b_output must be finite, not nan"),
        (change_number("hidden_state", 0, 1.5), "hidden_state must be from 0 to 1"),
        (entry("b_hidden", shape=[1]), "b_hidden must be a real number, not list"),
        (change_header(lambda header: header.update(other=header.pop("b_hidden"))), "it has no 'b_hidden'"),
        (change_state(epochs=-1), "epochs must not be negative"),
        (change_state(lr={"float": "nan"}), "lr must be finite"),
        (change_state(seed=[1]), "seed must be an integer"),
        (metadata(network="RNN"), "it has no 'hidden_size'"),
    ]:
        path.write_bytes(change(good))
        with pytest.raises(ValueError, match=r"^cannot load ") as error:
            fastrnn.load(path)
        assert told in str(error.value)


def test_a_file_that_is_good_is_loaded(fastrnn, good, path):
    """Whatever order its arrays have, and whatever else its metadata tells."""

    def reorder(header):
        header["__metadata__"]["author"] = "somebody else"
        for name in sorted(header, reverse=True):
            header[name] = header.pop(name)

    for data in good, change_header(reorder)(good):
        path.write_bytes(data)
        assert everything(fastrnn.load(path)) == everything(rnn(fastrnn, cell="gru"))


@posix
@pytest.mark.parametrize("swapped", [False, True])
def test_nothing_waits_for_a_pipe(fastrnn, swapped, path, monkeypatch):
    os.mkfifo(path)
    if swapped:  # a file when it was looked at, and a pipe when it was opened
        regular = os.stat(__file__)
        monkeypatch.setattr(os, "stat", lambda _: regular)
    with pytest.raises(ValueError, match=r"^cannot load .*: it is (not a file|no safetensors file, or cut short)$"):
        fastrnn.load(path)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs devices")
def test_devices(fastrnn):
    for device in "/dev/zero", "/dev/null", "/dev/stdin":
        with pytest.raises(ValueError, match=r"^cannot load /dev/\w+: it is not? "):
            fastrnn.load(device)


def test_a_file_that_shrinks_meanwhile(fastrnn, good, path, monkeypatch):
    path.write_bytes(good[:-8])
    monkeypatch.setattr(os, "fstat", lambda _: SimpleNamespace(st_size=len(good)))
    with pytest.raises(ValueError, match=r"^cannot load .*: it is cut short$"):
        fastrnn.load(path)


def test_memory_is_bounded_by_the_file(fastrnn, path):
    """A good file takes some times its size, and what a bad one claims is not believed."""
    network = fastrnn.RNN(150, seed=1)
    network.losses = [0.5] * 30_000
    network.save(path)
    data = path.read_bytes()

    def peak(written):
        path.write_bytes(written)
        tracemalloc.start()
        with contextlib.suppress(ValueError):
            fastrnn.load(path)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(data) < 8 * len(data) + 2**18
    del network
    for change in (
        change_state(hidden_size=10**5),
        change_state(hidden_size=10**12),
        change_state(input_size=10**9, output_size=10**9),
        entry("losses", shape=[10**15]),
        entry("losses", shape=[10**15, 0]),
        lambda data: (2**30).to_bytes(8, "little") + data[8:],
    ):
        assert peak(change(data)) < 8 * len(data) + 2**18


def mutations(data, draw):
    """Files that are nearly good ones, without end."""
    header, arrays = take_apart(data)
    state = json.loads(header["__metadata__"]["state"])
    odd = [
        None,
        True,
        0,
        1,
        -1,
        2,
        3.5,
        1e308,
        2**63,
        2**64,
        "",
        "gru",
        "x\n",
        [],
        [1.0],
        [[0.5]],
        {"int": "0x1"},
        {},
        "RNN",
    ]
    special = [NAN, INF, -INF, 0.0, -0.0, -1.0, 1e308, 5e-324]
    while True:
        kind = draw.randrange(6)
        if kind == 0:  # bytes anywhere
            changed = bytearray(data)
            for _ in range(draw.choice([1, 1, 2, 10])):
                changed[draw.randrange(len(changed))] = draw.randrange(256)
            yield bytes(changed)
        elif kind == 1:  # cut, or longer
            end = draw.randrange(len(data))
            yield draw.choice(
                [data[:end], data[:end] + data[end + 8 :], data + data[:end], data[:end] + data[end // 2 :]]
            )
        elif kind == 2:  # an option
            changed = copy.deepcopy(header)
            name = draw.choice([*state, "more", "_waiting", "losses", "_memory"])
            changed["__metadata__"]["state"] = json.dumps(state | {name: draw.choice(odd)})
            yield put_together(changed, arrays)
        elif kind == 3:  # an entry of the table
            changed = copy.deepcopy(header)
            name = draw.choice([*changed])
            key = draw.choice([*changed[name]])
            part = changed[name][key]
            if isinstance(part, list) and part and draw.random() < 0.7:
                part[draw.randrange(len(part))] += draw.choice([-8, -1, 1, 8, 2**62])
            else:
                changed[name][key] = draw.choice(odd)
            yield put_together(changed, arrays)
        elif kind == 4:  # a number
            name = draw.choice([name for name in header if name != "__metadata__"])
            start, end = header[name]["data_offsets"]
            if start < end:
                yield change_number(name, draw.randrange((end - start) // 8), draw.choice(special))(data)
        else:  # one character of the header
            text = bytearray(json.dumps(header).encode())
            text[draw.randrange(len(text))] = draw.choice(b'{}[]",:0123456789eE.-\\n\x00\xff')
            yield put_together(None, arrays, bytes(text))


@both
@pytest.mark.parametrize("seed", range(4))
def test_whatever_a_file_holds_it_is_a_network_or_an_error(fastrnn, make, seed, path):
    make(fastrnn).save(path)
    data = path.read_bytes()
    loaded = refused = 0
    changed = mutations(data, random.Random(seed))
    for _ in range(400):
        path.write_bytes(next(changed))
        line = ""
        try:
            network = fastrnn.load(path)
        except ValueError as error:
            line = str(error)
        if line:
            assert line.startswith("cannot load ")
            assert line.isprintable()
            assert len(line) <= 300
            refused += 1
        else:
            state = everything(network)
            assert everything(kept(fastrnn, network, path)) == state
            with contextlib.suppress(OverflowError):
                network.step(0.5 if make is simple else [0.5] * network.input_size)
            loaded += 1
    assert loaded > 5
    assert refused > 100
