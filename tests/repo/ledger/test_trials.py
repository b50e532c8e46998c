"""The trials of a recipe in the ledger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import trials
from tools.ledger.store import LEDGER, read_ledger

PLAN = {"changes": {"base": ["a", "b"], "trials": {"a": "as it is", "b": "again", "x": "wider"}}}


def run_folder(folder: Path, accuracies: list[float], *, planned: int = 3, **origin: Any) -> None:
    folder.mkdir(parents=True)
    known = {
        "command": "python -m fer.train experiment=recipe optimizer.lr=0.1 test=false "
        "hydra.run.dir=/somewhere/else logger=none",
        "commit": "0" * 40,
        "dirty": False,
        "seed": 0,
        "data": {"fingerprint": "f"},
    }
    config = {"trainer": {"max_epochs": planned}, "seed": 0}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "provenance.json").write_text(json.dumps({**known, **origin}))
    lines = [f"{epoch},{value}\n" for epoch, value in enumerate(accuracies, start=1)]
    (folder / "history.csv").write_text("epoch,val/acc\n" + "".join(lines))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / "docs").mkdir(parents=True)
    (root / "results").mkdir()
    (root / LEDGER).write_text(json.dumps({"claims": [], "tables": []}))
    (root / trials.PLAN).write_text(yaml.safe_dump(PLAN, sort_keys=False))
    (root / "docs" / "recipe.md").write_text("<!-- table:recipe-changes -->\n<!-- /table -->\n")
    return root


def put(runs: Path, root: Path) -> int:
    return trials.main([str(runs), "--root", str(root)])


def test_a_stopped_trial_is_held_against_as_many_epochs(checkout: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    run_folder(runs / "a", [0.3, 0.5, 0.6])
    run_folder(runs / "b", [0.4, 0.6, 0.7])
    run_folder(runs / "x", [0.5, 0.66])
    assert put(runs, checkout) == 0
    claims = read_ledger(checkout).claims
    assert claims["recipe-x-public"].text.startswith("66.0 % (64.4–67.5")
    # 0.66 less the mean of 0.5 and 0.6, whose standard deviation is 0.07.
    assert claims["recipe-x-gain"].text == "+11.0 ± 7.1 points"
    command = "python -m fer.train experiment=recipe optimizer.lr=0.1"
    assert claims["recipe-x-gain"].command == command
    assert "recipe-a-gain" not in claims
    page = (checkout / "docs" / "recipe.md").read_text()
    assert "| wider, stopped after 2 of 3 epochs | 2 | 66.0 %" in page
    assert "| as it is | 3 | 60.0 %" in page


def test_what_is_not_there_keeps_its_row(checkout: Path, tmp_path: Path) -> None:
    run_folder(tmp_path / "one" / "a", [0.3, 0.5, 0.6])
    run_folder(tmp_path / "one" / "x", [0.5])
    run_folder(tmp_path / "two" / "a", [0.3, 0.5, 0.6])
    put(tmp_path / "one", checkout)
    before = (checkout / "docs" / "recipe.md").read_text()
    assert put(tmp_path / "two", checkout) == 0
    assert (checkout / "docs" / "recipe.md").read_text() == before


def test_what_the_plan_no_longer_names_is_taken_out(checkout: Path, tmp_path: Path) -> None:
    run_folder(tmp_path / "runs" / "a", [0.3, 0.5, 0.6])
    run_folder(tmp_path / "runs" / "x", [0.5])
    put(tmp_path / "runs", checkout)
    plan = {"changes": {"base": ["a", "b"], "trials": {"a": "as it is", "b": "again"}}}
    (checkout / trials.PLAN).write_text(yaml.safe_dump(plan, sort_keys=False))
    (tmp_path / "none").mkdir()
    assert put(tmp_path / "none", checkout) == 0
    assert list(read_ledger(checkout).claims) == ["recipe-a-public"]
    assert "wider" not in (checkout / "docs" / "recipe.md").read_text()


def test_code_that_no_commit_holds_is_no_evidence(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_folder(tmp_path / "runs" / "a", [0.3], dirty=True)
    assert put(tmp_path / "runs", checkout) == 2
    assert "a was run from code that no commit holds" in capsys.readouterr().err
    assert not read_ledger(checkout).claims
