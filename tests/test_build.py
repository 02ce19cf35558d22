"""Builds and installs in fresh environments: what they hold, which core each gets, and that all give the same numbers.

Minutes, so only with `pytest -m build`. It needs pip, a compiler, and for setuptools and Cython a package index.
"""

import functools
import http.server
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import threading
import tomllib
import zipfile
from pathlib import Path

import pytest

import fastrnn

ROOT = Path(__file__).parent.parent
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
X86_64 = platform.machine() in ("x86_64", "AMD64")
CORES = {name + SUFFIX for name in (("_core", "_core_v3", "_core_v4", "_cpu") if X86_64 else ("_core",))}
CPU = set(Path("/proc/cpuinfo").read_text().split()) if Path("/proc/cpuinfo").exists() else set()
V3 = X86_64 and {"avx2", "bmi2", "fma", "movbe"} <= CPU
V4 = V3 and {"avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl"} <= CPU
RUN = [*["v4"] * V4, *["v3"] * V3, "base", "python"]
BEST = RUN[0]

pytestmark = [
    pytest.mark.build,
    pytest.mark.skipif(os.name != "posix", reason="breaks the compiler by CC, which only Unix-like systems heed"),
]

# What the environment of a user would not have: this process's own choices, and a compiler's flags from around it.
OURS = ("FASTRNN_", "PYTHON", "CC", "CXX", "CFLAGS", "CPPFLAGS", "LDFLAGS", "LD_PRELOAD", "COVERAGE_", "VIRTUAL_ENV")


def run(*command, cwd, fails=False, **environment):
    """Run a command to its end; returns all that it printed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=inherited | {name: str(value) for name, value in environment.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout


def copy_tree(to):
    """The files of a checkout as they stand, committed or not; without git, all but what a build or a tool has made."""
    if (ROOT / ".git").exists():
        listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0")
        for name in listed:
            if name and (ROOT / name).exists():
                (to / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, to / name)
    else:
        made = shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info", "build", "dist", ".[!c]*", ".c[!i]*")
        shutil.copytree(ROOT, to, ignore=made)
    return to


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """setuptools and Cython, each in a folder of its own, so that a build can go without one."""
    folder = tmp_path_factory.mktemp("tools")
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    for requirement in wanted:
        name = "setuptools" if requirement.startswith("setuptools") else "cython"
        run(sys.executable, "-m", "pip", "install", "--quiet", "--target", folder / name, requirement, cwd=folder)
    assert sorted(path.name for path in folder.iterdir()) == ["cython", "setuptools"]
    return folder


@pytest.fixture
def tree(tmp_path):
    return copy_tree(tmp_path / "tree")


class Environment:
    """A fresh virtual environment that holds nothing but what is installed into it."""

    def __init__(self, folder, tools):
        run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.tools = tools

    def install(self, *what, cython=True, fails=False, **environment):
        """pip install, with the build tools at hand and no package index; returns all that it printed."""
        return run(
            *(sys.executable, "-m", "pip", "--python", self.python),
            *("install", "--verbose", "--no-deps", "--no-index", "--no-build-isolation", *what),
            cwd=self.folder,
            fails=fails,
            PYTHONPATH=os.pathsep.join([str(self.tools / "setuptools"), *([str(self.tools / "cython")] * cython)]),
            **environment,
        )

    def run(self, program, **more):
        """Run a program in isolated mode, so that the current folder is not on the path."""
        return run(self.python, "-I", "-c", program, cwd=self.folder, **more)

    def train(self, **environment):
        """The core that runs, and what it makes of a short training, to the last bit."""
        return json.loads(self.run(TRAIN, **environment))

    def files(self):
        """The files of the installed package, without those that Python itself made."""
        package = Path(self.run("import fastrnn; print(fastrnn.__file__)").strip()).parent
        files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {path.relative_to(package).as_posix() for path in files}


TRAIN = """
import json
import fastrnn
network = fastrnn.SimpleRNN(lr=0.3, epochs=20, seed=7)
values = [0.1 * (i * i % 17) for i in range(50)]
network.train(values[:-1], values[1:], verbose=False)
numbers = [network.w_input_hidden, network.w_hidden_hidden, network.w_hidden_output, network.b_hidden,
           network.b_output, *network.losses, *network.predict_proba(values)]
print(json.dumps([fastrnn.backend, [number.hex() for number in numbers]]))
"""


@pytest.fixture
def fresh(tmp_path, tools):
    return Environment(tmp_path / "environment", tools)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory, tools):
    """A wheel with the compiled core."""
    folder = tmp_path_factory.mktemp("wheel")
    (wheel,) = build("wheel", copy_tree(folder / "tree"), folder, tools, FASTRNN_BUILD="require").glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def sdist(tmp_path_factory, tools):
    folder = tmp_path_factory.mktemp("sdist")
    (sdist,) = build("sdist", copy_tree(folder / "tree"), folder, tools).glob("*.tar.gz")
    return sdist


def build(what, tree, to, tools, **environment):
    """What the build tools of any kind do: they ask the build backend of the tree."""
    program = f"import sys; from setuptools import build_meta; build_meta.build_{what}(sys.argv[1])"
    paths = os.pathsep.join([str(tools / "setuptools"), str(tools / "cython")])
    run(sys.executable, "-P", "-c", program, to, cwd=tree, PYTHONPATH=paths, **environment)
    return to


@pytest.fixture(scope="module")
def compiled(tmp_path_factory, tools, wheel):
    """An environment with the compiled core, installed from the wheel."""
    environment = Environment(tmp_path_factory.mktemp("compiled") / "environment", tools)
    environment.install(wheel)
    return environment


@pytest.fixture(scope="module")
def numbers(compiled):
    """What every core must give."""
    backend, numbers = compiled.train()
    assert backend == BEST
    return numbers


@pytest.fixture
def failing_compiler(tmp_path):
    compiler = tmp_path / "failing-compiler"
    compiler.write_text("#!/bin/sh\necho This compiler fails. >&2\nexit 1\n")
    compiler.chmod(0o755)
    return compiler


# ---- what the packages hold ----


def sources(pattern):
    return {path.relative_to(ROOT / "fastrnn").as_posix() for path in (ROOT / "fastrnn").glob(pattern)}


def test_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {Path(name) for name in archive.namelist()}
    package = {path.relative_to("fastrnn").as_posix() for path in names if path.parts[0] == "fastrnn"}
    assert package == sources("**/*.py") | sources("*.pyi") | {"py.typed", *CORES}
    information = f"fastrnn-{fastrnn.__version__}.dist-info"
    assert {path.parts[0] for path in names} == {"fastrnn", information}
    assert Path(information, "licenses", "LICENSE") in names
    assert wheel.stat().st_size < (750_000 if X86_64 else 350_000)  # of three cores, or one


def test_sdist(sdist, tree):
    """All files of the project but git's and GitHub's, and no generated C."""
    with tarfile.open(sdist) as archive:
        packed = {member.name.partition("/")[2] for member in archive if member.isfile()}
    files = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    generated = {"PKG-INFO", "setup.cfg"}
    expected = {name for name in files - generated if not name.startswith((".git", "fastrnn.egg-info/"))}
    assert {name for name in packed - generated if not name.startswith("fastrnn.egg-info/")} == expected
    assert {"LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "conftest.py", ".ci/run", "fastrnn/_core.pyx"} <= packed


def test_sdist_passes_its_own_tests(sdist, tmp_path, tools, numbers):
    """Installed by pip as by default, in isolation; the test libraries are those of this environment."""
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    environment = Environment(tmp_path / "environment", tools)
    pip = (sys.executable, "-m", "pip", "--python", environment.python, "install", "--no-deps")
    run(*pip, sdist, cwd=tmp_path, FASTRNN_BUILD="require")
    assert environment.train() == [BEST, numbers]
    site = environment.run("import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    Path(site, "borrowed.pth").write_text("\n".join(path for path in sys.path if Path(path).name == "site-packages"))
    # A safe path leaves out the current folder, whose fastrnn/ has no compiled core.
    # Quickly: what takes long is about the numbers, which the same tests in the checkout look at.
    quick = ("-m", "pytest", "-k", "not ctrl_c and not threads and not memory and not test_each")
    environment_of_tests = {"CI": "true", "PYTHONSAFEPATH": "1", "HYPOTHESIS_PROFILE": "quick"}
    printed = run(environment.python, *quick, cwd=unpacked, **environment_of_tests)
    assert f"from {site}" in printed
    assert " passed" in printed


# ---- which core an installation gets ----


def test_with_a_compiler(compiled, numbers):
    assert compiled.files() >= CORES
    assert compiled.train() == [BEST, numbers]


def test_flags_that_would_change_the_bits(fresh, tree, numbers):
    """Those of the environment, as distributions set them: for newer CPUs, which fuse operations, or for speed."""
    newer = "-march=x86-64-v3 -mfpmath=387 -mpc32" if X86_64 and "fma" in CPU else ""
    printed = fresh.install(
        tree,
        FASTRNN_BUILD="require",
        CC="cc -funsafe-math-optimizations",
        CFLAGS=f"-ffp-contract=fast -Ofast -ffinite-math-only {newer}",
        LDFLAGS="-ffast-math",
    )
    refused = ["-Ofast", "-ffast-math", "-funsafe-math-optimizations", *newer.split()[2:]]
    assert f"Not passed on, since they change numbers: {' '.join(refused)}\n" in printed
    assert fresh.train(FASTRNN_BACKEND="base") == ["base", numbers]
    assert fresh.train() == [BEST, numbers]
    program = "import fastrnn\ntry: fastrnn.SimpleRNN().predict([float('nan')])\nexcept ValueError: print('refused')"
    assert fresh.run(program) == "refused\n"  # to which -ffast-math is blind
    for file in CORES:  # linked with -ffast-math, each of them would make it 0.0 in the user's whole process
        program = f"import sys, fastrnn.{file.removesuffix(SUFFIX)}; print(sys.float_info.min / 2)"
        assert fresh.run(program) == "1.1125369292536007e-308\n"


def test_without_a_compiler(fresh, tree, numbers, failing_compiler):
    printed = fresh.install(tree, CC=failing_compiler)
    assert "fastrnn._core is left out, and the best core that is left runs" in printed
    assert "-py3-none-any.whl" in printed
    assert not CORES & fresh.files()
    assert fresh.train() == ["python", numbers]
    printed = fresh.run("import fastrnn", FASTRNN_BACKEND="base", fails=True)
    assert "ImportError: FASTRNN_BACKEND='base', but that core is not in this installation" in printed
    assert "FASTRNN_BUILD=require" in printed


def test_without_cython(fresh, tree, numbers):
    (tree / "fastrnn" / "_core.c").write_text("#error C of an older build, which must not be compiled\n")
    printed = fresh.install(tree, cython=False)
    assert "fastrnn._core is left out, and the best core that is left runs: No module named 'Cython'" in printed
    assert fresh.train() == ["python", numbers]


def test_with_a_broken_source(fresh, tree, numbers):
    with (tree / "fastrnn" / "_core.pyx").open("a") as source:
        source.write("\ncdef this is no Cython\n")
    fresh.install(tree)  # _core_v3.pyx and _core_v4.pyx include it
    assert fresh.train() == ["python", numbers]


def test_with_a_compiler_that_does_not_know_the_cpu(fresh, tree, numbers, tmp_path):
    """Only what needs x86-64-v3 is left out."""
    if not X86_64:
        pytest.skip("one core only is built here")
    compiler = tmp_path / "old-compiler"
    compiler.write_text('#!/bin/sh\ncase "$*" in *x86-64-v3*) exit 1;; esac\nexec cc "$@"\n')
    compiler.chmod(0o755)
    printed = fresh.install(tree, CC=compiler)
    for name in ("_core_v3", "_core_v4"):
        assert f"fastrnn.{name} is left out, and the best core that is left runs" in printed
    assert "-py3-none-any.whl" not in printed
    assert fresh.train() == ["base", numbers]


def test_with_a_compiler_that_uses_wider_registers(fresh, tree, numbers, tmp_path):
    """As one for 32-bit x86 would that knows no better: its core gives other numbers, and is left out."""
    if not X86_64:
        pytest.skip("needs an x86-64, which has such registers beside its own")
    compiler = tmp_path / "x87-compiler"
    compiler.write_text('#!/bin/sh\nexec cc "$@" -mfpmath=387\n')
    compiler.chmod(0o755)
    printed = fresh.install(tree, CC=compiler)
    assert "Doubles would be computed in wider registers (x87)" in printed
    assert "-py3-none-any.whl" in printed
    assert not CORES & fresh.files()
    assert fresh.train() == ["python", numbers]


def test_for_32_bits(fresh, tree, numbers):
    """A 32-bit Python under a 64-bit kernel, whose platform bears the kernel's name: v3, v4 are for 64 bits alone."""
    setup = tree / "setup.py"
    as_if = "import sysconfig\nsysconfig.get_config_vars()['SIZEOF_VOID_P'] = 4\n"
    setup.write_text(as_if + setup.read_text())
    fresh.install(tree, FASTRNN_BUILD="require")
    assert fresh.files() & CORES == {f"_core{SUFFIX}"}
    assert fresh.train() == ["base", numbers]
    printed = run("cc", "-E", "-U__x86_64__", tree / "fastrnn" / "_cpu.h", cwd=tree, fails=True)
    assert "x86-64-v3 and v4 are for 64-bit x86 alone" in printed


def test_a_core_that_imports_wrongly_is_not_passed_over(fresh, tree):
    """Only a missing core means Python; a broken one is an error."""
    with (tree / "fastrnn" / "_core.pyx").open("a") as source:
        source.write("\nimport no_such_module\n")
    fresh.install(tree)
    assert "No module named 'no_such_module'" in fresh.run("import fastrnn", fails=True)


@pytest.mark.parametrize("cython", [True, False])
def test_a_required_core(fresh, tree, failing_compiler, cython):
    printed = fresh.install(tree, CC=failing_compiler, FASTRNN_BUILD="require", cython=cython, fails=True)
    assert "FASTRNN_BUILD=require, and fastrnn._core cannot be built" in printed
    assert ("This compiler fails." if cython else "No module named 'Cython'") in printed
    assert "No module named 'fastrnn'" in fresh.run("import fastrnn", fails=True)


@pytest.fixture
def index(sdist, tmp_path):
    """The address of a package index that has the sdist alone: pip keeps the wheels that it builds from an address."""
    folder = tmp_path / "index"
    (folder / "fastrnn").mkdir(parents=True)
    shutil.copy(sdist, folder / "fastrnn")
    (folder / "fastrnn" / "index.html").write_text(f'<!DOCTYPE html><a href="{sdist.name}">{sdist.name}</a>')
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_required_core_and_the_wheels_that_pip_keeps(fresh, index, tmp_path, tools, numbers, failing_compiler):
    """pip takes a wheel that it built without a compiler again, whatever FASTRNN_BUILD says: hence the advice."""
    pip = (sys.executable, "-m", "pip", "--python", fresh.python, "install", "--verbose", "--no-build-isolation")
    environment = {"PYTHONPATH": os.pathsep.join(map(str, tools.iterdir())), "PIP_CACHE_DIR": tmp_path / "kept"}
    run(*pip, "--index-url", index, "fastrnn", cwd=tmp_path, CC=failing_compiler, **environment)
    assert fresh.train() == ["python", numbers]
    (kept,) = (tmp_path / "kept").rglob("*.whl")
    assert kept.name == f"fastrnn-{fastrnn.__version__}-py3-none-any.whl"
    printed = fresh.run("import fastrnn", FASTRNN_BACKEND="base", fails=True)
    (advice,) = (line for line in printed.splitlines() if "FASTRNN_BUILD=require" in line)
    options = re.search("FASTRNN_BUILD=require pip install (.*) fastrnn", advice)[1].split()
    run(*pip, "--index-url", index, *options, "fastrnn", cwd=tmp_path, FASTRNN_BUILD="require", **environment)
    assert fresh.train() == [BEST, numbers]


def test_no_core_wanted(fresh, tree, numbers):
    printed = fresh.install(tree, FASTRNN_BUILD="no", CC="no-such-compiler")
    assert "-py3-none-any.whl" in printed
    assert fresh.files() == sources("**/*.py") | sources("*.pyi") | {"py.typed"}
    assert fresh.train() == ["python", numbers]


def test_an_unknown_wish(fresh, tree):
    printed = fresh.install(tree, FASTRNN_BUILD="maybe", fails=True)
    assert "FASTRNN_BUILD='maybe': it must be 'require', 'no' or unset" in printed


def test_editable(fresh, tree, numbers, failing_compiler):
    fresh.install("--editable", tree)
    assert all((tree / "fastrnn" / name).exists() for name in CORES)
    assert fresh.train() == [BEST, numbers]
    # An older core must not pass for one that cannot be built any more.
    fresh.install("--editable", tree, CC=failing_compiler)
    assert fresh.train() == ["python", numbers]


def test_an_older_build_beside_a_failing_one(fresh, tree, numbers, failing_compiler):
    """pip builds in the tree itself, and leaves its folder build/ there."""
    fresh.install(tree)
    fresh.install("--force-reinstall", tree, CC=failing_compiler)
    assert fresh.train() == ["python", numbers]


# ---- which core runs ----


@pytest.mark.parametrize(("wanted", "backend"), [("", BEST), *((name, name) for name in RUN)])
def test_a_core_by_name(compiled, numbers, wanted, backend):
    assert compiled.train(FASTRNN_BACKEND=wanted) == [backend, numbers]


def test_an_unknown_core(compiled):
    printed = compiled.run("import fastrnn", FASTRNN_BACKEND="fastest", fails=True)
    assert "ImportError: FASTRNN_BACKEND='fastest' is none of the cores: v4, v3, base, python" in printed
