"""Every model and every form of data, fitted, scored, asked and taken up again.

Not the full product: all models on one form of data, and one model on all forms.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning
import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor

from fer.config.build import Parts, build_parts, build_trainer
from fer.config.compose import compose
from fer.learning import FerModule
from fer.learning.callbacks import History
from fer.learning.loop import fit, seed_everything_quietly, validate_data
from tests.support.data_forms import FORMS
from tests.support.parts import options

pytestmark = [
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
]

#: Steps an epoch, whatever the data.
STEPS = 2
COMMON = (
    "trainer=cpu",
    "trainer.precision=32-true",
    "trainer.enable_progress_bar=false",
    "trainer.max_epochs=1",
    f"trainer.limit_train_batches={STEPS}",
    "logger=none",
    "data.size=16",
    "data.batch_size=4",
    "model.head.hidden=[8]",
)
SMALL_CNN = ("backbone=small", "model.backbone.widths=[4]", "model.backbone.kernels=[[3,5]]",
             "model.backbone.pools=[max]")  # fmt: skip
SMALL_LSTM = ("model.lstm.units=4",)
CLIPS = (
    "data=synthetic_clips", "data.frames=8", "data.source.train=14", "data.source.val=7",
    "data.source.test=9",
)  # fmt: skip
SYNTHETIC = ("data=synthetic", "data.source.train=14", "data.source.val=7", "data.source.test=9")

#: What makes a part small, by its configuration file.
SMALLER: Mapping[str, tuple[str, ...]] = {
    "backbone=small": SMALL_CNN[1:],
    "backbone=vgg": ("model.backbone.widths=[4,4]", "model.backbone.convs=[1,1]"),
    "backbone=resnet": ("model.backbone.widths=[4,4]", "model.backbone.blocks=[1,1]"),
    "backbone=timm": ("model.backbone.name=test_resnet.r160_in1k", "model.backbone.resize=32"),
    "backbone=shallow": ("model.backbone.widths=[4,4]",),
    "backbone=vit": (
        "model.backbone.patch=4",
        "model.backbone.width=8",
        "model.backbone.depth=1",
        "model.backbone.heads=2",
    ),
    "lstm=pixels": ("model.lstm.view.side=8",),
    "fusion=bilinear": ("model.fusion.rank=4", "model.fusion.width=4"),
    "fusion=attention": ("model.fusion.width=8", "model.fusion.heads=2"),
    "fusion=sum": ("model.fusion.width=4",),
    "fusion=gated": ("model.fusion.width=4",),
}


def _models() -> Iterator[tuple[str, ...]]:
    """Yield the overrides of every file in ``conf`` that is a model or a part of one."""
    whole = {
        "cnn": SMALL_CNN,
        "lstm": SMALL_LSTM,
        "transformer": ("backbone=vit", *SMALLER["backbone=vit"]),
        "clip_frames": SMALL_CNN,
        "clip_lstm": (*SMALL_CNN, "model.time.units=4"),
        "convlstm": (*SMALLER["backbone=shallow"], "model.widths=[4]"),
    }
    for name in options("model"):
        yield (f"model={name}", *whole.get(name, (*SMALL_CNN, *SMALL_LSTM)))
    for name in options("backbone"):
        yield ("model=cnn", f"backbone={name}", *SMALLER.get(f"backbone={name}", ()))
    for name in options("lstm"):
        yield ("model=lstm", f"lstm={name}", *SMALL_LSTM, *SMALLER.get(f"lstm={name}", ()))
    for name in options("fusion"):
        parts = (*SMALL_CNN, *SMALL_LSTM)
        yield (*parts, f"fusion={name}", *SMALLER.get(f"fusion={name}", ()))
    for name in options("metadata"):
        yield ("model=cnn", "fusion=concat", *SMALL_CNN, f"metadata={name}")


#: The models that read clips.
OF_CLIPS = ("clip_frames", "clip_lstm", "convlstm")
MODELS = {" ".join(o for o in line if "." not in o): line for line in _models()}


@dataclass(frozen=True)
class Run:
    """A training that has ended, the weights that it began with and the numbers of its epochs."""

    config: DictConfig
    folder: Path
    trainer: lightning.Trainer
    parts: Parts
    before: Mapping[str, Tensor]
    epochs: Sequence[Mapping[str, float]]

    @property
    def last(self) -> Path:
        return self.folder / "checkpoints" / "last.ckpt"


def fitted(config: DictConfig, folder: Path, ckpt: Path | None = None) -> Run:
    """Train as ``fer.train`` does."""
    seed_everything_quietly(config.seed)
    parts = build_parts(config)
    before = copy.deepcopy(parts.module.state_dict())
    trainer = build_trainer(config, folder)
    validate_data(parts.data.faces, parts.module, test=True)
    fit(trainer, parts.module, parts.data, None if ckpt is None else str(ckpt))
    (history,) = (c for c in trainer.callbacks if isinstance(c, History))  # type: ignore[attr-defined]
    return Run(config, folder, trainer, parts, before, copy.deepcopy(history.epochs))


def assert_fits(run: Run) -> None:
    """The weights have moved by finite numbers, and lie in a checkpoint."""
    stored = torch.load(run.last, weights_only=True)
    assert stored["global_step"] == STEPS
    weights = stored["state_dict"]
    moved = [name for name in run.before if not torch.equal(weights[name], run.before[name])]
    assert any("head" in name for name in moved)
    assert any("backbone" in name or "lstm" in name for name in moved)
    assert all(weight.isfinite().all() for weight in weights.values())
    (epoch,) = run.epochs
    assert math.isfinite(epoch["train/loss"])
    assert 0 <= epoch["val/acc"] <= 1


def assert_scores(run: Run) -> float:
    """The test split is counted whole; return the accuracy of the best checkpoint."""
    run.trainer.test(
        run.parts.module,
        datamodule=run.parts.data,
        ckpt_path="best",
        verbose=False,
        weights_only=True,
    )
    counts = run.parts.module.confusion["test"]
    assert int(counts.sum()) == len(run.parts.data.faces.splits["test"])
    accuracy = float(run.trainer.callback_metrics["test/acc"])
    assert accuracy == pytest.approx(float(counts.trace() / counts.sum()))
    return accuracy


def assert_answers(run: Run, accuracy: float) -> None:
    """The best checkpoint alone answers for each test face as it was scored."""
    module = FerModule.load_from_checkpoint(
        run.folder / "checkpoints" / "best.ckpt", weights_only=True, map_location="cpu"
    )
    answers = run.trainer.predict(module, dataloaders=run.parts.data.test_dataloader())
    assert answers is not None
    split = run.parts.data.faces.splits["test"]
    rows, logits = (torch.cat([a[name] for a in answers]) for name in ("row", "logits"))
    assert rows.tolist() == split.rows.tolist()
    assert logits.shape == (len(split), len(run.parts.module.classes))
    right = logits.argmax(dim=1) == torch.from_numpy(split.labels)
    assert accuracy == pytest.approx(float(right.float().mean()))


def assert_goes_on(run: Run) -> None:
    """A second epoch follows the first, from where it ended."""
    config = run.config.copy()
    config.trainer.max_epochs = 2
    longer = fitted(config, run.folder, ckpt=run.last)
    assert [epoch["epoch"] for epoch in longer.epochs] == [1, 2]
    assert longer.epochs[0] == run.epochs[0]
    assert torch.load(run.last, weights_only=True)["global_step"] == 2 * STEPS


def assert_every_verb(folder: Path, *overrides: str) -> Run:
    run = fitted(compose("train", [*COMMON, *overrides]), folder)
    assert_fits(run)
    assert_answers(run, assert_scores(run))
    assert_goes_on(run)
    return run


@pytest.mark.usefixtures("clean_process")
@pytest.mark.parametrize("overrides", MODELS.values(), ids=MODELS)
def test_every_model_takes_every_verb(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    data = CLIPS if overrides[0].removeprefix("model=") in OF_CLIPS else SYNTHETIC
    assert_every_verb(tmp_path / "run", *data, *overrides)


@pytest.mark.usefixtures("clean_process")
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_data_takes_every_verb(tmp_path: Path, form: str) -> None:
    overrides = FORMS[form](tmp_path / "data")
    model = "model=clip_frames" if "clips" in form else "model=cnn"
    assert_every_verb(tmp_path / "run", model, *SMALL_CNN, *overrides)


def test_no_choice_of_data_is_left_out(tmp_path: Path) -> None:
    """A new file in ``conf/data`` needs a line in ``FORMS``."""
    lines = [make(tmp_path / str(i)) for i, make in enumerate(FORMS.values())]
    chosen = {text.partition("=")[2] for line in lines for text in line if text[:5] == "data="}
    assert chosen | {"synthetic_clean"} == set(options("data"))
