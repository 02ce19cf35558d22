"""The command's pictures. They need matplotlib, which nothing else here does."""

from __future__ import annotations

import io
import warnings
from typing import Any

from fastrnn import _times
from fastrnn._checks import legible
from fastrnn._models import write
from fastrnn._series import Problem


def figure_class() -> Any:
    """Asked for before anything that takes long."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise Problem("--plot needs matplotlib: pip install matplotlib") from None
    return Figure


def positions(times: list[str], first: int, count: int) -> list[Any]:
    """Where values stand: at their times, or at the numbers of their rows."""
    read = [*map(_times.read, times[first : first + count])]
    if read and None not in read and len({*map(type, read)}) == 1:
        return [time if hasattr(time, "year") else float(time) for time in read]  # type: ignore[arg-type]
    return [*range(first + 1, first + count + 1)]


def draw(path: str, title: str, column: str | None, lines: dict[str, tuple[list[Any], list[float], str]]) -> None:
    """lines : by their names, where their values stand, the values, and how they look."""
    figure = figure_class()(figsize=(8, 3.5), layout="constrained")
    axes = figure.add_subplot()
    for name, (x, y, style) in lines.items():
        axes.plot(x, y, style, linewidth=1.2, markersize=3, label=name)
    axes.set_title(legible(title), parse_math=False, fontsize=10)
    axes.set_ylabel(legible(column or ""), parse_math=False)
    figure.legend(loc="outside lower center", ncols=len(lines), frameon=False)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name in letters that its font lacks
        figure.savefig(file, format="png", dpi=120)
    write(path, file.getvalue())
