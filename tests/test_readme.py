"""Every snippet of the README runs, and prints what stands beside it. (Its two commands for a fresh machine run in the
build tests and in CI.)
"""

import io
import pickle
import re
import shlex
from contextlib import redirect_stdout
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy
import pytest

from fastrnn import RNN, load
from fastrnn.__main__ import main

README = Path(__file__).parent.parent / "README.md"
SNIPPETS = re.findall(r"^```(\w+)\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
PYTHON = [code for language, code in SNIPPETS if language == "python"]
NOTEBOOK, LONG, SYSTEM, CLASSIFYING, _ = PYTHON
SHELL = [line for language, code in SNIPPETS if language == "sh" for line in code.splitlines()]
COMMANDS = [line for line in SHELL if line.startswith("fastrnn")]


@cache
def run(code):
    """The names that a snippet leaves behind, and the lines that it prints."""
    names = {}
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "README.md", "exec"), names)
    return names, printed.getvalue().splitlines()


def test_snippets_are_found():
    assert len(PYTHON) == 5
    assert len(COMMANDS) == 2
    assert len(SHELL) - len(COMMANDS) == 3  # install and run, install and test, install and benchmark
    assert len(SNIPPETS) == 9


@pytest.mark.parametrize("code", PYTHON, ids=lambda code: code.splitlines()[-1][:30])
def test_python(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(code)


def test_the_notebook():
    _, lines = run(NOTEBOOK)
    assert lines[0] == "Epoch 0: Loss = 9.7750"
    assert lines[-1] == str([1, 0] * 19 + [1])


# ---- where a network is the right tool: better on new data than what one would try first, whatever the seed ----


@pytest.mark.parametrize("code", [LONG, SYSTEM, CLASSIFYING], ids=["long", "system", "classifying"])
def test_results_stand_beside(code):
    comments = re.findall(r"print\(.*# (.*)", code)
    beside = [float(number) for comment in comments for number in re.findall(r"\d\.\d+", comment)]
    assert [float(line) for line in run(code)[1]] == pytest.approx(beside, abs=0.0015)


def two_seeds(code):
    """A snippet as it is, and from other weights."""
    assert len(re.findall(r"\bseed=\d", code)) == 1
    return [code, re.sub(r"\bseed=\d", "seed=2", code)]


@pytest.mark.parametrize("code", two_seeds(LONG), ids=["as it is", "seed=2"])
def test_one_unit_looks_further_back_than_a_majority(code):
    names, lines = run(code)
    network, last, of_three = map(float, lines)
    assert network > last + 0.08
    assert network > of_three + 0.04
    new = names["new"]
    ones = numpy.concatenate([[0.0], numpy.cumsum(new)])
    majorities = {n: numpy.mean((ones[n:-1] - ones[: -n - 1] > n / 2) == new[n:]) for n in range(1, 50, 2)}
    best = max(majorities, key=majorities.get)
    assert (best, majorities[best]) == (13, pytest.approx(0.707, abs=0.0005))
    assert network > majorities[best]


def test_nobody_foretells_more():
    """Bayes' filter, which knows the coins and how often they are swapped."""
    new = run(LONG)[0]["new"].tolist()
    foretold, heavy = 0, 0.5  # the probability that the coin of many ones is thrown
    for x in new:
        one = 0.75 * heavy + 0.25 * (1 - heavy)
        foretold += (one > 0.5) == x
        heavy = 0.75 * heavy / one if x else 0.25 * heavy / (1 - one)
        heavy = 0.99 * heavy + 0.01 * (1 - heavy)
    assert foretold / len(new) == pytest.approx(0.713, abs=0.0005)


def test_an_exponential_average_comes_close():
    """The best of all weights for the last throw."""
    new = run(LONG)[0]["new"].tolist()
    best = 0
    for weight in (0.09, 0.1, 0.11, 0.12, 0.13, 0.15, 0.2):
        average, right = 0.5, 0
        for x in new:
            right += (average > 0.5) == x
            average += weight * (x - average)
        best = max(best, right / len(new))
    assert best == pytest.approx(0.712, abs=0.0005)


@pytest.mark.parametrize("code", two_seeds(SYSTEM), ids=["as it is", "seed=2"])
def test_a_system_with_a_memory(code):
    names, lines = run(code)
    network, linear = map(float, lines)
    assert network < linear / 3
    # Nor is what happened in the past after the most similar inputs any better.
    x, y = names["x"], names["y"]
    for width in (8, 32):
        past = numpy.lib.stride_tricks.sliding_window_view(x, width, axis=0).reshape(-1, 3 * width)
        old, new = past[: 9_000 - width + 1 : 3], past[9_000 - width + 1 :: 10]
        distances = (old**2).sum(1) - 2 * new @ old.T
        nearest = numpy.argpartition(distances, 20, 1)[:, :20]
        told = y[width - 1 :][: 9_000 - width + 1 : 3][nearest].mean(1)
        assert numpy.sqrt(numpy.mean((told - y[9_000::10]) ** 2)) > linear


@pytest.mark.parametrize("code", two_seeds(CLASSIFYING), ids=["as it is", "seed=2"])
def test_classifying(code):
    names, lines = run(code)
    network, linear = map(float, lines)
    assert network > 0.95
    assert network > linear + 0.15
    rule = [rows[numpy.argmax(rows.max(1) > 1.75)].argmax() for rows in names["sequences"][300:]]
    assert numpy.mean(rule == names["classes"][300:]) == pytest.approx(0.997, abs=0.0005)


# ---- what is said between the snippets ----


def test_standardise():
    series = 288.0 + 6.0 * numpy.sin(0.3 * numpy.arange(1_000))
    for values, spread in (series, 0.0), ((series - series.mean()) / series.std(), 1.0):
        network = RNN(4, optimizer="adam", lr=0.1, epochs=50, seed=1)
        network.train(values[:-1], values[1:])
        predictions = network.predict(values)[100:]
        assert predictions.mean() == pytest.approx(values.mean(), abs=0.2 * values.std())
        assert predictions.std() == pytest.approx(spread * values.std(), abs=0.1 * values.std())


def test_live(tmp_path):
    xs = numpy.sin(0.3 * numpy.arange(80)).tolist()
    network = RNN(4, cell="gru", optimizer="adam", seed=1)
    for x, target in pairwise(xs[:41]):  # an update after 32, and 8 steps wait
        network.learn(x, target)
    kept = pickle.dumps(network)
    forecast = network.predict([xs[40]], state=network.state)
    assert pickle.dumps(network) == kept
    network.save(tmp_path / "network")
    resumed, stepped = load(tmp_path / "network"), pickle.loads(kept)
    assert [stepped.step(xs[40])] == forecast
    for x, target in pairwise(xs[40:]):
        assert network.learn(x, target) == resumed.learn(x, target)
        stepped.learn(x, target)
    assert resumed == network
    assert stepped != network


def test_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = (f"2026-01-{day:02},{(day * 7) % 11}.5\n" for day in range(1, 32))
    Path("temperatures.csv").write_text("date,temperature\n" + "".join(rows), encoding="utf-8")
    for command in COMMANDS:
        assert main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out
