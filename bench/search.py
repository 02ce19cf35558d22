"""A grid search by scikit-learn on real data: `pip install aeon scikit-learn`, then `python bench/search.py`, a minute.

Japanese Vowels (Kudo, Toyama and Shimbo 1999): which of nine men speaks, 270 utterances to learn from and 370 to test
on, 7 to 29 steps of 12 coefficients. GridSearchCV tries GRUs of 3 sizes with 3 strengths of the penalty l1 in 5 folds:
45 trainings of 100 epochs, and one more of the best on all 270. Beside it logistic regression on the mean over time,
searched alike, and one of the trainings, the best on all 270, by fastrnn and, where it is installed, by PyTorch on one
thread: the same GRU, epochs, optimizer, batches and penalty, on batches padded to their longest utterance, from three
seeds each.
"""

import importlib.util
import os
import statistics
import sys
from pathlib import Path
from time import perf_counter

sys.path.append(str(Path(__file__).parents[1]))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import joblib
import numpy as np
from aeon.datasets import load_japanese_vowels
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastrnn
from fastrnn.sklearn import RNNClassifier

GRID = {"hidden_size": [8, 16, 32], "l1": [0.0, 0.0001, 0.001]}
FOLDS = StratifiedKFold(5, shuffle=True, random_state=0)
SEEDS = 3


def load(split):
    utterances, speakers = load_japanese_vowels(split)
    return [utterance.T for utterance in utterances], speakers


def timed(do):
    start = perf_counter()
    result = do()
    return result, perf_counter() - start


def by_torch(like, X, y, seed):
    """What RNNClassifier.fit() does, as one writes it; returns what predicts."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    classes, targets = np.unique(y, return_inverse=True)
    steps = np.concatenate(X)
    mean, scale = steps.mean(axis=0), steps.std(axis=0)

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.gru = torch.nn.GRU(steps.shape[1], like.hidden_size, batch_first=True)
            self.output = torch.nn.Linear(like.hidden_size, len(classes))

        def forward(self, padded, last):
            return self.output(self.gru(padded)[0][torch.arange(len(last)), last])

    def scaled(utterances):
        return [torch.tensor((utterance - mean) / scale, dtype=torch.float32) for utterance in utterances]

    def together(rows):
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor([len(row) - 1 for row in rows])

    network, loss = Network(), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(network.parameters(), like.lr, fused=True)
    rows, targets = scaled(X), torch.tensor(targets)
    for _ in range(like.epochs):
        for batch in torch.randperm(len(rows)).split(like.batch_size):
            optimizer.zero_grad()
            value = loss(network(*together([rows[i] for i in batch])), targets[batch])
            if like.l1:
                value = value + like.l1 * sum(
                    w.abs().sum() for w in (network.gru.weight_ih_l0, network.gru.weight_hh_l0)
                )
            value.backward()
            optimizer.step()

    def predict(utterances):
        with torch.no_grad():
            return classes[network(*together(scaled(utterances))).argmax(dim=1).numpy()]

    return predict


def main():
    (X, y), (others, truth) = load("train"), load("test")

    def report(name, seconds, correct):
        print(f"{name:<52}{seconds:8.2f} s   {correct}", flush=True)

    title = f"fastrnn's core {fastrnn.backend}, {os.cpu_count()} CPUs"
    print(f"{title:<65}accuracy on {len(others)} new ones")
    means = [[utterance.mean(axis=0) for utterance in part] for part in (X, others)]
    logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000))
    strengths = {"logisticregression__C": [0.01, 0.1, 1.0, 10.0, 100.0]}
    search, seconds = timed(lambda: GridSearchCV(logistic, strengths, cv=FOLDS).fit(means[0], y))
    report("logistic regression on means, 25 fits", seconds, f"{search.score(means[1], truth):.1%}")

    for name, backend, jobs in [
        ("one process", "loky", 1),
        ("two processes", "loky", 2),
        ("two threads", "threading", 2),
    ]:
        search = GridSearchCV(RNNClassifier(random_state=0), GRID, cv=FOLDS, n_jobs=jobs)
        with joblib.parallel_config(backend=backend):
            _, seconds = timed(lambda search=search: search.fit(X, y))
        report(f"GridSearchCV, 45 networks and the best, {name}", seconds, f"{search.score(others, truth):.1%}")
    best = search.best_params_
    print(f"  the best: {best}, {search.best_score_:.1%} in the folds")

    def several(name, fit):
        runs = [timed(lambda seed=seed: fit(seed)) for seed in range(SEEDS)]
        correct = [np.mean(predict(others) == truth) for predict, _ in runs]
        seconds = statistics.median(taken for _, taken in runs)
        report(f"the best once more, {name}", seconds, ", ".join(f"{one:.1%}" for one in correct))

    several("fastrnn", lambda seed: RNNClassifier(**best, random_state=seed).fit(X, y).predict)
    if importlib.util.find_spec("torch") is not None:
        like = RNNClassifier(**best)
        several("PyTorch", lambda seed: by_torch(like, X, y, seed))


if __name__ == "__main__":
    main()
