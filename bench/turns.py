"""What benchmarks share: calls timed round by round in turn, one CPU for all of them, and tables in Markdown."""

import math
import os
import statistics
from time import perf_counter


def in_turn(calls, seconds=4.0, rounds=3):
    """The fastest round of each, in seconds: whatever else the machine does can only add to a time, and to all."""
    best, stop, done = dict.fromkeys(calls, math.inf), perf_counter() + seconds, 0
    while done < rounds or perf_counter() < stop:
        done += 1
        for name, call in calls.items():
            start = perf_counter()
            call()
            best[name] = min(best[name], perf_counter() - start)
    return best


def keep_to(cpus):
    """Let this thread, and those that it starts from now on, run on so many CPUs alone, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(CPUS)[:cpus])


CPUS = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}


TIMES = "\N{MULTIPLICATION SIGN}"


def number(value):
    """With three digits: 0.98, 17.3, 8,974."""
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"


def table(rows, ours, notes=None):
    """The lines of a table in Markdown: what each takes, and in brackets how many times as long as ours.

    rows : for each the numbers by column. notes : what else goes into the brackets, by row and column.
    """
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    yield "| | " + " | ".join(f"**{column}**" if column == ours else column for column in columns) + " |"
    yield "|---|" + "---:|" * len(columns)
    ratios = {column: [] for column in columns}
    for name, row in rows.items():
        cells = []
        for column in columns:
            if column not in row:
                cells.append("")
            elif column == ours:
                cells.append(f"**{number(row[ours])}**")
            else:
                ratios[column].append(row[column] / row[ours])
                note = (notes or {}).get((name, column))
                aside = f"{number(ratios[column][-1])}{TIMES}" + (f", {note}" if note else "")
                cells.append(f"{number(row[column])} ({aside})")
        yield f"| {name} | " + " | ".join(cells) + " |"
    for label, of in (("geometric mean", statistics.geometric_mean), ("least", min)):
        cells = [f"{number(of(ratios[column]))}{TIMES}" if ratios[column] else "" for column in columns]
        yield f"| {label} | " + " | ".join(cells) + " |"
