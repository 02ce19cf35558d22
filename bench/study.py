"""What a study costs beside the training: `python bench/study.py`, some minutes.

The overhead is the CPU time of cross_validate() that is not spent in training, for the animal of bench/recipe.py: an
outer fold of the recipe, with 567 networks of 1 to 20 units for up to 2,000 epochs; and small networks with 100 epochs,
where what is done once for each network weighs more. Memory is that of the process with 10 and with 50 animals: what is
kept of them is their rows and the networks that are chosen.
"""

import argparse
import resource
import subprocess
import sys
from pathlib import Path
from time import process_time

sys.path.append(str(Path(__file__).parents[1]))

import numpy

import fastrnn
from bench.recipe import PENALTIES, UNITS, play
from fastrnn import study


class OneFold:
    """The first outer fold of ten alone."""

    def split(self, x, _y, _groups):
        fold = numpy.arange(len(x)) % 10
        yield numpy.flatnonzero(fold != 0), numpy.flatnonzero(fold == 0)


class Timed(study.Trainer):
    seconds = 0.0

    def run(self):
        start = process_time()
        super().run()
        Timed.seconds += process_time() - start


def run(animals, units, epochs):
    study.Trainer = Timed
    inputs, actions, _ = play(numpy.random.default_rng(0))
    grid = {"hidden_size": units, "cell": "gru", "output": "softmax", "output_size": 2, "l1": PENALTIES}
    people = dict.fromkeys(range(animals), (inputs, actions))
    start = process_time()
    found = study.cross_validate(people, {**grid, "epochs": epochs}, outer=OneFold(), inner=9, seeds=3, threads=1)
    seconds = process_time() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{animals:3} animals, {len(found.rows):6,} networks, {epochs:5,} epochs at most: {seconds:6.1f} s of CPU, "
        f"{seconds - Timed.seconds:5.2f} of them beside training, {100 * (seconds / Timed.seconds - 1):5.2f} % of it; "
        f"{memory:.0f} MB",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--one", nargs=3, type=int, metavar=("ANIMALS", "SIZES", "EPOCHS"))
    one = parser.parse_args().one
    if one:
        run(one[0], UNITS[: one[1]], one[2])
        return
    print(f"fastrnn's core: {fastrnn.backend}", flush=True)
    for row in ("1", "7", "2000"), ("8", "2", "100"), ("10", "7", "2"), ("50", "7", "2"):  # each with memory of its own
        subprocess.run([sys.executable, __file__, "--one", *row], check=True)


if __name__ == "__main__":
    main()
