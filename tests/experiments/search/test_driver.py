"""A search goes on after anything, and finds the same as if nothing had happened."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fer.core import locks
from fer.experiments.search.driver import search
from fer.experiments.search.plan import Parameter, SearchPlan
from fer.experiments.search.results import summary
from fer.experiments.search.study import JOURNAL
from tests.support.errors import raises
from tests.support.made_up_training import EPOCHS, accuracy
from tests.support.wheel import ROOT

pytest.importorskip("optuna", reason="the extra search is not installed")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="locks and signals are POSIX")

PYTHON = (sys.executable, str(ROOT / "tests" / "support" / "made_up_training.py"))
OPTIONS = {
    "trials": 4, "jobs": 1, "gpus": None, "sampler": "tpe", "startup": 2, "pruning": "none",
    "finished": 2, "warmup": 0, "restarts": 2, "seed": 0,
}  # fmt: skip
SPACE = (
    Parameter("rate", "optimizer.lr", 0.0001, 1.0, log=True),
    Parameter("units", "model.lstm.units", 8, 64, 8),
    Parameter("fusion", "fusion", choices=("sum", "gated")),
)
#: Every trial goes wrong, where the environment says so.
HIGH = (Parameter("rate", "optimizer.lr", 0.6, 1.0),)


def plan(folder: Path, space: tuple[Parameter, ...] = SPACE, **options: Any) -> SearchPlan:
    return SearchPlan(folder, space, ("data=synthetic",), "val/acc", "max", OPTIONS | options)


def run(folder: Path, space: tuple[Parameter, ...] = SPACE, **options: Any) -> list[str]:
    _, failures = search(plan(folder, space, **options), interval=0.01, python=PYTHON)
    return [str(failure) for failure in failures]


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    assert run(folder) == []
    return folder


def test_trials_are_run_and_the_best_is_named(whole: Path) -> None:
    rows = table(whole)
    assert [row["trial"] for row in rows] == ["0", "1", "2", "3"]
    assert {row["end"] for row in rows} == {"done"}
    for row in rows:
        assert 0.0001 <= float(row["rate"]) <= 1
        assert int(row["units"]) in range(8, 65, 8)
        assert row["fusion"] in ("sum", "gated")
        assert float(row["val/acc"]) == accuracy(float(row["rate"]), EPOCHS)
    best = json.loads((whole / "best.json").read_text())
    assert best["val/acc"] == max(float(row["val/acc"]) for row in rows)
    assert best["overrides"][0] == "data=synthetic"
    assert best["overrides"][1].startswith("optimizer.lr=0.")
    trials, _ = search(plan(whole), interval=0.01, python=PYTHON)
    text = summary(plan(whole), trials)
    assert f"best: trial {best['trial']}," in text
    assert "python -m fer.train data=synthetic optimizer.lr=" in text


def test_more_trials_continue_a_search(whole: Path, tmp_path: Path) -> None:
    """What is drawn depends on the trials before alone."""
    assert run(tmp_path, trials=1) == run(tmp_path, trials=3) == run(tmp_path) == []
    assert (tmp_path / "trials.csv").read_text() == (whole / "trials.csv").read_text()


def test_poor_trials_are_stopped_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADE_UP_SECONDS", "0.05")
    run(tmp_path, trials=6, pruning="median", sampler="random")
    ends = [row["end"] for row in table(tmp_path)]
    assert ends[:2] == ["done", "done"]
    assert "stopped" in ends
    stopped = next(row for row in table(tmp_path) if row["end"] == "stopped")
    assert int(stopped["epochs"]) < EPOCHS


@pytest.mark.parametrize(
    ("how", "end", "starts"),
    [("kill-once", "done", 2), ("kill", "failed", 2), ("fail", "failed", 1),
     ("diverge", "diverged", 1)],
)  # fmt: skip
def test_trials_that_end_badly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, end: str, starts: int
) -> None:
    monkeypatch.setenv("MADE_UP_END", how)
    told = run(tmp_path, HIGH, trials=1, restarts=1)
    assert len(told) == (end == "failed")
    assert [row["end"] for row in table(tmp_path)] == [end]
    trial = tmp_path / "trials" / "0000"
    assert len((trial / "starts").read_text().splitlines()) == starts
    if how == "fail":
        assert "no such thing" in told[0]
    # A trial that is killed goes on from its last epoch.
    epochs = [line.split(",")[0] for line in (trial / "history.csv").read_text().splitlines()[1:]]
    assert epochs == [str(n + 1) for n in range(len(epochs))]


def test_jobs_have_graphics_cards_of_their_own(tmp_path: Path) -> None:
    run(tmp_path, trials=2, jobs=2, gpus=2)
    seen = {(tmp_path / "trials" / n / "starts").read_text() for n in ("0000", "0001")}
    assert seen == {"0\n", "1\n"}


def test_half_a_line_and_a_lock_that_a_kill_left(whole: Path, tmp_path: Path) -> None:
    run(tmp_path, trials=2)
    with (tmp_path / JOURNAL).open("a") as file:
        file.write('{"op_code":4,"work')
    (tmp_path / f"{JOURNAL}.lock").touch()
    began = time.monotonic()
    run(tmp_path)
    assert time.monotonic() - began < 20, "Optuna would wait for the lock for half a minute"
    assert (tmp_path / "trials.csv").read_text() == (whole / "trials.csv").read_text()


def test_two_processes_do_not_search_in_one_folder(tmp_path: Path) -> None:
    handle = locks.try_lock(tmp_path / "search.lock")
    assert handle is not None
    try:
        with raises("folder_in_use", where=str(tmp_path)):
            run(tmp_path)
    finally:
        locks.unlock(handle)


def test_what_is_no_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text("nonsense\nmore\n")
    with raises("unreadable_journal", where=JOURNAL):
        run(tmp_path)


PROGRAM = """
import sys
from pathlib import Path
from tests.experiments.search.test_driver import PYTHON, plan
from fer.experiments.search.driver import search
search(plan(Path(sys.argv[1]), trials=8), interval=0.01, python=PYTHON)
"""


@pytest.mark.slow
def test_a_search_that_is_killed_at_any_moment_finds_the_same(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MADE_UP_SECONDS": "0.05"}
    command = [sys.executable, "-c", PROGRAM]
    once = tmp_path / "once"
    subprocess.run([*command, str(once)], env=environment, check=True, capture_output=True)
    folder, moments, kills = tmp_path / "killed", random.Random(0), 0
    for _ in range(20):
        size = (folder / JOURNAL).stat().st_size if (folder / JOURNAL).exists() else 0
        with subprocess.Popen(
            [*command, str(folder)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as running:
            deadline = time.monotonic() + 120
            # From the first thing that it writes on.
            while running.poll() is None and (
                not (folder / JOURNAL).exists() or (folder / JOURNAL).stat().st_size <= size
            ):
                assert time.monotonic() < deadline
                time.sleep(0.002)
            time.sleep(moments.uniform(0, 1.0))
            if running.poll() is not None:
                break
            running.send_signal(signal.SIGKILL)
            kills += 1
    assert kills >= 2, "the kills came too late"
    subprocess.run([*command, str(folder)], env=environment, check=True, capture_output=True)
    assert (folder / "trials.csv").read_text() == (once / "trials.csv").read_text()
