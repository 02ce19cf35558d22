"""Every snippet of the README runs. (Its two commands for a fresh machine run in the build tests and in CI.)"""

import re
import shlex
from pathlib import Path

import pytest

from fastrnn.__main__ import main

README = Path(__file__).parent.parent / "README.md"
SNIPPETS = re.findall(r"^```(\w+)\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
PYTHON = [code for language, code in SNIPPETS if language == "python"]
SHELL = [line for language, code in SNIPPETS if language == "sh" for line in code.splitlines()]
COMMANDS = [line for line in SHELL if line.startswith("fastrnn")]


def test_snippets_are_found():
    assert len(PYTHON) == 5
    assert len(COMMANDS) == 2
    assert len(SHELL) - len(COMMANDS) == 3  # install and run, install and test, install and benchmark
    assert len(SNIPPETS) == 9


@pytest.mark.parametrize("code", PYTHON, ids=lambda code: code.splitlines()[-1][:30])
def test_python(code):
    exec(compile(code, "README.md", "exec"), {})


def test_the_notebook(capsys):
    exec(compile(PYTHON[0], "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Epoch 0: Loss = 9.7750"
    assert lines[-1] == str([1, 0] * 19 + [1])


def test_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = (f"2026-01-{day:02},{(day * 7) % 11}.5\n" for day in range(1, 32))
    Path("temperatures.csv").write_text("date,temperature\n" + "".join(rows), encoding="utf-8")
    for command in COMMANDS:
        assert main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out
