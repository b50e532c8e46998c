"""README.md: short, and every training command of it and of its pages composes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fer.config.compose import compose, single_runs

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/train.md", "docs/evaluate.md", "docs/data.md")
COMMAND = re.compile(r"python -m fer\.(train|evaluate|baseline|table)\b([^`\n#…]*)")


def commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        found += [(name, words.strip()) for name, words in COMMAND.findall(text)]
    return sorted({*found})


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 180


@pytest.mark.parametrize(("name", "words"), commands())
def test_commands_compose(name: str, words: str) -> None:
    overrides = [word for word in shlex.split(words) if not word.startswith("-")]
    for run in single_runs(overrides):
        compose(name, run)


def test_many_commands_are_found() -> None:
    assert len(commands()) > 40
