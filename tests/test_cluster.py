"""What goes to other processes and comes back: pickles that are small, and every snippet of docs/cluster.md at work,
where workers are killed too. Each script runs in a process of its own, and its output ends when none of its workers is
left.
"""

import os
import pickle
import re
import shlex
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fastrnn
from fastrnn import RNN, SimpleRNN, Training, load, train_all

FOLDER = Path(__file__).parent.parent
PAGE = (FOLDER / "docs" / "cluster.md").read_text(encoding="utf-8")
EXAMPLE = (FOLDER / "examples" / "cluster.py").read_text(encoding="utf-8")
RUN, JOBLIB, DASK, SHARE = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
DASK, MAIN, IN_DASK = DASK.partition("if __name__ ")
(TASK,) = re.findall(r"'python cluster.py (.*)'", PAGE)

# ---- pickles ----


def trained(**options):
    network = RNN(5, cell="gru", input_size=3, epochs=20, seed=1, **options)
    rows = np.random.default_rng(0).random((50, 3))
    network.train(rows, rows[:, 0])
    return network


@pytest.mark.parametrize(
    ("options", "kept"),
    [({}, 1), ({"momentum": 0.5}, 2), ({"optimizer": "adam"}, 3), ({"optimizer": "adam", "lr": 0.0}, 3)],
    ids=["sgd", "momentum", "adam", "adam without a step"],
)
def test_a_pickle_holds_what_training_has_touched(options, kept):
    """And little else: its parameters, velocity or moments, 9 bytes a loss, and what it is built of."""
    fresh, network = RNN(5, cell="gru", input_size=3, epochs=20, seed=1, **options), trained(**options)
    numbers = 8 * network._spec.count
    assert numbers == 1_168
    assert len(pickle.dumps(fresh)) < numbers + 600
    assert len(pickle.dumps(network)) < kept * numbers + 600 + 9 * 20
    for one in fresh, network:
        other = pickle.loads(pickle.dumps(one))
        assert (other, other.losses, bytes(other._memory)) == (one, one.losses, bytes(one._memory))
        for goes_on in one, other:
            goes_on.train([[0.5, 0.25, 1.0]] * 40, [0.5] * 40)
        assert (other, other.losses, bytes(other._memory)) == (one, one.losses, bytes(one._memory))


def test_a_moment_of_minus_zero_is_not_lost():
    network = trained()
    memory = bytearray(network._memory)
    memory[-24:-16] = struct.pack("d", -0.0)
    network._memory = memoryview(memory).cast("d")
    assert bytes(pickle.loads(pickle.dumps(network))._memory) == memory


@pytest.mark.parametrize("kind", ["array", "list of arrays", "lists", "frames"])
def test_data_of_many_trainings_is_pickled_once(kind):
    x = np.random.default_rng(0).random((9, 150, 3))
    inputs = {"array": x, "list of arrays": [*x], "lists": x.tolist(), "frames": [*map(pd.DataFrame, x)]}[kind]
    targets, weights = x[:, :, 0], [np.ones(150)] * 9
    chunk = [
        Training(RNN(2, cell="gru", input_size=3, epochs=1, seed=i), inputs, targets, weights, (inputs, targets))
        for i in range(100)
    ]
    data = len(pickle.dumps((inputs, targets, weights)))
    assert len(pickle.dumps(chunk)) < data + 100 * (8 * 41 + 300)
    there = pickle.loads(pickle.dumps(chunk))
    assert all(one.inputs is there[0].inputs is one.validation[0] for one in there)
    assert [one.network for one in train_all(there[:2])] == [one.network for one in train_all(chunk[:2])]


@pytest.mark.filterwarnings("ignore:3 of 3 trainings failed")
def test_errors_are_pickled():
    diverging = Training(RNN(2, lr=1e300, seed=1), [1.0, 2.0] * 40, [1.0] * 80)
    chunk = train_all([diverging, Training(RNN(2), [1], [1, 2]), Training(SimpleRNN(), [1], None)])
    told = [(type(one.error), str(one.error)) for one in chunk]
    assert [kind for kind, _ in told] == [OverflowError, ValueError, TypeError]
    assert [(type(one.error), str(one.error)) for one in pickle.loads(pickle.dumps(chunk))] == told


# ---- processes ----

STUDY = """
import os, signal, sys
from contextlib import suppress
from fastrnn import RNN, SimpleRNN, Training


class Watched(RNN):
    def train(self, *data, **more):
        with open("begun", "a") as file:
            print(self.seed, file=file)
        super().train(*data, **more, callback=self.epoch_ends)

    def epoch_ends(self, _, epoch):
        if epoch == 3 and self.dies:
            with suppress(FileExistsError):
                open("killed", "x").close()
                os.kill(os.getpid(), signal.SIGKILL)


def study(dies):
    x = [[[(7 * i * k) % 11 / 5 - 1] for i in range(40)] for k in (1, 2, 3)]
    options = dict(cell="gru", window=None, batch_size=None, optimizer="adam", epochs=5)
    trainings = []
    for seed in range(8):
        watched = Watched(2, seed=seed, **options)
        watched.dies = seed == dies
        trainings += [Training(watched, x, x), Training(RNN(2, seed=seed, patience=3, **options), x, x, None, (x, x))]
    trainings[5] = Training(RNN(2, lr=1e300, epochs=3, seed=1), x, x)
    trainings[7] = Training(SimpleRNN(epochs=3, seed=1), [0, 1] * 20, [1, 0] * 20)
    return trainings


def told(trainings):
    return [
        (t.network, bytes(getattr(t.network, "_memory", b"")), sorted(vars(t.network).items()), repr(t.error))
        for t in trainings
    ]


def at_home(dies):
    open("killed", "x").close()  # so nobody is
    result = told(train_all(study(dies)))
    os.unlink("killed")
    os.unlink("begun")
    return result


def begun():
    with open("begun") as file:
        return [*map(int, file)]
"""


def play(script, folder, *arguments, options=(), code=0, **environment):
    """Run a script, and hold it to its exit code."""
    (folder / "script.py").write_text(script, encoding="utf-8")
    package = str(Path(fastrnn.__file__).parent.parent)
    process = subprocess.Popen(
        [sys.executable, *options, "script.py", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": package} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=600)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)  # its workers too
        raise
    assert process.returncode == code, printed


needs_kill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal on Windows")


def test_the_page_is_the_example():
    functions = re.findall(r"^def .*?\n(?=\n|\Z)", "\n".join([RUN, JOBLIB, DASK, SHARE]), re.DOTALL | re.MULTILINE)
    assert len(functions) == 5
    assert [function for function in functions if function not in EXAMPLE] == []


@needs_kill
def test_joblib_where_a_worker_is_killed(tmp_path):
    """With the last chunk: so something is at home that does not run again."""
    pytest.importorskip("joblib")
    main = """
if __name__ == "__main__":
    expected = at_home(dies=7)
    assert told(with_joblib(chunks_of(study(dies=7), 2))) == expected
    runs = [begun().count(seed) for seed in range(8)]
    assert runs[7] == 2 and max(runs) == 2 and sum(runs) < 16, runs
"""
    play(RUN + JOBLIB + STUDY + main, tmp_path)
    assert (tmp_path / "killed").exists()


@needs_kill
def test_joblib_gives_up_where_workers_are_killed_again_and_again(tmp_path):
    pytest.importorskip("joblib")
    main = """
def run(number, chunk):
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    try:
        with_joblib(chunks_of(study(None), 2))
    except BrokenProcessPool as error:
        assert "SIGKILL" in str(error)
        sys.exit(5)
"""
    play(RUN + JOBLIB + STUDY + main, tmp_path, code=5)


@needs_kill
def test_dask_where_a_worker_is_killed(tmp_path):
    """With its first chunk: so nothing else is lost with it."""
    pytest.importorskip("distributed")
    before = """
if __name__ == "__main__":
    expected = at_home(dies=0)
    trainings = study(dies=0)
"""
    after = """
    assert told(trainings) == expected
    runs = [begun().count(seed) for seed in range(8)]
    assert runs == [2, 1, 1, 1, 1, 1, 1, 1], runs
"""
    play(RUN + DASK + STUDY + before + (MAIN + IN_DASK).replace("64", "2") + after, tmp_path)
    assert (tmp_path / "killed").exists()


@needs_kill
def test_an_array_job_goes_on_where_it_was_killed(tmp_path):
    """Its first task in its third chunk. One training of the other diverges: it has no file, and is tried again."""
    main = """
from fastrnn import load, train_all

if __name__ == "__main__":
    share(study(dies=4), "networks", int(sys.argv[1]), 2, size=2)
"""
    check = """
from fastrnn import load

if __name__ == "__main__":
    runs = [begun().count(seed) for seed in range(8)]
    runs[5] = 1  # in the chunk that was lost: it may have begun
    assert runs == [1, 1, 1, 1, 2, 1, 1, 1], runs
    expected = train_all(study(None))
    found = [load(f"networks/{i}.safetensors") for i in range(16) if i != 5]
    assert expected[5].error and not os.path.exists("networks/5.safetensors")
    del expected[5]
    for one, training in zip(found, expected, strict=True):
        assert one == training.network and one.losses == training.network.losses
        assert getattr(one, "_memory", None) == getattr(training.network, "_memory", None)
"""
    task = RUN + SHARE + STUDY + main
    play(task, tmp_path, "0", code=-signal.SIGKILL)
    assert {file.stem for file in (tmp_path / "networks").iterdir()} == {"0", "2", "4", "6"}
    for n in "0", "1", "1", "2":  # a task once more; and 2 of 2 is 0, so that an array may begin with 1
        play(task, tmp_path, n)
    play(task.replace(main, check), tmp_path)


@pytest.mark.skipif(fastrnn.backend == "python", reason="pure Python gives the same numbers, slowly")
def test_the_task_of_the_page(tmp_path):
    """As many tasks that each has two networks; it runs twice."""
    pytest.importorskip("joblib")
    pytest.importorskip("distributed")
    folder, n, of = shlex.split(TASK.replace("$SLURM_ARRAY_TASK_ID", "3"))
    assert (folder, n, of) == ("networks", "3", "10")
    play(EXAMPLE, tmp_path, folder, n, "500")
    files = {file.stem: file.stat().st_mtime_ns for file in (tmp_path / folder).iterdir()}
    assert sorted(files) == ["3", "503"]
    play(EXAMPLE, tmp_path, folder, n, "500")
    assert files == {file.stem: file.stat().st_mtime_ns for file in (tmp_path / folder).iterdir()}
    for stem in files:
        assert len(load(tmp_path / folder / f"{stem}.safetensors").losses) == 100


def test_threads_and_every_way_to_begin_a_process(tmp_path):
    """Of train_all()'s own threads none is left that a fork could meet. Python warns of one from 3.12 on."""
    main = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from fastrnn._threads import number_of


def in_two(chunk):
    return train_all(chunk, threads=2)


if __name__ == "__main__":
    expected = told(train_all(study(None), threads=2))
    with ThreadPoolExecutor(2) as pool:  # as a worker of Dask with two threads
        chunks = chunks_of(study(None), 4)
        assert told([one for _, chunk in pool.map(run, range(4), chunks) for one in chunk]) == expected
    for method in multiprocessing.get_all_start_methods():
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
            assert pool.submit(number_of, None).result() == 1
            assert told([t for chunk in pool.map(in_two, chunks_of(study(None), 4)) for t in chunk]) == expected
"""
    (tmp_path / "killed").touch()
    play(RUN + STUDY + main, tmp_path, options=["-W", "error::DeprecationWarning"], FASTRNN_THREADS="1")
