"""What pyproject.toml cannot say: the compiler's flags, and a build that may fail.

FASTRNN_BUILD in the environment: unset, a core that cannot be built is left out and the pure-Python one runs instead;
"require" makes that an error; "no" does not try. FASTRNN_COVERAGE=1 builds a core whose lines coverage.py can see.
"""

import os
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext  # with Cython installed, a subclass of Cython's own

BUILD = os.environ.get("FASTRNN_BUILD", "")
COVERAGE = os.environ.get("FASTRNN_COVERAGE") == "1"

# -ffp-contract=off: gcc would fuse multiplications and additions where the CPU can, and the bits would differ from
# Python's. The next two let it turn loops into vectors; they change no result. -g0: debugging symbols weigh four
# times the code.
UNIX = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-g0"]
MSVC = ["/O2", "/fp:precise"]


class BuildExt(build_ext):
    def finalize_options(self):
        super().finalize_options()
        self.cython_c_in_temp = not COVERAGE  # else beside the .pyx, where Cython.Coverage looks for it

    def build_extension(self, ext):
        ext.extra_compile_args = MSVC if self.compiler.compiler_type == "msvc" else UNIX
        if COVERAGE:
            ext.cython_directives = {"linetrace": True}
            ext.define_macros = [("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")]
        try:
            super().build_extension(ext)
        except Exception as error:  # no compiler, no Cython, ...: there is no end to what a build can raise
            if BUILD == "require":
                raise
            print(f"\n*** {ext.name} is left out, and pure Python runs instead: {error}\n", file=sys.stderr)


if BUILD not in ("", "require", "no"):
    sys.exit(f"FASTRNN_BUILD={BUILD!r}: it must be 'require', 'no' or unset")

setup(
    cmdclass={"build_ext": BuildExt},
    ext_modules=[]
    if BUILD == "no"
    else [Extension("fastrnn._core", ["fastrnn/_core.pyx"], optional=BUILD != "require")],
)
