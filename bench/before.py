"""This build beside one from before: `python bench/before.py PYTHON`, with the Python of an environment that has it.

Both run the same rows in turn, in processes of their own, and each row shows the fastest round of each: whatever else
the machine does can only add to a time. What counts is the ratio. Rows can be chosen by words: ... PYTHON train gru.
"""

import json
import math
import statistics
import subprocess
import sys
import time

ROUNDS = 4  # processes of each build
CELLS = ("elman", "gru", "lstm")


def rows():
    """(name, what one call of it counts, a function that makes the call) of every row."""
    import numpy

    import fastrnn

    wave = numpy.sin(0.1 * numpy.arange(12_801))
    bits = (numpy.arange(200_001) % 3 == 0).astype(float)
    few = wave[:2_000].tolist()

    def train(network, x):
        return len(x) - 1, lambda: network.train(x[:-1], x[1:])

    def predict(network, x):
        return len(x), lambda: network.predict(x)

    def loop(method, *more):
        def run():
            for value in few:
                method(value, *more)

        return len(few), run

    simple = fastrnn.SimpleRNN(epochs=1, seed=0)
    yield "SimpleRNN train", len(bits) - 1, lambda: simple.train(bits[:-1], bits[1:], verbose=False)
    yield "SimpleRNN predict", len(bits), lambda: simple.predict_proba(bits)
    yield "SimpleRNN step", *loop(simple.step)
    yield "SimpleRNN learn", *loop(simple.learn, 1.0)
    for cell in CELLS:

        def network(units, cell=cell, **options):
            return fastrnn.RNN(units, cell=cell, epochs=1, seed=0, **options)

        for units in (2, 8, 16, 32, 64, 128):
            x = wave if units < 128 else wave[:3_201]
            yield f"train {cell} {units}", *train(network(units), x)
            yield f"predict {cell} {units}", *predict(network(units), x)
        for units in (2, 16, 64):
            x = wave[:6_401]
            yield f"adam {cell} {units}", *train(network(units, optimizer="adam"), x)
            yield f"full adam {cell} {units}", *train(network(units, optimizer="adam", window=None), x)
            yield f"online {cell} {units}", *train(network(units, window=1), x)
        yield f"train {cell} 2 sigmoid", *train(network(2, output="sigmoid"), bits[:12_801])
        yield f"train {cell} 2 softmax", *train(network(2, output="softmax", output_size=2), bits[:12_801])
        for units in (2, 16):
            yield f"step {cell} {units}", *loop(network(units).step)
            yield f"learn {cell} {units}", *loop(network(units).learn, 0.5)


def measure(words):
    """The fastest round of each row, in nanoseconds."""
    times = {}
    for name, count, run in rows():
        if not set(words) <= set(name.split()):
            continue
        stop = time.perf_counter() + 0.15
        best = math.inf
        while (start := time.perf_counter()) < stop or best == math.inf:
            run()
            best = min(best, time.perf_counter() - start)
        times[name] = best / count * 1e9
    return times


def main(before, words):
    best = {before: {}, sys.executable: {}}
    for turn in range(ROUNDS):
        for python in list(best)[:: 1 if turn % 2 else -1]:
            command = [python, "-P", __file__, "--measure", *words]
            printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            for name, time_ in json.loads(printed).items():
                best[python][name] = min(time_, best[python].get(name, math.inf))
    ratios = {name: best[sys.executable][name] / best[before][name] for name in best[before]}
    print(f"{'ns a step or call':24}{'before':>12}{'now':>12}{'now / before':>16}")
    for name, ratio in ratios.items():
        print(f"{name:24}{best[before][name]:12,.1f}{best[sys.executable][name]:12,.1f}{ratio:16.3f}")
    print(f"geometric mean {statistics.geometric_mean(ratios.values()):.3f}, largest {max(ratios.values()):.3f}")


if __name__ == "__main__":
    if sys.argv[1] == "--measure":
        print(json.dumps(measure(sys.argv[2:])))
    else:
        main(sys.argv[1], sys.argv[2:])
