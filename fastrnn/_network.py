"""What SimpleRNN and RNN are as Python objects: how they are drawn, compared, copied and pickled."""

from __future__ import annotations

from fastrnn._checks import legible, of_state, type_name

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fastrnn._files import _Path
    from fastrnn.rnn import RNN
    from fastrnn.simple import SimpleRNN

    _Seed = int | float | str | bytes | None


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

    def __delete__(self, network: Any) -> None:
        raise AttributeError(f"{self.name} cannot be deleted")


class Base:
    """Two networks are equal when all that VALUES names is; `losses` and `seed` stand beside it."""

    __slots__ = ()

    VALUES: tuple[str, ...] = ()
    SCALARS: tuple[str, ...] = ()  # the floats among them that are arrays in a file
    losses: list[float]
    seed: _Seed = None

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
        try:
            if not isinstance(state, dict):
                raise ValueError("it must be a dict")
            of_state(self._restore, state)
        except ValueError as error:
            raise ValueError(f"this is no state of {type(self).__name__}: {error}") from None

    def _restore(self, state: dict[str, Any]) -> None:
        """Become what __getstate__() told, or raise an error and stay."""
        raise NotImplementedError

    def _check_parameters(self) -> None:
        """A ValueError where one is not finite, unless none can be."""

    def save(self, path: _Path) -> None:
        """Write the network to a file. fastrnn.load() makes an equal one of it, which goes on as this one would.

        It keeps all that == compares, `losses` and `seed`, the steps of learn() that wait for their update, and what
        attributes of your own you have added, if they are numbers, strings, bytes, None or lists of these. Of an
        instance of a subclass load() makes a network of the class that fastrnn has. The file is of the safetensors
        format: safetensors.numpy.load_file() gives the parameters by their names, as NumPy arrays.

        path : str, bytes or os.PathLike. A file that is there is replaced in one step, and hands on its mode. If the
            process is killed meanwhile, or the power fails, the old file is there or the new one, whole; beside it may
            stay one named fastrnn.*.tmp, to be deleted. Of a link, the file that it leads to is replaced.

        Raises
        ------
        TypeError : an attribute of your own, which the message names, is nothing that a file keeps; or `path` no path.
        ValueError : a parameter has been set to NaN or infinity, say, so that load() would refuse it; or what is at
            `path` is not a file.
        OSError : the system cannot write there.

        After an error all is as before.
        """
        from io import BytesIO

        from fastrnn import _files  # here, as in load(): what it needs costs as much as all of fastrnn

        name = _files.name_of(path)
        kind: type[Base] = next(kind for kind in type(self).__mro__ if Base in kind.__bases__)
        try:
            data = _files.encode(kind, kind.__getstate__(self))
            made(*_files.decode(BytesIO(data), len(data), kinds()))
            _files.write(name, data)
        except ValueError as error:
            raise ValueError(legible(f"cannot save to {name}: {error}")) from None
        except RecursionError:
            raise ValueError(legible(f"cannot save to {name}: an attribute is nested too deeply")) from None


def load(path: _Path) -> RNN | SimpleRNN:
    """The network that save() has written to a file: equal to that one, with its `losses`, and it goes on alike.

    Nothing in the file is run, and nothing is believed: one from a stranger does no harm.

    path : str, bytes or os.PathLike.

    Raises
    ------
    ValueError : it is no such file, or damaged, or of a newer fastrnn; the message, one line, tells what is wrong.
    OSError : the system cannot read it.
    """
    from fastrnn import _files

    name = _files.name_of(path)
    try:
        return made(*_files.read(name, kinds()))  # type: ignore[return-value]
    except ValueError as error:
        raise ValueError(legible(f"cannot load {name}: {error}")) from None
    except RecursionError:
        raise ValueError(legible(f"cannot load {name}: it is nested too deeply")) from None


def kinds() -> dict[str, type[Base]]:
    return {kind.__name__: kind for kind in Base.__subclasses__()}


def made(kind: type[Base], state: dict[str, Any]) -> Base:
    """A network of a state that may come from anywhere, or a ValueError."""
    for name in state:
        if name in kind.VALUES:
            continue
        # It must not stand before what the class has, a method say, or be where a setting is kept.
        there = getattr(kind, name, None)
        free = there is None or isinstance(there, (int, float)) or hasattr(there, "__set__")
        if not free or not name.isidentifier() or name.startswith("__") or name.removeprefix("_") in kind.VALUES:
            raise ValueError(f"{name!r} is no name for an attribute of a {kind.__name__}")
    for name in state.keys() & {"losses", "validation_losses"}:
        if not isinstance(state[name], list) or not all(isinstance(loss, float) for loss in state[name]):
            raise ValueError(f"{name} must be a list of floats")
    network = kind.__new__(kind)
    of_state(network._restore, state)
    network._check_parameters()
    return network


def seed_of(seed: Any) -> _Seed:
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
