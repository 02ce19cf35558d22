"""Every snippet of the README runs, and prints what stands beside it. (Its two commands for a fresh machine run in the
build tests and in CI.)
"""

import io
import pickle
import re
import shlex
from collections import Counter
from contextlib import nullcontext, redirect_stdout
from functools import cache
from itertools import chain, pairwise
from pathlib import Path

import numpy
import pytest

import fastrnn
from fastrnn import RNN, load
from fastrnn.__main__ import main

README = Path(__file__).parent.parent / "README.md"
SNIPPETS = re.findall(r"^```(\w+)\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
PYTHON = [code for language, code in SNIPPETS if language == "python"]
NOTEBOOK, LONG, SYSTEM, CLASSIFYING, ANIMAL, _, LIVE = PYTHON
LIVE = SYSTEM + LIVE  # it goes on with the tank
SHELL = [line for language, code in SNIPPETS if language == "sh" for line in code.splitlines()]
COMMANDS = [line for line in SHELL if line.startswith("fastrnn")]


@cache
def run(code):
    """The names that a snippet leaves behind, and the lines that it prints."""
    if "patience" in code and fastrnn.backend == "python":
        pytest.skip("pure Python gives the same numbers, after minutes")
    names = {}
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "README.md", "exec"), names)
    return names, printed.getvalue().splitlines()


def test_snippets_are_found():
    assert len(PYTHON) == 7
    assert len(COMMANDS) == 2
    assert len(SHELL) - len(COMMANDS) == 3  # install and run, install and test, install and benchmark
    assert len(SNIPPETS) == 11


@pytest.mark.parametrize("code", [*PYTHON[:-1], LIVE], ids=lambda code: code.splitlines()[-1][:30])
def test_python(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(code)


def test_the_notebook():
    _, lines = run(NOTEBOOK)
    assert lines[0] == "Epoch 0: Loss = 9.7750"
    assert lines[-1] == str([1, 0] * 19 + [1])


# ---- where a network is the right tool: better on new data than what one would try first, whatever the seed ----


@pytest.mark.parametrize("code", [LONG, CLASSIFYING, ANIMAL, LIVE], ids=["long", "classifying", "animal", "live"])
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


@pytest.mark.parametrize("code", two_seeds(LIVE), ids=["as it is", "seed=2"])
def test_a_system_with_a_memory(code):
    _, lines = run(code)
    network, linear, live, unchanged, corrected = map(float, lines)
    assert network < linear / 5
    assert live < unchanged / 3
    assert live < corrected / 2


def test_a_tank_without_a_network():
    """Told every level, not only those that were read."""
    names, lines = run(SYSTEM)
    x, y, linear = names["x"], names["levels"], float(lines[1])

    def past(width):
        padded = numpy.pad(x, [(0, 0), (width - 1, 0), (0, 0)])
        return numpy.lib.stride_tricks.sliding_window_view(padded, width, axis=1).reshape(-1, 3 * width)

    table = numpy.insert(past(96), 0, 1.0, axis=1)
    told = table[16_000:] @ numpy.linalg.lstsq(table[:16_000], y[:80].ravel())[0]
    assert names["rmse"](told - y[80:].ravel()) == pytest.approx(0.51, abs=0.0015)
    # Nor is what happened after the most similar inputs any better.
    for width in (8, 32):
        old, new = past(width)[:16_000:4], past(width)[16_000::10]
        distances = (old**2).sum(1) - 2 * new @ old.T
        nearest = numpy.argpartition(distances, 20, 1)[:, :20]
        told = y.ravel()[:16_000:4][nearest].mean(1)
        assert names["rmse"](told - y.ravel()[16_000::10]) > linear


@pytest.mark.parametrize("code", two_seeds(CLASSIFYING), ids=["as it is", "seed=2"])
def test_classifying(code):
    names, lines = run(code)
    network, linear = map(float, lines)
    assert network > 0.97
    assert network > linear + 0.15
    rule = [rows[numpy.argmax(rows.max(1) > 1.75)].argmax() for rows in names["sequences"][1_000:]]
    assert numpy.mean(rule == names["classes"][1_000:]) == pytest.approx(0.996, abs=0.0005)


def by_what_followed(inputs, choices, trials):
    """How often the choice is the one that most often followed the same last trials in the other sessions. The levers
    are alike: the one chosen last stands on the left."""
    sessions, right = [], []
    for x, y in zip(inputs, choices, strict=True):
        rows, session = [(0, 0, 0)] * (trials - 1) + [tuple(row) for row in x], []
        for t, choice in enumerate(y):
            past, turn = rows[t : t + trials], rows[t + trials - 1][1]
            past = tuple((b, a, reward) for a, b, reward in past) if turn else tuple(past)
            if choice == choice:
                session.append((past, choice != turn))
        sessions.append(session)
    for new, session in enumerate(sessions):
        votes = Counter()
        for past, is_other in chain(*sessions[:new], *sessions[new + 1 :]):
            votes[past] += 1 if is_other else -1
        right += [(votes[past] > 0) == is_other for past, is_other in session]
    return numpy.mean(right)


def by_least_squares(inputs, choices, trials):
    """The same by least squares on the last choices, and on each times its reward."""
    tables, right = [], []
    for x in inputs:
        side = x[:, 1] - x[:, 0]
        padded = numpy.pad(numpy.column_stack([side, side * x[:, 2]]), [(trials - 1, 0), (0, 0)])
        past = numpy.lib.stride_tricks.sliding_window_view(padded, trials, axis=0).reshape(len(x), -1)
        tables.append(numpy.insert(past, 0, 1.0, axis=1))
    for new, (table, y) in enumerate(zip(tables, choices, strict=True)):
        x_old = numpy.vstack(tables[:new] + tables[new + 1 :])
        y_old = numpy.concatenate(choices[:new] + choices[new + 1 :])
        made = numpy.isfinite(y_old)
        told = table @ numpy.linalg.lstsq(x_old[made], y_old[made])[0] > 0.5
        right.append((told == y)[numpy.isfinite(y)])
    return numpy.mean(numpy.concatenate(right))


def by_the_rule(inputs, choices, most):
    right = []
    for x, y in zip(inputs, choices, strict=True):
        lever, failures = 0, 0
        for (at_0, at_1, reward), choice in zip(x, y, strict=True):
            if at_0 or at_1:
                failures = failures * (at_1 == lever) + 1 - reward
                lever, failures = (1 - at_1, 0) if failures == most else (at_1, failures)
            if choice == choice:
                right.append(lever == choice)
    return numpy.mean(right)


@pytest.mark.parametrize("code", two_seeds(ANIMAL), ids=["as it is", "seed=2"])
def test_the_choices_of_one_animal(code):
    names, lines = run(code)
    network, again = map(float, lines)
    inputs, choices, made = names["inputs"], names["choices"], names["made"]
    chosen = numpy.concatenate(choices)[numpy.concatenate(made)]
    assert max(chosen.mean(), 1 - chosen.mean()) == pytest.approx(0.519, abs=0.0005)
    assert by_the_rule(inputs, choices, 3) == pytest.approx(0.962, abs=0.0005)
    assert by_least_squares(inputs, choices, 10) == pytest.approx(0.83, abs=0.005)
    followed = {trials: by_what_followed(inputs, choices, trials) for trials in range(1, 9)}
    best = max(followed, key=followed.get)
    assert (best, followed[best]) == (5, pytest.approx(0.91, abs=0.005))
    assert again < followed[best]
    assert network > followed[best] + 0.02


def test_one_trial_back_needs_no_network():
    names, _ = run(ANIMAL.replace("failures == 3", "failures == 1").replace("epochs=2_000", "epochs=0"))
    inputs, choices = names["inputs"], names["choices"]
    assert by_least_squares(inputs, choices, 3) == pytest.approx(by_the_rule(inputs, choices, 1), abs=0.005)


# ---- what is said between the snippets ----


def test_standardize():
    series = 288.0 + 6.0 * numpy.sin(0.3 * numpy.arange(1_000))
    for standardize, spread in (False, 0.0), (True, 1.0):
        network = RNN(4, optimizer="adam", lr=0.1, epochs=50, seed=1, standardize=standardize)
        with nullcontext() if standardize else pytest.warns(UserWarning, match="standardize=True"):
            network.train(series[:-1], series[1:])
        predictions = network.predict(series)[100:]
        assert predictions.mean() == pytest.approx(series.mean(), abs=0.2 * series.std())
        assert predictions.std() == pytest.approx(spread * series.std(), abs=0.1 * series.std())


def test_live(tmp_path):
    xs = numpy.sin(0.3 * numpy.arange(80)).tolist()
    network = RNN(4, cell="gru", optimizer="adam", seed=1)
    for x, target in pairwise(xs[:41]):  # an update after 32, and 8 steps wait
        network.learn(x, target)
    kept = pickle.dumps(network)
    forecast = network.peek(xs[40])
    assert pickle.dumps(network) == kept
    network.save(tmp_path / "network")
    resumed, stepped = load(tmp_path / "network"), pickle.loads(kept)
    assert network.learn(xs[40], None) == resumed.learn(xs[40], None) == stepped.step(xs[40]) == forecast
    for x, target in pairwise(xs[41:]):  # an update after 23 more
        assert network.learn(x, target) == resumed.learn(x, target) == stepped.learn(x, target)
    assert network == resumed == stepped
    assert network != pickle.loads(kept)


def test_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = (f"2026-01-{day:02},{(day * 7) % 11}.5\n" for day in range(1, 32))
    Path("temperatures.csv").write_text("date,temperature\n" + "".join(rows), encoding="utf-8")
    for command in COMMANDS:
        assert main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out
