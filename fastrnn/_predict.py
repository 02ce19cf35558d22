"""`fastrnn predict`, `forecast` and `show`: what a model says of a series, how the series goes on, what is in it."""

from __future__ import annotations

import argparse
import csv
import os
import sys
from typing import Any

from fastrnn import RNN, SimpleRNN, _plots, _times
from fastrnn._checks import legible
from fastrnn._learn import SHOWN
from fastrnn._models import Rule, check_target, load, refuse_others
from fastrnn._series import Form, Problem, Series

# ---- what comes next ----


def model_and_series(options: argparse.Namespace) -> tuple[Any, Rule | None, Series]:
    """A network, how `fastrnn train` has told it to read files, and what it reads of this one."""
    network, rule = load(options.model)
    how = rule or Rule(None, None, [], None, None, False)
    column = how.column if options.column is None else options.column
    time = how.time if options.time is None else options.time
    form = Form(options.missing, options.sep, options.decimal)
    series = how._replace(column=column, time=time).read(options.file, form)
    if rule is not None and isinstance(network, SimpleRNN):
        refuse_others(series, f"{options.model} was trained on one")
    if not series.values:
        raise Problem(f"{series.name} has too few numbers to predict from")
    inputs = getattr(network, "input_size", 1)
    if inputs != len(series.columns):
        raise Problem(f"{options.model} takes {inputs} numbers a step, and a series has one: use it from Python")
    return network, rule, series


def as_text(value: float) -> str:
    return repr(value).removesuffix(".0")


def predict(options: argparse.Namespace) -> None:
    """Print what the network says after every value of a series."""
    network, _, series = model_and_series(options)
    outputs, output = getattr(network, "output_size", 1), getattr(network, "output", "sigmoid")  # of SimpleRNN these
    parts = {"linear": ["predicted"], "sigmoid": ["probability", "predicted"], "softmax": ["probability"]}[output]
    columns = [f"{part}_{i}" if outputs > 1 else part for part in parts for i in range(outputs)]
    if output == "softmax":
        columns.append("predicted")
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow([*["time"] * bool(series.times), "value", *columns])
    network.reset()
    first = len(series.values) - (len(series.values) if options.tail is None else options.tail)
    for t, row in enumerate(zip(*series.columns, strict=True)):
        try:
            said = network.step(row[0] if len(row) == 1 else row)
        except ValueError as error:  # never trained, say
            raise Problem(f"{options.model}: {error}") from None
        if t < first:
            continue
        results = said if isinstance(said, list) else [said]
        decisions = {
            "linear": [],
            "sigmoid": [round(probability) for probability in results],
            "softmax": [results.index(max(results))],
        }[output]
        out.writerow([*map(legible, series.times[t : t + 1]), as_text(row[0]), *map(repr, results), *decisions])


def forecast(options: argparse.Namespace) -> None:
    """Print how a series goes on, each prediction being the next input."""
    if options.plot is not None:
        check_target(options.plot, options.file, "--plot", "a picture")
        _plots.figure_class()
    network, rule, series = model_and_series(options)
    if rule is not None and rule.inputs:
        names = ", ".join(rule.inputs)
        raise Problem(
            f"{options.model} also needs {names}, of which nobody knows what comes: predict --tail 1 goes one step"
        )
    if isinstance(network, SimpleRNN):
        raise Problem(f"{options.model} tells 0 from 1, one step ahead: fastrnn predict --tail 1 gives that step")
    steps = options.steps
    where = f"{series.name}: the time" if not series.times else f"{series.name}: column {series.time}"
    if steps > len(series.values) + 10**6:
        raise Problem(f"--steps {steps} is too many: at most a million more than there are values")
    count = len(series.values)
    times = _times.go_on(series.times, steps, where) if series.times else [str(count + i) for i in range(1, steps + 1)]
    try:
        values = network.generate(series.values.tolist(), steps)
    except ValueError as error:  # not as many outputs as inputs
        raise Problem(f"{options.model}: {error}") from None
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["time", "value"])
    for time, value in zip(times, values, strict=True):
        out.writerow([legible(time), repr(value)])
    if options.plot is not None:
        shown = min(count, max(3 * steps, 50), SHOWN)
        x = _plots.positions([*series.times, *times] if series.times else [], count - shown, shown + steps)
        known = series.values[-shown:].tolist()
        lines = {"value": (x[:shown], known, "k-"), "forecast": (x[shown - 1 :], [known[-1], *values], "C3--")}
        _plots.draw(options.plot, f"{os.path.basename(series.name)}, and {steps} steps more", series.column, lines)


# ---- what is in a model ----


def moments(mean: list[float] | None, scale: list[float] | None) -> str:
    if mean is None or scale is None:
        return "not known yet"
    return ", ".join(f"{m:.6g} ± {s:.6g}" for m, s in zip(mean, scale, strict=True))


def show(options: argparse.Namespace) -> None:
    """Print what is in a model file."""
    network, rule = load(options.model)
    facts: dict[str, Any] = {"network": repr(network)}
    if isinstance(network, RNN):
        count = sum(view.nbytes // 8 for view in network.parameters.values())
        facts["parameters"] = f"{count}, for {network.input_size} in and {network.output_size} out a step"
        if network.standardize:
            facts["inputs"] = moments(network.input_mean, network.input_scale)
            if network.output == "linear":
                facts["targets"] = moments(network.target_mean, network.target_scale)
    losses = network.losses
    facts["trained"] = f"{len(losses)} epochs" + (
        f", loss {losses[0]:.6g} at first, {losses[-1]:.6g} at last" if losses else ""
    )
    if isinstance(network, RNN) and network.validation_losses:
        best = network.best_epoch
        at, why = (best, ", which is kept") if best is not None else (len(network.validation_losses) - 1, "")
        told = f", {network.validation_losses[at]:.6g} after epoch {at}{why}"
        facts["validation"] = f"loss {network.validation_losses[0]:.6g} at first{told}"
    if rule is None:
        facts["series"] = "none: it was saved from Python"
    else:
        facts["column"] = rule.column or "the only one"
        facts |= {"with": ", ".join(rule.inputs)} if rule.inputs else {}
        facts |= {"time": rule.time} if rule.time else {}
        facts |= {"season": f"{rule.season} values"} if rule.season else {}
        facts["values"] = str(rule)
    print(legible(options.model))
    for name, fact in facts.items():
        print(legible(f"  {name:<12}  {fact}"))
