"""What lanes and threads give, beside a C sketch and the peers at their best: `python bench/lanes.py`, or some tables
of it: ... networks batch online threads predict overhead. All take some 20 minutes.

In one process, round by round in turn, on one CPU but for the threads; a row shows the fastest round of each, in
nanoseconds a network (or sequence) and step, and what counts is a ratio within a row. First all compute the same losses
over a few updates. The limit is limit_lanes.c for x86-64-v3 and, where the CPU has it, v4; FASTRNN_BACKEND asks for a
core of fastrnn's. Of JAX all forms run (18 of networks: vmap or the last axis, of 32, 256 or 1,024, unrolled by 1, 2 or
4), and the three that were fastest in two rounds go on into the rounds of the row.
"""

import os
import sys
import warnings
from functools import partial
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy

import fastrnn
from bench import lane_rows
from bench.lane_rows import CLASSES, INPUTS, JAX, DyNet, PyTorch, confirm, limits, peer, pick, sequences
from bench.turns import in_turn, keep_to, table

EPOCHS = 4  # by which peers are compared
UPDATES = 200  # of a call of fastrnn: what it takes beside them is a table of its own
TITLES = {"elman": "Elman", "gru": "GRU", "lstm": "LSTM"}


def network(units, cell="gru", seed=0, **options):
    common = {"input_size": INPUTS, "output": "softmax", "output_size": CLASSES, "optimizer": "adam", "window": None}
    return fastrnn.RNN(units, cell=cell, seed=seed, **{**common, "epochs": UPDATES, **options})


def many(count, x, y, units, **options):
    return [fastrnn.Training(network(units, seed=i, **options), x[i], y[i]) for i in range(count)]


def one_after_the_other(trainings):
    for training in trainings:
        training.network.train(training.inputs, training.targets)


def losses(trainings):
    return numpy.array([training.network.losses[:EPOCHS] for training in trainings]).T


class Table:
    """Rows of what was measured, printed as they come."""

    def __init__(self, title, ours="fastrnn"):
        self.title, self.ours, self.rows, self.notes = title, ours, {}, {}
        print(f"\n{title}", file=sys.stderr, flush=True)

    def row(self, name, ways, seconds=4.0):
        """ways: by column the functions that may be the fastest: {column: {note: (function, steps that it makes)}}."""
        calls = {(column, note): run for column, forms in ways.items() for note, (run, _) in forms.items()}
        times = in_turn(calls, seconds)
        row = self.rows[name] = {}
        for column, forms in ways.items():
            each = {note: times[column, note] / steps * 1e9 for note, (_, steps) in forms.items()}
            best = min(each, key=each.get)
            row[column], self.notes[name, column] = each[best], best
        print(f"{name}: " + ", ".join(f"{c} {t:,.1f} {self.notes[name, c]}" for c, t in row.items()), file=sys.stderr)

    def show(self):
        print(f"\n{self.title}\n")
        for line in table(self.rows, self.ours, self.notes):
            print(line, flush=True)


def limit_ways(networks, x, y, learning=True):
    """Columns of the sketch: as many passes over a group as all networks take."""
    ways = {}
    for level, limit in limits().items():
        run = limit.passes(networks, x, y)
        count = 256 // limit.lanes
        ways[f"limit, {level}"] = {"": (partial(run, count, learning), count * limit.lanes * x.shape[1])}
    return ways


# ---- the tables ----


def networks_table():
    count, steps = 256, 500
    x, y = sequences(count, steps)
    shown = Table(f"{count} networks, a sequence of {steps} steps each, one thread: ns a network and step")
    for cell in ("gru", "elman", "lstm"):
        for units in (1, 2, 4, 8):
            lanes, alone = (many(count, x, y, units, cell=cell) for _ in range(2))
            fresh = [network(units, cell, seed) for seed in range(count)]
            fastrnn.train_all(lanes, threads=1)
            one_after_the_other(alone)
            expected = losses(lanes)
            assert (expected == losses(alone)).all()
            all_steps = count * steps * UPDATES
            ways = {"fastrnn": {"": (partial(fastrnn.train_all, lanes, threads=1), all_steps)}}
            ways |= limit_ways(fresh, x, y)
            ways["one after the other"] = {"": (partial(one_after_the_other, alone), all_steps)}
            if peer(JAX):
                ways["JAX"] = pick(peer(JAX).trainers(fresh, x, y), steps)
                for run, _ in ways["JAX"].values():
                    found = numpy.asarray(run()[0])[:EPOCHS, :count]
                    confirm(found, expected[: len(found), : found.shape[1]])
            if cell == "gru":
                for kind in (PyTorch, DyNet):
                    if peer(kind):
                        forms = {name: (run, steps) for name, run, _ in peer(kind).trainers(fresh[0], x[:1], y[:1])}
                        ways[kind.__name__] = forms
                        for note, (run, _) in forms.items():
                            found = [float(run()) for _ in range(EPOCHS)]
                            if kind is PyTorch:
                                confirm(found, expected[:, 0], 1e-4 if note == "float32" else 1e-9)
            shown.row(f"{TITLES[cell]} of {units}", ways, 6.0)
    shown.show()


def batch_table():
    count, steps = 64, 150
    x, y = sequences(count, steps)
    shown = Table(f"one GRU, an update from {count} sequences of {steps} steps, one thread: ns a sequence and step")
    for units in (1, 2, 4, 8, 16, 32, 64, 128):
        updates = UPDATES if units <= 8 else EPOCHS
        batch, each = network(units, batch_size=None, epochs=updates), network(units, epochs=updates)
        batch.train(x, y)
        expected = batch.losses[:EPOCHS]
        all_steps = count * steps * updates
        ways = {"fastrnn": {"": (partial(batch.train, x, y), all_steps)}}
        if units <= 8:
            lanes = many(count, x, y, units)
            ways["as many networks"] = {"": (partial(fastrnn.train_all, lanes, threads=1), all_steps)}
            ways |= limit_ways([network(units, seed=i) for i in range(count)], x, y)
        ways["an update a sequence"] = {"": (partial(each.train, x, y), all_steps)}
        if peer(JAX):
            ways["JAX"] = pick(peer(JAX).batches(network(units), x, y, EPOCHS), count * steps)
            for run, _ in ways["JAX"].values():
                confirm(run()[0], expected)
        if peer(PyTorch):
            forms = {name: (run, count * steps) for name, run, _ in peer(PyTorch).trainers(network(units), x, y)}
            ways["PyTorch"] = forms
            for note, (run, _) in forms.items():
                confirm([float(run()) for _ in range(EPOCHS)], expected, 1e-3 if note == "float32" else 1e-9)
        shown.row(f"GRU of {units}", ways)
    shown.show()


def online_table():
    count, steps = 64, 100_000
    x, _ = sequences(count, steps)
    y = lane_rows.draw.normal(size=(count, steps))
    options = {"cell": "elman", "output": "linear", "output_size": 1, "optimizer": "sgd", "window": 1, "epochs": 1}
    shown = Table(f"{count} Elman networks learning online, {steps:,} steps each, one thread: ns a network and step")
    for units in (1, 2, 4):
        lanes, alone = (many(count, x, y, units, **options) for _ in range(2))
        fresh = [network(units, seed=seed, **options) for seed in range(count)]
        fastrnn.train_all(lanes, threads=1)
        one_after_the_other(alone)
        assert (losses(lanes) == losses(alone)).all()
        ways = {"fastrnn": {"": (partial(fastrnn.train_all, lanes, threads=1), count * steps)}}
        ways["one after the other"] = {"": (partial(one_after_the_other, alone), count * steps)}
        if peer(JAX):
            ways["JAX"] = pick(peer(JAX).online(fresh, x, y), steps)
            for run, _ in ways["JAX"].values():
                confirm(run()[0], losses(lanes)[0])
        shown.row(f"Elman of {units}", ways)
    shown.show()


def threads_table():
    count, steps = 256, 500
    x, y = sequences(count, steps)
    shown = Table(f"{count} GRUs, a sequence of {steps} steps each: ns a network and step", "two threads")
    keep_to(2)
    for units in (2, 8, 32):
        ways = {}
        for name, threads in (("two threads", 2), ("one", 1)):
            trainings = many(count, x, y, units)
            ways[name] = {"": (partial(fastrnn.train_all, trainings, threads=threads), count * steps * UPDATES)}
        shown.row(f"GRU of {units}", ways, 8.0)
    keep_to(1)
    shown.show()


def predict_table():
    predict_all = getattr(fastrnn, "predict_all", None)
    if predict_all is None:
        print("\nno fastrnn.predict_all: no table of it")
        return
    count, steps = 256, 500
    x, y = sequences(count, steps)
    shown = Table(f"{count} GRUs, predict_proba over {steps} steps each, one thread: ns a network and step")
    for units in (1, 2, 4, 8):
        networks = [network(units, seed=seed) for seed in range(count)]
        inputs = [*x]
        together = partial(predict_all, networks, inputs, each=True, method="predict_proba", threads=1)

        def alone(networks=networks, inputs=inputs):
            return [one.predict_proba(values) for one, values in zip(networks, inputs, strict=True)]

        expected = numpy.array(alone())
        assert (numpy.array(together()) == expected).all()
        ways = {"fastrnn": {"": (together, count * steps)}}
        ways |= limit_ways(networks, x, y, learning=False)
        ways["one after the other"] = {"": (alone, count * steps)}
        if peer(JAX):
            ways["JAX"] = pick(peer(JAX).predictors(networks, x, y), steps)
            for note, (run, _) in ways["JAX"].items():
                found = numpy.asarray(run())
                found = found.transpose(2, 0, 1) if "last" in note else found
                confirm(found[:count], expected[: len(found)])
        shown.row(f"GRU of {units}", ways)
    shown.show()


def overhead_table():
    """What train_all takes beside the updates: all is shared, looked at and held once, and nothing is to be learnt."""
    count = 2_000
    x, y = sequences(9, 150)
    mask = (lane_rows.draw.random(y.shape) < 0.9).astype(float)
    validation = x, y, 1.0 - mask
    print("\nmicroseconds a training for what train_all does beside it\n")
    for name, more in (("data", ()), ("and weights and validation", (mask, validation))):
        listed = [fastrnn.Training(network(2, seed=i, epochs=0), x, y, *more) for i in range(count)]
        times = in_turn({name: partial(fastrnn.train_all, listed, threads=1)}, 3.0)
        print(f"{name}: {times[name] / count * 1e6:.1f}", flush=True)


TABLES = {
    "networks": networks_table,
    "batch": batch_table,
    "online": online_table,
    "threads": threads_table,
    "predict": predict_table,
    "overhead": overhead_table,
}


def main(names):
    if unknown := set(names) - set(TABLES):
        sys.exit(f"no table {', '.join(sorted(unknown))}: there are {', '.join(TABLES)}")
    warnings.simplefilter("error", RuntimeWarning)  # no training may fail
    keep_to(1)
    print(f"fastrnn's core: {fastrnn.backend}")
    for name in names or TABLES:
        TABLES[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
