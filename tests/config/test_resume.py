"""``resume=auto``: which run a command would go on with."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from fer.config.compose import compose
from fer.config.issues import ConfigError
from fer.config.resume import check_its_run, last_checkpoint, run_to_resume
from fer.core.errors import UserError
from fer.core.io import write_text

BASE = ("data=fer2013", "trainer=cpu", "trainer.precision=32-true", "trainer.max_epochs=5")


@cache
def composed(*overrides: str) -> DictConfig:
    return compose("train", [*BASE, *overrides])


def wanted(runs: Path, *overrides: str) -> DictConfig:
    config = composed(*overrides).copy()
    config.paths.runs = str(runs)
    return config


def store(folder: Path, *overrides: str, age: int = 0, checkpoint: bool = True) -> Path:
    """Leave the folder of a run, as many seconds old as ``age`` says."""
    config = wanted(folder.parents[1], *overrides)
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    write_text(folder / "config.yaml", OmegaConf.to_yaml(own, resolve=True))
    files = [folder / "config.yaml"]
    if checkpoint:
        write_text(folder / "checkpoints" / "last.ckpt", "weights")
        files.append(folder / "checkpoints" / "last.ckpt")
    for file in files:
        os.utime(file, (1_000_000_000 - age, 1_000_000_000 - age))
    return folder


def test_without_runs_there_is_nothing_to_go_on_with(tmp_path: Path) -> None:
    assert run_to_resume(wanted(tmp_path / "runs"), None) is None
    (tmp_path / "runs" / "cnn_lstm" / "empty").mkdir(parents=True)
    assert run_to_resume(wanted(tmp_path / "runs"), None) is None
    assert run_to_resume(wanted(tmp_path / "runs"), tmp_path / "named") is None


def test_the_newest_run_is_gone_on_with(tmp_path: Path) -> None:
    """By its last checkpoint, whatever its name and model; other runs don't count."""
    store(tmp_path / "cnn_lstm" / "c", age=30)
    newest = store(tmp_path / "cnn_lstm" / "b", age=10)
    store(tmp_path / "other" / "a", age=20)
    store(tmp_path / "cnn_lstm" / "d", "seed=1", age=0)
    os.utime(tmp_path / "cnn_lstm" / "c" / "config.yaml")
    assert run_to_resume(wanted(tmp_path), None) == newest


def test_a_run_without_a_checkpoint_counts_by_its_configuration(tmp_path: Path) -> None:
    store(tmp_path / "cnn_lstm" / "a", age=20)
    newest = store(tmp_path / "cnn_lstm" / "b", age=10, checkpoint=False)
    assert run_to_resume(wanted(tmp_path), None) == newest
    assert last_checkpoint(newest) is None
    first = tmp_path / "cnn_lstm" / "a"
    assert last_checkpoint(first) == first / "checkpoints" / "last.ckpt"


@pytest.mark.parametrize(
    "overrides",
    [
        ("data.root=elsewhere",),
        ("data.workers=3",),
        ("logger=none",),
        ("logger=tensorboard", "name=mine"),
        ("test=false",),
        ("resume=auto",),
        ("trainer.enable_progress_bar=false", "trainer.log_every_n_steps=7"),
        ("trainer.limit_test_batches=0.5",),
        ("trainer.max_time='00:01:00:00'",),
    ],
    ids=lambda value: value[0],
)
def test_what_changes_no_result_may_differ(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    run = store(tmp_path / "cnn_lstm" / "a")
    assert run_to_resume(wanted(tmp_path, *overrides), None) == run
    assert run_to_resume(wanted(tmp_path, *overrides), run) == run


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("seed=1", "seed was 0, is 1"),
        ("optimizer.lr=0.5", "optimizer.lr was 0.001, is 0.5"),
        ("data.batch_size=7", "data.batch_size was"),
        ("scheduler=cosine", "scheduler._target_ was"),
        ("augmentation=none", "augmentation.rotation was 10.0, is 0.0"),
        ("augmentation.mixing.mixup=0.4", "augmentation.mixing.mixup was 0.0, is 0.4"),
        ("channels_last=false", "channels_last was True, is False"),
        ("trainer.precision=bf16-mixed", "trainer.precision was '32-true', is 'bf16-mixed'"),
        ("trainer.limit_train_batches=3", "trainer.limit_train_batches was"),
        ("trainer.max_epochs=4", "trainer.max_epochs was 5, is 4"),
        ("model=lstm", "model."),
    ],
)
def test_another_run_is_left_alone(tmp_path: Path, override: str, told: str) -> None:
    run = store(tmp_path / "cnn_lstm" / "a")
    config = wanted(tmp_path, override)
    assert run_to_resume(config, None) is None
    with pytest.raises(ConfigError) as caught:
        run_to_resume(config, run)
    (problem,) = caught.value.issues
    assert f"{run} holds another run: " in str(caught.value)
    assert told in str(caught.value)
    assert "resume=auto" in str(problem)


def test_every_difference_is_listed(tmp_path: Path) -> None:
    run = store(tmp_path / "cnn_lstm" / "a")
    with pytest.raises(ConfigError) as caught:
        run_to_resume(wanted(tmp_path, "seed=1", "optimizer.lr=0.5", "test=false"), run)
    assert "optimizer.lr was 0.001, is 0.5; seed was 0, is 1" in str(caught.value)
    assert "test was" not in str(caught.value)


def test_a_run_may_be_prolonged(tmp_path: Path) -> None:
    run = store(tmp_path / "cnn_lstm" / "a")
    for epochs in (5, 6, 500):
        config = wanted(tmp_path, f"trainer.max_epochs={epochs}")
        assert run_to_resume(config, None) == run
        assert run_to_resume(config, run) == run


def test_a_named_folder_alone_is_looked_at(tmp_path: Path) -> None:
    store(tmp_path / "cnn_lstm" / "a", age=0)
    named = store(tmp_path / "else" / "where", age=50)
    assert run_to_resume(wanted(tmp_path), named) == named
    assert run_to_resume(wanted(tmp_path), tmp_path / "cnn_lstm" / "new") is None


@pytest.mark.parametrize(
    "text",
    ["", "just words", "- a\n- list\n", "seed: [1,\n", "seed: 0\n\x00", "a: !!python/none x\n"],
    ids=["empty", "words", "list", "broken", "nul", "tag"],
)
def test_a_damaged_run_is_passed_over(tmp_path: Path, text: str) -> None:
    damaged = tmp_path / "cnn_lstm" / "damaged"
    write_text(damaged / "config.yaml", text)
    assert run_to_resume(wanted(tmp_path), None) is None
    with pytest.raises(ConfigError, match="holds another run"):
        run_to_resume(wanted(tmp_path), damaged)
    whole = store(tmp_path / "cnn_lstm" / "whole", age=1000)
    assert run_to_resume(wanted(tmp_path), None) == whole


def test_what_begins_anew_is_said_with_the_nearest_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*overrides: str, named: Path | None = None) -> str:
        assert run_to_resume(wanted(tmp_path, *overrides), named) is None
        return capsys.readouterr().err

    assert said() == f"resume=auto: there is no run in {tmp_path}; this one begins anew\n"
    assert said(named=tmp_path / "a") == (
        f"resume=auto: {tmp_path / 'a'} holds no run; this one begins anew\n"
    )
    store(tmp_path / "cnn_lstm" / "far", "seed=1", "optimizer.lr=0.5")
    near = store(tmp_path / "cnn_lstm" / "near", "seed=1", age=90)
    write_text(tmp_path / "evaluate" / "a" / "config.yaml", "seed: 2\nckpt: a\n")
    write_text(tmp_path / "cnn_lstm" / "damaged" / "config.yaml", "- a\n")
    assert f"; the nearest is {near}, where seed was 1, is 2; this one" in said("seed=2")


def test_a_checkpoint_goes_on_with_its_own_configuration_alone(tmp_path: Path) -> None:
    run = store(tmp_path / "cnn_lstm" / "a")
    config = wanted(tmp_path, "trainer.max_epochs=6", "trainer.max_time='00:01:00:00'")
    config.ckpt_path = str(run / "checkpoints" / "last.ckpt")
    check_its_run(config)
    config.data.batch_size = 7
    with pytest.raises(UserError, match=r"data.batch_size was 64, is 7\): .*init_from="):
        check_its_run(config)
