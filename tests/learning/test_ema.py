"""The averaged weights against an average computed by hand, in one go and resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from fer.learning.callbacks import BestLastCheckpoint, EMAWeights
from fer.learning.callbacks.ema import warmed_up
from tests.support.learners import pattern_data, quiet_trainer, small_module

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    # A resumed run has a folder of its own.
    pytest.mark.filterwarnings("ignore:The dirpath has changed"),
]

DECAY = 0.8


class ByHand(Callback):
    """Averages one weight itself."""

    def __init__(self) -> None:
        self.steps: list[torch.Tensor] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self.steps.append(next(pl_module.network.parameters()).detach().clone())

    @property
    def average(self) -> torch.Tensor:
        mean = self.steps[0].clone()
        for count, now in enumerate(self.steps[1:], start=1):
            keep = min(DECAY, (1 + count) / (10 + count))
            mean = keep * mean + (1 - keep) * now
        return mean


def trained(folder: Path, epochs: int, resume: Path | None = None) -> tuple[Path, ByHand]:
    hand, kept = ByHand(), BestLastCheckpoint(monitor="val/acc", mode="max")
    trainer = quiet_trainer(folder, kept, EMAWeights(decay=DECAY), hand, max_epochs=epochs)
    lightning.seed_everything(0, verbose=False)
    module = small_module("scheduler=none")
    trainer.fit(module, datamodule=pattern_data(), ckpt_path=resume, weights_only=True)
    return next(folder.rglob("last.ckpt")), hand


def test_checkpoint_holds_the_average(tmp_path: Path) -> None:
    path, hand = trained(tmp_path, 3)
    stored = torch.load(path, weights_only=True)
    name = next(key for key, _ in small_module().named_parameters())
    torch.testing.assert_close(stored["state_dict"][name], hand.average)
    torch.testing.assert_close(stored["current_model_state"][name], hand.steps[-1])
    assert not torch.equal(stored["state_dict"][name], stored["current_model_state"][name])


def test_average_goes_on_after_a_break(tmp_path: Path) -> None:
    whole = torch.load(trained(tmp_path / "whole", 4)[0], weights_only=True)
    half, _ = trained(tmp_path / "half", 2)
    rest = torch.load(trained(tmp_path / "rest", 4, half)[0], weights_only=True)
    for name, value in whole["state_dict"].items():
        assert torch.equal(rest["state_dict"][name], value), name


def test_what_is_tested_is_the_average(tmp_path: Path) -> None:
    kept = BestLastCheckpoint(monitor="val/acc", mode="max")
    trainer = quiet_trainer(tmp_path, kept, EMAWeights(decay=DECAY), max_epochs=2)
    lightning.seed_everything(0, verbose=False)
    module = small_module("scheduler=none")
    data = pattern_data()
    trainer.fit(module, datamodule=data, weights_only=True)
    last = next(tmp_path.rglob("last.ckpt"))
    trainer.test(module, datamodule=data, ckpt_path=last, weights_only=True, verbose=False)
    for name, value in torch.load(last, weights_only=True)["state_dict"].items():
        assert torch.equal(module.state_dict()[name], value), name


def test_little_of_the_start_is_left() -> None:
    left = 1.0
    for step in range(1, 2_300):
        left *= warmed_up(0.999, step)
    assert left < 1e-6
