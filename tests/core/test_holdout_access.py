"""The test split is left alone unless asked for, and each look at it is counted with the run."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from fer.core.holdout_access import (
    ACCESS_LOG,
    count_test_accesses,
    record_test_access,
    run_folder_of,
)
from tests.support.train_command import SMALL, Train

ONCE = (*SMALL, "trainer.max_epochs=1", "logger=none", "hydra.run.dir=run")


def test_the_end_names_the_command_that_scores_and_each_look_is_counted(
    train: Train,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from fer.evaluate import main

    answer = train(*ONCE)
    assert answer.code == 0, answer
    run = elsewhere / "run"
    assert not (run / ACCESS_LOG).exists()
    (line,) = re.findall(r"^  (python -m fer\.evaluate .*)$", answer.out, re.MULTILINE)
    for number in (1, 2):
        words = [*shlex.split(line)[2:], "tta=false", "report=false", "hydra.run.dir=judged"]
        monkeypatch.setattr(sys, "argv", [*words[:-1], f"{words[-1]}{number}"])
        assert main() == 0
        said = capsys.readouterr().out
        assert f"test was looked at {('once', 'twice')[number - 1]} with this run" in said
        judged = elsewhere / f"judged{number}"
        # On the 32 faces of the training's own test split.
        assert json.loads((judged / "metrics.json").read_text())["official"]["n"] == 32
        provenance = json.loads((judged / "provenance.json").read_text())
        assert provenance["looks"] == {"split": "test", "number": number}
        assert not (judged / ACCESS_LOG).exists()
    assert count_test_accesses(run, "test") == 2


@pytest.mark.slow
def test_a_training_that_scores_counts_its_look(train: Train, elsewhere: Path) -> None:
    answer = train(*ONCE, "test=true")
    assert answer.code == 0, answer
    assert "test was looked at once with this run" in answer.out
    assert "fer.evaluate" not in answer.out
    # Other protocols have test faces of their own, which only the training knows.
    other = train(*ONCE[:-1], "hydra.run.dir=other", "data.protocol=resplit")
    (line,) = re.findall(r"^  (python -m fer\.train .*)$", other.out, re.MULTILINE)
    answer = train(*shlex.split(line)[3:])
    assert answer.code == 0, answer
    assert count_test_accesses(elsewhere / "other", "test (resplit)") == 1


def test_looks_at_other_splits_are_others(tmp_path: Path) -> None:
    assert count_test_accesses(tmp_path, "PrivateTest") == 0
    assert record_test_access(tmp_path, "PrivateTest", "a") == 1
    assert record_test_access(tmp_path, "test", "b") == 1
    assert record_test_access(tmp_path, "PrivateTest", "a") == 2


def test_a_checkpoint_is_of_the_run_that_it_lies_in(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "best.ckpt"
    assert run_folder_of(path) is None
    (tmp_path / "config.yaml").touch()
    assert run_folder_of(path) == tmp_path
    assert run_folder_of(tmp_path / "best.ckpt") is None
