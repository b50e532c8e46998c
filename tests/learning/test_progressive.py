"""A network thaws by stages: what moves when, how fast, and that a cut does not show."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging
from torch import Tensor

from fer.learning import FerModule
from fer.learning.callbacks import BestAndLast, History, Progressive
from tests.support.learners import pattern_data, quiet_trainer, small_module

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:The dirpath has changed"),
]

STAGES: list[dict[str, Any]] = [
    {"parts": ["head"], "rate": 1.0},
    {"parts": ["lstm", "backbone.stages.3"], "epoch": 1, "rate": 0.5},
    {"parts": ["backbone.stages.2"], "epoch": 3, "rate": 0.25},
]
EPOCHS = 5
SCHEDULES = ("scheduler=none", "scheduler=plateau", "scheduler=onecycle", "scheduler=cosine")


class Weights(Callback):
    """Keeps weights, statistics and rates at the start of each epoch, and at the end."""

    def __init__(self) -> None:
        self.states: list[dict[str, Tensor]] = []
        self.rates: list[list[float]] = []
        self.scheduled: list[float] = []

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self.states.append(copy.deepcopy(pl_module.network.state_dict()))
        self.rates.append([group["lr"] for group in trainer.optimizers[0].param_groups])

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.states.append(copy.deepcopy(pl_module.network.state_dict()))

    def moved(self, epoch: int) -> set[str]:
        before, after = self.states[epoch], self.states[epoch + 1]
        return {name for name in before if not torch.equal(before[name], after[name])}


class PowerCut(Callback):
    """Ends the training in the middle of its fourth epoch, in which a stage begins."""

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (trainer.current_epoch, batch_idx) == (3, 1):
            raise RuntimeError("power cut")


def learner(*overrides: str) -> FerModule:
    torch.manual_seed(0)
    return small_module("optimizer.lr=0.01", "model.preprocessing.crop=44", *overrides)


def fit(
    folder: Path,
    *callbacks: Callback,
    overrides: tuple[str, ...] = ("scheduler=none",),
    ckpt_path: Path | None = None,
    stages: Any = STAGES,
    **options: Any,
) -> lightning.Trainer:
    every = (BestAndLast(), History(), Progressive(stages=stages), *callbacks)
    trainer = quiet_trainer(folder, *every, max_epochs=EPOCHS, **options)
    trainer.fit(
        learner(*overrides),
        datamodule=pattern_data(train=24, batch_size=8),
        ckpt_path=ckpt_path,
        weights_only=True,
    )
    return trainer


@pytest.fixture(scope="module")
def thawed(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    weights = Weights()
    fit(tmp_path_factory.mktemp("thawed"), weights)
    return weights


def begins(name: str) -> int | None:
    """Return the epoch in which a part begins to learn, None for one in no stage."""
    entries = [(e, p) for e in STAGES for p in e["parts"] if name.startswith(f"{p}.")]
    return entries[0][0].get("epoch", 0) if entries else None


@pytest.mark.parametrize("epoch", range(EPOCHS))
def test_what_has_begun_moves_and_nothing_else(thawed: Weights, epoch: int) -> None:
    """Statistics included: running mean, variance and count."""
    names = [name for name in thawed.states[0] if not name.startswith("preprocessing.")]
    open_ = {name for name in names if (start := begins(name)) is not None and start <= epoch}
    assert thawed.moved(epoch) == open_
    assert any("running_mean" in name for name in open_) == (epoch > 0)
    assert any(begins(name) is None for name in names)


def test_each_stage_has_its_rate(thawed: Weights) -> None:
    assert thawed.rates == [[0.01, 0.005, 0.0025]] * EPOCHS


@pytest.mark.parametrize("schedule", SCHEDULES[2:])
def test_a_schedule_moves_all_rates_alike(tmp_path: Path, schedule: str) -> None:
    weights = Weights()
    fit(tmp_path, weights, overrides=(schedule,))
    assert len({rates[0] for rates in weights.rates}) > 2
    for head, second, third in weights.rates:
        assert (second, third) == (pytest.approx(head / 2), pytest.approx(head / 4))


def test_the_first_step_is_as_long_as_the_rate_says(tmp_path: Path) -> None:
    """Plain gradient descent: half the rate is half the step."""
    steps = {}
    for rate in (1.0, 0.5):
        stages = [{"parts": ["head"], "rate": rate}]
        weights = Weights()
        overrides = ("scheduler=none", "optimizer=sgd", "optimizer.lr=0.1", "model.head.dropout=0")
        options: dict[str, Any] = {"limit_train_batches": 1}
        fit(tmp_path / str(rate), weights, overrides=overrides, stages=stages, **options)
        name = "head.layers.0.weight"
        steps[rate] = weights.states[1][name] - weights.states[0][name]
    assert steps[1.0].abs().max() > 0
    torch.testing.assert_close(steps[0.5] * 2, steps[1.0], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("averaged", [False, True], ids=["plain", "averaged"])
@pytest.mark.parametrize("schedule", SCHEDULES[1:3])
def test_a_cut_run_ends_as_if_nothing_had_been(
    tmp_path: Path, schedule: str, averaged: bool
) -> None:
    """With dropout, crops and averaged weights, bit for bit."""

    def start(name: str, *callbacks: Callback, ckpt_path: Path | None = None) -> dict[str, Any]:
        average = [EMAWeightAveraging(decay=0.9)] if averaged else []
        fit(tmp_path / name, *average, *callbacks, overrides=(schedule,), ckpt_path=ckpt_path)
        path = tmp_path / name / "checkpoints" / "last.ckpt"
        stored: dict[str, Any] = torch.load(path, weights_only=True)
        return stored

    whole = start("whole")
    with pytest.raises(RuntimeError, match="power cut"):
        start("cut", PowerCut())
    resumed = start("resumed", ckpt_path=tmp_path / "cut" / "checkpoints" / "last.ckpt")
    assert resumed["state_dict"].keys() == whole["state_dict"].keys()
    for name, tensor in whole["state_dict"].items():
        assert torch.equal(resumed["state_dict"][name], tensor), name
    assert resumed["lr_schedulers"] == whole["lr_schedulers"]
    assert resumed["callbacks"]["History"] == whole["callbacks"]["History"]


def test_frozen_weights_stay_when_averaged(tmp_path: Path) -> None:
    weights = Weights()
    fit(tmp_path, EMAWeightAveraging(decay=0.9), weights)
    first, last = weights.states[0], weights.states[-1]
    frozen = [n for n in first if begins(n) is None]
    assert frozen
    # An average of equal numbers may round to a neighbour.
    for name in frozen:
        torch.testing.assert_close(last[name], first[name], rtol=0, atol=1e-7)
    assert not {*frozen} & set().union(*(weights.moved(epoch) for epoch in range(EPOCHS - 1)))


def test_the_stages_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    late = [*STAGES, {"parts": ["backbone.stages.1"], "epoch": EPOCHS, "rate": 0.1}]
    fit(tmp_path, stages=late, limit_train_batches=1)
    lines = capsys.readouterr().out.splitlines()
    assert "  epoch 2   × 0.5    lstm, backbone.stages.3" in lines
    assert f"  epoch 6   × 0.1    backbone.stages.1 (never, in {EPOCHS} epochs)" in lines


@pytest.mark.parametrize("option", [{"pieces": 0}, {"every": 0}, {"decay": 0.0}, {"decay": 1.5}])
def test_numbers_out_of_range_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be at least 1 and decay above 0"):
        Progressive(**option)
