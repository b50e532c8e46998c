"""What a training that goes on takes from its checkpoint: no other settings, no used-up time."""

from __future__ import annotations

from pathlib import Path

import lightning
import pytest
import torch

from fer.core.errors import UserError
from fer.learning.callbacks import BestAndLast, History, TimeLimit
from fer.learning.checkpoint_io import check_checkpoint
from fer.learning.early_end import early_end
from tests.support.learners import pattern_data, quiet_trainer, small_module

SGD = ("optimizer=sgd", "optimizer.lr=0.01", "scheduler=onecycle")


class Slow(TimeLimit):
    """Its time is up as soon as an epoch was."""

    def time_elapsed(self, stage: str = "train") -> float:
        return 0.0 if self.start_time() is None else 1e9


def start(
    folder: Path, *callbacks: lightning.Callback, ckpt_path: Path | None = None, epochs: int = 3
) -> lightning.Trainer:
    trainer = quiet_trainer(folder, BestAndLast(), History(), *callbacks, max_epochs=epochs)
    torch.manual_seed(0)
    data = pattern_data(batch_size=16)
    trainer.fit(small_module(*SGD), datamodule=data, ckpt_path=ckpt_path, weights_only=True)
    return trainer


@pytest.fixture(scope="module")
def last(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a training whose time was up after its first epoch."""
    folder = tmp_path_factory.mktemp("slow")
    trainer = start(folder, Slow("00:00:00:01"))
    assert trainer.current_epoch == 1
    early = early_end(trainer)
    assert early is not None
    assert early.by_time
    # Three steps of nine: past its peak at the second, of 0.01, which falls to zero in seven.
    assert "after epoch 1 of 3: the rate, planned over 3, was left at 0.0086; " in early.said
    return folder / "checkpoints" / "last.ckpt"


def test_time_counts_by_start(last: Path, tmp_path: Path) -> None:
    trainer = start(tmp_path / "a", Slow("00:00:00:01"), ckpt_path=last)
    assert trainer.current_epoch == 2
    path = tmp_path / "a" / "checkpoints" / "last.ckpt"
    ended = start(tmp_path / "b", TimeLimit("01:00:00:00"), ckpt_path=path)
    assert ended.current_epoch == 3
    assert early_end(ended) is None


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (("optimizer.lr=0.02",), "optimizer.lr was 0.01, is 0.02"),
        (("optimizer.weight_decay=0.1",), "optimizer.weight_decay was "),
        (("optimizer.momentum=0.5",), "optimizer.momentum was 0.9, is 0.5"),
        (("scheduler=cosine",), "scheduler._target_ was "),
        (("optimizer=adam",), "optimizer._target_ was "),
        (("loss=smoothed",), "loss."),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_other_settings_do_not_go_on(last: Path, overrides: tuple[str, ...], told: str) -> None:
    check_checkpoint(last, small_module(*SGD))
    with pytest.raises(UserError) as caught:
        check_checkpoint(last, small_module(*SGD, *overrides))
    assert told in str(caught.value)
    assert f"init_from={last}" in str(caught.value)
