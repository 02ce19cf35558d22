"""The caller's values to checked float64 buffers, and results back in the caller's kind.

| given                                                  | given back                        |
|--------------------------------------------------------|-----------------------------------|
| list, tuple, range, generator and other iterables      | list                              |
| array.array                                            | array.array                       |
| memoryview                                             | memoryview                        |
| NumPy array or memory map, other objects with __array__ | NumPy array                      |
| pandas Series                                          | pandas Series with the same index |
| torch tensor                                           | torch tensor on the same device   |

fastrnn imports none of these libraries: whoever holds an object of theirs has imported them.
"""

from __future__ import annotations

import sys
from itertools import islice

from fastrnn._backend import core
from fastrnn._checks import number, type_name

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Literal

# The formats of a native double: memoryview knows "d" alone, ctypes and others spell out the byte order.
DOUBLE = ("d", "@d", "=d", "<d" if sys.byteorder == "little" else ">d")

RAW = ("bytes", "bytearray", "mmap")  # buffers of bytes, not of numbers

CHUNK = 8192  # elements taken from an iterator at a time: few enough to stay in the CPU's cache
BLOCK = 1 << 20  # elements converted at a time: between two blocks Ctrl-C is heard


def take(values: Any, name: str) -> memoryview[float]:
    """`values` as a one-dimensional, contiguous float64 buffer of finite numbers.

    That is the caller's own memory where it is one already, and else a copy. TypeError and ValueError name `name` and
    the first bad position.
    """
    if hasattr(values, "__array__"):
        values = _from_array(values, name)
    try:
        view = memoryview(values)
    except TypeError:
        return _copy(values, name)
    if view.ndim != 1:
        raise ValueError(_not_flat(name, view.shape))
    if view.format == "B" and type(values).__name__ in RAW:
        raise TypeError(
            f"{name} is raw bytes ({type(values).__name__}), not numbers; if they are those of float64 values, "
            f"pass memoryview({name}).cast('d')"
        )
    if view.format not in DOUBLE or not view.contiguous:
        return _copy(values, name)
    doubles = view.cast("B").cast("d")
    if not core.is_aligned(doubles):
        doubles = memoryview(bytearray(doubles)).cast("d")
    position = core.find_not_finite(doubles)
    if position >= 0:
        raise ValueError(f"{name}[{position}] must be finite, not {doubles[position]}")
    return doubles


def zeros(form: Literal["d", "q"], length: int) -> memoryview[Any]:
    """A new buffer of zeros: form "d" for float64, "q" for int64."""
    return memoryview(bytearray(8 * length)).cast(form)


def result_for(like: Any, form: Literal["d", "q"], length: int) -> memoryview[Any]:
    """A new buffer, "d" or "q", to be filled and then given back by give()."""
    if hasattr(like, "__array__") and "numpy" in sys.modules:
        return memoryview(sys.modules["numpy"].empty(length, form))  # in huge pages, where zeros() pays for small ones
    return zeros(form, length)


def give(result: memoryview[Any], like: Any) -> Any:
    """`result`, a buffer of result_for(), in the kind of `like`; without a copy where the kind allows."""
    libraries = {base.__module__.partition(".")[0] for base in type(like).__mro__}
    if "torch" in libraries and hasattr(like, "device"):
        torch = sys.modules["torch"]
        dtype = torch.float64 if result.format == "d" else torch.int64
        values = result if len(result) else []  # torch takes no empty buffer
        return torch.asarray(values, dtype=dtype).to(like.device)
    if "pandas" in libraries and hasattr(like, "index"):
        return sys.modules["pandas"].Series(sys.modules["numpy"].asarray(result), index=like.index)
    if hasattr(like, "__array__"):
        return sys.modules["numpy"].asarray(result)
    if "array" in libraries:
        kind = sys.modules["array"].array(result.format)
        kind.frombytes(result.cast("B"))
        return kind
    return result if isinstance(like, memoryview) else result.tolist()


def count(value: Any, name: str) -> int:
    """`value` as an integer that is not negative."""
    try:
        result: int = value.__index__()
    except (AttributeError, TypeError):
        raise TypeError(f"{name} must be an integer, not {type_name(value)}") from None
    if result < 0:
        raise ValueError(f"{name} must not be negative, and it is {result}")
    if result > sys.maxsize:
        raise ValueError(f"{name} is too large: {result}")
    return result


def _from_array(values: Any, name: str) -> Any:
    """What `values`, an object with __array__, holds: a contiguous float64 NumPy array, or a list."""
    masked = values.mask if hasattr(values, "filled") else None
    try:
        values = values.__array__()
    except Exception:  # torch where a gradient is recorded, or where NumPy lacks the dtype or is not installed
        try:
            return values.tolist()
        except Exception as error:
            raise TypeError(f"{name} ({type_name(values)}) cannot be read as numbers: {error}") from error
    if values.ndim != 1:
        raise ValueError(_not_flat(name, values.shape))
    if masked is not None and masked.any():
        raise ValueError(f"{name}[{masked.argmax()}] is masked: every step needs a number")
    if values.dtype.kind == "O":  # Python objects, each to be looked at
        return values.tolist()
    if values.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, not {values.dtype}")
    if values.dtype == "float64" and values.flags.c_contiguous:
        return values
    doubles = sys.modules["numpy"].empty(len(values))
    for start in range(0, len(values), BLOCK):
        doubles[start : start + BLOCK] = values[start : start + BLOCK]
    return doubles


def _copy(values: Any, name: str) -> memoryview[float]:
    """The numbers of any iterable, in a buffer of our own."""
    if isinstance(values, list):
        numbers = zeros("d", len(values))
        _copy_list(values, numbers, name, 0)
        return numbers
    if isinstance(values, (str, dict, set, frozenset)):
        raise TypeError(f"{name} must be a sequence of numbers, not a {type(values).__name__}")
    collected = bytearray()
    try:
        iterator = _iterate(values, name)
        while chunk := list(islice(iterator, CHUNK)):
            numbers = zeros("d", len(chunk))
            _copy_list(chunk, numbers, name, len(collected) // 8)
            collected += numbers.cast("B")
    except NotImplementedError:  # from a memoryview
        raise TypeError(f"{name} is a buffer of a format that Python cannot read: make it float64 first") from None
    return memoryview(collected).cast("d")


def _iterate(values: Any, name: str) -> Iterator[Any]:
    try:
        return iter(values)
    except TypeError:
        raise TypeError(f"{name} must be a sequence of numbers, not {type_name(values)}") from None


def _copy_list(values: list[Any], out: memoryview[float], name: str, offset: int) -> None:
    """Copy a list to a buffer of its length; `offset` is where the caller's values start, for the errors."""
    position = 0
    while position < len(out):
        stop = min(len(out), position + BLOCK)
        if len(values) == len(out):
            position = core.copy_numbers(values, position, stop, out)
            if position == stop:
                continue
            out[position] = _element(values[position], f"{name}[{offset + position}]", name)
            position += 1
        if len(values) != len(out):  # an element of the caller's own type, or a signal handler, can do anything
            raise RuntimeError(f"{name} changed while it was read")


def _element(value: Any, element: str, name: str) -> float:
    """One number that is no plain finite float or int: the float it stands for, or the error."""
    if isinstance(value, (list, tuple)) or getattr(value, "ndim", None):
        raise ValueError(
            f"{element} is a {type(value).__name__}: {name} must be flat, one number a step. For one column of a table "
            f"pass [row[0] for row in {name}]"
        )
    return number(value, element)


def _not_flat(name: str, shape: tuple[int, ...] | None) -> str:
    if not shape:
        return f"{name} is a single number; it must be a sequence, one number a step"
    return (
        f"{name} has shape {shape}; it must be one-dimensional, one number a step. Pass one column, {name}[:, 0], "
        f"or all values in a row, {name}.ravel()"
    )
