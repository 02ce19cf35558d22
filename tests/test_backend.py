"""Which core runs, and what importing fastrnn brings along."""

import os
import subprocess
import sys

import pytest


def python(program, **environment):
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**{name: value for name, value in os.environ.items() if name != "FASTRNN_BACKEND"}, **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.usefixtures("both")
def test_the_best_core_by_default():
    assert python("import fastrnn; print(fastrnn.backend)").stdout == "base\n"
    assert python("import fastrnn; print(fastrnn.backend)", FASTRNN_BACKEND="").stdout == "base\n"


def test_a_named_core(backend):
    program = "import fastrnn; print(fastrnn.backend, fastrnn.SimpleRNN.__mro__[1].__module__)"
    module = {"base": "fastrnn._core", "python": "fastrnn._fallback"}[backend]
    assert python(program, FASTRNN_BACKEND=backend).stdout == f"{backend} {module}\n"


def test_an_unknown_core():
    done = python("import fastrnn", FASTRNN_BACKEND="fast")
    assert done.returncode == 1
    assert "ImportError: FASTRNN_BACKEND='fast' is none of the cores: base, python" in done.stderr


WITHOUT_CORE = """
import sys

class NotBuilt:
    def find_spec(self, name, *_):
        if name == "fastrnn._core":
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, NotBuilt())
import fastrnn
print(fastrnn.backend)
"""


def test_without_a_compiled_core():
    assert python(WITHOUT_CORE).stdout == "python\n"
    done = python(WITHOUT_CORE, FASTRNN_BACKEND="base")
    assert done.returncode == 1
    assert "ImportError: FASTRNN_BACKEND='base', but that core is not in this installation" in done.stderr


def test_imports_the_standard_library_alone(backend):
    program = "import sys; before = set(sys.modules); import fastrnn; print(*set(sys.modules) - before)"
    names = {name.partition(".")[0] for name in python(program, FASTRNN_BACKEND=backend).stdout.split()}
    ours = {name for name in names if name == "fastrnn" or name.startswith(("cython_runtime", "_cython_"))}
    assert "fastrnn" in ours
    assert names - ours <= sys.stdlib_module_names
