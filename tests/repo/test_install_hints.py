"""Nobody is told to install a name from the package index that this project does not own there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]

#: What follows ``pip install`` and its options.
HINT = re.compile(r"""pip3? install\s+(?:-\S+\s+)*(?:'([^']+)'|"([^"]+)"|([^\s`'",;)]+))""")


def hints() -> list[tuple[str, str]]:
    """Return where something is to be installed, and what."""
    folders = ("fer", "conf", "docs", "tools", "benchmarks", ".github", "results")
    files = [path for name in folders for path in (ROOT / name).rglob("*")]
    files += [path for path in ROOT.iterdir() if path.suffix == ".md"]
    files += [ROOT / "Dockerfile", ROOT / "Makefile"]
    texts = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8", errors="ignore")
        for path in files
        if path.is_file() and path.suffix not in {".onnx", ".pt", ".gz", ".pyc", ".png"}
    }
    return [
        (name, next(filter(None, found.groups())))
        for name, text in texts.items()
        for found in HINT.finditer(text)
    ]


def test_what_is_to_be_installed_is_this_checkout_or_a_known_dependency() -> None:
    known = [*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]
    names = {re.split(r"[^A-Za-z0-9_.-]", one)[0].lower() for one in known} | {"pip"}
    found = hints()
    assert len(found) > 10
    for where, what in found:
        is_local = what.startswith((".", "$")) or "/" in what
        assert is_local or re.split(r"[\[=<>~!]", what)[0].lower() in names, f"{where}: {what}"


def test_extras_that_are_named_are_there() -> None:
    for where, what in hints():
        named = re.fullmatch(r"\.\[([^\]{}$]+)\]", what)
        assert named is None or {*named[1].split(",")} <= {*EXTRAS}, f"{where}: {what}"
