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

# Zeros that nobody writes to take no memory. One pass lasts some 2 s or more.
CHILD = """
from fastrnn import RNN, SimpleRNN, Training, train_all
values = memoryview(bytes(8 * {length})).cast("d")
network = {network}
print("training", flush=True)
try:
    if isinstance(network, list):
        train_all([Training(one, values, values) for one in network])
    else:
        network.train(values, values, verbose=False)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""
NETWORKS = {
    "SimpleRNN": ("SimpleRNN(epochs=100, seed=0)", 50_000_000),
    "RNN, an LSTM of 128": ("RNN(128, cell='lstm', seed=0)", 10_000_000),
    "train_all, GRUs of 2 in lanes": ("[RNN(2, cell='gru', seed=seed) for seed in range(64)]", 1_000_000),
    "RNN, one window of 20,000 steps": ("RNN(64, cell='gru', window=None, seed=0)", 20_000),
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send Ctrl-C to one process alone")
@pytest.mark.parametrize("name", NETWORKS)
def test_ctrl_c(name, measure):
    network, length = NETWORKS[name]
    delays = (0.3 + 0.017 * i for i in count())  # the core looks for signals at regular times

    def start():
        command = [sys.executable, "-P", "-c", CHILD.format(network=network, length=length)]
        environment = os.environ | {"FASTRNN_BACKEND": COMPILED}
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
        name,
        interrupt,
        unit="ms",
        slowest=True,
        setup=start,
        teardown=stop,
        rounds=ROUNDS,
    )
