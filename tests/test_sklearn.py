"""Networks as scikit-learn's estimators: its own checks, the same bits as RNN, and all that people put around one."""

import pickle
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

import fastrnn
from fastrnn import RNN
from fastrnn.sklearn import RNNClassifier, RNNRegressor, weighted_moments

# ---- data: sequences of unlike lengths, whose class or number is told by their sum ----

draw = np.random.default_rng(0)
X = [draw.normal(size=(steps, 2)) for steps in draw.integers(3, 9, 60)]
labels = np.array([("falls", "rises")[int(x[:, 0].sum() > 0)] for x in X])
thirds = np.array([("high", "low", "mid")[i] for i in np.digitize([x[:, 0].sum() for x in X], (-1, 1))])
numbers = np.array([100 + 20 * x[:, 0].sum() for x in X])
running = [100 + 20 * np.cumsum(x[:, 0]) for x in X]  # a number a step
signs = [np.where(np.cumsum(x[:, 0]) > 0, "up", "down") for x in X]  # a label a step
series = draw.normal(size=(30, 7))
weights = draw.integers(0, 3, 60).astype(float)

DEFAULTS = {
    "cell": "gru",
    "standardize": True,
    "window": None,
    "batch_size": 32,
    "shuffle": True,
    "optimizer": "adam",
}


def first_draw(random_state):
    return int(np.random.RandomState(random_state).randint(2**31 - 1))


def rnn(hidden_size, epochs, return_sequences=False, random_state=7, **options):
    return RNN(
        hidden_size,
        **(DEFAULTS | options),
        epochs=epochs,
        return_sequences=return_sequences,
        seed=first_draw(random_state),
    )


def small(kind, **options):
    return kind(**{"hidden_size": 3, "epochs": 4, "random_state": 7} | options)


def quick(kind, **options):
    """One that learns the task in few epochs."""
    return kind(**{"hidden_size": 4, "epochs": 30, "batch_size": 8, "lr": 0.05, "random_state": 0} | options)


def same(estimator, network):
    """Bytes of parameters and moments, all else that a network is, and the losses."""
    trained = estimator.network_
    curves = estimator.loss_curve_ == network.losses and estimator.validation_losses_ == network.validation_losses
    return bytes(trained._memory) == bytes(network._memory) and trained == network and curves


def alike(a, b):
    return len(a) == len(b) and all(np.array_equal(one, other) for one, other in zip(a, b, strict=True))


# ---- scikit-learn's own checks ----

SERIES = "a two-dimensional X is a set of series, a row each: its columns are steps, and there is one feature"
FEWER = {"hidden_size": 6, "epochs": 20, "lr": 0.05} if fastrnn.backend == "python" else {}


@pytest.mark.parametrize(
    "estimator", [RNNClassifier(**FEWER), RNNRegressor(**FEWER), RNNClassifier(output="softmax", **FEWER)]
)
def test_checks(estimator, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # else one is skipped, and that is a warning
    check_estimator(
        estimator, expected_failed_checks={"check_n_features_in": SERIES, "check_n_features_in_after_fitting": SERIES}
    )


def test_every_option_of_rnn_is_one_of_the_estimators():
    options = {"hidden_size", *RNN.__init__.__kwdefaults__} - {"input_size", "output_size", "seed"}
    assert options < {*RNNClassifier().get_params()}
    assert RNNClassifier().get_params() == RNNRegressor().get_params()


@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor])
def test_a_notebook_shows_them_without_a_warning(kind):
    assert f"<pre>{kind.__name__}()</pre>" in kind()._repr_html_()


# ---- the same bits ----


@pytest.mark.parametrize(
    "options", [{}, {"cell": "lstm", "window": 2, "l1": 0.01, "batch_size": None, "standardize": False}]
)
def test_fit_gives_the_very_network_of_rnn(options):
    network = rnn(3, 4, input_size=2, output="sigmoid", **options)
    network.train(X, (labels == "rises").astype(float))
    assert same(small(RNNClassifier, **options).fit(X, labels), network)

    network = rnn(3, 4, input_size=2, output_size=3, output="softmax", **options)
    network.train(X, np.unique(thirds, return_inverse=True)[1])
    assert same(small(RNNClassifier, **options).fit(X, thirds), network)

    network = rnn(3, 4, input_size=2, **options)
    network.train(X, numbers, sample_weight=weights > 0)
    estimator = small(RNNRegressor, **options).fit(X, numbers, sample_weight=weights > 0)
    assert same(estimator, network)
    assert np.array_equal(estimator.predict(X), network.predict(X))

    network = rnn(3, 4, return_sequences=True, input_size=2, patience=9, **options)
    network.train(X, running, validation=(X[:9], running[:9]))
    estimator = small(RNNRegressor, return_sequences=True, patience=9, **options)
    assert same(estimator.fit(X, running, validation=(X[:9], running[:9])), network)
    assert estimator.best_epoch_ == network.best_epoch


def test_unequal_weights_part_from_rnn_by_the_scales_alone():
    network = rnn(3, 4, input_size=2, standardize=False)
    network.train(X, numbers, sample_weight=weights)
    assert same(small(RNNRegressor, standardize=False).fit(X, numbers, weights), network)
    steps = np.repeat(weights, [len(x) for x in X])
    network = rnn(3, 4, input_size=2)
    network.input_mean, network.input_scale = weighted_moments(np.concatenate(X), steps)
    network.target_mean, network.target_scale = weighted_moments(numbers, weights)
    network.train(X, numbers, sample_weight=weights)
    assert same(small(RNNRegressor).fit(X, numbers, weights), network)


def test_series_and_arrays_are_what_lists_are():
    y = series.sum(axis=1)
    table = small(RNNRegressor).fit(series, y)
    assert table.n_features_in_ == 1
    for same_data in (
        series[:, :, None],
        list(series),
        series.tolist(),
        [row[:, None] for row in series],
        pd.DataFrame(series),
    ):
        other = small(RNNRegressor).fit(same_data, y)
        assert other.network_ == table.network_
        assert np.array_equal(other.predict(same_data), table.predict(series))
    objects = np.empty(60, object)
    objects[:] = X
    assert small(RNNRegressor).fit(objects, numbers).network_ == small(RNNRegressor).fit(X, numbers).network_


# ---- what comes back ----


@pytest.mark.parametrize("y", [labels, thirds, labels == "rises", np.where(labels == "rises", 7, -3)])
def test_labels_of_any_kind(y):
    estimator = quick(RNNClassifier).fit(X, y)
    assert np.array_equal(estimator.classes_, np.unique(y))
    assert estimator.predict(X).dtype == np.asarray(y).dtype
    assert estimator.score(X, y) > 0.9
    p, logits = estimator.predict_proba(X), estimator.decision_function(X)
    assert np.array_equal(estimator.classes_[p.argmax(axis=1)], estimator.predict(X))
    if len(estimator.classes_) == 2:
        assert np.array_equal(logits > 0, estimator.predict(X) == estimator.classes_[1])
        assert np.allclose(1 / (1 + np.exp(-logits)), p[:, 1], rtol=1e-12)
    else:
        assert np.allclose(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), p, rtol=1e-12)


@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
def test_logits_of_saturated_probabilities_are_finite(output):
    estimator = small(RNNClassifier, output=output).fit(X, labels)
    estimator.network_.b_output = [40.0] if output == "sigmoid" else [-400.0, 400.0]
    assert (estimator.predict_proba(X)[:, 1] == 1.0).all()
    logits = estimator.decision_function(X)
    assert np.isfinite(logits).all()
    assert len({*logits}) == len(X)


def test_one_y_a_step():
    estimator = quick(RNNClassifier, return_sequences=True).fit(X, signs)
    predicted, p, logits = estimator.predict(X), estimator.predict_proba(X), estimator.decision_function(X)
    assert isinstance(predicted, list)
    assert [len(one) for one in predicted] == [len(x) for x in X]
    assert all(one.shape == (len(x), 2) for one, x in zip(p, X, strict=True))
    assert np.array_equal(np.concatenate(logits) > 0, np.concatenate(predicted) == "up")
    assert estimator.score(X, signs) == np.mean(np.concatenate(predicted) == np.concatenate(signs)) > 0.9

    y = np.cumsum(series, axis=1)
    estimator = quick(RNNRegressor, return_sequences=True).fit(series, y)
    assert estimator.predict(series).shape == y.shape
    assert estimator.score(series, y) > 0.9
    two = np.stack([y, -y], axis=2)
    estimator = quick(RNNRegressor, return_sequences=True).fit(series, two)
    assert estimator.predict(series).shape == two.shape
    assert estimator.predict([*series])[3].shape == (7, 2)


def test_several_numbers_a_sequence_and_numbers_from_0_to_1():
    two = np.stack([numbers, -numbers], axis=1)
    estimator = quick(RNNRegressor).fit(X, two)
    assert estimator.n_outputs_ == 2
    assert estimator.predict(X).shape == (60, 2)
    assert estimator.score(X, two) > 0.9
    assert small(RNNRegressor).fit(X, numbers[:, None]).predict(X).shape == (60, 1)
    share = 1 / (1 + np.exp((100 - numbers) / 20))
    estimator = quick(RNNRegressor, output="sigmoid").fit(X, share)
    assert 0 < estimator.predict(X).min() < estimator.predict(X).max() < 1
    assert estimator.score(X, share) > 0.9


def test_data_frames_have_names():
    frames = [pd.DataFrame(x, columns=["speed", "turn"]) for x in X]
    estimator = small(RNNClassifier).fit(frames, labels)
    assert [*estimator.feature_names_in_] == ["speed", "turn"]
    assert estimator.network_ == small(RNNClassifier).fit(X, labels).network_
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.predict([frame[["turn", "speed"]] for frame in frames])
    with pytest.raises(ValueError, match=r"X\[1\] has columns other than those of X\[0\]"):
        small(RNNClassifier).fit([frames[0], frames[1][["turn", "speed"]]], labels[:2])
    with pytest.raises(ValueError, match=r"X\[2\] has columns other than those of X\[1\]"):
        small(RNNClassifier).fit([X[0], frames[1], frames[2][["turn", "speed"]]], labels[:3])
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.predict([X[0], frames[1][["turn", "speed"]]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        estimator.predict(X)
    assert not hasattr(estimator.fit(X, labels), "feature_names_in_")


# ---- weights ----


def test_a_weight_of_0_has_no_part():
    has = weights > 0
    y = np.where(has, numbers, np.nan)
    estimator = small(RNNRegressor, batch_size=None, shuffle=False).fit(X, y, sample_weight=has)
    some = [x for x, one in zip(X, has, strict=True) if one]
    alone = small(RNNRegressor, batch_size=None, shuffle=False).fit(some, numbers[has])
    assert np.array_equal(estimator.predict(X), alone.predict(X))
    assert estimator.score(X, y, sample_weight=has) == alone.score(some, numbers[has])
    with pytest.raises(ValueError, match="a sample_weight of 0 leaves one out"):
        estimator.fit(X, y)

    missed = [np.where(np.arange(len(one)) == 1, np.nan, one == "up") for one in signs]
    there = [np.isfinite(one) for one in missed]
    estimator = small(RNNClassifier, return_sequences=True).fit(X, missed, sample_weight=there)
    assert [*estimator.classes_] == [0.0, 1.0]
    told = np.concatenate(estimator.predict(X))[np.concatenate(there)]
    truth = np.concatenate(missed)[np.concatenate(there)]
    assert estimator.score(X, missed, sample_weight=there) == np.mean(told == truth)


@pytest.mark.parametrize("by_step", [False, True])
def test_weights_are_as_good_as_copies(by_step):
    y = running if by_step else numbers
    options = {"return_sequences": by_step, "batch_size": None}
    weighted = small(RNNRegressor, **options).fit(X, y, sample_weight=weights)
    counts = weights.astype(int)
    again = small(RNNRegressor, **options).fit(
        [x for x, n in zip(X, counts, strict=True) for _ in range(n)],
        [one for one, n in zip(y, counts, strict=True) for _ in range(n)],
    )
    for one, other in zip(weighted.predict(X), again.predict(X), strict=True):
        assert np.allclose(one, other, rtol=1e-9)
    if by_step:
        each = [np.full(len(x), w) for x, w in zip(X, weights, strict=True)]
        assert alike(weighted.predict(X), small(RNNRegressor, **options).fit(X, y, each).predict(X))


def test_scales_by_weights():
    rows, w = np.array([[1.0, 0.1], [5.0, 0.1], [np.nan, np.inf]]), np.array([3.0, 1.0, 0.0])
    assert weighted_moments(rows, w) == ([2.0, 0.1], [np.sqrt(3.0), 1.0])  # a constant column is divided by 1


# ---- going on ----


@pytest.mark.parametrize("epochs", [0, 100])
def test_partial_fit_is_one_epoch(epochs):
    network = rnn(3, 1, input_size=2, output_size=3, output="softmax")
    estimator = RNNClassifier(hidden_size=3, random_state=7, epochs=epochs)
    for _ in range(3):
        network.train(X, np.unique(thirds, return_inverse=True)[1])
        assert estimator.partial_fit(X, thirds) is estimator
    assert estimator.n_iter_ == 3
    assert estimator.loss_curve_ == network.losses
    assert np.array_equal(estimator.predict_proba(X), network.predict_proba(X))

    two = thirds != "mid"
    estimator = RNNClassifier(hidden_size=3).partial_fit(
        [X[i] for i in np.flatnonzero(two)], thirds[two], np.unique(thirds)
    )
    assert estimator.predict_proba(X).shape == (60, 3)
    assert estimator.partial_fit(X, thirds).n_iter_ == 2


def test_warm_start_goes_on_with_what_can_be_set():
    estimator = small(RNNRegressor, warm_start=True).fit(X, numbers)
    network = estimator.network_
    reference = rnn(3, 4, input_size=2)
    reference.train(X, numbers)
    reference.lr = estimator.set_params(lr=0.001).lr
    reference.train(X, numbers)
    assert same(estimator.fit(X, numbers), reference)
    assert estimator.network_ is network
    assert estimator.n_iter_ == 8
    with pytest.raises(ValueError, match="hidden_size is 5, and the network that is to go on was made with 3"):
        estimator.set_params(hidden_size=5).fit(X, numbers)
    assert estimator.set_params(warm_start=False).fit(X, numbers).network_.hidden_size == 5


def test_early_stopping():
    estimator = quick(RNNClassifier, early_stopping=True, epochs=500).fit(X, thirds)
    assert estimator.network_.patience == 10
    assert estimator.n_iter_ < 500
    assert estimator.best_epoch_ == np.argmin(estimator.validation_losses_)
    assert len(estimator.validation_losses_) == estimator.n_iter_ + 1
    again = quick(RNNClassifier, early_stopping=True, epochs=500).fit(X, thirds)
    assert again.network_ == estimator.network_
    validation = X[:9], thirds[:9]
    given = small(RNNClassifier, early_stopping=True).fit(X, thirds, validation=validation)
    assert given.network_ == small(RNNClassifier).fit(X, thirds, validation=validation).network_  # nothing is held out
    patient = small(RNNClassifier, early_stopping=True, patience=2, validation_fraction=0.5).fit(X, thirds)
    assert patient.network_.patience == 2


def held_out(monkeypatch, estimator, X, y, **more):
    """The two parts of y that the network is trained on."""
    seen = {}

    def train(_, inputs, targets, *, validation, **__):
        assert len(inputs) == len(targets)
        seen["both"] = [*map(float, targets)], [*map(float, validation[1])]

    monkeypatch.setattr(RNN, "train", train)
    estimator.fit(X, y, **more)
    return seen["both"]


def test_what_is_held_out(monkeypatch):
    y = np.arange(60) % 4
    train, test = held_out(monkeypatch, RNNClassifier(early_stopping=True, validation_fraction=0.2), X, y)
    assert sorted(test) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]  # as many of each class
    assert len(train) == 48
    y[0] = 9  # one of its kind
    train, test = held_out(monkeypatch, RNNClassifier(early_stopping=True), X, y)
    assert (len(train), len(test)) == (54, 6)
    numbers, w = np.arange(60.0), np.arange(60) < 10
    train, test = held_out(monkeypatch, RNNRegressor(early_stopping=True), X, numbers, sample_weight=w)
    assert len(test) == 1
    assert test[0] < 10  # what has no weight would tell nothing there
    assert sorted(train + test) == [*numbers]


# ---- what people put around an estimator ----


def test_clones_pickles_and_files(tmp_path):
    estimator = small(RNNClassifier, hidden_size=np.int64(3)).fit(X, thirds)
    assert clone(estimator).get_params() == estimator.get_params()
    joblib.dump(estimator, tmp_path / "estimator")
    for other in (pickle.loads(pickle.dumps(estimator)), joblib.load(tmp_path / "estimator")):
        assert other.network_ == estimator.network_
        assert np.array_equal(other.predict(X), estimator.predict(X))
        assert np.array_equal(
            other.partial_fit(X, thirds).predict_proba(X),
            clone(estimator).fit(X, thirds).partial_fit(X, thirds).predict_proba(X),
        )


groups = np.repeat(np.arange(12), 5)


def test_a_search_over_groups_and_cross_validation():
    grid = {"hidden_size": [2, 4], "l1": [0.0, 0.01]}
    search = GridSearchCV(small(RNNClassifier), grid, cv=GroupKFold(3)).fit(X, thirds, groups=groups)
    assert {*search.best_params_} == {*grid}
    best = clone(search.best_estimator_).fit(X, thirds)
    assert search.best_estimator_.network_ == best.network_
    told = cross_val_predict(small(RNNClassifier), X, thirds, groups=groups, cv=GroupKFold(3), method="predict_proba")
    for train, test in GroupKFold(3).split(X, thirds, groups):
        estimator = small(RNNClassifier).fit([X[i] for i in train], thirds[train])
        assert np.array_equal(told[test], estimator.predict_proba([X[i] for i in test]))
    right = np.unique(thirds)[told.argmax(axis=1)] == thirds
    pipeline = make_pipeline(FunctionTransformer(), small(RNNClassifier))
    scores = cross_val_score(pipeline, X, thirds, groups=groups, cv=GroupKFold(3))
    assert [*scores] == [right[test].mean() for _, test in GroupKFold(3).split(X, thirds, groups)]
    nested = cross_val_score(GridSearchCV(small(RNNRegressor), grid, cv=2), X, numbers, cv=3)
    assert nested.shape == (3,)
    assert np.isfinite(nested).all()


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_two_at_once_have_the_numbers_of_one(backend):
    grid = {"hidden_size": [2, 4]}
    alone = GridSearchCV(small(RNNRegressor), grid, cv=3).fit(X, numbers)
    with joblib.parallel_config(backend=backend):
        both = GridSearchCV(small(RNNRegressor), grid, cv=3, n_jobs=2).fit(X, numbers)
    assert np.array_equal(both.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert both.best_estimator_.network_ == alone.best_estimator_.network_


def test_sequences_of_labels_are_searched():
    search = GridSearchCV(small(RNNClassifier, return_sequences=True), {"hidden_size": [1, 4]}, cv=KFold(3)).fit(
        X, signs
    )
    assert isinstance(search.predict(X), list)
    assert search.score(X, signs) == search.best_estimator_.score(X, signs)
    scores = cross_val_score(small(RNNRegressor, return_sequences=True), X, running, cv=KFold(3))
    for score, (train, test) in zip(scores, KFold(3).split(X), strict=True):
        fold = small(RNNRegressor, return_sequences=True).fit([X[i] for i in train], [running[i] for i in train])
        assert score == fold.score([X[i] for i in test], [running[i] for i in test])
    y = np.cumsum(series, axis=1)
    told = cross_val_predict(small(RNNRegressor, return_sequences=True), series, y, cv=3)
    assert told.shape == y.shape


def test_weights_groups_and_validation_are_routed():
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = small(RNNRegressor, batch_size=None, shuffle=False)
        estimator.set_fit_request(sample_weight=True, validation=True).set_score_request(sample_weight=True)
        search = GridSearchCV(estimator, {"hidden_size": [2]}, cv=GroupKFold(3))
        validation = X[:5], numbers[:5]
        search.fit(X, numbers, sample_weight=weights, groups=groups, validation=validation)
    best = search.best_estimator_
    assert best.validation_losses_
    assert best.network_ == clone(best).fit(X, numbers, weights, validation).network_
    for i, (train, test) in enumerate(GroupKFold(3).split(X, numbers, groups)):
        fold = clone(best).fit([X[i] for i in train], numbers[train], weights[train], validation)
        score = fold.score([X[i] for i in test], numbers[test], weights[test])
        assert search.cv_results_[f"split{i}_test_score"][0] == score


# ---- in aeon ----


def turned(X):
    """A row a step, where aeon has a row a channel."""
    return [x.T for x in X]


no_aeon = pytest.mark.skipif(sys.version_info >= (3, 14), reason="aeon has no numba here")


@no_aeon
@pytest.mark.parametrize(("name", "least"), [("basic_motions", 0.8), ("japanese_vowels", 0.9)])
def test_resampled_as_aeon_does(name, least):
    from aeon import datasets
    from aeon.benchmarking.resampling import stratified_resample_data

    (X, y), (others, truth) = (getattr(datasets, f"load_{name}")(split) for split in ("train", "test"))
    X, y, others, truth = stratified_resample_data(X, y, others, truth, random_state=1)
    pipeline = make_pipeline(FunctionTransformer(turned), RNNClassifier(random_state=0)).fit(X, y)
    assert pipeline.score(others, truth) > least


@no_aeon
def test_evaluated_by_aeon():
    from aeon.classification.compose import ClassifierEnsemble
    from aeon.classification.sklearn import SklearnClassifierWrapper
    from aeon.datasets import load_basic_motions

    class Wrapper(SklearnClassifierWrapper):
        """aeon's own takes tables of one channel, which any classifier can; this one says what a network can."""

        _tags = {  # noqa: RUF012 (aeon's way)
            "X_inner_type": ["np-list", "numpy3D"],
            "capability:multivariate": True,
            "capability:unequal_length": True,
        }

    wrapped = Wrapper(make_pipeline(FunctionTransformer(turned), RNNClassifier(random_state=0)))
    (X, y), (others, truth) = load_basic_motions("train"), load_basic_motions("test")
    told = wrapped.fit_predict(X, y, cv_size=4)  # its estimate from training data alone
    assert np.mean(told == y) > 0.7
    ensemble = ClassifierEnsemble([("network", wrapped)], weights=2.0, cv=4, random_state=0).fit(X, y)
    assert 0.5 < ensemble.weights_["network"] <= 1.0
    assert np.mean(ensemble.predict(others) == truth) > 0.8
    plain = ClassifierEnsemble([RNNClassifier()], random_state=0)  # as it is it takes tables of series
    assert plain.fit(X[:, 0], y).predict(others[:, 0]).shape == truth.shape


# ---- bad input, and what is left then ----


C, R = RNNClassifier(epochs=1), RNNRegressor(epochs=1)
STEPS = RNNClassifier(return_sequences=True)


@pytest.mark.parametrize(
    ("estimator", "given", "message"),
    [
        (C, ([*X[:3], np.full((3, 2), np.nan)], labels[:4]), r"X\[3\] must hold finite .* step 0 feature 0 is NaN"),
        (C, ([*X[:3], [[1, 2], [3, -np.inf]]], labels[:4]), r"X\[3\] must hold finite .* step 1 feature 1 is infinite"),
        (C, ([*X[:3], np.zeros((3, 1))], labels[:4]), r"X\[3\] has rows of 1, and X\[0\] of 2"),
        (C, ([[[1, 2], [3]], [[1, 2]]], [0, 1]), r"X\[0\] must be T rows of as many numbers each"),
        (C, ([1.0, 2.0], [0, 1]), r"X\[0\] must be a sequence, .* 0 dimensions"),
        (C, (np.zeros((2, 2, 2, 2)), [0, 1]), "X must be a list of sequences, .* not 4-dimensional"),
        (C, (pd.Series(X), labels), r"not 1-dimensional. .* list\(X\) if it holds many"),
        *((C, (one, labels), f"X must be a list .*, not {type(one).__name__}") for one in ({0: X[0]}, iter(X), "abc")),
        (C, (None, labels), "X must be a list of sequences, an array N x T x features, or N x T, not None"),
        (C, (np.zeros((2, 3, 0)), [0, 1]), r"0 feature\(s\)"),
        (C, ([], []), r"0 sample\(s\)"),
        (C, ([X[0], np.zeros((0, 2))], [0, 1]), r"X\[1\] is empty: every sequence needs a step"),
        (C, (X, labels[:3]), "X has 60 sequences, and y 3"),
        (C, (X, 1), "X has 60 sequences, and y a single one"),
        (C, (X, None), "requires y to be passed, but the target y is None"),
        (C, (X, signs), "y must have one for each sequence: for one a step, set return_sequences"),
        (STEPS, (X, labels), r"y\[0\] is a single one, and X\[0\] \d steps"),
        (STEPS, (X, [one[1:] for one in signs]), r"y\[0\] has \d, and X\[0\] \d steps"),
        (STEPS, (X, signs[1:]), "y must have one for every step of each of the 60 sequences"),
        (C, (X, np.array(["a", None] * 30, object)), "labels of one kind"),
        (C, (X, ["a", 1] * 30), "labels of one kind"),
        (C, (X, [1, "a"] * 30), "labels of one kind"),
        (STEPS, (X[:2], [["a", 1] + ["a"] * (len(x) - 2) for x in X[:2]]), "labels of one kind"),
        (STEPS, (X[:2], [["a"] * len(X[0]), [1] * len(X[1])]), "labels of one kind"),
        (C, (X, numbers), "Unknown label type: continuous"),
        (C, (X, np.where(weights > 0, np.nan, 1.0)), "y contains NaN"),
        (C, (X, ["a"] * 60), "y has one class, 'a'"),
        (C, (X, np.zeros((60, 2))), "y should be a 1d array"),
        (R, (X, np.where(weights > 0, np.inf, 1.0)), "y must hold finite numbers"),
        (R, (X, np.zeros((60, 2, 2))), "y must be N or N x K, for each sequence or step, and it is N x 2 x 2"),
        (C, (X, labels, -weights), "sample_weight must be finite and not negative"),
        (C, (X, labels, weights[1:]), "X has 60 sequences, and sample_weight 59"),
        (C, (X, labels, np.zeros((60, 1))), "sample_weight must have one number for each sequence, not rows"),
        (STEPS, (X, signs, [[1.0]] * 60), r"sample_weight\[0\] has 1, and X\[0\] \d steps"),
        (C, (X, labels, None, X), r"validation must be \(X, y\) or \(X, y, sample_weight\)"),
        (C, (X, labels, None, (X, thirds)), "^validation: y has 'low', which is none of the classes"),
        (C, (X, labels, None, (X, labels[1:])), "^validation: X has 60 sequences, and y 59"),
        (C, (X, labels, None, ([x[:, :1] for x in X], labels)), "^validation: X has 1 features"),
        (C, (X, labels, None, (None, labels)), "^validation: X must be a list of sequences"),
        (C, (X, labels, None, (X, labels, -weights)), "^validation: sample_weight must be finite"),
        (R, (X, numbers, None, (X, np.full(60, np.nan))), "^validation: y must hold finite numbers"),
        (RNNRegressor(output="sigmoid"), (X, numbers), "^y must be from 0 to 1 with loss='binary_cross_entropy', not "),
        (RNNRegressor(output="sigmoid"), (X, weights > 0, None, (X, numbers)), "^validation: y must be from 0 to 1"),
        (RNNClassifier(patience=3), (X, labels), "patience needs validation data: set early_stopping"),
        (RNNClassifier(early_stopping=True, validation_fraction=2), (X, labels), "validation_fraction must be above 0"),
        (RNNRegressor(early_stopping=True), (X[:1], [1]), "it needs 2 at least, and there is one"),
        (RNNClassifier(output="linear"), (X, labels), "output must be 'sigmoid', 'softmax' or None for 2 classes"),
        (RNNClassifier(output="sigmoid"), (X, thirds), "output must be 'softmax' or None for 3 classes"),
        (RNNRegressor(output="softmax"), (X, numbers), "'softmax' is RNNClassifier's"),
        *(
            (RNNClassifier(**{name: "no"}), (X, labels), f"{name} must be True or False, not str")
            for name in ("return_sequences", "early_stopping", "warm_start")
        ),
        (RNNClassifier(hidden_size=0), (X, labels), "hidden_size must be at least 1"),
    ],
)
def test_bad_input_says_what_is_wrong_and_changes_nothing(estimator, given, message):
    estimator = clone(estimator)
    with pytest.raises((ValueError, TypeError), match=message):
        estimator.fit(*given)
    assert {*vars(estimator)} == {*estimator.get_params()}


def test_what_does_not_go_on_changes_nothing():
    classifier = small(RNNClassifier).partial_fit(X, labels)
    before = pickle.dumps(classifier)
    for given, message in [
        (([x[:, :1] for x in X], labels), "X has 1 features, but RNNClassifier is expecting 2"),
        ((X, thirds), "y has 'low', which is none of the classes"),
        ((X, labels, ["a", "b"]), "classes must be those of the first call"),
    ]:
        with pytest.raises(ValueError, match=message):
            classifier.partial_fit(*given)
    with pytest.raises(ValueError, match="learns for one epoch, and early_stopping is for many"):
        clone(classifier).set_params(early_stopping=True).partial_fit(X, labels)
    with pytest.raises(ValueError, match=r"y is N x 2, and that of fit\(\) was N$"):
        small(RNNRegressor).partial_fit(X, numbers).partial_fit(X, np.stack([numbers, numbers], axis=1))
    assert pickle.dumps(classifier) == before
    table = small(RNNRegressor).fit(series, series[:, 0])
    with pytest.raises(ValueError, match=r"X has 6 columns, one a step, .* had 7: series of other lengths"):
        table.predict(series[:, 1:])
    assert table.predict([*series[:, 1:]]).shape == table.predict(series[:, 1:, None]).shape == (30,)
    with pytest.raises(NotFittedError):
        RNNRegressor().predict(X)


def test_settings_change_when_a_training_begins(monkeypatch):
    share = (numbers - numbers.min()) / np.ptp(numbers)
    estimator = small(RNNRegressor, output="sigmoid", warm_start=True).fit(X, share)
    before = pickle.dumps(estimator.network_)
    with pytest.raises(ValueError, match="y must be from 0 to 1"):
        estimator.set_params(lr=0.5).fit(X, 3 * share)
    assert pickle.dumps(estimator.network_) == before

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RNN, "train", interrupted)  # before its first update
        with pytest.raises(KeyboardInterrupt):
            estimator.fit(X, share)
    assert pickle.dumps(estimator.network_) == before
    assert estimator.fit(X, share).network_.lr == 0.5


@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor])
def test_an_unknown_option_and_no_epoch(kind):
    with pytest.raises(TypeError, match=rf"^{kind.__name__}\.__init__\(\) got an unexpected .* 'hidden'"):
        kind(hidden=3)
    estimator = kind(epochs=0).fit(X, weights > 0)
    for method in ("predict", "predict_proba", "decision_function")[: 3 if kind is RNNClassifier else 1]:
        with pytest.raises(NotFittedError, match=r"has learnt nothing yet: fit\(\) it with epochs above 0"):
            getattr(estimator, method)(X)
    assert len(kind(epochs=0, standardize=False).fit(X, weights > 0).predict(X)) == 60  # what drawn weights tell


@pytest.mark.parametrize("error", [KeyboardInterrupt, OverflowError])
def test_a_training_that_ends_early_leaves_what_it_learnt(monkeypatch, error):
    train = RNN.train

    def interrupted(network, *given, **more):
        def after_two(_, epoch):
            if epoch == 1:
                raise error

        train(network, *given, **more | {"callback": after_two})

    estimator = small(RNNRegressor).fit(X, numbers)
    monkeypatch.setattr(RNN, "train", interrupted)
    with pytest.raises(error):
        estimator.set_params(hidden_size=5).fit(X, numbers)
    monkeypatch.undo()
    assert estimator.n_iter_ == 2
    assert np.array_equal(estimator.predict(X), small(RNNRegressor, hidden_size=5, epochs=2).fit(X, numbers).predict(X))


def test_without_scikit_learn_the_error_says_what_to_install():
    code = "import sys; sys.modules['sklearn'] = None\nimport fastrnn.sklearn"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ImportError: fastrnn.sklearn needs scikit-learn 1.6 or later" in run.stderr
    assert "pip install 'fastrnn[sklearn]'" in run.stderr
