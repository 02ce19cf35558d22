"""Times of a series, and how they go on: numbers, ISO dates and datetimes, with a constant step or in months."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from fastrnn._series import Problem

# ---- one time ----


def read(text: str) -> Decimal | date | None:
    """What a time is; of a month, 2026-01, its first day."""
    try:
        if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", text, re.ASCII):
            return Decimal(text)
        if re.fullmatch(r"\d{4}-\d\d", text, re.ASCII):
            return date.fromisoformat(text + "-01")
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return date.fromisoformat(text)
        return datetime.fromisoformat(text) if re.match(r"\d{4}-\d\d-\d\d[T ]\d", text, re.ASCII) else None
    except ValueError:
        return None


def writer(text: str) -> Callable[[Any], str]:
    """Writes times as `text` is written."""
    example = read(text)
    if not isinstance(example, datetime):
        return (lambda time: str(time)[:7]) if isinstance(example, date) and len(text) == 7 else str
    separator = text[10:11]
    for detail in "minutes", "seconds", "milliseconds", "microseconds":

        def write(time: datetime, detail: str = detail) -> str:
            said = time.isoformat(separator, detail)
            return said.removesuffix("+00:00") + "Z" if text.endswith("Z") else said

        if write(example) == text:
            return write
    return lambda time: time.isoformat(separator)


def months(time: date) -> int:
    return 12 * time.year + time.month - 1


def in_month(time: Any, month: int, day: int) -> Any:
    """The same time in another month, on that day or on its last one."""
    year, month = divmod(month, 12)
    return time.replace(year=year, month=month + 1, day=min(day, monthrange(year, month + 1)[1]))


# ---- many ----


def go_on(texts: list[str], steps: int, where: str) -> list[str]:
    """The times that follow; a Problem, told of `where`, if it is not plain which."""
    advice = "Give --time rows to count the rows instead"
    times: list[Any] = [*map(read, texts)]
    if None in times:
        odd = texts[times.index(None)]
        raise Problem(f"{where} has {odd[:40]!r}, and only numbers and ISO dates (2026-01-31) go on. {advice}")
    if len(times) < 2:
        raise Problem(f"{where} has one time, and it takes two to tell the step. {advice}")
    if len({(type(time), getattr(time, "tzinfo", None) is None) for time in times}) > 1:
        raise Problem(f"{where} mixes numbers, dates and datetimes, with and without time zones. {advice}")
    write, last = writer(texts[-1]), times[-1]
    by = months(last) - months(times[-2]) if isinstance(last, date) else 0
    day = max(time.day for time in times) if by else 0  # the end of a month stays one
    if by > 0 and all(in_month(a, months(a) + by, day) == b for a, b in pairwise(times)):  # first: a month has days

        def after(count: int) -> Any:
            return in_month(last, months(last) + count * by, day)

    else:
        step = last - times[-2]
        for i, (a, b) in enumerate(pairwise(times)):
            if b - a != step:
                raise Problem(
                    f"{where} does not go on regularly: after {texts[i]} comes {texts[i + 1]}, and at the end "
                    f"after {texts[-2]} {texts[-1]}. {advice}"
                )
        if last <= times[-2]:
            raise Problem(f"{where} does not go forward: after {texts[-2]} comes {texts[-1]}. Sort the file by it")

        def after(count: int) -> Any:
            return last + count * step

    try:
        return [write(after(count)) for count in range(1, steps + 1)]
    except (OverflowError, ValueError):
        raise Problem(f"{where} would go beyond the year 9999. {advice}") from None
