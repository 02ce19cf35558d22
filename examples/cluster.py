"""A thousand networks beyond one process: at home, through joblib and through Dask, in chunks of 64 and of 256.

`pip install fastrnn numpy joblib distributed`, then `python cluster.py` prints a table; docs/cluster.md explains the
functions. `python cluster.py FOLDER N OF` is task N of an array job of OF tasks: it leaves its networks in FOLDER.
"""

import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from time import perf_counter

import numpy as np
from distributed import Client, LocalCluster, as_completed
from joblib import Parallel, delayed

from fastrnn import RNN, Training, train_all


def study(networks=1_000, epochs=100):
    draw = np.random.default_rng(0)
    inputs = draw.integers(0, 2, (9, 150, 3)).astype(float)  # nine sessions: two choices and a reward
    choices = np.where(inputs[:, :, 2] > 0, inputs[:, :, 0], draw.integers(0, 2, (9, 150)))
    old = np.repeat(np.arange(9) < 8, 150).reshape(9, 150)  # the ninth session validates
    options = dict(cell="gru", input_size=3, output="sigmoid", window=None, batch_size=None, optimizer="adam", lr=0.02)
    return [
        Training(RNN(2, epochs=epochs, seed=seed, **options), inputs, choices, old, (inputs, choices, ~old))
        for seed in range(networks)
    ]


def chunks_of(trainings, size):
    return [trainings[i : i + size] for i in range(0, len(trainings), size)]


def run(number, chunk):
    return number, train_all(chunk, threads=1)  # a worker for each CPU


def in_order(done):
    return [training for _, chunk in sorted(done.items()) for training in chunk]


def with_joblib(chunks, processes=2, attempts=3):
    done = {}
    while len(done) < len(chunks):
        left = [delayed(run)(number, chunk) for number, chunk in enumerate(chunks) if number not in done]
        try:
            done.update(Parallel(n_jobs=processes, return_as="generator_unordered")(left))
        except BrokenProcessPool:  # a worker was killed, and joblib has ended the others: what is not home runs again
            attempts -= 1
            if not attempts:
                raise
    return in_order(done)


def with_dask(client, chunks):
    futures = as_completed(client.map(run, range(len(chunks)), chunks, pure=False), with_results=True)
    return in_order(dict(result for _, result in futures))


def share(trainings, folder, n, of, size=64):
    Path(folder).mkdir(parents=True, exist_ok=True)
    mine = [(Path(folder, f"{i}.safetensors"), one) for i, one in enumerate(trainings) if i % of == n % of]
    for chunk in chunks_of([(path, training) for path, training in mine if not path.exists()], size):
        train_all(training for _, training in chunk)  # on the CPUs that the task has
        for path, training in chunk:
            if training.error is None:
                training.network.save(path)


def main():
    def row(where, size, train):
        trainings = study()
        start = perf_counter()
        trained = train(trainings)
        seconds = perf_counter() - start
        same = all(
            one.network == other.network and one.network.losses == other.network.losses
            for one, other in zip(trained, at_home or trained, strict=True)
        )
        print(f"{where:28} {size:>5} {seconds:8.2f} s{'' if same else '   other bits!'}", flush=True)
        return trained

    at_home = []
    at_home = row("at home, threads=2", "", lambda trainings: train_all(trainings, threads=2))
    start = perf_counter()
    with_joblib(chunks_of(study(2, 1), 1))
    print(f"joblib's two processes begin       {perf_counter() - start:8.2f} s", flush=True)
    for size in 64, 256:
        row("joblib, two processes", size, lambda trainings: with_joblib(chunks_of(trainings, size)))  # noqa: B023
    start = perf_counter()
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        with_dask(client, chunks_of(study(2, 1), 1))
        print(f"Dask's two processes begin         {perf_counter() - start:8.2f} s", flush=True)
        for size in 64, 256:
            row("Dask, two processes", size, lambda trainings: with_dask(client, chunks_of(trainings, size)))  # noqa: B023


if __name__ == "__main__":
    if sys.argv[1:]:
        folder, n, of = sys.argv[1:]
        share(study(), folder, int(n), int(of))
    else:
        main()
