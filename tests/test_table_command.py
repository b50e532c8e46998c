"""``python -m fer.table`` from the command line to the written table, by tiny real runs."""

from __future__ import annotations

import csv
import importlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fer.core.holdout_access import ACCESS_LOG, count_test_accesses
from fer.experiments import runs as run_folders
from fer.experiments.runner import Failure
from fer.experiments.runs import Job, Run
from fer.table import main
from tests.support.train_command import Answer, run_process

TINY = (
    "data=synthetic",
    "data.source.train=64",
    "data.source.val=32",
    "data.source.test=32",
    'overrides=["debug=tiny","model.head.hidden=[8]","model.backbone.widths=[4,4,4,4]",'
    '"trainer=cpu","logger=none"]',
)
ROWS = ("only=[cnn,hog_svm]", "seeds=[0,1]")

Table = Callable[..., Answer]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Run the commands of a table in this process, where everything is imported already."""
    done: list[Job] = []

    def run_missing(runs: Sequence[Run], *, jobs: int, threads: int | None = None) -> list[Failure]:
        failures = []
        for run in runs:
            while (job := run.next_job()) is not None:
                place = f'hydra.run.dir="{job.folder}"'
                done.append(job)
                monkeypatch.setattr(sys, "argv", [job.module, *job.overrides, place])
                try:
                    code = importlib.import_module(job.module).main()
                except SystemExit as end:
                    code = end.code
                if code != 0:
                    job.log.write_text("it went wrong", encoding="utf-8")
                    failures.append(Failure(f"{run.name}: {job.step}", code, job.log))
                    break
        return failures

    monkeypatch.setattr(run_folders, "run_missing", run_missing)
    return done


@pytest.fixture
def table(
    clean_process: None,
    calls: list[Job],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Table:
    def run(*overrides: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["fer.table", *overrides])
        try:
            code: Any = main()
        except SystemExit as end:
            code = end.code
        output = capsys.readouterr()
        return Answer(code, output.out, output.err)

    return run


def figures(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (folder / "figures.csv").open(encoding="utf-8", newline="") as file:
        return {(row["row"], row["figure"]): row for row in csv.DictReader(file)}


@pytest.mark.slow
def test_a_table_is_run_and_written_and_goes_on(
    table: Table, calls: list[Job], elsewhere: Path
) -> None:
    answer = table(*TINY, *ROWS)
    assert answer.code == 0, answer
    assert [job.step for job in calls] == (
        ["training", "evaluation", "baseline", "training", "evaluation"]
    ), "seed by seed; the conventional method once"
    folder = elsewhere / "runs" / "table" / "synthetic"
    text = (folder / "table.md").read_text(encoding="utf-8")
    assert text in answer.out
    assert [line.split("|")[2].strip() for line in text.splitlines()[2:]] == [
        "`cnn`", "`hog_svm`",
    ]  # fmt: skip
    found = figures(folder)
    metrics = [
        json.loads((folder / "cnn" / f"seed{seed}" / "metrics.json").read_text()) for seed in (0, 1)
    ]
    mean = sum(one["val/best_acc"] for one in metrics) / 2
    assert float(found["cnn", "public"]["value"]) == pytest.approx(mean, abs=1e-6)
    assert all(one["train/faces_per_second"] > 0 for one in metrics)
    assert not any(name.startswith("test/") for one in metrics for name in one)
    for run in ("cnn/seed0", "cnn/seed1", "hog_svm/seed0"):
        assert count_test_accesses(folder / run, "test") == 1, run
    assert found["hog_svm", "difference"]["seeds"] == "0"
    assert ("cnn", "difference") not in found
    assert found["hog_svm", "private"]["interval"] == "bootstrap"
    assert int(float(found["hog_svm", "parameters"]["value"])) == 7 * 901
    stored = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    cnn = stored["tables"][0]["results"][0]
    assert (stored["data"], stored["overrides"]) == ("synthetic", [*TINY, *ROWS])
    assert cnn["figures"]["public"]["runs"] == ["cnn/seed0", "cnn/seed1"]
    # Again: nothing is run, and the table is the same.
    calls.clear()
    again = table(*TINY, *ROWS)
    assert (again.code, calls) == (0, [])
    assert (folder / "table.md").read_text(encoding="utf-8") == text


@pytest.mark.slow
def test_a_row_that_fails_is_listed_and_the_others_are_there(table: Table, elsewhere: Path) -> None:
    answer = table(*TINY, "only=[cnn,hog_svm]", "seeds=[0]", "test=false", "data.source.train=5")
    assert answer.code == 1, answer
    assert "fer.table: hog_svm seed 0: baseline ended with code 2" in answer.err
    assert "| CNN | `cnn` |" in answer.out


@pytest.mark.slow
def test_screening_scores_no_test_split(table: Table, elsewhere: Path) -> None:
    answer = table(*TINY, "only=[cnn]", "seeds=[0]", "test=false", "pace=true")
    assert answer.code == 0, answer
    run = elsewhere / "runs" / "table" / "synthetic" / "cnn"
    paced = json.loads((run / "pace" / "metrics.json").read_text(encoding="utf-8"))
    speed = figures(run.parent)["cnn", "speed"]
    assert float(speed["value"]) == pytest.approx(paced["train/faces_per_second"], abs=1e-6)
    assert not (run / "seed0" / "evaluation").exists()
    assert not (run / "seed0" / ACCESS_LOG).exists()
    assert {name for _, name in figures(run.parent)} == {
        "parameters", "multiply-adds", "speed", "public",
    }  # fmt: skip


def test_help_and_a_sweep_that_is_refused(table: Table, calls: list[Job]) -> None:
    answer = table("--help")
    assert answer.code == 0
    assert "python -m fer.table data=synthetic seeds=[0]" in answer.out
    answer = table("-m", *TINY, "only=[cnn]", "seeds=[0],[1]")
    assert (answer.code, calls) == (2, [])


@pytest.mark.slow
def test_the_command_in_processes_of_its_own(tmp_path: Path) -> None:
    from tests.support.train_command import child_environment

    start = (sys.executable, "-m", "fer.table")
    line = (*TINY, "only=[cnn,hog_svm]", "seeds=[0]")
    answer = run_process(tmp_path, child_environment(tmp_path), *line, start=start)
    assert answer.code == 0, answer
    assert "cnn seed 0: training done in" in answer.out
    assert "2 of 2 runs done" in answer.err
    assert "HOG, linear SVM" in answer.out
