"""Sweeps by the launchers that run on one machine: every run in its folder, whoever started it."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest

from tests.support.train_command import SMALL, child_environment, run_process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="submitit and Ray's launcher are POSIX"),
]

SWEEP = ("-m", *SMALL, "trainer.max_epochs=1", "test=false", "seed=0,1", "hydra.sweep.dir=sweep")


@pytest.mark.parametrize(
    ("launcher", "plugin", "own"),
    [
        # With a loader process, which starts by itself as joblib would have it.
        (
            "joblib",
            "hydra_joblib_launcher",
            ["hydra.launcher.n_jobs=2", "data.resident=false", "data.workers=1"],
        ),
        ("submitit_local", "hydra_submitit_launcher", ["hydra.launcher.timeout_min=10"]),
        ("ray", "hydra_ray_launcher", ["+hydra.launcher.ray.init.num_cpus=2"]),
    ],
)
def test_a_sweep_runs(tmp_path: Path, launcher: str, plugin: str, own: list[str]) -> None:
    try:
        importlib.import_module(f"hydra_plugins.{plugin}")
    except ImportError:
        pytest.skip(f"{plugin} is not installed")
    line = [text for text in SWEEP if text != "trainer.max_epochs=2"]
    answer = run_process(
        tmp_path, child_environment(tmp_path), *line, f"hydra/launcher={launcher}", *own
    )
    assert answer.code == 0, answer
    for name in ("0", "1"):
        run = tmp_path / "sweep" / name
        assert (run / "metrics.json").is_file(), answer
        assert (run / "checkpoints" / "best.ckpt").is_file()
        assert f"seed: {name}\n" in (run / "config.yaml").read_text()
