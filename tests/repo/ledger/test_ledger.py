"""What the documents state is what the ledger holds, and nothing is stated beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

from tools.ledger.documents import differences, documents, filled
from tools.ledger.store import LEDGER, put, read_ledger

_ROOT = Path(__file__).parents[3]


def test_documents_state_what_the_ledger_holds() -> None:
    """`python -m tools.ledger write` mends it, or a marker around a stray number."""
    assert differences(_ROOT) == []


def test_the_documents_are_those_that_state_numbers() -> None:
    names = [path.relative_to(_ROOT).as_posix() for path in documents(_ROOT)]
    assert {"README.md", "docs/audit.md"} <= set(names)
    readme = (_ROOT / "README.md").read_text(encoding="utf-8")
    assert "<!-- claim:" in readme
    assert filled(readme, read_ledger(_ROOT)) == readme


def test_the_ledger_is_written_as_it_was_read(tmp_path: Path) -> None:
    (tmp_path / LEDGER).parent.mkdir()
    shutil.copy(_ROOT / LEDGER, tmp_path / LEDGER)
    put(tmp_path, [])
    assert (tmp_path / LEDGER).read_bytes() == (_ROOT / LEDGER).read_bytes()
