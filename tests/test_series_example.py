"""examples/series.py: no method looks ahead, and what it says of itself is so. Its own data are not needed."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).resolve().parent.parent / "examples" / "series.py"


@pytest.fixture
def example(monkeypatch):
    module = module_from_spec(spec := spec_from_file_location("series_example", FILE))
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SEEDS", 2)
    return module


@pytest.fixture
def series():
    """Some that grow faster and faster, of unequal lengths."""
    draw = np.random.default_rng(0)
    return [np.exp(np.cumsum(draw.normal(0.08, 0.02, years))) for years in (15, 21, 22, 24, 25, 28)]


def test_neither_settings_nor_forecasts_see_the_test(example, series):
    methods = {
        "each": (example.each_alone, example.grid(units=[1, 2], epochs=[3])),
        "year by year": (example.year_by_year, example.grid(units=[1, 2], epochs=[3])),
        "tuned": (example.tuned, example.grid(units=[1], epochs=[2], lr=[0.01])),
    }
    others = [np.append(values[:-6], [1e6, -1e6] * 3) for values in series]
    for one, other in zip(*(example.compare(some, methods).values() for some in (series, others)), strict=True):
        assert one.settings == other.settings
        assert one.forecasts.tobytes() == other.forecasts.tobytes()
        assert (one.errors < other.errors).all()


def test_settings_are_chosen_by_six_years_that_the_method_has_not_seen(example, series):
    seen = []

    def method(pasts, less):
        seen.extend(pasts)
        return example.drift(pasts) - less

    settings = example.grid(less=[9.0, 0.0, 5.0])
    assert example.choose(method, settings, series) == {"less": 0.0}
    assert [*map(len, seen)] == [len(values) - 6 for values in series] * 3


def test_examples_do_not_change_as_time_goes_on(example, series):
    inputs, targets, weights = example.examples(series[-1])
    for years in range(3, len(series[-1])):
        x, y, w = example.examples(series[-1][:years])
        assert x.tobytes() == inputs[: years - 1].tobytes()
        assert w.sum() == max(0, years - 8)
        assert y[w > 0].tobytes() == targets[: years - 1][w > 0].tobytes()
    assert weights.sum() == len(series[-1]) - 8


def test_targets_are_the_forecasts_that_come_true(example, series):
    pasts, futures = example.split(series)
    outputs = [[example.examples(values)[1][len(past) - 2]] for values, past in zip(series, pasts, strict=True)]
    uncut = np.abs(outputs).max(axis=(1, 2)) < 2.0
    assert uncut.sum() >= 3
    np.testing.assert_allclose(example.forecasts_from(outputs, pasts)[uncut], futures[uncut], rtol=1e-12)


def test_untrained_networks_forecast_the_drift_and_one_for_all_is_better(example, series):
    pasts, futures = example.split(series)
    drift = example.drift(pasts)
    np.testing.assert_allclose(example.each_alone(pasts, units=2, epochs=0), drift, rtol=1e-12)
    errors = [example.mase(some, pasts, futures).mean() for some in (example.one_for_all(pasts, 2), drift)]
    assert errors[0] < 0.9 * errors[1]


def test_mase_of_naive_by_hand(example):
    past, future = [np.array([1.0, 3.0, 2.0, 5.0])], np.array([[5.0, 7.0, 9.0, 3.0, 5.0, 1.0]])
    errors = example.mase(example.naive(past), past, future)
    assert errors.tolist() == [[0.0, 1.0, 2.0, 1.0, 0.0, 2.0]]  # a change is 2 on the mean
