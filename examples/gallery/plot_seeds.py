"""
A thousand seeds: how many networks learn, and when
===================================================

One network that learns says little: another seed, other weights to begin with, and it might not have. So train a
thousand. ``train_all`` trains them side by side, and each has the very numbers that it has alone.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

from fastrnn import RNN, SimpleRNN, Training, predict_all, train_all

SEED = 0
seeds = range(1_000 * SEED, 1_000 * (SEED + 1))
epochs = range(20, 501, 20)  # after which they are asked

# %%
# Three thousand networks: the notebook's on its own sequence 0, 1, 0, 1, ...; the same on 0, 1, 1, 0, 1, 1, ..., where
# after a 1 only the value before it says what comes next; and on that four units, trained by Adam in windows of eight
# steps, where the notebook's gradient reaches one step back.

kinds = {
    "the notebook's, 0 1": ([0, 1], [SimpleRNN(epochs=20, seed=seed) for seed in seeds]),
    "the notebook's, 0 1 1": ([0, 1, 1], [SimpleRNN(epochs=20, seed=seed) for seed in seeds]),
    "four units, 0 1 1": (
        [0, 1, 1],
        [RNN(4, output="sigmoid", window=8, optimizer="adam", epochs=20, seed=seed) for seed in seeds],
    ),
}

# %%
# All learn from 40 values. Every twenty epochs they are asked for the 160 that follow, which none of them has seen. The
# last value alone is enough for all of 0, 1. For 0, 1, 1 it is no better than to say always 1.

right = {}
for name, (pattern, networks) in kinds.items():
    series = np.array(pattern * 100)[:200].astype(float)
    trainings = [Training(network, series[:39], series[1:40]) for network in networks]
    seconds, shares = 0.0, []
    for _ in epochs:
        start = time.perf_counter()
        train_all(trainings)  # goes on from where they are
        seconds += time.perf_counter() - start
        predictions = np.array(predict_all(networks, series[:-1]))
        shares.append(np.mean(predictions[:, 39:] == series[40:], axis=1))
    right[name] = np.array(shares)  # (25, 1000)
    print(f"{name + ':':<24}1,000 networks, {epochs[-1]} epochs, {seconds:.1f} s")
always = np.mean(series[40:] == 1.0)  # of 0, 1, 1

# %%
# How many get all 160 right, at the best time and in the end, and what share of the values is right in the end, on the
# mean over the networks. Practically all learn the notebook's sequence, some much later than others. Most of the
# notebook's networks find the other one too, and as they go on nearly all of these lose it again; the four units find
# it sooner and keep it.

all_right = {name: np.sum(shares == 1.0, axis=1) for name, shares in right.items()}
print("                        at best      in the end   values right in the end")
for name, count in all_right.items():
    print(f"{name:<24}{count.max():<13}{count[-1]:<13}{right[name][-1].mean():.3f}")
print(f"{'always 1, 0 1 1':<50}{always:.3f}")

figure, (top, bottom) = plt.subplots(2, 1, figsize=(6.4, 6), layout="constrained")
styles = zip(("-", ":", "--"), ("black", "tab:blue", "tab:red"), strict=True)
for (name, count), (style, color) in zip(all_right.items(), styles, strict=True):
    top.plot(epochs, count, style, color=color, label=name)
top.set(xlabel="epochs", ylabel="networks", title="All of the next 160 values right", ylim=(0, 1_030))
losses = np.array([network.losses for network in kinds["the notebook's, 0 1"][1]])[:, :200]
bottom.plot(losses[:100].T, color="lightgrey", linewidth=0.5)
bottom.plot(np.median(losses, axis=0), color="black")
bottom.set(xlabel="epochs", ylabel="sum of squared errors")
bottom.set_title("The notebook's, 0 1: the losses of a hundred, and the median")
figure.legend(loc="outside lower center", ncols=2)
plt.show()
