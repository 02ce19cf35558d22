"""`pytest` runs the tests, `pytest --benchmark-only` the benchmarks; a path given by hand always counts."""

import os
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
TESTS, BENCH = ROOT / "tests", ROOT / "bench"


def pytest_ignore_collect(collection_path, config):
    unwanted = TESTS if config.getoption("benchmark_only", default=False) else BENCH
    if collection_path != unwanted and unwanted not in collection_path.parents:
        return None
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        for arg in config.args:
            given = Path(config.invocation_params.dir, arg.split("::")[0]).resolve()
            if given == unwanted or unwanted in given.parents:
                return None
    return True


def pytest_report_header():
    import fastrnn

    return f"fastrnn {fastrnn.__version__}, backend {fastrnn.backend}, from {Path(fastrnn.__file__).parent}"


def pytest_sessionstart():
    # Who starts pytest in the background may have it ignore Ctrl-C, and with it the processes that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # In CI a missing compiled core is a failure, not a reason to skip.
    if os.environ.get("CI"):
        import fastrnn._core  # noqa: F401
