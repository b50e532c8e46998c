"""How the rate goes: at the start, at the peak, at the end, past it, and in a real training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch.optim import SGD
from torch.optim.lr_scheduler import LRScheduler

from fer.learning.optim import Constant, Cosine, OneCycle
from tests.support.learners import pattern_data, quiet_trainer, small_module

RATE = 0.5


def optimizer() -> SGD:
    return SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)


def advance(schedule: LRScheduler, steps: int) -> list[float]:
    """Return the share of the full rate in each of the next steps."""
    shares = []
    for _ in range(steps):
        shares.append(schedule.optimizer.param_groups[0]["lr"] / RATE)
        schedule.optimizer.step()
        schedule.step()
    return shares


def test_cosine_rises_in_a_line_and_falls_along_a_cosine() -> None:
    shares = advance(Cosine(optimizer(), 24, warmup=0.17), 25)
    assert shares[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    expected = [0.5 * (1 + math.cos(math.pi * step / 20)) for step in range(21)]
    assert shares[4:] == pytest.approx(expected)
    assert shares[14] == pytest.approx(0.5)
    assert shares[24] == 0.0


def test_onecycle_rises_and_falls_in_lines() -> None:
    shares = advance(OneCycle(optimizer(), 16, rise=0.25, start=0.2), 17)
    assert shares[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert shares[4:] == pytest.approx([1 - step / 12 for step in range(13)])
    assert shares[16] == 0.0


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 7, 100])
@pytest.mark.parametrize("kind", [Cosine, OneCycle])
def test_a_rate_stays_between_nothing_and_all(kind: Any, steps: int) -> None:
    """Past the end too, where a training takes more steps than were planned."""
    shares = advance(kind(optimizer(), steps), steps + 20)
    assert all(0 <= share <= 1 for share in shares)
    assert max(shares) > 0
    assert shares[steps + 1 :] == [0.0] * (len(shares) - steps - 1)


def test_a_constant_rate_stays() -> None:
    assert advance(Constant(optimizer()), 30) == [1.0] * 30


@pytest.mark.parametrize("kind", [Cosine, OneCycle])
def test_a_state_brings_back_the_step(kind: Any) -> None:
    whole = advance(kind(optimizer(), 20), 20)
    first = kind(optimizer(), 20)
    advance(first, 7)
    second = kind(optimizer(), 20)
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.load_state_dict(first.state_dict())
    assert advance(second, 13) == pytest.approx(whole[7:])


@pytest.mark.parametrize("kind", [Cosine, OneCycle])
def test_a_longer_training_follows_its_own_plan(kind: Any) -> None:
    longer = advance(kind(optimizer(), 40), 41)
    short = kind(optimizer(), 20)
    advance(short, 15)
    resumed = kind(optimizer(), 40)
    resumed.load_state_dict(short.state_dict())
    assert resumed.total_steps == 40
    assert advance(resumed, 26)[1:] == pytest.approx(longer[16:])


class Rates(Callback):
    """Notes the rate that each step is taken with."""

    def __init__(self) -> None:
        self.epochs: list[list[float]] = []

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self.epochs.append([])

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        self.epochs[-1].append(trainer.optimizers[0].param_groups[0]["lr"])


def fitted(folder: Path, name: str, **options: Any) -> tuple[list[list[float]], float]:
    """Return the rates of four epochs of four steps, and what would come after them."""
    rates = Rates()
    trainer = quiet_trainer(
        folder, rates, enable_checkpointing=False, **({"max_epochs": 4} | options)
    )
    module = small_module(f"scheduler={name}", "optimizer.lr=0.5")
    data = pattern_data(train=16, val=4, batch_size=4)
    trainer.fit(module, datamodule=data, weights_only=True)
    return rates.epochs, trainer.optimizers[0].param_groups[0]["lr"] / RATE


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.parametrize(
    ("name", "kind"),
    [("cosine", Cosine), ("onecycle", OneCycle)],
)
def test_a_plan_covers_the_training_step_by_step(name: str, kind: Any, tmp_path: Path) -> None:
    epochs, after = fitted(tmp_path, name)
    taken = [rate / RATE for epoch in epochs for rate in epoch]
    assert taken == pytest.approx(advance(kind(optimizer(), 16), 16))
    assert after == pytest.approx(0.0, abs=1e-9)
    assert taken[-1] < 0.1


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_a_plan_counts_steps_and_not_batches(tmp_path: Path) -> None:
    epochs, after = fitted(tmp_path, "cosine", accumulate_grad_batches=2)
    assert [len(epoch) for epoch in epochs] == [4] * 4
    # Two batches a step.
    assert [epoch[::2] for epoch in epochs] == [epoch[1::2] for epoch in epochs]
    assert len({rate for epoch in epochs for rate in epoch}) == 8
    assert after == pytest.approx(0.0, abs=1e-9)


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.parametrize("name", ["none", "plateau"])
def test_the_others_leave_the_rate_within_an_epoch(name: str, tmp_path: Path) -> None:
    epochs, after = fitted(tmp_path, name)
    assert [len(set(epoch)) for epoch in epochs] == [1] * 4
    assert epochs[0][0] == RATE
    assert (after == 1.0) or name == "plateau"
