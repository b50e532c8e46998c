"""``python -m fer.search`` from the command line to the table of trials."""

from __future__ import annotations

import functools
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fer.search import main
from tests.experiments.search.test_driver import PYTHON, table
from tests.support.train_command import Answer, child_environment, run_process

pytest.importorskip("optuna", reason="the extra search is not installed")

Search = Callable[..., Answer]


@pytest.fixture
def search(
    clean_process: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Search:
    """Run the command with made-up trainings."""
    from fer.experiments.search import driver

    made_up = functools.partial(driver.search, interval=0.01, python=PYTHON)
    monkeypatch.setattr(driver, "search", made_up)

    def run(*overrides: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["fer.search", *overrides])
        try:
            code: Any = main()
        except SystemExit as end:
            code = end.code
        output = capsys.readouterr()
        return Answer(code, output.out, output.err)

    return run


@pytest.mark.slow
def test_a_search_is_run_and_goes_on(search: Search, elsewhere: Path) -> None:
    line = ("data=synthetic", "trainer=cpu", "hydra.run.dir=found")
    answer = search(*line, "search.trials=2")
    assert answer.code == 0, answer
    folder = elsewhere / "found"
    assert [row["end"] for row in table(folder)] == ["done", "done"]
    assert "to train by it: python -m fer.train data=synthetic trainer=cpu optimizer." in answer.out
    again = search(*line, "search.trials=3")
    assert again.code == 0, again
    assert "trial 2: done" in again.out
    assert "trial 1: done" not in again.out
    assert json.loads((folder / "best.json").read_text())["val/acc"] > 0
    other = search(*line, "search.trials=3", "optimizer=sgd")
    assert other.code == 2


def test_trials_that_fail_are_listed(
    search: Search, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MADE_UP_END", "fail")
    place = ("hydra.run.dir=found", "search.trials=1")
    high = ("search.space.rate.low=0.6", "search.space.rate.high=0.9")
    answer = search("data=synthetic", *place, *high)
    assert answer.code == 1, answer
    assert "fer.search: trial 0 ended with code 1" in answer.err
    assert "no such thing" in answer.err


def test_help_and_a_sweep_that_is_refused(search: Search, elsewhere: Path) -> None:
    answer = search("--help")
    assert answer.code == 0
    assert "python -m fer.search data=synthetic" in answer.out
    assert search("-m", "data=synthetic", "search.trials=1,2").code == 2


def test_the_missing_extra_is_named(
    search: Search, monkeypatch: pytest.MonkeyPatch, elsewhere: Path
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "optuna" else real(name)
    )
    answer = search("data=synthetic")
    assert answer.code == 2
    assert ".[train,search]" in answer.err


@pytest.mark.slow
def test_a_training_that_diverges_is_no_failure(tmp_path: Path) -> None:
    """By real trainings, one of which has a rate that no network bears."""
    start = (sys.executable, "-m", "fer.search")
    line = [
        "data=synthetic", "data.source.train=64", "data.source.val=32", "data.source.test=32",
        "trainer=cpu", "debug=tiny", "optimizer=sgd", "logger=none", "search.trials=1",
        "search.space.rate.low=1e28", "search.space.rate.high=1e30", "hydra.run.dir=found",
    ]  # fmt: skip
    answer = run_process(tmp_path, child_environment(tmp_path), *line, start=start)
    assert answer.code == 0, answer
    assert table(tmp_path / "found")[0]["end"] == "diverged"
    metrics = list((tmp_path / "found").rglob("metrics.json"))
    assert not any("test/acc" in path.read_text() for path in metrics)
