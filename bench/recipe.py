"""A whole study by the recipe of Ji-An, Benna and Mattar (Nature 644, 2025): `python bench/recipe.py`, some 3 minutes.

One animal, here a Q-learner at two levers that are reversed now and then: 96 sequences of 60 trials. A GRU of 1, 2, 3,
4, 5, 10 or 20 units and softmax; an update an epoch from all sequences of the training folds, AdamW, an l1 penalty; the
validation fold is measured every epoch, after 200 epochs without a better loss (2,000 at most) training ends, and the
best parameters are put back. 10 outer folds, 9 inner ones, 3 seeds, 7 sizes and 3 penalties make 5,670 networks.

Every 20th of them is trained, by one train_all on all CPUs; 20 has no factor in common with 7 or 3, so every size and
penalty has its share, and the whole takes 20 times as long. PyTorch's own loop (torch.nn.GRU on a padded batch, fused
AdamW) makes 40 epochs of a network of each size, and what it would take for the epochs that ours made is told, beside
what train() takes for one after the other. Losses are of the outer fold, which no network has seen.
"""

import importlib.util
import itertools
import math
import os
import statistics
import sys
import warnings
from pathlib import Path
from time import perf_counter

sys.path.append(str(Path(__file__).parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy

import fastrnn
from bench.turns import CPUS

SEQUENCES, TRIALS = 96, 60
OUTER, INNER, SEEDS, UNITS, PENALTIES = 10, 9, 3, (1, 2, 3, 4, 5, 10, 20), (1e-5, 1e-4, 1e-3)
EVERY = 20
EPOCHS, PATIENCE, LR = 2_000, 200, 0.005
PEER_EPOCHS = 40


def play(draw):
    """Inputs (the last action, as two numbers, and the reward), the next action, and the player's own probability of a
    one. All as arrays of a row a sequence."""
    inputs, actions, chances = [], [], []
    for _ in range(SEQUENCES):
        values, good, last, sequence = [0.5, 0.5], int(draw.integers(2)), None, []
        for _ in range(TRIALS + 1):
            chance = 1.0 / (1.0 + math.exp(4.0 * (values[0] - values[1])))
            action = int(draw.random() < chance)
            reward = float(draw.random() < (0.8 if action == good else 0.2))
            if last is not None:
                sequence.append((*last, action, chance))
            values[action] += 0.4 * (reward - values[action])
            last = action == 0, action == 1, reward
            good ^= int(draw.random() < 0.05)
        rows = numpy.array(sequence, float)
        inputs.append(rows[:, :3])
        actions.append(rows[:, 3])
        chances.append(rows[:, 4])
    return numpy.array(inputs), numpy.array(actions), numpy.array(chances)


def grid():
    """(outer fold, inner fold, seed, units, penalty) of every network."""
    return itertools.product(range(OUTER), range(INNER), range(SEEDS), UNITS, PENALTIES)


def parts(outer, inner):
    """The sequences to learn from, those to stop by, and those that neither sees."""
    fold = numpy.arange(SEQUENCES) % OUTER
    stop_by = (outer + 1 + inner) % OUTER
    return [(fold != outer) & (fold != stop_by), fold == stop_by, fold == outer]


def network(seed, units, penalty):
    how = {"optimizer": "adamw", "weight_decay": 0.0, "lr": LR, "l1": penalty, "epochs": EPOCHS, "patience": PATIENCE}
    batch = {"window": None, "batch_size": None}
    return fastrnn.RNN(units, cell="gru", input_size=3, output="softmax", output_size=2, seed=seed, **how, **batch)


def cross_entropy(chances, actions):
    return -numpy.log(numpy.where(actions == 1.0, chances, 1.0 - chances)).mean()


# ---- PyTorch ----


def torch_epochs(one, inputs, actions, train, validate, penalty):
    """Seconds an epoch, the best of three rounds, and the losses of the first epochs; from the network's weights."""
    import torch

    from bench.lane_rows import PyTorch

    torch.set_num_threads(1)
    layer, readout = PyTorch().modules("gru", one.hidden_size, network=one)
    units = one.hidden_size
    learning = [*layer.parameters(), *readout.parameters()]
    optimizer = torch.optim.AdamW(learning, lr=LR, weight_decay=0.0, fused=True)
    x, y = (torch.tensor(numpy.swapaxes(values, 0, 1)).contiguous() for values in (inputs, actions.astype("q")))
    data = [(x[:, chosen].contiguous(), y[:, chosen].flatten()) for chosen in (train, validate)]

    def loss_of(x, y):
        return torch.nn.functional.cross_entropy(readout(layer(x)[0]).flatten(0, 1), y)

    losses, seconds = [], math.inf
    for _ in range(3):
        start = perf_counter()
        for _ in range(PEER_EPOCHS):
            with torch.no_grad():
                validation = loss_of(*data[1])
            loss = loss_of(*data[0])
            optimizer.zero_grad()
            (loss + penalty * (layer.weight_ih_l0.abs().sum() + layer.weight_hh_l0.abs().sum())).backward()
            layer.bias_hh_l0.grad[: 2 * units] = 0.0  # the second bias: what it learns belongs to the first
            optimizer.step()
            losses.append((float(loss.detach()), float(validation)))
        seconds = min(seconds, perf_counter() - start)
    return seconds / PEER_EPOCHS, losses[:PEER_EPOCHS]


# ---- the study ----


def main():
    warnings.simplefilter("error", RuntimeWarning)  # no training may fail
    inputs, actions, chances = play(numpy.random.default_rng(0))
    every = [*grid()]
    drawn = every[::EVERY]
    masks = {(outer, inner): [m.astype(float) for m in parts(outer, inner)] for outer, inner, *_ in drawn}
    trainings = []
    for outer, inner, seed, units, penalty in drawn:
        train, validate, _ = masks[outer, inner]
        one = network(seed, units, penalty)
        trainings.append(fastrnn.Training(one, inputs, actions, train, (inputs, actions, validate)))
    start = perf_counter()
    fastrnn.train_all(trainings, progress=sys.stderr.isatty())
    seconds = perf_counter() - start

    whole = seconds * len(every) / len(drawn)
    print(f"fastrnn's core: {fastrnn.backend}, {len(CPUS)} CPUs")
    print(f"{len(drawn)} of {len(every):,} networks: {seconds:.1f} s; all of them, at that: {whole / 60:.1f} minutes")
    torch = importlib.util.find_spec("torch") is not None
    print(f"\n{'units':>8}{'epochs':>8}{'above it':>11}" + (f"{'PyTorch, s':>12}{'train(), s':>12}" if torch else ""))
    peer = ours = 0.0
    for units in UNITS:
        some = [i for i, (*_, size, _) in enumerate(drawn) if size == units]
        epochs = statistics.mean(len(trainings[i].network.losses) for i in some)
        above = []
        for i in some:
            unseen = masks[drawn[i][:2]][2]
            loss = trainings[i].network.evaluate(inputs, actions, unseen)
            above.append(loss - cross_entropy(chances[unseen > 0.0], actions[unseen > 0.0]))
        line = f"{units:8}{epochs:8.0f}{statistics.mean(above):11.4f}"
        if torch:
            outer, inner, seed, _, penalty = drawn[some[0]]
            train, validate, _ = parts(outer, inner)
            fresh = network(seed, units, penalty)
            each, losses = torch_epochs(fresh, inputs, actions, train, validate, penalty)
            held = [m.astype(float) for m in (train, validate)]
            start = perf_counter()
            fresh.train(inputs, actions, sample_weight=held[0], validation=(inputs, actions, held[1]))
            alone = (perf_counter() - start) / len(fresh.losses) * epochs
            found = numpy.array([fresh.losses[:PEER_EPOCHS], fresh.validation_losses[:PEER_EPOCHS]]).T
            # Its sums have another order, and the penalty is no part of our losses, as of its.
            numpy.testing.assert_allclose(losses, found, rtol=1e-9)
            line += f"{each * epochs:12.1f}{alone:12.2f}"
            peer += each * epochs * len(some)
            ours += alone * len(some)
        print(line, flush=True)
    print(f"\nit: the player's own cross-entropy, {cross_entropy(chances, actions):.4f}; of chance: {math.log(2):.4f}")
    if torch:
        print(f"the networks drawn, one after the other: PyTorch {peer:,.0f} s, fastrnn's train() {ours:,.0f} s")


if __name__ == "__main__":
    main()
