"""What it costs to be given weights: `python bench/weights.py`. Networks can be chosen by words: ... gru 2.

The same networks train without weights, with weights of 1, and with a mask that leaves out one step in 25, round by
round in turn, and each shows the fastest round of several processes, so that no place in memory decides.
What counts is the ratio. A call of train() takes 10 epochs: it looks over the weights once.
"""

import json
import math
import statistics
import subprocess
import sys
import time

PROCESSES, SECONDS = 5, 0.5  # for each network
STEPS, EPOCHS = 12_800, 10
HOW = ("no weights", "all 1", "a mask")


def measure(words):
    """The fastest round of each network in each way, in nanoseconds a step."""
    import numpy

    import fastrnn

    wave = numpy.sin(0.1 * numpy.arange(STEPS + 1))
    mask = (numpy.random.default_rng(0).random(STEPS) >= 0.04).astype(float)
    times = {}
    for window in (32, None):
        for cell in ("elman", "gru", "lstm"):
            for units in (2, 8, 16):
                name = f"{cell} {units} window={window}"
                if not set(words) <= set(name.split()):
                    continue
                ways = [
                    (fastrnn.RNN(units, cell=cell, window=window, epochs=EPOCHS, seed=0), weights)
                    for weights in (None, numpy.ones(STEPS), mask)
                ]
                best, stop = [math.inf] * len(ways), time.perf_counter() + SECONDS
                while (start := time.perf_counter()) < stop or math.inf in best:
                    for i, (network, weights) in enumerate(ways):
                        network.train(wave[:-1], wave[1:], sample_weight=weights)
                        end = time.perf_counter()
                        best[i], start = min(best[i], end - start), end
                times[name] = [seconds / STEPS / EPOCHS * 1e9 for seconds in best]
    return times


def main(words):
    best = {}
    for _ in range(PROCESSES):
        command = [sys.executable, "-P", __file__, "--measure", *words]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        for name, times in json.loads(printed).items():
            best[name] = [*map(min, times, best.get(name, times))]
    print(f"{'ns a step':24}" + "".join(f"{how:>12}" for how in HOW) + "".join(f"{how:>12}" for how in HOW[1:]))
    ratios = {name: [time_ / times[0] for time_ in times[1:]] for name, times in best.items()}
    for name, times in best.items():
        print(f"{name:24}" + "".join(f"{t:12,.1f}" for t in times) + "".join(f"{r:12.3f}" for r in ratios[name]))
    for label, of in (("geometric mean", statistics.geometric_mean), ("largest", max)):
        print(f"{label:60}" + "".join(f"{of(column):12.3f}" for column in zip(*ratios.values(), strict=True)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2:])))
    else:
        main(sys.argv[1:])
