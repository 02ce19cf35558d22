"""The pages of docs/: their snippets run, one after the other, and print what stands beside them."""

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

import fastrnn

PAGES = Path(__file__).parent.parent / "docs"
BLOCKS = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)


@pytest.mark.skipif(fastrnn.backend == "python", reason="pure Python gives the same numbers, after minutes")
@pytest.mark.parametrize("page", ["sklearn.md", "study.md"])
def test_snippets(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    blocks = BLOCKS.findall((PAGES / page).read_text(encoding="utf-8"))
    assert len(blocks) == (PAGES / page).read_text(encoding="utf-8").count("```python")
    for code, expected in blocks:
        with redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, page, "exec"), names)
        assert [line.rstrip() for line in printed.getvalue().splitlines()] == [
            line.rstrip() for line in expected.splitlines()
        ]
