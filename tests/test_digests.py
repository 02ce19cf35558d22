"""The core is rebuilt with the same bits: .ci/digests.py gives on every core what it gave before (digests.txt)."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def digests(backend):
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "digests.py"],
        env=os.environ | {"FASTRNN_BACKEND": backend},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if line[17:25] != "platform"]


def test_the_same_digests_as_before(backend):
    before = (Path(__file__).parent / "digests.txt").read_text(encoding="utf-8").splitlines()
    assert len(before) > 300
    assert digests(backend) == before
