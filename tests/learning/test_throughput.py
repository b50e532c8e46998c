"""How many faces a second a training sees."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fer.learning.callbacks import Throughput, throughput


class Clock:
    """Time that passes by itself only."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(throughput.time, "monotonic", lambda: self.now)


class Trainer:
    world_size = 1


def epoch(meter: Throughput, clock: Clock, steps: int, seconds: float, faces: int = 8) -> None:
    trainer: Any = Trainer()
    meter.on_train_epoch_start(trainer, trainer)
    for step in range(steps):
        clock.now += seconds
        batch = {"label": torch.zeros(faces)}
        meter.on_train_batch_end(trainer, trainer, None, batch, step)


def test_faces_a_second_without_what_lies_between_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, meter = Clock(monkeypatch), Throughput()
    assert meter.rate is None
    epoch(meter, clock, steps=5, seconds=0.5)
    clock.now += 1000  # A validation.
    epoch(meter, clock, steps=5, seconds=0.3)
    assert meter.rate == pytest.approx(80 / 4.0)


def test_a_resumed_training_counts_its_past(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, meter = Clock(monkeypatch), Throughput()
    epoch(meter, clock, steps=2, seconds=1.0)
    later = Throughput()
    later.load_state_dict(meter.state_dict())
    epoch(later, clock, steps=2, seconds=3.0)
    assert later.rate == pytest.approx(32 / 8.0)


def test_all_processes_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "world_size", 2)
    clock, meter = Clock(monkeypatch), Throughput()
    epoch(meter, clock, steps=1, seconds=1.0)
    assert meter.rate == 16
