"""How a network learns: the LightningModule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import lightning
import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from fer.data.loading.dataset import Batch
from fer.data.loading.sampler import stream
from fer.learning.batch_mixing import BatchMixing
from fer.learning.consistency import Consistency
from fer.learning.distillation import Teacher
from fer.learning.losses import WeightedCrossEntropy
from fer.learning.metrics import PER_CLASS, Scores, classification_metrics, flatten
from fer.models import ClipNetwork, ModelInput, build
from fer.models.build import takes

if TYPE_CHECKING:
    from fer.data.datamodule import FaceDataModule

Spec = Mapping[str, Any]
Split = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True)
class RateGroup:
    """Parameters of the network with a rate of their own.

    Attributes:
        name: for people to read.
        parameters: their names in the network.
        rate: the factor of the optimiser's rate for them.
    """

    name: str
    parameters: tuple[str, ...]
    rate: float


class FerModule(lightning.LightningModule):
    """A network with its loss, optimiser, schedule and metrics, all made from plain descriptions.

    The descriptions are its hyperparameters, so a checkpoint rebuilds it and loads with
    ``weights_only=True``.

    Args:
        model: spec of the network, which is made with ``classes`` and ``size``.
        loss: spec of a module from (logits ``[B, C]``, labels ``[B]``) to a scalar, for training
            only: validation and test report plain cross-entropy against the labels, so that runs
            with different losses can be compared.
        optimizer: spec of a ``torch.optim.Optimizer``.
        scheduler: spec of a ``torch.optim.lr_scheduler.LRScheduler``; ``monitor`` names the metric
            of a plateau scheduler. One that takes ``total_steps`` gets them, and steps with every
            batch instead of every epoch.
        mixing: keyword arguments of :class:`~fer.learning.batch_mixing.BatchMixing`.
        seed: of all random draws of the training. Each epoch has its own stream, so a training that
            is resumed at an epoch's start draws what it would have drawn.
        channels_last: keep pictures and weights in the memory layout that convolutions on CPUs and
            tensor cores prefer.
        classes: the class names.
        size: height and width of the faces, in pixels.
        fit: how pictures that are not square become so, see :func:`fer.pixels.square_grey`; stored
            for inference.
        frames: the most frames of the clips that it is trained on, stored for inference; None for
            single faces.
        invalid: why its scores are invalid (test faces among its training faces); empty where they
            are not.
        not_comparable: why they can't be compared with scores on FER2013; empty where they can.

    Raises:
        BuildError: a part can't be made.
    """

    def __init__(
        self,
        *,
        model: Spec,
        loss: Spec,
        optimizer: Spec,
        scheduler: Spec,
        classes: Sequence[str],
        size: int,
        fit: str = "pad",
        frames: int | None = None,
        mixing: Spec | None = None,
        seed: int = 0,
        channels_last: bool = False,
        invalid: str = "",
        not_comparable: str = "",
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.classes = tuple(classes)
        self.network = build(model, expects=nn.Module, classes=len(classes), size=size)
        self.loss = build(loss, expects=nn.Module)
        self.optimizer_spec = optimizer
        self.scheduler_spec = scheduler
        self.size = size
        self.takes_clips = isinstance(self.network, ClipNetwork)
        self.invalid = invalid
        self.not_comparable = not_comparable
        self.mixing = BatchMixing(**(mixing or {}))
        self.seed = seed
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.network.to(memory_format=self.memory_format)
        self.train_scores = Scores(
            MetricCollection(
                {"acc": MulticlassAccuracy(len(classes), average="micro", validate_args=False)}
            )
        )
        self.val_scores = Scores(classification_metrics(len(classes)))
        self.test_scores = Scores(classification_metrics(len(classes)))
        #: Counts of the last whole epoch of a split, int64 ``[C, C]``; rows are true classes.
        self.confusion: dict[Split, Tensor] = {}
        #: Set by callbacks before the optimiser is made, where parts have rates of their own. A
        #: parameter of the network that is in no group is not trained.
        self.rate_groups: Sequence[RateGroup] = ()
        self.teacher: Teacher | None = None
        self.consistency: Consistency | None = None

    @property
    def logged_metrics(self) -> tuple[str, ...]:
        """The names that a scheduler or a checkpoint can wait for."""
        names = ["train/loss", "train/acc", "val/loss"]
        for name in self.val_scores.metrics.keys(keep_base=True):
            if name in PER_CLASS:
                names += [f"val/{name}/{label}" for label in self.classes]
            elif name != "confusion":
                names.append(f"val/{name}")
        return tuple(names)

    def forward(
        self, images: Tensor, metadata: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        """Return logits ``[B, C]`` of what :class:`~fer.models.ModelInput` describes."""
        if images.ndim == 4:
            images = images.to(memory_format=self.memory_format)
        return ModelInput(images, metadata, lengths).logits_of(self.network)

    def blank(self, count: int) -> tuple[Tensor]:
        """Return images to try :meth:`forward` on: black faces, or clips of two frames."""
        shape = (2, self.size, self.size) if self.takes_clips else (self.size, self.size)
        return (torch.zeros(count, 1, *shape, dtype=torch.uint8, device=self.device),)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        if not self.mixing.is_identity:
            place = (self.current_epoch, batch_idx, self.global_rank)
            batch = self._mixed(batch, stream("mixing", self.seed, *place))
        if self.teacher is not None:
            batch = self._taught(batch, self.teacher)
        if self.consistency is None:
            loss = self._step(self.train_scores, batch)
        else:
            loss = self._pair(self.train_scores, batch, self.consistency)
        # Without prog_bar: Lightning would fetch it at every step. The bar fetches it itself.
        self.log("train/step_loss", loss)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self._score(self.val_scores, batch)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self._score(self.test_scores, batch)

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return ``logits`` ``[B, C]`` and ``row`` ``[B]``, each face's place in its source."""
        return {"row": batch["row"], "logits": self(*_inputs(batch)).float()}

    def on_fit_start(self) -> None:
        if isinstance(self.loss, WeightedCrossEntropy):
            faces = cast("FaceDataModule", self.trainer.datamodule).faces  # type: ignore[attr-defined]
            labels = faces.splits["train"].labels
            self.loss.set_counts(np.bincount(labels, minlength=len(self.classes)).tolist())

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # Not in on_train_epoch_start: after it Lightning draws a seed for the loader, in all epochs
        # but the first of a process.
        if batch_idx > 0:
            return
        # Dropout draws from the global generators. One stream an epoch and process makes a resumed
        # training draw the same, without saving generators of every device.
        state = stream("dropout", self.seed, self.current_epoch, self.global_rank)
        torch.manual_seed(int(state.generate_state(1, np.uint64)[0] >> 1))

    def on_train_epoch_end(self) -> None:
        self._log_epoch("train", self.train_scores)

    def on_validation_epoch_end(self) -> None:
        self._log_epoch("val", self.val_scores)

    def on_test_epoch_end(self) -> None:
        self._log_epoch("test", self.test_scores)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = self._optimizer()
        spec = dict(self.scheduler_spec)
        monitor = spec.pop("monitor", None)
        by_step = takes(spec, "total_steps")
        wiring = {"total_steps": self._total_steps()} if by_step else {}
        plan = {
            "scheduler": build(spec, optimizer, expects=LRScheduler, **wiring),
            "interval": "step" if by_step else "epoch",
            "monitor": monitor,
            # A plateau can be seen only in epochs with a validation.
            "frequency": self._validation_interval() if monitor is not None else 1,
        }
        return cast("OptimizerLRScheduler", {"optimizer": optimizer, "lr_scheduler": plan})

    def _optimizer(self) -> Optimizer:
        if not self.rate_groups:
            trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
            return build(self.optimizer_spec, trained, expects=Optimizer)
        by_name = dict(self.network.named_parameters())
        groups: list[dict[str, Any]] = [
            {"params": [by_name[name] for name in group.parameters], "name": group.name}
            for group in self.rate_groups
        ]
        groups[0]["params"] += self.loss.parameters()
        optimizer = build(self.optimizer_spec, groups, expects=Optimizer)
        # Before a schedule takes them for the highest rates.
        for param_group, group in zip(optimizer.param_groups, self.rate_groups, strict=True):
            param_group["lr"] *= group.rate
        return optimizer

    def _validation_interval(self) -> int:
        # Without a trainer the parts are only tried.
        return (self.trainer.check_val_every_n_epoch or 1) if self._trainer is not None else 1

    def _total_steps(self) -> int:
        """Return how many steps the whole training has.

        Lightning's own estimate fetches the first faces, which in a resumed training is before the
        epoch is known: they would be another epoch's.
        """
        if self._trainer is None:
            return 1
        trainer = self.trainer
        data = cast("FaceDataModule", trainer.datamodule)  # type: ignore[attr-defined]
        batches, limit = len(data.train_dataloader()), trainer.limit_train_batches or 1.0
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
        steps = math.ceil(batches / trainer.accumulate_grad_batches) * (trainer.max_epochs or 1)
        return min(steps, trainer.max_steps) if trainer.max_steps > 0 else steps

    def _mixed(self, batch: Batch, draw: np.random.SeedSequence) -> Batch:
        target = batch.get("target", batch["label"])
        images, target = self.mixing(batch["image"], target, len(self.classes), draw)
        return {**batch, "image": images, "target": target}

    def _taught(self, batch: Batch, teacher: Teacher) -> Batch:
        images = batch["image"].to(memory_format=self.memory_format)
        return {**batch, "taught": teacher.soft_targets(images, batch["row"])}

    def _loss(self, logits: Tensor, target: Tensor, taught: Tensor | None) -> Tensor:
        loss: Tensor = self.loss(logits, target)
        if taught is None or self.teacher is None:
            return loss
        return self.teacher.loss(logits, taught, loss)

    def _step(self, scores: Scores, batch: Batch) -> Tensor:
        logits = self(*_inputs(batch)).float()
        label, target = batch["label"], batch.get("target", batch["label"])
        if isinstance(self.network, ClipNetwork) and self.network.answers_frames:
            # Every frame has the label of its clip.
            label, target = (x.repeat_interleave(batch["length"], dim=0) for x in (label, target))
        loss = self._loss(logits, target, batch.get("taught"))
        scores.update(logits, label, loss)
        return loss

    def _score(self, scores: Scores, batch: Batch) -> Tensor:
        logits: Tensor = self(*_inputs(batch)).float()
        scores.update(logits, batch["label"], F.cross_entropy(logits, batch["label"]))
        return logits

    def _pair(self, scores: Scores, batch: Batch, consistency: Consistency) -> Tensor:
        target, taught = batch.get("target", batch["label"]), batch.get("taught")
        loss, logits = consistency.step(
            lambda inputs: self(*inputs),
            lambda logits: self._loss(logits, target, taught),
            _inputs(batch),
        )
        scores.update(logits, batch["label"], loss)
        return loss

    def _log_epoch(self, split: Split, scores: Scores) -> None:
        values = scores.metrics.compute()
        if "confusion" in values:
            self.confusion[split] = values["confusion"].cpu()
        numbers = {f"{split}/loss": scores.loss.compute(), **flatten(values, self.classes, split)}
        headline = {f"{split}/loss", f"{split}/acc"}
        # All processes have the same values already, since the metrics count over all of them, but
        # Lightning warns without it.
        several = self.trainer.world_size > 1
        for shown in (True, False):
            chosen = {name: v for name, v in numbers.items() if (name in headline) == shown}
            self.log_dict(chosen, prog_bar=shown, sync_dist=several)
        scores.metrics.reset()
        scores.loss.reset()


def _inputs(batch: Batch) -> ModelInput:
    return ModelInput(batch["image"], batch.get("metadata"), batch.get("length"))
