"""Checkpoints that are there whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from fer.files import written_beside


class WholeCheckpointIO(TorchCheckpointIO):
    """Write each checkpoint beside its place, then rename it.

    A full disk or a kill at any moment costs the new checkpoint, never the old one.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        if storage_options is not None:
            raise TypeError("storage options belong to remote paths, and runs are local")
        with written_beside(Path(path)) as beside:
            torch.save(checkpoint, beside)
