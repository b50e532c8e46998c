"""Numbers that are none stop a training before a checkpoint holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from fer.learning.callbacks import BestLastCheckpoint, EMAWeights, History, StopOnNaN
from tests.support.errors import raises
from tests.support.learners import pattern_data, quiet_trainer, small_module

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")

BATCHES = 4


class Poison(Callback):
    """Makes a gradient, or a loss alone, no number, or weights so large that answers are none."""

    def __init__(self, epoch: int, batch: int, what: str) -> None:
        self.place, self.what, self.batches_after = (epoch, batch), what, -1

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        place = (trainer.current_epoch, trainer.fit_loop.epoch_loop.batch_idx)
        if place == self.place and self.what == "gradient":
            next(pl_module.parameters()).grad.fill_(float("nan"))

    def on_train_batch_end(
        self, trainer: Any, module: Any, outputs: Any, batch: Any, i: int
    ) -> None:
        if (trainer.current_epoch, i) == self.place and self.what == "loss":
            outputs["loss"].fill_(float("inf"))
        if (trainer.current_epoch, i) == self.place and self.what == "weights":
            for weight in module.parameters():
                weight.data.fill_(1e38)
        if (trainer.current_epoch, i) >= self.place:
            self.batches_after += 1


def diverge(
    folder: Path, poison: Poison, where: str, *, batches: int = BATCHES, **options: Any
) -> None:
    # In the order of the command: the guard before the average.
    callbacks = [poison, StopOnNaN(), History(), EMAWeights(), BestLastCheckpoint()]
    trainer = quiet_trainer(folder, *callbacks, max_epochs=3, **options)
    module = small_module("optimizer=sgd", "optimizer.lr=0.01", "scheduler=none")
    data = pattern_data(train=batches * 4, val=8, batch_size=4)
    with raises("diverged", where):
        trainer.fit(module, datamodule=data, weights_only=True)


def numbers_of(path: Path) -> list[torch.Tensor]:
    stored = torch.load(path, weights_only=True)
    states = (stored["state_dict"], stored["current_model_state"])
    return [value for state in states for value in state.values() if value.is_floating_point()]


@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize("every", [1, 2])
def test_what_the_last_step_of_an_epoch_breaks_reaches_no_checkpoint(
    tmp_path: Path, epoch: int, every: int
) -> None:
    """No later loss tells of it, and not every epoch has a validation."""
    poison = Poison(epoch, BATCHES - 1, "gradient")
    diverge(tmp_path, poison, f"epoch {epoch + 1}", check_val_every_n_epoch=every)
    assert poison.batches_after == 0
    kept = {path.name for path in tmp_path.rglob("*.ckpt")}
    assert kept == {0: set(), 1: {"last.ckpt"} | ({"best.ckpt"} if every == 1 else set())}[epoch]
    for path in tmp_path.rglob("*.ckpt"):
        assert all(value.isfinite().all() for value in numbers_of(path))


def test_the_batch_is_named_and_not_many_follow(tmp_path: Path) -> None:
    poison = Poison(0, 20, "loss")
    diverge(tmp_path, poison, "epoch 1, batch 21", batches=120)
    assert poison.batches_after == 29
    assert not list(tmp_path.rglob("*.ckpt"))


def test_answers_that_are_no_numbers_reach_no_checkpoint(tmp_path: Path) -> None:
    """Finite weights can be too large to answer with; after the last epoch no batch tells."""
    poison = Poison(0, BATCHES - 1, "weights")
    diverge(tmp_path, poison, "epoch 1")
    assert not list(tmp_path.rglob("*.ckpt"))
