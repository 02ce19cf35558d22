"""
The notebook's network, and what its hidden state learns
========================================================

One hidden unit and five weights, trained online: first on the notebook's own sequence, then on one that needs a memory.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastrnn import SimpleRNN

SEED = 0

# %%
# The notebook's sequence is 0, 1, 0, 1, ... The loss falls, and the network goes on with the sequence far beyond what
# it has seen. That takes no memory: the opposite of the last value is right as often.

sequence = [0, 1] * 20
network = SimpleRNN(epochs=200, seed=SEED)
network.train(sequence[:-1], sequence[1:], verbose=False)
longer = np.array([0, 1] * 1_000)
print("right of the values that follow:", np.mean(network.predict(longer[:-1])[39:] == longer[40:]))

# %%
# Two coins
# ---------
# Somebody throws one of two coins, and now and then swaps them without a word. One shows heads (1) three times in four,
# the other once. All that we see are the throws; to foretell the next is to know which coin it is. The first half
# is for learning, the second is the test.

draw = np.random.default_rng(SEED)
coin = np.cumsum(draw.random(200_000) < 0.01) % 2
throws = (draw.random(len(coin)) < np.where(coin, 0.75, 0.25)).astype(float)
old, new = throws[:100_000], throws[100_000:]

one_unit = SimpleRNN(lr=0.05, epochs=5, seed=SEED)
one_unit.train(old[:-1], old[1:], verbose=False)
right = np.mean(one_unit.predict(new[:-1]) == new[1:])
again = np.mean(new[:-1] == new[1:])
print(f"right of {len(new) - 1:,} throws never seen before: {right:.3f}")
print(f"the last throw once more: {again:.3f}")
votes = new[:-3] + new[1:-2] + new[2:-1]
majority = np.mean((votes > 1.5) == new[3:])
print(f"the majority of the last three: {majority:.3f}")

# %%
# What the hidden state is
# ------------------------
# Whoever knows the coins, and how often they are swapped, can compute after each throw how likely the coin is that
# mostly shows heads (Bayes' rule). Nobody can do better. The network has been told nothing of all that, and yet its one
# hidden unit follows that probability closely.

belief, beliefs = 0.5, []
for throw in new[:-1]:
    heads = belief * (0.75 if throw else 0.25)
    tails = (1 - belief) * (0.25 if throw else 0.75)
    belief = heads / (heads + tails)
    belief += 0.01 * (1 - 2 * belief)  # before the next throw the coins may be swapped
    beliefs.append(belief)
best = np.mean((np.array(beliefs) > 0.5) == new[1:])
hidden = one_unit.hidden_states(new[:-1])
correlation = np.corrcoef(hidden, beliefs)[0, 1]
print(f"by Bayes' rule, with all that is hidden from the network: {best:.3f}")
print(f"correlation of the hidden state with that probability: {correlation:+.2f}")

some = slice(0, 400)
figure, axes = plt.subplots(2, 1, figsize=(6.4, 5), layout="constrained")
axes[0].plot(network.losses, color="black")
axes[0].set(xlabel="epoch", ylabel="sum of squared errors", title="0, 1, 0, 1, ...: the loss of the notebook's network")
axes[1].fill_between(range(400), coin[100_000:][some], step="mid", color="lightgrey", label="the coin with more heads")
axes[1].plot(beliefs[some], color="black", label="its probability by Bayes' rule")
axes[1].plot(hidden[some] if correlation > 0 else 1 - hidden[some], "--", color="tab:red", label="hidden state")
axes[1].set(xlabel="throw of the test", ylabel="probability", title="Two coins: what the hidden state follows")
figure.legend(loc="outside lower center", ncols=2)
plt.show()
