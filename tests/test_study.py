"""Studies: the folds, the networks that a plain loop gives, what is chosen, what is kept, and what fails."""

import itertools
import math
import pickle
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as some
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, StratifiedKFold, TimeSeriesSplit

import fastrnn.study
from fastrnn import RNN
from fastrnn.study import cross_validate, lowest_loss, lowest_mean_loss, nested_folds

GRID = {"hidden_size": [1, 2], "cell": "gru", "output": "sigmoid", "l1": [0.0, 0.01], "epochs": 6, "patience": 2}
SMALL = {"outer": 3, "inner": 2, "seeds": 2}


def person_of(seed, lengths=(5, 9, 4, 7, 8, 6, 5)):
    draw = np.random.default_rng(seed)
    inputs = [draw.normal(size=(n, 2)) for n in lengths]
    return inputs, [(x.sum(1) > 0).astype(float) for x in inputs]


PEOPLE = {"ann": person_of(1), 7: person_of(2, (6, 6, 6, 12))}


def sums(folds):
    """Each weight: of the test, and of both parts of every inner fold."""
    return [
        (np.concatenate(fold.test), [(np.concatenate(a), np.concatenate(b)) for a, b in fold.inner]) for fold in folds
    ]


# ---- folds ----


@given(
    lengths=some.lists(some.integers(0, 9), min_size=4, max_size=12).filter(
        lambda lengths: sum(map(bool, lengths)) > 5
    ),
    folds=some.sampled_from(["sequences", "steps"]),
    outer=some.integers(2, 4),
    inner=some.integers(2, 3),
    seed=some.integers(0, 99),
    masked=some.booleans(),
)
def test_every_step_with_a_weight_is_in_one_fold(lengths, folds, outer, inner, seed, masked):
    inputs, targets = person_of(seed, lengths)
    draw = np.random.default_rng(seed)
    weights = [draw.integers(masked, 3, n) / 2.0 if masked else np.ones(n) for n in lengths]
    made = nested_folds(inputs, targets, weights, outer=outer, inner=inner, folds=folds)
    every, found = np.concatenate(weights), sums(made)
    assert len(found) == outer
    np.testing.assert_array_equal(sum(test for test, _ in found), every)
    for test, parts in found:
        assert test.any()
        assert len(parts) == inner
        np.testing.assert_array_equal(sum(validation for _, validation in parts), every - test)
        for train, validation in parts:
            assert train.any()
            assert validation.any()
            np.testing.assert_array_equal(train + validation, every - test)
            assert not (train * validation).any()
    for fold in made:
        np.testing.assert_array_equal(np.concatenate(fold.train), every - np.concatenate(fold.test))
    assert all(len(row) == n for fold in made for row, n in zip(fold.test, lengths, strict=True))


def test_sequences_are_dealt_out_in_turn_and_weighed_as_a_whole():
    folds = nested_folds(*person_of(0), outer=3, inner=2)
    assert [fold.test for fold in folds] == [[1, 0, 0, 1, 0, 0, 1], [0, 1, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 1, 0]]
    assert folds[0].inner == [
        ([0, 0, 1, 0, 0, 1, 0], [0, 1, 0, 0, 1, 0, 0]),
        ([0, 1, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 1, 0]),
    ]


def test_steps_are_cut_into_blocks_as_long_as_each_other():
    inputs, targets = person_of(0, (7, 5))
    weights = [[1, 1, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1]]
    folds = nested_folds(inputs, targets, weights, outer=5, inner=4, folds="steps")
    assert [[row.tolist() for row in fold.test] for fold in folds] == [
        [[1, 1, 0, 0, 0, 0, 0], [0] * 5],
        [[0, 0, 0, 1, 1, 0, 0], [0] * 5],
        [[0, 0, 0, 0, 0, 1, 1], [0] * 5],
        [[0] * 7, [0, 1, 1, 0, 0]],
        [[0] * 7, [0, 0, 0, 1, 1]],
    ]
    validations = [[row.tolist() for row in validation] for _, validation in folds[0].inner]
    assert validations == [[row.tolist() for row in fold.test] for fold in folds[1:]]


def test_weights_come_in_the_kind_of_the_inputs():
    (inputs, targets), index = person_of(0), pd.date_range("2026-01-01", periods=5)
    tables = [pd.DataFrame(inputs[0], index=index), *map(pd.DataFrame, inputs[1:])]
    test = nested_folds(tables, targets, outer=2, inner=2, folds="steps")[0].test
    assert test[0].index.equals(index)
    lists = nested_folds([x.tolist() for x in inputs], targets, outer=2, inner=2, folds="steps")[0].test
    assert lists == [of.tolist() for of in test]


class Halves:
    """A splitter that heeds no groups."""

    def split(self, X, y=None, groups=None):  # noqa: ARG002
        half = len(X) // 2
        yield [*range(half)], [*range(half, len(X))]


GROUPS = ["a", "b", "a", "c", "b", "c", "d"]


@pytest.mark.parametrize(
    ("outer", "inner"), [(2, 2), (GroupKFold(2), GroupKFold(2)), (LeaveOneGroupOut(), 3), (3, LeaveOneGroupOut())]
)
def test_groups_are_never_parted(outer, inner):
    labels = np.array(GROUPS)
    for fold in nested_folds(*person_of(0), outer=outer, inner=inner, groups=GROUPS):
        for part in (fold.test, *itertools.chain(*fold.inner)):
            inside = {label for label, w in zip(labels, part, strict=True) if w}
            assert all(w == (label in inside) for label, w in zip(labels, part, strict=True))


def test_splitters_are_taken():
    inputs, _ = person_of(0)
    classes = [0, 1, 0, 1, 0, 1, 1]
    how = {"outer": StratifiedKFold(3), "inner": KFold(2, shuffle=True, random_state=0), "return_sequences": False}
    folds = nested_folds(inputs, classes, **how)
    expected = [test for _, test in StratifiedKFold(3).split(inputs, classes)]
    assert [np.flatnonzero(fold.test).tolist() for fold in folds] == [test.tolist() for test in expected]
    steps = nested_folds(*person_of(0, (12,)), outer=TimeSeriesSplit(2), inner=TimeSeriesSplit(2), folds="steps")
    for test, parts in sums(steps):
        for train, validation in parts:  # the future teaches nothing
            assert np.flatnonzero(train).max() < np.flatnonzero(validation).min()
            assert np.flatnonzero(validation).max() < np.flatnonzero(test).min()


def test_a_sequence_without_weight_is_in_no_fold():
    inputs, targets = person_of(0)
    weights = [1, 0, 1, 1, 0, 1, 0.5]
    for fold in nested_folds(inputs, targets, weights, outer=2, inner=2):
        for part in (fold.test, *itertools.chain(*fold.inner)):
            assert part[1] == part[4] == 0.0
            assert part[6] in (0.0, 0.5)


# ---- the networks, and what is chosen ----


def by_hand(people, options, outer, inner, seeds, **how):
    """The rows and the networks of a plain loop."""
    rows, networks = [], []
    for name, data in people.items():
        folds = nested_folds(*data, outer=outer, inner=inner, **how)
        for o, fold in enumerate(folds):
            for i, (train, validation) in enumerate(fold.inner):
                for seed, option in itertools.product(range(seeds), options):
                    training = {
                        "window": None,
                        "batch_size": None,
                        "optimizer": "adamw",
                        "weight_decay": 0.0,
                        "lr": 0.005,
                    }
                    network = RNN(**{**training, **option}, input_size=2, seed=seed)
                    network.train(*data[:2], sample_weight=train, validation=(*data[:2], validation))
                    found = {"person": name, "outer": o, "inner": i, "seed": seed, **option}
                    found |= {"epochs_run": len(network.losses), "best_epoch": network.best_epoch}
                    weights = {"train": train, "validation": validation, "test": fold.test}
                    found |= {f"{k}_loss": network.evaluate(*data[:2], w) for k, w in weights.items()}
                    steps = [len(x) for x in data[0]]
                    for k, w in weights.items():
                        each = [sum(of) if np.ndim(of) else of * n for of, n in zip(w, steps, strict=True)]
                        found[f"{k}_trials"] = math.fsum(each)
                    rows.append(found | {"error": None})
                    networks.append((network, fold.test))
    return rows, networks


def options_of(grid):
    several = {name: of if isinstance(of, list) else [of] for name, of in grid.items()}
    return [dict(zip(several, one, strict=True)) for one in itertools.product(*several.values())]


@pytest.mark.parametrize("folds", ["sequences", "steps"])
@pytest.mark.parametrize("at_once", [1, 20, 2_048])
def test_rows_and_networks_are_those_of_a_plain_loop(folds, at_once, monkeypatch):
    monkeypatch.setattr(fastrnn.study, "AT_ONCE", at_once)
    study = cross_validate(PEOPLE, GRID, folds=folds, **SMALL)
    rows, networks = by_hand(PEOPLE, options_of(GRID), folds=folds, **SMALL)
    assert [*study.rows] == rows
    assert study.rows[-1] == rows[-1]
    assert study.rows[1:40:7] == rows[1:40:7]
    assert len(study.rows) == len(rows) == 2 * 3 * 2 * 2 * 4
    assert [(c.person, c.outer) for c in study.chosen] == [(p, o) for p in PEOPLE for o in range(3) for _ in range(2)]
    for one in study.chosen:
        network, test = networks[rows.index(one.row)]
        assert one.network == network
        assert (one.network.losses, one.network.best_epoch) == (network.losses, network.best_epoch)
        expected = network.step_losses(*PEOPLE[one.person], test)
        losses = np.concatenate(expected)
        assert one.step_losses.tobytes() == losses[~np.isnan(losses)].tobytes()
        trials = len(one.step_losses)
        assert trials == one.row["test_trials"]
        assert sum(one.step_losses) / trials == pytest.approx(one.row["test_loss"], rel=1e-12)


def test_the_default_choice_is_that_of_the_recipe():
    study = cross_validate(PEOPLE, GRID, **SMALL)
    table = pd.DataFrame(study.rows)
    for one in study.chosen:
        rows = table[
            (table.person == one.person) & (table.outer == one.outer) & (table.hidden_size == one.row["hidden_size"])
        ]
        best = rows.loc[rows.groupby("inner").validation_loss.idxmin()]
        together = (best.train_loss * best.train_trials + best.validation_loss * best.validation_trials) / (
            best.train_trials + best.validation_trials
        )
        assert best.loc[together.idxmin()].to_dict() == one.row
    assert {c.row["hidden_size"] for c in study.chosen} == {1, 2}


def test_select_is_ones_own():
    study = cross_validate(PEOPLE, GRID, **SMALL, select=lambda rows: min(rows, key=lambda row: row["validation_loss"]))
    table = pd.DataFrame(study.rows)
    best = table.loc[table.groupby(["person", "outer"], sort=False).validation_loss.idxmin()]
    assert [c.row for c in study.chosen] == best.to_dict("records")
    for chosen in (lambda rows: [dict(rows[0])], lambda rows: None, lambda rows: [0]):  # noqa: ARG005
        with pytest.raises(ValueError, match="select must return one or some of the rows"):
            cross_validate(PEOPLE, GRID, **SMALL, select=chosen)


def test_the_best_options_are_those_of_the_lowest_mean_validation_loss():
    study = cross_validate(PEOPLE, GRID, **SMALL, select=lowest_mean_loss)
    table = pd.DataFrame(study.rows)
    means = table.groupby(["person", "outer", "hidden_size", "l1"]).validation_loss.mean()
    found = dict.fromkeys((c.person, c.outer, c.row["hidden_size"], c.row["l1"]) for c in study.chosen)
    assert len(study.chosen) == 4 * len(found) == 4 * 2 * 3 * 2
    for *place, l1 in found:
        assert means[(*place, l1)] == pytest.approx(means[tuple(place)].min(), rel=1e-14)
    rows = [{**row, "validation_loss": row["validation_loss"] - 9.0 * (row["l1"] > 0.0)} for row in study.rows[:16]]
    assert {row["l1"] for row in lowest_mean_loss(rows)} == {0.01}
    assert {row["l1"] for row in lowest_mean_loss(rows[:-1])} == {0.0, 0.01}  # one of 2 units has failed


def test_equal_losses_choose_the_first():
    row = {
        "hidden_size": 1,
        "inner": 0,
        "validation_loss": 1.0,
        "train_loss": 1.0,
        "train_trials": 2,
        "validation_trials": 1,
    }
    rows = [dict(row), dict(row), {**row, "inner": 1}]
    assert [id(of) for of in lowest_loss(rows)] == [id(rows[0])]


def test_a_table_is_the_same_as_a_dict():
    rows = [
        {"who": name, "session": k, "a": x[0], "b": x[1], "next": y, "w": 1.0 + t % 2}
        for name, data in PEOPLE.items()
        for k, (xs, ys) in enumerate(zip(*data, strict=True))
        for t, (x, y) in enumerate(zip(xs, ys, strict=True))
    ]
    table = pd.DataFrame(rows)
    columns = {"by": ["who", "session"], "inputs": ["a", "b"], "targets": "next"}
    assert [*cross_validate(table, GRID, **columns, **SMALL).rows] == [*cross_validate(PEOPLE, GRID, **SMALL).rows]
    weighed = {name: (x, y, [1.0 + np.arange(len(of)) % 2 for of in x]) for name, (x, y) in PEOPLE.items()}
    study = cross_validate(table, GRID, **columns, sample_weight="w", **SMALL)
    assert [*study.rows] == [*cross_validate(weighed, GRID, **SMALL).rows]
    one_each = cross_validate(table, {**GRID, "return_sequences": False}, **columns, **SMALL)
    last = {name: (x, [of[-1] for of in y]) for name, (x, y) in PEOPLE.items()}
    assert [*one_each.rows] == [*cross_validate(last, {**GRID, "return_sequences": False}, **SMALL).rows]


def test_groups_of_a_table():
    rows = [
        {"who": "ann", "session": k, "a": x[0], "b": x[1], "next": y, "of": GROUPS[k]}
        for k, (xs, ys) in enumerate(zip(*PEOPLE["ann"], strict=True))
        for x, y in zip(xs, ys, strict=True)
    ]
    columns = {"by": ["who", "session"], "inputs": ["a", "b"], "targets": "next"}
    how = {"outer": 2, "inner": 2, "seeds": 1}
    study = cross_validate(pd.DataFrame(rows), GRID, **columns, groups="of", **how)
    ann = {"ann": PEOPLE["ann"]}
    assert [*study.rows] == [*cross_validate(ann, GRID, groups={"ann": GROUPS}, **how).rows]
    assert [*study.rows] != [*cross_validate(ann, GRID, **how).rows]
    with pytest.raises(ValueError, match="groups: a sequence of 'ann' has several labels in the column 'a'"):
        cross_validate(pd.DataFrame(rows), GRID, **columns, groups="a", **how)


def test_one_series_a_person():
    x = np.sin(np.arange(30.0))
    grid = {"hidden_size": 2, "epochs": 3, "patience": 3, "standardize": True}
    study = cross_validate({"a": ([x[:-1]], [x[1:]])}, grid, folds="steps", **SMALL)
    assert [row["test_trials"] for row in study.rows] == [10.0] * 8 + [9.0] * 4
    table = pd.DataFrame({"who": "a", "x": x[:-1], "y": x[1:]})
    alike = cross_validate(table, grid, folds="steps", by="who", inputs="x", targets="y", **SMALL)
    assert [*alike.rows] == [*study.rows]
    assert study.chosen[0].network.input_mean is not None


def test_a_list_of_options_and_of_seeds():
    grid = [
        {"hidden_size": 1, "output": "sigmoid", "epochs": 2},
        {"hidden_size": 2, "cell": "lstm", "output": "sigmoid", "epochs": 1},
    ]
    study = cross_validate({"a": PEOPLE["ann"]}, grid, outer=2, inner=2, seeds=[5, "six"])
    table = pd.DataFrame(study.rows)
    assert table.seed.tolist() == [5, 5, "six", "six"] * 4
    assert table.epochs_run.tolist() == [2, 1] * 8
    assert table.cell.tolist() == ["elman", "lstm"] * 8
    first = study.chosen[0]
    assert first.network.seed == first.row["seed"]


# ---- units ----


def test_losses_are_in_the_units_of_the_targets():
    inputs, targets = person_of(4)
    targets = [100.0 * (y + x[:, 0]) for x, y in zip(inputs, targets, strict=True)]
    targets[0] *= 20.0  # so that folds have unlike scales
    grid = {"hidden_size": 2, "cell": "gru", "standardize": [True, False], "epochs": 20, "patience": 20, "lr": 0.05}
    study = cross_validate({"a": (inputs, targets)}, grid, **SMALL)
    folds = nested_folds(inputs, targets, outer=3, inner=2)
    assert len({row["standardize"] for row in study.rows}) == 2
    for one in study.chosen:
        error = [network - y for network, y in zip(one.network.predict(inputs), targets, strict=True)]
        for name, test in (
            ("train", folds[one.outer].inner[one.row["inner"]][0]),
            ("validation", folds[one.outer].inner[one.row["inner"]][1]),
            ("test", folds[one.outer].test),
        ):
            chosen = np.concatenate([e for e, w in zip(error, test, strict=True) if w])
            assert one.row[f"{name}_loss"] == pytest.approx(np.mean(chosen**2) / 2, rel=1e-9)
        assert [*one.step_losses] == pytest.approx([*(chosen**2 / 2)], rel=1e-9)


def test_two_outputs_have_a_scale_each():
    inputs, targets = person_of(5)
    targets = [np.stack([y, 1000.0 * x[:, 0]], axis=1) for x, y in zip(inputs, targets, strict=True)]
    grid = {"hidden_size": 2, "output_size": 2, "standardize": True, "epochs": 5}
    one = cross_validate({"a": (inputs, targets)}, grid, outer=2, inner=2, seeds=1).chosen[0]
    test = [i for i, w in enumerate(nested_folds(inputs, targets, outer=2, inner=2)[0].test) if w]
    error = np.concatenate([one.network.predict(inputs[i]) - targets[i] for i in test])
    assert [*one.step_losses] == pytest.approx([*(error**2).sum(axis=1) / 2], rel=1e-9)


# ---- what fails ----


def test_an_empty_sequence_is_in_no_fold():
    inputs, targets = person_of(0)
    inputs, targets = [*inputs, np.empty((0, 2))], [*targets, np.empty(0)]
    folds = nested_folds(inputs, targets, outer=7, inner=2)
    assert [fold.test[-1] for fold in folds] == [0.0] * 7
    assert [fold.test[:-1] for fold in folds] == [[float(i == k) for i in range(7)] for k in range(7)]
    assert {row["error"] for row in cross_validate({"a": (inputs, targets)}, GRID, **SMALL).rows} == {None}


class Overlapping:
    def split(self, X, y=None, groups=None):  # noqa: ARG002
        yield [*range(len(X))], [0]


class Masks:
    def split(self, X, y=None, groups=None):  # noqa: ARG002
        test = np.arange(len(X)) < 2
        yield ~test, test


def test_a_table_that_has_more_than_it_seems():
    rows = [
        {"who": name, "session": k, "a": x[0], "b": x[1], "next": y}
        for name, data in PEOPLE.items()
        for k, (xs, ys) in enumerate(zip(*data, strict=True))
        for x, y in zip(xs, ys, strict=True)
    ]
    table = pd.DataFrame(rows)
    how = {"by": ["who", "session"], "inputs": ["a", "b"], "targets": "next"}
    expected = [*cross_validate(table, GRID, **how, **SMALL).rows]
    named = table.assign(who=pd.Categorical(table["who"].astype(str), ["nobody", "7", "ann"]))
    found = [
        {**row, "person": {"7": 7}.get(row["person"], row["person"])}
        for row in cross_validate(named, GRID, **how, **SMALL).rows
    ]
    assert found == expected
    nullable = table.astype({"a": "Float64", "next": "Int64"})
    assert [*cross_validate(nullable, GRID, **how, **SMALL).rows] == expected
    for column in ("who", "session"):
        holes = table.astype({column: object})
        holes.loc[3, column] = None
        with pytest.raises(ValueError, match=f"by: the column '{column}' has rows without a value"):
            cross_validate(holes, GRID, **how, **SMALL)
    with pytest.raises(ValueError, match="inputs: the column 'b' must hold numbers, and its dtype is"):
        cross_validate(table.astype({"b": str}), GRID, **how, **SMALL)


def test_what_is_bad_for_all_is_an_error():
    with pytest.raises(ValueError, match="nobody's data will do, those of person 'ann' because outer=20 needs as many"):
        cross_validate(PEOPLE, GRID, outer=20, inner=2)


def test_bad_data_and_divergence_are_rows():
    bad = {"worse": ([[[1.0, math.nan]]], [[1.0]]), "few": person_of(0, (3, 3)), "none": 5, "ann": PEOPLE["ann"]}
    grid = {**GRID, "lr": [0.005, 1e200], "optimizer": "sgd", "clip": None, "epochs": 30}
    with pytest.warns(
        RuntimeWarning, match=r"rows have an error, the first one of person 'worse': ValueError: inputs\[0\]"
    ):
        study = cross_validate(bad, grid, **SMALL)
    rows = [*study.rows]
    assert [row["error"] for row in rows[:3]] == [
        "ValueError: inputs[0][0][1] must be finite, not nan",
        "ValueError: outer=3 needs as many sequences, or groups of them, that have a weight, and there are 2",
        "TypeError: the data must be (inputs, targets) or (inputs, targets, sample_weight)",
    ]
    assert [row["outer"] for row in rows[:3]] == [None] * 3
    failed = [row for row in rows[3:] if row["error"] is not None]
    assert all("OverflowError: training diverged" in row["error"] and row["test_loss"] is None for row in failed)
    assert {row["lr"] for row in failed} == {1e200}
    assert {one.row["error"] for one in study.chosen} == {None}
    assert len(study.chosen) == 6
    assert repr(study) == f"Study(4 people, 99 rows, {3 + len(failed)} failed, 6 chosen)"
    large = {"ann": (PEOPLE["ann"][0], [y + 1e200 for y in PEOPLE["ann"][1]])}
    with pytest.warns(RuntimeWarning, match="48 rows have an error"):
        assert cross_validate(large, {**GRID, "output": "linear"}, **SMALL).chosen == []


def test_what_training_warns_of_is_told_once():
    far = {name: ([x + 1000.0 for x in data[0]], data[1]) for name, data in PEOPLE.items()}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cross_validate(far, GRID, **SMALL)
    (message,) = [str(warning.message) for warning in caught]
    assert "standardize=True" in message
    assert message.endswith("(96 trainings warn like this)")
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize(
    ("error", "message", "changes"),
    [
        (TypeError, "people must be a dict from each person to .*, not list", {"people": [PEOPLE["ann"]]}),
        (
            TypeError,
            "people is a DataFrame: say by=, inputs= and targets=, its columns",
            {"people": pd.DataFrame({"a": [1]})},
        ),
        (TypeError, "with by= people must be a pandas table, not dict", {"by": "a"}),
        (
            ValueError,
            "say by=, one column or two, inputs= and targets=",
            {"people": pd.DataFrame({"a": [1]}), "by": "a"},
        ),
        (
            ValueError,
            "targets: the table has no column 'c'",
            {"people": pd.DataFrame({"a": [1]}), "by": "a", "inputs": "a", "targets": "c"},
        ),
        (ValueError, "grid must name a hidden_size", {"grid": {"cell": "gru"}}),
        (ValueError, r"grid\[1\] must name a hidden_size", {"grid": [{"hidden_size": 1}, {}]}),
        (ValueError, "grid names a seed: say seeds=", {"grid": {"hidden_size": 1, "seed": 3}}),
        (ValueError, "grid: cell must be 'elman'", {"grid": {"hidden_size": [1, 2], "cell": ["gru", "rnn"]}}),
        (TypeError, "grid: got an unexpected keyword argument 'units'", {"grid": {"hidden_size": 1, "units": 2}}),
        (ValueError, "grid has no value for l1", {"grid": {"hidden_size": 1, "l1": []}}),
        (ValueError, "grid must have options", {"grid": []}),
        (TypeError, "grid must be a dict from options", {"grid": 5}),
        (TypeError, r"grid\[0\] must be a dict of options of RNN, not int", {"grid": [5]}),
        (ValueError, "grid: patience must be a number", {"grid": {"hidden_size": 1, "patience": None}}),
        (
            ValueError,
            "all of one output, loss and return_sequences",
            {"grid": {"hidden_size": 1, "return_sequences": [True, False]}},
        ),
        (ValueError, "outer must be at least 2", {"outer": 1}),
        (TypeError, "inner must be an integer, not str", {"inner": "ten"}),
        (ValueError, "seeds must be at least 1", {"seeds": 0}),
        (ValueError, "a list of different ones", {"seeds": [1, 1]}),
        (ValueError, "a list of different ones", {"seeds": []}),
        (ValueError, "folds must be 'sequences' or 'steps'", {"folds": "trials"}),
        (ValueError, "folds='steps' is not for groups", {"folds": "steps", "groups": {"ann": [1]}}),
        (
            ValueError,
            "folds='steps' is not for return_sequences=False",
            {"folds": "steps", "grid": {"hidden_size": 1, "return_sequences": False}},
        ),
        (ValueError, "groups must be a dict from every person", {"groups": {"ann": [1]}}),
        (ValueError, "threads must be at least 1", {"threads": 0}),
        (TypeError, "select must be a function of rows, not str", {"select": "best"}),
        (ValueError, "inputs, targets and sample_weight are columns of a table: say by= too", {"inputs": "a"}),
        (
            ValueError,
            "grid must have options, all of one output",
            {"grid": {"hidden_size": 1, "output": ["linear", "sigmoid"]}},
        ),
        (ValueError, "grid: cell must be .*, not {", {"grid": {"hidden_size": 1, "cell": {"gru", "lstm"}}}),
        (ValueError, "a list of different ones", {"seeds": [1, 1.0]}),
        (ValueError, "store must be the name of a folder", {"store": ""}),
        (TypeError, "people must be a dict .*, not an empty one", {"people": {}}),
    ],
)
def test_bad_arguments(error, message, changes):
    arguments = {"people": PEOPLE, "grid": GRID, **SMALL, **changes}
    with pytest.raises(error, match=message):
        cross_validate(arguments.pop("people"), arguments.pop("grid"), **arguments)


@pytest.mark.parametrize(
    ("error", "message", "changes"),
    [
        (
            TypeError,
            "inputs must be a list with one for each sequence, not DataFrame",
            {"inputs": pd.DataFrame([[1.0, 2.0]])},
        ),
        (TypeError, "targets must be a list with one for each sequence, not float", {"targets": 1.0}),
        (TypeError, "the data lack inputs or targets", {"targets": None}),
        (ValueError, r"inputs\[0\] and targets\[0\] must be of one length", {"targets": [[1.0]] * 7}),
        (ValueError, "groups must have a label for each of 7 sequences", {"groups": [1, 2]}),
        (ValueError, "outer parts the group 'b'", {"groups": GROUPS, "outer": Halves()}),
        (ValueError, "outer=5 needs as many sequences, or groups", {"groups": GROUPS, "outer": 5}),
        (ValueError, "outer gives folds that are in their own training part", {"outer": Overlapping()}),
        (ValueError, "inner must give positions, and gives a mask", {"inner": Masks()}),
        (ValueError, "folds='steps' is not for groups", {"folds": "steps", "groups": GROUPS}),
        (ValueError, "folds='steps' is not for return_seq", {"folds": "steps", "return_sequences": False}),
        (ValueError, "inner=40 needs as many steps that have a weight", {"inner": 40, "folds": "steps"}),
    ],
)
def test_bad_data(error, message, changes):
    data = dict(zip(("inputs", "targets"), PEOPLE["ann"], strict=True)) | {"outer": 2, "inner": 2} | changes
    with pytest.raises(error, match=message):
        nested_folds(data.pop("inputs"), data.pop("targets"), **data)


# ---- what is kept ----


def test_a_store_gives_the_same_study_and_trains_nothing_again(tmp_path, monkeypatch):
    expected = cross_validate(PEOPLE, GRID, **SMALL)
    first = cross_validate(PEOPLE, GRID, **SMALL, store=tmp_path / "of study")
    files = sorted(path.name for path in (tmp_path / "of study").iterdir())
    assert files == [*(f"int 7, outer {i}.json" for i in range(3)), *(f"str ann, outer {i}.json" for i in range(3))]
    (tmp_path / "of study" / files[4]).unlink()
    trained = []
    monkeypatch.setattr(
        fastrnn.study, "Trainer", lambda trainings, *rest: trained.append(len(trainings)) or Trainer(trainings, *rest)
    )
    again = cross_validate(PEOPLE, {**GRID, "hidden_size": np.array([1, 2])}, **SMALL, store=tmp_path / "of study")
    assert trained == [len(expected.rows) // 6]
    for study in (first, again):
        assert [*study.rows] == [*expected.rows]
        for one, other in zip(study.chosen, expected.chosen, strict=True):
            assert (one.person, one.outer, one.row) == (other.person, other.outer, other.row)
            assert one.network == other.network
            assert one.network.__getstate__() == other.network.__getstate__()
            assert one.step_losses == other.step_losses


Trainer = fastrnn.study.Trainer


def test_a_store_is_looked_at_before_anything_is_trained(tmp_path, monkeypatch):
    one = {7: PEOPLE[7]}
    cross_validate(one, GRID, **SMALL, store=tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(fastrnn.study, "AT_ONCE", 1)
    with pytest.raises(ValueError, match=r"int 7, outer 0.json is of another study"):
        cross_validate({"ann": PEOPLE["ann"], 7: PEOPLE["ann"]}, GRID, **SMALL, store=tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    named = cross_validate(one, GRID | {"activation": "tanh"}, **SMALL, store=tmp_path)  # the default
    assert {row["activation"] for row in named.rows} == {"tanh"}
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("damage", [b"", b"{", b"{}", b"[]", b'{"digest": 5}', b"null"])
def test_a_damaged_store(tmp_path, damage):
    cross_validate({7: PEOPLE[7]}, GRID, **SMALL, store=tmp_path)
    path = tmp_path / "int 7, outer 1.json"
    whole = path.read_bytes()
    path.write_bytes(damage)
    fault = "is of another study" if b"digest" in damage else "is damaged, delete it"
    with pytest.raises(ValueError, match=f"int 7, outer 1.json {fault}"):
        cross_validate({7: PEOPLE[7]}, GRID, **SMALL, store=tmp_path)
    path.write_bytes(whole.replace(b'"network": "', b'"network": "AAAA'))
    with pytest.raises(ValueError, match=r"int 7, outer 1\.json is damaged, delete it"):
        cross_validate({7: PEOPLE[7]}, GRID, **SMALL, store=tmp_path)


def test_a_store_knows_what_else_would_be_chosen(tmp_path):
    cross_validate(PEOPLE, GRID, **SMALL, store=tmp_path)
    assert cross_validate(PEOPLE, GRID, **SMALL, store=tmp_path, select=lambda rows: lowest_loss(rows)).chosen
    with pytest.raises(ValueError, match="`select` chooses networks that were not kept: name another store"):
        cross_validate(PEOPLE, GRID, **SMALL, store=tmp_path, select=lambda rows: rows[0])


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": 3},
        {"inner": 3},
        {"grid": {**GRID, "l1": [0.0, 0.02]}},
        {"people": {**PEOPLE, "ann": person_of(3)}},
        {"people": {**PEOPLE, "ann": (*PEOPLE["ann"], [1, 1, 1, 1, 1, 1, 2])}},
    ],
)
def test_a_store_of_another_study_is_refused(tmp_path, changes):
    cross_validate(PEOPLE, GRID, **SMALL, store=tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    arguments = {"people": PEOPLE, "grid": GRID, **SMALL, **changes}
    with pytest.raises(ValueError, match=r"str ann, outer 0.json is of another study"):
        cross_validate(arguments.pop("people"), arguments.pop("grid"), **arguments, store=tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_study_that_was_killed_goes_on(tmp_path):
    program = """
        import sys
        import fastrnn.study
        sys.path.append(sys.argv[2])
        from test_study import GRID, PEOPLE, SMALL
        fastrnn.study.AT_ONCE = 1
        people = {name: PEOPLE["ann"] for name in range(2_000)}
        fastrnn.study.cross_validate(people, GRID, **SMALL, store=sys.argv[1])
    """
    store, here = tmp_path / "store", Path(__file__).parent
    command = [sys.executable, "-c", textwrap.dedent(program), store, here]
    with subprocess.Popen(command, cwd=here.parent) as process:
        while not (store.exists() and len([*store.iterdir()]) > 9):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    done = [path for path in store.iterdir() if path.suffix == ".json"]
    some_people = dict.fromkeys(range(len(done) // 3 + 2), PEOPLE["ann"])
    assert [*cross_validate(some_people, GRID, **SMALL, store=store).rows] == [
        *cross_validate(some_people, GRID, **SMALL).rows
    ]


def test_ctrl_c_leaves_what_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(fastrnn.study, "AT_ONCE", 1)
    write, written = fastrnn.study.Store.write, []

    def write_and_press(*arguments):
        write(*arguments)
        written.append(arguments)
        if len(written) == 4:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(fastrnn.study.Store, "write", write_and_press)
    with pytest.raises(KeyboardInterrupt):
        cross_validate(PEOPLE, GRID, **SMALL, store=tmp_path)
    assert len([*tmp_path.iterdir()]) == 4
    assert [*cross_validate(PEOPLE, GRID, **SMALL, store=tmp_path).rows] == [
        *cross_validate(PEOPLE, GRID, **SMALL).rows
    ]
    assert len(written) == 6


def test_what_takes_long_is_kept_in_between(tmp_path, monkeypatch):
    at_once = []
    monkeypatch.setattr(
        fastrnn.study, "Trainer", lambda trainings, *rest: at_once.append(len(trainings)) or Trainer(trainings, *rest)
    )
    long = GRID | {"epochs": 5_000_000, "patience": 0, "lr": 1.0}  # though it takes no time, who knows before?
    cross_validate(PEOPLE, long, **SMALL, store=tmp_path, threads=1)
    assert at_once == [16] * 6
    at_once.clear()
    cross_validate(PEOPLE, GRID, **SMALL, threads=1)
    assert at_once == [96]


def test_progress(capsys, tmp_path):
    cross_validate(PEOPLE, GRID, **SMALL, progress=True, store=tmp_path)
    assert capsys.readouterr().err.splitlines()[-1] == "96 of 96 trainings done"
    cross_validate(PEOPLE, GRID, **SMALL, progress=True, store=tmp_path)
    assert capsys.readouterr().err == ""


def test_a_study_can_be_pickled():
    study = cross_validate(PEOPLE, GRID, **SMALL)
    data = pickle.dumps(study)
    again = pickle.loads(data)
    assert [*again.rows] == [*study.rows]
    assert [one.network for one in again.chosen] == [one.network for one in study.chosen]
    assert len(data) < 100_000
