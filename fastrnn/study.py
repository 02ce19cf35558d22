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
from hashlib import sha256
from io import BytesIO
from itertools import product
from math import fsum, isnan, nan
from typing import NamedTuple
from urllib.parse import quote

from fastrnn import _data, _files
from fastrnn._checks import count, one_of, type_name
from fastrnn._folds import KINDS, Fold, How, Person, how_to_split, is_several
from fastrnn._kinds import Spec
from fastrnn._network import kinds, made
from fastrnn._threads import number_of
from fastrnn.many import Done, Runner, Trainer, Training
from fastrnn.rnn import RNN

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
AT_ONCE = 2_048  # networks that are trained by one call: enough to fill lanes and threads, and to fit into memory

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
    store : folder in which each person's outer fold is kept as soon as it is done. A study that was killed goes on from
        there when it is called again, with the same bits.

    Returns
    -------
    Study. The bad data of a person, and networks that diverge, are rows with an `error`, and one RuntimeWarning tells
    how many.

    Raises
    ------
    TypeError, ValueError : arguments that are bad for all, before anything is trained; a store of another study.
    OSError : the store cannot be read or written.
    KeyboardInterrupt : Ctrl-C; what is done is in the store.
    """
    one_of(KINDS, folds, "folds")
    how = How(how_to_split(outer, "outer"), how_to_split(inner, "inner"), folds)
    plan = Plan(options_of(grid), seeds_of(seeds), how)
    each = plan.tried[0].each
    if folds == "steps" and (each or groups is not None):
        raise ValueError(f"folds='steps' is not for {'return_sequences=False' if each else 'groups'}")
    if by is not None:
        people, groups = people_of(people, by, inputs, targets, sample_weight, groups, each)
    elif not (isinstance(people, dict) and people):
        fault = "empty" if isinstance(people, dict) else type_name(people)
        raise TypeError(
            f"people must be a dict from each person to (inputs, targets), or a table with by=, not {fault}"
        )
    if groups is None:
        groups = dict.fromkeys(people)
    elif not (isinstance(groups, dict) and groups.keys() >= people.keys()):
        raise ValueError("groups must be a dict from every person to a label for each sequence")
    work = Work(plan, select or lowest_loss, number_of(threads), None if store is None else Store(store))
    if progress:
        work.shown = Done(sum(plan.networks_of(data, groups[person]) for person, data in people.items()))
    try:
        for person, data in people.items():
            work.add(person, data, groups[person])
        work.train()
    finally:
        if work.shown is not None:
            work.shown.end()
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
    one_of(KINDS, folds, "folds")
    how = How(how_to_split(outer, "outer"), how_to_split(inner, "inner"), folds)

    def spec_for(width: int, outputs: int) -> Spec:
        return Spec(1, input_size=width, output_size=outputs, return_sequences=return_sequences)

    person = Person((inputs, targets, sample_weight), groups, how, spec_for)
    return [person.fold(i, person.given_back) for i in range(len(person.folds))]


class Study:
    """What cross_validate() has found.

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
    step_losses : array.array of floats, the loss of every step of the outer fold (with return_sequences=False of every
        sequence), in the order of the sequences: as many as nested_folds() gives a weight in `test`. With output
        "softmax" or "sigmoid" they are minus the log-likelihoods.
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
    if len({options.each for options in tried}) != 1:
        raise ValueError("grid must have options, all of one return_sequences")
    names = dict.fromkeys(name for options in tried for name in options.given)
    for options in tried:
        options.shown = {name: getattr(options.prototype, name) for name in names}
    return tried


def seeds_of(seeds: Any) -> list[Any]:
    if not is_several(seeds):
        return [*range(count(seeds, "seeds", least=1))]
    listed = [RNN(1, seed=seed).seed for seed in seeds]
    if not listed or None in listed or len({*map(repr, listed)}) < len(listed):
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
    people: dict[Any, Any] = {}
    labels: dict[Any, Any] = {}

    def numbers(parts: list[Any], of: Any, last: bool) -> list[Any]:
        name = [*of] if is_several(of) else of
        found = [part[name].to_numpy(dtype=float) for part in parts]
        return [rows[-1] for rows in found] if last else found

    for person, rows in table.groupby(names[0], sort=False):
        parts = [rows] if len(names) == 1 else [part for _, part in rows.groupby(names[1], sort=False)]
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

    def networks_of(self, data: Any, groups: Any) -> int:
        """How many a person has."""
        try:
            folds = Person(data, groups, self.how, self.spec_for).folds
        except (TypeError, ValueError):
            return 0
        return len(self.each()) * sum(len(inner) for _, _, inner in folds)

    def digest_of(self, person: Person) -> str:
        """What tells this study of a person from any other."""
        options = [[(name, getattr(of.prototype, name)) for name in sorted(of.all)] for of in self.tried]
        found = sha256(repr(options).encode())
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

    def __init__(self, plan: Plan, key: Any, person: Person, outer: int) -> None:
        self.plan, self.key, self.person, self.outer = plan, key, person, outer
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
            network._evaluate(data, None, memoryview(of_steps))
            counting = array(
                "d", [loss for loss in of_steps if not isnan(loss)]
            )  # evaluate() has shown that none is NaN
            part.chosen.append(Chosen(part.row(i), network, counting))
        return part


class Work:
    """One call of cross_validate()."""

    def __init__(self, plan: Plan, select: Any, threads: int, store: Store | None) -> None:
        self.plan, self.select, self.threads, self.store = plan, select, threads, store
        self.parts: list[Any] = []
        self.waiting: dict[int, Fits] = {}  # by their place in `parts`
        self.told: dict[str, None] = {}  # what training has warned of
        self.shown: Done | None = None

    def add(self, key: Any, data: Any, groups: Any) -> None:
        """A person's folds, of which the store may have some."""
        try:
            person = Person(data, groups, self.plan.how, self.plan.spec_for)
        except (TypeError, ValueError) as error:
            self.parts.append(Part(self.plan, key, None, [], {0: f"{type(error).__name__}: {error}"}))
            return
        if self.store is not None:
            person.digest = self.plan.digest_of(person)
        for outer in range(len(person.folds)):
            part = None if self.store is None else self.store.read(self.plan, key, person, outer, self.select)
            self.parts.append(part)
            if part is None:
                self.waiting[len(self.parts) - 1] = Fits(self.plan, key, person, outer)
            elif self.shown is not None:
                self.shown.total -= len(part)
            if sum(len(fits.trainings) for fits in self.waiting.values()) >= AT_ONCE:
                self.train()

    def train(self) -> None:
        """Those that wait."""
        waiting, self.waiting = self.waiting, {}
        trainings = [training for fits in waiting.values() for training in fits.trainings]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            Trainer(trainings, self.threads, self.shown).run()
        self.told |= dict.fromkeys(str(warning.message) for warning in caught)
        weights = [of for fits in waiting.values() for of in fits.weights]
        losses = self.losses_of(trainings, weights)
        for place, fits in waiting.items():
            found, losses = losses[: len(fits.trainings)], losses[len(fits.trainings) :]
            self.parts[place] = fits.end(found, self.select)
            if self.store is not None:
                self.store.write(self.parts[place], fits.person)

    def losses_of(self, trainings: list[Training], weights: list[tuple[Any, ...]]) -> list[Any]:
        """For each network its loss by each of the weights, or the error of its training or of one of these."""
        good = [i for i, training in enumerate(trainings) if training.error is None]
        data = ([trainings[i].network for i in good], [trainings[i].inputs for i in good])
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
        """Of what there was to warn of, once."""
        for message in self.told:
            warnings.warn(message, UserWarning, stacklevel=3)
        failed = [(part.person, error) for part in self.parts for error in part.errors.values()]
        if failed:
            warnings.warn(
                f"{len(failed):,} rows have an error, the first one of person {failed[0][0]!r}: {failed[0][1]}",
                RuntimeWarning,
                stacklevel=3,
            )


class Store:
    """A folder with a JSON file for each person's outer fold, put there whole: the digest, the numbers and errors of a
    Part, and of each network that was chosen its place, its step losses and, in base64, what save() would write."""

    def __init__(self, path: _Path) -> None:
        self.path = _files.name_of(path)
        os.makedirs(self.path, exist_ok=True)

    def name_of(self, key: Any, outer: int) -> str:
        return os.path.join(self.path, quote(f"{type(key).__name__} {key}, outer {outer}.json", safe=" ,"))

    def write(self, part: Part, person: Person) -> None:
        chosen = [
            {
                "row": i,
                "network": b64encode(_files.encode(RNN, one.network.__getstate__())).decode(),
                "step_losses": [*one.step_losses],
            }
            for i, one in zip(part.places, part.chosen, strict=True)
        ]
        told = {"digest": person.digest, "numbers": [*part.numbers], "errors": part.errors, "chosen": chosen}
        assert part.outer is not None
        _files.write(self.name_of(part.person, part.outer), json.dumps(told).encode())

    def read(self, plan: Plan, key: Any, person: Person, outer: int, select: Any) -> Part | None:
        name = self.name_of(key, outer)
        try:
            with open(name, "rb") as file:
                told = json.load(file)
        except FileNotFoundError:
            return None
        if told["digest"] != person.digest:
            raise ValueError(
                f"{name} is of another study, with other data, folds, options or seeds: name another store"
            )
        part = Part(plan, key, outer, told["numbers"], {int(i): error for i, error in told["errors"].items()})
        part.places = [one["row"] for one in told["chosen"]]
        if part.choose(select) != part.places:
            raise ValueError(f"of {name} `select` chooses networks that were not kept: name another store")
        for one in told["chosen"]:
            data = b64decode(one["network"])
            network = made(*_files.decode(BytesIO(data), len(data), kinds()))
            part.chosen.append(Chosen(part.row(one["row"]), network, array("d", one["step_losses"])))
        return part
