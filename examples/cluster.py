"""A thousand networks beyond one process: at home, through joblib and through Dask, in chunks of 1 to 256.

`pip install numpy joblib distributed`, then `python cluster.py` prints a table; docs/cluster.md explains the
functions. `python cluster.py FOLDER N OF` is task N of an array job of OF tasks: it leaves its networks in FOLDER.
"""

import sys
from concurrent.futures.process import BrokenProcessPool
from functools import partial
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
    old = np.repeat(np.arange(9) < 8, 150).reshape(9, 150)
    validation = inputs, choices, ~old  # the ninth session; made once, so that a chunk holds it once
    options = {"cell": "gru", "input_size": 3, "output": "sigmoid", "window": None, "batch_size": None}
    networks = [RNN(2, optimizer="adam", lr=0.02, epochs=epochs, seed=seed, **options) for seed in range(networks)]
    return [Training(network, inputs, choices, old, validation) for network in networks]


def chunks_of(trainings, size):
    return [trainings[i : i + size] for i in range(0, len(trainings), size)]


def run(number, chunk):
    return number, train_all(chunk, threads=1)  # a worker for each CPU


def with_joblib(chunks, processes=2, attempts=3):
    done = {}
    while len(done) < len(chunks):
        left = [delayed(run)(number, chunk) for number, chunk in enumerate(chunks) if number not in done]
        try:
            done.update(Parallel(n_jobs=processes, return_as="generator_unordered")(left))
        except BrokenProcessPool:  # a worker was killed, and joblib has ended the others: what is not home runs again
            if not (attempts := attempts - 1):
                raise
    return [one for _, chunk in sorted(done.items()) for one in chunk]


def with_dask(client, chunks):
    futures = as_completed(client.map(run, range(len(chunks)), chunks, pure=False), with_results=True)
    return [one for _, chunk in sorted(result for _, result in futures) for one in chunk]


def share(trainings, folder, n, of, size=64):
    Path(folder).mkdir(parents=True, exist_ok=True)
    mine = [(Path(folder, f"{i}.safetensors"), trainings[i]) for i in range(n % of, len(trainings), of)]
    for chunk in chunks_of([(path, one) for path, one in mine if not path.exists()], size):
        train_all(one for _, one in chunk)
        for path, one in chunk:
            if one.error is None:
                one.network.save(path)


def measure(where, train, size, trainings):
    start = perf_counter()
    trained = train(chunks_of(trainings, size))
    print(f"{where:22} {len(trainings):>5} networks, {size:>5} a chunk {perf_counter() - start:8.2f} s", flush=True)
    return [(training.network, training.network.losses) for training in trained]


def at_home(chunks):
    return [training for chunk in chunks for training in train_all(chunk, threads=2)]


def main():
    measure("at home, two threads", at_home, 8, study(8, 1))  # what is loaded later is loaded
    expected = measure("at home, two threads", at_home, 1_000, study())
    measure("joblib begins", with_joblib, 1, study(2, 1))
    for size in 1, 8, 64, 256:
        assert measure("joblib, two processes", with_joblib, size, study()) == expected
    start = perf_counter()
    with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster) as client:
        print(f"Dask's two processes are there after {perf_counter() - start:.2f} s", flush=True)
        measure("Dask begins", partial(with_dask, client), 1, study(2, 1))
        for size in 1, 8, 64, 256:
            assert measure("Dask, two processes", partial(with_dask, client), size, study()) == expected


if __name__ == "__main__":
    if sys.argv[1:]:
        folder, n, of = sys.argv[1:]
        share(study(), folder, int(n), int(of))
    else:
        main()
