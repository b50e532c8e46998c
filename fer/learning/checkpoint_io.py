"""Checkpoints that are there whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from fer.errors import UserError
from fer.files import written_beside
from fer.learning.module import FerModule


class WholeCheckpointIO(TorchCheckpointIO):
    """Write each checkpoint beside its place, then rename it.

    A full disk or a kill at any moment costs the new checkpoint, never the old one.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        if storage_options is not None:
            raise TypeError("storage options belong to remote paths, and runs are local")
        # By way of memory: torch's own writer reports a full disk as a RuntimeError.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with written_beside(Path(path)) as beside:
            beside.write_bytes(content.getbuffer())


def add_to_checkpoint(path: Path, **values: Any) -> None:
    """Put plain values into a checkpoint, each under a key of its own, in place of those there.

    Raises:
        OSError: it cannot be read or written.
    """
    stored = torch.load(path, weights_only=True, map_location="cpu")
    WholeCheckpointIO().save_checkpoint({**stored, **values}, path)


def check_checkpoint(path: Path, module: FerModule | None) -> None:
    """Hold a checkpoint to resume from against the learner, if there is one, that is to take it up.

    Raises:
        UserError: it is no checkpoint of a training, one of another network, or one that has seen
            faces which this training must not have seen.
    """
    if not path.is_file():
        raise UserError(f"there is no file {str(path)!r}")
    try:
        stored = torch.load(path, weights_only=True, map_location="cpu")
        weights = stored["state_dict"]
        shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
        complete = "loops" in stored and "optimizer_states" in stored
        invalid = stored.get("hyper_parameters", {}).get("invalid", "")
    except Exception as error:
        # Whatever the bytes are, torch's unpickler and archive reader may raise anything.
        raise UserError(
            f"{path} is no checkpoint that can be read ({type(error).__name__})"
        ) from error
    if not complete:
        raise UserError(f"{path} holds weights alone, which can't be resumed from")
    if module is None:
        return
    ours = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    if shapes != ours:
        names = sorted(n for n in {*shapes, *ours} if shapes.get(n) != ours.get(n))
        raise UserError(f"{path} is of another network: {', '.join(names[:3])} and others differ")
    if invalid and invalid != module.invalid:
        raise UserError(f"{path} can't be gone on with by another protocol. INVALID: {invalid}")
