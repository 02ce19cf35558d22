"""One fixture over all cores: a test that asks for `fastrnn` runs on each of them, in one process."""

import importlib
import importlib.util
import os
import signal
import sys
from types import SimpleNamespace

import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None, max_examples=100)
settings.register_profile("quick", deadline=None, max_examples=10)  # for instrumented builds
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def examples(inputs, targets, lengths, weights=None, by_step=True):
    """What a core takes from fastrnn._data: float64 buffers, one sequence after the other."""
    return SimpleNamespace(inputs=inputs, targets=targets, lengths=lengths, weights=weights, by_step=by_step)


COMPILED = {"v4": "fastrnn._core_v4", "v3": "fastrnn._core_v3", "base": "fastrnn._core"}
SHARED = {*COMPILED.values(), "fastrnn._cpu"}  # a compiled module can be loaded once only


def missing(backend):
    """Why `backend` cannot run here, or nothing. In CI a core that is not built is a failure instead."""
    if backend == "python":
        return ""
    if importlib.util.find_spec(COMPILED[backend]) is None:
        required = os.environ.get("CI") and (backend == "base" or importlib.util.find_spec("fastrnn._cpu"))
        assert not required, f"the core {backend} is not built"
        return f"the core {backend} is not built"
    if backend != "base" and not getattr(importlib.import_module("fastrnn._cpu"), f"has_{backend}")():
        return f"the CPU does not offer x86-64-{backend}"
    return ""


def load(backend):
    """A copy of the package that runs on `backend`, whatever the rest of the process runs on."""
    ours = [name for name in sys.modules if name.partition(".")[0] == "fastrnn" and name not in SHARED]
    before = {name: sys.modules.pop(name) for name in ours}
    wanted = os.environ.get("FASTRNN_BACKEND")
    os.environ["FASTRNN_BACKEND"] = backend
    try:
        package = importlib.import_module("fastrnn")
    finally:
        if wanted is None:
            del os.environ["FASTRNN_BACKEND"]
        else:
            os.environ["FASTRNN_BACKEND"] = wanted
        for name in list(sys.modules):
            if name.partition(".")[0] == "fastrnn" and name not in SHARED:
                del sys.modules[name]
        sys.modules.update(before)
    assert package.backend == backend
    return package


@pytest.fixture(scope="session", params=[*COMPILED, "python"])
def backend(request):
    """The name of each core in turn, or with indirect=["backend"] of the one that a test names."""
    if reason := missing(request.param):
        pytest.skip(reason)
    return request.param


@pytest.fixture(scope="session")
def fastrnn(backend):
    """The package, on each core in turn."""
    return load(backend)


@pytest.fixture
def interrupted_after():
    """A function that has KeyboardInterrupt raised in the main thread after so many seconds."""
    if not hasattr(signal, "setitimer"):
        pytest.skip("there are no such signals on Windows")

    def press(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, press)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def packages():
    """The package on every core: on the compiled ones first, of which there is at least one, and on the twin."""
    if reason := missing("base"):
        pytest.skip(reason)
    return [load(backend) for backend in (*COMPILED, "python") if not missing(backend)]
