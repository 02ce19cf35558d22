"""Which core runs, and what importing fastrnn brings along."""

import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMPILED = {"v4": "fastrnn._core_v4", "v3": "fastrnn._core_v3", "base": "fastrnn._core"}


def python(program, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**{name: value for name, value in os.environ.items() if name != "FASTRNN_BACKEND"}, **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.usefixtures("packages")
def test_the_best_core_by_default():
    try:
        cpu = importlib.import_module("fastrnn._cpu")
        best = "v4" if cpu.has_v4() else "v3" if cpu.has_v3() else "base"
    except ModuleNotFoundError:
        best = "base"
    assert python("import fastrnn; print(fastrnn.backend)").stdout == f"{best}\n"
    assert python("import fastrnn; print(fastrnn.backend)", FASTRNN_BACKEND="").stdout == f"{best}\n"


FLAGS = {  # of the levels, as Linux names them
    "v3": {"pni", "ssse3", "sse4_1", "sse4_2", "cx16", "popcnt", "lahf_lm", "abm", "movbe", "xsave"}
    | {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma"},
    "v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}


@pytest.mark.usefixtures("packages")
def test_what_the_cpu_offers():
    """As Linux says it, which leaves out what it does not save for a process."""
    info = Path("/proc/cpuinfo")
    if not info.exists() or not importlib.util.find_spec("fastrnn._cpu"):
        pytest.skip("needs Linux on x86-64")
    cpu = importlib.import_module("fastrnn._cpu")
    flags = set(next(line for line in info.read_text().splitlines() if line.startswith("flags")).split())
    assert cpu.has_v3() == (FLAGS["v3"] <= flags)
    assert cpu.has_v4() == (FLAGS["v3"] | FLAGS["v4"] <= flags)


def test_a_named_core(backend):
    program = "import fastrnn; print(fastrnn.backend, fastrnn.SimpleRNN.__mro__[2].__module__)"
    module = {**COMPILED, "python": "fastrnn._fallback"}[backend]
    assert python(program, FASTRNN_BACKEND=backend).stdout == f"{backend} {module}\n"


def test_an_unknown_core():
    done = python("import fastrnn", FASTRNN_BACKEND="fast")
    assert done.returncode == 1
    assert "ImportError: FASTRNN_BACKEND='fast' is none of the cores: v4, v3, base, python" in done.stderr


WITHOUT_CORE = """
import sys

class NotBuilt:
    def find_spec(self, name, *_):
        if name in LEFT_OUT:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, NotBuilt())
import fastrnn
print(fastrnn.backend)
"""


NONE = f'LEFT_OUT = {{*{[*COMPILED.values()]}, "fastrnn._cpu"}}'
NO_CPU = 'LEFT_OUT = {"fastrnn._cpu"}'
OLD_CPU = """
LEFT_OUT = ()
import sys, types
sys.modules["fastrnn._cpu"] = types.SimpleNamespace(has_v3=lambda: False, has_v4=lambda: False)
"""


def test_without_a_compiled_core():
    assert python(NONE + WITHOUT_CORE).stdout == "python\n"
    for name in COMPILED:
        done = python(NONE + WITHOUT_CORE, FASTRNN_BACKEND=name)
        assert done.returncode == 1
        assert f"ImportError: FASTRNN_BACKEND='{name}', but that core is not in this installation" in done.stderr


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize(
    ("cpu", "why"), [(NO_CPU, "that core is not in this installation"), (OLD_CPU, "that core needs a CPU")]
)
def test_without_v3(cpu, why):
    """A CPU that cannot run v3, or is unknown: base runs, and asking for v3 or v4 is an error that says why."""
    assert python(cpu + WITHOUT_CORE).stdout == "base\n"
    for name in ("v3", "v4"):
        done = python(cpu + WITHOUT_CORE, FASTRNN_BACKEND=name)
        assert done.returncode == 1
        assert f"ImportError: FASTRNN_BACKEND='{name}', but {why}" in done.stderr


SUBINTERPRETER = """
try:
    import _interpreters as interpreters
except ModuleNotFoundError:
    import _xxsubinterpreters as interpreters  # its name before Python 3.13
PROGRAM = '''
import os
os.environ["FASTRNN_BACKEND"] = "WANTED"
try:
    import fastrnn
    print(fastrnn.backend, fastrnn.RNN(2, seed=1).predict([1.0, 2.0]), flush=True)
except ImportError as error:
    print(error, flush=True)
'''
import importlib.util, sys, fastrnn
for module in MODULES:
    if importlib.util.find_spec(module):
        importlib.import_module(module)  # before Python 3.12 it can be loaded in any interpreter, but in one alone
print(fastrnn.RNN(2, seed=1).predict([1.0, 2.0]), flush=True)
for wanted in sys.argv[1:]:
    interpreters.run_string(interpreters.create(), PROGRAM.replace("WANTED", wanted))
""".replace("MODULES", repr([*COMPILED.values()]))


@pytest.mark.usefixtures("packages")
def test_in_a_subinterpreter():
    """The plain column runs, which is all that can be loaded there, with the same numbers."""
    if not any(map(importlib.util.find_spec, ("_interpreters", "_xxsubinterpreters"))):
        pytest.skip("this Python has no module to make subinterpreters")
    compiled = COMPILED if importlib.util.find_spec("fastrnn._cpu") else ["base"]
    done = python(SUBINTERPRETER, "", "python", *compiled)
    assert done.returncode == 0, done.stderr
    numbers, best, plain, *refused = done.stdout.splitlines()
    assert best == plain == f"python {numbers}"
    for name, line in zip(compiled, refused, strict=True):
        assert line.startswith(f"FASTRNN_BACKEND='{name}', but compiled cores cannot be loaded in a subinterpreter")


def test_imports_the_standard_library_alone(backend):
    program = "import sys; before = set(sys.modules); import fastrnn.study; print(*set(sys.modules) - before)"
    names = {name.partition(".")[0] for name in python(program, FASTRNN_BACKEND=backend).stdout.split()}
    ours = {name for name in names if name == "fastrnn" or name.startswith(("cython_runtime", "_cython_"))}
    assert "fastrnn" in ours
    assert names - ours <= sys.stdlib_module_names
