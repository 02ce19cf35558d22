"""RNNs as scikit-learn's estimators: `pip install 'fastrnn[sklearn]'`.

RNNClassifier and RNNRegressor are an RNN behind fit() and predict(), for pipelines, cross-validation and searches. What
fit() trains is the very network, to the bit, that RNN(...).train() makes of the same options, data and seed; but where
standardize=True meets unequal weights, these weigh the scales too.
"""

# mypy: disable-error-code="import-untyped"

from __future__ import annotations

from copy import copy
from math import fsum, sqrt
from types import FunctionType

try:
    import numpy as np
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import NotFittedError
    from sklearn.metrics import accuracy_score, r2_score
    from sklearn.model_selection import train_test_split
    from sklearn.utils import assert_all_finite, check_array, check_random_state, column_or_1d
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        f"fastrnn.sklearn needs scikit-learn 1.6 or later ({error}): pip install 'fastrnn[sklearn]'"
    ) from error

from fastrnn._checks import number, type_name, yes_or_no
from fastrnn._data import depth
from fastrnn._kinds import Spec
from fastrnn.rnn import RNN, SETTINGS

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from typing import Any

__all__ = ["RNNClassifier", "RNNRegressor"]

OWN = ("early_stopping", "validation_fraction", "warm_start", "verbose", "random_state")  # the other options are RNN's


class Sequences:
    """X as it was given: rows of all steps, one sequence after the other, and what it takes to cut them again."""

    def __init__(self, X: Any) -> None:
        """width : steps of all series, where each is of numbers. named : the first DataFrame."""
        self.width: int | None = None
        self.named: Any = None
        self.listed = isinstance(X, (list, tuple)) or (isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1)
        if not self.listed:
            check_kind(X)
        if self.listed and len(X):
            first = next((i for i, x in enumerate(X) if hasattr(x, "columns")), None)
            self.named = None if first is None else X[first]
            rows = [table_of(x, f"X[{i}]") for i, x in enumerate(X)]
            self.lengths = [len(part) for part in rows]
            for i, (x, part) in enumerate(zip(X, rows, strict=True)):
                if part.shape[1] != rows[0].shape[1]:
                    raise ValueError(
                        f"X[{i}] has rows of {part.shape[1]}, and X[0] of {rows[0].shape[1]}: all sequences "
                        "need the same features"
                    )
                if hasattr(x, "columns") and [*x.columns] != [*self.named.columns]:
                    raise ValueError(f"X[{i}] has columns other than those of X[{first}]: {[*x.columns]}")
            if len({*self.lengths}) == 1 and np.ndim(X[0]) == 1:
                self.width = self.lengths[0]
            self.rows = np.concatenate(rows)
        else:
            array = numbers_of(np.empty((0, 1)) if self.listed else X, "X")
            if array.ndim == 2:
                self.width = array.shape[1]
            self.lengths = [array.shape[1]] * len(array)
            self.rows = array.reshape(sum(self.lengths), 1 if array.ndim == 2 else array.shape[2])
        self.rows = numbers_of(self.rows, "X", least=0)
        if not np.isfinite(self.rows).all():
            row, column = np.argwhere(~np.isfinite(self.rows))[0]
            i = int(np.searchsorted(np.cumsum(self.lengths), row, side="right"))
            fault = "NaN" if np.isnan(self.rows[row, column]) else "infinite (inf)"
            step = row - sum(self.lengths[:i])
            raise ValueError(f"X[{i}] must hold finite numbers, and at step {step} feature {column} is {fault}")

    def cut(self, values: Any) -> Any:
        """What there is for every step, in the shape of X."""
        if self.listed:
            return np.split(values, np.cumsum(self.lengths)[:-1])
        return values.reshape(len(self.lengths), -1, *values.shape[1:])

    def join(self, values: Any, name: str, by_step: bool) -> Any:
        """What there is for every step, or for every sequence, in one array."""
        if not by_step:
            try:
                array = array_of(values)
            except ValueError:
                raise ValueError(
                    f"{name} must have one for each sequence: for one a step, set return_sequences"
                ) from None
            if not array.ndim or len(array) != len(self.lengths):
                there = f"{len(array)}" if array.ndim else "a single one"
                raise ValueError(f"X has {len(self.lengths)} sequences, and {name} {there}: it must be one for each")
            return array
        wanted = f"with return_sequences=True {name} must have one for every step"
        if not hasattr(values, "__len__") or len(values) != len(self.lengths):
            raise ValueError(f"{wanted} of each of the {len(self.lengths)} sequences")
        parts = [array_of(part) for part in (values if isinstance(values, (list, tuple)) else np.asarray(values))]
        for i, (part, length) in enumerate(zip(parts, self.lengths, strict=True)):
            if not part.ndim or len(part) != length:
                there = f"{name}[{i}] has {len(part)}" if part.ndim else f"{name}[{i}] is a single one"
                raise ValueError(f"{wanted}: {there}, and X[{i}] {length} steps")
        mixed = len({part.dtype.kind in "US" for part in parts if len(part)}) > 1
        return np.concatenate([part.astype(object) if mixed else part for part in parts])


def array_of(values: Any) -> Any:
    """np.asarray(), which makes a string of a number beside strings; here both stay, to be refused as labels."""
    array = np.asarray(values)
    mixed = array.dtype.kind in "US" and isinstance(values, (list, tuple))
    return np.asarray(values, object) if mixed and not all(isinstance(one, (str, bytes)) for one in values) else array


def check_kind(X: Any) -> None:
    """An array, or what becomes one, has dimensions that X can have."""
    wanted = "X must be a list of sequences, an array N x T x features, or N x T"
    if not (hasattr(X, "__array__") or hasattr(X, "shape")):  # of sparse ones check_array() tells
        raise TypeError(f"{wanted}, not {type_name(X)}")
    ndim = X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim
    if ndim not in (2, 3):
        way_out = ". Reshape your data: [X] if it is one sequence, list(X) if it holds many" if ndim == 1 else ""
        raise ValueError(f"{wanted}, not {ndim}-dimensional{way_out}")


def numbers_of(values: Any, name: str, least: int = 1) -> Any:
    """An array of doubles, or the error that scikit-learn has for what is none."""
    return check_array(
        values,
        dtype=np.float64,
        order="C",
        ensure_all_finite=False,
        ensure_2d=False,
        allow_nd=True,
        ensure_min_samples=least,
        input_name=name,
    )


def table_of(values: Any, name: str) -> Any:
    """One sequence, T x features."""
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name} must be T rows of as many numbers each") from None
    if array.ndim not in (1, 2):
        raise ValueError(
            f"{name} must be a sequence, T x features or T numbers, and it has {array.ndim} dimensions. Reshape your "
            "data: X is a list of sequences"
        )
    return array if array.ndim == 2 else array[:, None]


def shown(y: Any) -> str:
    return " x ".join(["N", *map(str, y.shape[1:])])


def weighted_moments(rows: Any, weights: Any) -> tuple[list[float], list[float]]:
    """The mean and the standard deviation of each column, as of rows that are there as often as they weigh.

    fsum() rounds once, so they are the same on every machine, and in every order.
    """
    rows, weights = rows.reshape(len(rows), -1)[weights > 0.0], weights[weights > 0.0]
    total, means, scales = fsum(weights), [], []
    for column in rows.T:
        mean = column[0] + fsum(weights * (column - column[0])) / total  # of a constant column just that
        apart = column - mean
        means.append(float(mean))
        scales.append(sqrt(fsum(weights * (apart * apart)) / total) or 1.0)
    return means, scales


def settings_of(network: RNN) -> dict[str, Any]:
    return {name: getattr(network, name) for name in SETTINGS}


def set_all(network: RNN, settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        setattr(network, name, value)


def linear(network: RNN) -> RNN:
    """The same network, whose results are its logits."""
    names = ("hidden_size", "cell", "activation", "input_size", "output_size", "return_sequences", "standardize")
    twin = RNN(**{name: getattr(network, name) for name in names}, seed=0)
    for name, view in network.parameters.items():
        setattr(twin, name, view)
    if network.standardize:
        twin.input_mean, twin.input_scale = network.input_mean, network.input_scale
        twin.target_mean, twin.target_scale = [0.0] * network.output_size, [1.0] * network.output_size
    return twin


# ---- what both estimators are ----


class Base(BaseEstimator):  # type: ignore[misc]
    """They differ in what y is, and in what they give back."""

    def __init__(
        self,
        *,
        hidden_size: int = 16,
        cell: str = "gru",
        activation: str = "tanh",
        output: str | None = None,
        loss: str | None = None,
        return_sequences: bool = False,
        standardize: bool = True,
        window: int | None = None,
        batch_size: int | None = 32,
        shuffle: bool = True,
        optimizer: str = "adam",
        lr: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float | None = None,
        clip: float | None = None,
        l1: float = 0.0,
        patience: int | None = None,
        min_delta: float = 0.0,
        epochs: int = 100,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        verbose: bool = False,
        random_state: Any = None,
    ) -> None:
        self.__dict__.update((name, value) for name, value in locals().items() if name != "self")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation: Any = None) -> Any:
        """Train a new network or, with warm_start, go on with the one that there is; returns self."""
        return self._learn(X, y, sample_weight, validation, on=bool(self.warm_start))

    def predict(self, X: Any) -> Any:
        """The likeliest class, or the numbers, of each sequence, N or N x K; or of each step, in the shape of y."""
        x = self._sequences(X)
        return self._given(self._told(x), x)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy, or of the regressor R², by the weights; over all steps where there is one y a step."""
        x, truth, weight = self._taken(X, y, sample_weight)
        told = self._told(x).reshape(truth.shape)
        if weight is None:
            return float(self._measure(truth, told))
        has = weight > 0.0
        return float(self._measure(truth[has], told[has], sample_weight=weight[has]))

    # ---- what they are given ----

    def _sequences(self, X: Any, reset: bool = False) -> Sequences:
        """X, held to what fit() has seen, or with `reset` noting what is to be held to."""
        if not reset:
            check_is_fitted(self)
        x = Sequences(X)
        validate_data(self, x.rows if x.named is None else x.named, reset=reset, skip_check_array=True)
        if reset:
            self._width = x.width
        elif not x.listed and x.width is not None and self._width not in (None, x.width):
            raise ValueError(
                f"X has {x.width} columns, one a step, and that of fit() had {self._width}: series of other "
                "lengths go in a list, or in an array N x T x 1"
            )
        if not self.return_sequences and 0 in x.lengths:
            raise ValueError(f"X[{x.lengths.index(0)}] is empty: every sequence needs a step")
        return x

    def _taken(self, X: Any, y: Any, sample_weight: Any, reset: bool = False) -> tuple[Any, Any, Any]:
        """X as Sequences, and y and the weights, one for every sequence or step, in one array."""
        x, by_step = self._sequences(X, reset), self.return_sequences
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        truth = x.join(y, "y", by_step)
        if sample_weight is None:
            return x, truth, None
        name = "sample_weight"
        one_each = by_step and depth(sample_weight) < 2
        weight = numbers_of(x.join(sample_weight, name, by_step and not one_each), name)
        if weight.ndim != 1:
            raise ValueError(f"{name} must have one number for each sequence{' or step' * by_step}, not rows")
        if not (np.isfinite(weight) & (weight >= 0.0)).all():
            raise ValueError(f"{name} must be finite and not negative")
        if not weight.any():
            raise ValueError(f"{name} is 0 everywhere: there must be a weight that is not zero")
        return x, truth, np.repeat(weight, x.lengths) if one_each else weight

    def _ready(self, x: Sequences, truth: Any, weight: Any, spec: Spec) -> list[Any]:
        """The same as RNN.train() takes it: inputs, targets and weights."""
        both = (self._targets(truth, weight, spec), weight)
        return [x.cut(x.rows), *(x.cut(one) if self.return_sequences and one is not None else one for one in both)]

    # ---- learning ----

    def _learn(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation: Any = None,
        *,
        on: bool,
        classes: Any = None,
        part: bool = False,
    ) -> Any:
        """on : whether to go on with network_, if there is one. part : whether for one epoch alone."""
        for name in ("return_sequences", "early_stopping", "warm_start"):
            yes_or_no(getattr(self, name), name)
        on, made = on and hasattr(self, "network_"), copy(self)  # an error on the way changes nothing here
        x, truth, weight = made._taken(X, y, sample_weight, reset=not on)
        if not on:
            made._note(truth if weight is None else truth[weight > 0.0], classes)
        draw = check_random_state(self.random_state)
        seed = int(draw.randint(2**31 - 1))
        new = made._network(seed, on, validation is not None or self.early_stopping)
        given = made._ready(x, truth, weight, new._spec)
        if validation is not None:
            if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3):
                raise ValueError("validation must be (X, y) or (X, y, sample_weight)")
            others, their_truth, their_weight = (*validation, None)[:3]
            try:
                validation = made._ready(*made._taken(others, their_truth, their_weight), new._spec)
            except (TypeError, ValueError) as error:
                raise (TypeError if isinstance(error, TypeError) else ValueError)(f"validation: {error}") from None
        elif self.early_stopping and part:
            raise ValueError("partial_fit() learns for one epoch, and early_stopping is for many: use fit()")
        elif self.early_stopping:
            given, validation = made._held_out(given, truth, draw)
        elif self.patience is not None:
            raise ValueError("patience needs validation data: set early_stopping, or give fit() validation=(X, y)")
        if part:
            new.epochs = 1
        if self.standardize and not on:
            made._weigh_scales(new, *given)
        network: RNN = self.network_ if on else new
        before, updates = settings_of(network), network._updates
        inputs, targets, weights = given
        try:
            set_all(network, settings_of(new))
            network.train(inputs, targets, sample_weight=weights, validation=validation, verbose=bool(self.verbose))
        except BaseException:
            if network._updates == updates:
                set_all(network, before)
            elif network.losses:
                self._become(made, network)
            raise
        self._become(made, network)
        return self

    def _network(self, seed: int, on: bool, validates: bool) -> RNN:
        """A new one; if one is to go on, it differs in settings alone."""
        options = {name: value for name, value in self.get_params(deep=False).items() if name not in OWN}
        options["patience"] = (10 if self.patience is None else self.patience) if validates else None
        options["output"], options["output_size"] = self._output()
        network = RNN(**options, input_size=self.n_features_in_, seed=seed)
        for name in Spec.NAMES if on else ():
            if getattr(network, name) != getattr(self.network_, name):
                raise ValueError(
                    f"{name} is {getattr(network, name)!r}, and the network that is to go on was made with "
                    f"{getattr(self.network_, name)!r}: only fit() with warm_start=False makes a new one"
                )
        return network

    def _held_out(self, given: list[Any], truth: Any, draw: Any) -> tuple[list[Any], list[Any]]:
        """Two parts of the sequences. Those without weight stay, and teach nothing."""
        fraction = number(self.validation_fraction, "validation_fraction")
        if not 0.0 < fraction < 1.0:
            raise ValueError(f"validation_fraction must be above 0 and below 1, and it is {fraction!r}")
        counts = np.array([given[2] is None or np.any(given[2][i]) for i in range(len(given[0]))])
        places, stay = np.flatnonzero(counts), np.flatnonzero(~counts)
        if len(places) < 2:
            raise ValueError("early_stopping holds sequences out: it needs 2 at least, and there is one sample")
        how = {"test_size": fraction, "random_state": int(draw.randint(2**31 - 1))}
        try:
            train, test = train_test_split(places, stratify=self._strata(truth, places), **how)
        except ValueError:  # too few of a class
            train, test = train_test_split(places, **how)

        def part(at: Any) -> list[Any]:
            lists = [[one[i] for i in at] if isinstance(one, list) else one for one in given]
            return [one[at] if isinstance(one, np.ndarray) else one for one in lists]

        return part(np.sort(np.append(train, stay))), part(np.sort(test))

    def _weigh_scales(self, network: RNN, x: Any, y: Any, weight: Any) -> None:
        """A weight of 2 is twice there for the scales too. RNN itself asks only whether it is above 0."""
        if weight is None:
            return
        flat = np.concatenate(weight) if self.return_sequences else weight
        if np.ptp(flat[flat > 0.0]) == 0.0:
            return
        by_step = flat if self.return_sequences else np.repeat(flat, [len(rows) for rows in x])
        network.input_mean, network.input_scale = weighted_moments(np.concatenate(x), by_step)
        if network.output == "linear":
            targets = np.concatenate(y) if self.return_sequences else y
            network.target_mean, network.target_scale = weighted_moments(targets, flat)

    def _become(self, made: Base, network: RNN) -> None:
        made.network_, made.loss_curve_, made.validation_losses_ = network, network.losses, network.validation_losses
        made.best_epoch_, made.n_iter_ = network.best_epoch, len(network.losses)
        self.__dict__ = made.__dict__

    # ---- results ----

    def _run(self, x: Sequences, network: RNN, method: str) -> Any:
        """What a network gives: a row, or a number, for every sequence or step."""
        if network.standardize and network.input_mean is None:
            raise NotFittedError(f"this {type(self).__name__} has learnt nothing yet: fit() it with epochs above 0")
        result = getattr(network, method)(x.cut(x.rows))
        return np.concatenate(result) if self.return_sequences else np.asarray(result)

    def _given(self, rows: Any, x: Sequences) -> Any:
        """In the caller's shape."""
        return x.cut(rows) if self.return_sequences else rows


# ---- the estimators ----


class RNNClassifier(ClassifierMixin, Base):  # type: ignore[misc]
    """An RNN that tells the class of a sequence, or of every step of it.

    Parameters
    ----------
    hidden_size, cell, activation, loss, return_sequences, standardize, window, batch_size, shuffle, optimizer, lr,
    momentum, weight_decay, clip, l1, patience, min_delta, epochs : those of RNN. Its defaults are for one long stream,
        these for many shorter sequences: one y a sequence (return_sequences=False), a GRU, Adam, updates from 32 whole
        sequences in a new order every epoch (window=None: memory grows with their length), and standardize=True, which
        takes the place of a scaler.
    output : None: "sigmoid" for two classes, "softmax" for more.
    early_stopping : whether fit() holds sequences out, goes on while their loss becomes smaller, with a patience of 10
        if that is None, and puts the best parameters back.
    validation_fraction : how many of them, above 0 and below 1; as many of each class, where y has one a sequence and
        they suffice.
    warm_start : whether fit() goes on with network_ for `epochs` more. Settings can have changed (lr, epochs, l1, ...).
    verbose : show how far the training is; True or False, or a number, of which 0 is False.
    random_state : None, an int or a RandomState. RNN's seed is the first integer below 2**31 - 1 drawn from it.

    Attributes
    ----------
    classes_ : the labels in their order, of all y with a weight above 0.
    network_ : the RNN.
    n_features_in_ : numbers a step.
    feature_names_in_ : the names of them, where sequences are DataFrames.
    loss_curve_, validation_losses_, best_epoch_ : losses, validation_losses and best_epoch of the RNN.
    n_iter_ : epochs that it has learnt.

    Notes
    -----
    X : a list of N sequences of any lengths, each T x features, as an array, a DataFrame or lists; or one array
        N x T x features. With one feature also a list of series, T numbers each, or a table N x T, a series a row, as
        aeon and sktime have them. A table with other columns than in fit() is an error, since that is most often a
        mistake: give series of another length in a list. Of aeon's collections, which have channels before steps, a
        pipeline takes care: make_pipeline(FunctionTransformer(turned), RNNClassifier()) where
        `def turned(X): return [x.T for x in X]`.
    y : a label of any kind for each sequence; with return_sequences=True one for every step: a list of arrays, or an
        array N x T. predict() then gives back a list for a list, and an array for an array.
    sample_weight : a number for each sequence or, with return_sequences=True, for every step; finite, not negative.
        What has a weight of 0 teaches nothing, and its y can be anything; a step still moves the state. With
        batch_size=None a weight of 2 is a sequence that is there twice; scales are weighted likewise.
    validation : (X, y) or (X, y, sample_weight): stops early by them, as early_stopping does by a part of X; with both
        it takes the place of that part, and nothing is held out.

    With return_sequences=True and unlike lengths cross_val_score() and GridSearchCV work by the estimator's own score
    (scoring=None). Other scorers and cross_val_predict() put all into one array, and fail: predict() fold by fold.

    Bad data raise ValueError or TypeError, and nothing has changed. After Ctrl-C, or where a training diverges
    (OverflowError), network_ is what it was after the last complete update.
    """

    score = Base.score  # ClassifierMixin, before it, has one for flat y
    _measure = staticmethod(accuracy_score)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Any:
        """Learn for one epoch, whatever `epochs` is, going on with the network that there is; returns self.

        classes : all labels, in the first call, if y lacks some.
        """
        if classes is not None and hasattr(self, "network_") and not np.array_equal(self.classes_, np.unique(classes)):
            raise ValueError(f"classes must be those of the first call, {self.classes_}")
        return self._learn(X, y, sample_weight, on=True, classes=classes, part=True)

    def predict_proba(self, X: Any) -> Any:
        """The probabilities in the order of classes_: N x classes, or for every sequence T x classes."""
        x = self._sequences(X)
        p = self._run(x, self.network_, "predict_proba")
        return self._given(p if p.ndim == 2 else np.stack([1.0 - p, p], axis=1), x)

    def decision_function(self, X: Any) -> Any:
        """The logits, a column a class; of two classes a number, above 0 for the second. They are finite where
        probabilities are 0 and 1."""
        x = self._sequences(X)
        logits = self._run(x, linear(self.network_), "predict")
        two = logits.ndim == 2 and len(self.classes_) == 2
        return self._given(logits[:, 1] - logits[:, 0] if two else logits, x)

    def _told(self, x: Sequences) -> Any:
        return self.classes_[self._run(x, self.network_, "predict")]

    def _note(self, truth: Any, classes: Any) -> None:
        labels = column_or_1d(truth if classes is None else array_of(classes), warn=True)
        if labels.dtype.kind == "f":
            assert_all_finite(labels, input_name="y")
        try:
            self.classes_ = np.unique(labels)
            check_classification_targets(labels)
        except TypeError:
            raise TypeError("y must hold labels of one kind, all strings or all numbers") from None
        if len(self.classes_) < 2:
            raise ValueError(f"there must be 2 classes at least, and y has one class, {self.classes_.tolist()[0]!r}")

    def _targets(self, truth: Any, weight: Any, _: Spec) -> Any:
        """The numbers of the classes; where there is no weight 0, whatever stands there."""
        has = np.full(len(truth), True) if weight is None else weight > 0.0
        labels, targets = np.asarray(column_or_1d(truth))[has], np.zeros(len(truth))
        unknown = ~np.isin(labels, self.classes_)
        if unknown.any():
            raise ValueError(f"y has {labels[unknown].tolist()[0]!r}, which is none of the classes {self.classes_}")
        targets[has] = np.searchsorted(self.classes_, labels)
        return targets

    def _output(self) -> tuple[str, int]:
        classes = len(self.classes_)
        output = ("sigmoid" if classes == 2 else "softmax") if self.output is None else self.output
        if output != "softmax" and (output != "sigmoid" or classes > 2):
            wanted = "'softmax' or None" if classes > 2 else "'sigmoid', 'softmax' or None"
            raise ValueError(f"output must be {wanted} for {classes} classes, not {output!r}")
        return output, 1 if output == "sigmoid" else classes

    def _strata(self, truth: Any, places: Any) -> Any:
        return None if self.return_sequences else column_or_1d(truth)[places]


class RNNRegressor(RegressorMixin, Base):  # type: ignore[misc]
    """An RNN that tells a number, or several, for a sequence or for every step of it.

    All is as with RNNClassifier but for
    output : None is "linear"; "sigmoid" is for numbers from 0 to 1.
    y : a number for each sequence, or a row of K; with return_sequences=True for every step: a list of arrays T or
        T x K, or an array N x T or N x T x K. Where the weight is 0 it can be NaN.
    n_outputs_ : K.
    """

    score = Base.score  # as above
    _measure = staticmethod(r2_score)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Learn for one epoch, whatever `epochs` is, going on with the network that there is; returns self."""
        return self._learn(X, y, sample_weight, on=True, part=True)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _told(self, x: Sequences) -> Any:
        rows = self._run(x, self.network_, "predict" if self.network_.output == "linear" else "predict_proba")
        return rows.reshape(len(rows), *self._row)

    def _note(self, truth: Any, _: Any) -> None:
        if truth.ndim > 2 or 0 in truth.shape[1:]:
            raise ValueError(f"y must be N or N x K, for each sequence or step, and it is {shown(truth)}")
        self._row, self.n_outputs_ = truth.shape[1:], truth.shape[1] if truth.ndim == 2 else 1

    def _targets(self, truth: Any, weight: Any, spec: Spec) -> Any:
        if truth.shape[1:] != self._row:
            raise ValueError(f"y is {shown(truth)}, and that of fit() was {shown(np.empty((1, *self._row)))}")
        targets, (low, high) = numbers_of(truth, "y"), spec.targets
        there = targets if weight is None else targets[weight > 0.0]
        if not np.isfinite(there).all():
            raise ValueError("y must hold finite numbers, not NaN or infinity: a sample_weight of 0 leaves one out")
        if (beyond := there[(there < low) | (there > high)]).size:
            raise ValueError(f"y must be from {low:g} to {high:g} with loss={spec.loss!r}, not {float(beyond[0])!r}")
        return targets

    def _output(self) -> tuple[str, int]:
        if self.output == "softmax":
            raise ValueError("output must be 'linear', 'sigmoid' or None: 'softmax' is RNNClassifier's")
        return "linear" if self.output is None else self.output, self.n_outputs_

    def _strata(self, *_: Any) -> None:
        """Numbers are no classes."""


def name_arguments(kind: Any) -> None:
    """Python's errors about arguments name the function, not the class: so each class has a function of its own."""
    init = Base.__init__
    kind.__init__ = FunctionType(init.__code__, init.__globals__, "__init__")
    kind.__init__.__kwdefaults__, kind.__init__.__annotations__ = init.__kwdefaults__, init.__annotations__
    kind.__init__.__qualname__ = f"{kind.__name__}.__init__"


name_arguments(RNNClassifier)
name_arguments(RNNRegressor)
