"""The claims ledger: every number that the documents state, and the documents written from it.

``results/claims.json`` holds ``claims``, one record a number, and ``tables``, whose cells name
claims. In README.md, MODEL_CARD.md and ``docs/`` a number stands between ``<!-- claim:ID -->`` and
``<!-- /claim -->``, a table between ``<!-- table:ID -->`` and ``<!-- /table -->``, and a number of
somebody else between ``<!-- cited:SOURCE -->`` and ``<!-- /cited -->``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fer.errors import UserError
from fer.evaluation.claim_words import SPREAD, UNITS, wording
from fer.files import write_text

#: Where the ledger lies in a checkout.
LEDGER: Final = "results/claims.json"

#: The fields of a record. ``mark`` says why a number is no score (a leaky protocol), or is null.
FIELDS: Final[tuple[str, ...]] = (
    "id", "what", "value", "unit", "text", "interval", "interval_method", "command", "commit",
    "configuration", "data", "seeds", "private_test_looks", "mark",
)  # fmt: skip

#: The documents that may state numbers of leaky protocols, since that is what they are about.
MAY_STATE_INVALID: Final = ("docs/audit.md", "conf/experiment/README.md")

#: What stands in a table where a claim was not made yet.
ABSENT: Final = "–"

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_CLAIM: Final = re.compile(r"(<!-- claim:(\S+) -->)(.*?)(<!-- /claim -->)", re.DOTALL)
_TABLE: Final = re.compile(r"(<!-- table:(\S+) -->\n)(.*?)(<!-- /table -->)", re.DOTALL)
_CITED: Final = re.compile(r"<!-- cited:.+? -->.*?<!-- /cited -->", re.DOTALL)
_MARKER: Final = re.compile(r"<!-- /?(?:claim|table|cited)\b.*?-->")
_CELL: Final = re.compile(r"\{([^}]+)\}")
_NUMBER: Final = re.compile(r"\d\s?(?:%|ms\b|/s\b)")


class LedgerError(UserError):
    """The ledger is not what it should be; the message says what and where."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a checkout's ledger holds.

    Attributes:
        claims: the records by ID, each with the fields :data:`FIELDS`.
        tables: by ID, ``header`` (a list of texts) and ``rows`` (lists of cells as long; ``{ID}``
            in a cell stands for the claim's text).
    """

    claims: Mapping[str, Mapping[str, Any]]
    tables: Mapping[str, Mapping[str, Any]]

    def text(self, name: str) -> str | None:
        """Return what a claim says, None where there is no such claim."""
        claim = self.claims.get(name)
        return None if claim is None else str(claim["text"])

    def table(self, name: str) -> str | None:
        """Return a table as Markdown, None where there is none of that name."""
        if name not in self.tables:
            return None
        table = self.tables[name]
        lines = [table["header"], ["---"] * len(table["header"]), *table["rows"]]
        return "".join(f"| {' | '.join(map(self._cell, line))} |\n" for line in lines)

    def _cell(self, text: str) -> str:
        return _CELL.sub(lambda found: self.text(found[1]) or ABSENT, text)


def read_ledger(root: Path) -> Ledger:
    """Read the ledger of a checkout.

    Raises:
        LedgerError: there is none, or it is no ledger.
        OSError: it cannot be read.
    """
    path = root / LEDGER
    if not path.is_file():
        raise LedgerError(f"there is no ledger {path}: name the folder of a checkout by --root")
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        claims, tables = stored["claims"], stored.get("tables", [])
        ledger = Ledger({c["id"]: c for c in claims}, {t["id"]: t for t in tables})
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise LedgerError(f"{path} is no ledger of claims ({error})") from error
    if len(ledger.claims) != len(claims) or len(ledger.tables) != len(tables):
        raise LedgerError(f"{path} has two records of the same id")
    problems = [text for claim in claims for text in _faults(claim)]
    problems += [
        f"table {table['id']}: a row has not as many cells as the header"
        for table in tables
        if any(len(row) != len(table["header"]) for row in table["rows"])
    ]
    if problems:
        raise LedgerError("\n  ".join([f"{path}:", *problems]))
    return ledger


def add_claim(root: Path, claim: Mapping[str, Any], *, replace: bool = False) -> None:
    """Put a record into the ledger, behind the others or in the place of its predecessor.

    Raises:
        LedgerError: there is one of this id already, or a field is not what it should be.
        OSError: the ledger cannot be read or written.
    """
    if claim["id"] in read_ledger(root).claims and not replace:
        raise LedgerError(f"there is a claim {claim['id']!r} already: --replace takes its place")
    put(root, [claim])


def put(
    root: Path,
    claims: Sequence[Mapping[str, Any]],
    tables: Sequence[Mapping[str, Any]] = (),
    *,
    drop: Collection[str] = (),
) -> None:
    """Put records and tables into the ledger, each behind the others or in its predecessor's place.

    Args:
        root: of the checkout.
        claims: the records.
        tables: the tables.
        drop: IDs of records that are taken out, if they are there.

    Raises:
        LedgerError: a field of a record is not what it should be; nothing was written.
        OSError: the ledger cannot be read or written.
    """
    ledger = read_ledger(root)
    if faults := [fault for claim in claims for fault in _faults(claim)]:
        raise LedgerError("\n  ".join(["the claim can't be added:", *faults]))
    kept = {name: claim for name, claim in ledger.claims.items() if name not in drop}
    stored = {
        "claims": list({**kept, **{one["id"]: one for one in claims}}.values()),
        "tables": list({**ledger.tables, **{one["id"]: one for one in tables}}.values()),
    }
    # As people write: the dash of an interval is no escape.
    text = json.dumps(stored, indent=2, allow_nan=False, ensure_ascii=False)
    write_text(root / LEDGER, text + "\n")


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
        LedgerError: there is no ledger, or it is none.
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
        LedgerError: there is no ledger, or it is none.
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
    cells = [claim for found in _TABLE.finditer(text) for claim in _claims_of(found[2], ledger)]
    for _, claim, stated, _ in _CLAIM.findall(text):
        expected = ledger.text(claim)
        if expected is None:
            yield f"there is no claim {claim!r} in the ledger"
        elif expected != stated:
            yield f"claim {claim} says {stated!r}, the ledger {expected!r}"
    for _, table, stated, _ in _TABLE.findall(text):
        expected = ledger.table(table)
        if expected is None:
            yield f"there is no table {table!r} in the ledger"
        elif expected != stated:
            yield f"table {table} is not as the ledger has it"
    for claim in dict.fromkeys([*(found[1] for found in _CLAIM.findall(text)), *cells]):
        mark = ledger.claims.get(claim, {}).get("mark") or ""
        if mark.startswith("INVALID") and name not in MAY_STATE_INVALID:
            yield f"claim {claim} is no score and can't be stated here. {mark}"
    rest = _CITED.sub("", _TABLE.sub("", _CLAIM.sub("", text)))
    yield from (f"a marker without its other end: {one}" for one in _MARKER.findall(rest))
    for number, line in enumerate(rest.splitlines(), start=1):
        if _NUMBER.search(line):
            yield f"a measured number outside the ledger, about line {number}: {line.strip()!r}"


def _claims_of(table: str, ledger: Ledger) -> Iterator[str]:
    for row in ledger.tables.get(table, {}).get("rows", ()):
        for cell in row:
            yield from _CELL.findall(cell)


def _words_of(claim: Mapping[str, Any]) -> str:
    return wording(
        claim["value"],
        claim["unit"],
        claim["interval"],
        spread=claim["interval_method"] == SPREAD,
    )


def _faults(claim: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a record."""
    name = claim.get("id")
    if set(claim) != set(FIELDS):
        odd = ", ".join(sorted(set(claim) ^ set(FIELDS)))
        yield f"claim {name}: it must have the fields {', '.join(FIELDS)}: see to {odd}"
        return
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        yield f"claim {name}: an id is made of a-z, 0-9, and . _ - behind the first"
    if claim["unit"] not in UNITS:
        yield f"claim {name}: the unit must be one of {', '.join(UNITS)}, not {claim['unit']!r}"
    elif isinstance(claim["value"], str) != (claim["unit"] == "word"):
        yield f"claim {name}: {claim['value']!r} is no value in {claim['unit']}"
    elif claim["text"] != (said := _words_of(claim)):
        yield f"claim {name}: its text is {claim['text']!r}, but its value says {said!r}"
    if re.fullmatch(r"[0-9a-f]{40}", str(claim["commit"])) is None:
        yield f"claim {name}: {claim['commit']!r} is no commit"
    if not isinstance(looks := claim["private_test_looks"], int) or looks < 0:
        yield f"claim {name}: private_test_looks must be a whole number, not {looks!r}"
    if (claim["interval"] is None) != (claim["interval_method"] is None):
        yield f"claim {name}: an interval and the method it was found by go together"
