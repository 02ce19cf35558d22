"""The `fastrnn` command: what it prints, what it reads, what it saves, and how it fails."""

import errno
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

import fastrnn
from fastrnn import SimpleRNN, __main__, _series
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

    def saved(series=(None, None, False), name="model.safetensors", network=None):
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
    return list(_series.read_series(path, column)[0])


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


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["predict", "--help"], ["--version"]])
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
        return _series.read_series(write(content), asked)[1]

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
        ("temp\n1\n\n# here\nn/a\n", ":5: column temp is 'n/a', not a number"),
        ("day,temp\na,1\nb,\nc,3\n", ":3: column temp is empty"),
        ('temp\n1\n""\n3\n', ":3: column temp is empty"),
        ("x,1\ny,2\nz,nan\n", ":3: column 2 is 'nan', not a number"),
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
        ("1\n2\n3\n".encode("utf-16"), "is not UTF-8 text"),
    ],
)
def test_unreadable(content, message, write, fail):
    path = write(content)
    told = fail("train", path, "--diff")
    assert told.startswith(path)
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
    assert report[8] == f"  the network      {right / held:6.1%}  {right} of {held}"
    assert report[9] == f"  most frequent    {frequent / held:6.1%}  {frequent} of {held}, always {most}"
    assert report[10] == f"  repeat the last  {repeat / held:6.1%}  {repeat} of {held}"
    assert report[11].startswith("The network ")
    assert len(report) == 12
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


def test_neither_threshold_nor_diff(write, fail):
    path = write(lines([3, 9.5, -4, 5] * 5))
    message = fail("train", path)
    assert message.startswith(f"{path} is not a series of 0 and 1: its numbers go from -4 to 9.5")
    assert "median is 4. " in message
    assert "--threshold V" in message
    assert "--diff" in message


@pytest.mark.parametrize("option", [[], ["--diff"]])
def test_too_short(option, write, fail, run):
    least = 10 + len(option)
    assert "is too short: it gives a series of 9, and at least 10" in fail("train", write("1\n" * (least - 1)), *option)
    assert "the last 2:" in run("train", write("1\n" * least), *option)


@pytest.mark.parametrize(
    ("ahead", "apart", "sentence"),
    [
        (0, 0, "The network does as well as the better baseline, and no better."),
        (0, 40, "The network does as well as the better baseline, and no better."),
        (9, 25, "The network has 9 more right than the better baseline, which chance alone may explain."),
        (10, 25, "The network has 10 more right than the better baseline."),
        (-9, 25, "The network has 9 fewer right than the better baseline, which chance alone may explain."),
        (-10, 25, "The network has 10 fewer right than the better baseline."),
    ],
)
def test_comparison(ahead, apart, sentence):
    assert __main__.comparison(ahead, apart) == sentence


def test_comparison_is_with_the_better_baseline(write, run):
    assert (
        run("train", write("0\n1\n" * 50)).splitlines()[-1] == "The network has 10 more right than the better baseline."
    )
    alike = run("train", write("1\n" * 100)).splitlines()
    assert alike[-1] == "The network does as well as the better baseline, and no better."
    held = [0] * 80 + [1] * 20  # the network knows zeros alone, and repeating the last is nearly always right
    worse = run("train", write(lines(held)))
    assert worse.endswith("The network has 19 fewer right than the better baseline.\n")


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
    assert __main__.load(str(model)) == (loaded, ("temp", 0.1, False))
    loaded.learn(0, 1)
    loaded.save(model)
    assert __main__.load(str(model)) == (loaded, ("temp", 0.1, False))
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
    rising = saved((None, None, True), "rising.safetensors")
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
        [2, None, False],
        [None, "x", False],
        [None, 1, False],
        [None, None, 0],
        [None, 1.0, True],
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
    assert __main__.load(str(model))[0].epochs == 1
    assert fail("train", path, "--save", tmp_path / (300 * "x")).endswith("x: " + os.strerror(errno.ENAMETOOLONG))


def test_save_replaces_the_old_model(write, run):
    path, model = write(lines(BITS)), write("the old one", "model.safetensors")
    run("train", path, "--save", model)
    assert __main__.load(model)[0].epochs == 100


@pytest.mark.skipif(os.name != "posix", reason="links need a privilege on Windows")
def test_save_through_a_link(write, run, tmp_path):
    path, model = write(lines(BITS)), write("the old one", "model.safetensors")
    link = tmp_path / "link.safetensors"
    link.symlink_to(model)
    run("train", path, "--epochs", 3, "--save", link)
    assert link.is_symlink()
    assert __main__.load(model)[0].epochs == 3


# ---- terminals, encodings and Ctrl-C ----


def test_progress_only_on_a_terminal(write):
    path = write(lines(BITS))
    assert process("train", path).stderr == ""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "fastrnn", "train", path, "--epochs", "21"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, check=False)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert done.returncode == 0
    losses = re.findall(r"\rEpoch (\d+): Loss = \d+\.\d{4} *", shown)
    assert losses == ["0", "10", "20"]
    assert shown.endswith("\r" + " " * 40 + "\r")  # wiped out at the end
    assert "\n" not in shown
    assert b"Epoch" not in done.stdout


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
    assert __main__.load(str(saved))[1].column == HOSTILE
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
    assert re.search(rb"\r {40}\rfastrnn: interrupted", shown)
    assert not model.exists()
    assert [file.name for file in tmp_path.iterdir()] == ["series.csv"]


def test_output_without_a_file_behind_it(write, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert main(["train", write(lines(BITS))]) == 0
    assert "the network" in sys.stdout.getvalue()
