"""Ctrl-C, threads and memory, each in a process of its own. How soon Ctrl-C is heard is measured in bench/."""

import os
import subprocess
import sys

import pytest

INTERRUPT = """
import signal, sys, threading
import fastrnn

length, epochs = int(sys.argv[1]), int(sys.argv[2])
try:
    import numpy
    zeros = numpy.zeros(length)     # of which the system keeps one page
except ImportError:
    zeros = memoryview(bytearray(8 * length)).cast("d")
network = fastrnn.SimpleRNN(epochs=epochs, seed=1)
start = network.b_output

def press():
    while network.b_output == start:
        pass
    signal.raise_signal(signal.SIGINT)

threading.Thread(target=press, daemon=True).start()
try:
    network.train(zeros, zeros, verbose=False)
    print("completed")
except KeyboardInterrupt:
    names = "w_input_hidden w_hidden_hidden w_hidden_output b_hidden b_output hidden_state".split()
    print(len(network.losses), *(getattr(network, name).hex() for name in names))
    network.epochs = 1
    network.train(zeros[:10], zeros[:10], verbose=False)    # and it can go on
"""


def run(program, *arguments, backend):
    environment = os.environ | {"FASTRNN_BACKEND": backend}
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("backend", "length", "epochs"),
    [("base", 10**9, 1), ("base", 3, 10**9), ("python", 10**7, 1), ("python", 3, 10**9)],
    indirect=["backend"],
)
def test_ctrl_c_leaves_a_completed_step(backend, length, epochs, packages):
    """All values are those of one and the same step, found by going there step by step."""
    losses, *values = run(INTERRUPT, length, epochs, backend=backend).split()
    names = ("w_input_hidden", "w_hidden_hidden", "w_hidden_output", "b_hidden", "b_output", "hidden_state")
    expected = dict(zip(names, map(float.fromhex, values), strict=True))
    network = packages[0].SimpleRNN(epochs=int(losses), seed=1)
    if losses != "0":
        network.train([0.0] * length, [0.0] * length, verbose=False)
    for step in range(min(length, 10**8)):
        if network.b_output == expected["b_output"]:
            break
        if step == 0:
            network.reset()
        network.learn(0.0, 0.0)
    assert {name: getattr(network, name) for name in names} == expected


THREADS = """
import threading
import fastrnn

def series(length):
    return memoryview(bytearray(8 * length)).cast("d")

# Another thread sees the weights change while a training runs: it does not hold the GIL.
zeros = series(2 * 10**7 if fastrnn.backend != "python" else 10**5)
network = fastrnn.SimpleRNN(epochs=1, seed=1)
thread = threading.Thread(target=network.train, args=(zeros, zeros), kwargs={"verbose": False})
thread.start()
seen = set()
while thread.is_alive():
    seen.add(network.b_output)
assert len(seen) > 2, seen

# Two networks in two threads give what they give one after the other.
short = series(10**6 if fastrnn.backend != "python" else 10**4)
def trained(seed, result):
    network = fastrnn.SimpleRNN(epochs=2, seed=seed)
    network.train(short, short, verbose=False)
    result[seed] = network
one_by_one, together = {}, {}
for seed in (1, 2):
    trained(seed, one_by_one)
threads = [threading.Thread(target=trained, args=(seed, together)) for seed in (1, 2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert together == one_by_one

# Several threads on one network lose updates, no more.
network = fastrnn.SimpleRNN(epochs=3, seed=3)
def step_and_learn():
    for _ in range(20000):
        network.step(1.0)
        network.learn(1.0, 0.0)
        network.w_input_hidden = 0.5
def train():
    for _ in range(3):
        network.train(short, short, verbose=False)
threads = [threading.Thread(target=f) for f in (train, step_and_learn, train, step_and_learn)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(network.losses) == 18
assert all(0 < p < 1 for p in network.predict_proba([0, 1, 0]))
print("fine")
"""


def test_threads(backend):
    assert run(THREADS, backend=backend) == "fine\n"


MEMORY = """
import sys
import fastrnn

def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1])

length, call, output = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
values = memoryview(bytearray(8 * length)).cast("d")
for i in range(0, length, 256):
    values[i] = 1.0     # memory is taken when it is written to
network = fastrnn.SimpleRNN(epochs=1, seed=1)
calls = {
    "train": lambda values: network.train(values, values, verbose=False),
    "predict_proba": network.predict_proba,
    "predict": network.predict,
    "hidden_states": network.hidden_states,
}
calls[call](values[:1000])
before = peak()
calls[call](values)
print(peak() - before - 8 * output * length // 1024)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak of a process is read from /proc")
@pytest.mark.parametrize(("call", "output"), [("train", 0), ("predict_proba", 1), ("predict", 2), ("hidden_states", 1)])
@pytest.mark.parametrize(("backend", "length"), [("base", 10**7), ("python", 10**6)], indirect=["backend"])
def test_memory_does_not_grow_with_the_sequence(backend, length, call, output):
    """The process's peak, in kB, beyond `output` results of 8 bytes a step, on data that is there already."""
    assert int(run(MEMORY, length, call, output, backend=backend)) < 1024
