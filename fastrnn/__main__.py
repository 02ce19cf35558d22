"""The `fastrnn` command: the notebook's run, training on a series in a file, predicting with what was saved."""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import re
import sys
from operator import eq, ne
from time import perf_counter
from typing import Any, NoReturn

import fastrnn
from fastrnn import RNN, SimpleRNN, _data, _fallback, _files
from fastrnn._backend import core
from fastrnn._checks import legible
from fastrnn._series import Problem, Rule, name_of, read_series
from fastrnn.simple import WEIGHTS

# What a network gets and gives a step, and of which kind that is: attributes of an RNN, and of SimpleRNN these.
SIMPLE = {"input_size": 1, "output_size": 1, "output": "sigmoid"}


# ---- the notebook ----


def notebook(_options: argparse.Namespace) -> None:
    """Train on the alternating pattern; print the losses, the predictions, and what the core is worth."""
    sequence = [0, 1] * 20
    inputs, targets = sequence[:-1], sequence[1:]
    network = SimpleRNN(epochs=200, seed=42)  # draws what the notebook draws after random.seed(42)
    weights = [getattr(network, name) for name in WEIGHTS]
    network.train(inputs, targets)
    print("\nStep  Input  Predicted  Actual")
    for step, row in enumerate(zip(inputs[:20], network.predict(inputs), targets, strict=False)):
        print("{:4}  {:5}  {:9}  {:6}".format(step, *row))
    print()
    if fastrnn.backend == "python":
        print("Core: python, the pure-Python twin, so there is nothing faster here to compare it with.")
        if os.environ.get("FASTRNN_BACKEND"):
            print("For the compiled core unset the environment variable FASTRNN_BACKEND.")
        else:
            print("For the compiled core install fastrnn again where there is a C compiler; with FASTRNN_BUILD=require")
            print("in the environment pip says what is missing.")
    else:
        fast, slow = seconds_of_cores(weights, inputs, targets)
        print(f"Core: {fastrnn.backend}, compiled. It trained this network {slow / fast:.0f} times faster than pure")
        print(f"Python does ({1e3 * fast:.2f} ms against {1e3 * slow:.2f} ms), to the same weights, bit for bit.")


def seconds_of_cores(weights: list[float], inputs: list[int], targets: list[int]) -> tuple[float, float]:
    """How long the notebook's training takes the core and its twin: the best of half a second of rounds."""
    x, y = _data.take(inputs, "inputs"), _data.take(targets, "targets")
    best = {core.SimpleRNNCore: math.inf, _fallback.SimpleRNNCore: math.inf}
    stop = perf_counter() + 0.5
    while perf_counter() < stop:
        results = []
        for kind in best:
            network = kind()
            network.lr = 0.1
            for name, weight in zip(WEIGHTS, weights, strict=True):
                setattr(network, name, weight)
            start = perf_counter()
            network._train(x, y, 200, [], None)
            best[kind] = min(best[kind], perf_counter() - start)
            results.append([getattr(network, name) for name in WEIGHTS])
        if results[0] != results[1]:
            raise Problem("the compiled core and the pure-Python twin give different weights here: please report this")
    return best[core.SimpleRNNCore], best[_fallback.SimpleRNNCore]


# ---- train ----


class Progress(io.StringIO):
    """Stands in for standard output while train() prints: keeps its last line in view on standard error."""

    def write(self, text: str) -> int:
        if text.strip():
            sys.stderr.write(f"\r{text:<40}")
            sys.stderr.flush()
        return len(text)


def train(options: argparse.Namespace) -> None:
    """Train on the first 80 % of a series, and tell how well the rest is predicted."""
    if options.save is not None:
        check_target(options.save, options.file)
    numbers, column = read_series(options.file, options.column)
    rule = Rule(column, options.threshold, options.diff)
    name, advice = name_of(options.file), "Make it one with --threshold V (1 above V) or with --diff (1 where it rose)"
    series = memoryview(rule.apply(numbers, name, advice))
    if len(series) < 10:
        raise Problem(f"{name} is too short: it gives a series of {len(series)}, and at least 10 are needed")
    held = len(series) // 5
    known = len(series) - held
    network = SimpleRNN(options.lr, options.epochs, seed=options.seed)
    shown = sys.stderr is not None and sys.stderr.isatty()
    start = perf_counter()
    try:
        with contextlib.redirect_stdout(Progress()):
            network.train(series[: known - 1], series[1:known], verbose=shown)
    finally:
        if shown:
            sys.stderr.write(f"\r{'':40}\r")
    seconds = perf_counter() - start
    if options.save is not None:
        save(options.save, network, rule)

    actual = series[known:].tolist()
    network_says = network.predict(series[:-1])[known - 1 :].tolist()  # having seen the training part before them
    frequent_says = [int(2 * sum(series[:known]) > known)] * held
    last_says = series[known - 1 : -1].tolist()
    right, frequent, last = (sum(map(eq, says, actual)) for says in (network_says, frequent_says, last_says))
    apart = sum(map(ne, network_says, last_says if last > frequent else frequent_says))
    print(legible(f"{name}, column {column}" if column else name))
    print(f"  values           {len(series)}, {rule}")
    print(f"  ones             {sum(series) / len(series):.1%}")
    print(f"  trained on       the first {known}, epochs {options.epochs}, lr {options.lr}, seed {options.seed}")
    print(f"  seconds          {seconds:.3f}")
    for loss in network.losses[-1:]:
        print(f"  final loss       {loss:.4f}, that is {loss / (known - 1):.4f} a step")
    print(f"\nRight about the next value, in the last {held}:")
    print(f"  the network      {right / held:6.1%}  {right} of {held}")
    print(f"  most frequent    {frequent / held:6.1%}  {frequent} of {held}, always {frequent_says[0]}")
    print(f"  repeat the last  {last / held:6.1%}  {last} of {held}")
    print(comparison(right - max(frequent, last), apart))
    if options.save is not None:
        print("\n" + legible(f"Saved as {options.save}"))


def comparison(ahead: int, apart: int) -> str:
    """One sentence on the network and the better baseline, which predicted different values `apart` times."""
    if ahead == 0:
        return "The network does as well as the better baseline, and no better."
    # McNemar (1947): by chance alone, about one lead in 20 is longer than twice the root of `apart`.
    chance = ", which chance alone may explain" if ahead**2 < 4 * apart else ""
    more = "more" if ahead > 0 else "fewer"
    return f"The network has {abs(ahead)} {more} right than the better baseline{chance}."


# ---- models ----


def check_target(path: str, source: str) -> None:
    """Find out before a long training, not after it, that a model cannot be saved there."""
    if path == "-":
        raise Problem("cannot write a model to standard output: --save needs the name of a file")
    if os.path.realpath(path) == os.path.realpath(source):
        raise Problem(f"cannot write {path}: it is the series itself")
    try:
        _files.write(path, None)
    except (FileNotFoundError, NotADirectoryError):
        raise Problem(f"cannot write {path}: its directory is not there") from None
    except OSError as error:  # a name too long, say
        raise Problem(f"cannot write {path}: {error.strerror}") from None
    except ValueError as error:
        raise Problem(f"cannot write {path}: {error}") from None


def save(path: str, network: SimpleRNN, rule: Rule) -> None:
    """The network, and with it the rule that makes a series of a file."""
    network._series = [*rule]  # type: ignore[attr-defined]
    try:
        network.save(path)
    except OSError as error:
        raise Problem(f"cannot write {path}: {error.strerror}") from None


def load(path: str) -> tuple[SimpleRNN | RNN, Rule | None]:
    """The network of a model, and its rule if `fastrnn train` has saved it."""
    if path == "-":
        raise Problem("cannot read a model from standard input: --model needs the name of a file")
    try:
        network = fastrnn.load(path)
    except OSError as error:
        raise Problem(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise Problem(str(error)) from None
    match getattr(network, "_series", None):
        case None:
            return network, None
        case [None | str() as column, None | float() as threshold, bool() as diff] if threshold is None or not diff:
            return network, Rule(column, threshold, diff)
    raise Problem(f"cannot load {path}: it does not tell rightly how a file becomes its series")


def predict(options: argparse.Namespace) -> None:
    """Print what the network says after every value of a series."""
    network, rule = load(options.model)
    column = rule.column if rule is not None and options.column is None else options.column
    numbers, _ = read_series(options.file, column)
    name = name_of(options.file)
    series = numbers if rule is None else rule.apply(numbers, name, f"{options.model} was trained on one")
    if not series:
        raise Problem(f"{name} has too few numbers to predict from")
    of_network: list[Any] = [getattr(network, name, simple) for name, simple in SIMPLE.items()]
    inputs, outputs, output = of_network
    if inputs != 1:
        raise Problem(f"{options.model} takes {inputs} numbers a step, and a series has one: use it from Python")
    parts = {"linear": ["predicted"], "sigmoid": ["probability", "predicted"], "softmax": ["probability"]}[output]
    columns = [f"{part}_{i}" if outputs > 1 else part for part in parts for i in range(outputs)]
    if output == "softmax":
        columns.append("predicted")
    print("value", *columns, sep=",")
    network.reset()
    for value in series:
        said = network.step(value)
        results = said if isinstance(said, list) else [said]
        decisions = {
            "linear": [],
            "sigmoid": [round(probability) for probability in results],
            "softmax": [results.index(max(results))],
        }[output]
        print(repr(value).removesuffix(".0"), *map(repr, results), *decisions, sep=",")


# ---- the command line ----

ABOUT = """\
Train a small recurrent network to predict the next value of a series of 0 and 1.
Without a command it shows what that is: it learns the pattern 0, 1, 0, 1, ...
"""

EXAMPLES = """\
examples:
  fastrnn                                                        learn 0, 1, 0, 1, ... in about a second
  fastrnn train weather.csv --column temp --threshold 15         will the next value be above 15?
  fastrnn train prices.csv --diff --save up.safetensors          will the price rise? Keep the network
  fastrnn predict prices.csv --model up.safetensors | tail -n 1  the forecast for the value still to come
"""

ABOUT_FILES = """
FILE is CSV, with commas, semicolons or tabs and with or without a header, or a text of numbers with white space
between; or - for standard input. Blank lines and lines that begin with # are skipped. In the column that is read,
everything must be a number. Where semicolons separate, a comma in a number is a decimal comma.
"""

ABOUT_TRAIN = """\
Learn a series, and report how often the network is right about the next value.
It learns from the first 80 % of the values. The report is on the last 20 %, beside two simple ways to guess: always
the most frequent value of the first 80 %, and the value before.
"""

ABOUT_PREDICT = """\
Predict the next value after each value of a series, with a network that fastrnn train has saved, or save() in Python.
Prints CSV: the value; of networks for 0 and 1 the probability that the next one is 1; the predicted next one. The last
line is the forecast for the value still to come. For a network of fastrnn train numbers are turned into 0 and 1 as in
training. One from Python takes them as they are; with several outputs or classes, columns are numbered from 0.
"""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Problem(f"{message} (see {self.prog} --help)")


def whole_number(text: str) -> int:
    if not re.fullmatch("[0-9]+", text):
        raise argparse.ArgumentTypeError(f"must be a whole number, 0 or more, not {text!r}")
    if len(text) > 18:  # sys.maxsize has 19 digits
        raise argparse.ArgumentTypeError(f"must have at most 18 digits, and it is {text}")
    return int(text)


def finite_number(text: str) -> float:
    with contextlib.suppress(ValueError):
        if math.isfinite(value := float(text)):
            return value
    raise argparse.ArgumentTypeError(f"must be a finite number, not {text!r}")


def learning_rate(text: str) -> float:
    if (value := finite_number(text)) < 0.0:
        raise argparse.ArgumentTypeError(f"must not be negative, and it is {text}")
    return value


def parser() -> Parser:
    style: Any = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    usage = "fastrnn [--version] [--help] [COMMAND ...]"
    whole = Parser(prog="fastrnn", usage=usage, description=ABOUT, epilog=EXAMPLES, **style)
    version = f"fastrnn {fastrnn.__version__}, core {fastrnn.backend}"
    whole.add_argument("--version", action="version", version=version)
    whole.set_defaults(run=notebook)
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", prog="fastrnn")

    part = commands.add_parser(
        "train", help="learn a series, and report how well", description=ABOUT_TRAIN + ABOUT_FILES, **style
    )
    part.set_defaults(run=train)
    part.add_argument("file", metavar="FILE", help="the series")
    part.add_argument("--column", metavar="NAME", help="its column: a name, a number from 1, or all")
    rule = part.add_mutually_exclusive_group()
    rule.add_argument("--threshold", metavar="V", type=finite_number, help="turn numbers above V into 1, others into 0")
    rule.add_argument("--diff", action="store_true", help="turn numbers into 1 where they rose, 0 where they did not")
    part.add_argument("--epochs", metavar="N", type=whole_number, default=100, help="passes over the series (100)")
    part.add_argument("--lr", metavar="X", type=learning_rate, default=0.1, help="learning rate (0.1)")
    part.add_argument("--seed", metavar="S", type=whole_number, default=0, help="draws the first weights (0)")
    part.add_argument("--save", metavar="FILE", help="keep the network in this file, model.safetensors say")

    part = commands.add_parser(
        "predict", help="predict with what was learned", description=ABOUT_PREDICT + ABOUT_FILES, **style
    )
    part.set_defaults(run=predict)
    part.add_argument("file", metavar="FILE", help="the series")
    part.add_argument(
        "--model", metavar="FILE", required=True, help="what fastrnn train --save, or save() in Python, has written"
    )
    part.add_argument("--column", metavar="NAME", help="its column, where it is not the one of the training")
    return whole


def main(argv: list[str] | None = None) -> int:
    """Run the command with these arguments, by default those of the process; returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name the terminal cannot show is no failure
    try:
        try:
            options = parser().parse_args(argv)
            options.run(options)
        finally:
            print(end="", flush=True)  # now, while its errors can be told
    except KeyboardInterrupt:
        print("fastrnn: interrupted", file=sys.stderr)
        return 130
    except (Problem, OverflowError) as error:
        print(legible(f"fastrnn: {error}"), file=sys.stderr)
        return 2
    except OSError as error:
        # What could not be written would be tried again, and fail again, when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 0  # the reader, say head, has seen enough
        print(f"fastrnn: cannot write the results: {error.strerror}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
