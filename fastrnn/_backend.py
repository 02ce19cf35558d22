"""Picks the core, once, when fastrnn is imported.

The environment variable FASTRNN_BACKEND unset or empty: the best core that is there and that the CPU can run. A core's
name: that core, or an ImportError that says why it cannot be. A compiled core can be loaded in one interpreter
of a process alone, and from Python 3.12 on in the main one: in others the pure-Python core is the best there is.
"""

from __future__ import annotations

import os
from importlib import import_module

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["backend", "core"]

CORES = {  # by name, best first
    "v4": "fastrnn._core_v4",
    "v3": "fastrnn._core_v3",
    "base": "fastrnn._core",
    "python": "fastrnn._fallback",
}
NEEDS = {"v4": "x86-64-v4 (AVX-512)", "v3": "x86-64-v3 (AVX2)"}  # of the CPU

# How the errors end by which Python and Cython refuse to load a compiled module in this interpreter.
REFUSALS = ("loading in subinterpreters", "one interpreter per process.")


def load(module: str) -> ModuleType | None:
    """The module, or None where it is not in this installation."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return None


def runs(name: str) -> bool:
    """Whether the CPU can run the core, for all this installation can tell."""
    if name not in NEEDS:
        return True
    cpu = load("fastrnn._cpu")
    has: bool = cpu is not None and getattr(cpu, f"has_{name}")()
    return has


def choose(wanted: str) -> tuple[str, ModuleType]:
    """The name and the module of the core to run, for a value of FASTRNN_BACKEND."""
    if wanted and wanted not in CORES:
        raise ImportError(f"FASTRNN_BACKEND={wanted!r} is none of the cores: {', '.join(CORES)}")
    refused = None
    for name in [wanted] if wanted else CORES:
        try:
            core = load(CORES[name]) if runs(name) else None
        except ImportError as error:
            if not str(error).endswith(REFUSALS):
                raise
            refused = error
        else:
            if core is not None:
                return name, core
    if refused is not None:
        raise ImportError(
            f"FASTRNN_BACKEND={wanted!r}, but compiled cores cannot be loaded in a subinterpreter, or in a second "
            "interpreter of a process. Unset FASTRNN_BACKEND to run the best core that can be loaded here"
        ) from refused
    if wanted in NEEDS and load("fastrnn._cpu") is not None and not runs(wanted):
        raise ImportError(
            f"FASTRNN_BACKEND={wanted!r}, but that core needs a CPU and an operating system that offer "
            f"{NEEDS[wanted]}, and these do not. Unset FASTRNN_BACKEND"
        )
    raise ImportError(
        f"FASTRNN_BACKEND={wanted!r}, but that core is not in this installation: it was built without a C compiler or "
        f"without Cython{', or for another kind of CPU' if wanted in NEEDS else ''}. To see why, install it again by "
        "FASTRNN_BUILD=require pip install --no-cache-dir --force-reinstall fastrnn, or unset FASTRNN_BACKEND"
    )


if TYPE_CHECKING:
    from fastrnn import _core as core

    backend: str
else:
    backend, core = choose(os.environ.get("FASTRNN_BACKEND", ""))
