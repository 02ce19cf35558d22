"""Series for the command: the columns of numbers in a CSV or text file, its times, and what stands in for gaps."""

from __future__ import annotations

import contextlib
import csv
import io
import math
import re
from array import array
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Collection, Iterator
from itertools import chain, islice
from typing import BinaryIO, NamedTuple

# ---- files of text ----

LONGEST_LINE = 2**24  # characters: a million numbers on one line, and no more memory than that takes


class Problem(Exception):
    """What the user can put right: told in one line, without a traceback."""


def name_of(path: str) -> str:
    return "standard input" if path == "-" else path


@contextlib.contextmanager
def open_text(path: str) -> Iterator[io.TextIOWrapper]:
    """The open file, or standard input, unpacked where it is gzip; what goes wrong while it is read is a Problem."""
    import gzip
    import zlib

    name = name_of(path)
    try:
        with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
            data: BinaryIO = file
            if file.peek(2)[:2] == b"\x1f\x8b":
                data = io.BufferedReader(gzip.GzipFile(fileobj=file))
            bom = data.peek(2)[:2]  # type: ignore[attr-defined]
            encoding = "utf-16" if bom in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8-sig"
            yield io.TextIOWrapper(data, encoding, newline="")
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise Problem(f"cannot read {name}: it begins as gzip does, and is damaged or cut short") from None
    except OSError as error:
        raise Problem(f"cannot read {name}: {error.strerror}") from None
    except UnicodeError:
        raise Problem(f"{name} is not UTF-8 text: save it as UTF-8 first") from None


def lines_of(file: io.TextIOWrapper, name: str) -> Iterator[str]:
    """Comments are emptied, not left out, so that the reader counts every line."""
    count = 0
    while line := file.readline(LONGEST_LINE + 1):
        count += 1
        if len(line) > LONGEST_LINE:
            raise Problem(f"{name}:{count}: the line has more than {LONGEST_LINE:,} characters: it is no table of text")
        if "\0" in line:
            raise Problem(
                f"{name}:{count}: there is a NUL byte: it is no text, or UTF-16 without its mark. Save as UTF-8"
            )
        yield "\n" if line.isspace() or line.lstrip().startswith("#") else line


class Form(NamedTuple):
    """How a file is written, as far as the user says it, and what is to be done about gaps."""

    missing: str = "error"
    sep: str | None = None
    decimal: str | None = None


class Table:
    """The rows of a CSV or text file with their line numbers, without blank lines and lines that begin with #.

    The separator is a tab if the first two lines have one, else a semicolon, else a comma, else white space.
    """

    def __init__(self, file: io.TextIOWrapper, name: str, form: Form) -> None:
        self.name, self.decimal = name, form.decimal
        lines = lines_of(file, name)
        head, written = [], 0
        while written < 2 and (line := next(lines, "")):
            head.append(line)
            written += line != "\n"
        unquoted = re.sub('"[^"]*"', "", "".join(head))
        likely = "\t;" if form.decimal == "," else "\t;,"
        self.separator = form.sep or next((separator for separator in likely if separator in unquoted), " ")
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
        """The number in a field, or None. Where semicolons separate, a comma is a decimal comma too."""
        if "_" in field or (self.decimal == "," and "." in field):
            return None
        comma = self.decimal == "," or (self.decimal is None and self.separator == ";")
        try:
            return float(field.replace(",", ".") if comma else field)
        except ValueError:
            return None


# ---- series ----

MISSING = {"", "-", ".", "?", "na", "n/a", "#n/a", "<na>", "nan", "none", "null"}  # in lower case


class Series(NamedTuple):
    """Columns of one length; by what `column`, `inputs` and `time` they are found in a later file of the same form."""

    name: str
    column: str | None
    inputs: list[str]
    time: str | None
    columns: list[array[float]]
    times: list[str]
    filled: bytearray  # 1 where a number was missing

    @property
    def values(self) -> array[float]:
        return self.columns[0]

    def __str__(self) -> str:
        return self.name + (f", column {self.column}" if self.column else "")


def read_series(
    path: str,
    column: str | None = None,
    inputs: Collection[str] = (),
    time: str | None = None,
    form: Form | None = None,
) -> Series:
    """The numbers of one column, or with "all" of all of them line by line; beside them `inputs` and times."""
    form = form or Form()
    with open_text(path) as file:
        table = Table(file, name_of(path), form)
        rows = iter(table)
        sample = [*islice(rows, 1)]
        if not sample:
            raise Problem(f"{table.name} is empty")
        width = len(sample[0][1])
        sample += islice(rows, min(99, 100_000 // width))
        names = [""] * width
        if is_header(table, sample[0][1]):
            names = [" ".join(field.split()) for field in sample.pop(0)[1]]
            if sample and len(sample[0][1]) == 1:  # over one column, whose name is several words
                names = [" ".join(names)]
        at = (
            None
            if time is None or (time == "rows" and time not in names)
            else find_column(table, names, time, "--time")
        )
        beside = [find_column(table, names, name, "--inputs") for name in inputs]
        others = {*beside} if at is None else {*beside, at}
        index = choose_column(table, names, column, [fields for _, fields in sample], others)
        if index is None and others:
            raise Problem("--column all has no place for other columns: leave out --inputs and --time")
        if index in others or len({*beside}) < len(beside) or at in beside:
            raise Problem("--column, --inputs and --time must be different columns: the series is its own input anyway")

        def later(index: int) -> str:
            unique = names[index] and names.count(names[index]) == 1
            return names[index] if unique else str(index + 1)

        columns = [array("d") for _ in range(1 + len(beside))]
        wanted = [] if index is None else [index, *beside]
        known_as = [later(i) if names[i] or len(names) > 1 else "" for i in wanted]
        told = [f"column {name}" if name else "the value" for name in known_as] or ["the value"]
        times = []
        for line, fields in chain(sample, rows):
            if index is not None and len(fields) != len(names):
                raise Problem(f"{table.name}:{line}: the number of fields is {len(fields)}, not {len(names)} as before")
            for row in [[fields[i] for i in wanted]] if index is not None else [[field] for field in fields]:
                numbers = [*map(table.number, row)]
                for i, value in enumerate(numbers):
                    if value is None or not math.isfinite(value):
                        numbers[i] = gap(f"{table.name}:{line}: {told[i]}", row[i], form.missing)
                if form.missing == "drop" and any(value != value for value in numbers):
                    continue
                for values, value in zip(columns, numbers, strict=True):
                    values.append(value)  # type: ignore[arg-type]  # gap() leaves no None
                if at is not None:
                    times.append(fields[at])
    filled = bytearray(len(columns[0]))
    for what, values in zip(told, columns, strict=True):
        for i in fill(values, form.missing, f"{table.name}: {what}"):
            filled[i] = 1
    column = column if index is None else known_as[0] or None
    time = time if at is None else later(at)
    return Series(table.name, column, known_as[1:], time, columns, times, filled)


def is_header(table: Table, fields: list[str]) -> bool:
    """No number stands in it; or nothing and then 0, 1, 2, which is how pandas names columns that have no names."""
    unnamed = len(fields) > 1 and fields == ["", *map(str, range(len(fields) - 1))]
    return unnamed or all(table.number(field) is None for field in fields)


def gap(where: str, field: str, missing: str) -> float:
    """NaN for what is not there; anything else that is no number is a Problem, and so is a gap if nobody says what to
    do about it."""
    if field.lower() not in MISSING:
        raise Problem(f"{where} is {field[:40]!r}, not a number")
    if missing == "error":
        found = f"missing ({field})" if field else "empty"
        raise Problem(f"{where} is {found}: --missing drop, ffill or interpolate tells what to do about it")
    return math.nan


def fill(values: array[float], missing: str, what: str) -> list[int]:
    """Put numbers where there is NaN: the one before, or a line to the one after. Returns where."""
    gaps = [i for i, value in enumerate(values) if value != value]
    before = -1
    for i in gaps:
        if i == 0:
            raise Problem(f"{what} begins with a gap, and nothing stands before it: --missing drop leaves it out")
        if missing == "ffill":
            values[i] = values[i - 1]
        elif i > before:  # the first of a run
            before = next((k for k in range(i, len(values)) if values[k] == values[k]), 0)
            if not before:
                raise Problem(f"{what} ends with a gap, and nothing stands after it: --missing drop or ffill goes on")
            first, last, length = values[i - 1], values[before], before - i + 1
            for k in range(i, before):
                values[k] = first + (last - first) * ((k - i + 1) / length)
    return gaps


# ---- columns ----


def choose_column(
    table: Table, names: list[str], column: str | None, sample: list[list[str]], others: set[int]
) -> int | None:
    """The index of the column to read, beside others that are spoken for; None for the numbers of all, line by line."""

    def is_numeric(index: int) -> bool:
        good = sum(len(row) > index and table.number(row[index]) is not None for row in sample)
        return 2 * good > len(sample)

    if column == "all" and names.count(column) != 1:
        return None
    if column is not None:
        return find_column(table, names, column)
    choice = [index for index in range(len(names)) if index not in others]
    if len(choice) == 1:
        return choice[0]
    if len(sample) == 1 and not any(names):  # a file of one line
        return None
    numeric = [index for index in choice if is_numeric(index)]
    if len(numeric) == 1:
        return numeric[0]
    raise no_choice(
        table,
        names,
        "has several columns of numbers:" if numeric else "has no column of numbers, only",
        numeric or choice,
    )


def find_column(table: Table, names: list[str], column: str, option: str = "--column") -> int:
    """The index of a column, by its name or its number from 1."""
    if names.count(column) == 1:
        return names.index(column)
    if re.fullmatch("[0-9]{1,18}", column) and 1 <= int(column) <= len(names):
        return int(column) - 1
    problem = f"has several columns {column}:" if column in names else f"has no column {column}, only"
    raise no_choice(table, names, problem, [*range(len(names))], option)


def no_choice(table: Table, names: list[str], problem: str, choice: list[int], option: str = "--column") -> Problem:
    told = ", ".join(f"{index + 1} ({names[index]})" if names[index] else str(index + 1) for index in choice)
    advice = {"--time": ", or with --time rows none", "--inputs": ""}.get(option)
    if advice is None:
        advice = "" if any(names) else ", or with --column all to read all numbers, line by line"
    return Problem(f"{table.name} {problem} {told}. Choose one with {option}, by name or by number{advice}")
