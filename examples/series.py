"""A small network for each of 181 short series, or one for all? Beside naive, drift, AutoETS and AutoARIMA.

    pip install . aeon statsforecast matplotlib
    python examples/series.py

It prints its table and draws docs/series-*.png; docs/series.md tells what came out. The series are the yearly ones of
the M1 competition (Makridakis et al. 1982), which come with aeon. The last six years of each are the test: no method
sees them, and no setting is chosen by them. What needs more than NumPy and fastrnn is imported where it is used.
"""

import copy
import time
import warnings
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fastrnn import RNN, Training, predict_all, train_all

YEARS = 6
AHEAD = np.arange(1, YEARS + 1)
SEEDS = 10  # of every network; their median is the forecast


def load():
    from aeon.datasets import load_forecasting

    return [np.asarray(values, float) for values in load_forecasting("m1_yearly_dataset")["series_value"]]


def split(series):
    """All but the last six years, and those."""
    return [values[:-YEARS] for values in series], np.array([values[-YEARS:] for values in series])


def mase(forecasts, pasts, futures):
    """Absolute errors in units of the mean change from year to year in the past (Hyndman and Koehler 2006): (N, 6)."""
    return np.abs(forecasts - futures) / [[np.abs(np.diff(past)).mean()] for past in pasts]


# ---- baselines: from N pasts to forecasts (N, 6) ----


def naive(pasts):
    return np.array([past[-1] + 0.0 * AHEAD for past in pasts])


def drift(pasts):
    return np.array([past[-1] + np.diff(past).mean() * AHEAD for past in pasts])


def automatic(name, pasts):
    from statsforecast import models

    return np.array([getattr(models, name)(season_length=1).forecast(past, YEARS)["mean"] for past in pasts])


# ---- what a network sees, and what it is to say ----


def changes(past):
    """At every year from the second on: the change since the year before; the mean change until then, which is the
    drift; and the mean absolute one, their scale. None looks ahead, so every year is like the one we forecast from."""
    change, count = np.diff(past), np.arange(1, len(past))
    scale = np.cumsum(np.abs(change)) / count
    return change, (past[1:] - past[0]) / count, np.where(scale > 0.0, scale, 1.0)


def examples(past):
    """(inputs (T, 2), targets (T, 6), weights (T,)). A target is how far the mean change a year, over the next 1 to 6
    years, is from the drift; the few wild ones are cut. Where not all six years are in the past the weight is 0."""
    change, drift, scale = changes(past)
    targets, weights = np.zeros((len(drift), YEARS)), np.zeros(len(drift))
    for t in range(1, len(past) - 1 - YEARS):  # row t is the year past[t + 1]; the first scale is of one change only
        slopes = (past[t + 2 : t + 2 + YEARS] - past[t + 1]) / AHEAD
        targets[t], weights[t] = np.clip((slopes - drift[t]) / scale[t], -2.0, 2.0), 1.0
    return np.stack([change / scale, drift / scale], axis=1), targets, weights


def forecasts_from(outputs, pasts):
    """From what networks say in the last year, (N, seeds, 6)."""
    found = []
    for past, output in zip(pasts, outputs, strict=True):
        _, drift, scale = changes(past)
        found.append(past[-1] + (drift[-1] + scale[-1] * np.median(output, axis=0)) * AHEAD)
    return np.array(found)


def from_zero(network):
    """With weights to its outputs of 0 a network begins as the drift."""
    network.w_hidden_output = np.zeros((network.output_size, network.hidden_size))
    network.b_output = np.zeros(network.output_size)
    return network


def direct(units, seed, **options):
    """All six years at once."""
    options |= {"input_size": 2, "output_size": YEARS, "window": None, "optimizer": "adam"}
    return from_zero(RNN(units, cell="gru", seed=seed, **options))


# ---- networks: from N pasts to forecasts (N, 6) ----


def year_by_year(pasts, units, epochs):
    """A network for each series: from the changes, standardized, the next one, which is its next input."""
    rows = [np.diff(past) for past in pasts for _ in range(SEEDS)]
    options = {"window": None, "standardize": True, "optimizer": "adam", "epochs": epochs}
    networks = [from_zero(RNN(units, seed=i % SEEDS, **options)) for i in range(len(rows))]
    train_all(Training(one, row[:-1], row[1:]) for one, row in zip(networks, rows, strict=True))
    found = [one.generate(row, YEARS) for one, row in zip(networks, rows, strict=True)]
    return naive(pasts) + np.median(np.reshape(np.cumsum(found, axis=1), (-1, SEEDS, YEARS)), axis=1)


def each_alone(pasts, units, epochs, lr=0.01, begin=None):
    """A network for each series, six years at once; from new weights, or from copies of the networks in `begin`."""
    begin = begin or [direct(units, seed) for seed in range(SEEDS)]
    networks = [copy.deepcopy(one) for _ in pasts for one in begin]
    rows = [row for row in map(examples, pasts) for _ in begin]
    for one in networks:
        one.epochs, one.lr, one.patience = epochs, lr, None
    with warnings.catch_warnings():  # an input may hardly change in a series: it does in others
        warnings.filterwarnings("ignore", "column")
        train_all(Training(one, *row) for one, row in zip(networks, rows, strict=True) if row[2].any())
    found = predict_all(networks, [row[0] for row in rows], each=True)
    return forecasts_from(np.reshape([outputs[-1] for outputs in found], (len(pasts), -1, YEARS)), pasts)


def train_for_all(pasts, units):
    """Networks that learn from all series. What they say six years before the end tells when to stop."""
    inputs, targets, weights = zip(*map(examples, pasts), strict=True)
    left = [np.arange(len(row))[::-1] for row in weights]  # years to the end
    early = [row * (years >= 2 * YEARS) for row, years in zip(weights, left, strict=True)]
    late = [row * (years == YEARS) for row, years in zip(weights, left, strict=True)]
    options = {"batch_size": 16, "shuffle": True, "epochs": 300, "patience": 20}
    networks = [direct(units, seed, **options) for seed in range(SEEDS)]
    train_all(Training(one, inputs, targets, early, (inputs, targets, late)) for one in networks)
    return networks


def one_for_all(pasts, units):
    found = predict_all(train_for_all(pasts, units), [examples(past)[0] for past in pasts])
    return forecasts_from([[rows[-1] for rows in of_all] for of_all in zip(*found, strict=True)], pasts)


def tuned(pasts, units, epochs, lr):
    """The networks for all, each going on alone with one series."""
    return each_alone(pasts, units, epochs, lr, train_for_all(pasts, units))


# ---- the comparison ----


def grid(**values):
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


METHODS = {  # and the settings to choose from
    "naive": (naive, [{}]),
    "drift": (drift, [{}]),
    "AutoETS": (partial(automatic, "AutoETS"), [{}]),
    "AutoARIMA": (partial(automatic, "AutoARIMA"), [{}]),
    "each, year by year": (year_by_year, grid(units=[1, 2, 4], epochs=[10, 30, 100])),
    "each, six at once": (each_alone, grid(units=[1, 2, 4], epochs=[10, 30, 100])),
    "one for all": (one_for_all, grid(units=[2, 4, 8, 16])),
    "one for all, tuned": (tuned, grid(units=[4, 8], epochs=[3, 10], lr=[0.003, 0.01])),
}


class Result(NamedTuple):
    settings: dict
    forecasts: np.ndarray  # (N, 6)
    errors: np.ndarray  # (N, 6), MASE
    choosing: float  # seconds
    seconds: float  # of training and forecasting with the settings chosen


def choose(method, settings, pasts):
    """The settings that foretell best the last six years of the pasts, from what was before."""
    before, after = split(pasts)
    return min(settings, key=lambda chosen: mase(method(before, **chosen), before, after).mean())


def compare(series, methods):
    pasts, futures = split(series)
    results = {}
    for name, (method, settings) in methods.items():
        start = time.perf_counter()
        chosen = choose(method, settings, pasts) if len(settings) > 1 else settings[0]
        begin = time.perf_counter()
        forecasts = method(pasts, **chosen)
        seconds = begin - start, time.perf_counter() - begin
        results[name] = Result(chosen, forecasts, mase(forecasts, pasts, futures), *seconds)
    return results


def mean_and_error(values):
    return values.mean(axis=0), values.std(axis=0, ddof=1) / len(values) ** 0.5


def print_table(results):
    print("mean MASE by year, over all and its standard error, median; less that of drift; seconds of choice and run")
    names = *AHEAD, "all", "+-", "median", "-drift", "+-", "choice", "run"
    print(f"\n{'':<18}", *(f"{name:>6}" for name in names))
    base = results["drift"].errors.mean(axis=1)
    for name, result in results.items():
        errors = result.errors.mean(axis=1)
        numbers = (
            *result.errors.mean(axis=0),
            *mean_and_error(errors),
            np.median(errors),
            *mean_and_error(errors - base),
        )
        print(f"{name:<18}", *(f"{number:6.2f}" for number in (*numbers, result.choosing, result.seconds)))
    print()
    for rival in ("drift", "AutoARIMA", "each, year by year", "each, six at once"):
        less = (results["one for all"].errors - results[rival].errors).mean(axis=1)
        mean, error = mean_and_error(less)
        print(
            f"one for all less {rival}: {mean:.2f} +- {error:.2f}, better in {np.sum(less < 0)} of {len(less)} series"
        )
    print("\nchosen:", *(f"{name}: {one.settings}" for name, one in results.items() if one.settings), sep="\n  ")


# ---- figures ----

COLORS, LINES = ["0.6", "0.0", "C2", "C0", "C1", "C4", "C3", "C9"], [":", "-", "--", "--", "-.", "-.", "-", "-"]
LOOKS = [  # told apart in grey too
    {"color": color, "linestyle": line, "linewidth": 1, "marker": marker, "markerfacecolor": "w" if k % 2 else color}
    for k, (color, line, marker) in enumerate(zip(COLORS, LINES, "xo^vsDP*", strict=True))
]


def draw_errors(results, file):
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
    for k, ((name, result), look) in enumerate(zip(results.items(), LOOKS, strict=True)):
        ahead, look = AHEAD + 0.08 * (k - 3.5), look | {"capsize": 2}
        left.errorbar(ahead, *mean_and_error(result.errors), label=name, **look)
        if name not in ("naive", "drift"):
            right.errorbar(ahead, *mean_and_error(result.errors - results["drift"].errors), **look)
    right.axhline(0.0, color="0.0", linewidth=1)
    left.set(xlabel="years ahead", ylabel="MASE, mean over the series", title="Error")
    right.set(xlabel="years ahead", ylabel="MASE less that of drift", title="Better than drift (below 0) or worse")
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(file, dpi=100)


def draw_series(series, results, file):
    """Six series: in the order of their mean error over all methods, the one in the middle of each sixth."""
    import matplotlib.pyplot as plt

    order = np.argsort(np.mean([result.errors.mean(axis=1) for result in results.values()], axis=0))
    figure, panels = plt.subplots(2, 3, figsize=(10, 6.6), layout="constrained")
    for i, panel in zip(order[len(order) * np.arange(1, 12, 2) // 12], panels.flat, strict=True):
        shown = series[i][-12 - YEARS :]
        panel.plot(
            np.arange(len(shown)) - len(shown) + YEARS + 1, shown, color="0.0", linewidth=2.5, label="the series"
        )
        for (name, result), look in zip(results.items(), LOOKS, strict=True):
            panel.plot(AHEAD, result.forecasts[i], label=name, **look)
        panel.axvline(0.5, color="0.6", linewidth=1, linestyle=":")
        panel.set_title(f"series {i + 1}", fontsize=10)
    for panel in panels[1]:
        panel.set_xlabel("years ahead")
    for panel in panels[:, 0]:
        panel.set_ylabel("value, in the series' own unit")
    figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    figure.savefig(file, dpi=100)


def main():
    import statsforecast.models  # noqa: F401  (so that its time is not in AutoETS's)

    series = load()
    results = compare(series, METHODS)
    print_table(results)
    docs = Path(__file__).resolve().parent.parent / "docs"
    draw_errors(results, docs / "series-errors.png")
    draw_series(series, results, docs / "series-forecasts.png")


if __name__ == "__main__":
    main()
