"""Picks the core, once, when fastrnn is imported.

The environment variable FASTRNN_BACKEND unset or empty: the best core that is there. A core's name: that core, or an
ImportError where this installation does not have it.
"""

from __future__ import annotations

import os
from importlib import import_module

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["backend", "core"]

CORES = {"base": "fastrnn._core", "python": "fastrnn._fallback"}  # by name, best first


def choose(wanted: str) -> tuple[str, ModuleType]:
    """The name and the module of the core to run, for a value of FASTRNN_BACKEND."""
    if wanted and wanted not in CORES:
        raise ImportError(f"FASTRNN_BACKEND={wanted!r} is none of the cores: {', '.join(CORES)}")
    for name in [wanted] if wanted else CORES:
        try:
            return name, import_module(CORES[name])
        except ModuleNotFoundError as error:
            if error.name != CORES[name]:
                raise
    raise ImportError(
        f"FASTRNN_BACKEND={wanted!r}, but that core is not in this installation: it was built without a C compiler "
        "or without Cython. Install it again with FASTRNN_BUILD=require to see why, or unset FASTRNN_BACKEND"
    )


if TYPE_CHECKING:
    from fastrnn import _core as core

    backend: str
else:
    backend, core = choose(os.environ.get("FASTRNN_BACKEND", ""))
