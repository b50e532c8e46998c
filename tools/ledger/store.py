"""Read and write ``results/claims.json``."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fer.core.io import write_text
from tools.ledger.claim import Claim, LedgerError

#: Where the ledger lies in a checkout.
LEDGER: Final = "results/claims.json"

#: What stands in a table where a claim was not made yet.
ABSENT: Final = "–"

_CELL: Final = re.compile(r"\{([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a checkout's ledger holds.

    Attributes:
        claims: the claims by ID.
        tables: by ID, ``header`` (a list of texts) and ``rows`` (lists of cells as long; ``{ID}``
            in a cell stands for the claim's text).
    """

    claims: Mapping[str, Claim]
    tables: Mapping[str, Mapping[str, Any]]

    def text(self, name: str) -> str | None:
        """Return what a claim says, None where there is no such claim."""
        claim = self.claims.get(name)
        return None if claim is None else claim.text

    def table(self, name: str) -> str | None:
        """Return a table as Markdown, None where there is none of that name."""
        if name not in self.tables:
            return None
        table = self.tables[name]
        lines = [table["header"], ["---"] * len(table["header"]), *table["rows"]]
        return "".join(f"| {' | '.join(map(self._cell, line))} |\n" for line in lines)

    def _cell(self, text: str) -> str:
        return _CELL.sub(lambda found: self.text(found[1]) or ABSENT, text)


def ids_in(*rows: Sequence[str]) -> list[str]:
    """Return the IDs of the claims that the cells of rows of a table name."""
    return [name for row in rows for cell in row for name in _CELL.findall(cell)]


def read_ledger(root: Path) -> Ledger:
    """Read the ledger of a checkout.

    Raises:
        LedgerError: there is none, or it is not valid.
        OSError: it cannot be read.
    """
    path = root / LEDGER
    if not path.is_file():
        raise LedgerError(f"there is no ledger {path}: name the folder of a checkout by --root")
    problems = []
    claims: list[Claim] = []
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        tables = {table["id"]: table for table in stored.get("tables", [])}
        for record in stored["claims"]:
            try:
                claims.append(Claim.from_record(record))
            except LedgerError as error:
                problems.append(str(error))
        problems += [
            f"table {name}: a row has not as many cells as the header"
            for name, table in tables.items()
            if any(len(row) != len(table["header"]) for row in table["rows"])
        ]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise LedgerError(f"{path} is not a ledger of claims ({error})") from error
    if problems:
        raise LedgerError("\n  ".join([f"{path}:", *problems]))
    ledger = Ledger({claim.id: claim for claim in claims}, tables)
    if len(ledger.claims) != len(claims) or len(tables) != len(stored.get("tables", [])):
        raise LedgerError(f"{path} has two records of the same id")
    return ledger


def add_claim(root: Path, claim: Claim, *, replace: bool = False) -> None:
    """Put a claim into the ledger, behind the others or in the place of its predecessor.

    Raises:
        LedgerError: there is one of this id already.
        OSError: the ledger cannot be read or written.
    """
    if claim.id in read_ledger(root).claims and not replace:
        raise LedgerError(f"there is a claim {claim.id!r} already: --replace takes its place")
    put(root, [claim])


def put(
    root: Path,
    claims: Sequence[Claim],
    tables: Sequence[Mapping[str, Any]] = (),
    *,
    drop: Collection[str] = (),
) -> None:
    """Put claims and tables into the ledger, each behind the others or in its predecessor's place.

    Args:
        root: of the checkout.
        claims: the claims.
        tables: the tables.
        drop: IDs of claims that are taken out, if they are there.

    Raises:
        LedgerError: the ledger is not valid.
        OSError: the ledger cannot be read or written.
    """
    ledger = read_ledger(root)
    kept = {name: claim for name, claim in ledger.claims.items() if name not in drop}
    merged = {**kept, **{claim.id: claim for claim in claims}}
    stored = {
        "claims": [claim.record() for claim in merged.values()],
        "tables": list({**ledger.tables, **{table["id"]: table for table in tables}}.values()),
    }
    # As people write: the dash of an interval is no escape.
    text = json.dumps(stored, indent=2, allow_nan=False, ensure_ascii=False)
    write_text(root / LEDGER, text + "\n")
