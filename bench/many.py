"""Networks in lanes beside one after the other, and a batch beside an update a sequence: `python bench/many.py`.

In one process, round by round in turn; each shows its fastest round, and what counts is the ratio. The first table says
up to how many units lanes pay (UNITS_IN_LANES in fastrnn/many.py), the second the same of the sequences of a batch
(WIDEST in fastrnn/_compiled/abreast.pxi), the third what threads give.
"""

import math
import time

import numpy

import fastrnn

NETWORKS, STEPS, EPOCHS, SECONDS = 64, 500, 4, 4.0
SEQUENCES, LENGTH = 64, 150
draw = numpy.random.default_rng(0)


def network(cell, units, seed=0, **options):
    common = {"input_size": 3, "output": "softmax", "output_size": 2, "optimizer": "adam", "window": None}
    return fastrnn.RNN(units, cell=cell, epochs=EPOCHS, seed=seed, **common, **options)


def fastest(*calls):
    """The fastest round of each, in turn."""
    best, stop = [math.inf] * len(calls), time.perf_counter() + SECONDS
    while time.perf_counter() < stop or math.inf in best:
        for i, call in enumerate(calls):
            start = time.perf_counter()
            call()
            best[i] = min(best[i], time.perf_counter() - start)
    return best


def show(name, times, count):
    numbers = [seconds / count / EPOCHS * 1e9 for seconds in times]
    print(f"{name:12}" + "".join(f"{number:12,.1f}" for number in numbers) + f"{numbers[0] / numbers[1]:12.2f}")


def main():
    x = [draw.normal(size=(STEPS, 3)) for _ in range(NETWORKS)]
    y = [draw.integers(0, 2, STEPS) for _ in range(NETWORKS)]

    def trainings(cell, units):
        return [fastrnn.Training(network(cell, units, seed), x[seed], y[seed]) for seed in range(NETWORKS)]

    def alone(listed):
        for one in listed:
            one.network.train(one.inputs, one.targets)

    print(f"{'ns a step':12}{'alone':>12}{'in lanes':>12}{'times':>12}")
    limits, fastrnn.many.UNITS_IN_LANES = fastrnn.many.UNITS_IN_LANES, dict.fromkeys(("elman", "gru", "lstm"), 10**9)
    for cell in ("elman", "gru", "lstm"):
        for units in (1, 2, 4, 8, 16):
            one, other = trainings(cell, units), trainings(cell, units)
            times = fastest(lambda one=one: alone(one), lambda other=other: fastrnn.train_all(other, threads=1))
            for a, b in zip(one, other, strict=True):
                assert a.network.losses[:EPOCHS] == b.network.losses[:EPOCHS]
            show(f"{cell} {units}", times, NETWORKS * STEPS)
    fastrnn.many.UNITS_IN_LANES = limits

    x = [draw.normal(size=(LENGTH, 3)) for _ in range(SEQUENCES)]
    y = [draw.integers(0, 2, LENGTH) for _ in range(SEQUENCES)]
    print(f"\n{'ns a step':12}{'one by one':>12}{'a batch':>12}{'times':>12}")
    for units in (1, 2, 4, 8, 16, 32, 64):
        one, other = network("gru", units), network("gru", units, batch_size=None)
        times = fastest(lambda one=one: one.train(x, y), lambda other=other: other.train(x, y))
        show(f"gru {units}", times, SEQUENCES * LENGTH)

    x, y = draw.normal(size=(STEPS, 3)), draw.integers(0, 2, STEPS)
    print(f"\n{'ns a step':12}{'one thread':>12}{'two':>12}{'times':>12}")
    for units in (2, 8, 32):
        listed = [[fastrnn.Training(network("gru", units, seed), x, y) for seed in range(NETWORKS)] for _ in range(2)]
        calls = [lambda n=n, these=these: fastrnn.train_all(these, threads=n) for n, these in enumerate(listed, 1)]
        times = fastest(*calls)
        show(f"gru {units}", times, NETWORKS * STEPS)


if __name__ == "__main__":
    main()
