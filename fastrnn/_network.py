"""What SimpleRNN and RNN are as Python objects: how they are drawn, compared, copied and pickled."""

from __future__ import annotations

from fastrnn._checks import type_name

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Seed = int | float | str | bytes | None


class Setting:
    """What can be changed at any time: checked here, and kept under its name with an underscore (most by the core)."""

    def __init__(self, check: Callable[[Any, str], Any], none: Any = None) -> None:
        self.check = check
        self.none = none  # what the core takes for None

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, network: Any, owner: type | None = None) -> Any:
        if network is None:
            return self
        value = getattr(network, "_" + self.name)
        return None if value == self.none else value

    def __set__(self, network: Any, value: Any) -> None:
        is_none = value is None and self.none is not None
        setattr(network, "_" + self.name, self.none if is_none else self.check(value, self.name))


class Base:
    """Two networks are equal when all that VALUES names is; `losses` and `seed` stand beside it."""

    __slots__ = ()

    VALUES: tuple[str, ...] = ()
    losses: list[float]
    seed: Seed = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Base) or self.VALUES != other.VALUES:
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.VALUES)

    __hash__ = None  # type: ignore[assignment]  # it is mutable

    def __reduce__(self) -> tuple[Any, ...]:
        """For copy and pickle: numbers and names alone, so that a pickle does not depend on the core."""
        import copyreg

        return copyreg.__newobj__, (type(self),), self.__getstate__()  # type: ignore[attr-defined]

    def __getstate__(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in self.VALUES}
        own = {name: value for name, value in vars(self).items() if name.removeprefix("_") not in values}
        return {**values, **own, "losses": [*self.losses]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if not isinstance(state, dict):
            raise ValueError(f"this is no state of {type(self).__name__}: it must be a dict")
        try:
            self._restore(state)
        except KeyError as error:
            raise ValueError(f"this is no state of {type(self).__name__}: it has no {error}") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"this is no state of {type(self).__name__}: {error}") from None

    def _restore(self, state: dict[str, Any]) -> None:
        """Become what __getstate__() told, or raise an error and stay."""
        raise NotImplementedError


def seed_of(seed: Any) -> Seed:
    """A seed as a network keeps it: one of Python's own types, from which random.Random draws the same every time."""
    if isinstance(seed, float):
        if seed != seed:
            raise ValueError("seed must not be NaN, from which Python draws other numbers every time")
        return float.__float__(seed)
    if isinstance(seed, str):
        try:
            seed.encode()
        except UnicodeEncodeError:
            raise ValueError("seed must be a str that can be encoded as UTF-8") from None
        return str.__str__(seed)
    if isinstance(seed, (bytes, bytearray)):
        return bytes(seed)
    try:
        return None if seed is None else int(seed.__index__())  # random.Random takes no NumPy integers
    except (AttributeError, TypeError):
        kinds = "an integer, a float, a str, bytes or None"
        raise TypeError(f"seed must be {kinds}, not {type_name(seed)}") from None


def literal(value: Any) -> str:
    """repr(), also of an integer that Python does not print in decimal."""
    try:
        return repr(value)
    except ValueError:
        return hex(value)


def source_of(seed: Any) -> Any:
    """What weights are drawn from: random.Random(seed), or for None the module `random` itself."""
    import random  # here: it costs more than the rest of fastrnn

    seed = seed_of(seed)
    return random if seed is None else random.Random(seed)


def print_loss(epoch: int, loss: float) -> None:
    """The notebook's line, as soon as it is known."""
    print(f"Epoch {epoch}: Loss = {loss:.4f}", flush=True)
