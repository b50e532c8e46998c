"""Terminals without the letters that are said end nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("fer.cli", "predict", "nirgends\u2026.jpg"), 2),
        (("fer.baseline", "--help"), 0),
    ],
)
def test_ascii(command: tuple[str, ...], code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    said = (done.stdout + done.stderr).decode("ascii")
    assert (done.returncode, "Traceback" in said, r"\u2026" in said) == (code, False, True)
