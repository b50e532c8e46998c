"""A network is unfrozen by stages: what moves when, how fast, and that a cut does not show."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from fer.learning.callbacks import BestLastCheckpoint, EMAWeights, GradualUnfreezing, History
from fer.learning.callbacks.gradual_unfreezing import (
    Stage,
    automatic_stages,
    check_stages,
    members,
    parse_stages,
    unfreeze,
)
from fer.models import build
from tests.support.learners import pattern_data, quiet_trainer, small_module
from tests.support.parts import composed

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


class Weights(Callback):
    """Keeps weights, statistics and rates at the start of each epoch, and at the end."""

    def __init__(self) -> None:
        self.states: list[dict[str, Tensor]] = []
        self.rates: list[list[float]] = []

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


def fit(
    folder: Path,
    *callbacks: Callback,
    overrides: tuple[str, ...] = ("scheduler=none",),
    ckpt_path: Path | None = None,
    stages: Any = STAGES,
    **options: Any,
) -> lightning.Trainer:
    every = (BestLastCheckpoint(), History(), GradualUnfreezing(stages=stages), *callbacks)
    trainer = quiet_trainer(folder, *every, max_epochs=EPOCHS, **options)
    torch.manual_seed(0)
    module = small_module("optimizer.lr=0.01", "model.preprocessing.crop=44", *overrides)
    data = pattern_data(train=24, batch_size=8)
    trainer.fit(module, datamodule=data, ckpt_path=ckpt_path, weights_only=True)
    return trainer


def begins(name: str) -> int | None:
    """Return the epoch in which a part begins to learn, None for one in no stage."""
    entries = [(e, p) for e in STAGES for p in e["parts"] if name.startswith(f"{p}.")]
    return entries[0][0].get("epoch", 0) if entries else None


def test_what_has_begun_moves_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Statistics included: running mean, variance and count. Rates follow the schedule alike."""
    weights = Weights()
    late = [*STAGES, {"parts": ["backbone.stages.1"], "epoch": EPOCHS, "rate": 0.1}]
    fit(tmp_path, weights, overrides=("scheduler=cosine",), stages=late)
    names = [name for name in weights.states[0] if not name.startswith("preprocessing.")]
    assert any(begins(name) is None for name in names)
    for epoch in range(EPOCHS):
        begun = {name for name in names if (start := begins(name)) is not None and start <= epoch}
        assert weights.moved(epoch) == begun
        assert any("running_mean" in name for name in begun) == (epoch > 0)
    assert len({rates[0] for rates in weights.rates}) > 2
    for head, second, third, _ in weights.rates:
        assert (second, third) == (pytest.approx(head / 2), pytest.approx(head / 4))
    lines = capsys.readouterr().out.splitlines()
    assert "  epoch 2   × 0.5    lstm, backbone.stages.3" in lines
    assert f"  epoch 6   × 0.1    backbone.stages.1 (never, in {EPOCHS} epochs)" in lines


def test_a_step_is_as_long_as_the_rate_says(tmp_path: Path) -> None:
    """Plain gradient descent: half the rate is half the step."""
    steps = {}
    for rate in (1.0, 0.5):
        stages = [{"parts": ["head"], "rate": rate}]
        weights = Weights()
        overrides = ("scheduler=none", "optimizer=sgd", "optimizer.lr=0.1", "model.head.dropout=0")
        fit(
            tmp_path / str(rate), weights, overrides=overrides, stages=stages, limit_train_batches=1
        )
        name = "head.layers.0.weight"
        steps[rate] = weights.states[1][name] - weights.states[0][name]
    assert steps[1.0].abs().max() > 0
    torch.testing.assert_close(steps[0.5] * 2, steps[1.0], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("schedule", ["scheduler=plateau", "scheduler=onecycle"])
def test_a_cut_run_ends_as_if_nothing_had_been(tmp_path: Path, schedule: str) -> None:
    """With dropout, crops and averaged weights, bit for bit."""

    def start(name: str, *callbacks: Callback, ckpt_path: Path | None = None) -> dict[str, Any]:
        more = (EMAWeights(decay=0.9), *callbacks)
        fit(tmp_path / name, *more, overrides=(schedule,), ckpt_path=ckpt_path)
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


@pytest.mark.parametrize("option", [{"pieces": 0}, {"every": 0}, {"decay": 0.0}, {"decay": 1.5}])
def test_numbers_out_of_range_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        GradualUnfreezing(**option)


def network(*overrides: str) -> nn.Module:
    spec = composed(*overrides)["model"]
    return build(spec, expects=nn.Module, classes=3, size=48)


def parts_of(made: nn.Module, pieces: int = 3) -> list[tuple[str, ...]]:
    return [stage.parts for stage in automatic_stages(made, pieces=pieces, every=1, decay=0.5)]


def test_a_list_says_parts_epoch_and_rate() -> None:
    stages = parse_stages([{"parts": "head"}, {"parts": ["a", "b"], "epoch": 3, "rate": 0.1}])
    assert stages == [Stage(("head",), 0, 1.0), Stage(("a", "b"), 3, 0.1)]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"epoch": 0}], "parts"),
        ([{"parts": []}], "parts"),
        ([{"parts": [1]}], "parts"),
        (["head"], "not head"),
        ("head", "list"),
        ({"parts": "head"}, "list"),
        ([{"parts": "head", "epochs": 0}], "epochs"),
        ([{"parts": "head", "epoch": -1}], "-1"),
        ([{"parts": "head", "epoch": 1.5}], "1.5"),
        ([{"parts": "head", "rate": 0}], "above 0"),
        ([{"parts": "head", "rate": "fast"}], "fast"),
        ([{"parts": "head", "rate": float("nan")}], "nan"),
        ([{"parts": "head", "epoch": 1}], "epoch 0"),
        ([], "epoch 0"),
    ],
)
def test_other_lists_are_refused(entries: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_stages(entries)


def test_the_longest_name_that_fits_counts() -> None:
    stages = [Stage(("a.b", "c"), 0, 1), Stage(("a", "a.b.d"), 0, 1)]
    names = ["a.b.x", "a.x", "a.bc", "a.b.d.x", "c", "cd", "e.a"]
    assert members(names, stages) == [["a.b.x", "c"], ["a.x", "a.bc", "a.b.d.x"]]


@pytest.mark.parametrize(
    "overrides",
    [
        ("model=cnn_lstm_attention", "backbone=resnet"),
        ("model=cnn", "backbone=timm", "model.backbone.name=test_resnet.r160_in1k"),
        ("model=lstm",),
        ("model=crnn", "fusion=none"),
        ("model=transformer",),
    ],
    ids=" ".join,
)
def test_stages_made_of_a_network_hold_each_parameter_once(overrides: tuple[str, ...]) -> None:
    made = network(*overrides)
    stages = automatic_stages(made, pieces=3, every=2, decay=0.5)
    check_stages(made, stages)
    names = [name for name, _ in made.named_parameters()]
    of_stages = members(names, stages)
    assert sorted(name for own in of_stages for name in own) == sorted(names)
    assert [stage.epoch for stage in stages] == [2 * i for i in range(len(stages))]
    assert [stage.rate for stage in stages] == [0.5**i for i in range(len(stages))]
    # From the end to the beginning, as the network runs them.
    places = [min(names.index(n) for n in own if "pos_embed" not in n) for own in of_stages]
    backbone = [p for p, own in zip(places, of_stages, strict=True) if "backbone" in own[0]]
    assert backbone == sorted(backbone, reverse=True)
    assert "head" in stages[0].parts


def test_the_backbone_is_divided_into_pieces() -> None:
    cnn = network("model=cnn")
    assert parts_of(cnn) == [
        ("head",),
        ("backbone.stages.3",),
        ("backbone.stages.2",),
        ("backbone.stages.0", "backbone.stages.1"),
    ]
    assert len(parts_of(cnn, pieces=1)) == 2
    # No more pieces than blocks.
    assert len(parts_of(cnn, pieces=9)) == 5
    assert parts_of(network("fusion=gated"))[:2] == [("fusion", "head"), ("lstm",)]
    (*_, last) = parts_of(network("model=transformer"))
    assert last[:2] == ("backbone.network.pos_embed", "backbone.network.patch_embed")
    with pytest.raises(ValueError, match=r"callbacks\.progressive\.stages"):
        parts_of(nn.Sequential(nn.Linear(2, 2)))


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([("haed",)], "did you mean 'head'"),
        ([("head",), ("head",)], "'head' is in two stages"),
        ([("fusion",)], "the stage of fusion"),
        ([("head",), ("head.layers",)], "the stage of head"),
    ],
)
def test_stages_that_do_not_fit_are_refused(stages: list[tuple[str, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_stages(network(), [Stage(parts, 0, 1.0) for parts in stages])


def test_what_has_begun_learns_with_its_statistics() -> None:
    made: Any = network("model=cnn").train()
    stages = [Stage(("head",), 0, 1), Stage(("backbone.stages.3",), 2, 1)]

    def state(epoch: int) -> tuple[set[str], set[str]]:
        unfreeze(made, stages, epoch)
        trained = {name for name, p in made.named_parameters() if p.requires_grad}
        norms = {n for n, m in made.named_modules() if isinstance(m, nn.BatchNorm2d)}
        return {name.rpartition(".")[0] for name in trained}, {
            name for name in norms if made.get_submodule(name).training
        }

    dense = {"head.layers.0", "head.layers.3"}
    deep = {"backbone.stages.3.filters.0", "backbone.stages.3.norm"}
    assert state(0) == state(1) == (dense, set())
    assert state(2) == state(9) == (dense | deep, {"backbone.stages.3.norm"})
    # A resumed training may start anywhere.
    assert state(1) == (dense, set())
    # Dropout is not touched.
    assert made.head.layers[2].training
