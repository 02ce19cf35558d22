"""The errors that _data and all cores share: about one number of the caller's, and about a training that diverges."""

from __future__ import annotations

import sys
from math import inf, isfinite

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any


def number(value: object, name: str) -> float:
    """`value` as a finite float.

    Takes one real number of any type: int, float, bool, Fraction, Decimal, a NumPy or torch scalar. TypeError for
    anything else, ValueError for NaN, infinity and integers beyond float64; the message calls the value `name`.
    """
    kind = type(value)
    dtype = getattr(value, "dtype", None)  # NumPy's strings, dates and complex numbers have __float__ too
    if (
        not (hasattr(kind, "__float__") or hasattr(kind, "__index__"))
        or getattr(dtype, "kind", "f") not in "fiub"
        or getattr(value, "ndim", 0) != 0
    ):
        raise TypeError(f"{name} must be a real number, not {type_name(value)}")
    try:
        result = float(value)  # type: ignore[arg-type]
    except OverflowError:
        raise ValueError(f"{name} must fit a float64, and it is an integer too large for that") from None
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} must be a real number: {error}") from error
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
        result: int = value.__index__()
    except (AttributeError, TypeError):
        raise TypeError(f"{name} must be an integer, not {type_name(value)}") from None
    if result < least:
        raise ValueError(f"{name} must {f'be at least {least}' if least else 'not be negative'}, and it is {result}")
    if result > sys.maxsize:
        raise ValueError(f"{name} is too large: {result}")
    return result


def one_of(allowed: Collection[str], value: Any, name: str, where: str = "") -> None:
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be {' or '.join(map(repr, allowed))}{where}, not {value!r}")


def check_length(buffer: Sequence[float] | memoryview[float] | memoryview[int], length: int) -> None:
    """Hold a caller of a core to its boundary; who uses the public classes never sees this error."""
    if len(buffer) != length:
        raise ValueError(f"a buffer of {length} numbers is needed, not of {len(buffer)}")


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
