"""The ``fer`` command as a whole: help, wrong use, and its letters."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.commands.conftest import Run

HELP: dict[str, tuple[str, ...]] = {
    "predict": ("columns of --csv", "p_angry", "problem", "--model", "not what a person feels"),
    "video": ("columns of --tracks", "exp(-d / 0.4)", "--min-group"),
    "serve": ("5(1)(f)", "Bearer", "--min-group", "not what a person"),
    "export": ("--int8", "--half", "temperature"),
    "data check": ("--fix FILE", "--near R", "Nothing is changed"),
}


@pytest.mark.parametrize("name", HELP)
def test_help_shows_examples_and_exit_codes(run: Run, name: str) -> None:
    answer = run(*name.split(), "--help")
    assert (answer.code, answer.err) == (0, "")
    text = " ".join(answer.out.split())
    for word in (*HELP[name], f"examples: fer {name} ", "exit codes"):
        assert word in text
    assert max(map(len, answer.out.splitlines())) <= 100


def test_a_misspelt_option_gets_a_suggestion(run: Run) -> None:
    answer = run("predict", "a.png", "--crop")
    assert (answer.code, answer.out) == (2, "")
    assert "--crops" in answer.err


def test_help_is_light() -> None:
    code = """
import sys
from fer.cli import main
main([*sys.argv[1:], "--help"])
print(sorted({"cv2", "numpy", "torch", "onnxruntime", "PIL"} & set(sys.modules)))
"""
    for name in ("", *HELP):
        command = [sys.executable, "-c", code, *name.split()]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        assert ran.stdout.endswith("[]\n"), name


@pytest.mark.parametrize(
    ("command", "code"),
    [(("fer.cli", "predict", "nirgends\u2026.jpg"), 2), (("fer.baseline", "--help"), 0)],
)
def test_a_terminal_without_the_letters_ends_nothing(command: tuple[str, ...], code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    text = (done.stdout + done.stderr).decode("ascii")
    assert (done.returncode, "Traceback" in text, r"\u2026" in text) == (code, False, True)
