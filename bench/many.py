"""Where lanes pay: networks in lanes beside one after the other, and a batch beside an update a sequence.

`python bench/many.py`; in one process, round by round in turn; each shows its fastest round, and what counts is the
ratio. The first table says up to how many units lanes pay, the second the same of the sequences of a batch; what came
of it stands in fastrnn/_compiled/abreast.pxi. lanes.py has what they give, beside others.
"""

import sys
from functools import partial
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import numpy

import fastrnn
from bench.turns import in_turn

NETWORKS, STEPS, EPOCHS = 64, 500, 20
SEQUENCES, LENGTH = 64, 150
draw = numpy.random.default_rng(0)


def network(cell, units, seed=0, **options):
    common = {"input_size": 3, "output": "softmax", "output_size": 2, "optimizer": "adam", "window": None}
    return fastrnn.RNN(units, cell=cell, epochs=EPOCHS, seed=seed, **common, **options)


def show(name, times, count):
    numbers = [seconds / count / EPOCHS * 1e9 for seconds in times.values()]
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
    fastrnn.many.core.fewest_in_lanes_of = lambda _: 1.0  # to see where it should end
    for cell in ("elman", "gru", "lstm"):
        for units in (1, 2, 4, 8, 10, 12, 16, 24):
            one, other = trainings(cell, units), trainings(cell, units)
            times = in_turn({"alone": partial(alone, one), "lanes": partial(fastrnn.train_all, other, threads=1)})
            for a, b in zip(one, other, strict=True):
                assert a.network.losses[:EPOCHS] == b.network.losses[:EPOCHS]
            show(f"{cell} {units}", times, NETWORKS * STEPS)

    x = [draw.normal(size=(LENGTH, 3)) for _ in range(SEQUENCES)]
    y = [draw.integers(0, 2, LENGTH) for _ in range(SEQUENCES)]
    print(f"\n{'ns a step':12}{'one by one':>12}{'a batch':>12}{'times':>12}")
    for units in (1, 2, 4, 8, 16, 32, 64, 128):
        one, other = network("gru", units), network("gru", units, batch_size=None)
        times = in_turn({"each": partial(one.train, x, y), "batch": partial(other.train, x, y)})
        show(f"gru {units}", times, SEQUENCES * LENGTH)


if __name__ == "__main__":
    main()
