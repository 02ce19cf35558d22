"""
Missing data: an oscillator whose sensor fails half of the time
===============================================================

A sensor that drops out for some ten steps, again and again, leaves gaps in what goes in and in what is to be learnt.
Neither has to be filled: a mask goes in with the readings, and weights of 0 say which targets are not there.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastrnn import RNN

SEED = 0
draw = np.random.default_rng(SEED)

# %%
# 120 oscillators (van der Pol 1926), each with a stiffness of its own and pushed about by chance: 200 readings of each,
# with noise, of which about half are missing (NaN). The truth is known because all is simulated; no network sees it.

count, steps = 120, 200
stiffness, x, speed = draw.uniform(1, 4, count), *draw.normal(0, 1.5, (2, count))
truth, gone, is_gone = np.zeros((count, steps)), np.zeros((count, steps), bool), np.zeros(count, bool)
for t in range(-20, steps):  # the first 20 let it swing in
    for push in draw.normal(0, 0.04, (20, count)):
        x, speed = x + 0.02 * speed, speed + 0.02 * (stiffness * (1 - x * x) * speed - x) + push
    is_gone = (t > 0) & (draw.random(count) < np.where(is_gone, 0.9, 0.1))  # the first reading is always there
    if t >= 0:
        truth[:, t], gone[:, t] = x, is_gone
readings = np.where(gone, np.nan, truth + draw.normal(0, 0.1, truth.shape))

# %%
# What goes in at every step: the reading, or 0, and whether there is one. The target is the next reading. Where that is
# missing the weight is 0: the step moves the state and teaches nothing. 80 oscillators are learnt from, 20 stop the
# training, and the last 20 are the test.

inputs = np.stack([np.nan_to_num(readings), ~gone], axis=2)[:, :-1]
targets, weights = readings[:, 1:], ~gone[:, 1:]
network = RNN(
    16,
    cell="gru",
    input_size=2,
    standardize=True,
    window=50,
    batch_size=8,
    shuffle=True,
    optimizer="adam",
    epochs=300,
    patience=30,
    seed=SEED,
)
network.train(
    inputs[:80],
    targets[:80],
    sample_weight=weights[:80],
    validation=(inputs[80:100], targets[80:100], weights[80:100]),
)
by_network = network.predict(inputs[100:])

# %%
# The baselines: the last reading, and least squares on the last 32 steps of the same inputs. All are asked for every
# step of the test, and measured by the truth where no reading will tell it.

last = np.maximum.accumulate(np.where(gone, 0, np.arange(steps)), axis=1)[100:, :-1]  # when it was
by_last = np.take_along_axis(np.nan_to_num(readings[100:]), last, axis=1)
padded = np.pad(inputs, [(0, 0), (31, 0), (0, 0)])
past = np.lib.stride_tricks.sliding_window_view(padded, 32, axis=1).reshape(count, steps - 1, 64)
past = np.insert(past, 0, 1.0, axis=2)
linear = np.linalg.lstsq(past[:100][weights[:100]], targets[:100][weights[:100]])[0]
forecasts = {"the network": by_network, "least squares": past[100:] @ linear, "the last reading": by_last}
unread = gone[100:, 1:]
errors = {name: np.abs(forecast - truth[100:, 1:]) for name, forecast in forecasts.items()}
rmse = {name: np.sqrt(np.mean(error[unread] ** 2)) for name, error in errors.items()}
for name, value in rmse.items():
    print(f"{name:<18}{value:.2f}")

# %%
# The longer the gap, the harder it is to bridge. The last reading soon says nothing; the network goes on swinging,
# until chance has put it out of step.

since = np.arange(1, steps) - last  # steps since the last reading
figure, (top, bottom) = plt.subplots(2, 1, figsize=(6.4, 6), layout="constrained")
top.plot(truth[100], color="black", label="the truth")
top.plot(readings[100], "o", color="black", markersize=3, label="readings")
top.plot(range(1, steps), by_network[0], "--", color="tab:red")
styles = zip(("--", ":", "-."), ("tab:red", "tab:blue", "grey"), strict=True)
for (name, error), (style, color) in zip(errors.items(), styles, strict=True):
    by_gap = [np.sqrt(np.mean(error[since == gap] ** 2)) for gap in range(1, 21)]
    bottom.plot(range(1, 21), by_gap, style, color=color, label=name)
top.set(xlabel="step", title="An oscillator of the test", xlim=(0, 120))
bottom.set(
    xlabel="steps since the last reading", ylabel="RMSE", title="All of the test", ylim=0, xticks=(1, 5, 10, 15, 20)
)
figure.legend(loc="outside lower center", ncols=3)
plt.show()
