"""Fill the documents from the ledger, and find what they state that it does not hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fer.core.io import write_text
from tools.ledger.store import Ledger, ids_in, read_ledger

#: The documents that may state numbers of leaky protocols, since that is what they are about.
MAY_STATE_INVALID: Final = ("docs/audit.md", "conf/experiment/README.md")

_CLAIM: Final = re.compile(r"(<!-- claim:(\S+) -->)(.*?)(<!-- /claim -->)", re.DOTALL)
_TABLE: Final = re.compile(r"(<!-- table:(\S+) -->\n)(.*?)(<!-- /table -->)", re.DOTALL)
_CITED: Final = re.compile(r"<!-- cited:.+? -->.*?<!-- /cited -->", re.DOTALL)
_MARKER: Final = re.compile(r"<!-- /?(?:claim|table|cited)\b.*?-->")
_NUMBER: Final = re.compile(r"\d\s?(?:%|ms\b|/s\b)")


def documents(root: Path) -> list[Path]:
    """Return the documents of a checkout that state numbers."""
    every = [
        root / "README.md",
        root / "MODEL_CARD.md",
        *sorted((root / "docs").glob("*.md")),
        root / "conf" / "experiment" / "README.md",
    ]
    return [path for path in every if path.is_file()]


def filled(text: str, ledger: Ledger) -> str:
    """Return a document with every marked value as the ledger has it; unknown ones stay."""

    def claim(found: re.Match[str]) -> str:
        stated = ledger.text(found[2])
        return found[0] if stated is None else f"{found[1]}{stated}{found[4]}"

    def table(found: re.Match[str]) -> str:
        stated = ledger.table(found[2])
        return found[0] if stated is None else f"{found[1]}{stated}{found[4]}"

    return _TABLE.sub(table, _CLAIM.sub(claim, text))


def differences(root: Path) -> list[str]:
    """Return what documents state that the ledger does not hold, a line each.

    Raises:
        LedgerError: there is no ledger, or it is not valid.
        OSError: a document cannot be read.
    """
    ledger = read_ledger(root)
    return [
        f"{path.relative_to(root).as_posix()}: {what}"
        for path in documents(root)
        for what in _different(path.relative_to(root).as_posix(), path, ledger)
    ]


def write_documents(root: Path) -> list[Path]:
    """Fill the documents of a checkout from its ledger and return those that changed.

    Raises:
        LedgerError: there is no ledger, or it is not valid.
        OSError: a document cannot be read or written.
    """
    ledger, changed = read_ledger(root), []
    for path in documents(root):
        text = path.read_text(encoding="utf-8")
        if (new := filled(text, ledger)) != text:
            write_text(path, new)
            changed.append(path)
    return changed


def _different(name: str, path: Path, ledger: Ledger) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    tables = [
        ledger.tables[found[2]] for found in _TABLE.finditer(text) if found[2] in ledger.tables
    ]
    cells = [claim for table in tables for claim in ids_in(*table["rows"])]
    for _, claim, stated, _ in _CLAIM.findall(text):
        expected = ledger.text(claim)
        if expected is None:
            yield f"there is no claim {claim!r} in the ledger"
        elif expected != stated:
            yield f"claim {claim} says {stated!r}, the ledger {expected!r}"
    for _, table_id, stated, _ in _TABLE.findall(text):
        expected = ledger.table(table_id)
        if expected is None:
            yield f"there is no table {table_id!r} in the ledger"
        elif expected != stated:
            yield f"table {table_id} is not as the ledger has it"
    for claim in dict.fromkeys([*(found[1] for found in _CLAIM.findall(text)), *cells]):
        mark = ledger.claims[claim].mark if claim in ledger.claims else None
        if mark and mark.startswith("INVALID") and name not in MAY_STATE_INVALID:
            yield f"claim {claim} is no score and can't be stated here. {mark}"
    rest = _CITED.sub("", _TABLE.sub("", _CLAIM.sub("", text)))
    yield from (f"a marker without its other end: {one}" for one in _MARKER.findall(rest))
    for number, line in enumerate(rest.splitlines(), start=1):
        if _NUMBER.search(line):
            yield f"a measured number outside the ledger, about line {number}: {line.strip()!r}"
