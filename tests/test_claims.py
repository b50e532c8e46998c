"""What the documents state is what the ledger holds, and nothing is stated beside it."""

from __future__ import annotations

from pathlib import Path

from fer.evaluation.claims import differences, documents, filled, read_ledger

_ROOT = Path(__file__).parents[1]


def test_documents_state_what_the_ledger_holds() -> None:
    """What fails here is mended by `fer claims write`, or by a marker around a stray number."""
    assert differences(_ROOT) == []


def test_the_documents_are_those_that_state_numbers() -> None:
    names = [path.relative_to(_ROOT).as_posix() for path in documents(_ROOT)]
    assert {"README.md", "docs/audit.md"} <= set(names)
    readme = (_ROOT / "README.md").read_text(encoding="utf-8")
    assert "<!-- claim:" in readme
    assert filled(readme, read_ledger(_ROOT)) == readme
