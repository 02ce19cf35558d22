"""One fixture over both cores: a test that asks for `fastrnn` runs on each of them, in one process."""

import importlib
import importlib.util
import os
import sys

import pytest
from hypothesis import settings

settings.register_profile("default", deadline=None, max_examples=100)
settings.register_profile("quick", deadline=None, max_examples=10)  # for instrumented builds
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def need(backend):
    """Skip where `backend` is not built; in CI that is a failure instead."""
    if backend != "python" and importlib.util.find_spec("fastrnn._core") is None:
        assert not os.environ.get("CI"), "the compiled core is not built"
        pytest.skip("the compiled core is not built")


def load(backend):
    """A copy of the package that runs on `backend`, whatever the rest of the process runs on.

    A compiled module can be loaded once only, so the copies share it.
    """
    ours = [name for name in sys.modules if name.partition(".")[0] == "fastrnn" and name != "fastrnn._core"]
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
            if name.partition(".")[0] == "fastrnn" and name != "fastrnn._core":
                del sys.modules[name]
        sys.modules.update(before)
    assert package.backend == backend
    return package


@pytest.fixture(scope="session", params=["base", "python"])
def backend(request):
    """The name of each core in turn, or with indirect=["backend"] of the one that a test names."""
    need(request.param)
    return request.param


@pytest.fixture(scope="session")
def fastrnn(backend):
    """The package, on each core in turn."""
    return load(backend)


@pytest.fixture(scope="session")
def both():
    """The package on the compiled core and on the twin."""
    need("base")
    return load("base"), load("python")
