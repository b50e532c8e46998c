"""The figures of a table become claims, and the ledger a document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fer.core.errors import UserError
from fer.core.io import write_json
from fer.experiments.runs import Job, Run
from fer.experiments.table.plan import Row
from fer.experiments.table.results import results_of, where_helps
from fer.experiments.table.writing import as_json, table_of, where_table
from tests.experiments.table.made_up import COMMIT, corrupted, some_row, write
from tools.ledger.__main__ import main
from tools.ledger.claim import Claim
from tools.ledger.documents import differences
from tools.ledger.store import LEDGER, read_ledger
from tools.ledger.tables import put_table, read_table

NAMES = {"val": "PublicTest", "test": "PrivateTest", "reference": "cnn"}
TITLES = {"cnn": "the cnn", "lstm": "the lstm", "missing": "another"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with an empty ledger and a document."""
    (tmp_path / "results").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / LEDGER).write_text(json.dumps({"claims": [], "tables": []}), encoding="utf-8")
    text = "# T\n<!-- table:table-families -->\n<!-- /table -->\n"
    (tmp_path / "docs" / "table.md").write_text(text, encoding="utf-8")
    return tmp_path


def written(
    folder: Path,
    rows: Sequence[Row],
    *,
    names: Mapping[str, str] = NAMES,
    titles: Mapping[str, str] = TITLES,
    **about: Any,
) -> Path:
    """Write the table of rows of a kind as ``python -m fer.table`` does."""
    table = table_of(titles, rows[0].kind, names)
    tables = [as_json(table, results_of(rows, rows[0]), folder)]
    stored = {"data": "fer2013", "overrides": ["seeds=[0]"], "tables": tables, **about}
    write_json(folder / "table.json", stored)
    return folder


def claims(folder: Path, rows: Sequence[Row], **about: Any) -> dict[str, Claim]:
    return {claim.id: claim for claim in read_table(written(folder, rows, **about))[0]}


def test_a_claim_says_where_its_number_is_from(tmp_path: Path) -> None:
    found = claims(tmp_path, [some_row(tmp_path, name, [0.6, 0.62]) for name in ("cnn", "lstm")])
    names = {"speed", "public", "private", "robustness"}
    assert {one for one in found if "cnn" in one} == {f"table-cnn-{name}" for name in names}
    private, public = found["table-cnn-private"], found["table-cnn-public"]
    assert private.what == "accuracy of cnn on PrivateTest, single view"
    assert private.command == "python -m fer.table only=[cnn] seeds=[0,1]"
    # What PrivateTest is not needed for leaves it alone.
    assert public.command == f"{private.command} test=false"
    assert found["table-cnn-robustness"].command == f"{private.command} robustness=true"
    assert (private.commit, private.data, private.seeds) == (COMMIT, "d", (0, 1))
    assert (private.private_test_looks, public.private_test_looks) == (2, 0)
    assert public.text == "61.0 ± 1.4 %"
    difference = found["table-lstm-difference"]
    assert difference.command == "python -m fer.table only=[cnn,lstm] seeds=[0,1]"


def test_clips_have_words_of_their_own(tmp_path: Path) -> None:
    row = some_row(tmp_path, "clip_lstm", [0.6, 0.62], kind="clips")
    names = {"val": "val", "test": "test", "reference": "clip_frames"}
    found = claims(tmp_path, [row], names=names, titles={"clip_lstm": "an LSTM"})
    speed = found["table-clip_lstm-speed"]
    assert speed.what == "clips a second that clip_lstm trained on, on the machine of its runs"
    assert found["table-clip_lstm-private"].private_test_looks == 0, "not of PrivateTest"


def test_where_one_row_is_better(tmp_path: Path) -> None:
    lstm = corrupted(some_row(tmp_path, "cnn_lstm", [0.7, 0.7, 0.7], skill=2.5), gain=0.05)
    cnn = corrupted(some_row(tmp_path, "cnn", [0.6, 0.6, 0.6], skill=1.0), gain=0.0)
    pair = where_helps(lstm, cnn)
    assert pair is not None
    tables = [as_json(where_table(pair, NAMES), pair, tmp_path)]
    write_json(tmp_path / "table.json", {"data": "fer2013", "overrides": [], "tables": tables})
    found, (table,) = read_table(tmp_path)
    assert table["id"] == "table-where"
    by_id = {claim.id: claim for claim in found}
    gain = by_id["table-cnn_lstm-gain-under-light"]
    assert gain.what == (
        "accuracy of cnn_lstm on 50 faces of PublicTest, mean over corruptions (light) in 5 "
        "severities less that of cnn"
    )
    assert (gain.private_test_looks, gain.text) == (0, "+5.0 ± 0.0 points")
    assert gain.command.startswith("python -m fer.table only=[cnn_lstm,cnn] seeds=[0,1,2] robust")
    recall = by_id["table-cnn-recall-dog"]
    assert recall.what == "recall of cnn for dog on PrivateTest, single view"
    assert recall.private_test_looks == 3


def test_changes_that_no_commit_holds_are_said_or_refused(tmp_path: Path) -> None:
    dirty = claims(tmp_path, [some_row(tmp_path, "cnn", [0.6], dirty=True)])
    assert all(one.what.endswith("(with uncommitted changes)") for one in dirty.values())
    with pytest.raises(UserError, match="no commit holds"):
        claims(tmp_path, [some_row(tmp_path / "other", "cnn", [0.6], commit=None)])


def test_ledger_and_document_are_written(root: Path) -> None:
    folder = written(root / "runs", [some_row(root / "runs", "cnn", [0.6, 0.62, 0.61])])
    assert main(["table", str(folder), "--root", str(root)]) == 0
    text = (root / "docs" / "table.md").read_text(encoding="utf-8")
    assert "| the cnn | `cnn` | – | – | 100 ± 0 /s | 61.0 ± 1.0 % |" in text
    assert "| another | `missing` | – |" in text
    assert differences(root) == []


def test_a_claim_of_more_seeds_stays_but_for_a_speed_measured_by_itself(root: Path) -> None:
    row = some_row(root / "runs", "cnn", [0.6, 0.62, 0.61])
    assert put_table(root, written(root / "runs", [row])) == []
    fewer = written(root / "again", [some_row(root / "again", "cnn", [0.1])])
    assert "table-cnn-public" in put_table(root, fewer)
    assert read_ledger(root).claims["table-cnn-public"].seeds == (0, 1, 2)
    folder = root / "runs" / "cnn" / "pace"
    write(folder / "metrics.json", {"train/faces_per_second": 321.0})
    (folder / "config.yaml").write_text("seed: 0\n")
    about = {"seed": 0, "commit": "e" * 40, "dirty": False, "command": "x"}
    write(folder / "provenance.json", {**about, "data": {"fingerprint": "d"}})
    paced = replace(row, pace=Run("cnn", 0, folder, (Job("training", folder, ()),)))
    assert "table-cnn-speed" not in put_table(root, written(root / "runs", [paced]))
    speed = read_ledger(root).claims["table-cnn-speed"]
    assert (speed.value, speed.commit) == (321.0, "e" * 40)
    assert speed.command.endswith("pace=true")


@pytest.mark.parametrize(
    "about",
    [
        {"data": "synthetic"},
        {"overrides": ["seeds=[0]", "budget.default=[x]"]},
        {"overrides": ['overrides=["trainer=gpu"]']},
    ],
)
def test_a_table_of_another_budget_is_not_that_of_the_documents(
    root: Path, capsys: pytest.CaptureFixture[str], about: dict[str, Any]
) -> None:
    folder = written(root / "runs", [some_row(root / "runs", "cnn", [0.6])], **about)
    assert main(["table", str(folder), "--root", str(root)]) == 2
    assert "conf/table.yaml" in capsys.readouterr().err
    assert not read_ledger(root).claims


@pytest.mark.parametrize("text", ["{", "[]", '{"data": "fer2013", "overrides": []}'])
def test_a_folder_without_a_table(root: Path, text: str) -> None:
    assert main(["table", str(root), "--root", str(root)]) == 2
    (root / "table.json").write_text(text, encoding="utf-8")
    assert main(["table", str(root), "--root", str(root)]) == 2
