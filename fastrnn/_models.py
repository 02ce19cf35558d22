"""What the command keeps of a network, and beside it: how a file becomes the series that it has learnt."""

from __future__ import annotations

import os
from array import array
from itertools import pairwise
from typing import NamedTuple

import fastrnn
from fastrnn import RNN, SimpleRNN, _files
from fastrnn._series import Form, Problem, Series, read_series

# ---- from a file to a series ----


class Rule(NamedTuple):
    """Which columns are read, and what is learnt: numbers as they are, or 1 above a threshold or where they rose."""

    column: str | None
    time: str | None
    inputs: list[str]
    season: int | None
    threshold: float | None
    diff: bool

    def read(self, path: str, form: Form) -> Series:
        """The columns, in which 0 and 1 stand where numbers are to become them."""
        series = read_series(path, self.column, self.inputs, self.time, form)
        if self.threshold is not None:
            threshold = self.threshold
            return series._replace(columns=[array("d", (value > threshold for value in series.values))])
        if self.diff:
            rose = array("d", (after > before for before, after in pairwise(series.values)))
            either = bytearray(a | b for a, b in pairwise(series.filled))
            return series._replace(columns=[rose], times=series.times[1:], filled=either)
        return series

    def __str__(self) -> str:
        if self.threshold is not None:
            return f"a value above {self.threshold!r} is a 1"
        return "a value that rose is a 1" if self.diff else "as they are"


def are_bits(series: Series) -> bool:
    read = (value for value, filled in zip(series.values, series.filled, strict=True) if not filled)
    return all(value in (0.0, 1.0) for value in read)


def refuse_others(series: Series, advice: str) -> None:
    """A network for 0 and 1 can do nothing with other numbers."""
    ordered = sorted(series.values)
    if any(value not in (0.0, 1.0) for value in ordered):
        median = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
        raise Problem(
            f"{series.name} is not a series of 0 and 1: its numbers go from {ordered[0]:.10g} to {ordered[-1]:.10g}, "
            f"and their median is {median:.10g}. {advice}"
        )


# ---- what is written and read ----


def check_target(path: str, source: str, option: str = "--save", what: str = "a model") -> None:
    """Find out before a long training, not after it, that something cannot be written there."""
    if path == "-":
        raise Problem(f"cannot write {what} to standard output: {option} needs the name of a file")
    if os.path.realpath(path) == os.path.realpath(source):
        raise Problem(f"cannot write {path}: it is the series itself")
    write(path, None)


def write(path: str, data: bytes | None) -> None:
    try:
        _files.write(path, data)
    except (FileNotFoundError, NotADirectoryError):
        raise Problem(f"cannot write {path}: its directory is not there") from None
    except OSError as error:  # a name too long, say
        raise Problem(f"cannot write {path}: {error.strerror}") from None
    except ValueError as error:
        raise Problem(f"cannot write {path}: {error}") from None


def save(path: str, network: SimpleRNN | RNN, rule: Rule) -> None:
    """The network, and with it the rule that makes a series of a file."""
    network._series = [*rule]  # type: ignore[union-attr]
    try:
        network.save(path)
    except OSError as error:
        raise Problem(f"cannot write {path}: {error.strerror}") from None


def load(path: str) -> tuple[SimpleRNN | RNN, Rule | None]:
    """The network of a model, and its rule if `fastrnn train` has saved it."""
    if path == "-":
        raise Problem("cannot read a model from standard input: --model needs the name of a file")
    try:
        network = fastrnn.load(path)
    except OSError as error:
        raise Problem(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise Problem(str(error)) from None
    width = network.input_size if isinstance(network, RNN) else 1
    match getattr(network, "_series", None):
        case None:
            return network, None
        case [
            None | str() as column,
            None | str() as time,
            list(inputs),
            None | int() as season,
            None | float() as threshold,
            bool() as diff,
        ] if len(inputs) == width - 1 and all(isinstance(name, str) for name in inputs):
            if not isinstance(season, bool) and (threshold is None or not diff):
                return network, Rule(column, time, inputs, season, threshold, diff)
    raise Problem(f"cannot load {path}: it does not tell rightly how a file becomes its series")
