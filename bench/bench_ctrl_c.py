"""From Ctrl-C, at some moment inside one long pass, to KeyboardInterrupt. Here the slowest round is what counts."""

import os
import signal
import subprocess
import sys
import time
from itertools import count

import pytest

from bench.rows import COMPILED

ROUNDS = 6

# Zeros that nobody writes to take no memory. One pass lasts some 2 s.
CHILD = """
from fastrnn import SimpleRNN
values = memoryview(bytes(8 * 50_000_000)).cast("d")
network = SimpleRNN(epochs=100, seed=0)
print("training", flush=True)
try:
    network.train(values, values, verbose=False)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send Ctrl-C to one process alone")
def test_ctrl_c(measure):
    delays = (0.3 + 0.017 * i for i in count())  # the core looks for signals at regular times

    def start():
        command, environment = [sys.executable, "-P", "-c", CHILD], os.environ | {"FASTRNN_BACKEND": COMPILED}
        child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert child.stdout.readline() == "training\n"
        time.sleep(next(delays))
        return (child,), {}

    def interrupt(child):
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "stopped\n"

    def stop(child):
        child.communicate()
        assert child.returncode == 0

    measure(
        f"Ctrl-C inside a long pass, the slowest of {ROUNDS} rounds",
        "fastrnn",
        interrupt,
        unit="ms",
        slowest=True,
        setup=start,
        teardown=stop,
        rounds=ROUNDS,
    )
