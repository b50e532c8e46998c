"""``python -m fer.train`` and ``fer`` from the command line to the exit code, in this process.

``test_train_process.py`` has what only a process of its own shows.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from fer import __version__, cli
from fer.config.compose import conf_folder
from fer.core import locks
from fer.learning import FerModule
from tests.support.fer2013_csv import make_faces, write_fer2013
from tests.support.train_command import (
    SMALL,
    Answer,
    Train,
    assert_refused,
    files_in,
    pictures_in,
    rows,
)


@pytest.fixture
def finished_wandb(elsewhere: Path) -> Iterator[None]:
    """End what W&B keeps running."""
    wandb = pytest.importorskip("wandb")
    yield
    wandb.teardown()


def test_help_lists_groups_choices_and_examples(train: Train) -> None:
    answer = train("--help")
    assert answer.code == 0
    groups = {group for group in conf_folder().iterdir() if group.is_dir()}
    # That one belongs to python -m fer.search.
    for group in groups - {conf_folder() / "hparams_search"}:
        assert re.search(rf"^  {group.name}$", answer.out, re.MULTILINE)
        for choice in group.glob("[!_]*.yaml"):
            assert re.search(rf"^    {choice.stem}\b", answer.out, re.MULTILINE)
    assert "_loader" not in answer.out
    assert "python -m fer.train data=synthetic trainer=cpu" in answer.out
    assert "130 interrupted" in answer.out


def test_without_the_data_the_way_to_it_is_told(train: Train, elsewhere: Path) -> None:
    answer = train("data=fer2013", "trainer=cpu")
    assert_refused(answer, elsewhere, "FER_DATA_ROOT", "data.root", "data=synthetic")


def test_a_broken_data_file_is_told_by_line(train: Train, elsewhere: Path, tmp_path: Path) -> None:
    images, labels, usages = make_faces(21)
    answers: list[object] = [*labels]
    answers[4] = 9
    write_fer2013(tmp_path / "data" / "fer2013.csv", images, answers, usages)
    answer = train("data=fer2013", f"data.root={tmp_path / 'data'}", "trainer=cpu")
    assert_refused(answer, elsewhere, "fer2013.csv", "line 6", "'9'")


def test_a_gpu_that_is_not_there_is_told(train: Train, elsewhere: Path) -> None:
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("this machine has a GPU")
    answer = train(*SMALL, "trainer=gpu")
    assert_refused(answer, elsewhere, "trainer.accelerator=gpu", "choose trainer=cpu")


def test_a_configuration_is_checked_without_data_or_gpu(train: Train, elsewhere: Path) -> None:
    answer = train("trainer=gpu", "check_only=true")
    assert answer.code == 0, answer
    for word in ("Params", "FusionNetwork", "SmallCNN", "LSTM", "nothing was run"):
        assert word in answer.out
    if not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        assert "not available on this machine: trainer.accelerator=gpu" in answer.out
    assert files_in(elsewhere) == set()


def test_a_folder_of_choices_that_is_not_there_is_told(train: Train, elsewhere: Path) -> None:
    assert_refused(train("--config-dir", "nowhere"), elsewhere, "there is no folder 'nowhere'")


def test_a_bad_value_amid_a_sweep_stops_all_of_it(train: Train, elsewhere: Path) -> None:
    answer = train("-m", *SMALL, "seed=0,1", "optimizer.lr=0.1,abc")
    assert_refused(answer, elsewhere, "1 problem", "optimizer.lr", 'not "abc"')


def test_an_interrupt_while_scoring_keeps_what_was_finished(
    train: Train, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FerModule, "test_step", interrupted)
    overrides = ["hydra.run.dir=run", "trainer.max_epochs=1", "logger=none", "test=true"]
    answer = train(*SMALL, *overrides)
    assert answer.code == 130, answer
    run = elsewhere / "run"
    told = f"interrupted; what was finished is kept in {run}\nto go on: python -m fer.train "
    assert f"fer.train: {told}{shlex.join(SMALL)} hydra.run.dir=run" in answer.err
    assert answer.err.endswith(" logger=none test=true resume=auto\n")
    left = files_in(elsewhere / "run")
    assert {"checkpoints/best.ckpt", "history.csv"} <= left
    assert "csv/metrics.csv" not in left


def test_without_a_test_the_test_split_is_left_alone_and_the_history_is_whole(
    train: Train, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FerModule, "test_step", None)
    answer = train(*SMALL, "hydra.run.dir=run")
    assert answer.code == 0, answer
    run = elsewhere / "run"
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert "val/best_acc" in metrics
    assert not any(name.startswith("test/") for name in metrics)
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert isinstance(best["temperature"], float)

    history, log = rows(run / "history.csv"), rows(run / "csv" / "metrics.csv")
    assert [row["epoch"] for row in history] == ["1", "2"]
    for name in ("train/loss", "train/acc", "val/loss", "val/acc"):
        assert [row[name] for row in history] == [row[name] for row in log if row[name]], name


def test_a_class_that_is_never_answered_has_no_precision(train: Train, elsewhere: Path) -> None:
    """It is null in metrics.json and empty in the history, even where it says which is best."""
    monitor = "val/precision/disgust"
    answer = train(
        *SMALL, "optimizer.lr=1e-12", "test=true", "hydra.run.dir=run",
        "callbacks=[default,early_stopping]", f"callbacks.checkpoint.monitor={monitor}",
        f"callbacks.early_stopping.monitor={monitor}",
    )  # fmt: skip
    assert answer.code == 0, answer
    metrics = json.loads((elsewhere / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics[monitor] is None
    assert metrics["val/best_epoch"] == 1
    history = rows(elsewhere / "run" / "history.csv")
    assert [row.get(monitor, "") for row in history] == ["", ""]
    assert re.search(r"^disgust +– ", answer.out, re.MULTILINE)


def test_tensorboard_gets_an_events_file(train: Train, elsewhere: Path) -> None:
    run = ["hydra.run.dir=run", "trainer.max_epochs=1", "test=false", "logger=tensorboard"]
    assert train(*SMALL, *run).code == 0
    (events,) = (elsewhere / "run" / "tensorboard").glob("events.out.tfevents.*")
    assert events.stat().st_size > 0


def test_wandb_gets_faces_only_when_asked(
    train: Train, elsewhere: Path, finished_wandb: None
) -> None:
    offline = [*SMALL, "logger=wandb", "logger.mode=offline", "trainer.max_epochs=1", "test=false"]
    assert train(*offline, "hydra.run.dir=run", "logger.pictures=4").code == 0
    assert len(pictures_in(elsewhere / "run")) == 4
    # Otherwise a later run of this process would be offline too.
    assert "WANDB_MODE" not in os.environ


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--version", Answer(0, f"fer {__version__}\n", "")),
        ("-V", Answer(0, f"fer {__version__}\n", "")),
        ("", Answer(0, "examples:", "")),
        ("--help", Answer(0, "exit codes", "")),
        ("nonsense", Answer(2, "", "No such command 'nonsense'")),
        ("train seed=-1", Answer(2, "", "must be greater than or equal to 0")),
        ("evaluate", Answer(2, "", "name one thing to judge")),
        ("train --help", Answer(0, "Groups and their choices", "")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.usefixtures("clean_process")
def test_the_fer_command(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    expected: Answer,
) -> None:
    monkeypatch.setattr(sys, "argv", ["fer", *line.split()])
    assert cli.main() == expected.code
    output = capsys.readouterr()
    for said, words in ((output.out, expected.out), (output.err, expected.err)):
        assert words in said
        assert bool(words) == bool(said)


def test_a_second_command_in_a_folder_is_refused(train: Train, elsewhere: Path) -> None:
    """And one that was killed, whose lock file is still there, blocks nobody."""
    lock = elsewhere / "run" / ".lock"
    held = locks.try_lock(lock)
    assert held is not None
    for way in ((), ("resume=auto",)):
        answer = train(*SMALL, "hydra.run.dir=run", *way)
        assert answer.code == 2
        assert "another command works in run" in answer.err
        assert files_in(elsewhere) == {"run/.lock"}
    locks.unlock(held)
    assert train(*SMALL, "hydra.run.dir=run", "test=false").code == 0
    assert not lock.exists()


def test_two_commands_that_begin_together(
    train: Train, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes second removes nothing of the first."""
    monkeypatch.setattr("fer.config.run_folder.busy", lambda _: None)
    (elsewhere / "run").mkdir()
    (elsewhere / "run" / "theirs").touch()
    held = locks.try_lock(elsewhere / "run" / ".lock")
    assert held is not None
    answer = train(*SMALL, "hydra.run.dir=run")
    locks.unlock(held)
    assert (answer.code, answer.err.count("another command works in")) == (2, 1)
    assert {"run/.lock", "run/theirs"} <= files_in(elsewhere)


@pytest.mark.parametrize(
    ("writer", "where"),
    [
        ("hydra.core.utils._save_config", "in the run folder"),
        ("lightning.pytorch.loggers.CSVLogger.save", "'.*/run'"),
    ],
)
def test_a_full_disk_is_told_whoever_writes(
    train: Train, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, writer: str, where: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writer, full)
    answer = train(*SMALL, "hydra.run.dir=run")
    assert answer.code == 2
    assert re.search(f"fer.train: .*No space left.*{where}", answer.err)
    assert "Traceback" not in answer.err
