"""The gallery: every example runs, with the seed that it shows and with another, and beats its baselines by a margin.
What its text says in words is asserted here; results in figures are for the example to print."""

import io
import re
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import pytest

import fastrnn

np = pytest.importorskip("numpy")
matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
plt = pytest.importorskip("matplotlib.pyplot")

GALLERY = Path(__file__).resolve().parent.parent / "examples" / "gallery"
EXAMPLES = {path.stem.removeprefix("plot_"): path.read_text(encoding="utf-8") for path in GALLERY.glob("plot_*.py")}

pytestmark = [
    pytest.mark.skipif(fastrnn.backend == "python", reason="pure Python gives the same numbers, after minutes"),
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),  # reservoirpy's
]


@cache
def run(example, seed):
    """The names that an example leaves behind. It must print, and draw."""
    if example == "forecast":
        pytest.importorskip("reservoirpy")
    names, code = {}, EXAMPLES[example]
    assert code.count("\nSEED = 0\n") == 1
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as printed:
        patch.setattr(plt, "show", lambda: None)
        try:
            exec(compile(code.replace("\nSEED = 0\n", f"\nSEED = {seed}\n"), example, "exec"), names)
            assert [axes for number in plt.get_fignums() for axes in plt.figure(number).axes]
        finally:
            plt.close("all")
    assert printed.getvalue()
    return names


both_seeds = pytest.mark.parametrize("seed", range(2))  # range(10) passes too, and README.rst says so


def rmse(error):
    return np.sqrt(np.mean(np.square(error)))


@both_seeds
def test_notebook(seed):
    names = run("notebook", seed)
    assert names["network"].predict([0, 1] * 1_000) == [1, 0] * 1_000
    assert max(names["again"], names["majority"]) + 0.02 < names["right"] < names["best"] + 0.001
    assert abs(names["correlation"]) > 0.95


@both_seeds
def test_forecast(seed):
    names = run("forecast", seed)
    network, *baselines = names["errors"].values()
    assert network < 0.15 * min(baselines)
    first = [names[forecast][:20] - names["truth"][:20] for forecast in ("by_generate", "by_lines")]
    assert rmse(first[0]) < 0.5 * rmse(first[1])
    assert np.std(names["by_lines"][-20:]) < 0.2 * np.std(names["truth"])  # it has faded out


@both_seeds
def test_classify(seed):
    network, *baselines = run("classify", seed)["right"].values()
    assert network > max(baselines) + 0.05


@both_seeds
def test_missing(seed):
    names = run("missing", seed)
    network, *baselines = names["rmse"].values()
    assert network < 0.7 * min(baselines)
    assert 0.45 < np.mean(names["gone"]) < 0.55  # half of the time


@both_seeds
def test_drift(seed):
    names = run("drift", seed)
    network, *baselines = names["rmse"].values()
    assert network < 0.4 * min(baselines)
    early, late = ([rmse(error[part]) for error in names["errors"].values()] for part in (slice(2_000), slice(-2_000)))
    assert late[0] < 2.0 * early[0]  # it keeps up
    assert late[-1] > 5.0 * early[-1]


@both_seeds
def test_seeds(seed):
    names = run("seeds", seed)
    notebook, lost, four = names["all_right"].values()
    assert notebook[-1] > 990
    assert lost.max() > 800
    assert lost[-1] < 0.2 * lost.max()
    assert four[-1] > 980
    assert four.argmax() < lost.argmax()
    assert names["right"]["four units, 0 1 1"][-1].mean() > names["always"] + 0.3


def test_each_has_its_test_and_its_text_no_results():
    assert {f"test_{example}" for example in EXAMPLES} <= {*globals()}
    for code in EXAMPLES.values():
        text = [code.split('"""')[1], *re.findall(r"^# (?!%%).*", code, re.MULTILINE)]
        assert not re.findall(r"\d\.\d|\d ?%", " ".join(text))
