"""The columns side by side: each room of _compiled/ beside the one of its name in _plain/.

A room uses only what the rooms before it hold; what stands in one column stands in the other under the same name, in
the same order, with the same constants and kinds. Only the rooms in ALONE, and what stands in the compiled column under
a heading that begins with "helpers", have no twin: they say where numbers lie.
"""

import ast
import re
from pathlib import Path

import pytest

from fastrnn import _kinds

PACKAGE = Path(__file__).parent.parent / "fastrnn"
ROOMS = [
    "functions",
    "vectors",
    "sums",
    "layout",
    "network",
    "data",
    "scales",
    "cells",
    "outputs",
    "window",
    "optimizers",
    "online",
    "measuring",
    "batches",
    "in_lanes",
    "abreast",
    "learning",
    "running",
    "body",
    "rnn",
    "many",
]
ALONE = {"vectors", "layout", "online", "in_lanes", "abreast", "body"}
MAY_IMPORT = {"__future__", "math", "struct", "types", "fastrnn._checks", "fastrnn._kinds"}  # and rooms below
MAY_IMPORT |= {"typing", "collections.abc", "fastrnn._data"}  # for annotations alone
TABLES = {  # of functions by kind: the room, and the kinds there are
    "ACTIVATIONS": ("cells", list(dict.fromkeys(name for row in _kinds.CELLS.values() for name in row.activations))),
    "CELLS": ("cells", list(_kinds.CELLS)),
    "OUTPUTS": ("outputs", list(_kinds.OUTPUTS)),
    "LOSSES": ("outputs", list(_kinds.LOSSES)),
    "OPTIMIZERS": ("optimizers", list(_kinds.OPTIMIZERS)),
}

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
C_CONSTANT = re.compile(r"^ +#define (\w+) (0x[\dA-F]+(?=ULL)|[-+.\deE]+)", re.MULTILINE)
BOUND = re.compile(r"^ +cdef (?:const )?[\w*\[\]]+(?: const)?[* ]+(\w.*)$", re.MULTILINE)  # local variables


def definitions(source):
    """(name, whether it stands under a heading of helpers) of all functions, classes, structs and tables."""
    found, helpers = [], False
    for line in source.splitlines():
        if heading := HEADING.match(line):
            helpers = heading[1].startswith("helpers")
        elif (match := DEFINITION.match(line)) and not line.startswith(("cdef extern", "cdef enum", "cdef union")):
            found.append((match[1] or match[2], helpers))
    return found


def all_names(source):
    """What a room gives to those above it: its definitions, types of functions, and constants."""
    names = {name for name, _ in definitions(source)} | {name for name, _ in C_CONSTANT.findall(source)}
    names.update(re.findall(r"^ctypedef \w+ \(\*(\w+)\)", source, re.MULTILINE))
    for members in re.findall(r"^cdef enum:\n((?:    .*\n)+)", source, re.MULTILINE):
        names.update(re.findall(r"^    (\w+) =", members, re.MULTILINE))
    return names


def names_used(source):
    """Block by block: names that are neither attributes, nor fields of a struct, nor bound in the block."""
    used = set()
    for block in re.split(r"\n(?=\S)", TEXT.sub("", source)):
        bound = set()
        if re.match(r"cdef struct \w+:", block):
            block = "\n".join(re.sub(r"\w+$", "", line.rstrip()) for line in block.splitlines()[1:])
        for line in BOUND.findall(block):
            bound.update(re.findall(r"(\w+)(?: = [^,]*)?(?:,|$)", line))
        if parameters := re.match(r"[^(=]*\((.*?)\)(?: except| noexcept|:)", block, re.DOTALL):
            bound.update(re.findall(r"(\w+)(?:=[^,]*)?(?:,|$)", parameters[1]))
        used |= set(re.findall(r"(?<![\w.])[A-Za-z_]\w*", block)) - bound
    return used


def compiled_table(source, name):
    """The kinds of a table, row by row, and the size that it is declared with."""
    size = re.search(rf"^cdef \w+\[(\d+)\] {name}$", source, re.MULTILINE)
    rows = re.search(rf"^{name}\[:\] = \[\n((?:    .*\n)*)\]$", source, re.MULTILINE)
    return re.findall(r'^    \w+\(b"(\w+)"', rows[1], re.MULTILINE), int(size[1])


# ---- the plain column, by Python's own parser ----


def plain_definitions(source):
    """All functions, classes and tables."""
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.append(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            found += [target.id for target in node.targets]
    return found


def plain_constants(source):
    """Name by name, the number."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, (ast.Constant, ast.Tuple, ast.UnaryOp)):
            (target,) = node.targets
            names, values = [name.id for name in getattr(target, "elts", [target])], ast.literal_eval(node.value)
            found |= dict(zip(names, values if isinstance(values, tuple) else [values], strict=True))
    return {name: value for name, value in found.items() if name.isupper() and name != "TYPE_CHECKING"}


def imports(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def kinds_of(source, name):
    """The kinds of a table."""
    tables = (node for node in ast.parse(source).body if isinstance(node, ast.Assign))
    (table,) = (node.value for node in tables if getattr(node.targets[0], "id", "") == name)
    return [key.value for key in table.keys]


# ---- what must hold ----


def violations(compiled_column, plain_column):
    """What is wrong with two columns, dictionaries of sources by room in the order of the floors."""
    floors = list(compiled_column)
    for i, room in enumerate(floors):
        source, used = compiled_column[room], names_used(compiled_column[room])
        for other in floors[i + 1 :]:
            for name in sorted(used & all_names(compiled_column[other])):
                if f"cdef struct {name}\n" not in source:  # a declaration ahead
                    yield f"{room}.pxi uses {name}, which stands above it in {other}.pxi"
        names = [name for name, _ in definitions(source)]
        yield from (f"{room}.pxi has {name} twice" for name in {name for name in names if names.count(name) > 1})
    for room, source in plain_column.items():
        below = {f"fastrnn._plain.{other}" for other in floors[: floors.index(room)]}
        for module in imports(source):
            if module not in MAY_IMPORT | below:
                yield f"{room}.py imports {module}, which does not stand below it"
        here, there = (
            [name for name, helper in definitions(compiled_column[room]) if not helper],
            plain_definitions(source),
        )
        yield from (f"{room}.pxi has {name}, and {room}.py has not" for name in here if name not in there)
        yield from (f"{room}.py has {name}, and {room}.pxi has not" for name in there if name not in here)
        if set(here) == set(there) and here != there:
            yield f"{room}: the order is {here} and {there}"
        wanted = {name: ast.literal_eval(value) for name, value in C_CONSTANT.findall(compiled_column[room])}
        if wanted != plain_constants(source):
            yield f"{room}: the constants are {wanted} and {plain_constants(source)}"
    for name, (room, kinds) in TABLES.items():
        (here, size), there = compiled_table(compiled_column[room], name), kinds_of(plain_column[room], name)
        if not here == kinds == there:
            yield f"{room}: {name} are {kinds} in _kinds.py, {here} in {room}.pxi and {there} in {room}.py"
        if size != len(here):
            yield f"{room}.pxi has {len(here)} rows in {name}, a table of {size}"
        if name != "OPTIMIZERS":  # which run over what is not in lanes, too
            in_lanes = compiled_table(compiled_column["in_lanes"], f"{name}_IN_LANES")
            if in_lanes != (here, size):
                yield f"in_lanes: {name}_IN_LANES are {in_lanes[0]} of {in_lanes[1]}, and {name} are {here}"


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
        if room not in ALONE:
            assert f"The twin: _compiled/{room}.pxi" in plain(room)


HELD = ("check_signals", "Buffer", "all_finite", "all_within", "State")


def test_the_front_pages_agree():
    """Nothing of _core.pyx before the rooms is missing from _fallback.py, but what holds a buffer or looks at bits."""
    source = (PACKAGE / "_core.pyx").read_text(encoding="utf-8")
    here = [name for name, _ in definitions(source) if name not in HELD]
    there = plain_definitions((PACKAGE / "_fallback.py").read_text(encoding="utf-8"))
    assert here == [name for name in there if not name.startswith("_")]


PLANTED = {
    "a function from above": (
        "sums",
        0,
        "block, stride\n",
        "block, stride\n    relu_all(result, 1)\n",
        "sums.pxi uses relu_all",
    ),
    "forward, from above": (
        "cells",
        0,
        "    cdef Row row, after\n",
        "    forward(net, rows, 1, rows)\n",
        "cells.pxi uses forward",
    ),
    "a value from above": ("sums", 0, "return rest &", "return norm &", "sums.pxi uses norm"),
    "a constant from above": ("sums", 0, "PART = 64 ", "PART = CACHE ", "sums.pxi uses CACHE"),
    "a constant of C from above": ("functions", 0, "0.5 * x", "BETA_1 * x", "functions.pxi uses BETA_1"),
    "a type from above": ("vectors", 0, "    Way way\n", "    loss_t way\n", "vectors.pxi uses loss_t"),
    "an import from above": (
        "cells",
        1,
        "from types",
        "from fastrnn._plain.window import forward\nfrom types",
        "cells.py imports",
    ),
    "a relative import": (
        "cells",
        1,
        "from types",
        "from .window import forward\nfrom types",
        "cells.py imports .window",
    ),
    "an import of a package": (
        "cells",
        1,
        "from types",
        "from fastrnn._plain import window\nfrom types",
        "cells.py imports",
    ),
    "an import of the front page": (
        "sums",
        1,
        "# ----",
        "from fastrnn._fallback import plain\n# ----",
        "sums.py imports",
    ),
    "another name": ("cells", 0, "relu_all", "relu_each", "cells.py has relu_all, and cells.pxi has not"),
    "one more, compiled": (
        "cells",
        0,
        "cdef void relu_all",
        "cdef void other(x):\n    pass\n\ncdef void relu_all",
        "cells.pxi has other",
    ),
    "one more, plain": ("cells", 1, "def relu_all", "def other():\n    pass\n\n\ndef relu_all", "cells.py has other"),
    "helpers": (
        "outputs",
        0,
        "# ---- losses",
        "# ---- helpers: losses",
        "outputs.py has half_squared_error, and outputs.pxi has not",
    ),
    "one twice": ("window", 0, "cdef int gradients(", "cdef int backward(", "window.pxi has backward twice"),
    "another order": (
        "cells",
        1,
        "def tanh_delta(",
        "def relu_delta(): ...\n\n\ndef tanh_delta(",
        "cells: the order is",
    ),
    "another value": ("optimizers", 1, "0.999", "0.99", "optimizers: the constants are"),
    "one constant more": (
        "optimizers",
        0,
        "    #define BETA_2",
        "    #define BETA_3 0.5\n    #define BETA_2",
        "optimizers: the constants",
    ),
    "a row less": (
        "cells",
        1,
        '    "gru": Kind(forward=gru_forward, backward=gru_backward),\n',
        "",
        "cells: CELLS are",
    ),
    "a table too small": ("outputs", 0, "cdef Output[3]", "cdef Output[2]", "outputs.pxi has 3 rows in OUTPUTS"),
    "other rows in lanes": (
        "in_lanes",
        0,
        '    Cell(b"gru", gru_forward_in_lanes, gru_backward_in_lanes),\n',
        "",
        "in_lanes: CELLS_IN_LANES are",
    ),
    "rows in another order": ("outputs", 0, 'b"softmax"', 'b"linear"', "outputs: OUTPUTS are"),
}


@pytest.mark.parametrize(("room", "column", "old", "new", "told"), PLANTED.values(), ids=PLANTED)
def test_a_violation_is_seen(room, column, old, new, told):
    changed = columns()
    assert old in changed[column][room]
    changed[column][room] = changed[column][room].replace(old, new)
    assert any(told in violation for violation in violations(*changed)), list(violations(*changed))


def test_contributing_lists_the_rooms():
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)`( \\\*)? \|", text, re.MULTILINE)
    assert rows == [(room, " \\*" if room in ALONE else "") for room in ROOMS]


def test_no_room_is_too_large():
    for column in columns():
        for room, source in column.items():
            assert source.count("\n") <= (450 if room == "rnn" else 350), room


# By name, for speed: plain sgd scales the gradient of the loss, and the online path has bounds for an Elman network.
TOLD_APART = {("optimizers", "sgd"), ("online", "sgd"), ("online", "elman")}
# And in lanes each has a row of its own.
TOLD_APART |= {("in_lanes", kind) for _, kinds in TABLES.values() for kind in kinds}


def test_no_kind_is_told_apart_outside_its_row():
    """Nothing but the room that holds it names a kind (comments and docstrings may)."""
    home = {kind: room for room, kinds in TABLES.values() for kind in kinds}
    for column in columns():
        for room, source in column.items():
            source = re.sub(r'"""(?:.|\n)*?"""|#.*', "", source)
            for kind in home.keys() - {"linear", "tanh", "sigmoid", "softmax"}:  # these are functions too
                if home[kind] != room and (room, kind) not in TOLD_APART:
                    assert not re.search(rf"(\b|_){kind}(\b|_)", source), (room, kind)


FORMULAS = ("_delta", "_numbers")  # how names end of what computes one element after the other


def test_no_function_takes_too_much():
    """At most seven parameters, but for formulas."""
    counts = {}
    for room, source in columns()[0].items():
        for name, parameters in re.findall(r"^cdef [^(=\n]*?(\w+)\(([^)]*)\)", source, re.MULTILINE):
            counts[f"{room}.pxi", name] = len(parameters.split(","))
    for room, source in columns()[1].items():
        functions = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
        counts |= {(f"{room}.py", node.name): len(node.args.args) + len(node.args.posonlyargs) for node in functions}
    assert len(counts) > 200
    assert [place for place, count in counts.items() if count > 7 and not place[1].endswith(FORMULAS)] == []
