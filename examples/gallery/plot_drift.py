"""
A stream with drift: a heater that wears out
============================================

A heater is switched by two buttons, and stays as it is until the next is pressed: whoever wants to know how warm the
room is must remember which it was. A thermometer is read at one step in ten. A network learns the room, and then the
heater slowly loses its power. A network that goes on learning from the stream keeps up.
"""

import copy

import matplotlib.pyplot as plt
import numpy as np

from fastrnn import RNN

SEED = 0
draw = np.random.default_rng(SEED)

# %%
# The room: at each step the temperature outside, whether a button was pressed (on, off), and the temperature inside.
# The power of the heater is the same up to step 10,000, and has fallen to less than half by step 20,000.

steps, live = 30_000, 8_000  # from `live` on all comes as a stream
power = np.interp(np.arange(steps), [10_000, 20_000], [12.0, 5.0])
outside = np.repeat(draw.uniform(0, 10, steps // 50), 50)
on, off = draw.random((2, steps)) < 0.03
heats, inside, temperature = False, 15.0, np.zeros(steps)
for t in range(steps):
    heats = (heats or on[t]) and not off[t]
    inside += 0.1 * (power[t] * heats - 0.7 * (inside - outside[t]))
    temperature[t] = inside
x = np.stack([outside, on, off], axis=1)
read = draw.random(steps) < 0.1
readings = np.where(read, temperature + draw.normal(0, 0.2, steps), np.nan)

# %%
# Before the stream: a network learns from the first 6,000 steps, and 2,000 more stop it.

network = RNN(
    8,
    cell="gru",
    input_size=3,
    standardize=True,
    window=50,
    optimizer="adam",
    epochs=200,
    patience=30,
    seed=SEED,
)
known, later = slice(0, 6_000), slice(6_000, live)
network.train(x[known], readings[known], sample_weight=read[known], validation=(x[later], readings[later], read[later]))
state = [0.0] * len(network.state)
network.predict(x[:live], state=state)  # `state` is now that after step 8,000, where the stream begins
network.state = state

# %%
# The stream. ``peek`` says how warm it is before anyone has looked; ``learn`` takes the same step, with the reading if
# there is one. A copy takes the steps by ``step``, and its weights stay as they were. Beside them stand two simple
# answers to drift: the copy corrected by its error at the last reading, and the last reading itself.

network.lr = 0.003
fixed, correction, last = copy.deepcopy(network), 0.0, readings[:live][read[:live]][-1]
told = []
for row, reading in zip(x[live:], readings[live:], strict=True):
    unchanged = fixed.step(row)
    told.append((network.peek(row), last, unchanged + correction, unchanged))
    if np.isnan(reading):
        network.learn(row, None)
    else:
        network.learn(row, reading)
        correction, last = reading - unchanged, reading

# %%
# How far off they are, in degrees, at all steps and not only where there is a reading: each was told beforehand.

names = "the network that learns", "the last reading", "corrected by its last error", "as it was"
errors = dict(zip(names, np.array(told).T - temperature[live:], strict=True))
rmse = {name: np.sqrt(np.mean(error**2)) for name, error in errors.items()}
for name, value in rmse.items():
    print(f"{name:<29}{value:.2f}")

figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
styles = zip(("-", "-.", "--", ":"), ("tab:red", "grey", "tab:blue", "black"), strict=True)
for (name, error), (style, color) in zip(errors.items(), styles, strict=True):
    by_thousand = np.sqrt(np.mean(error.reshape(-1, 1_000) ** 2, axis=1))
    axes.plot(np.arange(live, steps, 1_000) + 500, by_thousand, style, color=color, label=name)
axes.axvspan(10_000, 20_000, color="0.92", label="the heater wears out")
axes.set(xlabel="step", ylabel="RMSE of 1,000 steps, degrees", ylim=0)
figure.legend(loc="outside lower center", ncols=2)
plt.show()
