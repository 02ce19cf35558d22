"""Nested folds of one person's sequences, or of their steps, as weights on the same sequences."""

from __future__ import annotations

from array import array
from itertools import pairwise
from math import fsum
from typing import NamedTuple

from fastrnn import _data
from fastrnn._checks import count, one_of, type_name
from fastrnn.rnn import give_back

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, for the names that it alone needs
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fastrnn._kinds import Spec

    _Parts = list[int]

KINDS = ("sequences", "steps")


class Fold(NamedTuple):
    """An outer fold, as weights in the place of sample_weight.

    test : by which nothing is trained or chosen.
    train : what the test leaves.
    inner : a list of (train, validation), of what the test leaves.
    """

    test: Any
    train: Any
    inner: list[tuple[Any, Any]]


class How(NamedTuple):
    """How folds are made: numbers of them, or splitters of scikit-learn. each : there is one target a sequence."""

    outer: Any
    inner: Any
    folds: str
    each: bool

    @classmethod
    def of(cls, outer: Any, inner: Any, folds: Any, groups: Any, *, each: bool) -> How:
        """What a caller has given, checked."""
        one_of(KINDS, folds, "folds")
        if folds == "steps" and (each or groups is not None):
            raise ValueError(f"folds='steps' is not for {'return_sequences=False' if each else 'groups'}")
        both = {"outer": outer, "inner": inner}
        for name, given in both.items():
            if isinstance(given, str) or not hasattr(given, "split"):
                both[name] = count(given, name, least=2)
        return cls(**both, folds=folds, each=each)


def is_several(values: Any) -> bool:
    return hasattr(values, "__iter__") and not isinstance(values, (str, bytes, set, frozenset))  # sets have no order


def listed(values: Any, name: str) -> list[Any]:
    if not is_several(values) or hasattr(values, "columns") or hasattr(values, "keys"):
        raise TypeError(f"{name} must be a list with one for each sequence, not {type_name(values)}: [x] for one")
    return [*values]


def width_of(sequences: list[Any]) -> int:
    """Numbers a row, as the first sequence that is not empty has them."""
    for sequence in sequences:
        if _data.depth(sequence) == 2 and (width := _data.row_length(sequence)):
            return width
    return 1


class Person:
    """The data of one, checked, and the folds.

    folds : a list of (test, train, inner), inner a list of (train, validation): numbers of the parts that have a
        weight, sequences or steps, from which fold() makes weights.
    """

    def __init__(self, data: Any, groups: Any, how: How, spec_for: Any) -> None:
        """spec_for : a function of the numbers a step and of those of a target, that gives the Spec of the networks."""
        if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
            raise TypeError("the data must be (inputs, targets) or (inputs, targets, sample_weight)")
        names = ("inputs", "targets", "sample_weight")
        given = [None if values is None else listed(values, name) for values, name in zip(data, names, strict=False)]
        self.inputs, self.targets, weight = (*given, None)[:3]
        if self.inputs is None or self.targets is None:
            raise TypeError("the data lack inputs or targets")
        self.width = width_of(self.inputs)
        spec: Spec = spec_for(self.width, width_of(self.targets))
        self.examples = _data.take_examples(spec, self.inputs, self.targets, weight)
        if not self.examples.several:
            raise ValueError("inputs must be a list of sequences: [x] for one of them")
        self.lengths, self.each = self.examples.lengths, not spec.return_sequences
        self.by_step = how.folds == "steps" or (weight is not None and self.examples.by_step)
        self.weights = self.all_weights()
        ends = [0]
        for length in self.lengths:
            ends.append(ends[-1] + (length if self.by_step else 1))
        self.places = [slice(*pair) for pair in pairwise(ends)]  # of each sequence, in the weights
        labels = classes = None
        if how.folds == "steps":
            self.parts = [slice(i, i + 1) for i, w in enumerate(self.weights) if w > 0.0]
        else:
            counting = [i for i, n in enumerate(self.lengths) if n and any(self.weights[self.places[i]])]
            self.parts = [self.places[i] for i in counting]
            if groups is not None:
                groups = listed(groups, "groups")
                if len(groups) != len(self.lengths):
                    raise ValueError(f"groups must have a label for each of {len(self.lengths)} sequences")
                labels = [groups[i] for i in counting]
            if self.each and spec.target_size == 1:
                classes = [self.examples.targets[i] for i in counting]
        every = [*range(len(self.parts))]
        self.folds = [
            (test, rest, split(how.inner, "inner", rest, classes, labels, how.folds))
            for rest, test in split(how.outer, "outer", every, classes, labels, how.folds)
        ]

    def all_weights(self) -> memoryview[float]:
        """One for every step, or for every sequence."""
        given, by_step = self.examples.weights, self.examples.by_step
        if given is None:
            return memoryview(array("d", [1.0]) * (sum(self.lengths) if self.by_step else len(self.lengths)))
        if by_step == self.by_step:
            return given
        return memoryview(
            array("d", [w for w, n in zip(given, self.lengths, strict=True) for _ in range(n)])  # of its sequence
        )

    def weights_at(self, parts: _Parts) -> memoryview[float]:
        """And 0 everywhere else."""
        weights = _data.zeros("d", len(self.weights))
        for i in parts:
            weights[self.parts[i]] = self.weights[self.parts[i]]
        return weights

    def fold(self, outer: int, shaped: Callable[[memoryview[float]], Any]) -> Fold:
        """Its weights, as `shaped` makes them of flat ones."""

        def weights(parts: _Parts) -> Any:
            return shaped(self.weights_at(parts))

        test, train, inner = self.folds[outer]
        return Fold(weights(test), weights(train), [(weights(a), weights(b)) for a, b in inner])

    def for_train(self, weights: memoryview[float]) -> Any:
        """Flat weights, as RNN.train() takes them."""
        return [weights[place] for place in self.places] if self.by_step else weights

    def given_back(self, weights: memoryview[float]) -> Any:
        """Flat weights, in the kind of the inputs."""
        return give_back(weights, self.inputs, self.examples.x, False) if self.by_step else weights.tolist()

    def trials(self, weights: memoryview[float]) -> float:
        """Over how many a loss is the mean."""
        if self.by_step or self.each:
            return fsum(weights)
        return fsum(w * length for w, length in zip(weights, self.lengths, strict=True))


def split(
    how: Any, name: str, parts: _Parts, classes: list[float] | None, groups: list[Any] | None, folds: str
) -> list[tuple[_Parts, _Parts]]:
    """(what is left, the fold) for each fold of some parts."""
    labels = None if groups is None else [groups[i] for i in parts]
    found = []
    for rest, fold in (
        deal(how, name, labels or parts, folds)
        if isinstance(how, int)
        else how.split([[i] for i in parts], None if classes is None else [classes[i] for i in parts], labels)
    ):
        if not (len(rest) and len(fold)):
            raise ValueError(f"{name} gives an empty fold")
        if "bool" in type(fold[0]).__name__:
            raise ValueError(f"{name} must give positions, and gives a mask")
        if {*rest} & {*fold}:
            raise ValueError(f"{name} gives folds that are in their own training part")
        if labels and (both := {labels[i] for i in rest} & {labels[i] for i in fold}):
            raise ValueError(f"{name} parts the group {min(both, key=repr)!r}: take a splitter that heeds groups")
        found.append(([parts[i] for i in rest], [parts[i] for i in fold]))
    return found


def deal(how: int, name: str, labels: list[Any], folds: str) -> list[tuple[_Parts, _Parts]]:
    """So many folds: sequences in turn, steps in blocks; those of one label are in one."""
    ranks = {label: rank for rank, label in enumerate(dict.fromkeys(labels))}
    if len(ranks) < how:
        what = "steps that have a weight" if folds == "steps" else "sequences, or groups of them, that have a weight"
        raise ValueError(f"{name}={how} needs as many {what}, and there are {len(ranks)}")
    order = [ranks[label] for label in labels]
    fold_of = [rank * how // len(ranks) if folds == "steps" else rank % how for rank in order]
    return [
        ([i for i, of in enumerate(fold_of) if of != k], [i for i, of in enumerate(fold_of) if of == k])
        for k in range(how)
    ]
