"""The lines of a log, and how many faces a second are trained on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from fer.learning.callbacks import EpochLogLines, History, Throughput, progress
from tests.support.learners import pattern_data, quiet_trainer, small_module


def test_each_epoch_has_its_line_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those before a resume are not printed again."""
    history = History()
    history.epochs = [{"epoch": 0.0, "train/acc": 0.5}]
    callbacks = (history, EpochLogLines())
    trainer = quiet_trainer(tmp_path, *callbacks, max_epochs=2, enable_checkpointing=False)
    trainer.fit(small_module(), datamodule=pattern_data())
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    number = r"\d+\.\d"
    for place, line in enumerate(lines, start=1):
        assert re.fullmatch(
            rf"epoch {place}/2: train loss {number}+, accuracy {number} %; "
            rf"validation loss {number}+, accuracy {number} %; \d+:\d\d to go",
            line,
        )
    assert len(lines) == 2
    assert lines[-1].endswith("; 0:00 to go")


class Clock:
    """Time that passes by itself only."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


class Trainer:
    world_size = 1


def epoch(meter: Throughput, clock: Clock, steps: int, seconds: float) -> None:
    trainer: Any = Trainer()
    meter.on_train_epoch_start(trainer, trainer)
    for step in range(steps):
        clock.now += seconds
        meter.on_train_batch_end(trainer, trainer, None, {"label": torch.zeros(8)}, step)


def test_faces_a_second_of_all_epochs_and_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, meter = Clock(monkeypatch), Throughput()
    assert meter.rate is None
    epoch(meter, clock, steps=5, seconds=0.5)
    clock.now += 1000  # A validation.
    epoch(meter, clock, steps=5, seconds=0.3)
    assert meter.rate == pytest.approx(80 / 4.0)
    resumed = Throughput()
    resumed.load_state_dict(meter.state_dict())
    monkeypatch.setattr(Trainer, "world_size", 2)
    epoch(resumed, clock, steps=5, seconds=0.8)
    assert resumed.rate == pytest.approx(160 / 8.0)
