"""
A forecast: a chaotic laser
===========================

The intensity of a far-infrared laser (Weigend and Gershenfeld 1994): it swings, grows, collapses and begins again,
never twice alike. What comes next depends on where in its build-up it is, and not linearly: a case for a recurrent
network. The series comes with another package: ``pip install reservoirpy``.
"""

import matplotlib.pyplot as plt
import numpy as np
from reservoirpy.datasets import santafe_laser

from fastrnn import RNN

SEED = 0
series = santafe_laser().ravel().astype(float)  # 10,093 values
test = len(series) - 2_000  # where the test begins: no method sees what follows before it forecasts it
truth = series[test:]

# %%
# One step ahead
# --------------
# The targets are the values that follow the inputs. Cell, size and learning rates were chosen on the thousand values
# before the test.

network = RNN(16, cell="lstm", window=64, optimizer="adam", clip=1.0, epochs=100, standardize=True, seed=SEED)
for network.lr in (0.01, 0.003, 0.001):
    network.train(series[: test - 1], series[1:test])
by_network = network.predict(series[:-1])[test - 1 :]

# %%
# Three baselines: the last value; the value a season before, where the season is the lag that fits best up to the test;
# and least squares on the last 48 values, fitted likewise (more of them gain next to nothing).


def nrmse(forecast):
    """The root mean squared error; 1.0 is what the mean of the test would have."""
    return np.sqrt(np.mean((forecast - truth) ** 2)) / truth.std()


def rows(values, lags=48):
    """For each value from the last of the first `lags` on: it and those before it, and a one."""
    return np.insert(np.lib.stride_tricks.sliding_window_view(values, lags), lags, 1.0, axis=1)


season = min(range(2, 200), key=lambda lag: np.mean((series[lag:test] - series[: test - lag]) ** 2))
weights = np.linalg.lstsq(rows(series[: test - 1]), series[48:test])[0]
errors = {
    "the network": nrmse(by_network),
    "linear autoregression": nrmse(rows(series[test - 48 : -1]) @ weights),
    f"the value {season} steps before": nrmse(series[test - season : -season]),
    "the last value": nrmse(series[test - 1 : -1]),
}
for name, error in errors.items():
    print(f"{name:<26}{error:.3f}")

# %%
# Many steps ahead
# ----------------
# ``generate`` feeds each prediction back as the next input, and so can the autoregression. From the beginning of the
# test, with nothing but the past, the network stays close for some swings. In chaos no forecast does so for ever. The
# autoregression knows no way but to fade out.

steps = 60
by_generate = network.generate(series[:test], steps)
by_lines = series[test - 48 : test].tolist()
for _ in range(steps):
    by_lines.append(np.array([*by_lines[-48:], 1.0]) @ weights)

figure, axes = plt.subplots(2, 1, figsize=(6.4, 5), sharey=True, layout="constrained")
axes[0].plot(truth[:200], color="black", label="the laser")
axes[0].plot(by_network[:200], "--", color="tab:red", label="the network")
axes[0].set(title="One step ahead", ylabel="intensity", xlabel="step of the test")
after = range(1, steps + 1)
axes[1].plot(after, truth[:steps], color="black")
axes[1].plot(after, by_generate, "--", color="tab:red")
axes[1].plot(after, by_lines[48:], ":", color="tab:blue", label="linear autoregression")
axes[1].set(title="All from one origin", ylabel="intensity", xlabel="steps after the last value that is known")
figure.legend(loc="outside lower center", ncols=3)
plt.show()
