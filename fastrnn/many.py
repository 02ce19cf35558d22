"""Many networks in one call: side by side in the lanes of the CPU's vectors, on all its cores."""

from __future__ import annotations

import sys
from _operator import attrgetter  # as operator's, whose import takes longer
from math import inf
from time import monotonic

from fastrnn import _data
from fastrnn._backend import core
from fastrnn._checks import attribute, one_of, type_name
from fastrnn._progress import in_words
from fastrnn._threads import Workers, number_of
from fastrnn.rnn import RNN, Evaluation, Job, Run
from fastrnn.simple import SimpleRNN

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator
    from typing import Any

FULL = 4  # how often the sequences of a batch fill lanes by themselves: then no network waits for the slowest of eight

# Networks of a piece of predict_all(), and numbers of its results: room for NumPy to take huge pages, from 4 MB on.
MOST_AT_ONCE, NUMBERS_AT_ONCE = 64, 1 << 20
METHODS = ("predict", "predict_proba", "hidden_states", "evaluate")  # of predict_all()


# ---- for users ----


class Training:
    """A network and what it is to learn: what RNN.train() takes, for train_all().

    network : an RNN, whose own options say how it is trained; or a SimpleRNN.
    inputs, targets, sample_weight, validation : as RNN.train() takes them. What is given to several trainings is best
        the same object: it is looked at and held once.
    error : None, or after train_all() the exception that train() would have raised.
    """

    def __init__(
        self, network: Any, inputs: Any, targets: Any, sample_weight: Any = None, validation: Any = None
    ) -> None:
        self.network, self.inputs, self.targets = network, inputs, targets
        self.sample_weight, self.validation = sample_weight, validation
        self.error: Exception | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.network!r}{'' if self.error is None else f', error={self.error!r}'})"


def train_all(trainings: Iterable[Training], *, threads: int | None = None, progress: bool = False) -> list[Training]:
    """Do what `for t in trainings: t.network.train(t.inputs, t.targets, ...)` does, to the bit, only faster.

    Networks may differ in everything. Those of few units and of one kind (cell, sizes, output, loss, optimizer, window)
    are trained side by side, and all on `threads` threads. One whose data are bad or which diverges ends alone: its
    `error` tells, and at the end one RuntimeWarning. Called once more, all go on from where they are. Settings (lr,
    patience, ...) are read as a training begins: what is written to them meanwhile counts from the next call on.

    Parameters
    ----------
    trainings : of networks of which none is there twice.
    threads : how many, at least 1. None: as many as there are CPUs that this process may use, or as the environment
        variable FASTRNN_THREADS allows, if that is fewer.
    progress : show how many are done, and the time left, on standard error.

    Returns
    -------
    list of the trainings.

    Raises
    ------
    TypeError, ValueError : what is no training, or a network that is there twice; nothing has changed.
    KeyboardInterrupt : Ctrl-C; every network is as after its last complete update.
    """
    if not hasattr(trainings, "__iter__"):
        raise TypeError(f"trainings must be a list of fastrnn.Training, not {type_name(trainings)}")
    listed = [*trainings]
    seen: set[int] = set()
    for i, training in enumerate(listed):
        if not isinstance(training, Training):
            raise TypeError(f"trainings[{i}] must be a fastrnn.Training, not {type_name(training)}")
        if not isinstance(training.network, (RNN, SimpleRNN)):
            raise TypeError(f"trainings[{i}].network must be an RNN or a SimpleRNN, not {type_name(training.network)}")
        if id(training.network) in seen:
            raise ValueError(f"the network of trainings[{i}] is there twice: train copies of it")
        seen.add(id(training.network))
    for training in listed:
        training.error = None
    shown = Done(len(listed)) if progress else None
    try:
        Trainer(listed, number_of(threads), shown).run()
    finally:
        if shown is not None:
            shown.end()
    failed = [i for i, training in enumerate(listed) if training.error is not None]
    if failed:
        import warnings  # here, as threading elsewhere: they cost as much as half of fastrnn

        first = listed[failed[0]].error
        which = ", ".join(map(str, failed[:10])) + (", ..." if len(failed) > 10 else "")
        warnings.warn(
            f"{len(failed)} of {len(listed)} trainings failed ({which}; see their `error`), "
            f"the first one with: {first}",
            RuntimeWarning,
            stacklevel=2,
        )
    return listed


def predict_all(
    networks: Iterable[RNN | SimpleRNN],
    inputs: Any,
    targets: Any = None,
    sample_weight: Any = None,
    *,
    each: bool = False,
    method: str = "predict",
    threads: int | None = None,
) -> list[Any]:
    """Do what `[network.predict(inputs) for network in networks]` does, to the bit, only faster.

    Networks may differ in everything. Those of few units and of one kind (cell, sizes, output, loss) run side by side,
    and all on `threads` threads. Nothing in them changes, and one may be there twice.

    Parameters
    ----------
    networks : RNNs or SimpleRNNs.
    inputs : what `method` takes, the same for all networks; it is looked at and held once.
    targets, sample_weight : with method="evaluate" likewise, and else None.
    each : inputs, targets and sample_weight are lists with such data for each network.
    method : "predict", "predict_proba", "hidden_states" or, of RNNs, "evaluate".
    threads : as with train_all().

    Returns
    -------
    list of what `network.predict(inputs)`, or `network.evaluate(inputs, targets, sample_weight)`, returns, for each
    network. NumPy arrays may be parts of a larger one: copy those that are to be kept when the others are not.

    Raises
    ------
    TypeError, ValueError, OverflowError : what `method` itself raises, and of which network: of the first with data
        that are bad, or else of the first whose results are not finite; or what is no network, data for more or fewer
        networks than there are, or missing targets.
    KeyboardInterrupt : Ctrl-C.
    """
    one_of(METHODS, method, "method")
    if not hasattr(networks, "__iter__"):
        raise TypeError(f"networks must be a list of networks, not {type_name(networks)}")
    listed = [*networks]
    for i, network in enumerate(listed):
        if not isinstance(network, (RNN, SimpleRNN)):
            raise TypeError(f"networks[{i}] must be an RNN or a SimpleRNN, not {type_name(network)}")
        if not hasattr(network, method):
            raise TypeError(f"networks[{i}] is a {type(network).__name__}, which has no {method}()")
    if method == "evaluate" and targets is None:
        raise ValueError("method='evaluate' needs targets")
    given = {"targets": targets, "sample_weight": sample_weight}
    for name, values in given.items():
        if method != "evaluate" and values is not None:
            raise ValueError(f"{name} is for method='evaluate', and method is {method!r}")
    of_inputs = data_of_each(inputs, "inputs", len(listed), each)
    of_targets, weights = (data_of_each(of, name, len(listed), each and of is not None) for name, of in given.items())
    runner = Runner(listed, of_inputs, of_targets, weights, method, number_of(threads))
    if runner.errors:
        first = min(runner.errors)
        raise named(runner.errors[first], first)
    return runner.results


def data_of_each(values: Any, name: str, networks: int, each: bool) -> list[Any]:
    """What was given for each network, or for all of them."""
    if not each:
        return [[*values] if hasattr(values, "__next__") else values] * networks  # an iterator gives its values once
    if not hasattr(values, "__iter__"):
        raise TypeError(f"with each=True {name} must be a list, with one for each network, not {type_name(values)}")
    listed = [*values]
    if len(listed) != networks:
        raise ValueError(
            f"with each=True {name} must be a list with one for each network: "
            f"there are {networks} networks, and it has {len(listed)}"
        )
    return listed


# ---- what trainings and predictions share ----


class Memory:
    """take_sequences() and take_examples() of fastrnn._data, which take the same objects once."""

    def __init__(self) -> None:
        self.taken: dict[Hashable, Any] = {}

    def take_sequences(self, inputs: Any, name: str, width: int) -> _data.Sequences:
        if (found := self.taken.get((width, id(inputs)))) is None:
            found = self.taken[width, id(inputs)] = _data.take_sequences(inputs, name, width)
        return found

    def take_examples(self, spec: Any, inputs: Any, targets: Any, weight: Any, name: str = "") -> _data.Examples:
        kind = spec.input_size, spec.target_size, spec.targets, spec.classes, spec.return_sequences
        both = (*kind, id(inputs), id(targets))
        if (found := self.taken.get((*both, id(weight), name))) is not None:
            return found  # type: ignore[no-any-return]
        if (found := self.taken.get(both)) is not None:
            found = _data.take_again(spec, found, weight, name)
        else:
            found = self.taken[both] = _data.take_examples(spec, inputs, targets, weight, name)
        self.taken[*both, id(weight), name] = found
        return found


KIND = attrgetter(
    "cell", "activation", "hidden_size", "input_size", "output_size", "output", "loss", "return_sequences"
)


def kind_of(network: RNN) -> Hashable:
    """What networks must have in common to run in lanes,"""
    return KIND(network._spec)


def kind_of_training(network: RNN) -> Hashable:
    """and to be trained there."""
    options = network.optimizer, network.window, network.momentum > 0.0, network.l1 > 0.0, network.clip is None
    return kind_of(network), *options


def split(items: list[Any], network: RNN, work: Callable[[Any], int]) -> tuple[list[Any], list[Any]]:
    """Of those of one kind the ones for lanes, and the ones that run alone; both with the most work first.

    A lane that has nothing left to do costs as much as before: what takes longer than lanes would be full runs alone,
    and so do a few that are left over.
    """
    fewest, items = core.fewest_in_lanes_of(network), sorted(items, key=work, reverse=True)
    total, alone = sum(map(work, items)), 0
    if fewest > core.lanes:
        return [], items
    while alone < len(items) and total < fewest * work(items[alone]):
        total -= work(items[alone])
        alone += 1
    left = (len(items) - alone) % core.lanes
    stop = len(items) - (left if left < fewest else 0)
    return items[alone:stop], items[:alone] + items[stop:]


# ---- trainings ----


class Trainer:
    """One call of train_all()."""

    def __init__(self, trainings: list[Training], threads: int, progress: Done | None) -> None:
        self.trainings, self.workers = trainings, Workers(threads)
        self.first: list[Job] = []  # that take longer than the lanes of their kind would
        self.groups: list[Group] = []
        self.alone: list[Any] = []  # other jobs, and trainings by a method that is not RNN's
        self.begun: dict[int, tuple[Job, Training]] = {}  # until they end
        self.progress = progress

    def run(self) -> None:
        try:
            self.prepare()
            in_lanes = [(self.train_in_lanes, group) for group in self.groups for _ in range(group.threads)]
            first, last = ([(self.train_alone, one) for one in some] for some in (self.first, self.alone))
            self.workers.do([*first, *in_lanes, *last])
        finally:
            for job, _ in self.begun.values():  # after an exception
                job.end()

    # ---- before ----

    def prepare(self) -> None:
        take = Memory().take_examples
        kinds: dict[Hashable, list[Job]] = {}
        for training in self.trainings:
            network = training.network
            if type(network).train is not RNN.train:  # SimpleRNN's, or a subclass's own
                self.alone.append(training)
                continue
            try:
                job = Job(network, training.inputs, training.targets, training.sample_weight, training.validation, take)
                self.begun[id(job)] = job, training
                job.begin(level=7)
            except Exception as error:
                self.ends(training, error)
                continue
            if job.sequences() >= FULL * core.lanes:
                self.alone.append(job)
            else:
                kinds.setdefault(kind_of_training(network), []).append(job)
        for jobs in kinds.values():
            in_lanes, alone = split(jobs, jobs[0].network, Job.work)
            if in_lanes:
                self.first += alone
                self.groups.append(Group(in_lanes, self.workers.threads))
            else:
                self.alone += alone

    # ---- the work ----

    def train_in_lanes(self, group: Group) -> None:
        if not group.jobs:
            return
        room, begun = -(-len(group.jobs) // group.threads), False  # so that no thread takes all of a few

        def take() -> Any:
            nonlocal room, begun
            room, begun = room - 1, True
            job = group.take() if room >= 0 else None
            if job is not None:
                self.begins()
            return job

        def done(job: Any, best: int | None, error: Exception | None) -> None:
            nonlocal room
            room = max(0, room) + 1
            self.job_ends(job, best, error)

        try:
            core.train_in_lanes(group.network, group.longest, group.sequences, take, done)
        except MemoryError:
            if begun:
                raise
            while (job := group.take()) is not None:  # one after the other they need less
                self.train_alone(job)

    def train_alone(self, one: Any) -> None:
        self.begins()
        if isinstance(one, Training):
            more = {name: getattr(one, name) for name in ("sample_weight", "validation")}
            given = {name: value for name, value in more.items() if value is not None}
            try:
                if given and isinstance(one.network, SimpleRNN):
                    raise TypeError(f"SimpleRNN.train() takes no {next(iter(given))}")
                one.network.train(one.inputs, one.targets, verbose=False, **given)
            except Exception as error:
                self.ends(one, error)
            else:
                self.ends(one, None)
            return
        best, failure = None, None
        try:
            best = one.network._train(one.data, one.validation, one.epochs, one.losses, one.validation_losses, None)
        except Exception as error:
            failure = error
        self.job_ends(one, best, failure)

    # ---- as they begin and end ----

    def begins(self) -> None:
        if self.progress is not None:
            self.progress.begins()

    def job_ends(self, job: Job, best: int | None, error: Exception | None) -> None:
        _, training = self.begun.pop(id(job))
        job.end(best)
        self.ends(training, error)

    def ends(self, training: Training, error: Exception | None) -> None:
        training.error = error
        if self.progress is not None:
            self.progress.one(error is not None)


class Group:
    """Jobs of one kind for lanes, those that take long first: beside each other are those that take as long."""

    def __init__(self, jobs: list[Job], threads: int) -> None:
        from collections import deque

        self.threads = min(threads, -(-len(jobs) // core.lanes))  # full lanes first
        self.network, window = jobs[0].network, jobs[0].network.window
        longest = max(max(job.data.lengths) for job in jobs)
        self.longest = min(longest, window or longest)  # steps of a window
        self.sequences = max(job.sequences() for job in jobs)
        self.jobs = deque(jobs)

    def take(self) -> Job | None:
        """The next one, for any thread."""
        try:
            return self.jobs.popleft()
        except IndexError:
            return None


class Done:
    """The line on standard error that shows how far all trainings are."""

    def __init__(self, total: int) -> None:
        from _thread import allocate_lock

        self.total, self.begun, self.done, self.failed = total, 0, 0, 0
        self.start, self.shown, self.lock = monotonic(), -inf, allocate_lock()
        is_terminal = attribute(sys.stderr, "isatty")  # what stands in for it may have none
        self.rewrites = bool(is_terminal and is_terminal())

    def line(self) -> str:
        parts = [f"{self.done} of {self.total} trainings done"]
        if self.begun > self.done:
            parts.append(f"{self.begun - self.done} running")
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.failed < self.done < self.total:  # those that failed say nothing about the time of others
            each = (monotonic() - self.start) / (self.done - self.failed)
            parts.append(in_words(each * (self.total - self.done)) + " left")
        return ", ".join(parts)

    def begins(self) -> None:
        with self.lock:
            self.begun += 1
            self.show()

    def one(self, failed: bool) -> None:
        with self.lock:
            self.done += 1
            self.begun = max(self.begun, self.done)  # it may have failed before it began
            self.failed += failed
            self.show()

    def show(self) -> None:
        is_over, pause = self.done == self.total, 0.1 if self.rewrites else 10.0
        if sys.stderr is None or (not is_over and monotonic() - self.shown < pause):
            return
        self.shown = monotonic()
        line = f"\r{self.line():<70}" if self.rewrites else self.line()
        print(line, end="" if self.rewrites else "\n", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self.rewrites and self.begun:
            print(file=sys.stderr, flush=True)


# ---- predictions ----


class Runner:
    """One call of predict_all(): bad data of a network are an error at once, a result that is not finite one of its
    `errors`."""

    def __init__(
        self,
        networks: list[Any],
        inputs: list[Any],
        targets: list[Any],
        weights: list[Any],
        method: str,
        threads: int,
    ) -> None:
        self.workers, self.results = Workers(threads), [None] * len(networks)
        self.errors: dict[int, Exception] = {}  # by the place of the network
        self.alone: list[tuple[Any, ...]] = []  # what settle() takes
        self.kinds: dict[Hashable, list[tuple[int, Any]]] = {}
        memory = Memory()
        for i, (network, x, y, w) in enumerate(zip(networks, inputs, targets, weights, strict=True)):
            if getattr(type(network), method) is not getattr(RNN, method):  # SimpleRNN's, or a subclass's own
                self.alone.append((i, getattr(network, method), x, *([y, w] if method == "evaluate" else [])))
                continue
            run: Run | Evaluation
            try:
                if method == "evaluate":
                    run = Evaluation(network, x, y, w, take=memory.take_examples)
                else:
                    run = Run(network, method, x, take=memory.take_sequences)
            except Exception as error:
                raise named(error, i) from None
            self.kinds.setdefault(kind_of(network), []).append((i, run))
        self.do_in_lanes = self.evaluate_in_lanes if method == "evaluate" else self.predict_in_lanes
        self.workers.do([*self.pieces()])

    def pieces(self) -> Iterator[tuple[Callable[[Any], None], Any]]:
        """Networks for lanes, so many that a slow piece does not hold up the rest, then those that run alone."""
        for of_kind in self.kinds.values():
            runs, alone = split(of_kind, of_kind[0][1].network, lambda pair: pair[1].steps)
            self.alone.extend((i, run.alone) for i, run in alone)
            if not runs:
                continue
            most = min(MOST_AT_ONCE, max(core.lanes, NUMBERS_AT_ONCE // max(1, runs[0][1].numbers)))
            count = max(-(-len(runs) // most), min(self.workers.threads, -(-len(runs) // core.lanes)))
            for k in range(count):
                yield self.do_in_lanes, runs[len(runs) * k // count : len(runs) * (k + 1) // count]
        for one in self.alone:
            yield self.settle, one

    def predict_in_lanes(self, runs: list[tuple[int, Run]]) -> None:
        """Their results follow each other in one buffer."""
        first, start = runs[0][1], 0
        found = _data.result_for(first.inputs, "d", sum(run.numbers for _, run in runs))
        places = (None, found) if first.hidden else (found, None)
        core.predict_in_lanes([run.network for _, run in runs], [run.data for _, run in runs], *places)
        good, results = core.find_not_finite(found) < 0, _data.parts_of(first.decide(found))
        for i, run in runs:
            stop = start + run.numbers
            part = results[start // run.share : stop // run.share]
            if good:
                self.results[i] = run.give(part)
            else:
                self.settle((i, run.checked, found[start:stop], part))
            start = stop

    def evaluate_in_lanes(self, runs: list[tuple[int, Evaluation]]) -> None:
        losses = core.evaluate_in_lanes([run.network for _, run in runs], [run.data for _, run in runs])
        for (i, run), loss in zip(runs, losses, strict=True):
            self.settle((i, run.checked, loss))

    def settle(self, one: tuple[Any, ...]) -> None:
        """Take what a call returns, or raises, for the result of a network: (its place, what is called, with what)."""
        i, call, *arguments = one
        try:
            self.results[i] = call(*arguments)
        except Exception as error:
            self.errors[i] = error


def named(error: Exception, i: int) -> Exception:
    """The same error, which says whose it is."""
    error.args = (f"networks[{i}]: {error}",)
    return error
