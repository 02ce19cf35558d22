"""What the benchmarks compare: fastrnn, its pure-Python twin, the notebook, and a C loop as the limit.

Every row does the same work on the same numbers, from the same weights; the twin says what must come out. What a user
would pick instead of fastrnn is in peers.py.
"""

import ctypes
import math
import os
import random
import shlex
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy
import pytest

import fastrnn
from fastrnn import _backend

COMPILED = _backend.choose("")[0]  # the best core that is there
assert COMPILED != "python", "the benchmarks need a compiled core"

NAMES = ("w_input_hidden", "w_hidden_hidden", "w_hidden_output", "b_hidden", "b_output")
draw = random.Random(42)
WEIGHTS = tuple(draw.uniform(-1, 1) for _ in NAMES)  # the notebook's
LR = 0.1

STEPS = 1_000_000

# Zeros and ones that alternate, but for one time in ten. The task is to predict the next one.
SEQUENCE = numpy.cumsum(numpy.random.default_rng(0).random(STEPS + 1) < 0.9) % 2.0
INPUTS, TARGETS = SEQUENCE[:-1].copy(), SEQUENCE[1:].copy()


class Row:
    """One way to train and run the network. Every call starts from WEIGHTS, and returns plain numbers to compare."""

    name: str
    exact = True  # held to the twin's bits
    steps = STEPS  # fewer where so many take too long: times are given a step
    epochs = 200  # of the notebook's own run; likewise

    def take(self, values):
        """A float64 array in the form that this row likes best; its time does not count."""
        return values

    def train(self, inputs, targets, epochs):
        """Train on lists, or on what take() gave. Returns the weights and then the loss of every epoch."""
        raise NotImplementedError

    def predict_proba(self, inputs):
        """The probability at every step."""
        raise NotImplementedError

    def network(self):
        """A new network with the methods step(x) and learn(x, target)."""
        raise NotImplementedError


def is_compiled(module):
    return not (module.__file__ or "").endswith(".py")


@cache
def package(backend):
    """fastrnn as it is under FASTRNN_BACKEND=backend, beside the one that is imported already."""
    if fastrnn.backend == backend:
        return fastrnn
    with pytest.MonkeyPatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] == "fastrnn" and not is_compiled(module):  # that can be loaded once only
                patch.delitem(sys.modules, name)
        patch.setenv("FASTRNN_BACKEND", backend)
        return import_module("fastrnn")


class Fastrnn(Row):
    """The public class on the best compiled core; an error where there is none."""

    name = "fastrnn"
    backend = COMPILED

    def __init__(self):
        self.package = package(self.backend)
        assert self.package.backend == self.backend

    def network(self):
        network = self.package.SimpleRNN(LR)
        for name, weight in zip(NAMES, WEIGHTS, strict=True):
            setattr(network, name, weight)
        return network

    def train(self, inputs, targets, epochs):
        network = self.network()
        network.epochs = epochs
        network.train(inputs, targets, verbose=False)
        return [*(getattr(network, name) for name in NAMES), *network.losses]

    def predict_proba(self, inputs):
        return self.network().predict_proba(inputs)


class Twin(Fastrnn):
    """The same on the pure-Python core."""

    name = "twin"
    backend = "python"
    steps = 100_000


class Notebook(Row):
    """The network as a notebook writes it: a class that reads and writes its weights every step, and takes lists."""

    name = "notebook"
    steps = 100_000

    class SimpleRNN:
        def __init__(self, lr, epochs):
            self.w_input_hidden, self.w_hidden_hidden, self.w_hidden_output, self.b_hidden, self.b_output = WEIGHTS
            self.lr = lr
            self.epochs = epochs

        def sigmoid(self, a):
            return 1 / (1 + math.exp(-a))

        def train(self, inputs, targets):
            losses = []
            for _ in range(self.epochs):
                h = 0
                total_loss = 0
                for x, y in zip(inputs, targets):  # noqa: B905
                    h_new = self.sigmoid(self.w_input_hidden * x + self.w_hidden_hidden * h + self.b_hidden)
                    p = self.sigmoid(self.w_hidden_output * h_new + self.b_output)
                    error = p - y
                    total_loss += error * error
                    d_output = error * (p * (1 - p))
                    d_hidden = d_output * self.w_hidden_output * (h_new * (1 - h_new))
                    self.w_hidden_output -= self.lr * d_output * h_new
                    self.b_output -= self.lr * d_output
                    self.w_input_hidden -= self.lr * d_hidden * x
                    self.w_hidden_hidden -= self.lr * d_hidden * h
                    self.b_hidden -= self.lr * d_hidden
                    h = h_new
                losses.append(total_loss)
            return losses

        def predict_proba(self, inputs):
            h = 0
            probabilities = []
            for x in inputs:
                h = self.sigmoid(self.w_input_hidden * x + self.w_hidden_hidden * h + self.b_hidden)
                probabilities.append(self.sigmoid(self.w_hidden_output * h + self.b_output))
            return probabilities

    def take(self, values):
        return values.tolist()

    def train(self, inputs, targets, epochs):
        network = self.SimpleRNN(LR, epochs)
        losses = network.train(inputs, targets)
        return [*(getattr(network, name) for name in NAMES), *losses]

    def predict_proba(self, inputs):
        return self.SimpleRNN(LR, 0).predict_proba(inputs)


class Limit(Row):
    """limit.c. It takes buffers alone, and has the memory for its results from the start."""

    name = "C"

    def __init__(self):
        self.library = compiled(Path(__file__).with_name("limit.c"))
        pointer, size = ctypes.c_void_p, ctypes.c_ssize_t
        self.library.train.argtypes = [pointer, ctypes.c_double, pointer, pointer, size, size, pointer]
        self.library.predict_proba.argtypes = [pointer, pointer, size, pointer]
        self.probabilities = cache(lambda length: (ctypes.c_double * length)())

    def take(self, values):
        return (ctypes.c_double * len(values)).from_buffer(numpy.array(values, float))

    def train(self, inputs, targets, epochs):
        results = (ctypes.c_double * (5 + epochs))(*WEIGHTS)
        losses = ctypes.byref(results, 5 * ctypes.sizeof(ctypes.c_double))
        self.library.train(results, LR, inputs, targets, len(inputs), epochs, losses)
        return results

    def predict_proba(self, inputs):
        probabilities = self.probabilities(len(inputs))
        self.library.predict_proba((ctypes.c_double * 5)(*WEIGHTS), inputs, len(inputs), probabilities)
        return probabilities


def compiled(source, *more):
    """The C file as a library, with the flags of fastrnn's own core and more."""
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")
    if not shutil.which(compiler[0]):
        compiler = ["cc"]
    if not shutil.which(compiler[0]):
        if os.environ.get("CI"):
            pytest.fail("no C compiler: in CI the limit must be there")
        pytest.skip("no C compiler")
    flags = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fno-tree-slp-vectorize", *more]
    with TemporaryDirectory() as folder:
        library = Path(folder, "limit.so")
        subprocess.run([*compiler, *flags, "-shared", "-fPIC", source, "-o", library, "-lm"], check=True)
        return ctypes.CDLL(library)


@cache
def trained(steps):
    """The twin's numbers after one epoch."""
    return Twin().train(INPUTS[:steps], TARGETS[:steps], 1)


@cache
def predicted(steps):
    """The twin's probabilities."""
    return Twin().predict_proba(INPUTS[:steps])
