"""Series for the command: the numbers of a CSV or text file, and the rule that turns them into 0 and 1."""

from __future__ import annotations

import contextlib
import csv
import io
import math
import re
from array import array
from collections.abc import Iterator
from itertools import chain, islice, pairwise
from typing import NamedTuple


class Problem(Exception):
    """What the user can put right: told in one line, without a traceback."""


def name_of(path: str) -> str:
    return "standard input" if path == "-" else path


@contextlib.contextmanager
def open_text(path: str) -> Iterator[io.TextIOWrapper]:
    """The open file, or standard input; what goes wrong while it is read becomes a Problem."""
    try:
        with open(0 if path == "-" else path, encoding="utf-8-sig", newline="", closefd=path != "-") as file:
            yield file
    except OSError as error:
        raise Problem(f"cannot read {name_of(path)}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Problem(f"{name_of(path)} is not UTF-8 text: save it as UTF-8 first") from None


class Table:
    """The rows of a CSV or text file with their line numbers, without blank lines and lines that begin with #.

    The separator is a tab if the first two lines have one, else a semicolon, else a comma, else white space.
    """

    def __init__(self, file: io.TextIOWrapper, name: str) -> None:
        self.name = name
        # Comments are emptied, not left out, so that the reader counts every line.
        lines: Iterator[str] = ("\n" if line.isspace() or line.lstrip().startswith("#") else line for line in file)
        head, written = [], 0
        while written < 2 and (line := next(lines, "")):
            head.append(line)
            written += line != "\n"
        unquoted = re.sub('"[^"]*"', "", "".join(head))
        self.separator = next((separator for separator in "\t;," if separator in unquoted), " ")
        lines = chain(head, lines)
        if self.separator == " ":
            lines = (" ".join(line.split()) + "\n" for line in lines)
        self._reader = csv.reader(lines, delimiter=self.separator, skipinitialspace=True, strict=True)

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        try:
            for fields in self._reader:
                if fields:
                    yield self._reader.line_num, [field.strip() for field in fields]
        except csv.Error as error:
            raise Problem(f"{self.name}:{self._reader.line_num}: {error}") from None

    def number(self, field: str) -> float | None:
        """The number in a field, or None. Where semicolons separate, a comma is a decimal comma."""
        try:
            return None if "_" in field else float(field.replace(",", ".") if self.separator == ";" else field)
        except ValueError:
            return None


def read_series(path: str, column: str | None) -> tuple[array[float], str | None]:
    """The numbers of one column, or of all; and the `column` that finds them in a later file of the same form."""
    values = array("d")
    with open_text(path) as file:
        table = Table(file, name_of(path))
        rows = iter(table)
        sample = list(islice(rows, 100))
        if not sample:
            raise Problem(f"{table.name} is empty")
        names = [""] * len(sample[0][1])
        if all(table.number(field) is None for field in sample[0][1]):  # then it is the header
            names = [" ".join(field.split()) for field in sample.pop(0)[1]]
            if sample and len(sample[0][1]) == 1:  # over one column, whose name is several words
                names = [" ".join(names)]
        index = choose_column(table, names, column, [fields for _, fields in sample])
        if index is not None:
            unique = names[index] and names.count(names[index]) == 1
            column = names[index] if unique else str(index + 1) if len(names) > 1 else None
        what = f"column {column}" if column and index is not None else "the value"
        for line, fields in chain(sample, rows):
            if index is not None and len(fields) != len(names):
                raise Problem(f"{table.name}:{line}: the number of fields is {len(fields)}, not {len(names)} as before")
            for field in fields if index is None else [fields[index]]:
                value = table.number(field)
                if value is None or not math.isfinite(value):
                    found = f"{field[:40]!r}, not a number" if field else "empty"
                    raise Problem(f"{table.name}:{line}: {what} is {found}")
                values.append(value)
    return values, column


def choose_column(table: Table, names: list[str], column: str | None, sample: list[list[str]]) -> int | None:
    """The index of the column to read; None for the numbers of all, line by line."""

    def is_numeric(index: int) -> bool:
        good = sum(len(row) > index and table.number(row[index]) is not None for row in sample)
        return 2 * good > len(sample)

    choice = list(range(len(names)))
    if column is None:
        if len(names) == 1:
            return 0
        if len(sample) == 1 and not any(names):  # a file of one line
            return None
        numeric = [index for index in choice if is_numeric(index)]
        if len(numeric) == 1:
            return numeric[0]
        choice = numeric or choice
        problem = "has several columns of numbers:" if numeric else "has no column of numbers, only"
    else:
        if names.count(column) == 1:
            return names.index(column)
        if column == "all":
            return None
        if re.fullmatch("[0-9]{1,18}", column) and 1 <= int(column) <= len(names):
            return int(column) - 1
        problem = f"has several columns {column}:" if column in names else f"has no column {column}, only"
    told = ", ".join(f"{index + 1} ({names[index]})" if names[index] else str(index + 1) for index in choice)
    advice = "" if any(names) else ", or with --column all to read all numbers, line by line"
    raise Problem(f"{table.name} {problem} {told}. Choose one with --column, by name or by number{advice}")


class Rule(NamedTuple):
    """How a file becomes a 0/1 series: which column of it, and 1 above a threshold, where it rose, or as it is."""

    column: str | None
    threshold: float | None
    diff: bool

    def apply(self, values: array[float], name: str, advice: str) -> array[float]:
        """The series; `advice` is for numbers that are not 0 and 1 where the rule leaves them as they are."""
        if self.threshold is not None:
            threshold = self.threshold
            return array("d", (value > threshold for value in values))
        if self.diff:
            return array("d", (after > before for before, after in pairwise(values)))
        if any(value not in (0.0, 1.0) for value in values):
            ordered = sorted(values)
            median = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
            raise Problem(
                f"{name} is not a series of 0 and 1: its numbers go from {ordered[0]:.10g} to {ordered[-1]:.10g}, and "
                f"their median is {median:.10g}. {advice}"
            )
        return values

    def __str__(self) -> str:
        if self.threshold is not None:
            return f"a value above {self.threshold!r} is a 1"
        return "a value that rose is a 1" if self.diff else "0 and 1 as they are"
