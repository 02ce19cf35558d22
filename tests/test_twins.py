"""The columns side by side: each room of _compiled/ beside the one of its name in _plain/.

A room uses only what the rooms before it hold; what stands in one column stands in the other under the same name, in
the same order. Only the rooms in ALONE, and what stands in the compiled column under a heading that begins with
"helpers", have no twin: they say where numbers lie, and compute nothing that is defined elsewhere.
"""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "fastrnn"
ROOMS = ["functions", "sums", "layout", "cells", "outputs", "window", "optimizers", "online", "learning", "rnn"]
ALONE = {"layout", "online"}

pytestmark = pytest.mark.skipif(
    not (PACKAGE / "_core.pyx").exists(), reason="the sources of the compiled column are not here: a wheel has none"
)


def compiled(room):
    return (PACKAGE / "_compiled" / f"{room}.pxi").read_text(encoding="utf-8")


def plain(room):
    return (PACKAGE / "_plain" / f"{room}.py").read_text(encoding="utf-8")


# ---- the compiled column, read line by line ----

HEADING = re.compile(r"# ---- (.*?) ----")
DEFINITION = re.compile(r"(?:cdef|cpdef|def)\b[^=:(]*?(\w+)[(:]|cdef \w+\[\d+\] (\w+)$")
TEXT = re.compile(r'"""(?:.|\n)*?"""|"(?:\\.|[^"\\\n])*"|#.*')


def definitions(source):
    """(name, whether it stands under a heading of helpers) of all functions, classes, structs and tables."""
    found, helpers = [], False
    for line in source.splitlines():
        if heading := HEADING.match(line):
            helpers = heading[1].startswith("helpers")
        elif (match := DEFINITION.match(line)) and not line.startswith(("cdef extern", "cdef enum", "cdef union")):
            found.append((match[1] or match[2], helpers))
    return found


def names_used(source):
    """Of names that are not attributes, nor bound in the room itself."""
    source = TEXT.sub("", source)
    used = set(re.findall(r"(?<![\w.])[A-Za-z_]\w*", source))
    bound = set()
    for line in re.findall(r"^ +(?:cdef )?(?:const )?[\w*\[\]]+[ *]+(\w+(?:,? [\w= ,]*)?)$", source, re.MULTILINE):
        bound.update(re.findall(r"\w+", line))
    for parameters in re.findall(
        r"^ *(?:cdef|def|ctypedef)[^(=]*\((.*?)\)[^)]*?(?::|nogil)$", source, re.MULTILINE | re.DOTALL
    ):
        bound.update(re.findall(r"(\w+)(?:=[^,]*)?(?:,|$)", parameters))
    return used - bound


# ---- the plain column, by Python's own parser ----


def plain_definitions(source):
    """All functions, classes and tables."""
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.append(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found += [node.targets[0].id] if isinstance(node.value, ast.Dict) else []
    return found


def plain_constants(source):
    names = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and node.targets[0] and not isinstance(node.value, (ast.Dict, ast.Subscript)):
            (target,) = node.targets
            names += [name.id for name in getattr(target, "elts", [target])]
    return [name for name in names if name.isupper() and name != "TYPE_CHECKING"]


def rooms_imported(source):
    return [
        node.module.removeprefix("fastrnn._plain.")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fastrnn._plain.")
    ]


# ---- what must hold ----


def violations(compiled_column, plain_column):
    """What is wrong with two columns, dictionaries of sources by room in the order of the floors."""
    floors = list(compiled_column)
    holds = {room: [name for name, _ in definitions(source)] for room, source in compiled_column.items()}
    for i, room in enumerate(floors):
        above = {name: other for other in floors[i + 1 :] for name in holds[other]}
        for name in sorted(names_used(compiled_column[room]) & above.keys()):
            if f"cdef struct {name}\n" not in compiled_column[room]:  # a declaration ahead
                yield f"{room}.pxi uses {name}, which stands above it in {above[name]}.pxi"
    for room, source in plain_column.items():
        for other in rooms_imported(source):
            if other not in floors[: floors.index(room)]:
                yield f"{room}.py imports {other}.py, which does not stand below it"
        here, there = (
            [name for name, helper in definitions(compiled_column[room]) if not helper],
            plain_definitions(source),
        )
        yield from (f"{room}.pxi has {name}, and {room}.py has not" for name in here if name not in there)
        yield from (f"{room}.py has {name}, and {room}.pxi has not" for name in there if name not in here)
        if sorted(here) == sorted(there) and here != there:
            yield f"{room}: the order is {here} and {there}"
        for name in plain_constants(source):
            if not re.search(rf"\b{name}\b", compiled_column[room]):
                yield f"{room}.pxi has no constant {name}"


def columns():
    return {room: compiled(room) for room in ROOMS}, {room: plain(room) for room in ROOMS if room not in ALONE}


def test_the_columns_agree():
    assert list(violations(*columns())) == []


def test_the_rooms_are_those_of_the_house():
    assert sorted(path.stem for path in (PACKAGE / "_compiled").glob("*.pxi")) == sorted(ROOMS)
    found = {path.stem for path in (PACKAGE / "_plain").glob("*.py")} - {"__init__"}
    assert found == {*ROOMS} - ALONE
    included = re.findall(r'^include "_compiled/(\w+)\.pxi"$', (PACKAGE / "_core.pyx").read_text(), re.MULTILINE)
    assert included == ROOMS
    for room in ROOMS:
        head = compiled(room).partition("\n\n")[0]
        assert ("no twin" in head) == (room in ALONE), head
        assert (f"The twin: _plain/{room}.py" in head) == (room not in ALONE), head


def test_the_front_pages_agree():
    """Nothing of _core.pyx before the rooms is missing from _fallback.py, but what holds a buffer or looks at bits."""
    source = (PACKAGE / "_core.pyx").read_text(encoding="utf-8")
    here = [name for name, _ in definitions(source) if name not in ("Buffer", "all_finite", "State")]
    there = plain_definitions((PACKAGE / "_fallback.py").read_text(encoding="utf-8"))
    assert here == [name for name in there if not name.startswith("_")]


@pytest.mark.parametrize(
    ("room", "column", "old", "new", "told"),
    [
        ("sums", 0, "block, stride\n", "block, stride\n    relu_all(result, 1)\n", "sums.pxi uses relu_all"),
        ("cells", 0, "relu_all", "relu_each", "cells.py has relu_all, and cells.pxi has not"),
        (
            "cells",
            0,
            "cdef void relu_all",
            "cdef void other(x):\n    pass\n\ncdef void relu_all",
            "cells.pxi has other",
        ),
        ("cells", 1, "def relu_all", "def other():\n    pass\n\n\ndef relu_all", "cells.py has other"),
        ("cells", 1, "from math", "from fastrnn._plain.window import forward\nfrom math", "cells.py imports window"),
        (
            "outputs",
            1,
            "def predict_linear",
            "def max_of_no_more():\n    pass\n\n\ndef predict_linear",
            "max_of_no_more",
        ),
        ("optimizers", 0, "BETA_1", "BETA_A", "no constant BETA_1"),
        (
            "outputs",
            0,
            "# ---- losses",
            "# ---- helpers: losses",
            "outputs.py has cross_entropy, and outputs.pxi has not",
        ),
    ],
)
def test_a_violation_is_seen(room, column, old, new, told):
    changed = columns()
    assert old in changed[column][room]
    changed[column][room] = changed[column][room].replace(old, new)
    assert any(told in violation for violation in violations(*changed)), list(violations(*changed))


def test_another_order_is_seen():
    changed = columns()
    source = changed[1]["cells"].replace("def tanh_delta(", "def _(").replace("def sigmoid_delta(", "def tanh_delta(")
    changed[1]["cells"] = source.replace("def _(", "def sigmoid_delta(")
    assert any("cells: the order is" in violation for violation in violations(*changed)), list(violations(*changed))


def test_no_room_is_too_large():
    for column in columns():
        for room, source in column.items():
            assert source.count("\n") <= (450 if room == "rnn" else 350), room


def test_no_kind_is_told_apart_outside_its_row():
    """But for the reader: comments and docstrings may name a GRU."""
    for room in ROOMS:
        if room != "cells":
            assert not re.search(r"\b(gru|lstm)", TEXT.sub("", compiled(room)), re.IGNORECASE), room
            if room not in ALONE:
                assert not re.search(r"\b(gru|lstm)", TEXT.sub("", plain(room)), re.IGNORECASE), room


def test_no_function_takes_too_much():
    """At most seven parameters, but for formulas of one element after the other."""
    for room in ROOMS:
        source = compiled(room)
        for name, parameters in re.findall(r"^cdef [^(=\n]*?(\w+)\(([^)]*)\)", source, re.MULTILINE):
            formula = name.endswith(("_delta", "_numbers", "_new", "_state", "_cell", "_hidden"))
            assert formula or len(re.split(r",", parameters)) <= 7, (room, name)
