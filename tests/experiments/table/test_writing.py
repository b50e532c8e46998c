"""The table as Markdown and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fer.core.io import write_json
from fer.experiments.table.results import results_of
from fer.experiments.table.writing import as_json, table_of
from tests.experiments.table.made_up import some_row

NAMES = {"val": "PublicTest", "test": "PrivateTest", "reference": "cnn"}
TABLE = table_of({"cnn": "the cnn", "missing": "another"}, "families", NAMES)


def test_markdown_shows_what_there_is(tmp_path: Path) -> None:
    row = some_row(tmp_path, "cnn", [0.6, 0.62, 0.61])
    header, _, cnn, missing = TABLE.markdown(results_of([row], None)).splitlines()
    assert header.startswith(
        "|  | row | parameters | multiply-adds | training faces a second | Pub"
    )
    assert "PrivateTest: difference to `cnn`" in header
    assert cnn.startswith("| the cnn | `cnn` | – | – | 100 ± 0 /s | 61.0 ± 1.0 % |")
    assert missing.startswith("| another | `missing` | – | – |")


def test_json_has_every_figure_and_its_runs(tmp_path: Path) -> None:
    row = some_row(tmp_path / "clips", "cnn", [0.6, 0.62])
    folder = tmp_path / "faces"
    write_json(folder / "table.json", as_json(TABLE, results_of([row], None), folder))
    found = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    assert (found["kind"], found["header"]) == ("families", TABLE.header)
    (result,) = found["results"]
    public = result["figures"]["public"]
    assert public["value"] == pytest.approx(0.61)
    assert (public["text"], public["seeds"]) == ("61.0 ± 1.4 %", [0, 1])
    # Rows of clips lie beside the folder of faces.
    assert public["runs"] == ["../clips/cnn/seed0", "../clips/cnn/seed1"]


def test_clips_have_words_and_columns_of_their_own() -> None:
    header = table_of({"clip_lstm": "an LSTM"}, "clips", NAMES).header
    assert "training clips a second" in header
    assert not any("copies" in text for text in header)
