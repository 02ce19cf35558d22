"""`fastrnn train`: learn a series, and tell how well what comes after it is predicted, beside simple ways."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import sys
import warnings
from array import array
from operator import eq, ne
from time import monotonic, perf_counter
from typing import Any

from fastrnn import RNN, SimpleRNN, _plots
from fastrnn._baselines import autoregression, comparison, gain, root_mean_square
from fastrnn._checks import legible
from fastrnn._models import Rule, are_bits, check_target, refuse_others, save
from fastrnn._progress import in_words
from fastrnn._series import Form, Problem, Series

# ---- what is asked for ----

# What can be set of the two networks, and to what it is where it is not.
OF_BITS: dict[str, Any] = {"epochs": 100, "lr": 0.1, "seed": 0}
OF_NUMBERS: dict[str, Any] = {
    "cell": "gru",
    "hidden_size": 16,
    "window": 32,
    "optimizer": "adam",
    "standardize": True,
    "epochs": 500,
    "patience": 50,
    "lr": 0.01,
    "clip": None,
    "seed": 0,
}
SHOWN = 200  # values in a picture, at most


def train(options: argparse.Namespace) -> None:
    """Train on the first 80 % of a series, and tell how well the rest is predicted."""
    if options.save is not None:
        check_target(options.save, options.file)
    if options.plot is not None:
        check_target(options.plot, options.file, "--plot", "a picture")
        _plots.figure_class()
    rule = Rule(options.column, options.time, options.inputs, options.season, options.threshold, options.diff)
    series = rule.read(options.file, Form(options.missing, options.sep, options.decimal))
    rule = rule._replace(column=series.column, time=series.time, inputs=series.inputs)
    bits = rule.diff or rule.threshold is not None or are_bits(series)
    settings = OF_BITS if bits else OF_NUMBERS
    given = {name: getattr(options, name) for name in OF_NUMBERS if getattr(options, name) is not None}
    if odd := [*(given.keys() - settings.keys()), *["inputs"] * (bits and bool(options.inputs))]:
        option, only = "--" + min(odd).replace("_", "-"), ", ".join("--" + name for name in OF_BITS)
        raise Problem(f"{option} is for forecasts of numbers: 0 and 1 are learnt with {only} alone")
    if not bits and given.get("epochs", 2) < 2:
        raise Problem(
            "--epochs must be at least 2 for numbers: what an epoch has learnt is measured as the next begins"
        )
    if bits:
        refuse_others(series, "--missing drop or ffill leaves them 0 and 1")
    length, least = len(series.values), 10 if bits else 20
    if length < least:
        raise Problem(f"{series.name} is too short: it gives a series of {length}, and at least {least} are needed")
    (Bits if bits else Numbers)(series, rule, settings | given, options).run()


# ---- learning and measuring ----


class Progress(io.StringIO):
    """Stands in for standard output while SimpleRNN trains: keeps its last line in view on standard error."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs, self.start = epochs, monotonic()

    def write(self, text: str) -> int:
        if found := re.match(r"Epoch (\d+): ", text):
            done = int(found[1]) + 1
            left = (monotonic() - self.start) / done * (self.epochs - done)
            line = f"{text.strip()}, {in_words(left)} left"
            sys.stderr.write(f"\r{line:<60}")
            sys.stderr.flush()
        return len(text)


class Study:
    """A network, the part of the series that it learns from, and the part on which all are measured."""

    network: SimpleRNN | RNN

    def __init__(self, series: Series, rule: Rule, settings: dict[str, Any], options: argparse.Namespace) -> None:
        self.series, self.rule, self.settings, self.options = series, rule, settings, options
        self.values = series.values
        self.held = len(self.values) // 5
        self.known = len(self.values) - self.held
        self.shown = sys.stderr is not None and sys.stderr.isatty()

    def run(self) -> None:
        if not any(self.counted(self.known, len(self.values))):
            raise Problem(f"{self.series.name} has so many gaps that nothing is left to measure on")
        self.ways()  # a season that is too long is told now
        start = perf_counter()
        try:
            self.learn()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(self.keep()) from None
        except ValueError as error:
            raise Problem(str(error)) from None
        seconds = perf_counter() - start
        if self.options.save is not None:
            save(self.options.save, self.network, self.rule)
        print(legible(str(self.series)))
        self.report(seconds)
        for option, path in ("Saved", self.options.save), ("Drawn", self.options.plot):
            if path is not None:
                print("\n" + legible(f"{option} as {path}"))

    def keep(self) -> str:
        """What Ctrl-C leaves."""
        if self.options.save is None:
            return ""
        if not hasattr(self, "network") or (not self.network.losses and getattr(self.network, "_updates", 1) == 0):
            return ": nothing was learnt yet, and nothing is saved"
        save(self.options.save, self.network, self.rule)
        return f" after {len(self.network.losses)} epochs: what was learnt is saved as {self.options.save}"

    def learn(self) -> None:
        raise NotImplementedError

    def report(self, seconds: float) -> None:
        raise NotImplementedError

    def counted(self, start: int, stop: int) -> list[bool]:
        """Whether a value was read, and the one before: a line drawn through a gap tells what comes after it."""
        filled = self.series.filled
        return [not (filled[t] or filled[t - 1]) for t in range(start, stop)]

    def ways(self) -> dict[str, list[float]]:
        """The simple ways that numbers and 0 and 1 share, on the last part."""
        values, known, season = self.values, self.known, self.rule.season
        ways = {"the last value": values[known - 1 : -1].tolist()}
        if season is not None:
            if season > known:
                raise Problem(f"--season {season} is too long: {known} values are learnt from")
            ways[f"the value {season} before"] = values[known - season : len(values) - season].tolist()
        return ways

    def facts(self, **facts: str) -> None:
        for name, fact in facts.items():
            print(legible(f"  {name.replace('_', ' '):<15}  {fact}"))

    def about_values(self) -> str:
        gaps = sum(self.series.filled)
        told = f", {gaps} of them filled in, which do not count" if gaps else ""
        times = self.series.times
        return (f", from {times[0]} to {times[-1]}" if times else "") + told

    def since(self) -> str:
        return f"last {self.held}" + (f", from {self.series.times[self.known]}" if self.series.times else "")

    def plot(self, title: str, lines: dict[str, tuple[list[float], str]]) -> None:
        if self.options.plot is not None:
            count = min(self.held, SHOWN)
            x = _plots.positions(self.series.times, len(self.values) - count, count)
            named = {name: (x, y[-count:], style) for name, (y, style) in lines.items()}
            _plots.draw(self.options.plot, title, self.series.column, named)


# ---- 0 and 1; numbers ----


class Bits(Study):
    """0 and 1, by SimpleRNN."""

    def learn(self) -> None:
        self.network = SimpleRNN(**self.settings)
        x = memoryview(self.values)
        try:
            with contextlib.redirect_stdout(Progress(self.network.epochs)):
                self.network.train(x[: self.known - 1], x[1 : self.known], verbose=self.shown)
        finally:
            if self.shown:
                sys.stderr.write(f"\r{'':60}\r")

    def report(self, seconds: float) -> None:
        network, values, known = self.network, self.values, self.known
        counted = self.counted(known, len(values))
        held = sum(counted)
        says = network.predict(values[:-1])[known - 1 :].tolist()  # having seen all before
        most = int(2 * sum(values[:known]) > known)
        ways = {"the most frequent": [most] * self.held} | self.ways()
        ways["the opposite of the last"] = [1 - value for value in ways["the last value"]]
        actual = values[known:].tolist()

        def agree(one: list[Any], other: list[Any], how: Any = eq) -> int:
            return sum(how(a, b) for a, b, counts in zip(one, other, counted, strict=True) if counts)

        right = {name: agree(way, actual) for name, way in ways.items()}
        best = max(right, key=right.__getitem__)
        s = self.settings
        self.facts(
            values=f"{len(values)}, {'0 and 1 ' if str(self.rule) == 'as they are' else ''}{self.rule}"
            + self.about_values(),
            ones=f"{sum(values) / len(values):.1%}",
            trained_on=f"the first {known}, epochs {s['epochs']}, lr {s['lr']}, seed {s['seed']}",
            seconds=f"{seconds:.3f}",
        )
        for loss in network.losses[-1:]:
            self.facts(final_loss=f"{loss:.4f}, that is {loss / (known - 1):.4f} a step")
        print(f"\nRight about the next value, in the {self.since()}:")
        for name, count in {"the network": agree(says, actual), **right}.items():
            always = f", always {most}" if name == "the most frequent" else ""
            print(f"  {name:<24}  {count / held:6.1%}  {count} of {held}{always}")
        print(comparison(agree(says, actual) - right[best], agree(says, ways[best], ne), best))
        if self.rule.diff:
            print("(Of numbers drawn by chance the opposite of the last is right two times in three.)")
        proba = network.predict_proba(values[:-1])[known - 1 :].tolist()
        title = f"Whether the next is a 1 ({self.rule}), and its probability"
        self.plot(title, {"value": (actual, "k."), "network": (proba, "C3-")})


class Numbers(Study):
    """Numbers, by RNN."""

    network: RNN

    def learn(self) -> None:
        columns, known = self.series.columns, self.known
        self.cut = known - known // 5  # from here to `known` lies what tells when to stop
        interleaved = array("d", bytes(8 * len(columns) * len(self.values)))
        for k, column in enumerate(columns):
            interleaved[k :: len(columns)] = column
        self.rows = memoryview(interleaved).cast("B").cast("d", [len(self.values), len(columns)])
        self.network = RNN(input_size=len(columns), **self.settings)
        x, y = self.rows[: known - 1], memoryview(self.values)[1:known]
        learns = [float(counts) for counts in self.counted(1, known)]
        stops = [0.0] * (self.cut - 1) + learns[self.cut - 1 :]
        learns[self.cut - 1 :] = [0.0] * (known - self.cut)
        if not any(learns) or not any(stops):
            raise Problem(f"{self.series.name} has so many gaps that nothing is left to learn from")
        with warnings.catch_warnings(record=True) as told, contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("always")
            self.network.train(x, y, sample_weight=learns, validation=(x, y, stops), verbose=self.shown)
        if told:
            print(
                "fastrnn: the numbers are far from 0 and 1, and little is learnt: leave out --no-standardize",
                file=sys.stderr,
            )

    def report(self, seconds: float) -> None:
        network, values, known, s = self.network, self.values, self.known, self.settings
        ways = {"the network": network.predict(self.rows[:-1])[known - 1 :].tolist()} | self.ways()
        ways["linear autoregression"], order = autoregression(self.series.columns, self.rule.season, self.cut, known)
        counted = self.counted(known, len(values))
        errors = {
            name: [p - v for p, v, counts in zip(way, values[known:], counted, strict=True) if counts]
            for name, way in ways.items()
        }
        best = min([*ways][1:], key=lambda name: root_mean_square(errors[name]))
        units = f"{s['cell'].upper() if s['cell'] != 'elman' else 'Elman'} of {s['hidden_size']}"
        self.facts(
            values=f"{len(values)}{self.about_values()}",
            trained_on=f"the first {self.cut}; stopped by the next {known - self.cut}, at their best after epoch "
            f"{network.best_epoch} of {len(network.losses)}",
            network=f"{units}, window {s['window']}, {s['optimizer']}, lr {s['lr']}, seed {s['seed']}",
            seconds=f"{seconds:.3f}",
        )
        print(f"\nOne step ahead, in the {self.since()}:")
        print(f"  {'':<24}{'MAE':>12}{'RMSE':>12}")
        remarks = {"linear autoregression": f"  on the last {order}" if order else "  the mean"}
        for name, wrong in errors.items():
            mae = sum(map(abs, wrong)) / len(wrong)
            print(f"  {name:<24}{mae:12.5g}{root_mean_square(wrong):12.5g}{remarks.get(name, '')}")
        print(gain(errors["the network"], errors[best], best))
        low, high = min(values[: self.cut]), max(values[: self.cut])
        strange = sum(not low <= value <= high for value in values[known:])
        if 10 * strange > self.held and root_mean_square(errors["the network"]) > root_mean_square(errors[best]):
            print(f"({strange} of these {self.held} lie outside all that it has learnt from, where it can but guess: a")
            print("column of changes, or of ratios to a season before, may be what it can learn.)")
        lines = {"value": (values[known:].tolist(), "k-"), "network": (ways["the network"], "C3-")}
        self.plot("One step ahead, on values never trained on", lines | {best: (ways[best], "C0:")})
