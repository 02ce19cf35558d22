"""Networks on disk: safetensors files, written and read with the standard library alone.

Such a file is 8 bytes, little-endian: the length of a header; the header, JSON: for each array its type, its shape and
its place; and the arrays, one after the other (https://github.com/huggingface/safetensors). Nothing in it is code.

The state of a network, as __getstate__() tells it, goes into it by one rule. A list of floats, or of such lists of one
length, is a float64 array under its name. The memory of an RNN is one for each of its parts: the parameters under
their own names, first and second moments as moment_1.w_input_hidden and so on, and moments.powers. All else is JSON
text under "state" in the metadata of the header, beside "format", "version" and "network", the name of the class.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from math import isfinite, prod
from stat import S_ISREG
from struct import pack

from fastrnn._checks import of_state, type_name, unpacked
from fastrnn._kinds import Spec

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, BinaryIO

    from fastrnn._network import Base

    _Shape = tuple[int, ...]
    _Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]

FORMAT, VERSION = "fastrnn", "1"
LARGEST = 2**20  # bytes in a header: JSON takes many times its size in memory


# ---- from a state to bytes ----


def encode(kind: type[Base], state: dict[str, Any]) -> bytes:
    """A whole file, of the state of a network of this class."""
    arrays: dict[str, tuple[_Shape, bytes]] = {}
    values = {}
    for name, value in state.items():
        if name == "_memory" and name in kind.VALUES:
            start, spec = 0, spec_of(state)
            value = spec.whole(value)
            for part, of_part in spec.parts.items():
                arrays[part] = of_part, value[start : start + 8 * prod(of_part)]
                start += 8 * prod(of_part)
        elif (shape := shape_of(value)) is not None and (shape or name in kind.SCALARS):
            rows = value if len(shape) == 2 else [value if shape else [value]]
            arrays[name] = shape, b"".join(pack(f"<{len(row)}d", *row) for row in rows)
        else:
            values[name] = plain(value, name)
    metadata = {"format": FORMAT, "version": VERSION, "network": kind.__name__, "state": json.dumps(values)}
    header: dict[str, Any] = {"__metadata__": metadata}
    start = 0
    for name, (shape, data) in arrays.items():
        header[name] = {"dtype": "F64", "shape": shape, "data_offsets": [start, start + len(data)]}
        start += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that arrays begin where the CPU wants doubles to begin
    if len(text) > LARGEST:
        raise ValueError(f"attributes that are no floats take {len(text):,} bytes, and a file has room for {LARGEST:,}")
    return b"".join([pack("<Q", len(text)), text, *(data for _, data in arrays.values())])


def spec_of(state: dict[str, Any]) -> Spec:
    return Spec(**{name: state[name] for name in Spec.NAMES})


def shape_of(value: Any) -> _Shape | None:
    """The shape of a float, of a list of floats, or of lists of them that are of one length; else None."""
    if isinstance(value, float):
        return ()
    if not isinstance(value, list):
        return None
    if all(isinstance(number, float) for number in value):
        return (len(value),)
    if not all(isinstance(row, list) and row and len(row) == len(value[0]) for row in value):
        return None
    return (len(value), len(value[0])) if all(isinstance(number, float) for row in value for number in row) else None


def plain(value: Any, name: str) -> Any:
    """The value of an attribute as JSON has it; what JSON lacks is an object of one key, which says what it is."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else {"int": hex(value)}
    if isinstance(value, float):
        return value if isfinite(value) else {"float": float.__repr__(value)}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, list):
        return [plain(part, name) for part in value]
    raise TypeError(
        f"cannot save the attribute {name}: it is of the type {type_name(value)}, or holds one. A file keeps numbers, "
        "strings, None and lists of these: make it one of them or delete it, or keep the network with pickle"
    )


# ---- from bytes, of which nothing is believed, to a state ----

LACKING: dict[str, Callable[[str], Any]] = {"int": lambda text: int(text, 16), "float": float, "bytes": bytes.fromhex}


def decode(file: BinaryIO, size: int, kinds: Mapping[str, type[Base]]) -> tuple[type[Base], dict[str, Any]]:
    """The class of the network in a file of `size` bytes, one of `kinds`, and its state; else a ValueError."""
    start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > size - 8:
        if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
            raise ValueError("it is JSON, a form that is not read any more: train once more, and save again")
        raise ValueError("it is no safetensors file, or cut short")
    if length > LARGEST:
        raise ValueError(f"its header has {length:,} bytes, and at most {LARGEST:,} are read")
    header = objects(file.read(length), "its header")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("its metadata is not of strings")
    form, version, network = (metadata.get(name, "") for name in ("format", "version", "network"))
    if form != FORMAT:
        raise ValueError("it is a safetensors file, but not of a network that fastrnn saved")
    if version != VERSION:
        raise ValueError(f"its version is {version!r}, and this fastrnn reads {VERSION!r}: upgrade fastrnn")
    if network not in kinds:
        raise ValueError(f"its network is {network!r}, not {' or '.join(kinds)}")
    shapes, places = check_table(header, size - 8 - length)
    data = memoryview(file.read(size - 8 - length))
    if len(data) < size - 8 - length:
        raise ValueError("it is cut short")
    arrays = {name: data[begin:end] for name, (begin, end) in places.items()}
    values = {name: revived(value) for name, value in objects(metadata.get("state"), "its state").items()}
    memory: dict[str, Any] = {}
    if "_memory" in kinds[network].VALUES:
        parts = of_state(spec_of, values).parts
        for name, shape in parts.items():
            if shapes.get(name) != shape:
                raise ValueError(f"{name} must be of the shape {shape}, and it is {shapes.get(name)}")
        memory["_memory"] = b"".join(arrays.pop(name) for name in parts)
    state: dict[str, Any] = {}
    for part in memory, {name: numbers_of(array, shapes[name]) for name, array in arrays.items()}, values:
        if twice := state.keys() & part:
            raise ValueError(f"it has {min(twice)!r} twice")
        state |= part
    return kinds[network], state


def objects(text: Any, name: str) -> dict[str, Any]:
    """JSON that is an object, in which nothing stands twice and no number is longer than plain() makes it."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(made := dict(items)) < len(items):
            raise ValueError("a key stands there twice")
        return made

    def integer(digits: str) -> int:
        if len(digits) > 20:
            raise ValueError("an integer has more than 20 digits")
        return int(digits)

    def constant(token: str) -> None:
        raise ValueError(f"there is {token}")

    try:
        if isinstance(text, bytes):
            text = text.decode()
        if not isinstance(text, str) or not text.startswith("{"):
            raise ValueError("it does not begin with {")
        result: dict[str, Any] = json.loads(text, object_pairs_hook=pairs, parse_int=integer, parse_constant=constant)
    except ValueError as error:
        raise ValueError(f"{name} is not JSON as it must be: {error}") from None
    return result


def check_table(table: dict[str, Any], room: int) -> tuple[dict[str, _Shape], dict[str, tuple[int, int]]]:
    """The shapes and the places of arrays that fill the room, one behind the other."""
    shapes: dict[str, _Shape] = {}
    places: dict[str, tuple[int, int]] = {}
    for name, entry in table.items():
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"of {name!r} its header does not tell dtype, shape and data_offsets alone")
        shape, offsets = entry["shape"], entry["data_offsets"]
        if entry["dtype"] != "F64":
            raise ValueError(f"{name!r} is of {entry['dtype']!r}, and networks are of 'F64'")
        for numbers in shape, offsets:
            if not isinstance(numbers, list) or not all(type(number) is int and number >= 0 for number in numbers):
                raise ValueError(f"the shape or the place of {name!r} is no list of integers")
        if len(shape) > 2 or (len(shape) == 2 and not shape[1]) or len(offsets) != 2:
            raise ValueError(f"the shape of {name!r} is {shape}, and its place {offsets}")
        shapes[name], places[name] = tuple(shape), (offsets[0], offsets[1])
    end = 0
    for name, place in sorted(places.items(), key=lambda item: item[1]):
        if place != (end, end + 8 * prod(shapes[name])):
            raise ValueError(f"{name!r} of the shape {shapes[name]} lies at {place}, where {end} must follow")
        end = place[1]
    if end != room:
        raise ValueError(f"its arrays have {end:,} bytes, and there are {room:,}")
    return shapes, places


def numbers_of(array: memoryview, shape: _Shape) -> Any:
    """The float, the list of floats, or of lists of them, in an array."""
    numbers = unpacked(array).tolist()
    if len(shape) == 2:
        return [numbers[start : start + shape[1]] for start in range(0, len(numbers), shape[1])]
    return numbers if shape else numbers[0]


def revived(value: Any) -> Any:
    """What plain() made of a value, as it was."""
    if isinstance(value, list):
        return [revived(part) for part in value]
    if isinstance(value, dict):
        kind, text = next(iter(value.items()), (None, None))
        if len(value) != 1 or kind not in LACKING or not isinstance(text, str):
            raise ValueError("its state holds an unknown kind of value")
        return LACKING[kind](text)
    return value


# ---- the disk ----


def name_of(path: _Path) -> str:
    try:
        return os.fsdecode(path)
    except TypeError:
        raise TypeError(f"path must be a str, bytes or os.PathLike, not {type_name(path)}") from None


def read(path: str, kinds: Mapping[str, type[Base]]) -> tuple[type[Base], dict[str, Any]]:
    """decode() of a file. What is none, a pipe or a device say, is not even opened, and nothing waits for it."""
    if not S_ISREG(os.stat(path).st_mode):
        raise ValueError("it is not a file")
    at_once = getattr(os, "O_NONBLOCK", 0)  # should it have become one
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | at_once)) as file:
        return decode(file, os.fstat(file.fileno()).st_size, kinds)


def write(path: str, data: bytes | None) -> None:
    """Put a file in its place whole: written beside it first, and flushed to the disk. None is a rehearsal, after which
    all is as before.

    A link stays a link: the file it leads to is replaced. A file that is replaced hands on its mode.
    """
    target = os.path.realpath(path)
    folder, mode = os.path.dirname(target), None
    with suppress(FileNotFoundError):
        status = os.stat(target)
        if not S_ISREG(status.st_mode):
            raise ValueError("it is not a file")
        mode = status.st_mode & 0o777 if os.name == "posix" else None

    def create(name: str, flags: int) -> int:
        return os.open(name, flags, 0o666 if mode is None else mode)  # never open to more than the old one is

    beside = os.path.join(folder, f"fastrnn.{os.urandom(16).hex()}.tmp")  # the name of `path` may be as long as can be
    try:
        with open(beside, "xb", opener=create) as file:  # x: only where nothing, not even a link, has this name
            if data is None:
                return
            if mode is not None and os.fstat(file.fileno()).st_mode & 0o777 != mode:  # the umask took some of it
                os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None  # not with a name that nobody knows
    finally:
        with suppress(OSError):  # where all went well it is no longer there
            os.unlink(beside)
    if os.name == "posix":
        with suppress(OSError):  # not every file system can
            flush_folder(folder)


def flush_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
