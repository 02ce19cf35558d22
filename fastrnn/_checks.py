"""What all modules share: looks at one value of the caller's, and the errors."""

from __future__ import annotations

import sys
from math import inf, isfinite
from struct import pack, unpack

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any, TypeVar

    _Made = TypeVar("_Made")


def attribute(value: object, name: str) -> Any:
    """What the caller's object says of itself, or None: its attributes can be missing, and a property can raise."""
    try:
        return getattr(value, name, None)
    except Exception:
        return None


def dimensions(value: object) -> int | None:
    """How many dimensions an array says it has; None for what is no array, or does not say."""
    if not (hasattr(value, "__array__") or isinstance(value, memoryview)):
        return None
    ndim = attribute(value, "ndim")
    if isinstance(ndim, int):
        return ndim
    shape = attribute(value, "shape")
    return len(shape) if isinstance(shape, tuple) else None


def real(value: object, name: str) -> float:
    """`value` as a float, NaN and infinity too.

    Takes one real number of any type: int, float, bool, Fraction, Decimal, a NumPy or torch scalar. TypeError for
    anything else, ValueError for integers beyond float64; the message calls the value `name`.
    """
    if not isinstance(value, (float, int)):
        kind, of_dtype = type(value), attribute(attribute(value, "dtype"), "kind")
        if (
            not (hasattr(kind, "__float__") or hasattr(kind, "__index__"))
            or str(of_dtype or "f") not in "fiub"  # NumPy's strings, dates and complex numbers have __float__ too
            or dimensions(value)
        ):
            raise TypeError(f"{name} must be a real number, not {type_name(value)}")
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:
        raise ValueError(f"{name} must fit a float64, and it is too large for that") from None
    except (TypeError, ValueError) as error:
        refusal = TypeError if isinstance(error, TypeError) else ValueError
        raise refusal(f"{name} must be a real number: {error}") from error


def number(value: object, name: str) -> float:
    """The same of a finite one alone: NaN and infinity are a ValueError."""
    result = real(value, name)
    if not isfinite(result):
        raise ValueError(f"{name} must be finite, not {result}")
    return result


def positive(value: Any, name: str) -> float:
    result = number(value, name)
    if result <= 0.0:
        raise ValueError(f"{name} must be positive or None, and it is {result!r}")
    return result


def not_negative(value: Any, name: str) -> float:
    result = number(value, name)
    if result < 0.0:
        raise ValueError(f"{name} must not be negative, and it is {result!r}")
    return result


def count(value: Any, name: str, least: int = 0) -> int:
    """`value` as an integer that is not negative, nor below `least`."""
    try:
        result = value.__index__()
    except (AttributeError, TypeError):
        result = None
    if not isinstance(result, int):
        raise TypeError(f"{name} must be an integer, not {type_name(value)}")
    if result > sys.maxsize:
        raise ValueError(f"{name} is too large: it must be at most {sys.maxsize}")
    if result < least:
        told = f", and it is {result}" if result >= -sys.maxsize else ""  # Python prints no int of 5,000 digits
        raise ValueError(f"{name} must {f'be at least {least}' if least else 'not be negative'}{told}")
    return result


def yes_or_no(value: Any, name: str) -> bool:
    """`value` as a bool: True and False, and NumPy's."""
    if not (
        isinstance(value, bool) or (dimensions(value) == 0 and attribute(attribute(value, "dtype"), "kind") == "b")
    ):
        raise TypeError(f"{name} must be True or False, not {type_name(value)}")
    return bool(value)


def one_of(allowed: Collection[str], value: Any, name: str, where: str = "") -> None:
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be {' or '.join(map(repr, allowed))}{where}, not {value!r}")


def doubles(values: Sequence[float]) -> memoryview[float]:
    """Numbers as a float64 buffer."""
    return memoryview(pack(f"{len(values)}d", *values)).cast("d")


def of_state(make: Callable[[dict[str, Any]], _Made], state: dict[str, Any]) -> _Made:
    """What `make` makes of a state, or a ValueError alone: it may come from anywhere."""
    try:
        return make(state)
    except KeyError as error:
        raise ValueError(f"it has no {error}") from None
    except (TypeError, AttributeError) as error:
        raise ValueError(str(error)) from None


def unpacked(data: bytes | memoryview) -> memoryview[float]:
    """A memory out of a pickle or a file as a float64 buffer, not copied where this platform has the same order."""
    if len(data) % 8:
        raise ValueError(f"its memory is {len(data)} bytes, no whole number of doubles")
    return memoryview(data).cast("d") if sys.byteorder == "little" else doubles(unpack(f"<{len(data) // 8}d", data))


def check_length(buffer: Sequence[float] | memoryview[float] | memoryview[int], length: int) -> None:
    """Hold a caller of a core to its boundary; who uses the public classes never sees this error."""
    if len(buffer) != length:
        raise ValueError(f"a buffer of {length} numbers is needed, not of {len(buffer)}")


def check_lengths(lengths: list[int]) -> int:
    """Hold the lengths of sequences to what they can be; returns their sum."""
    if min(lengths, default=0) < 0:
        raise ValueError("a length is negative")
    return sum(lengths)


def check_list(values: object, name: str) -> None:
    if not isinstance(values, list):
        raise TypeError(f"{name} must be a list, not {type_name(values)}")


def type_name(value: object) -> str:
    """What an error calls the type of `value`."""
    return "None" if value is None else type(value).__name__


def diverged(where: str, lr: float, clip: float | None = None) -> OverflowError:
    """The error for an update that is not finite; `where` is " at ...", or nothing.

    clip: of an RNN, infinity for none.
    """
    hint = "" if clip is None else ", or set clip" if clip == inf else f", or lower clip (it is {clip!r})"
    what = "the update" if clip is None else "the loss or the update"
    return OverflowError(
        f"training diverged{where}: {what} is not finite. The network is as it was before it. "
        f"Lower lr (it is {lr!r}), or scale the inputs and targets down{hint}"
    )


LONGEST = 300  # characters in a line that repeats what a file, its name or an argument holds


def legible(line: str) -> str:
    """`line` with nothing that could steer a terminal, as repr() would show it; of a long one both ends."""
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    end = LONGEST // 2 - len(" ... ")
    return line if len(line) <= LONGEST else f"{line[:end]} ... {line[-end:]}"
