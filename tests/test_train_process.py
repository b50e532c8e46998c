"""``python -m fer.train`` in a process of its own: its streams, its folder, a signal, a fork."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
import yaml

from fer.core.labels import EMOTIONS
from tests.support.train_command import (
    LOGS,
    PROMISED,
    SMALL,
    Answer,
    assert_refused,
    child_environment,
    command,
    files_in,
    pictures_in,
    rows,
    run_process,
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Someone else's home: no data, no keys, no settings."""
    return child_environment(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]
) -> tuple[Path, Answer]:
    """One whole run, with a loader process as by default, and its folder."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    overrides = [*SMALL, f"hydra.run.dir={folder}", "data.workers=1", "trainer.max_epochs=1"]
    overrides.append("test=true")
    return folder, run_process(folder.parent, environment, *overrides)


def test_wrong_overrides_exit_2_with_one_message(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    answer = run_process(tmp_path, environment, "seed=-1", "lr=0.1", "data=synthetik")
    assert_refused(answer, tmp_path, "3 problems", "'optimizer.lr'", "'synthetic'", "seed ")
    assert answer.out == ""
    assert len(answer.err.splitlines()) == 4
    assert list(tmp_path.iterdir()) == []


def test_a_run_exits_0_and_names_its_folder_last(finished: tuple[Path, Answer]) -> None:
    folder, answer = finished
    assert answer.code == 0, answer.err
    assert answer.out.splitlines()[-1] == f"run folder: {folder}"
    assert "test accuracy" in answer.out
    assert answer.err == ""


def test_a_run_leaves_what_was_promised(finished: tuple[Path, Answer]) -> None:
    folder, _ = finished
    assert files_in(folder) == PROMISED | LOGS
    # No half-written file, hidden or not, and nothing beside the run.
    assert files_in(folder.parent) == {f"run/{name}" for name in PROMISED | LOGS}


def test_metrics_are_flat_and_whole(finished: tuple[Path, Answer]) -> None:
    metrics = json.loads((finished[0] / "metrics.json").read_text(encoding="utf-8"))
    expected = {"val/best_acc", "val/best_epoch"}
    for split in ("val", "test"):
        expected |= {f"{split}/{name}" for name in ("loss", "acc", "macro_f1", "balanced_acc")}
        for name in ("precision", "recall", "f1"):
            expected |= {f"{split}/{name}/{emotion}" for emotion in EMOTIONS}
    assert expected <= set(metrics)
    # A class that is never answered has no precision: null.
    nulls = {name for name, value in metrics.items() if value is None}
    assert all("/precision/" in name or "/f1/" in name for name in nulls)
    assert all(isinstance(metrics[name], int | float) for name in metrics.keys() - nulls)
    assert metrics["val/best_acc"] == metrics["val/acc"]
    recalls = [metrics[f"test/recall/{emotion}"] for emotion in EMOTIONS]
    assert math.isclose(metrics["test/balanced_acc"], sum(recalls) / 7, abs_tol=1e-6)


def test_the_confusion_matrix_agrees_with_the_metrics(finished: tuple[Path, Answer]) -> None:
    folder, _ = finished
    header, *lines = (folder / "figures" / "confusion_matrix.csv").read_text().splitlines()
    assert header.split(",")[1:] == [line.split(",")[0] for line in lines] == list(EMOTIONS)
    counts = [[int(count) for count in line.split(",")[1:]] for line in lines]
    assert sum(map(sum, counts)) == 32
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    right = sum(counts[i][i] for i in range(7))
    assert math.isclose(right / 32, metrics["test/acc"], abs_tol=1e-6)


def test_the_configuration_says_what_was_run(finished: tuple[Path, Answer]) -> None:
    folder, _ = finished
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    assert config["data"]["source"]["train"] == 64
    assert config["trainer"]["max_epochs"] == 1
    assert "hydra" not in config
    assert "${" not in (folder / "config.yaml").read_text(encoding="utf-8")
    origin = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    assert origin["command"].startswith("python -m fer.train data=synthetic ")
    assert origin["seed"] == 0
    assert "synthetic" in origin["data"]["origin"]


@pytest.mark.parametrize("name", ["best", "last"])
def test_checkpoints_hold_plain_containers_only(finished: tuple[Path, Answer], name: str) -> None:
    path = finished[0] / "checkpoints" / f"{name}.ckpt"
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    assert checkpoint["hyper_parameters"]["classes"] == list(EMOTIONS)

    def check(value: Any) -> None:
        plain = (dict, list, tuple, str, int, float, bool, type(None), torch.Tensor)
        assert isinstance(value, plain), type(value)
        inner = [*value, *value.values()] if isinstance(value, dict) else value
        for item in inner if isinstance(inner, list | tuple) else ():
            check(item)

    check(checkpoint)


@pytest.mark.parametrize("name", ["curves", "confusion_matrix"])
def test_figures_are_pictures(finished: tuple[Path, Answer], name: str) -> None:
    picture = cv2.imread(str(finished[0] / "figures" / f"{name}.png"))
    assert picture is not None
    assert min(picture.shape[:2]) >= 400
    assert max(picture.shape[:2]) <= 2000
    assert picture.std() > 5  # It is not blank.


def test_a_folder_that_holds_a_run_is_refused(
    finished: tuple[Path, Answer], environment: dict[str, str], tmp_path: Path
) -> None:
    folder, _ = finished
    before = {name: (folder / name).read_bytes() for name in files_in(folder)}
    answer = run_process(tmp_path, environment, *SMALL, f"hydra.run.dir={folder}")
    assert_refused(answer, tmp_path, "already holds a run", "metrics.json", str(folder))
    assert {name: (folder / name).read_bytes() for name in files_in(folder)} == before


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of process groups are POSIX")
def test_an_interrupted_training_keeps_its_last_checkpoint(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    folder = tmp_path / "run"
    overrides = [*SMALL, "hydra.run.dir=run", "data.workers=1", "trainer.max_epochs=100000"]
    with subprocess.Popen(
        command(*overrides),
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    ) as running:
        deadline = time.monotonic() + 120
        while not (folder / "checkpoints" / "last.ckpt").exists():
            assert running.poll() is None, running.communicate()
            if time.monotonic() > deadline:
                os.killpg(running.pid, signal.SIGKILL)
                pytest.fail("no epoch was finished")
            time.sleep(0.05)
        # A terminal's Ctrl-C reaches the loader processes too.
        os.killpg(running.pid, signal.SIGINT)
        try:
            out, err = running.communicate(timeout=60)
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 130, (out, err)
    told = (
        f"fer.train: interrupted; what was finished is kept in {folder}\nto go on: python -m fer."
    )
    assert told in err
    assert err.endswith(" hydra.run.dir=run data.workers=1 trainer.max_epochs=100000 resume=auto\n")
    assert "Traceback" not in out + err
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["epoch"] >= 0
    assert len(rows(folder / "history.csv")) >= 1
    assert not (folder / "metrics.json").exists()


@pytest.mark.slow
def test_wandb_offline_keeps_each_job_in_its_folder_and_no_faces(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    overrides = ["-m", *SMALL, "logger=wandb", "logger.mode=offline", "seed=0,1", "test=false"]
    # Loader processes are forked while W&B's threads run.
    overrides += ["trainer.max_epochs=1", "data.workers=1", "hydra.sweep.dir=sweep"]
    answer = run_process(tmp_path, environment, *overrides)
    assert answer.code == 0, answer.err
    assert {path.name for path in tmp_path.iterdir()} == {"sweep"}
    for job in ("0", "1"):
        wandb = tmp_path / "sweep" / job / "wandb"
        (run,) = wandb.glob("offline-run-*")
        assert list(run.glob("run-*.wandb"))
        assert pictures_in(wandb.parent) == []
        assert not list(wandb.rglob("media"))
