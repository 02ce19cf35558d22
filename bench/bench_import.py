"""import fastrnn, and the packages beside it: the statement alone, in an interpreter that has just started."""

import os
import subprocess
import sys

import pytest

from bench.rows import COMPILED

ENVIRONMENT = os.environ | {"FASTRNN_BACKEND": COMPILED}
# An installed package has its bytecode; where it does not, the first of our processes may write it.
ENVIRONMENT.pop("PYTHONDONTWRITEBYTECODE", None)

CHILD = """
print("ready", flush=True)
input()
{statement}
print("done", flush=True)
"""


def time_import(measure, name, statement, rounds, **how):
    def start():
        # -P: what is installed, not what lies in the current folder
        command = [sys.executable, "-P", "-c", CHILD.format(statement=statement)]
        child = subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert child.stdout.readline() == "ready\n"
        return (child,), {}

    def go(child):
        print(file=child.stdin, flush=True)
        assert child.stdout.readline() == "done\n"

    def stop(child):
        child.communicate()

    group = "import, beyond a bare interpreter"
    measure(group, name, go, unit="ms", setup=start, teardown=stop, warmup_rounds=1, rounds=rounds, **how)


def test_nothing(measure):
    time_import(measure, "the two messages", "pass", 20)


def test_fastrnn(measure):
    time_import(measure, "fastrnn", "import fastrnn", 20, less="the two messages")


@pytest.mark.parametrize("name", ["numpy", "numba", "jax", "torch"])
def test_peers(name, measure):
    pytest.importorskip(name)
    time_import(measure, name, f"import {name}", 2, less="the two messages")
