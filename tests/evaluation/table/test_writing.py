"""The table's figures become records of the ledger, and the ledger a document."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fer.errors import UserError
from fer.evaluation.claims import FIELDS, differences, read_ledger
from fer.evaluation.table.plan import Job, Run
from fer.evaluation.table.results import results_of
from fer.evaluation.table.writing import markdown, record_of, table_of, write_to_ledger
from tests.evaluation.table.made_up import COMMIT, some_row, write

WORDS = {"val": "PublicTest", "test": "PrivateTest", "reference": "cnn"}
TABLE = table_of({"cnn": "the cnn", "missing": "another"}, "families", WORDS)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with an empty ledger and a document."""
    (tmp_path / "results").mkdir()
    (tmp_path / "docs").mkdir()
    empty = json.dumps({"claims": [], "tables": [TABLE]})
    (tmp_path / "results" / "claims.json").write_text(empty, encoding="utf-8")
    text = "# T\n<!-- table:table-families -->\n<!-- /table -->\n"
    (tmp_path / "docs" / "table.md").write_text(text, encoding="utf-8")
    return tmp_path


def records(row: Any) -> list[dict[str, Any]]:
    (result,) = results_of([row], None)
    return [record_of(result, name, WORDS) for name in result.figures]


def test_a_record_says_where_its_number_is_from(tmp_path: Path) -> None:
    row = some_row(tmp_path, "cnn", [0.6, 0.62])
    found = {record["id"]: record for record in records(row)}
    assert set(found) == {f"table-cnn-{x}" for x in ("speed", "public", "private", "robustness")}
    private, public = found["table-cnn-private"], found["table-cnn-public"]
    assert set(private) == set(FIELDS)
    assert private["what"] == "accuracy of cnn on PrivateTest, single view"
    assert private["command"] == "python -m fer.table only=[cnn] seeds=[0,1]"
    # What PrivateTest is not needed for leaves it alone.
    assert public["command"] == f"{private['command']} test=false"
    assert found["table-cnn-robustness"]["command"] == f"{private['command']} robustness=true"
    assert (private["commit"], private["data"], private["seeds"]) == (COMMIT, "d", [0, 1])
    assert (private["private_test_looks"], public["private_test_looks"]) == (2, 0)
    assert public["text"] == "61.0 ± 1.4 %"
    # Seeds don't make another configuration.
    assert private["configuration"] == public["configuration"]


def test_a_difference_needs_its_reference(tmp_path: Path) -> None:
    cnn, lstm = some_row(tmp_path, "cnn", [0.6, 0.62]), some_row(tmp_path, "lstm", [0.4, 0.42])
    found = results_of([cnn, lstm], cnn)[1]
    command = record_of(found, "difference", WORDS)["command"]
    assert command == "python -m fer.table only=[cnn,lstm] seeds=[0,1]"
    both = record_of(found, "private", WORDS, "in words", ("lstm", "cnn"))
    assert both["command"] == "python -m fer.table only=[lstm,cnn] seeds=[0,1]"


def test_clips_have_words_and_columns_of_their_own(tmp_path: Path) -> None:
    row = some_row(tmp_path, "clip_lstm", [0.6, 0.62], kind="clips")
    words = {"val": "val", "test": "test", "reference": "clip_frames"}
    (result,) = results_of([row], None)
    speed = record_of(result, "speed", words)
    assert speed["what"] == "clips a second that clip_lstm trained on, on the machine of its runs"
    assert record_of(result, "private", words)["private_test_looks"] == 0, "not of PrivateTest"
    header = table_of({"clip_lstm": "an LSTM"}, "clips", words)["header"]
    assert "training clips a second" in header
    assert not any("copies" in text for text in header)


def test_changes_that_no_commit_holds_are_said_or_refused(tmp_path: Path) -> None:
    dirty = records(some_row(tmp_path, "cnn", [0.6], dirty=True))
    assert dirty[0]["what"].endswith("(with uncommitted changes)")
    with pytest.raises(UserError, match="made by code that no commit holds"):
        records(some_row(tmp_path / "other", "cnn", [0.6], commit=None))


def test_ledger_and_document_are_written(root: Path) -> None:
    row = some_row(root / "runs", "cnn", [0.6, 0.62, 0.61])
    changed, kept = write_to_ledger(root, records(row), [TABLE])
    assert (changed, kept) == ([root / "docs" / "table.md"], [])
    text = (root / "docs" / "table.md").read_text(encoding="utf-8")
    assert "| the cnn | `cnn` | – | – | 100 ± 0 /s | 61.0 ± 1.0 % |" in text
    assert "| another | `missing` | – |" in text
    assert differences(root) == []


def test_a_record_of_more_seeds_stays(root: Path) -> None:
    write_to_ledger(root, records(some_row(root / "runs", "cnn", [0.6, 0.62, 0.61])), [])
    fewer = records(some_row(root / "again", "cnn", [0.1]))
    changed, kept = write_to_ledger(root, fewer, [])
    assert changed == []
    assert "table-cnn-public" in kept
    assert read_ledger(root).claims["table-cnn-public"]["seeds"] == [0, 1, 2]


def test_a_speed_that_was_measured_by_itself_replaces_that_of_the_runs(root: Path) -> None:
    row = some_row(root / "runs", "cnn", [0.6, 0.62, 0.61])
    write_to_ledger(root, records(row), [])
    folder = root / "runs" / "cnn" / "pace"
    write(folder / "metrics.json", {"train/faces_per_second": 321.0})
    (folder / "config.yaml").write_text("seed: 0\n")
    about = {"seed": 0, "commit": "e" * 40, "dirty": False, "data": {"fingerprint": "d"}}
    write(folder / "provenance.json", about)
    paced = replace(row, pace=Run("cnn", 0, folder, (Job("training", folder, ()),)))
    _, kept = write_to_ledger(root, records(paced), [])
    record = read_ledger(root).claims["table-cnn-speed"]
    assert "table-cnn-speed" not in kept
    assert (record["value"], record["commit"]) == (321.0, "e" * 40)


def test_the_same_table_without_a_ledger(tmp_path: Path) -> None:
    found = results_of([some_row(tmp_path, "cnn", [0.6])], None)
    text = markdown(found, TABLE)
    assert text.splitlines()[0].startswith("|  | row | parameters | multiply-adds | training faces")
    assert "PrivateTest: difference to `cnn`" in text.splitlines()[0]
    assert "60.0 % (5" in text
