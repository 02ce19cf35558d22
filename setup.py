"""What pyproject.toml cannot say: the compiler's flags, and a build that may fail.

FASTRNN_BUILD in the environment: unset, a core that cannot be built is left out and the pure-Python one runs instead;
"require" makes that an error; "no" does not try. FASTRNN_COVERAGE=1 builds a core whose lines coverage.py can see.
"""

import os
import sys
import sysconfig
from contextlib import suppress
from importlib import import_module

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext  # with Cython installed, a subclass of Cython's own

CORES = ["_core", "_core_v3", "_core_v4"]
BUILD = os.environ.get("FASTRNN_BUILD", "")
COVERAGE = os.environ.get("FASTRNN_COVERAGE") == "1"

# -ffp-contract=off: gcc would fuse multiplications and additions where the CPU can, and the bits would differ from
# Python's. The next two let it turn loops into vectors; they change no result. The one after keeps it from pairing up
# the operations of a single step, which makes the chain of them longer: without it training takes 3 % more time.
# -fno-fast-math: for an environment whose CFLAGS ask for parts of it. -g0: debugging symbols weigh more than the code.
# The others make the wheel a fifth lighter at less than 1 % of the time: functions that Cython and gcc would copy into
# their callers, tables for C++'s exceptions, and gaps before functions and loops.
UNIX = [
    "-O3",
    "-fno-fast-math",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fno-tree-slp-vectorize",
    "-g0",
    "--param=inline-unit-growth=10",
    "-fno-asynchronous-unwind-tables",
    "-fno-align-functions",
    "-fno-align-jumps",
    "-fno-align-loops",
]
# Of Cython's: how cdef classes are made in a second way, and a short cut to methods of lists and the like.
LIGHTER = [("CYTHON_VECTORCALL_TPNEW", "0"), ("CYTHON_UNPACK_METHODS", "0")]
X86 = ["-msse2", "-mfpmath=sse"]  # as 64 bits have it anyway: the x87 registers of 32 bits would give other numbers
MSVC = ["/O2", "/fp:precise"]
# What no later option takes back. The first four reach the linker too, and code that it then adds flushes subnormal
# numbers to zero in the whole process that imports fastrnn; with the next two x87 registers round to fewer bits there.
# The last makes constants floats.
OTHER_NUMBERS = {
    "-ffast-math",
    "-Ofast",
    "-funsafe-math-optimizations",
    "-mdaz-ftz",
    "-mpc32",
    "-mpc64",
    "-fsingle-precision-constant",
}
# By name of the core. v3: vectors of four doubles instead of two. v4: the same, and in lanes vectors of eight.
LEVELS = {
    "fastrnn._core_v3": {"unix": ["-march=x86-64-v3"], "msvc": ["/arch:AVX2"]},
    "fastrnn._core_v4": {"unix": ["-march=x86-64-v3", "-DFASTRNN_V4"], "msvc": ["/arch:AVX512"]},
}


class BuildExt(build_ext):
    def finalize_options(self):
        super().finalize_options()
        self.cython_c_in_temp = not COVERAGE  # else beside the .pyx, where Cython.Coverage looks for it
        self.force = True  # flags and environment change the core without changing a file's date
        # One compiled core where it is not an x86-64 that is built for, and where coverage is to see each line once.
        # The platform of a 32-bit Python may bear the name of a 64-bit kernel.
        x86_64 = self.plat_name.endswith(("x86_64", "amd64")) and sysconfig.get_config_var("SIZEOF_VOID_P") != 4
        if COVERAGE or not x86_64:
            self.extensions[:] = [ext for ext in self.extensions if ext.name == "fastrnn._core"]

    def build_extensions(self):
        refused = set()
        for name in self.compiler.executables:
            command = getattr(self.compiler, name) or []
            refused |= OTHER_NUMBERS.intersection(command)
            self.compiler.set_executable(name, [option for option in command if option not in OTHER_NUMBERS])
        if refused:
            print(f"\n*** Not passed on, since they change numbers: {' '.join(sorted(refused))}\n", file=sys.stderr)
        super().build_extensions()
        # A wheel without a core is one for any platform, as with FASTRNN_BUILD=no, and must not look like one with it.
        if not any(os.path.exists(self.get_ext_fullpath(f"fastrnn.{core}")) for core in CORES):
            with suppress(FileNotFoundError):
                os.remove(self.get_ext_fullpath("fastrnn._cpu"))
            self.distribution.ext_modules = None
            self.get_finalized_command("bdist_wheel").root_is_pure = True

    def build_extension(self, ext):
        compiler = "msvc" if self.compiler.compiler_type == "msvc" else "unix"
        ext.extra_compile_args = {"unix": UNIX, "msvc": MSVC}[compiler]
        if compiler == "unix" and self.plat_name.endswith(("x86_64", "amd64", "i386", "i486", "i586", "i686", "win32")):
            ext.extra_compile_args = [*ext.extra_compile_args, *X86]
        if ext.name in LEVELS:
            ext.extra_compile_args = [*ext.extra_compile_args, *LEVELS[ext.name][compiler]]
        ext.define_macros = LIGHTER
        if sys.platform == "linux" and not self.editable_mode:  # profilers and sanitizers tell names
            ext.extra_link_args = ["-Wl,-s"]
        if COVERAGE:
            ext.cython_directives = {"linetrace": True}
            ext.define_macros = [*LIGHTER, ("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")]
        with suppress(FileNotFoundError):  # an older core must not pass for the one that fails now
            os.remove(self.get_ext_fullpath(ext.name))
        try:
            import_module("Cython")  # without it setuptools would compile C that an older build may have left behind
            super().build_extension(ext)
        except Exception as error:  # no compiler, no Cython, ...: there is no end to what a build can raise
            if BUILD == "require":
                print(f"\n*** FASTRNN_BUILD=require, and {ext.name} cannot be built: {error}\n", file=sys.stderr)
                raise
            print(f"\n*** {ext.name} is left out, and the best core that is left runs: {error}\n", file=sys.stderr)

    def copy_extensions_to_source(self):
        """For editable installs; there too, no older core may stay."""
        for ext in self.extensions:
            with suppress(FileNotFoundError):
                os.remove(self.get_ext_filename(ext.name))
        super().copy_extensions_to_source()


if BUILD not in ("", "require", "no"):
    sys.exit(f"FASTRNN_BUILD={BUILD!r}: it must be 'require', 'no' or unset")

setup(
    cmdclass={"build_ext": BuildExt},
    ext_modules=[
        Extension(f"fastrnn.{name}", [f"fastrnn/{name}.pyx"], optional=BUILD != "require")
        for name in ([] if BUILD == "no" else [*CORES, "_cpu"])
    ],
)
