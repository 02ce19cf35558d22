"""The `fastrnn` command: its arguments, its errors, and the notebook's run."""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import re
import sys
from time import perf_counter
from typing import Any, NoReturn

import fastrnn
from fastrnn import SimpleRNN, _data, _fallback
from fastrnn._backend import core
from fastrnn._checks import legible
from fastrnn._kinds import CELLS, OPTIMIZERS
from fastrnn._learn import OF_BITS, OF_NUMBERS, train
from fastrnn._predict import forecast, predict, show
from fastrnn._series import Problem
from fastrnn.simple import WEIGHTS

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


# ---- the command line ----

ABOUT = """\
Train a small recurrent network to predict the next value of a series, and forecast how it goes on.
Without a command it shows what that is: it learns the pattern 0, 1, 0, 1, ...
"""

EXAMPLES = """\
examples:
  fastrnn                                                        learn 0, 1, 0, 1, ... in about a second
  fastrnn train air.csv --column passengers --time month --season 12 --save air.safetensors
  fastrnn forecast air.csv --model air.safetensors --steps 12    the next year
  fastrnn train weather.csv --column temp --threshold 15         will the next value be above 15?
  fastrnn train prices.csv --diff --save up.safetensors          will the price rise? Keep the network
  fastrnn predict prices.csv --model up.safetensors --tail 1     the forecast for the value still to come
"""

ABOUT_FILES = """
FILE is CSV, with commas, semicolons or tabs and with or without a header, or a text of numbers with white space
between; or - for standard input; packed by gzip or not. Blank lines and lines that begin with # are skipped. In the
columns that are read, everything must be a number. Where semicolons separate, a comma in a number is a decimal comma.
"""

ABOUT_TRAIN = """\
Learn a series, and report how well the network predicts the next value, on the last 20 %, which it has not seen.
Numbers are forecast by an RNN: from the values up to t, and those of --inputs up to t, it predicts the value at t + 1.
It learns from the first 64 %, and the next 16 % tell when to stop. Beside it stand the last value, with --season the
one a season before, and linear autoregression on the same columns.
With --threshold or --diff, or where all numbers are 0 and 1, SimpleRNN learns from the first 80 % whether the next
value is 1. Beside it stand the most frequent value, the last one, its opposite, and the one a season before.
"""

ABOUT_PREDICT = """\
Predict the next value after each value of a series, with a network that fastrnn train has saved, or save() in Python.
Prints CSV: the time, where there is a column of times; the value; of networks for 0 and 1 the probability that the next
one is 1; the predicted next one, which is the one of the row below. The last line is the forecast for the value still
to come. For a network of fastrnn train columns are found and numbers are turned into 0 and 1 as in training. One from
Python takes them as they are; with several outputs or classes, columns are numbered from 0.
"""

ABOUT_FORECAST = """\
Tell how a series goes on, with a network for numbers: each prediction is the next input. Prints CSV: time, value.
Times go on if they are numbers, ISO dates or datetimes with a constant step or in months; without a column of times
rows are counted. The farther a forecast goes, the less it knows: fastrnn train measures one step.
"""

ABOUT_SHOW = """\
Print what is in a model: the network, how long it was trained, its scales, and which columns fastrnn train gave it.
"""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Problem(f"{message} (see {self.prog} --help)")


def whole_number(text: str, least: int = 0) -> int:
    if not re.fullmatch("[0-9]+", text):
        raise argparse.ArgumentTypeError(f"must be a whole number, {least} or more, not {text!r}")
    if len(text) > 18:  # sys.maxsize has 19 digits
        raise argparse.ArgumentTypeError(f"must have at most 18 digits, and it is {text}")
    if (value := int(text)) < least:
        raise argparse.ArgumentTypeError(f"must be at least {least}, and it is {text}")
    return value


def counting_number(text: str) -> int:
    return whole_number(text, 1)


def finite_number(text: str) -> float:
    with contextlib.suppress(ValueError):
        if math.isfinite(value := float(text)):
            return value
    raise argparse.ArgumentTypeError(f"must be a finite number, not {text!r}")


def learning_rate(text: str) -> float:
    if (value := finite_number(text)) < 0.0:
        raise argparse.ArgumentTypeError(f"must not be negative, and it is {text}")
    return value


def positive_number(text: str) -> float:
    if (value := finite_number(text)) <= 0.0:
        raise argparse.ArgumentTypeError(f"must be positive, and it is {text}")
    return value


def separator(text: str) -> str:
    text = {"tab": "\t", "\\t": "\t", "space": " "}.get(text, text)
    if len(text) != 1 or text in '"\r\n\0' or text.isalnum():
        raise argparse.ArgumentTypeError(f"must be one character, tab or space, not {text!r}")
    return text


def picture(text: str) -> str:
    if not text.lower().endswith(".png"):
        raise argparse.ArgumentTypeError(f"must be a name that ends with .png, not {text!r}")
    return text


def names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def parser() -> Parser:
    style: Any = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    usage = "fastrnn [--version] [--help] [COMMAND ...]"
    whole = Parser(prog="fastrnn", usage=usage, description=ABOUT, epilog=EXAMPLES, **style)
    version = f"fastrnn {fastrnn.__version__}, core {fastrnn.backend}"
    whole.add_argument("--version", action="version", version=version)
    whole.set_defaults(run=notebook)
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", prog="fastrnn")

    def command(run: Any, told: str, about: str) -> Any:
        part = commands.add_parser(run.__name__, help=told, description=about, **style)
        part.set_defaults(run=run)
        return part

    def reads(part: Any, column: str) -> None:
        part.add_argument("file", metavar="FILE", help="the series")
        part.add_argument("--column", metavar="NAME", help=column)
        part.add_argument("--time", metavar="NAME", help="the column of times; rows: none, rows are counted")
        ways = ["error", "drop", "ffill", "interpolate"]
        told = "of gaps: error (the default), drop the row, ffill (repeat the last) or interpolate (draw a line)"
        part.add_argument("--missing", metavar="WAY", choices=ways, default="error", help=told)
        part.add_argument("--sep", metavar="C", type=separator, help="what separates fields, where it is not plain")
        told = "the decimal mark, . or ,: then a comma separates only where --sep says so"
        part.add_argument("--decimal", metavar="C", choices=[".", ","], help=told)

    def plots(part: Any, what: str) -> None:
        part.add_argument("--plot", metavar="PNG", type=picture, help=f"draw {what} (needs matplotlib)")

    part = command(train, "learn a series, and report how well", ABOUT_TRAIN + ABOUT_FILES)
    reads(part, "its column: a name, a number from 1, or all")
    told = "further columns, with commas between: known up to t, they help to predict t + 1"
    part.add_argument("--inputs", metavar="A,B", type=names, default=[], help=told)
    part.add_argument("--season", metavar="N", type=counting_number, help="compare with the value N before, too")
    rule = part.add_mutually_exclusive_group()
    rule.add_argument("--threshold", metavar="V", type=finite_number, help="turn numbers above V into 1, others into 0")
    rule.add_argument("--diff", action="store_true", help="turn numbers into 1 where they rose, 0 where they did not")
    part.add_argument("--save", metavar="FILE", help="keep the network in this file, model.safetensors say")
    plots(part, "the end of the last 20 %%")
    part = part.add_argument_group("the network", "Defaults are those for numbers; for 0 and 1 in brackets.")
    part.add_argument("--cell", choices=[*CELLS], help=OF_NUMBERS["cell"])
    for name, kind, told in (
        ("hidden_size", counting_number, "units"),
        ("window", counting_number, "steps from update to update, and how far back a gradient reaches"),
        ("epochs", whole_number, "passes over the series, at most"),
        ("patience", whole_number, "epochs to go on without getting better"),
        ("lr", learning_rate, "learning rate"),
        ("clip", positive_number, "the largest norm of a gradient"),
        ("seed", whole_number, "draws the first weights"),
    ):
        default = "none" if OF_NUMBERS[name] is None else f"{OF_NUMBERS[name]}"
        default += f" [{OF_BITS[name]}]" if name in OF_BITS else ""
        letter = {"lr": "X", "clip": "X", "seed": "S"}.get(name, "N")
        part.add_argument("--" + name.replace("_", "-"), metavar=letter, type=kind, help=f"{told}: {default}")
    part.add_argument("--optimizer", choices=[*OPTIMIZERS], help=OF_NUMBERS["optimizer"])
    told = "scale each column by its mean and deviation, and back: yes"
    part.add_argument("--standardize", action=argparse.BooleanOptionalAction, help=told)

    model: Any = {"metavar": "FILE", "required": True}
    model["help"] = "what fastrnn train --save, or save() in Python, has written"
    part = command(predict, "predict with what was learned", ABOUT_PREDICT + ABOUT_FILES)
    reads(part, "its column, where it is not the one of the training")
    part.add_argument("--model", **model)
    part.add_argument("--tail", metavar="N", type=whole_number, help="print the last N rows alone")

    part = command(forecast, "tell how a series goes on", ABOUT_FORECAST + ABOUT_FILES)
    reads(part, "its column, where it is not the one of the training")
    part.add_argument("--model", **model)
    part.add_argument("--steps", metavar="N", type=counting_number, required=True, help="how many values to foretell")
    plots(part, "the series and how it goes on")

    part = command(show, "print what is in a model", ABOUT_SHOW)
    part.add_argument("model", metavar="MODEL", help=model["help"])
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
    except KeyboardInterrupt as stop:
        print(legible(f"fastrnn: interrupted{stop}"), file=sys.stderr)
        return 130
    except (Problem, OverflowError) as error:
        print(legible(f"fastrnn: {error}"), file=sys.stderr)
        return 2
    except MemoryError:
        print("fastrnn: there is not enough memory for this", file=sys.stderr)
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
