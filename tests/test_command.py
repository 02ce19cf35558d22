"""The `fastrnn` command: what it prints, what it reads, what it saves, and how it fails."""

import csv
import errno
import gzip
import io
import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from array import array
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import fastrnn
from fastrnn import RNN, SimpleRNN, __main__, _baselines, _models, _series, _times
from fastrnn.__main__ import main

WEIGHTS = ("w_input_hidden", "w_hidden_hidden", "w_hidden_output", "b_hidden", "b_output")
BITS = [int(character) for character in "001101110010111010011011" * 5]


@pytest.fixture
def write(tmp_path):
    """Write a file and return its path as the command takes it."""

    def write(content, name="series.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.fixture
def saved(tmp_path):
    """Save a network as `fastrnn train` does, by default with the rule that leaves 0 and 1 as they are."""

    def saved(series=(None, None, [], None, None, False), name="model.safetensors", network=None):
        network = SimpleRNN(seed=1) if network is None else network
        if series is not None:
            network._series = [*series]
        network.save(tmp_path / name)
        return str(tmp_path / name)

    return saved


@pytest.fixture
def run(capsys):
    """Run the command in this process; returns what it wrote to standard output."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert (code, err) == (0, "")
        assert all(line.isprintable() for line in out.split("\n"))
        return out

    return run


@pytest.fixture
def fail(capsys):
    """Run the command, see it fail as all errors are to, and return its message."""

    def fail(*arguments):
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert (code, out) == (2, "")
        assert re.fullmatch(r"fastrnn: [^\n]{,291}\n", err)
        assert err[:-1].isprintable()
        return err.removeprefix("fastrnn: ").removesuffix("\n")

    return fail


def process(*arguments, **options):
    command = [sys.executable, "-m", "fastrnn", *arguments]
    return subprocess.run(command, capture_output=True, check=False, timeout=300, encoding="utf-8", **options)


def lines(values):
    return "".join(f"{value}\n" for value in values)


def read(path, column=None):
    return _series.read_series(path, column).values.tolist()


# ---- without arguments ----


def check_notebook(out):
    losses, table, core = out.split("\n\n")
    random.seed(42)
    network = SimpleRNN(epochs=200)
    sequence = [0, 1] * 20
    network.train(sequence[:-1], sequence[1:], verbose=False)
    assert losses.splitlines() == [f"Epoch {10 * i}: Loss = {network.losses[10 * i]:.4f}" for i in range(20)]
    assert losses.startswith("Epoch 0: Loss = 9.7750\n")
    assert losses.endswith("Epoch 190: Loss = 0.2495")
    header, *rows = [line.split() for line in table.splitlines()]
    assert header == ["Step", "Input", "Predicted", "Actual"]
    assert rows == [[str(step), str(step % 2), str(1 - step % 2), str(1 - step % 2)] for step in range(20)]
    assert len({len(line) for line in table.splitlines()}) == 1
    if fastrnn.backend == "python":
        assert "Core: python, the pure-Python twin" in core
        assert "For the compiled core" in core
    else:
        times, fast, slow = map(
            float,
            re.fullmatch(
                rf"Core: {fastrnn.backend}, compiled\. It trained this network (\d+) times faster than pure\n"
                r"Python does \(([\d.]+) ms against ([\d.]+) ms\), to the same weights, bit for bit\.\n",
                core,
            ).groups(),
        )
        assert 1 < times == pytest.approx(slow / fast, rel=0.1, abs=1)


def test_without_arguments(run):
    check_notebook(run())


def test_without_arguments_leaves_the_random_module_alone(run):
    random.seed(7)
    state = random.getstate()
    run()
    assert random.getstate() == state


def test_core_that_differs_from_its_twin_is_told(monkeypatch, capsys):
    if fastrnn.backend == "python":
        pytest.skip("there is one core only, the twin")
    train = __main__._fallback.learn_step
    monkeypatch.setattr(__main__._fallback, "learn_step", lambda state, lr, x, y: train(state, lr * 0.999, x, y))
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert "times faster" not in out
    assert "different weights" in err


@pytest.mark.parametrize("chosen", ["python", ""])
def test_how_to_get_the_compiled_core(chosen, run, monkeypatch):
    monkeypatch.setattr(fastrnn, "backend", "python")
    monkeypatch.setenv("FASTRNN_BACKEND", chosen)
    assert ("unset the environment variable FASTRNN_BACKEND" if chosen else "C compiler") in run().split("\n\n")[-1]


def test_as_a_module(tmp_path):
    done = process(cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    check_notebook(done.stdout)


def test_console_script(tmp_path):
    script = shutil.which("fastrnn", path=str(Path(sys.executable).parent))
    if script is None:
        pytest.skip("fastrnn is not installed beside this Python")
    done = subprocess.run([script, "--version"], capture_output=True, check=True, cwd=tmp_path, text=True)
    assert done.stdout == f"fastrnn {fastrnn.__version__}, core {fastrnn.backend}\n"


def test_import_leaves_the_command_out():
    code = "import sys; before = set(sys.modules); import fastrnn; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"fastrnn.__main__", "fastrnn._files", "argparse", "csv", "json"} & set(done.stdout.split())


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["forecast", "--help"], ["--version"]])
def test_help_and_version(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert not stop.value.code
    out = capsys.readouterr().out
    assert out.startswith(f"fastrnn {fastrnn.__version__}" if arguments == ["--version"] else "usage: fastrnn")
    assert max(map(len, out.splitlines())) <= 120


def test_main_takes_the_arguments_of_the_process(monkeypatch, write, capsys):
    monkeypatch.setattr(sys, "argv", ["fastrnn", "train", write(lines(BITS))])
    assert main() == 0
    assert "the network" in capsys.readouterr().out


# ---- reading ----

NUMBERS = [1.5, -2.0, 3e4]


@pytest.mark.parametrize(
    ("content", "column"),
    [
        ("1.5\n-2\n3e4\n", None),
        ("1.5\n-2\n3e4", None),
        ("1.5\r\n-2\r\n3e4\r\n", None),
        ("1.5\r-2\r3e4\r", None),
        ("  1.5\n\n-2  \n \t \n3e4\n\n", None),
        ("temp\n1.5\n-2\n3e4\n", None),
        ("# made by hand\n#\ntemp\n1.5\n  # and checked\n-2\n3e4\n", None),
        ("\ufeff1.5\n-2\n3e4\n", None),
        ("\ufefftemp\n1.5\n-2\n3e4\n", "temp"),
        ("mean temperature\n1.5\n-2\n3e4\n", None),
        ("temperature, C\n1.5\n-2\n3e4\n", None),
        ("1.5 -2 3e4\n", None),
        ("1.5, -2, 3e4", None),
        ("1.5\t-2\t3e4\n", None),
        ("1.5 -2\n3e4\n", "all"),
        ("date,temp\n2024-01-01,1.5\n2024-01-02,-2\n2024-01-03,3e4\n", None),
        ("2024-01-01,1.5\n2024-01-02,-2\n2024-01-03,3e4\n", None),
        ("2024-01-01 1.5\n2024-01-02   -2\n2024-01-03 \t3e4 \n", "2"),
        ("2024-01-01 1.5\n2024-01-02   -2\n2024-01-03 3e4 \n", None),
        ("date;temp\n2024-01-01;1,5\n2024-01-02;-2\n2024-01-03;3e4\n", None),
        ("date\ttemp\twords\n2024-01-01\t1.5\ta, b\n2024-01-02\t-2\t\n2024-01-03\t3e4\tc\n", None),
        ('"date","temp","words"\n"x","1.5","a; b"\n"y","-2","said ""no"""\n"z","3e4",""\n', None),
        ('words,"mean\ntemp"\n"one\ntwo",1.5\nthree,-2\nfour,3e4\n', "mean temp"),
        ("temp,rain\n1.5,7\n-2,8\n3e4,9\n", "temp"),
        ("rain,temp\n7,1.5\n8,-2\n9,3e4\n", "2"),
        ("rain,rain\n7,1.5\n8,-2\n9,3e4\n", "2"),
        ("1.5,0\n-2,0\n3e4,0\n", "1"),
        (",temp\na,1.5\nb,-2\nc,3e4\n", None),
        ("name,Außentemperatur\na,1.5\nb,-2\nc,3e4\n", "Außentemperatur"),
        ("1.5\n-2\n3e4\n".encode("utf-16"), None),
        ("1.5\n-2\n3e4\n".encode("utf-16-be").join([b"\xfe\xff", b""]), None),
        (gzip.compress(b"temp\n1.5\n-2\n3e4\n"), None),
        (gzip.compress("temp\n1.5\n-2\n3e4\n".encode("utf-16")), None),
        (",0\na,1.5\nb,-2\nc,3e4\n", None),
        ("#\n" * 500 + "x,temp\n" + "#\n" * 500 + "a,1.5\nb,-2\nc,3e4\n", None),
    ],
)
def test_reading(content, column, write):
    assert read(write(content), column) == NUMBERS


def test_reading_many_rows(write):
    values = [random.Random(1).gauss(0, 1) for _ in range(30_000)]
    content = "date,value,words\n" + "".join(f"day {i},{value!r},x\n" for i, value in enumerate(values))
    assert read(write(content)) == values


def test_what_a_later_file_is_to_be_read_by(write):
    def column(content, asked=None):
        return _series.read_series(write(content), asked).column

    assert column("1\n2\n") is None
    assert column("1 2\n") is None
    assert column("temp\n1\n") == "temp"
    assert column("day,temp\nx,1\n", "2") == "temp"
    assert column("x,1\ny,2\n") == "2"
    assert column("a,a\n1,2\n", "2") == "2"
    assert column("1 2\n3 4\n", "all") == "all"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n\n# nothing\n", "is empty"),
        ("1\n2\nthree\n", ":3: the value is 'three', not a number"),
        ("temp\n1\n\n# here\nn/a\n", ":5: column temp is missing (n/a): --missing drop, ffill or interpolate tells"),
        ("day,temp\na,1\nb,\nc,3\n", ":3: column temp is empty: --missing"),
        ('temp\n1\n""\n3\n', ":3: column temp is empty"),
        ("x,1\ny,2\nz,nan\n", ":3: column 2 is missing (nan): --missing"),
        ("1\ninf\n", ":2: the value is 'inf', not a number"),
        ("1\n1e999\n", ":2: the value is '1e999', not a number"),
        ("day,temp\na,1\nb\nc,3\n", ":3: the number of fields is 1, not 2 as before"),
        ("day,temp\na,1\nb,2,3\nc,4\n", ":3: the number of fields is 3, not 2 as before"),
        ('temp\n1\n"2\n3\n', ":4: unexpected end of data"),
        ("temp\n1\n" + "9" * 200_000, ":3: field larger than field limit"),
        ("1 2\n3 x\n5 6\n7 8\n", "has several columns of numbers: 1, 2. Choose one with --column"),
        (
            "day,temp,rain\na,1,2\nb,3,4\n",
            "has several columns of numbers: 2 (temp), 3 (rain). Choose one with --column",
        ),
        ("day,temp\na,x\nb,y\n", "has no column of numbers, only 1 (day), 2 (temp)"),
        ("day,temp\n", "has no column of numbers, only 1 (day), 2 (temp)"),
        (b"temp\n1\n\xe9\n", "is not UTF-8 text"),
        ("1\n2\n3\n".encode("utf-16")[:-1], "is not UTF-8 text"),
        ("1\n2\n3\n".encode("utf-16-le"), ":1: there is a NUL byte"),
        ("temp\n1\n\0\0\n", ":3: there is a NUL byte"),
        ("temp\n1\n" + "1," * 2**23 + "1", ":3: the line has more than 16,777,216 characters"),
        (b"\x1f\x8bno", "begins as gzip does, and is damaged or cut short"),
        (gzip.compress(b"1\n" * 999)[:-9], "begins as gzip does, and is damaged or cut short"),
    ],
)
def test_unreadable(content, message, write, fail):
    path = write(content)
    told = fail("train", path, "--diff")
    assert told.removeprefix("cannot read ").startswith(path)
    assert message in told


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("snow", "has no column snow, only 1 (day), 2 (temp), 3 (temp)"),
        ("4", "has no column 4, only"),
        ("0", "has no column 0, only"),
        ("temp", "has several columns temp: 1 (day), 2 (temp), 3 (temp)"),
        ("9" * 5000, "has no column 999"),
        ("\u0662", "has no column \u0662, only"),
        ("1", ":2: column day is 'a', not a number"),
        ("all", ":2: the value is 'a', not a number"),
    ],
)
def test_wrong_column(column, message, write, fail):
    assert message in fail("train", write("day,temp,temp\na,1,2\nb,3,4\n"), "--column", column)


def test_all_is_offered_where_there_is_no_header(write, fail):
    assert "--column all" in fail("train", write("0 1 0\n1 0 1\n"))
    assert "--column all" not in fail("train", write("a b c\n0 1 0\n1 0 1\n"))


def test_no_such_file(tmp_path, fail):
    assert "No such file" in fail("train", tmp_path / "none.csv")
    assert fail("train", tmp_path).startswith(f"cannot read {tmp_path}: ")


def test_standard_input(write, run):
    for arguments in ["-", "--threshold", "2", "--column", "temp"], ["-", "--diff"]:
        content = "temp\n" + lines(BITS)
        done = process("train", *arguments, input=content)
        assert (done.returncode, done.stderr) == (0, "")
        expected = run("train", write(content), *arguments[1:])
        assert steady(done.stdout) == steady(expected)
        assert done.stdout.startswith("standard input, column temp")
    assert process("train", "-", input="1\nx\n").stderr == "fastrnn: standard input:2: the value is 'x', not a number\n"


def steady(report):
    """A report but for its first line and the time it took."""
    return [line for line in report.splitlines()[1:] if "seconds" not in line]


# ---- training ----


def expected_report(values, *, lr=0.1, epochs=100, seed=0):
    """The figures of the report, calculated in another way: one step at a time."""
    network = SimpleRNN(lr, epochs, seed=seed)
    held = len(values) // 5
    first, last = len(values) - held, len(values) - 1
    for _ in range(epochs):
        network.reset()
        loss = 0.0
        for t in range(first - 1):
            error = network.learn(values[t], values[t + 1]) - values[t + 1]
            loss += error * error
    network.reset()
    right = repeat = 0
    for t in range(last):
        probability = network.step(values[t])
        if t + 1 >= first:
            right += round(probability) == values[t + 1]
            repeat += values[t] == values[t + 1]
    most = max(sorted(set(values)), key=values[:first].count)
    return network, loss, held, right, values[first:].count(most), repeat, most


@pytest.mark.parametrize("length", [10, 11, 99, 120])
def test_report(length, write, run):
    values = BITS[:length]
    path = write(lines(values))
    out = run("train", path, "--epochs", 7, "--lr", 0.3, "--seed", 5)
    network, loss, held, right, frequent, repeat, most = expected_report(values, lr=0.3, epochs=7, seed=5)
    report = out.splitlines()
    assert report[0] == path
    assert report[1] == f"  values           {length}, 0 and 1 as they are"
    assert report[2] == f"  ones             {sum(values) / length:.1%}"
    assert report[3] == f"  trained on       the first {length - held}, epochs 7, lr 0.3, seed 5"
    assert re.fullmatch(r"  seconds          \d+\.\d{3}", report[4])
    assert report[5] == f"  final loss       {loss:.4f}, that is {loss / (length - held - 1):.4f} a step"
    assert report[7] == f"Right about the next value, in the last {held}:"
    assert report[8] == f"  the network               {right / held:6.1%}  {right} of {held}"
    assert report[9] == f"  the most frequent         {frequent / held:6.1%}  {frequent} of {held}, always {most}"
    assert report[10] == f"  the last value            {repeat / held:6.1%}  {repeat} of {held}"
    opposite = held - repeat
    assert report[11] == f"  the opposite of the last  {opposite / held:6.1%}  {opposite} of {held}"
    assert report[12].startswith("The network ")
    assert len(report) == 13
    assert network.epochs == 7


def test_defaults_are_those_of_the_network(write, run):
    path = write(lines(BITS))
    assert steady(run("train", path)) == steady(run("train", path, "--lr", 0.1, "--epochs", 100, "--seed", 0))
    assert steady(run("train", path)) != steady(run("train", path, "--seed", 1))
    assert (SimpleRNN().lr, SimpleRNN().epochs) == (0.1, 100)


def test_no_epochs(write, run):
    out = run("train", write(lines(BITS)), "--epochs", 0)
    assert "final loss" not in out
    assert "the network" in out


@pytest.mark.parametrize(
    ("option", "turn", "told"),
    [
        (["--threshold", "12"], lambda t: [int(v > 12) for v in t], "a value above 12.0 is a 1"),
        (["--threshold", "-1.5"], lambda t: [int(v > -1.5) for v in t], "a value above -1.5 is a 1"),
        (["--diff"], lambda t: [int(b > a) for a, b in pairwise(t)], "a value that rose is a 1"),
    ],
)
def test_real_series(option, turn, told, write, run):
    source = random.Random(3)
    temperatures, now = [], 12.0
    for _ in range(300):
        now += source.choice([-1.0, 0.0, 1.5, (12.0 - now) / 4])
        temperatures.append(round(now, 1))
    path = write("date,temp\n" + "".join(f"day {i},{t}\n" for i, t in enumerate(temperatures)))
    out = run("train", path, *option, "--epochs", 20)
    values = turn(temperatures)
    _, _, held, right, frequent, repeat, most = expected_report(values, epochs=20)
    assert out.startswith(f"{path}, column temp\n  values           {len(values)}, {told}\n")
    assert f"{right} of {held}\n" in out
    assert f"{frequent} of {held}, always {most}\n" in out
    assert f"{repeat} of {held}\n" in out


def test_threshold_holds_for_0_and_1_too(write, run):
    assert "  ones             0.0%\n" in run("train", write(lines(BITS)), "--threshold", 1)


@pytest.mark.parametrize("option", [[], ["--diff"]])
def test_too_short(option, write, fail, run):
    least = 10 + len(option)
    assert "is too short: it gives a series of 9, and at least 10" in fail("train", write("1\n" * (least - 1)), *option)
    assert "the last 2:" in run("train", write("1\n" * least), *option)


@pytest.mark.parametrize(
    ("ahead", "apart", "sentence"),
    [
        (0, 0, "The network does as well as the last value, and no better."),
        (0, 40, "The network does as well as the last value, and no better."),
        (9, 25, "The network has 9 more right than the last value, which chance alone may explain."),
        (10, 25, "The network has 10 more right than the last value."),
        (-9, 25, "The network has 9 fewer right than the last value, which chance alone may explain."),
        (-10, 25, "The network has 10 fewer right than the last value."),
    ],
)
def test_comparison(ahead, apart, sentence):
    assert _baselines.comparison(ahead, apart, "the last value") == sentence


def test_comparison_is_with_the_best_baseline(write, run):
    alternating = run("train", write("0\n1\n" * 50)).splitlines()
    assert alternating[-1] == "The network does as well as the opposite of the last, and no better."
    alike = run("train", write("1\n" * 100)).splitlines()
    assert alike[-1] == "The network does as well as the most frequent, and no better."
    held = [0] * 80 + [1] * 20  # the network knows zeros alone, and the last value is nearly always right
    worse = run("train", write(lines(held)))
    assert worse.endswith("The network has 19 fewer right than the last value.\n")
    doubled = run("train", write("0\n0\n1\n1\n" * 50), "--season", 4).splitlines()
    assert "  the value 4 before        100.0%  40 of 40" in doubled


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lr", "-1"], "argument --lr: must not be negative, and it is -1"),
        (["--lr", "nan"], "argument --lr: must be a finite number, not 'nan'"),
        (["--lr", "fast"], "argument --lr: must be a finite number, not 'fast'"),
        (["--epochs", "1.5"], "argument --epochs: must be a whole number, 0 or more, not '1.5'"),
        (["--epochs", "-1"], "argument --epochs: must be a whole number, 0 or more, not '-1'"),
        (["--epochs", "9" * 40], f"argument --epochs: must have at most 18 digits, and it is {'9' * 40}"),
        (["--epochs", "9" * 5000], "argument --epochs: must have at most 18 digits, and it is 999"),
        (["--seed", "9" * 5000], "argument --seed: must have at most 18 digits, and it is 999"),
        (["--lr", "9" * 5000], "argument --lr: must be a finite number, not '999"),
        (["--threshold", "-" + "9" * 5000], "argument --threshold: must be a finite number, not '-999"),
        (["--seed", "x"], "argument --seed: must be a whole number, 0 or more, not 'x'"),
        (["--threshold", "inf"], "argument --threshold: must be a finite number, not 'inf'"),
        (["--threshold", "1", "--diff"], "not allowed with argument"),
        (["--ep", "1"], "unrecognized arguments: --ep"),
    ],
)
def test_bad_options(arguments, message, write, fail):
    assert message in fail("train", write(lines(BITS)), *arguments)


def test_usage_errors(fail):
    assert fail("train") == "the following arguments are required: FILE (see fastrnn train --help)"
    assert "--model" in fail("predict", "series.csv")
    assert "'frob'" in fail("frob")


def test_diverging(write, fail, monkeypatch):
    def diverge(*_arguments, **_options):
        raise OverflowError("training diverged at epoch 0, step 3")

    monkeypatch.setattr(SimpleRNN, "train", diverge)
    assert fail("train", write(lines(BITS))) == "training diverged at epoch 0, step 3"


# ---- learning numbers ----


def hare(length=120, seed=4, depends=0.0):
    """Numbers that swing with a period of 12, and what moves them a step later."""
    source = random.Random(seed)
    moves = [source.gauss(0, 1) for _ in range(length)]
    values = [20 + 5 * math.sin(math.pi * t / 6) + source.gauss(0, 0.5) for t in range(length)]
    return [round(v + depends * m, 3) for v, m in zip(values, [0.0, *moves[:-1]], strict=True)], moves


def table(**columns):
    rows = zip(*columns.values(), strict=True)
    return "".join(",".join(map(str, row)) + "\n" for row in [[*columns], *rows])


def months(count, start=2001):
    return [f"{start + i // 12}-{i % 12 + 1:02}" for i in range(count)]


def learnt(values, *others, counted=None, **options):
    """The network that the command is to make, and what it predicts of the last fifth."""
    held, length = len(values) // 5, len(values)
    known = length - held
    cut = known - known // 5
    rows = [list(row) for row in zip(values, *others, strict=True)]
    made = {"hidden_size": 16, "cell": "gru", "window": 32, "optimizer": "adam", "lr": 0.01, "epochs": 500}
    made |= {"patience": 50, "standardize": True, "seed": 0} | options
    network = RNN(**made, input_size=len(rows[0]))
    x, y, counted = rows[: known - 1], values[1:known], counted or [True] * length
    learns = [float(t < cut and counted[t]) for t in range(1, known)]
    stops = [float(t >= cut and counted[t]) for t in range(1, known)]
    network.train(x, y, sample_weight=learns, validation=(x, y, stops))
    return network, network.predict(rows[:-1])[known - 1 :]


def errors_of(report):
    found = re.findall(r"^  (.{24}) +(\S+) +(\S+)(?:  .*)?$", report.split("RMSE\n")[1], re.MULTILINE)
    return {name.strip(): (float(mae), float(rmse)) for name, mae, rmse in found}


def rounded(predicted, actual, counted=None):
    errors = [p - v for p, v, counts in zip(predicted, actual, counted or [True] * len(actual), strict=True) if counts]
    rmse = math.sqrt(sum(error * error for error in errors) / len(errors))
    return float(f"{sum(map(abs, errors)) / len(errors):.5g}"), float(f"{rmse:.5g}")


def test_report_on_numbers(write, run):
    values, _ = hare()
    path = write(table(month=months(120), hares=values))
    out = run("train", path, "--time", "month", "--season", 12, "--epochs", 40)
    network, predicted = learnt(values, epochs=40)
    report = out.splitlines()
    assert report[0] == f"{path}, column hares"
    assert report[1] == "  values           120, from 2001-01 to 2010-12"
    best = f"at their best after epoch {network.best_epoch} of {len(network.losses)}"
    assert report[2] == f"  trained on       the first 77; stopped by the next 19, {best}"
    assert report[3] == "  network          GRU of 16, window 32, adam, lr 0.01, seed 0"
    assert re.fullmatch(r"  seconds          \d+\.\d{3}", report[4])
    assert report[6] == "One step ahead, in the last 24, from 2009-01:"
    assert len({len(line) for line in report[7:11]}) == 1  # aligned
    errors = errors_of(out)
    assert [*errors] == ["the network", "the last value", "the value 12 before", "linear autoregression"]
    assert errors["the network"] == rounded(predicted, values[96:])
    assert errors["the last value"] == rounded(values[95:-1], values[96:])
    assert errors["the value 12 before"] == rounded(values[84:-12], values[96:])
    assert report[12].startswith("The network is ")
    columns = [array("d", values)]
    assert errors["linear autoregression"] == rounded(_baselines.autoregression(columns, 12, 77, 96)[0], values[96:])


def by_numpy(columns, order, start, stop, first):
    """Least squares on the last rows, fitted at start .. stop: predictions from `first` on."""
    lagged = [np.roll(column, lag) for lag in range(1, order + 1) for column in columns]
    x = np.array([np.ones(len(columns[0])), *lagged]).T
    weights = np.linalg.lstsq(x[start:stop], np.array(columns[0][start:stop]), rcond=None)[0]
    return x[first:] @ weights


@pytest.mark.parametrize(("inputs", "longest"), [(0, 32), (1, 24)])
def test_linear_autoregression(inputs, longest):
    values, moves = hare(300, depends=2.0 * inputs)
    columns = [array("d", values), array("d", moves)][: 1 + inputs]
    orders = [order for order in sorted({*_baselines.ORDERS, 12, 13}) if order <= longest]

    def loss(order):
        return np.square(by_numpy(columns, order, longest, 192, 192)[:48] - values[192:240]).sum()

    predicted, order = _baselines.autoregression(columns, 12, 192, 240)
    assert order == min(orders, key=loss)
    assert predicted == pytest.approx(by_numpy(columns, order, order, 240, 240), rel=1e-6)


def test_linear_autoregression_where_one_column_tells_as_much_as_all():
    assert _baselines.autoregression([array("d", [5.0] * 50)], None, 32, 40) == ([5.0] * 10, 0)
    sine = array("d", (math.sin(0.3 * t) for t in range(300)))
    predicted, _ = _baselines.autoregression([sine, sine], None, 192, 240)
    assert predicted == pytest.approx(sine[240:].tolist(), abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["--cell", "lstm"], {"cell": "lstm"}),
        (["--hidden-size", 3], {"hidden_size": 3}),
        (["--window", 8], {"window": 8}),
        (["--optimizer", "sgd"], {"optimizer": "sgd"}),
        (["--lr", 0.1], {"lr": 0.1}),
        (["--clip", 0.1], {"clip": 0.1}),
        (["--patience", 0], {"patience": 0}),
        (["--epochs", 3], {"epochs": 3}),
        (["--seed", 8], {"seed": 8}),
        (["--standardize"], {}),
    ],
)
def test_options_of_the_network(arguments, options, write, run, tmp_path):
    values, _ = hare()
    default, expected = learnt(values)[0], learnt(values, **options)[0]
    run("train", write(lines(values)), *arguments, "--save", tmp_path / "model")
    network = fastrnn.load(tmp_path / "model")
    assert network == expected
    assert network.losses == expected.losses
    assert network.seed == expected.seed
    assert (network != default) == bool(options)


def test_without_standardize(write, capsys, tmp_path):
    values, _ = hare()
    near, far = [value / 10 for value in values], [value + 1000 for value in values]
    assert main(["train", write(lines(near)), "--no-standardize", "--save", str(tmp_path / "model")]) == 0
    assert fastrnn.load(tmp_path / "model") == learnt(near, standardize=False)[0]
    assert capsys.readouterr().err == ""
    assert main(["train", write(lines(far)), "--no-standardize", "--epochs", "3"]) == 0
    told = capsys.readouterr().err
    assert told == "fastrnn: the numbers are far from 0 and 1, and little is learnt: leave out --no-standardize\n"


def test_inputs(write, run, fail, tmp_path):
    values, moves = hare(200, depends=8.0)
    path, model = write(table(day=range(200), move=moves, hares=values)), tmp_path / "model"
    alone = errors_of(run("train", path, "--column", "hares"))
    together = errors_of(run("train", path, "--column", "hares", "--inputs", "move", "--save", model))
    network, predicted = learnt(values, moves)
    assert fastrnn.load(model) == network
    assert together["the network"] == rounded(predicted, values[160:])
    for name in "the network", "linear autoregression":  # which is told as much
        assert together[name][1] < 0.5 * alone[name][1]
    last = run("predict", path, "--model", model, "--tail", 1).splitlines()[1]
    assert last == f"{values[-1]},{network.predict([list(row) for row in zip(values, moves, strict=True)])[-1]!r}"
    assert fail("forecast", path, "--model", model, "--steps", 1).startswith(f"{model} also needs move, of which")


def test_columns_that_cannot_be_inputs(write, fail):
    values, moves = hare(40)
    path = write(table(day=range(40), move=moves, hares=values))
    told = fail("train", path, "--column", 3, "--inputs", "move,snow")
    assert told.endswith(
        "has no column snow, only 1 (day), 2 (move), 3 (hares). Choose one with --inputs, by name or by number"
    )
    for twice in ["--inputs", "hares"], ["--inputs", "move,2"], ["--inputs", "day", "--time", "day"], ["--time", 3]:
        assert "must be different columns" in fail("train", path, "--column", "hares", *twice)
    assert "--column all has no place" in fail("train", path, "--column", "all", "--inputs", "move")


def test_other_columns_leave_one(write, run):
    values, moves = hare(40)
    path = write(table(day=range(40), move=moves, hares=values))
    assert ", column hares\n" in run("train", path, "--time", 1, "--inputs", 2, "--epochs", 2)


def test_season(write, run, fail):
    path = write(lines(hare()[0]))
    assert "the value 12 before" not in run("train", path, "--epochs", 2)
    assert "the value 12 before" in run("train", path, "--epochs", 2, "--season", 12)
    assert fail("train", path, "--season", 97) == "--season 97 is too long: 96 values are learnt from"
    assert fail("train", path, "--season", 0).startswith("argument --season: must be at least 1, and it is 0")


@pytest.mark.parametrize("option", [["--diff"], []])
def test_white_noise_is_no_finding(option, write, run):
    """Of 20 seeds chance lets one pass, or two."""
    findings = 0
    for seed in range(20):
        source = random.Random(seed)
        out = run("train", write(lines(source.gauss(0, 1) for _ in range(400))), *option, "--epochs", 60)
        said = next(line for line in out.splitlines() if line.startswith("The network "))
        findings += (" more right " in said or "% better" in said) and "chance" not in said
        if option:
            network, opposite = (
                float(re.search(rf"{name} +([\d.]+)%", out)[1]) for name in ("the network", "the opposite of the last")
            )
            assert opposite > 55 > 100 - opposite
            assert network < opposite + 6
            assert out.endswith("(Of numbers drawn by chance the opposite of the last is right two times in three.)\n")
    assert findings <= 2


@pytest.mark.parametrize(
    ("ours", "theirs", "sentence"),
    [
        ([1.0] * 40, [2.0] * 40, "The network is 50 % better than the mean (RMSE)."),
        (
            [2.0, 2.0, 1.0],
            [1.0, 2.0, 2.1],
            "The network is 2.2 % better than the mean (RMSE), which chance alone may explain.",
        ),
        ([1.0, 1.0], [1.0, 1.0], "The network is no better than the mean."),
        ([0.0], [0.0], "The network is no better than the mean."),
        ([1e-9], [0.0], "The network is no better than the mean."),
        ([2.0] * 9, [1.0] * 9, "The network is no better than the mean: its RMSE is 100 % larger."),
        ([1.025] * 9, [1.0] * 9, "The network is no better than the mean: its RMSE is 2.5 % larger."),
    ],
)
def test_gain(ours, theirs, sentence):
    assert _baselines.gain(ours, theirs, "the mean") == sentence


def test_numbers_beyond_all_that_was_learnt(write, run):
    """A network does not go on with a trend, and the report says why."""
    assert "(24 of these 24 lie outside all that it has learnt from" in run("train", write(lines(range(120))))
    assert "lie outside" not in run("train", write(lines(hare()[0])))


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (lines(range(19)), [], "is too short: it gives a series of 19, and at least 20 are needed"),
        (lines(range(99)), ["--epochs", "1"], "--epochs must be at least 2 for numbers"),
        (lines(range(99)), ["--hidden-size", "0"], "argument --hidden-size: must be at least 1, and it is 0"),
        (lines(range(99)), ["--hidden-size", "9" * 12], "hidden_size, input_size and output_size are too large"),
        (lines(range(99)), ["--cell", "x"], "argument --cell: invalid choice: 'x'"),
        (lines(range(99)), ["--clip", "0"], "argument --clip: must be positive, and it is 0"),
        (lines(range(99)), ["--lr", "1e300"], "training diverged at epoch 0"),
        (lines([1e308, -1e308] * 20), [], "too large to be standardized"),
        (
            lines(BITS),
            ["--cell", "gru"],
            "--cell is for forecasts of numbers: 0 and 1 are learnt with --epochs, --lr, --seed",
        ),
        ("a,b\n" + "1,0\n" * 30, ["--column", "b", "--inputs", "a"], "--inputs is for forecasts of numbers"),
        (lines(range(99)), ["--diff", "--no-standardize"], "--standardize is for forecasts of numbers"),
    ],
)
def test_numbers_that_cannot_be_learnt(content, arguments, message, write, fail):
    assert message in fail("train", write(content), *arguments)


def test_numbers_that_find_no_memory(write, fail, monkeypatch):
    def train(*_arguments, **_options):
        raise MemoryError

    monkeypatch.setattr(RNN, "train", train)
    assert fail("train", write(lines(range(99)))) == "there is not enough memory for this"


# ---- gaps, separators, times ----


@pytest.mark.parametrize(
    ("missing", "values", "filled"),
    [
        ("drop", [1.0, 4.0, 5.0, 7.0], [0, 0, 0, 0]),
        ("ffill", [1.0, 1.0, 1.0, 4.0, 5.0, 5.0, 7.0], [0, 1, 1, 0, 0, 1, 0]),
        ("interpolate", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], [0, 1, 1, 0, 0, 1, 0]),
    ],
)
def test_missing(missing, values, filled, write):
    path = write("day,temp\na,1\nb,\nc,NA\nd,4\ne,5\nf,n/a\ng,7\n")
    series = _series.read_series(path, time="day", form=_series.Form(missing))
    assert series.values.tolist() == values
    assert [*series.filled] == filled
    assert series.times == list("adeg" if missing == "drop" else "abcdefg")


@pytest.mark.parametrize(
    ("content", "missing", "message"),
    [
        (
            "day,temp\na,\nb,1\nc,2\n",
            "ffill",
            "column temp begins with a gap, and nothing stands before it: --missing drop",
        ),
        ("day,temp\na,\nb,1\nc,2\n", "interpolate", "column temp begins with a gap"),
        ("day,temp\na,1\nb,2\nc,\n", "interpolate", "column temp ends with a gap, and nothing stands after it"),
        ("day,temp\na,1\nb,2\nc,two\n", "drop", ":4: column temp is 'two', not a number"),
        ("day,temp\na,1\nb,2\nc,inf\n", "ffill", ":4: column temp is 'inf', not a number"),
        ("day,temp\n" + "a,0\nb,\nc,1\n" * 9, "interpolate", "is not a series of 0 and 1"),
        ("day,temp\na,1\n", "zero", "argument --missing: invalid choice: 'zero'"),
    ],
)
def test_gaps_that_cannot_be_filled(content, missing, message, write, fail):
    assert message in fail("train", write(content), "--column", "temp", "--missing", missing)


def test_what_fills_a_gap_does_not_count(write, run, fail, tmp_path):
    """A line drawn through a gap would tell the value after it."""
    values, _ = hare()
    gaps = [*range(10, 119, 10)]
    drawn = [values[t - 1] + (values[t + 1] - values[t - 1]) * 0.5 if t in gaps else values[t] for t in range(120)]
    counted = [t not in gaps and t - 1 not in gaps for t in range(120)]
    path = write(table(day=range(120), hares=["" if t in gaps else v for t, v in enumerate(values)]))
    arguments = ["train", path, "--column", "hares"]
    out = run(*arguments, "--missing", "interpolate", "--save", tmp_path / "model")
    network, predicted = learnt(drawn, counted=counted)
    assert fastrnn.load(tmp_path / "model") == network
    assert errors_of(out)["the network"] == rounded(predicted, drawn[96:], counted[96:])
    assert "  values           120, 11 of them filled in, which do not count\n" in out
    assert "--missing drop, ffill or interpolate" in fail(*arguments)
    bits = table(day=range(120), up=["" if t % 10 == 9 else bit for t, bit in enumerate(BITS)])
    assert " of 19\n" in run("train", write(bits), "--column", "up", "--missing", "ffill")  # of 24
    lonely = table(day=range(40), x=[t if t % 2 else "" for t in range(1, 41)])
    assert "so many gaps that nothing is left" in fail("train", write(lonely), "--column", "x", "--missing", "ffill")
    late = table(day=range(40), x=[t if t < 31 else "" for t in range(40)])
    assert "nothing is left to measure on" in fail("train", write(late), "--column", "x", "--missing", "ffill")
    early = table(day=range(40), x=[t if t in (0, *range(26, 40)) else "" for t in range(40)])
    assert "nothing is left to learn from" in fail("train", write(early), "--column", "x", "--missing", "ffill")


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ("1.5|a\n-2|b\n3e4|c\n", {"sep": "|"}),
        ("1.5,1;2\n-2,1;3\n3e4,2;4\n", {"sep": ","}),
        ("1.5 a,b\n-2 c\n3e4 d,e\n", {"sep": " "}),
        ("1,5\n-2\n3e4\n", {"decimal": ","}),
        ("1,5 a\n-2 b\n3e4 c\n", {"decimal": ","}),
        ('"1,5",a\n"-2",b\n"3e4",c\n', {"sep": ",", "decimal": ","}),
        ("1.5;a\n-2;b\n3e4;c\n", {"decimal": "."}),
    ],
)
def test_forms(content, form, write):
    assert _series.read_series(write(content), "1", form=_series.Form(**form)).values.tolist() == NUMBERS


def test_sep_and_decimal(write, run, fail):
    values = [v / 8 for v in range(200, 260)]
    comma = lines(f"x|{str(v).replace('.', ',')}" for v in values)
    model = write("", "model")
    plain = run("train", write(lines(values)), "--epochs", 2, "--save", model)
    for name, mark in ("|", "|"), ("tab", "\t"), ("space", " "), (";", ";"):
        told = ["--sep", name, "--decimal", ","]
        path = write(comma.replace("|", mark), "marked.csv")
        assert steady(run("train", path, *told, "--epochs", 2))[1:] == steady(plain)[1:-2]
        assert run("predict", path, *told, "--column", 2, "--model", model).count("\n") == 61
        assert run("forecast", path, *told, "--column", 2, "--model", model, "--steps", 2).count("\n") == 3
    assert "not a number" in fail("train", write(comma), "--sep", "|", "--column", 2)
    assert ":2: the value is '1.500', not a number" in fail("train", write("2,5\n1.500\n"), "--decimal", ",")
    for wrong in "", "ab", "1", '"':
        assert "argument --sep: must be one character, tab or space" in fail("train", write(comma), "--sep", wrong)
    assert "argument --decimal: invalid choice: ';'" in fail("train", write(comma), "--decimal", ";")


@pytest.mark.parametrize(
    ("times", "following"),
    [
        ("1 2 3", "4 5"),
        ("0.1 0.2 0.3", "0.4 0.5"),
        ("-10 -5", "0 5"),
        ("1.50 1.75", "2.00 2.25"),
        ("1960-10 1960-11", "1960-12 1961-01"),
        ("2023-10-01 2023-11-01 2023-12-01", "2024-01-01 2024-02-01"),
        ("2023-11-15 2023-12-15", "2024-01-15 2024-02-15"),
        ("2023-12-31 2024-01-31", "2024-02-29 2024-03-31"),
        ("2023-06-30 2023-09-30 2023-12-31", "2024-03-31 2024-06-30"),
        ("2022-02-28 2023-02-28", "2024-02-28 2025-02-28"),
        ("2024-02-26 2024-02-27 2024-02-28", "2024-02-29 2024-03-01"),
        ("2024-02-15 2024-02-22", "2024-02-29 2024-03-07"),
        ("2024-01-01T22:00 2024-01-01T23:00", "2024-01-02T00:00 2024-01-02T01:00"),
        ("2024-01-01T23:59:58Z 2024-01-01T23:59:59Z", "2024-01-02T00:00:00Z 2024-01-02T00:00:01Z"),
        ("2024-01-01T00:00+01:00 2024-01-01T00:30+01:00", "2024-01-01T01:00+01:00 2024-01-01T01:30+01:00"),
        ("2024-01-01T00:00:00.250 2024-01-01T00:00:00.500", "2024-01-01T00:00:00.750 2024-01-01T00:00:01.000"),
        ("2024-01-01T12:00 2024-02-01T12:00", "2024-03-01T12:00 2024-04-01T12:00"),
        ("2024-01-01T00 2024-01-01T01", "2024-01-01T02:00:00 2024-01-01T03:00:00"),
    ],
)
def test_times_go_on(times, following):
    assert _times.go_on(times.split(), 2, "x") == following.split()
    spaced = [time.replace("T", " ") for time in times.split()]
    assert _times.go_on(spaced, 2, "x") == [time.replace("T", " ") for time in following.split()]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ("1 2 4 5", "x does not go on regularly: after 2 comes 4, and"),
        ("1 3 4 5", "x does not go on regularly: after 1 comes 3, and at the end after 4 5. Give --time rows"),
        ("2024-01-05 2024-01-08 2024-01-09", "after 2024-01-05 comes 2024-01-08, and at the end after 2024-01-08"),
        ("2024-01-01 2024-02-01 2024-03-02", "x does not go on regularly: after 2024-01-01 comes 2024-02-01"),
        ("3 2 1", "x does not go forward: after 2 comes 1. Sort the file by it"),
        ("2 2", "x does not go forward: after 2 comes 2"),
        ("2024-01-02 2024-01-01", "x does not go forward"),
        ("2024-02 2024-01", "x does not go forward"),
        ("1", "x has one time, and it takes two"),
        ("1/2/2024 1/3/2024", "x has '1/2/2024', and only numbers and ISO dates (2026-01-31) go on"),
        ("2024-01-01 2024-02-30", "x has '2024-02-30', and only"),
        ("2024-W01-1 2024-W01-2", "x has '2024-W01-1', and only"),
        ("1 nan", "x has 'nan', and only"),
        ("1 2024-01-01", "x mixes numbers, dates and datetimes"),
        ("2024-01-01T00:00 2024-01-01T01:00Z", "x mixes numbers, dates and datetimes, with and without time zones"),
        ("9999-11 9999-12", "x would go beyond the year 9999"),
        ("9999-12-30 9999-12-31", "x would go beyond the year 9999"),
    ],
)
def test_times_that_do_not_go_on(times, message):
    with pytest.raises(_series.Problem) as problem:
        _times.go_on(times.split(), 2, "x")
    assert message in str(problem.value)


# ---- forecast, predict and show, of networks for numbers ----


@pytest.fixture
def hares(write, run, tmp_path):
    """A series of 120 months, and what the command has learnt of it."""
    values, _ = hare()
    path, model = write(table(month=months(120), hares=values)), tmp_path / "model"
    run("train", path, "--time", "month", "--season", 12, "--epochs", 20, "--save", model)
    return path, model, values


def test_forecast(hares, write, run, fail):
    path, model, values = hares
    out = run("forecast", path, "--model", model, "--steps", 14).splitlines()
    assert out[0] == "time,value"
    expected = zip(months(14, 2011), fastrnn.load(model).generate(values, 14), strict=True)
    assert out[1:] == [f"{month},{value!r}" for month, value in expected]
    rows = run("forecast", path, "--model", model, "--steps", 2, "--time", "rows").splitlines()
    assert rows[1:] == [f"{time},{line.split(',')[1]}" for time, line in zip(("121", "122"), out[1:3], strict=True)]
    other = write(table(month=months(120), wolves=values), "wolves.csv")
    assert "has no column hares, only" in fail("forecast", other, "--model", model, "--steps", 2)
    assert run("forecast", other, "--model", model, "--steps", 14, "--column", "wolves").splitlines() == out


def test_forecasts_that_cannot_be(hares, write, fail):
    path, model, values = hares
    irregular = write(table(month=[*months(60), *months(60, 2007)], hares=values), "irregular.csv")
    told = fail("forecast", irregular, "--model", model, "--steps", 1)
    assert "column month does not go on regularly: after " in told
    assert "argument --steps: must be at least 1" in fail("forecast", path, "--model", model, "--steps", 0)
    assert "--steps 999999999 is too many" in fail("forecast", path, "--model", model, "--steps", "9" * 9)
    told = fail("forecast", path, "--model", model, "--steps", 1, "--time", "year")
    assert told.endswith(
        "only 1 (month), 2 (hares). Choose one with --time, by name or by number, or with --time rows none"
    )


def test_forecast_needs_a_network_that_feeds_back(write, run, fail, saved):
    path = write(lines(SERIES))
    network = from_python(cell="gru")
    out = run("forecast", path, "--model", saved(None, network=network), "--steps", 3).splitlines()
    assert out[1:] == [f"{6 + i},{value!r}" for i, value in enumerate(network.generate(SERIES, 3))]
    bits = write(lines(BITS), "bits.csv")
    told = fail("forecast", bits, "--model", saved(), "--steps", 3)
    assert told.endswith("tells 0 from 1, one step ahead: fastrnn predict --tail 1 gives that step")
    model = saved(None, network=from_python(output_size=2))
    assert "generate() feeds predictions back" in fail("forecast", path, "--model", model, "--steps", 3)


def test_networks_that_were_never_trained(write, fail, saved, capsys):
    path, model = write(lines(SERIES)), saved(None, network=RNN(2, standardize=True))
    assert "call train() first" in fail("forecast", path, "--model", model, "--steps", 3)
    assert main(["predict", path, "--model", model]) == 2
    assert "call train() first" in capsys.readouterr().err


def test_predict_keeps_times_and_values(hares, run):
    path, model, values = hares
    out = run("predict", path, "--model", model).splitlines()
    predicted = fastrnn.load(model).predict(values)
    assert out[0] == "time,value,predicted"
    assert out[1:] == [f"{m},{v},{p!r}" for m, v, p in zip(months(120), values, predicted, strict=True)]
    for tail in 0, 1, 7, 120, 999:
        last = run("predict", path, "--model", model, "--tail", tail).splitlines()
        assert last == [out[0], *out[121 - min(tail, 120) :]]
    rows = run("predict", path, "--model", model, "--time", "rows", "--tail", 1).splitlines()
    assert rows == ["value,predicted", out[-1].split(",", 1)[1]]


def test_predict_keeps_times_of_what_rose(write, run, tmp_path):
    days = [f'"day {i}, x"' for i in range(120)]
    path, model = write(table(day=days, up=BITS)), tmp_path / "model"
    run("train", path, "--column", "up", "--time", "day", "--diff", "--save", model)
    rows = [*csv.reader(run("predict", path, "--model", model).splitlines())]
    assert rows[0] == ["time", "value", "probability", "predicted"]
    assert [row[0] for row in rows[1:]] == [f"day {i}, x" for i in range(1, 120)]
    assert [row[1] for row in rows[1:]] == [str(int(b > a)) for a, b in pairwise(BITS)]


def test_predict_fills_gaps(hares, write, run, fail):
    _, model, values = hares
    path = write(table(month=months(3), hares=[values[0], "", values[2]]))
    assert "--missing" in fail("predict", path, "--model", model)
    out = run("predict", path, "--model", model, "--missing", "ffill").splitlines()
    assert out[2].startswith(f"2001-02,{values[0]},")
    assert len(run("predict", path, "--model", model, "--missing", "drop").splitlines()) == 3


def test_show(hares, run, fail, saved):
    path, model, values = hares
    network = fastrnn.load(model)
    facts = {line[2:16].strip(): line[16:] for line in run("show", model).splitlines()[1:]}
    assert facts["network"] == repr(network)
    assert facts["parameters"] == "897, for 1 in and 1 out a step"
    assert facts["inputs"] == f"{np.mean(values[:76]):.6g} ± {np.std(values[:76]):.6g}"
    assert facts["targets"] == f"{np.mean(values[1:77]):.6g} ± {np.std(values[1:77]):.6g}"
    assert facts["trained"] == f"20 epochs, loss {network.losses[0]:.6g} at first, {network.losses[-1]:.6g} at last"
    best = f"{network.validation_losses[network.best_epoch]:.6g} after epoch {network.best_epoch}, which is kept"
    assert facts["validation"] == f"loss {network.validation_losses[0]:.6g} at first, {best}"
    told = [facts[name] for name in ("column", "time", "season", "values")]
    assert told == ["hares", "month", "12 values", "as they are"]
    assert "it is no safetensors file" in fail("show", path)
    bits = run("show", saved((None, None, [], None, 1.5, False)))
    assert "  network       SimpleRNN(" in bits
    assert "  trained       0 epochs\n  column        the only one\n  values        a value above 1.5 is a 1\n" in bits
    python = run("show", saved(None, network=RNN(2, input_size=3, standardize=True)))
    assert "  inputs        not known yet\n" in python
    assert "  series        none: it was saved from Python\n" in python


# ---- pictures ----

PNG = b"\x89PNG\r\n\x1a\n"


def test_plot(hares, write, run, fail, tmp_path):
    pytest.importorskip("matplotlib")
    path, model, _ = hares
    pictures = [tmp_path / f"{i}.png" for i in range(3)]
    out = run("train", path, "--time", "month", "--epochs", 2, "--plot", pictures[0])
    assert out.endswith(f"\n\nDrawn as {pictures[0]}\n")
    out = run("forecast", path, "--model", model, "--steps", 12, "--plot", pictures[1])
    assert out == run("forecast", path, "--model", model, "--steps", 12)
    column = "$\\odd{ \u4e2d \x1b"  # no mathematics, and letters that the font lacks
    run("train", write(table(**{column: BITS}), "odd.csv"), "--diff", "--epochs", 1, "--plot", pictures[2])
    shown = [picture.read_bytes() for picture in pictures]
    assert all(picture.startswith(PNG) for picture in shown)
    assert len({*shown}) == 3
    for name, told in ("x.pdf", "must be a name that ends with .png"), ("no/x.png", "its directory is not there"):
        assert told in fail("train", path, "--plot", tmp_path / name)
        assert told in fail("forecast", path, "--model", model, "--steps", 1, "--plot", tmp_path / name)


def test_what_is_drawn(hares, run, monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    path, model, values = hares
    drawn = []
    monkeypatch.setattr("fastrnn._plots.draw", lambda *arguments: drawn.append(arguments[-1]))
    run("train", path, "--time", "month", "--epochs", 20, "--plot", tmp_path / "x.png")
    run("forecast", path, "--model", model, "--steps", 3, "--plot", tmp_path / "x.png")
    x, y, _ = drawn[0]["value"]
    assert (x[0], x[-1], y) == (date(2009, 1, 1), date(2010, 12, 1), values[96:])
    assert drawn[0]["network"][1] == learnt(values, epochs=20)[1]
    assert len(drawn[0]) == 3  # the third is the best of the simple ways
    x, y, _ = drawn[1]["forecast"]
    following = fastrnn.load(model).generate(values, 3)
    assert (x[0], x[-1], y) == (date(2010, 12, 1), date(2011, 3, 1), [values[-1], *following])
    assert drawn[1]["value"][1] == values[-50:]


def test_plot_without_matplotlib(hares, fail, monkeypatch, tmp_path):
    path, model, _ = hares
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for command in ["train"], ["forecast", "--model", model, "--steps", 1]:
        told = fail(command[0], path, *command[1:], "--plot", tmp_path / "x.png")
        assert told == "--plot needs matplotlib: pip install matplotlib"


# ---- models ----


def test_saved_networks_are_exact(write, run, tmp_path):
    path, model = write("day,temp\n" + "".join(f"x,{value}\n" for value in BITS)), tmp_path / "model.safetensors"
    out = run("train", path, "--threshold", 0.1, "--epochs", 9, "--lr", 0.7, "--seed", 3, "--save", model)
    assert out.endswith(f"\n\nSaved as {model}\n")
    network, loss, *_ = expected_report(BITS, epochs=9, lr=0.7, seed=3)
    loaded = fastrnn.load(model)
    assert [getattr(loaded, name) for name in (*WEIGHTS, "lr", "epochs", "seed")] == [
        getattr(network, name) for name in (*WEIGHTS, "lr", "epochs", "seed")
    ]
    assert loaded.losses[-1] == loss
    assert _models.load(str(model)) == (loaded, ("temp", None, [], None, 0.1, False))
    loaded.learn(0, 1)
    loaded.save(model)
    assert _models.load(str(model)) == (loaded, ("temp", None, [], None, 0.1, False))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.safetensors", "series.csv"]


def predictions(out):
    header, *rows = out.splitlines()
    assert header == "value,probability,predicted"
    return [(int(value), float(p), int(predicted)) for value, p, predicted in (row.split(",") for row in rows)]


@pytest.mark.parametrize(
    ("option", "turn"),
    [
        ([], lambda values: values),
        (["--threshold", "0.5"], lambda values: [int(v > 0.5) for v in values]),
        (["--diff"], lambda values: [int(b > a) for a, b in pairwise(values)]),
    ],
)
def test_predict(option, turn, write, run, tmp_path):
    model = tmp_path / "model.safetensors"
    run("train", write("day,up\n" + "".join(f"x,{value}\n" for value in BITS)), *option, "--save", model)
    other = [1, 0, 0, 1, 1, 1, 0, 1]
    rows = predictions(run("predict", write("up,down\n" + "".join(f"{v},7\n" for v in other)), "--model", model))
    network = fastrnn.load(model)
    network.reset()
    expected = [(value, network.step(value)) for value in turn(other)]
    assert rows == [(value, p, round(p)) for value, p in expected]


def test_predict_another_column(write, run, fail, tmp_path):
    model = tmp_path / "model.safetensors"
    run("train", write("up\n" + lines(BITS)), "--save", model)
    path = write("5,1\n6,0\n")
    assert "has no column up, only 1, 2" in fail("predict", path, "--model", model)
    assert [row[0] for row in predictions(run("predict", path, "--model", model, "--column", 2))] == [1, 0]


def test_predict_needs_values(write, fail, saved, tmp_path):
    model = saved()
    rising = saved((None, None, [], None, None, True), "rising.safetensors")
    assert "is not a series of 0 and 1" in (message := fail("predict", write("0.5\n1\n"), "--model", model))
    assert message.endswith(f"{model} was trained on one")
    assert "too few numbers" in fail("predict", write("0.5\n"), "--model", rising)
    assert "cannot read" in fail("predict", write("1\n"), "--model", tmp_path / "none.safetensors")
    assert "from standard input: --model needs the name" in fail("predict", write("1\n"), "--model", "-")


def test_predict_in_a_pipe(saved):
    done = process("predict", "-", "--model", saved(), input="0\n1\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert [row[0] for row in predictions(done.stdout)] == [0, 1]


SERIES = [0.5, 1.0, -2.25, 1e16, 3.0]
ROWS = ["0.5", "1", "-2.25", "1e+16", "3"]  # as they are printed


def from_python(**options):
    network = fastrnn.RNN(3, seed=2, **options)
    network.step([0.5] * network.input_size)  # what it has seen before is of no concern
    return network


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({}, "predicted"),
        ({"cell": "gru", "output_size": 2}, "predicted_0,predicted_1"),
        ({"output": "sigmoid"}, "probability,predicted"),
        ({"output": "sigmoid", "output_size": 2}, "probability_0,probability_1,predicted_0,predicted_1"),
        ({"output": "softmax", "output_size": 3}, "probability_0,probability_1,probability_2,predicted"),
    ],
)
def test_predict_with_a_network_from_python(options, header, write, run, saved):
    network = from_python(**options)
    first, *rows = run("predict", write(lines(SERIES)), "--model", saved(None, network=network)).splitlines()
    assert first == "value," + header

    def row(values):
        return [*values] if isinstance(values, list) else [values]

    proba = network.predict_proba(SERIES) if network.output != "linear" else [[]] * len(SERIES)
    predicted = network.predict(SERIES)
    expected = [[value, *row(p), *row(y)] for value, p, y in zip(ROWS, proba, predicted, strict=True)]
    assert [line.split(",") for line in rows] == [[str(value) for value in line] for line in expected]


def test_predict_with_a_simple_network_from_python(write, run, saved):
    """Its numbers need not be 0 and 1."""
    network = SimpleRNN(seed=2)
    first, *rows = run("predict", write(lines(SERIES)), "--model", saved(None, network=network)).splitlines()
    assert first == "value,probability,predicted"
    expected = zip(ROWS, network.predict_proba(SERIES), network.predict(SERIES), strict=True)
    assert [tuple(line.split(",")) for line in rows] == [tuple(map(str, line)) for line in expected]


def test_predict_with_several_numbers_a_step(write, fail, saved):
    model = saved(None, network=from_python(input_size=2))
    told = fail("predict", write(lines(SERIES)), "--model", model)
    assert told == f"{model} takes 2 numbers a step, and a series has one: use it from Python"


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such error of its own for a closed pipe")
def test_predict_into_a_pipe_that_closes(write, saved, tmp_path):
    model = saved()
    many = write("0\n1\n" * 50_000)
    command = [sys.executable, "-m", "fastrnn", "predict", many, "--model", model]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as child:
        assert child.stdout.readline().startswith(b"value,probability,predicted")
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_results_that_cannot_be_written(write):
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "fastrnn", "train", write(lines(BITS))]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert re.fullmatch(rb"fastrnn: cannot write the results: [^\n]+\n", done.stderr)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("", "it is no safetensors file, or cut short"),
        (b"\xff" * 9, "it is no safetensors file, or cut short"),
        (
            '{\n  "format": "fastrnn model",\n  "version": 1\n}\n',
            "it is JSON, a form that is not read any more: train once",
        ),
    ],
)
def test_bad_models(model, message, write, fail):
    """How files of all kinds are told from models is in test_files.py."""
    path = write(model, "model.safetensors")
    told = fail("predict", write("1\n"), "--model", path)
    assert told.startswith(f"cannot load {path}: {message}")


def test_a_folder_is_no_model(write, fail, tmp_path):
    assert fail("predict", write("1\n"), "--model", tmp_path) == f"cannot load {tmp_path}: it is not a file"


@pytest.mark.parametrize(
    "series",
    [
        "temp",
        [None, None],
        [2, None, [], None, None, False],
        [None, 2, [], None, None, False],
        [None, None, "", None, None, False],
        [None, None, ["rain"], None, None, False],
        [None, None, [], 1.0, None, False],
        [None, None, [], True, None, False],
        [None, None, [], None, "x", False],
        [None, None, [], None, 1, False],
        [None, None, [], None, None, 0],
        [None, None, [], None, 1.0, True],
    ],
    ids=repr,
)
def test_bad_rules(series, write, fail, saved):
    network = SimpleRNN(seed=1)
    network._series = series
    model = saved(None, network=network)
    told = fail("predict", write("1\n"), "--model", model)
    assert told == f"cannot load {model}: it does not tell rightly how a file becomes its series"


def test_save_only_where_it_can_be_written(write, fail, tmp_path, monkeypatch):
    """It is told before the training."""

    def train(*_arguments, **_options):
        raise AssertionError

    monkeypatch.setattr(SimpleRNN, "train", train)
    path = write(lines(BITS))
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert "its directory is not there" in fail("train", path, "--save", tmp_path / "none" / "model.safetensors")
    assert "it is not a file" in fail("train", path, "--save", tmp_path / "folder")
    assert "it is not a file" in fail("train", path, "--save", os.devnull)
    assert "it is the series itself" in fail("train", path, "--save", path)
    assert "standard output: --save needs the name" in fail("train", path, "--save", "-")
    there = os.open

    def refuse(name, flags, *mode):
        if str(name).endswith(".tmp"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
        return there(name, flags, *mode)

    monkeypatch.setattr(os, "open", refuse)
    model = tmp_path / "model.safetensors"
    assert fail("train", path, "--save", model) == f"cannot write {model}: {os.strerror(errno.EACCES)}"
    assert sorted(tmp_path.rglob("*")) == before
    assert Path(path).read_text() == lines(BITS)


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_failed_save_leaves_the_old_model(broken, write, fail, tmp_path, monkeypatch):
    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    path, model = write(lines(BITS)), write("the old one", "model.safetensors")
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(os, broken, full)
    assert fail("train", path, "--save", model) == f"cannot write {model}: No space left on device"
    assert sorted(tmp_path.iterdir()) == before
    assert Path(model).read_text() == "the old one"


def test_save_to_a_long_name(write, run, fail, tmp_path):
    path, model = (
        write(lines(BITS)),
        tmp_path / (243 * "x" + ".safetensors"),
    )  # 255 characters are what most systems allow
    assert f"Saved as {tmp_path}" in run("train", path, "--epochs", 1, "--save", model)
    assert _models.load(str(model))[0].epochs == 1
    assert fail("train", path, "--save", tmp_path / (300 * "x")).endswith("x: " + os.strerror(errno.ENAMETOOLONG))


def test_save_replaces_the_old_model(write, run):
    path, model = write(lines(BITS)), write("the old one", "model.safetensors")
    run("train", path, "--save", model)
    assert _models.load(model)[0].epochs == 100


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege on Windows")
def test_save_through_a_link(write, run, tmp_path):
    path, model = write(lines(BITS)), write("the old one", "model.safetensors")
    link = tmp_path / "link.safetensors"
    link.symlink_to(model)
    run("train", path, "--epochs", 3, "--save", link)
    assert link.is_symlink()
    assert _models.load(model)[0].epochs == 3


# ---- terminals, encodings and Ctrl-C ----


def on_a_terminal(path):
    """What a training of 21 epochs shows on standard error, where that is a terminal, and what it prints."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "fastrnn", "train", path, "--epochs", "21"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, check=False)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert done.returncode == 0
    return shown, done.stdout


def test_progress_only_on_a_terminal(write):
    path = write(lines(BITS))
    assert process("train", path).stderr == ""
    shown, printed = on_a_terminal(path)
    losses = re.findall(r"\rEpoch (\d+): Loss = \d+\.\d{4}, \d+ s left *", shown)
    assert losses == ["0", "10", "20"]
    assert shown.endswith("\r" + " " * 60 + "\r")  # wiped out at the end
    assert "\n" not in shown
    assert b"Epoch" not in printed


def test_names_that_the_terminal_cannot_show(write, tmp_path):
    path = write("Außen,Δ\nx,1\n" + "x,0\n" * 20)
    done = process("train", path, cwd=tmp_path, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert ", column \\u0394" in done.stdout


HOSTILE = "\x1b[31mred\x1b]2title\x07\x9b5m\x7f\u202e"
ESCAPED = r"\x1b[31mred\x1b]2title\x07\x9b5m\x7f\u202e"


def test_what_could_steer_a_terminal_is_shown(write, run, fail, tmp_path):
    series = "\n".join(f"x,{bit},1" for bit in BITS)
    path = write(f"day,{HOSTILE},rain\n{series}\n")
    header = json.dumps({"__metadata__": {"format": "fastrnn", "version": HOSTILE}}).encode()
    model = write(len(header).to_bytes(8, "little") + header, "model.safetensors")
    saved = tmp_path / "\x1b[31m.safetensors" if os.name == "posix" else tmp_path / "saved.safetensors"
    out = run("train", path, "--column", HOSTILE, "--epochs", 1, "--save", saved)
    assert f", column {ESCAPED}\n" in out
    assert out.endswith("\\x1b[31m.safetensors\n" if os.name == "posix" else "saved.safetensors\n")
    assert _models.load(str(saved))[1].column == HOSTILE
    assert f"has several columns of numbers: 2 ({ESCAPED}), 3 (rain)" in fail("train", path)
    assert f"has no column {HOSTILE}x".encode("unicode_escape").decode() in fail(
        "train", path, "--column", HOSTILE + "x"
    )
    assert f"column rain is '{ESCAPED}', not a number" in fail("train", write(f"rain\n1\n{HOSTILE}\n"))
    assert f"its version is '{ESCAPED}', and this fastrnn" in fail("predict", path, "--model", model)
    assert f"invalid choice: '{ESCAPED}'" in fail(HOSTILE)
    assert f"cannot read {ESCAPED}\\n: " in fail("train", HOSTILE + "\n")


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such names of files")
def test_a_file_whose_name_could_steer_a_terminal(write, run):
    out = run("train", write(lines(BITS), f"{HOSTILE}\n.csv"), "--epochs", 1)
    assert out.split("\n")[0].endswith(f"{ESCAPED}\\n.csv")


def test_long_lines_keep_both_ends(write, run, fail):
    name = "long " * 10_000
    path = write(f"day,{name}\n" + "".join(f"x,{bit}\n" for bit in BITS))
    first, *_ = run("train", path, "--epochs", 1).split("\n")
    assert first.startswith(f"{path}, column long long ")
    assert first.endswith("long long")
    assert len(first) <= 300
    told = fail("train", write(f"day,{name}\na,1\nb,two\nc,3\n"))
    assert told.startswith(f"{path}:3: column long long")
    assert " ... " in told
    assert told.endswith("long long is 'two', not a number")
    many = write(",".join(f"c{i}" for i in range(1000)) + "\n" + ",".join("1" * 1000) + "\n")
    told = fail("train", many)
    assert told.startswith(f"{many} has several columns of numbers: 1 (c0), 2 (c1)")
    assert told.endswith("1000 (c999). Choose one with --column, by name or by number")
    assert "cannot read" in fail("train", os.sep.join(["folder"] * 500))
    assert "cannot write" in fail("train", path, "--save", os.sep.join(["folder"] * 500))
    assert "cannot read" in fail("predict", path, "--model", os.sep.join(["folder"] * 500))


def test_closed_standard_streams(write):
    if os.name != "posix":
        pytest.skip("needs a POSIX shell")
    command = ["sh", "-c", '"$0" -m fastrnn train "$1" >&- 2>&-', sys.executable, write(lines(BITS))]
    assert subprocess.run(command, check=False).returncode == 0
    command[2] = '"$0" -m fastrnn train - <&-'
    done = subprocess.run(command, check=False, capture_output=True)
    assert done.returncode == 2
    assert done.stderr.startswith(b"fastrnn: cannot read standard input: ")


def test_keyboard_interrupt(write, monkeypatch, capsys):
    def interrupt(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(SimpleRNN, "train", interrupt)
    assert main(["train", write(lines(BITS))]) == 130
    assert capsys.readouterr() == ("", "fastrnn: interrupted\n")


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c(write, tmp_path):
    pty = pytest.importorskip("pty")
    path, model = write(lines(BITS)), tmp_path / "model.safetensors"
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "fastrnn", "train", path, "--epochs", str(10**15), "--save", str(model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as child:
        os.close(theirs)
        shown = os.read(ours, 1000)  # the first loss: it trains
        child.send_signal(signal.SIGINT)
        until = time.monotonic() + 60
        while b"interrupted" not in shown and time.monotonic() < until:
            shown = shown[-100:] + os.read(ours, 100_000)
        if b"interrupted" not in shown:
            child.kill()
        assert child.stdout.read() == b""
    os.close(ours)
    assert child.returncode == 130
    assert re.search(rb"\r {60}\rfastrnn: interrupted after \d+ epochs: what was learnt is saved as ", shown)
    network, rule = _models.load(str(model))
    assert network.losses
    assert rule == (None, None, [], None, None, False)


@pytest.mark.parametrize("steps", [0, 3])
def test_interrupted_numbers_are_kept(steps, write, monkeypatch, capsys, tmp_path):
    train, model = RNN.train, tmp_path / "model"

    def stop(_network, epoch):
        if epoch == steps - 1:
            raise KeyboardInterrupt

    def interrupt(network, x, y, **options):
        if not steps:
            raise KeyboardInterrupt
        train(network, x, y, callback=stop, **options)

    monkeypatch.setattr(RNN, "train", interrupt)
    values, _ = hare()
    path = write(lines(values))
    assert main(["train", path, "--save", str(model)]) == 130
    kept, lost = (
        f" after 3 epochs: what was learnt is saved as {model}",
        ": nothing was learnt yet, and nothing is saved",
    )
    assert capsys.readouterr() == ("", f"fastrnn: interrupted{kept if steps else lost}\n")
    assert model.exists() == bool(steps)
    monkeypatch.undo()
    if steps:
        assert fastrnn.load(model).losses == learnt(values, epochs=3)[0].losses
        assert main(["forecast", path, "--model", str(model), "--steps", "1"]) == 0
        assert main(["show", str(model)]) == 0
        assert re.search(r"validation    loss \S+ at first, \S+ after epoch 2\n", capsys.readouterr().out)


def test_progress_of_numbers_only_on_a_terminal(write):
    path = write(lines(hare()[0]))
    assert process("train", path).stderr == ""
    shown, printed = on_a_terminal(path)
    assert re.search(r"\repoch 1 of 21, loss \S+, validation loss \S+, at most \d+ s left", shown)
    assert re.search(r"\repoch 21 of 21, loss \S+, validation loss \S+ *\r\n$", shown)
    assert shown.count("\n") == 1
    assert b"epoch 1 of" not in printed


def test_a_million_columns(write, fail):
    path = write(",".join(f"c{i}" for i in range(10**6)) + "\n" + ",".join("1" * 10**6) + "\n")
    assert fail("train", path).endswith("1000000 (c999999). Choose one with --column, by name or by number")


def test_output_without_a_file_behind_it(write, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert main(["train", write(lines(BITS))]) == 0
    assert "the network" in sys.stdout.getvalue()
