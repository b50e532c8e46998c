"""How a network learns: the LightningModule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from fer.data.loading import Batch
from fer.learning.metrics import PER_CLASS, classification_metrics, flatten
from fer.models import build

Spec = Mapping[str, Any]


class FerModule(lightning.LightningModule):
    """A network with its loss, optimiser, schedule and metrics, all made from plain descriptions.

    The descriptions are its hyperparameters, so a checkpoint rebuilds it and loads with
    ``weights_only=True``.

    Args:
        model: spec of the network, which is made with ``classes`` and ``size``.
        loss: spec of a module from (logits ``[B, C]``, labels ``[B]``) to a scalar.
        optimizer: spec of a ``torch.optim.Optimizer``.
        scheduler: spec of a ``torch.optim.lr_scheduler.LRScheduler``; beside its arguments,
            ``monitor`` names the metric that a plateau is looked for in.
        classes: the class names.
        size: height and width of the faces, in pixels.

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
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.classes = tuple(classes)
        self.network = build(model, expects=nn.Module, classes=len(classes), size=size)
        self.loss = build(loss, expects=nn.Module)
        self.optimizer_spec = optimizer
        self.scheduler_spec = scheduler
        self.metrics = nn.ModuleDict(
            {
                # "train" is a name that modules reserve.
                "train_split": MetricCollection(
                    {"acc": MulticlassAccuracy(len(classes), average="micro", validate_args=False)}
                ),
                "val_split": classification_metrics(len(classes)),
                "test_split": classification_metrics(len(classes)),
            }
        )
        self.losses = nn.ModuleDict({name: MeanMetric() for name in self.metrics})
        self.example_input_array = torch.zeros(1, 1, size, size, dtype=torch.uint8)
        #: Counts of the last whole epoch of a split, int64 ``[C, C]``; rows are true classes.
        self.confusion: dict[str, Tensor] = {}

    @property
    def logged_metrics(self) -> tuple[str, ...]:
        """The names that a scheduler or a checkpoint can wait for."""
        names = ["train/loss", "train/acc", "val/loss"]
        for name in self.metrics["val_split"].keys(keep_base=True):  # noqa: SIM118 - no mapping
            if name in PER_CLASS:
                names += [f"val/{name}/{label}" for label in self.classes]
            elif name != "confusion":
                names.append(f"val/{name}")
        return tuple(names)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``[B, C]`` of uint8 or float images ``[B, 1, H, W]`` in 0–255."""
        logits: Tensor = self.network(images)
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss, _ = self._step("train", batch)
        self.log("train/step_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self._step("val", batch)[1]

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self._step("test", batch)[1]

    def on_train_epoch_end(self) -> None:
        self._log_epoch("train")

    def on_validation_epoch_end(self) -> None:
        self._log_epoch("val")

    def on_test_epoch_end(self) -> None:
        self._log_epoch("test")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = build(self.optimizer_spec, trained, expects=Optimizer)
        spec = dict(self.scheduler_spec)
        monitor = spec.pop("monitor", None)
        scheduler = build(spec, optimizer, expects=LRScheduler)
        return cast(
            OptimizerLRScheduler,
            {
                "optimizer": optimizer,
                "lr_scheduler": {"scheduler": scheduler, "interval": "epoch", "monitor": monitor},
            },
        )

    def _step(self, split: str, batch: Batch) -> tuple[Tensor, Tensor]:
        logits = self(batch["image"])
        loss: Tensor = self.loss(logits, batch["label"])
        self.metrics[f"{split}_split"].update(logits.detach(), batch["label"])
        self.losses[f"{split}_split"].update(loss.detach(), len(logits))
        return loss, logits

    def _log_epoch(self, split: str) -> None:
        metrics, loss = self.metrics[f"{split}_split"], self.losses[f"{split}_split"]
        values = metrics.compute()
        if "confusion" in values:
            self.confusion[split] = values["confusion"].cpu()
        numbers = {f"{split}/loss": loss.compute(), **flatten(values, self.classes, split)}
        headline = {f"{split}/loss", f"{split}/acc"}
        self.log_dict({k: v for k, v in numbers.items() if k in headline}, prog_bar=True)
        self.log_dict({k: v for k, v in numbers.items() if k not in headline})
        metrics.reset()
        loss.reset()
