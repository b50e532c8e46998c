"""Pictures of misread faces to W&B, for those who ask for them."""

from __future__ import annotations

from typing import cast

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import WandbLogger

from fer.data.loading.dataset import Batch
from fer.learning.module import FerModule


class MisreadPictures(Callback):
    """Send the most confidently misread validation faces of the last epoch to W&B.

    These are pictures of people: the callback is there only when ``logger.pictures`` asks for it.
    Of several processes, the first one's faces are looked at.

    Args:
        count: how many faces.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._worst: list[tuple[float, torch.Tensor, str]] = []

    def on_validation_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._worst = []

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: object,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        classes = cast("FerModule", pl_module).classes
        logits = cast("torch.Tensor", outputs)
        confidence, guess = logits.float().softmax(dim=1).max(dim=1)
        for i in torch.nonzero(guess != batch["label"]).flatten().tolist():
            truth, answer = (classes[int(t[i])] for t in (batch["label"], guess))
            caption = f"row {int(batch['row'][i])}: {truth}, read as {answer} {confidence[i]:.0%}"
            image = batch["image"][i, 0]
            if image.ndim == 3:  # Of a clip its middle frame.
                image = image[int(batch["length"][i]) // 2]
            self._worst.append((float(confidence[i]), image.cpu(), caption))
        self._worst = sorted(self._worst, key=lambda item: -item[0])[: self.count]

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        logger = trainer.logger
        if isinstance(logger, WandbLogger) and self._worst:
            logger.log_image(
                "val/misread",
                [image.numpy() for _, image, _ in self._worst],
                caption=[caption for *_, caption in self._worst],
            )
