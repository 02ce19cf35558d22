"""Whole studies: for every person, fold, seed and option a network, all trained in lanes; which are chosen, and how
well they do on what neither they nor their choice has seen.

A study differs from scikit-learn's loop in three ways. All networks of many people are trained by one call, side by
side. Folds are weights on the same sequences, so that all networks of a person share one set of inputs, and single
steps can be held out: the network runs over them, and their loss is masked. And training is stopped by the inner fold
by which the network is chosen, as the recipe of Ji-An, Benna and Mattar (Nature 644, 2025) has it.
"""

from __future__ import annotations

import json
import os
import warnings
from array import array
from base64 import b64decode, b64encode
from bisect import bisect_right
from collections.abc import Sequence
from copy import copy
from hashlib import sha256
from io import BytesIO
from itertools import product
from math import fsum, isnan, nan
from typing import NamedTuple
from urllib.parse import quote

from fastrnn import _data, _files
from fastrnn._checks import count, type_name
from fastrnn._folds import Fold, How, Person, is_several
from fastrnn._kinds import Spec
from fastrnn._network import kinds, made
from fastrnn._threads import number_of
from fastrnn.many import Done, Runner, Trainer, Training
from fastrnn.rnn import RNN, SETTINGS

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, for the names that it alone needs
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from fastrnn._files import _Path

# What a network is trained by where the grid says nothing else.
RECIPE = {
    "window": None,
    "batch_size": None,
    "optimizer": "adamw",
    "weight_decay": 0.0,
    "lr": 0.005,
    "epochs": 2_000,
    "patience": 200,
}
# Networks that are trained by one call, enough to fill lanes and threads; fewer where that takes a CPU ten seconds, for
# what is done is kept only then.
AT_ONCE, WORK_AT_ONCE = 2_048, 10e9

PLACE = ("person", "outer", "inner", "seed")
NUMBERS = (  # of a network, in this order
    *("epochs_run", "best_epoch", "train_loss", "validation_loss", "test_loss"),
    *("train_trials", "validation_trials", "test_trials"),
)


# ---- for users ----


def cross_validate(
    people: Any,
    grid: Mapping[str, Any] | Iterable[Mapping[str, Any]],
    *,
    outer: Any = 10,
    inner: Any = 9,
    seeds: int | Iterable[Any] = 3,
    folds: str = "sequences",
    groups: Any = None,
    select: Callable[[list[dict[str, Any]]], Any] | None = None,
    by: str | Iterable[str] | None = None,
    inputs: str | Iterable[str] | None = None,
    targets: str | Iterable[str] | None = None,
    sample_weight: str | None = None,
    threads: int | None = None,
    progress: bool = False,
    store: _Path | None = None,
) -> Study:
    """Train a network for every person, outer fold, inner fold, seed and set of options, and choose among them.

    A network learns from all but two parts of a person's data. By the inner fold its training is stopped and it is
    chosen; the outer fold, the test, tells how well the chosen one does.

    Parameters
    ----------
    people : dict from a person's name or number to (inputs, targets) or (inputs, targets, sample_weight), each a list
        of sequences as RNN.train() takes them, with one of one number a step or of rows: [x] where there is one. Or a
        long pandas table, with a row a step, and `by`.
    grid : dict from options of RNN to the values that are tried, all combinations of them, or to the one that all have;
        or a list of dicts of options. input_size follows from the data, the seed from `seeds`. What is not named is
        window=None, batch_size=None, optimizer="adamw", weight_decay=0.0, lr=0.005, epochs=2000, patience=200, and else
        as of RNN.
    outer, inner : how many folds, at least 2; or a splitter of scikit-learn (one that shuffles with a random_state, so
        that it gives the same folds again). Inner folds are of what the outer one leaves.
    seeds : how many, from 0 on, or a list of them.
    folds : "sequences" deals whole sequences out in turn, so that early and late ones are in each fold; a splitter gets
        them with the targets as labels where there is one a sequence, and with `groups`. "steps" cuts the steps that
        have a weight into blocks that follow each other, for people with one or few sequences: each network runs over
        all steps, and learns from its own. Its inputs may tell then what a neighbouring block's targets were.
    groups : for folds="sequences" a dict from each person to a label for each sequence, or a column of the table: those
        with the same label are never parted.
    select : function of the rows (dicts, as in Study.rows) of a person and an outer fold, without those that failed,
        that returns those to be chosen, one or a list; lowest_mean_loss() is one. None is lowest_loss().
    by, inputs, targets, sample_weight : columns of the table. by: that which tells the person, or the two that tell the
        person and the sequence; rows stay in their order. inputs, targets: one or a list. With return_sequences=False
        the last row of a sequence tells its target and weight.
    threads : as with train_all().
    progress : show how many networks are done, and the time left, on standard error.
    store : folder in which each person's outer fold is kept when it is done, with those that are trained beside it: at
        least every ten seconds, but for a fold that takes longer itself. A study that was killed goes on from there
        when it is called again, with the same bits.

    Returns
    -------
    Study. The bad data of a person, and networks that diverge, are rows with an `error`, and one RuntimeWarning tells
    how many.

    Raises
    ------
    TypeError, ValueError : before anything is trained: arguments, or data of all people, that are bad; a store of
        another study.
    OSError : the store cannot be read or written.
    KeyboardInterrupt : Ctrl-C; what is done is in the store.
    """
    tried = options_of(grid)
    how = How.of(outer, inner, folds, groups, each=tried[0].each)
    plan = Plan(tried, seeds_of(seeds), how)
    if select is not None and not callable(select):
        raise TypeError(f"select must be a function of rows, not {type_name(select)}")
    if by is not None:
        people, groups = people_of(people, by, inputs, targets, sample_weight, groups, how.each)
    elif hasattr(people, "columns"):
        raise TypeError(f"people is a {type_name(people)}: say by=, inputs= and targets=, its columns")
    elif not (isinstance(people, dict) and people):
        fault = "an empty one" if isinstance(people, dict) else type_name(people)
        raise TypeError(f"people must be a dict from each person to (inputs, targets), not {fault}")
    elif not inputs is targets is sample_weight is None:
        raise ValueError("inputs, targets and sample_weight are columns of a table: say by= too")
    if groups is None:
        groups = dict.fromkeys(people)
    elif not (isinstance(groups, dict) and groups.keys() >= people.keys()):
        raise ValueError("groups must be a dict from every person to a label for each sequence")
    kept = None if store is None else Store(store)
    work = Work(plan, people, groups, select or lowest_loss, number_of(threads), kept)
    work.look()
    shown = Done(work.networks) if progress else None
    try:
        work.train(shown)
    finally:
        if shown is not None:
            shown.end()
    work.warn()
    return Study(work.parts)


def lowest_loss(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For every hidden_size the row that the recipe chooses (Ji-An, Benna and Mattar 2025).

    For each inner fold that of the lowest validation loss, over seeds and all other options; of these, that of the
    lowest mean loss over the trials of training and validation together. Of equal ones the first.

    It was made for people with thousands of trials. From a hundred, what has the lowest loss on training and validation
    together is what knows them by heart: lowest_mean_loss() is the better rule there.
    """
    best: dict[Any, dict[str, Any]] = {}
    for row in rows:
        place = row["hidden_size"], row["inner"]
        if place not in best or row["validation_loss"] < best[place]["validation_loss"]:
            best[place] = row
    chosen: dict[Any, dict[str, Any]] = {}
    for (size, _), row in best.items():
        if size not in chosen or loss_together(row) < loss_together(chosen[size]):
            chosen[size] = row
    return [*chosen.values()]


def lowest_mean_loss(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For every hidden_size the rows of all inner folds and seeds of the options with the lowest mean validation loss.

    The mean of what these networks predict is the prediction. Options of which a network has failed stand behind.
    """
    of_options: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        options = {name: value for name, value in row.items() if name not in (*PLACE, *NUMBERS, "error")}
        of_options.setdefault(repr(options), []).append(row)
    best: dict[Any, tuple[int, float, list[dict[str, Any]]]] = {}
    for some in of_options.values():
        size, found = some[0]["hidden_size"], (-len(some), fsum(row["validation_loss"] for row in some) / len(some))
        if size not in best or found < best[size][:2]:
            best[size] = *found, some
    return [row for _, _, some in best.values() for row in some]


def loss_together(row: dict[str, Any]) -> float:
    """The mean over the trials of training and validation."""
    train, validation = row["train_trials"], row["validation_trials"]
    mean: float = (row["train_loss"] * train + row["validation_loss"] * validation) / (train + validation)
    return mean


def nested_folds(
    inputs: Any,
    targets: Any,
    sample_weight: Any = None,
    *,
    outer: Any = 10,
    inner: Any = 9,
    folds: str = "sequences",
    groups: Any = None,
    return_sequences: bool = True,
) -> list[Fold]:
    """The folds of cross_validate() for a person, so that other models can be fitted to the same ones.

    Arguments as there; groups: a label for each sequence. Weights are for each sequence one a step, in the kind of the
    inputs; or, with folds="sequences" and no sample_weight for steps, one number a sequence.
    """
    how = How.of(outer, inner, folds, groups, each=not return_sequences)

    def spec_for(width: int, outputs: int) -> Spec:
        return Spec(1, input_size=width, output_size=outputs, return_sequences=return_sequences)

    person = Person((inputs, targets, sample_weight), groups, how, spec_for)
    return [person.fold(i, person.given_back) for i in range(len(person.folds))]


class Study:
    """What cross_validate() has found.

    Losses are in the units of the targets, with standardize=True too.

    rows : a sequence of dicts, one for each network, which pandas.DataFrame takes as it is: person, outer, inner and
        seed; the options that the grid names; epochs that were run and best_epoch; train_loss, validation_loss and
        test_loss, means over as many train_trials, validation_trials and test_trials (the sums of the weights); error,
        None or why there is nothing else. A person whose data are bad has one row.
    chosen : list of Chosen, by person and outer fold.
    """

    def __init__(self, parts: list[Part]) -> None:
        self.rows = Rows(parts)
        self.chosen = [one for part in parts for one in part.chosen]

    def __repr__(self) -> str:
        people, failed = (
            len({part.person for part in self.rows.parts}),
            sum(len(part.errors) for part in self.rows.parts),
        )
        told = f", {failed:,} failed" if failed else ""
        return f"Study({people:,} people, {len(self.rows):,} rows{told}, {len(self.chosen):,} chosen)"


class Chosen:
    """A network that was chosen.

    person, outer : whose it is, and for which outer fold.
    row : its row of Study.rows.
    network : the RNN, as its training has left it.
    step_losses : array.array of floats, the loss of every step of the outer fold that has a weight (with
        return_sequences=False of every sequence), in the order of the sequences: where `test` of nested_folds() has a
        weight for each sequence, of all steps of those. With output "softmax" or "sigmoid" they are minus the
        log-likelihoods.
    """

    def __init__(self, row: dict[str, Any], network: Any, step_losses: array[float]) -> None:
        self.person, self.outer, self.row = row["person"], row["outer"], row
        self.network, self.step_losses = network, step_losses

    def __repr__(self) -> str:
        return f"Chosen(person={self.person!r}, outer={self.outer}, {self.network!r})"


class Rows(Sequence):  # type: ignore[type-arg]
    """Dicts, made when they are asked for: as numbers they take a tenth of the memory."""

    def __init__(self, parts: list[Part]) -> None:
        self.parts = parts
        self.starts = [0]
        for part in parts:
            self.starts.append(self.starts[-1] + len(part))

    def __len__(self) -> int:
        return self.starts[-1]

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        k = i.__index__()
        k += len(self) if k < 0 else 0
        if not 0 <= k < len(self):
            raise IndexError(f"there are {len(self):,} rows, and no {i}")
        which = bisect_right(self.starts, k) - 1
        return self.parts[which].row(k - self.starts[which])

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (part.row(i) for part in self.parts for i in range(len(part)))


# ---- arguments ----


class Options:
    """One set of options of RNN, checked.

    prototype : a network that has them.
    shown : those that the grid names, in any of its dicts.
    each : whether there is one target a sequence.
    """

    def __init__(self, given: Any, name: str) -> None:
        if not hasattr(given, "keys"):
            raise TypeError(f"{name} must be a dict of options of RNN, not {type_name(given)}")
        if "seed" in given:
            raise ValueError(f"{name} names a seed: say seeds=")
        if "hidden_size" not in given:
            raise ValueError(f"{name} must name a hidden_size")
        self.all = {**RECIPE, **given}
        try:
            network = RNN(**self.all)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {str(error).removeprefix('RNN.__init__() ')}") from None
        if network.patience is None:
            raise ValueError(f"{name}: patience must be a number of epochs, by which the inner fold ends training")
        self.given, self.prototype, self.each = given, network, not network.return_sequences
        self.shown: dict[str, Any] = {}

    def network(self, width: int, seed: Any) -> RNN:
        return RNN(**{"input_size": width, **self.all}, seed=seed)


def options_of(grid: Any) -> list[Options]:
    """All that are to be tried."""
    if hasattr(grid, "keys"):
        values = {name: [*of] if is_several(of) else [of] for name, of in grid.items()}
        for name, of in values.items():
            if not of:
                raise ValueError(f"grid has no value for {name}")
        tried = [Options(dict(zip(values, one, strict=True)), "grid") for one in product(*values.values())]
    elif is_several(grid):
        tried = [Options(one, f"grid[{i}]") for i, one in enumerate(grid)]
    else:
        raise TypeError(f"grid must be a dict from options to values, or a list of dicts, not {type_name(grid)}")
    if len({(one.each, one.prototype.output, one.prototype.loss) for one in tried}) != 1:
        raise ValueError(
            "grid must have options, all of one output, loss and return_sequences: else losses are not alike"
        )
    names = dict.fromkeys(name for options in tried for name in options.given)
    for options in tried:
        options.shown = {name: getattr(options.prototype, name) for name in names}
    return tried


def seeds_of(seeds: Any) -> list[Any]:
    if not is_several(seeds):
        return [*range(count(seeds, "seeds", least=1))]
    listed = [RNN(1, seed=seed).seed for seed in seeds]
    if not listed or None in listed or len({*listed}) < len(listed):  # 1 and 1.0 are the same
        raise ValueError("seeds must be how many there are to be, or a list of different ones")
    return listed


def people_of(
    table: Any, by: Any, inputs: Any, targets: Any, weight: Any, groups: Any, each: bool
) -> tuple[dict[Any, Any], dict[Any, Any] | None]:
    """What a long table holds, as a dict, and the groups."""
    names = [by] if isinstance(by, str) else [*by]
    if not hasattr(table, "groupby"):
        raise TypeError(f"with by= people must be a pandas table, not {type_name(table)}")
    if inputs is None or targets is None or len(names) not in (1, 2):
        raise ValueError("of a table say by=, one column or two, inputs= and targets=")
    columns = {"by": names, "inputs": inputs, "targets": targets, "sample_weight": weight, "groups": groups}
    for what, of in columns.items():
        for name in of if is_several(of) else [] if of is None else [of]:
            if name not in table.columns:
                raise ValueError(f"{what}: the table has no column {name!r}")
            if what == "by" and table[name].isna().any():
                raise ValueError(f"by: the column {name!r} has rows without a value: drop them, or name them")
            if what in ("inputs", "targets", "sample_weight") and table[name].dtype.kind not in "iufb":
                raise ValueError(f"{what}: the column {name!r} must hold numbers, and its dtype is {table[name].dtype}")
    people: dict[Any, Any] = {}
    labels: dict[Any, Any] = {}

    def numbers(parts: list[Any], of: Any, last: bool) -> list[Any]:
        name = [*of] if is_several(of) else of
        found = [part[name].to_numpy(dtype=float, na_value=nan) for part in parts]
        return [rows[-1] for rows in found] if last else found

    for person, rows in table.groupby(names[0], sort=False, observed=True):
        parts = [rows] if len(names) == 1 else [part for _, part in rows.groupby(names[1], sort=False, observed=True)]
        given = [numbers(parts, inputs, False), numbers(parts, targets, each)]
        people[person] = (*given, None if weight is None else numbers(parts, weight, each))
        if groups is not None:
            found = [part[groups].unique().tolist() for part in parts]
            if any(len(of) > 1 for of in found):
                raise ValueError(f"groups: a sequence of {person!r} has several labels in the column {groups!r}")
            labels[person] = [of[0] for of in found]
    return people, None if groups is None else labels


# ---- the work ----


class Plan(NamedTuple):
    """What is done for every person."""

    tried: list[Options]
    seeds: list[Any]
    how: How

    def spec_for(self, width: int, _outputs: int) -> Spec:
        return self.tried[0].network(width, 0)._spec

    def each(self) -> list[tuple[Any, Options]]:
        """The networks of an inner fold."""
        return [*product(self.seeds, self.tried)]

    def digest_of(self, person: Person) -> str:
        """What tells this study of a person from any other."""
        names = (*Spec.NAMES, *SETTINGS)
        found = sha256(repr([[getattr(of.prototype, name) for name in names] for of in self.tried]).encode())
        found.update(repr((self.seeds, person.lengths, person.folds)).encode())
        for numbers in (person.examples.inputs, person.examples.targets, person.weights):
            found.update(numbers)
        return found.hexdigest()


class Part:
    """A person's outer fold, or with outer None a person whose data are bad: the rows, as numbers, and what is chosen.

    numbers : for each network what NUMBERS names, NaN where there is none.
    errors : from a network to why it failed.
    """

    def __init__(self, plan: Plan, person: Any, outer: int | None, numbers: Any, errors: dict[int, str]) -> None:
        self.plan, self.person, self.outer = plan, person, outer
        self.numbers, self.errors = array("d", numbers), errors
        self.chosen: list[Chosen] = []
        self.places: list[int] = []  # of the rows of `chosen`

    def __len__(self) -> int:
        return 1 if self.outer is None else len(self.numbers) // len(NUMBERS)

    def row(self, i: int) -> dict[str, Any]:
        row = dict.fromkeys((*PLACE, *self.plan.tried[0].shown, *NUMBERS))
        row |= {"person": self.person, "error": self.errors.get(i)}
        if self.outer is None:
            return row
        of, option = divmod(i, len(self.plan.tried))  # in the order of each()
        inner, seed = divmod(of, len(self.plan.seeds))
        row |= {"outer": self.outer, "inner": inner, "seed": self.plan.seeds[seed], **self.plan.tried[option].shown}
        for name, value in zip(NUMBERS, self.numbers[i * len(NUMBERS) : (i + 1) * len(NUMBERS)], strict=True):
            row[name] = None if isnan(value) else int(value) if name in ("epochs_run", "best_epoch") else value
        return row

    def choose(self, select: Callable[[list[dict[str, Any]]], Any]) -> list[int]:
        """The places of the rows that `select` chooses."""
        rows = {i: self.row(i) for i in range(len(self)) if i not in self.errors}
        places = {id(row): i for i, row in rows.items()}
        chosen = select([*rows.values()]) if rows else []
        listed = [chosen] if isinstance(chosen, dict) else [*chosen] if is_several(chosen) else [None]
        if not {*map(id, listed)} <= places.keys():
            raise ValueError("select must return one or some of the rows that it is given")
        return [places[id(row)] for row in listed]


class Fits:
    """A person's outer fold while its networks are trained."""

    def __init__(self, plan: Plan, key: Any, person: Person, outer: int, digest: str) -> None:
        self.plan, self.key, self.person, self.outer, self.digest = plan, key, person, outer, digest
        test, _, inner = person.fold(outer, lambda flat: (person.for_train(flat), person.trials(flat)))
        self.trainings: list[Training] = []
        self.weights: list[tuple[Any, ...]] = []  # of training, validation and test, for each network
        self.trials: list[tuple[float, ...]] = []
        for train, validation in inner:
            weights, trials = zip(train, validation, test, strict=True)
            others = person.inputs, person.targets, weights[1]
            for seed, options in plan.each():
                network = options.network(person.width, seed)
                self.trainings.append(Training(network, person.inputs, person.targets, weights[0], others))
                self.weights.append(weights)
                self.trials.append(trials)

    def work(self) -> float:
        """Nanoseconds on one CPU, roughly, if no training ends early."""
        total, steps = 0.0, sum(self.person.lengths)
        for training in self.trainings:
            units = training.network.hidden_size
            total += training.network.epochs * steps * (20.0 + 10.0 * units + 0.5 * units * units)
        return total

    def end(self, losses: list[Any], select: Any) -> Part:
        """losses: for each network those of training, validation and test, or an error."""
        numbers, errors = [], {}
        for i, found in enumerate(losses):
            network = self.trainings[i].network
            best = nan if network.best_epoch is None else network.best_epoch
            if isinstance(found, Exception):
                errors[i], found = f"{type(found).__name__}: {found}", [nan] * 3
            numbers += [len(network.losses), best, *found, *self.trials[i]]
        part = Part(self.plan, self.key, self.outer, numbers, errors)
        part.places = part.choose(select)
        for i in part.places:
            network = self.trainings[i].network
            data = _data.take_again(network._spec, self.person.examples, self.weights[i][2], "")
            of_steps = array("d", [nan]) * (len(data.targets) // network._spec.target_size)
            in_units(network)._evaluate(data, None, memoryview(of_steps))
            counting = array(
                "d", [loss for loss in of_steps if not isnan(loss)]
            )  # evaluate() has shown that none is NaN
            part.chosen.append(Chosen(part.row(i), network, counting))
        return part


class Work:
    """One call of cross_validate()."""

    def __init__(self, plan: Plan, people: Any, groups: Any, select: Any, threads: int, store: Store | None) -> None:
        self.plan, self.people, self.groups = plan, people, groups
        self.select, self.threads, self.store = select, threads, store
        self.parts: list[Any] = []
        self.left: dict[Any, list[tuple[int, int, str]]] = {}  # of a person: outer folds, their places, the digest
        self.networks = 0  # that are left
        self.told: list[str] = []  # what training has warned of

    def person(self, key: Any) -> Person:
        return Person(self.people[key], self.groups[key], self.plan.how, self.plan.spec_for)

    def look(self) -> None:
        """What there is to do. Of a person no more is kept than that."""
        bad = None
        for key in self.people:
            try:
                person = self.person(key)
            except (TypeError, ValueError) as error:
                self.parts.append(Part(self.plan, key, None, [], {0: f"{type(error).__name__}: {error}"}))
                bad = bad or type(error)(f"nobody's data will do, those of person {key!r} because {error}")
                continue
            digest = "" if self.store is None else self.plan.digest_of(person)
            for outer, (_, _, inner) in enumerate(person.folds):
                part = None if self.store is None else self.store.read(self.plan, key, outer, digest, self.select)
                if part is None:
                    self.left.setdefault(key, []).append((outer, len(self.parts), digest))
                    self.networks += len(inner) * len(self.plan.each())
                self.parts.append(part)
        if bad is not None and all(part is not None and part.outer is None for part in self.parts):
            raise bad

    def train(self, shown: Done | None) -> None:
        """So many at once that lanes and threads are full, and so few that much is kept soon."""
        waiting: list[tuple[int, Fits]] = []
        for key, folds in self.left.items():
            person = self.person(key)
            for outer, place, digest in folds:
                waiting.append((place, Fits(self.plan, key, person, outer, digest)))
                networks, work = (
                    sum(of) for of in zip(*((len(fits.trainings), fits.work()) for _, fits in waiting), strict=True)
                )
                if networks >= AT_ONCE or work >= WORK_AT_ONCE * self.threads:
                    self.train_some(waiting, shown)
                    waiting = []
        if waiting:
            self.train_some(waiting, shown)

    def train_some(self, waiting: list[tuple[int, Fits]], shown: Done | None) -> None:
        trainings = [training for _, fits in waiting for training in fits.trainings]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            Trainer(trainings, self.threads, shown).run()
        self.told += [str(warning.message) for warning in caught]
        losses = self.losses_of(trainings, [of for _, fits in waiting for of in fits.weights])
        for place, fits in waiting:
            found, losses = losses[: len(fits.trainings)], losses[len(fits.trainings) :]
            self.parts[place] = fits.end(found, self.select)
            if self.store is not None:
                self.store.write(self.parts[place], fits.digest)

    def losses_of(self, trainings: list[Training], weights: list[tuple[Any, ...]]) -> list[Any]:
        """For each network its loss by each of the weights, or the error of its training or of one of these."""
        good = [i for i, training in enumerate(trainings) if training.error is None]
        data = ([in_units(trainings[i].network) for i in good], [trainings[i].inputs for i in good])
        losses: list[Any] = [training.error or [] for training in trainings]
        for k in range(3):
            of = [trainings[i].targets for i in good], [weights[i][k] for i in good]
            runner = Runner(*data, *of, "evaluate", self.threads)
            for at, i in enumerate(good):
                if at in runner.errors:
                    losses[i] = runner.errors[at]
                elif isinstance(losses[i], list):
                    losses[i].append(runner.results[at])
        return losses

    def warn(self) -> None:
        """Once, of what there was to warn of."""
        if self.told:
            more = f" ({len(self.told):,} trainings warn like this)" if len(self.told) > 1 else ""
            warnings.warn(self.told[0] + more, UserWarning, stacklevel=3)
        failed = [(part.person, error) for part in self.parts for error in part.errors.values()]
        if failed:
            warnings.warn(
                f"{len(failed):,} rows have an error, the first one of person {failed[0][0]!r}: {failed[0][1]}",
                RuntimeWarning,
                stacklevel=3,
            )


def in_units(network: RNN) -> RNN:
    """The network, or one that gives the same predictions and has its losses in the units of the targets.

    With standardize=True losses are in units of the data that a network was trained on, which folds do not share.
    """
    if network.target_scale is None:
        return network
    twin, scales = copy(network), [*zip(network.target_scale, network.target_mean, strict=True)]
    rows = zip(scales, network.w_hidden_output.tolist(), strict=True)
    twin.w_hidden_output = [[scale * w for w in row] for (scale, _), row in rows]
    twin.b_output = [scale * b + mean for (scale, mean), b in zip(scales, network.b_output, strict=True)]
    twin.target_scale, twin.target_mean = [1.0] * len(scales), [0.0] * len(scales)
    return twin


class Store:
    """A folder with a JSON file for each person's outer fold, put there whole: the digest, the numbers and errors of a
    Part, and of each network that was chosen its place, its step losses and, in base64, what save() would write."""

    def __init__(self, path: _Path) -> None:
        self.path = _files.name_of(path)
        if not self.path:
            raise ValueError("store must be the name of a folder")
        os.makedirs(self.path, exist_ok=True)

    def name_of(self, key: Any, outer: int) -> str:
        return os.path.join(self.path, quote(f"{type(key).__name__} {key}, outer {outer}.json", safe=" ,"))

    def write(self, part: Part, digest: str) -> None:
        chosen = [
            {
                "row": i,
                "network": b64encode(_files.encode(RNN, one.network.__getstate__())).decode(),
                "step_losses": [*one.step_losses],
            }
            for i, one in zip(part.places, part.chosen, strict=True)
        ]
        told = {"digest": digest, "numbers": [*part.numbers], "errors": part.errors, "chosen": chosen}
        assert part.outer is not None
        _files.write(self.name_of(part.person, part.outer), json.dumps(told).encode())

    def read(self, plan: Plan, key: Any, outer: int, digest: str, select: Any) -> Part | None:
        name = self.name_of(key, outer)
        try:
            with open(name, "rb") as file:
                told = json.load(file)
            if told["digest"] != digest:
                raise Refusal(
                    f"{name} is of another study, with other data, folds, options or seeds: name another store"
                )
            part = Part(plan, key, outer, told["numbers"], {int(i): error for i, error in told["errors"].items()})
            part.places = [one["row"] for one in told["chosen"]]
            if part.choose(select) != part.places:
                raise Refusal(f"of {name} `select` chooses networks that were not kept: name another store")
            for one in told["chosen"]:
                data = b64decode(one["network"])
                network = made(*_files.decode(BytesIO(data), len(data), kinds()))
                part.chosen.append(Chosen(part.row(one["row"]), network, array("d", one["step_losses"])))
        except FileNotFoundError:
            return None
        except Refusal:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{name} is damaged, delete it ({type(error).__name__}: {error})") from None
        return part


class Refusal(ValueError):
    """What a store says of a file that is whole."""
