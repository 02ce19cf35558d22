"""Which of nine men speaks, from one utterance of two vowels: `pip install aeon scikit-learn`.

Japanese Vowels (Kudo, Toyama and Shimbo 1999): 270 utterances to learn from and 370 to test on, 7 to 29 steps of 12
cepstral coefficients each. The target of every step is the speaker; the class is read from the last step alone, as the
likeliest there. Ten networks from ten seeds, of which every other one hears the utterances backwards, also vote: their
log probabilities at the last step are added.

All was chosen by threefold cross-validation within the 270 (Elman, GRU and LSTM with 8 to 64 units, windows of 1 step
to the whole utterance, learning rates 0.001 to 0.01, noise, weight decay). That gave 93.7 % for one network, 97.0 % for
the vote of ten, 96.3 % for a vote of ten that all hear forwards, and 95.6 % for logistic regression.

    python bench/real/vowels.py [--torch]
"""

import argparse
import time

import numpy as np
from aeon.datasets import load_japanese_vowels
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastrnn

CLASSES, COEFFICIENTS = 9, 12
LR, NETWORKS = 0.003, 10


def load(split):
    utterances, speakers = load_japanese_vowels(split)
    return [utterance.T for utterance in utterances], speakers.astype(int) - 1


def shuffled(utterances, speakers, seed):
    """Utterances in an order of their own for every network, and the speaker at every step."""
    order = np.random.default_rng(seed).permutation(len(utterances))
    return [utterances[i] for i in order], [np.full(len(utterances[i]), speakers[i]) for i in order]


def new_network(seed):
    return fastrnn.RNN(
        32,
        cell="gru",
        input_size=COEFFICIENTS,
        output_size=CLASSES,
        output="softmax",
        window=8,
        optimizer="adam",
        lr=LR,
        clip=1.0,
        epochs=30,
        seed=seed,
    )


def by_fastrnn(learnt, speakers, tested, seed):
    """Log probabilities at the last step of each test utterance, and the seconds of training."""
    if seed % 2:
        learnt, tested = ([utterance[::-1] for utterance in part] for part in (learnt, tested))
    network = new_network(seed)
    inputs, targets = shuffled(learnt, speakers, seed)
    start = time.perf_counter()
    network.train(inputs, targets)
    seconds = time.perf_counter() - start
    return np.log([probabilities[-1] for probabilities in network.predict_proba(tested)]), seconds


def by_torch(learnt, speakers, tested, seed):
    import peer
    import torch

    like = new_network(seed)
    network = peer.Network(like, seed)
    seconds, remark = peer.train(network, *shuffled(learnt, speakers, seed), [LR], like)
    with torch.no_grad():
        scores = [network(peer.rows(utterance))[0][-1, 0].numpy() for utterance in tested]
    return np.array(scores), seconds, remark


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--torch", action="store_true")
    options = parser.parse_args()

    (learnt, speakers), (tested, truth) = load("train"), load("test")
    means = [utterance.mean(axis=0) for utterance in learnt]
    logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000)).fit(means, speakers)

    # One scale for all coefficients: the higher ones vary less, and mean less.
    steps = np.concatenate(learnt)
    centre = steps.mean(axis=0)
    scale = (steps - centre).std()
    inputs, questions = ([(utterance - centre) / scale for utterance in part] for part in (learnt, tested))

    def report(name, correct, remark=""):
        print(f"{name:<44}{correct:6.1%}   {remark}".rstrip())

    print(f"{len(tested)} utterances of {CLASSES} speakers              accuracy")
    report("logistic regression on the mean over time", logistic.score([u.mean(axis=0) for u in tested], truth))
    runs = [by_fastrnn(inputs, speakers, questions, seed) for seed in range(NETWORKS)]
    scores, seconds = np.array([run[0] for run in runs]), sum(run[1] for run in runs)
    each = (scores.argmax(axis=2) == truth).mean(axis=1)
    remark = f"{each.min():.1%} to {each.max():.1%}, each trained in {seconds / NETWORKS:.2f} s"
    report(f"fastrnn, GRU of 32, mean of {NETWORKS}", each.mean(), remark)
    together = (scores.sum(axis=0).argmax(axis=1) == truth).mean()
    report(f"fastrnn, the vote of those {NETWORKS}", together, f"trained in {seconds:.2f} s")
    if options.torch:
        scores, seconds, remark = by_torch(inputs, speakers, questions, seed=0)
        report(
            "PyTorch, GRU of 32, one", (scores.argmax(axis=1) == truth).mean(), f"trained in {seconds:.2f} s {remark}"
        )


if __name__ == "__main__":
    main()
