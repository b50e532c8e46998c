"""A job of a sweep that fails leaves the others alone, and options may stand among overrides."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support.train_command import SMALL, Train, child_environment, run_process

#: The first of two ends in a loss that is no number.
SWEEP = (
    *SMALL, "data.batch_size=16", "trainer.max_epochs=1", "logger=none", "optimizer=sgd",
    "optimizer.lr=1e30,0.01",
    "hydra.sweep.dir=sweep",
)  # fmt: skip


def finished(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("sweep/*/metrics.json"))


def test_the_others_run_and_the_failure_is_listed(train: Train, elsewhere: Path) -> None:
    answer = train(*SWEEP[:3], "-m", *SWEEP[3:])
    assert answer.code == 1, answer
    assert finished(elsewhere) == ["1"]
    assert "fer.train: 1 of 2 jobs failed, the others are done:\n" in answer.err
    assert re.search(r"  job 0 \(optimizer\.lr=1e\+?30\): the loss became ", answer.err)
    assert "Traceback" not in answer.err


def test_a_configuration_of_one_s_own_fares_alike(train: Train, elsewhere: Path) -> None:
    (elsewhere / "own.yaml").write_text("defaults: [train, _self_]\n")
    options = ("--config-dir", ".", "--config-name")
    answer = train(*options, "own", "-m", *SWEEP)
    assert (answer.code, finished(elsewhere)) == (1, ["1"]), answer
    assert "fer.train: 1 of 2 jobs failed, the others are done:\n" in answer.err
    answer = train(*options, "none", "seed=0")
    assert answer.code == 2
    assert answer.err.startswith("fer.train: Cannot find primary config 'none'.")
    assert "run folder" not in answer.err


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="loky's processes are POSIX here")
def test_joblib_cuts_no_healthy_job_off(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    answer = run_process(
        tmp_path, child_environment(tmp_path), "-m", *SWEEP, "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
    )  # fmt: skip
    assert answer.code == 1, answer
    assert finished(tmp_path) == ["1"]
    assert re.search(r"  job 0 \(optimizer\.lr=1e\+?30\): the loss became ", answer.err)
