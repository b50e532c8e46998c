"""Documents are written from the ledger, held to it, and nothing slips by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fer.evaluation.claim_words import SPREAD, wording
from fer.evaluation.claims import (
    LedgerError,
    add_claim,
    differences,
    put,
    read_ledger,
    write_documents,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TABLE = {
    "id": "rows",
    "header": ["", "accuracy"],
    "rows": [["a", "{small}"], ["b", "{large}, {speed}"]],
}


def claim(name: str, value: float | str = 0.6, unit: str = "%", **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "what": "accuracy",
        "value": value,
        "unit": unit,
        "text": wording(value, unit, changes.get("interval")),
        "interval": None,
        "interval_method": None,
        "command": "python -m fer.train",
        "commit": COMMIT,
        "configuration": "c",
        "data": "d",
        "seeds": [0],
        "private_test_looks": 0,
        "mark": None,
    } | changes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with two claims, a table and no documents."""
    (tmp_path / "results").mkdir()
    small = claim("small", 0.586, interval=[0.571, 0.603], interval_method="Wilson")
    ledger(tmp_path, [small, claim("speed", 2.61, "ms")], [TABLE])
    return tmp_path


def ledger(root: Path, claims: list[dict[str, Any]], tables: list[dict[str, Any]]) -> None:
    text = json.dumps({"claims": claims, "tables": tables})
    (root / "results" / "claims.json").write_text(text, encoding="utf-8")


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


@pytest.mark.parametrize("name", ["README.md", "MODEL_CARD.md", "docs/data.md"])
def test_every_document_is_held_to_it(root: Path, name: str) -> None:
    document(root, "<!-- claim:small -->58.7 %<!-- /claim -->", name)
    (found,) = differences(root)
    assert found == f"{name}: claim small says '58.7 %', the ledger '58.6 % (57.1–60.3)'"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<!-- claim:none -->1 %<!-- /claim -->", "there is no claim 'none' in the ledger"),
        ("<!-- table:none -->\n<!-- /table -->", "there is no table 'none' in the ledger"),
        ("<!-- table:rows -->\nx\n<!-- /table -->", "table rows is not as the ledger has it"),
        ("one\n\nit reaches 71.2 % here", "about line 3: 'it reaches 71.2 % here'"),
        ("in 3ms", "a measured number outside"),
        ("9,500 /s", "a measured number outside"),
        ("<!-- claim:small -->58.6 %", "a marker without its other end: <!-- claim:small -->"),
        ("<!-- /cited -->", "a marker without its other end"),
    ],
)
def test_what_slips_by_is_found(root: Path, text: str, complaint: str) -> None:
    document(root, text)
    assert any(complaint in line for line in differences(root)), differences(root)


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


@pytest.mark.parametrize(
    ("value", "unit", "interval", "text"),
    [
        (0.6, "%", None, "60.0 %"),
        (0.60606, "%", (0.591, 0.62186), "60.6 % (59.1–62.2)"),
        (0.4549, "number", (0.4, 0.5), "0.45 (0.40–0.50)"),
        (0.134, "ms", None, "0.13 ms"),
        (12.34, "ms", None, "12.3 ms"),
        (9512.7, "/s", None, "9,513 /s"),
        ("leaked", "word", None, "leaked"),
        (0.0123, "points", (-0.0011, 0.0251), "+1.2 points (−0.1 to +2.5)"),
        (-0.5, "points", None, "−50.0 points"),
        (6307, "count", None, "6,307"),
        (687_783, "count", None, "0.69 M"),
        (57_665_280, "count", None, "57.7 M"),
        (1_234_567_890, "count", None, "1,235 M"),
    ],
)
def test_the_wording_of_a_value(
    value: float | str, unit: str, interval: tuple[float, float] | None, text: str
) -> None:
    assert wording(value, unit, interval) == text


@pytest.mark.parametrize(
    ("value", "unit", "sd", "text"),
    [(0.5862, "%", 0.0043, "58.6 ± 0.4 %"), (290.4, "/s", 12.2, "290 ± 12 /s")],
)
def test_the_wording_of_several_seeds(
    root: Path, value: float, unit: str, sd: float, text: str
) -> None:
    ends = [value - sd, value + sd]
    assert wording(value, unit, ends, spread=True) == text
    several = claim("seeds", value, unit, interval=ends, interval_method=SPREAD, text=text)
    add_claim(root, several)
    assert read_ledger(root).text("seeds") == text
    with pytest.raises(LedgerError, match="but its value says"):
        add_claim(root, {**several, "interval_method": "bootstrap"}, replace=True)


def test_records_and_tables_are_put_together_or_not_at_all(root: Path) -> None:
    table = {"id": "rows", "header": ["x"], "rows": [["{large}"]]}
    with pytest.raises(LedgerError):
        put(root, [claim("large"), claim("wrong", text="1 %")], [table])
    assert read_ledger(root).table("rows") != "| x |\n| --- |\n| 60.0 % |\n"
    put(root, [claim("large")], [table])
    assert read_ledger(root).table("rows") == "| x |\n| --- |\n| 60.0 % |\n"
    assert read_ledger(root).text("small") is not None


def test_a_claim_is_added_behind_the_others_and_replaced_in_its_place(root: Path) -> None:
    add_claim(root, claim("large", 0.7))
    assert list(read_ledger(root).claims) == ["small", "speed", "large"]
    with pytest.raises(LedgerError, match="a claim 'small' already: --replace"):
        add_claim(root, claim("small"))
    add_claim(root, claim("small"), replace=True)
    found = read_ledger(root)
    assert list(found.claims) == ["small", "speed", "large"]
    assert found.text("small") == "60.0 %"
    assert dict(found.tables["rows"]) == TABLE
    assert "\\u" not in (root / "results" / "claims.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"text": "61 %"}, "its text is '61 %', but its value says '60.0 %'"),
        ({"unit": "percent"}, "the unit must be one of %, points, ms"),
        ({"value": "ok"}, "'ok' is no value in %"),
        ({"commit": "main"}, "'main' is no commit"),
        ({"id": "a b"}, "an id is made of a-z"),
        ({"private_test_looks": -1}, "private_test_looks must be"),
        ({"interval_method": "Wilson"}, "go together"),
        ({"extra": 1}, "see to extra"),
    ],
)
def test_a_record_that_is_none_is_refused(
    root: Path, changes: dict[str, Any], complaint: str
) -> None:
    wrong = claim("new") | changes
    with pytest.raises(LedgerError) as caught:
        add_claim(root, wrong)
    assert complaint in str(caught.value)
    ledger(root, [wrong], [])
    with pytest.raises(LedgerError) as caught:
        read_ledger(root)
    assert complaint in str(caught.value)


def test_a_ledger_that_is_none_is_refused(root: Path) -> None:
    with pytest.raises(LedgerError, match=r"there is no ledger .* --root"):
        read_ledger(root / "docs")
    ledger(root, [claim("a"), claim("a")], [])
    with pytest.raises(LedgerError, match="two records of the same id"):
        read_ledger(root)
    ledger(root, [], [TABLE | {"rows": [["a"]]}])
    with pytest.raises(LedgerError, match="table rows: a row has not as many cells"):
        read_ledger(root)
    for text in ("{", "[]", '{"claims": [1]}'):
        (root / "results" / "claims.json").write_text(text, encoding="utf-8")
        with pytest.raises(LedgerError, match="is no ledger of claims"):
            read_ledger(root)
