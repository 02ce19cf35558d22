"""RNN: Ctrl-C, threads and memory, each in a process of its own."""

import os
import signal

import pytest

from tests.test_interrupt import run

INTERRUPT = """
import signal, sys, threading, time
import numpy
import fastrnn

cell, window = sys.argv[1], int(sys.argv[2])
def make():
    return fastrnn.RNN(8, cell=cell, window=window, optimizer="adam", seed=1)

x = numpy.random.default_rng(0).random((10**7 if fastrnn.backend != "python" else 10**5) + 1)
network = make()
start = network.b_output[0]

def press():
    while network.b_output[0] == start:
        time.sleep(0.0001)
    signal.raise_signal(signal.SIGINT)

threading.Thread(target=press, daemon=True).start()
try:
    network.train(x[:-1], x[1:])
    print("completed")
except KeyboardInterrupt:
    # All that it is belongs to one and the same update, found by going there step by step.
    expected = make()
    for t in range(10**6):
        expected.learn(x[t], x[t + 1])
        if expected.b_output[0] == network.b_output[0] and expected == network:
            network.train(x[:100], x[1:101])    # and it can go on
            print("stopped")
            break
"""


@pytest.mark.parametrize(("cell", "window"), [("elman", 1), ("gru", 4), ("lstm", 1000)])
def test_ctrl_c_leaves_a_complete_update(backend, cell, window):
    if backend == "python" and cell != "gru":
        pytest.skip("pure Python is long at it: one is enough")
    assert run(INTERRUPT, cell, window, backend=backend) == "stopped\n"


OVERWRITE = """
import contextlib, math, signal, sys, types
import fastrnn

def overwrite(*_):
    network.w_input_hidden, network.w_hidden_hidden, network.b_hidden = [[0.1]] * 3, [[0.0] * 3] * 3, [0.0] * 3
    network.w_hidden_output = [[1e307] * 3]

network = fastrnn.RNN(3, output="sigmoid", window=1, lr=100.0, epochs=10**6, seed=1)
verbose = sys.argv[1] == "what is printed to"
if not verbose:
    signal.signal(signal.SIGALRM, overwrite)
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.01)  # again and again: an update may overwrite it in its turn
try:
    with contextlib.redirect_stdout(types.SimpleNamespace(write=overwrite, flush=overwrite)):
        network.train([1.0] * 100, [0] * 100, verbose=verbose)
except OverflowError:
    if not verbose:
        signal.setitimer(signal.ITIMER_REAL, 0)
    print("stopped,", all(map(math.isfinite, network._memory)))
"""


@pytest.mark.parametrize("who", ["what is printed to", "a signal handler"])
def test_parameters_are_overwritten_in_the_middle(backend, who):
    """Python code that runs in between may write anything: the network notices that it diverges."""
    if who == "a signal handler" and not hasattr(signal, "setitimer"):
        pytest.skip("there are no such signals on Windows")
    assert run(OVERWRITE, who, backend=backend) == "stopped, True\n"


INTERRUPT_OTHERS = """
import signal, sys, threading, time
import numpy
import fastrnn

call = sys.argv[1]
network = fastrnn.RNN(8, output="sigmoid", window=None, seed=1)
before = network.__reduce__()
values = numpy.zeros(2 * 10**7 if fastrnn.backend != "python" else 10**6)
calls = {
    "predict": lambda: network.predict(values),
    "hidden_states": lambda: network.hidden_states(values),
    "generate": lambda: network.generate(values[:1], len(values)),
    "a window as long as the sequence": lambda: network.train(values[:10**6], values[:10**6]),
    "evaluate": lambda: network.evaluate(values, values),
    "gradients": lambda: network.gradients(values[:10**6], values[:10**6]),
    "validation": lambda: network.train(values[:5], values[:5], validation=(values, values)),
}
threading.Timer(0.1, signal.raise_signal, [signal.SIGINT]).start()
try:
    calls[call]()
    print("completed")
except KeyboardInterrupt:
    assert network.__reduce__() == before
    print("stopped")
"""


CALLS = [
    "predict",
    "hidden_states",
    "generate",
    "evaluate",
    "gradients",
    "validation",
    "a window as long as the sequence",
]


@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_changes_nothing_between_updates(backend, call):
    assert run(INTERRUPT_OTHERS, call, backend=backend) == "stopped\n"


EMPTY = """
import signal, threading, time
import fastrnn

network = fastrnn.RNN(1, epochs=1000, seed=1)
empty = [[] for _ in range(10**6 if fastrnn.backend != "python" else 10**5)]

def press():
    while not network.losses:
        time.sleep(0.0001)
    signal.raise_signal(signal.SIGINT)

threading.Thread(target=press, daemon=True).start()
try:
    network.train([[1.0], *empty], [[1.0], *empty])
    print("completed")
except KeyboardInterrupt:
    print("stopped after", "a few" if len(network.losses) < 100 else "many")
"""


def test_ctrl_c_is_heard_over_empty_sequences(backend):
    assert run(EMPTY, backend=backend) == "stopped after a few\n"


NESTED = """
import signal
import fastrnn

# A signal handler uses the very network that is learning: it finds a whole one, and does no harm to memory.
size, window = (200, 1500) if fastrnn.backend != "python" else (20, 40)

def make():
    network = fastrnn.RNN(size, cell="gru", window=window, seed=1)
    for i in range(window - 1):
        network.learn(i % 7, 0.5)
    return network

network = make()
whole = [network.__reduce__()]
network.learn(1.0, 0.25)
whole.append(network.__reduce__())
inside, seen = False, []

def handle(*_):
    if inside:
        seen.append(network.__reduce__() in whole)
        for i in range(2 * window):
            network.learn(0.25, 0.5)    # its tape grows
        network.step(0.5)

signal.signal(signal.SIGALRM, handle)
while not seen:
    network = make()
    signal.setitimer(signal.ITIMER_REAL, 0.005)
    inside = True
    network.learn(1.0, 0.25)    # an update is due, which takes long
    inside = False
    signal.setitimer(signal.ITIMER_REAL, 0)
for i in range(2 * window):
    network.learn(0.25, 0.5)
print(seen)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no such signals on Windows")
def test_a_handler_uses_the_network_that_is_learning(backend):
    assert run(NESTED, backend=backend) == "[True]\n"


MEASURED = """
import signal
import numpy
import fastrnn

# A signal handler measures the very network that is learning: that changes nothing.
x = numpy.sin(numpy.arange(300000.0 if fastrnn.backend != "python" else 3000.0))

def trained(measure):
    network = fastrnn.RNN(2, window=2, epochs=10 if fastrnn.backend != "python" else 3, seed=1)
    signal.signal(signal.SIGALRM, lambda *_: measure(network))
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    network.train(x, x)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return network

def measure(network):
    network.evaluate([1.0], [1.0])
    network.gradients([1.0], [1.0])

print(trained(measure) == trained(lambda network: None))
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no such signals on Windows")
def test_a_handler_measures_the_network_that_is_learning(backend):
    assert run(MEASURED, backend=backend) == "True\n"


WHOLE = """
import math, signal
import fastrnn

network = fastrnn.RNN(8, cell="gru", window=4, epochs=10**6, seed=1)
seen = []

def handle(*_):
    before = network.state
    other = fastrnn.RNN(1)
    other.__setstate__(network.__getstate__())      # whole, as after its last complete update
    seen.append((other == network, other._waiting == [], before))
    if len(seen) == 3:
        raise KeyboardInterrupt

signal.signal(signal.SIGALRM, handle)
network.learn(1.0, 0.5)     # it waits until the first update
signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
x = [math.sin(i * i) for i in range(4001)]
try:
    network.train(x[:-1], x[1:])
except KeyboardInterrupt:
    signal.setitimer(signal.ITIMER_REAL, 0)
assert all(same and whole for same, whole, _ in seen), seen
assert len({tuple(state) for _, _, state in seen}) == 3, seen   # each is the state of another update
print("fine")
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no such signals on Windows")
def test_a_handler_sees_a_whole_network(backend):
    assert run(WHOLE, backend=backend) == "fine\n"


THREADS = """
import threading
import numpy
import fastrnn

long, short = (20000, 500) if fastrnn.backend != "python" else (300, 40)
x = numpy.sin(numpy.arange(long + 1.0))

# Two networks in two threads give what they give one after the other.
def trained(seed, result):
    network = fastrnn.RNN(8, cell="lstm", epochs=2, seed=seed)
    network.train(x[:-1], x[1:])
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
network = fastrnn.RNN(4, cell="gru", window=3, epochs=3, clip=1.0, seed=3)
def step_and_learn():
    for i in range(short):
        network.learn(1.0, 0.0)
        network.learn(0.0, 0.0)
        network.step(1.0)
        network.window = 1 + i % 5
        network.state = [0.5] * 4
def train():
    for _ in range(3):
        network.train(x[:short], x[1 : short + 1])
threads = [threading.Thread(target=f) for f in (train, step_and_learn, train, step_and_learn)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(network.losses) == 18
assert all(abs(y) < 100 for y in network.predict([0.0, 1.0, 0.0]))
print("fine")
"""


def test_threads(backend):
    assert run(THREADS, backend=backend) == "fine\n"


WEIGHTS = """
import contextlib, threading, time
import numpy
import fastrnn

# Another thread writes to the weights that are being learned with: what comes out is its affair, not what is read.
x = numpy.sin(numpy.arange(400.0))
weights, end = numpy.ones(len(x)), time.monotonic() + 1.0

def write():
    while time.monotonic() < end:
        weights[:] = 0.0
        weights[:] = 1.0
writer = threading.Thread(target=write)
writer.start()
network = fastrnn.RNN(64 if fastrnn.backend != "python" else 2, window=4, epochs=1, seed=1)
while time.monotonic() < end:
    with contextlib.suppress(ValueError, ZeroDivisionError):    # all of them are 0
        network.train(x, x, sample_weight=weights)
writer.join()
print("fine")
"""


def test_weights_are_overwritten_in_the_middle(backend):
    """The sanitizer sees what is read beside them."""
    assert run(WEIGHTS, backend=backend) == "fine\n"


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
network = fastrnn.RNN(4, cell="gru", epochs=1, seed=1)
state = network.state
calls = {
    "train": lambda values: network.train(values, values),
    "predict": network.predict,
    "predict from a state": lambda values: network.predict(values, state=state),
    "hidden_states": network.hidden_states,
    "evaluate": lambda values: network.evaluate(values, values, values),
    "train with weights": lambda values: network.train(values, values, sample_weight=values, validation=2 * (values,)),
    "standardized": lambda values: scaled.train(values, values),
    "one target": lambda values: one.train(values, 1.0, validation=(values, 0.5)),
}
scaled = fastrnn.RNN(4, epochs=1, standardize=True, seed=1)
one = fastrnn.RNN(4, epochs=1, return_sequences=False, seed=1)
calls[call](values[:1000])
before = peak()
calls[call](values)
print(peak() - before - 8 * output * length // 1024)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak of a process is read from /proc")
@pytest.mark.parametrize(
    ("call", "output"),
    [
        *[("train", 0), ("predict", 1), ("predict from a state", 1), ("hidden_states", 4), ("evaluate", 0)],
        *[("train with weights", 0), ("standardized", 0), ("one target", 0)],
    ],
)
@pytest.mark.parametrize(("backend", "length"), [("base", 10**6), ("python", 2 * 10**4)], indirect=["backend"])
def test_memory_does_not_grow_with_the_sequence(backend, length, call, output):
    """The process's peak, in kB, beyond `output` results of 8 bytes a step, on data that is there already."""
    assert int(run(MEMORY, length, call, output, backend=backend)) < 1024
