"""Measures the rows and, at the end of `pytest --benchmark-only`, prints the speed-up tables.

A table shows the fastest round of each row: whatever else the machine does can only add to a time. Times drift, so what
counts is a ratio within one run. Nothing here passes or fails by a time.

For a quick look: --benchmark-max-time=0.01 --benchmark-min-rounds=1
"""

import math
import platform
import statistics
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import pytest

TOLERANCE = 1e-9  # relative, for the rows that are not under the law of the same bits

ORDER = ("bench_train", "bench_predict", "bench_threads", "bench_calls", "bench_lists", "bench_import", "bench_ctrl_c")
ORDER += ("bench_rnn", "bench_sessions")
PACKAGES = ("fastrnn", "numpy", "numba", "jax", "torch", "dynet38", "onnxruntime")
SCALES = {"ns": 1e9, "ms": 1e3}

make = cache(lambda kind: kind())  # once each: some are compiled then


@pytest.fixture
def row(request):
    """The row of the class that is the parameter; skipped where what it needs is not installed."""
    return make(request.param)


@pytest.fixture
def measure(benchmark):
    """A function that first confirms that the numbers match, and then measures."""

    def measure(
        group,
        name,
        run,
        *,
        unit,
        per=1,
        of=None,
        numbers=None,
        expected=None,
        exact=True,
        remark="",
        less="",
        slowest=False,
        grid=None,
        **how,
    ):
        """Time run() as the row `name` of the table `group`.

        unit, per, of : the unit of the table, how many of what it counts run() does, and how many the full task has.
        numbers, expected : the row's and the twin's, where there are any.
        exact : whether they are held to the same bits, or to TOLERANCE.
        remark : what else is to be said of the row.
        less : the row that is the cost of measuring, and is taken off.
        slowest : whether the slowest round is what counts.
        grid : the title of a table of many groups in few lines, and this one's place there: (title, cell, units).
        how : what benchmark.pedantic takes; without it pytest-benchmark's options decide.
        """
        note = ""
        if expected is not None:
            confirm(numbers, expected, exact)
            note = "same bits" if exact else f"within {TOLERANCE:.0e}"
        if per < (of or per):
            note += f", over {per:,} {unit.split()[-1]}s"
        benchmark.group = group
        benchmark.extra_info.update(row=name, unit=unit, per=per, less=less, slowest=slowest)
        benchmark.extra_info.update(note=note, remark=remark, grid=grid)
        if how:
            benchmark.pedantic(run, **how)
        else:
            benchmark(run)

    return measure


def confirm(numbers, expected, exact):
    import numpy  # here: `pytest` alone loads this file too

    numbers, expected = numpy.asarray(numbers, float), numpy.asarray(expected, float)
    if exact:
        assert numbers.tobytes() == expected.tobytes()
    else:
        numpy.testing.assert_allclose(numbers, expected, rtol=TOLERANCE, atol=0)


@pytest.hookimpl(trylast=True)  # after pytest-benchmark's own tables
def pytest_terminal_summary(terminalreporter, config):
    session = getattr(config, "_benchmarksession", None)
    groups = {}
    for benchmark in session.benchmarks if session else ():
        if benchmark.stats.data and "row" in benchmark.extra_info:
            groups.setdefault(benchmark.group, []).append(benchmark)
    if not groups:
        return
    terminalreporter.section("speed-up tables: the fastest round of each row")
    terminalreporter.write_line(machine())
    grids = {}
    for group in list(groups):
        if place := groups[group][0].extra_info["grid"]:
            title, cell, units = place
            grids.setdefault(title, {})[cell, units] = groups.pop(group)
    for group in sorted(groups, key=lambda group: [name not in groups[group][0].fullname for name in ORDER]):
        terminalreporter.write_line("")
        for line in table(group, groups[group]):
            terminalreporter.write_line(line)
    for title, cells in grids.items():
        terminalreporter.write_line("")
        for line in grid_table(title, cells):
            terminalreporter.write_line(line)


def machine():
    """What the times depend on."""
    from cpuinfo import get_cpu_info  # pytest-benchmark depends on it

    parts = [get_cpu_info().get("brand_raw") or platform.machine(), platform.system()]
    parts.append(f"{platform.python_implementation()} {platform.python_version()}")
    for name in PACKAGES:
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            parts.append(f"no {name}")
    return ", ".join(parts)


def table(group, benchmarks):
    """The lines of one table, the fastest row first."""
    info = {benchmark.extra_info["row"]: benchmark.extra_info for benchmark in benchmarks}
    unit = benchmarks[0].extra_info["unit"]
    times = {}
    for benchmark in benchmarks:
        seconds = benchmark.stats.max if benchmark.extra_info["slowest"] else benchmark.stats.min
        times[benchmark.extra_info["row"]] = seconds * SCALES[unit.split()[0]] / benchmark.extra_info["per"]
    overheads = {name: times.pop(name) for name in {row["less"] for row in info.values()} if name in times}
    times = {name: time - overheads.get(info[name]["less"], 0.0) for name, time in times.items()}
    limit, ours = times.get("C"), times.get("fastrnn")

    yield group + "".join(f"; less {time:.1f} for {name}" for name, time in overheads.items())
    yield (
        f"{'':22}{unit:>14}"
        + (f"{'beyond C' if overheads else 'times C':>12}" if limit else "")
        + (f"{'fastrnn is faster':>20}" if ours and len(times) > 1 else "")
    )
    for name, time in sorted(times.items(), key=lambda item: item[1]):
        line = f"  {name:20}{time:14,.1f}"
        if limit:
            line += f"{time - limit:12,.1f}" if overheads else f"{time / limit:12,.2f}"
        if ours and len(times) > 1:
            line += " " * 20 if name in ("C", "fastrnn") else f"{ratio(time / ours):>20}"
        yield f"{line}   {info[name]['note']}".rstrip()


def ratio(value):
    """With three digits: 0.98x, 17.3x, 8,974x."""
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}x"


def grid_table(title, cells):
    """The lines of a table with one network a line: times, and in brackets how many times faster fastrnn is."""
    times = {
        place: {b.extra_info["row"]: b.stats.min * 1e9 / b.extra_info["per"] for b in benchmarks}
        for place, benchmarks in cells.items()
    }
    remarks = {
        place: {b.extra_info["row"]: b.extra_info["remark"] for b in benchmarks} for place, benchmarks in cells.items()
    }
    names = list(dict.fromkeys(name for row in times.values() for name in row))
    yield title
    yield f"{'':16}" + "".join(f"{name:>28}" for name in names)
    ratios = {name: [] for name in names}
    for (cell, units), row in times.items():
        line = f"  {cell:6} of {units:3}  "
        for name in names:
            if name not in row:
                line += f"{'':28}"
                continue
            faster = row[name] / row["fastrnn"] if "fastrnn" in row else math.nan
            ratios[name].append(faster)
            aside = f"({', '.join(filter(None, [ratio(faster), remarks[cell, units][name]]))})"
            line += f"{row[name]:12,.0f}{aside if name != 'fastrnn' else '':>16}"
        yield line.rstrip()
    for label, of in (("geometric mean", statistics.geometric_mean), ("least", min)):
        line = f"  {label:14}"
        for name in names:
            line += f"{ratio(of(ratios[name])) if name != 'fastrnn' and ratios[name] else '':>28}"
        yield line.rstrip()
