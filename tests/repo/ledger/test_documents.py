"""Documents are written from the ledger, held to it, and nothing slips by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fer.experiments.table.formatting import SPREAD
from tools.ledger.claim import Claim, LedgerError
from tools.ledger.documents import differences, write_documents
from tools.ledger.store import LEDGER, add_claim, read_ledger

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TABLE = {
    "id": "rows",
    "header": ["", "accuracy"],
    "rows": [["a", "{small}"], ["b", "{large}, {speed}"]],
}


def claim(name: str, value: float | str = 0.6, unit: str = "%", **changes: Any) -> Claim:
    fields = {
        "id": name, "what": "accuracy", "value": value, "unit": unit, "commit": COMMIT,
        "command": "python -m fer.train", "configuration": "c", "data": "d", "seeds": (0,),
    }  # fmt: skip
    return Claim(**(fields | changes))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with two claims, a table and no documents."""
    (tmp_path / "results").mkdir()
    small = claim("small", 0.586, interval=(0.571, 0.603), interval_method="Wilson")
    ledger(tmp_path, [small, claim("speed", 2.61, "ms")], [TABLE])
    return tmp_path


def ledger(
    root: Path, claims: Sequence[Claim | dict[str, Any]], tables: Sequence[Any] = ()
) -> None:
    records = [one.record() if isinstance(one, Claim) else one for one in claims]
    text = json.dumps({"claims": records, "tables": tables})
    (root / LEDGER).write_text(text, encoding="utf-8")


def document(root: Path, text: str, name: str = "README.md") -> Path:
    path = root / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_values_and_tables_are_filled_and_the_rest_stays(root: Path) -> None:
    path = document(
        root,
        "# Title\n<!-- claim:small -->old\ntext<!-- /claim --> and <!-- cited:A -->91 %"
        "<!-- /cited -->, <!-- claim:speed --><!-- /claim -->\n"
        "<!-- table:rows -->\nold\n<!-- /table -->\nend\n",
    )
    assert len(differences(root)) == 3
    assert write_documents(root) == [path]
    assert path.read_text(encoding="utf-8") == (
        "# Title\n<!-- claim:small -->58.6 % (57.1–60.3)<!-- /claim --> and <!-- cited:A -->91 %"
        "<!-- /cited -->, <!-- claim:speed -->2.6 ms<!-- /claim -->\n"
        "<!-- table:rows -->\n|  | accuracy |\n| --- | --- |\n| a | 58.6 % (57.1–60.3) |\n"
        "| b | –, 2.6 ms |\n<!-- /table -->\nend\n"
    )
    assert differences(root) == []
    assert write_documents(root) == []


def test_every_document_is_held_to_it(root: Path) -> None:
    for name in ("README.md", "MODEL_CARD.md", "docs/data.md"):
        document(root, "<!-- claim:small -->58.7 %<!-- /claim -->", name)
    assert [line.partition(":")[0] for line in differences(root)] == [
        "README.md", "MODEL_CARD.md", "docs/data.md",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("<!-- claim:none -->1 %<!-- /claim -->", "'none'"),
        ("<!-- table:none -->\n<!-- /table -->", "'none'"),
        ("<!-- table:rows -->\nx\n<!-- /table -->", "table rows"),
        ("one\n\nit reaches 71.2 % here", "line 3: 'it reaches 71.2 % here'"),
        ("in 3ms", "line 1"),
        ("9,500 /s", "line 1"),
        ("<!-- claim:small -->58.6 %", "<!-- claim:small -->"),
        ("<!-- /cited -->", "<!-- /cited -->"),
    ],
)
def test_what_slips_by_is_found(root: Path, text: str, where: str) -> None:
    document(root, text)
    assert any(where in line for line in differences(root)), differences(root)


@pytest.mark.parametrize("text", ["95 percent", "3 milliseconds", "10 epochs", "5 % /cited", ""])
def test_what_is_no_measured_number(root: Path, text: str) -> None:
    document(root, f"{text}<!-- cited:B 2019 -->8 ms<!-- /cited --><!-- example: module -->")
    assert bool(differences(root)) == ("%" in text)


def test_numbers_of_leaky_protocols_stand_in_the_audit_alone(root: Path) -> None:
    mark = "INVALID: data.protocol=resplit: why"
    table = {"id": "t", "header": ["x"], "rows": [["{leaky}"]]}
    ledger(root, [claim("leaky", mark=mark)], [table])
    for text in ("<!-- claim:leaky --><!-- /claim -->", "<!-- table:t -->\n<!-- /table -->"):
        for name in ("README.md", "docs/audit.md"):
            document(root, text, name)
        write_documents(root)
        assert differences(root) == [
            f"README.md: claim leaky is no score and can't be stated here. {mark}"
        ]


def test_a_claim_is_added_behind_the_others_and_replaced_in_its_place(root: Path) -> None:
    add_claim(root, claim("large", 0.7))
    assert list(read_ledger(root).claims) == ["small", "speed", "large"]
    with pytest.raises(LedgerError, match="a claim 'small' already: --replace"):
        add_claim(root, claim("small"))
    add_claim(root, claim("small"), replace=True)
    found = read_ledger(root)
    assert list(found.claims) == ["small", "speed", "large"]
    assert found.text("small") == "60.0 %"
    add_claim(root, claim("seeds", 0.5862, interval=(0.5819, 0.5905), interval_method=SPREAD))
    assert read_ledger(root).text("seeds") == "58.6 ± 0.4 %"
    assert dict(found.tables["rows"]) == TABLE
    assert "\\u" not in (root / LEDGER).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "changes",
    [
        {"unit": "percent"}, {"value": "ok"}, {"commit": "main"}, {"id": "a b"},
        {"private_test_looks": -1}, {"interval_method": "Wilson"},
    ],
)  # fmt: skip
def test_a_claim_that_is_not_valid(root: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(LedgerError, match=r"^claim new|^claim a b"):
        claim("new", **changes)
    ledger(root, [claim("new").record() | changes])
    with pytest.raises(LedgerError):
        read_ledger(root)


@pytest.mark.parametrize("changes", [{"text": "61 %"}, {"extra": 1}])
def test_a_record_that_is_not_valid(root: Path, changes: dict[str, Any]) -> None:
    ledger(root, [claim("new").record() | changes])
    with pytest.raises(LedgerError, match="claim new"):
        read_ledger(root)


def test_a_ledger_that_is_not_valid(root: Path) -> None:
    with pytest.raises(LedgerError, match="--root"):
        read_ledger(root / "docs")
    ledger(root, [claim("a"), claim("a")])
    with pytest.raises(LedgerError, match="same id"):
        read_ledger(root)
    ledger(root, [], [TABLE | {"rows": [["a"]]}])
    with pytest.raises(LedgerError, match="table rows"):
        read_ledger(root)
    for text in ("{", "[]", '{"claims": [1]}'):
        (root / LEDGER).write_text(text, encoding="utf-8")
        with pytest.raises(LedgerError):
            read_ledger(root)
