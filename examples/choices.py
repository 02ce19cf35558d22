"""How do people choose, and is a network of their own the right model of them? Two data sets, 224 people.

    pip install fastrnn numpy pandas scipy scikit-learn matplotlib && pip install --no-deps cpm-toolbox
    python examples/choices.py [--scale quick | example | full] [--store FOLDER] [--figures FOLDER]

The data come with cpm-toolbox and are read from its files; it is not imported. docs/choices.md tells what came out.
"""

import argparse
import time
from functools import partial
from importlib.metadata import files
from math import exp, log1p
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from fastrnn.study import cross_validate, lowest_loss, lowest_mean_loss, nested_folds

SCALES = {  # folds, inner folds, seeds, most epochs
    "quick": (2, 2, 1, 50),
    "example": (5, 4, 2, 2_000),
    "full": (10, 9, 3, 2_000),  # as Ji-An, Benna and Mattar 2025
}
THEIRS = [1e-5, 1e-4, 1e-3]  # strengths of the penalty


# ---- data ----


class Choices(NamedTuple):
    """Of a person: at every trial two options are shown, numbered 0 to 3, and the second is taken or not.

    options (T, 2), taken (T,): 0, 1, or -1 if the trial was missed, outcome (T,): from 0 to 1.
    """

    options: np.ndarray
    taken: np.ndarray
    outcome: np.ndarray

    def signs(self):
        """-1 for the first option, 1 for the second, 0 if missed; and that times the outcome, as -1 to 1."""
        side = np.where(self.taken < 0, 0.0, 2.0 * self.taken - 1.0)
        return side, side * (2.0 * self.outcome - 1.0)


def table(name):
    return pd.read_csv(next(file for file in files("cpm-toolbox") if file.name == name).locate())


def two_step():
    """Smid et al. 2022, in the task of Kool, Cushman and Gershman 2016: one of two pairs of ships, at random; of each
    pair one ship always flies to planet 1, the other to planet 2; the planets' points drift."""
    return {
        person: Choices(
            np.where(rows[["s1", "s1"]] == 1, [1, 0], [3, 2]),  # the ship to planet 1, the ship to planet 2
            np.where(rows["missed"], -1, rows["s2"] - 1),
            rows["points"].to_numpy(),
        )
        for person, rows in table("two_step_adults.csv").groupby("ppt")
    }


def bandit():
    """Four arms, of which two are shown, left and right; they win with a probability each has throughout."""
    draw = np.random.default_rng(0)
    people = {}
    for person, rows in table("bandit_small.csv").groupby("ppt"):
        names = draw.permutation(4)  # in the file arm 1 is the best for all: a model of other people would know
        options = names[rows[["arm_left", "arm_right"]] - 1]
        people[person] = Choices(options, rows["response"].to_numpy(), rows["feedback"].to_numpy())
    return people


def one_before(values):
    return np.concatenate([np.zeros_like(values[:1]), values[:-1]])


def two_step_inputs(of):
    """The planet of the last trial; that times its points; both times whether the same ships are here again."""
    last = one_before(np.stack(of.signs(), axis=1))
    again = np.where(of.options[:, :1] == one_before(of.options[:, :1]), 1.0, -1.0)
    return np.hstack([last, last * again])


def bandit_inputs(of):
    """For each arm whether it is shown, left (-1) or right (1); whether it was taken last, and lost (-1) or won (1)."""
    arm = np.eye(4)
    shown = arm[of.options[:, 1]] - arm[of.options[:, 0]]
    chosen = arm[np.where(of.taken == 1, of.options[:, 1], of.options[:, 0])]
    return np.hstack([shown, one_before(chosen * (2.0 * of.outcome - 1.0)[:, None])])


def two_step_past(of):
    """Of the last five trials what the network gets of one: with the last ones there to begin with."""
    return np.hstack(lags(two_step_inputs(of), 5))


def bandit_past(of):
    """Of the last five trials whether an arm was taken that is shown now, left or right; that times its outcome."""
    arm, signs = np.where(of.taken == 1, of.options[:, 1], of.options[:, 0])[:, None], 2.0 * of.outcome - 1.0
    found = []
    for before, sign in zip(lags(arm + 1, 6)[1:], lags(signs, 6)[1:], strict=True):
        side = 1.0 * (before[:, 0] - 1 == of.options[:, 1]) - 1.0 * (before[:, 0] - 1 == of.options[:, 0])
        found += [side, side * sign]
    return np.stack(found, axis=1)


def lags(values, n):
    found = [values]
    while len(found) < n:
        found.append(one_before(found[-1]))
    return found


class Task:
    """A data set, and who is fitted: each person, tested on blocks of trials; or all as one, tested on other people.

    choices : of each person. names : of those in each fit, by its key. copies : how often a person is told, each time
        with other numbers for the arms, so that what is learnt of one arm is learnt of all.
    """

    def __init__(self, name, together, scale):
        self.planets, self.together = name == "two-step", together
        load, self.inputs, self.past = (
            (two_step, two_step_inputs, two_step_past) if self.planets else (bandit, bandit_inputs, bandit_past)
        )
        self.choices = load()
        if scale == "quick":
            self.choices = dict([*self.choices.items()][:6])
        outer, inner, seeds, epochs = SCALES[scale]
        self.how = {"outer": outer, "inner": inner, "folds": "sequences" if together else "steps"}
        self.names = {"all": [*self.choices]} if together else {name: [name] for name in self.choices}
        self.title = f"{name}, {'one model for all' if together else 'a model a person'}"
        self.copies = 8 if together and not self.planets else 1
        self.grid = {"cell": "gru", "output": "sigmoid", "epochs": epochs, "hidden_size": [1, 2, 3, 4, 5]}
        if together:  # much more data: batches, so fewer epochs
            self.grid |= {"l1": 1e-4, "batch_size": 8 * self.copies, "epochs": epochs // 10, "patience": 20}
        else:
            self.grid["l1"] = [*THEIRS, 1e-2, 1e-1]  # and stronger ones: a person made 115 choices, or 58
        if not self.planets:
            self.grid["hidden_size"] = [2, 5, 10, 20] if together else [1, 2, 5]
        self.seeds = seeds if self.copies == 1 else 1

    def data(self, key, copies=1):
        """Sequences of inputs, targets and weights, as cross_validate() takes them."""
        of, draw = [self.choices[name] for name in self.names[key]], np.random.default_rng(1)
        told = of + [one._replace(options=draw.permutation(4)[one.options]) for _ in range(copies - 1) for one in of]
        weights = [(one.taken >= 0).astype(float) for one in told]
        return [self.inputs(one) for one in told], [np.maximum(one.taken, 0.0) for one in told], weights

    def means(self, key, likelihoods):
        """For each person the mean over the trials; those that nobody made are NaN."""
        ends = np.cumsum([len(self.choices[name].taken) for name in self.names[key]])
        return dict(zip(self.names[key], map(np.nanmean, np.split(likelihoods, ends[:-1])), strict=True))


def flat(sequences):
    return np.concatenate([np.ravel(of) for of in sequences])


# ---- models: each gives for each person the mean log-likelihood of the choices held out ----


def networks(task, store):
    """By number of units: networks that vote, and, of models a person, the one that the recipe chooses."""
    people = {key: task.data(key, task.copies) for key in task.names}
    groups = {key: names * task.copies for key, names in task.names.items()} if task.together else None
    study = cross_validate(
        people,
        task.grid,
        **task.how,
        groups=groups,
        seeds=task.seeds,
        select=lowest_mean_loss,  # all of them vote
        progress=True,
        store=store and store / task.title,
    )
    tests = {
        key: [flat(fold.test) > 0.0 for fold in nested_folds(*data, **task.how, groups=groups and groups[key])]
        for key, data in people.items()
    }
    votes, likelihoods, result = {}, {}, {}
    for one in study.chosen:
        test = tests[one.person][one.outer]
        told = np.full(test.shape, np.nan)
        told[test] = np.exp(np.negative(one.step_losses))
        told = told.reshape(task.copies, -1).mean(axis=0)
        votes.setdefault((f"GRU of {one.row['hidden_size']}", one.person, one.outer), []).append(told)
    for (model, key, _), of in votes.items():  # of an outer fold; NaN at all other trials
        together = likelihoods.setdefault((model, key), np.full(of[0].shape, np.nan))
        np.copyto(together, np.log(np.mean(of, axis=0)), where=~np.isnan(of[0]))
    for (model, key), of in likelihoods.items():
        result.setdefault(model, {}).update(task.means(key, of))
    if not task.together:
        rows = pd.DataFrame(study.rows)
        for (person, _), of in rows[rows["l1"].isin(THEIRS)].groupby(["person", "outer"]):
            for row in lowest_loss(of.to_dict("records")):
                means = result.setdefault(f"GRU of {row['hidden_size']}, recipe", dict.fromkeys(task.choices, 0.0))
                means[person] -= row["test_loss"] * row["test_trials"] / np.sum(task.choices[person].taken >= 0)
    return study, result


def held_out(task, fit):
    """fit : a function of the task, the names, the weights of training and validation together, and of the inner folds;
    returns the log-likelihood of every trial. As with networks the test's trials are run over, not fitted."""
    result = {}
    for key, names in task.names.items():
        inputs, targets, weights = task.data(key)
        likelihoods = np.full(sum(map(len, targets)), np.nan)
        for test, train, inner in nested_folds(inputs, targets, weights, **task.how):
            found = fit(task, names, flat(train), [(flat(train), flat(validation)) for train, validation in inner])
            np.copyto(likelihoods, found, where=flat(test) > 0.0)
        result |= task.means(key, likelihoods)
    return result


def q_learning(task, names, known, _inner, richer=False, starts=3):
    """Maximum likelihood, the best of several starts."""
    people = [[of.tolist() for of in task.choices[name]] for name in names]
    shares = ["planning", "trace"] * task.planets + ["falling", "forgetting"] * richer
    bounds = {"rate": (0.0, 1.0), "slope": (0.0, 20.0), "again": (-3.0, 3.0), **dict.fromkeys(shares, (0.0, 1.0))}
    draw = np.random.default_rng(0)

    def losses(parameters):
        return np.concatenate([q_losses(*of, **dict(zip(bounds, parameters, strict=True))) for of in people])

    limits = [*bounds.values()]
    fits = [
        minimize(lambda p: losses(p) @ known, [draw.uniform(*pair) / 2 for pair in limits], bounds=limits)
        for _ in range(starts)
    ]
    return -losses(min(fits, key=lambda one: one.fun).x)


def q_losses(options, taken, outcomes, rate, slope, again, planning=None, trace=None, falling=None, forgetting=0.0):
    """The learning rate of Rescorla and Wagner, the slope of the softmax, perseveration. In the two-step task also the
    share of planning, and how far a ship shares in the surprise on its planet (Daw et al. 2011; Kool et al. 2016). And
    a rate of its own for what is less than expected, and how far values of what was not taken go back to 0.5."""
    value, planet, last, losses = [0.5] * 4, [0.5] * 2, None, []
    for (first, second), side, outcome in zip(options, taken, outcomes, strict=True):
        x = value[second] - value[first]
        if planning is not None:
            x += planning * (planet[1] - planet[0] - x)
        x = slope * x + again * ((last == second) - (last == first))
        losses.append(log1p(exp(-x if side else x)))
        if side < 0:
            continue
        last = second if side else first
        surprise = outcome - (value[last] if planning is None else planet[side])
        learning = rate if surprise > 0.0 or falling is None else falling
        if forgetting:
            value = [of if i == last else of + forgetting * (0.5 - of) for i, of in enumerate(value)]
            planet[1 - side] += forgetting * (0.5 - planet[1 - side])
        if planning is None:
            value[last] += learning * surprise
        else:
            value[last] += learning * (planet[side] - value[last] + trace * surprise)
            planet[side] += learning * surprise
    return losses


def logistic(task, names, known, inner):
    """On the last five trials, with the C that does best on the validation folds."""
    x = np.concatenate([task.past(task.choices[name]) for name in names])
    y = flat(np.maximum(task.choices[name].taken, 0) for name in names)

    def log_likelihoods(weights, c):
        model = LogisticRegression(C=c).fit(x[weights > 0.0], y[weights > 0.0])
        return model.predict_log_proba(x)[np.arange(len(y)), y]

    def validated(c):
        return sum(log_likelihoods(train, c) @ validation / validation.sum() for train, validation in inner)

    return log_likelihoods(known, max([0.001, 0.01, 0.1, 1.0, 10.0], key=validated))


def compare(task, store):
    """The study, and a table with a row a person and a column a model."""
    start = time.perf_counter()
    study, result = networks(task, store)
    middle = time.perf_counter()
    result |= {name: held_out(task, fit) for name, fit in BASELINES.items()} | {"chance": -np.log(2.0)}
    table = pd.DataFrame(result, index=[*task.choices])
    best = table[[*BASELINES]].mean().idxmax()
    difference = table.sub(table[best], axis=0)
    print(f"{task.title}: {len(table)} people, {len(study.rows):,} networks in {middle - start:.0f} s")
    print(f"the others in {time.perf_counter() - middle:.0f} s; differences are to {best!r}, of the same person")
    columns = {"nats a choice": table.mean(), "s.e.": table.sem(), "difference": difference.mean()}
    print(pd.DataFrame(columns | {"its s.e.": difference.sem()}).round(3).to_string(), end="\n\n")
    return study, table


BASELINES = {
    "Q-learning": q_learning,
    "Q-learning, richer": partial(q_learning, richer=True),
    "logistic regression": logistic,
}


# ---- figures ----


def figure_of_units(tables, sizes, name):
    """Log-likelihood by number of units, with standard errors over people."""
    figure, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
    for ax, (title, table) in zip(axes.flat, tables.items(), strict=True):
        mean, error = table.mean(), table.sem()
        for rule, label, mark, colour in (
            ("", "GRUs of all inner folds, which vote", "o", "C0"),
            (", recipe", "the GRU that the recipe chooses", "s", "C3"),
        ):
            if models := [model for n in sizes[title] if (model := f"GRU of {n}{rule}") in table]:
                ax.errorbar(
                    sizes[title], mean[models], error[models], fmt=f"{mark}-", color=colour, capsize=3, label=label
                )
        for model, style, colour in zip(
            [*BASELINES, "chance"], ("-", "-.", "--", ":"), ("0.3", "0.0", "0.5", "0.0"), strict=True
        ):
            ax.axhline(mean[model], color=colour, linestyle=style, label=model)
        ax.set(title=title, xlabel="units", ylabel="log-likelihood (nats a choice)", xticks=sizes[title])
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    figure.savefig(name, dpi=110)


KINDS = {  # of a trial: the planet, its points from -1 to 1, a mark
    "planet 1, many points": (-1.0, 0.8, "o", "C0"),
    "planet 1, few points": (-1.0, -0.8, "x", "C0"),
    "planet 2, many points": (1.0, 0.8, "^", "C1"),
    "planet 2, few points": (1.0, -0.8, "+", "C1"),
}


def figure_of_logits(network, inputs, name):
    """What a trial changes, by what it was, and by what came before."""
    x = logit(np.ravel(network.predict_proba(inputs)))
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharex=True, sharey=True, layout="constrained")
    for ax, again, title in zip(axes, (1.0, -1.0), ("the same two ships again", "the other two ships"), strict=True):
        for kind, (side, points, mark, colour) in KINDS.items():
            of = inputs[1:, 0] == side
            of &= (inputs[1:, 1] * side > 0.0) == (points > 0.0)
            of &= inputs[1:, 2] == side * again
            ax.plot(x[:-1][of], np.diff(x)[of], mark, color=colour, fillstyle="none", label=kind)
        ax.axhline(0.0, color="0.7", linewidth=0.8)
        ax.set(title=title, xlabel="logit of planet 2 before the trial")
    axes[0].set_ylabel("its change after the trial")
    axes[1].legend(fontsize=8)
    figure.savefig(name, dpi=110)


def figure_of_field(network, inputs, name):
    """Where a step leads from every state of two units."""
    grid = np.stack(np.meshgrid(*[np.linspace(-0.95, 0.95, 12)] * 2), axis=-1).reshape(-1, 2)
    (a, b), c = np.ravel(network.w_hidden_output), network.b_output[0]
    figure, axes = plt.subplots(2, 2, figsize=(9, 8.5), sharex=True, sharey=True, layout="constrained")
    for ax, (kind, (side, points, *_)) in zip(axes.flat, KINDS.items(), strict=True):
        x = side * np.array([[1.0, points, 1.0, points]])
        step = np.array([network.hidden_states(x, state=[*state])[0] for state in grid]) - grid
        ax.quiver(*grid.T, *step.T, angles="xy", scale_units="xy", scale=5.0, width=0.003, color="0.35")
        ax.plot(*network.hidden_states(inputs).T, "o", fillstyle="none", markersize=4, label="states of this person")
        ax.axline((0.0, -c / b), slope=-a / b, color="C3", linestyle="--", label="both planets as likely")
        ax.set(title=f"{kind}, the same ships again", xlim=(-1.05, 1.05), ylim=(-1.05, 1.05))
    for i in range(2):
        axes[1, i].set_xlabel("hidden unit 1")
        axes[i, 0].set_ylabel("hidden unit 2")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9)
    figure.savefig(name, dpi=110)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--scale", choices=SCALES, default="example", help="how many networks (default: example)")
    arguments.add_argument("--store", type=Path, help="folder for what is done (0.6 GB), so that a second run is quick")
    arguments.add_argument("--figures", type=Path, default="docs", help="folder for them (default: docs)")
    given = arguments.parse_args()
    given.figures.mkdir(parents=True, exist_ok=True)
    tables, sizes, studies = {}, {}, {}
    for together in (False, True):
        for name in ("two-step", "bandit"):
            task = Task(name, together, given.scale)
            studies[task.title], tables[task.title] = compare(task, given.store and given.store / given.scale)
            sizes[task.title] = task.grid["hidden_size"]
            if task.planets and not together:
                of, study = task, studies[task.title]
    figure_of_units(tables, sizes, given.figures / "choices-units.png")
    person = tables[of.title]["GRU of 2"].sort_values().index[len(of.choices) // 2]  # the median
    found = [one for one in study.chosen if (one.person, one.outer, one.row["hidden_size"]) == (person, 0, 2)]
    network = min(found, key=lambda one: one.row["validation_loss"]).network
    print(f"the figures of logits and states: 2 units of person {person}, {network}")
    figure_of_logits(network, of.inputs(of.choices[person]), given.figures / "choices-logits.png")
    figure_of_field(network, of.inputs(of.choices[person]), given.figures / "choices-field.png")


if __name__ == "__main__":
    main()
