"""
Classifying sequences of any length: which pump failed first?
=============================================================

Three pumps feed each other. When one fails, it sends alarms, and a little later so do the others; now and then there is
a false alarm. In the end all three have sounded, and which of them was the cause is told by the order. A log may be of
any length: nothing is cut, and nothing is padded. The logs are simulated, 2,000 of them.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastrnn import RNN

SEED = 0
draw = np.random.default_rng(SEED)


def log(cause):
    """(T, 3): at every step which pumps sent an alarm. The cause fails first, the others 2 to 9 steps later."""
    steps = draw.integers(20, 61)
    fails = draw.integers(0, steps - 15) + np.where(np.arange(3) == cause, 0, draw.integers(2, 10, 3))
    return (draw.random((steps, 3)) < np.where(np.arange(steps)[:, None] >= fails, 0.6, 0.05)).astype(float)


causes = draw.integers(0, 3, 2_000)
logs = [log(cause) for cause in causes]
test, truth = logs[1_200:], causes[1_200:]

# %%
# One target a sequence: ``return_sequences=False``. Training ends when 200 logs that it does not learn from are no
# longer told better, and the 800 of the test are seen by nobody until the end.

network = RNN(
    8,
    cell="gru",
    input_size=3,
    output_size=3,
    output="softmax",
    return_sequences=False,
    window=None,  # the gradient reaches back to the beginning
    batch_size=10,
    shuffle=True,
    optimizer="adam",
    epochs=200,
    patience=20,
    seed=SEED,
)
network.train(logs[:1_000], causes[:1_000], validation=(logs[1_000:1_200], causes[1_000:1_200]))
told = np.array(network.predict(test))

# %%
# The baselines: the pump that sent the first alarm; the one that sent most; and least squares on how often each sent
# one, and how much more often towards the end than at the beginning.

features = np.array([[1, *rows.mean(0), *np.linspace(-1, 1, len(rows)) @ rows / len(rows)] for rows in logs])
weights = np.linalg.lstsq(features[:1_200], np.eye(3)[causes[:1_200]])[0]
right = {
    "the network": np.mean(told == truth),
    "least squares": np.mean((features[1_200:] @ weights).argmax(1) == truth),
    "most alarms": np.mean([rows.sum(0).argmax() for rows in test] == truth),
    "first alarm": np.mean([rows[rows.any(1)][0].argmax() for rows in test] == truth),
}
for name, share in right.items():
    print(f"{name:<15}{share:.3f}")

# %%
# ``step`` gives the probabilities while a log is still being written, here for the first log of the test with pump A as
# the cause that the network tells rightly.

rows = test[np.flatnonzero((truth == 0) & (told == 0))[0]]
network.reset()
probabilities = np.array([network.step(row) for row in rows])

figure, (top, bottom) = plt.subplots(2, 1, figsize=(6.4, 6.4), layout="constrained")
counts = np.zeros((3, 3), int)
np.add.at(counts, (truth, told), 1)
top.imshow(counts, cmap="Greys")
for (row, column), count in np.ndenumerate(counts):
    top.text(column, row, count, ha="center", va="center", color="white" if row == column else "black")
top.set(xticks=range(3), xticklabels="ABC", yticks=range(3), yticklabels="ABC", title="The logs of the test")
top.set(xlabel="said by the network", ylabel="failed first")
for pump, (style, color) in enumerate(zip(("-", "--", ":"), ("black", "tab:red", "tab:blue"), strict=True)):
    bottom.plot(probabilities[:, pump], style, color=color, label="ABC"[pump])
    bottom.eventplot(np.flatnonzero(rows[:, pump]), lineoffsets=-0.15 * (pump + 1), linelengths=0.1, colors=color)
bottom.set(xlabel="step", ylabel="probability", title="A log, and what the network says while it grows")
bottom.set(yticks=(0, 0.5, 1, -0.15, -0.3, -0.45), yticklabels=("0", "0.5", "1", *(f"alarms of {x}" for x in "ABC")))
figure.legend(loc="outside lower center", ncols=3, title="probability that it failed first:")
plt.show()
