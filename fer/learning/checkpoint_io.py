"""Checkpoints of a training: written whole or not at all, read without running anything."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from torch import Tensor

from fer.checkpoints import read_stored, renamed
from fer.core.errors import UserError
from fer.core.io import atomic_write

_NETWORK = "network."


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write each checkpoint to a temporary file, then rename it.

    A full disk or a kill at any moment costs the new checkpoint, never the old one.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        if storage_options is not None:
            raise TypeError("storage options belong to remote paths, and runs are local")
        # In memory first: torch's own writer reports a full disk as a RuntimeError.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with atomic_write(Path(path)) as temporary:
            temporary.write_bytes(content.getbuffer())

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Return a checkpoint, of which nothing is executed; see :func:`read_stored`.

        The states of callbacks that had another name when it was written get the present one.
        """
        stored = read_stored(Path(path), map_location=map_location)
        if isinstance(states := stored.get("callbacks"), dict):
            stored["callbacks"] = {renamed(key): state for key, state in states.items()}
        return stored


def add_to_checkpoint(path: Path, **values: Any) -> None:
    """Put plain values into a checkpoint, each under its key, replacing existing ones.

    Raises:
        CheckpointError: it is not a checkpoint.
        OSError: it cannot be read or written.
    """
    stored = read_stored(path)
    AtomicCheckpointIO().save_checkpoint({**stored, **values}, path)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the containers of a checkpoint of a training, on the CPU.

    Raises:
        UserError: there is no such file, or it holds no weights that can be read.
    """
    if not path.is_file():
        raise UserError(f"there is no file {str(path)!r}", code="no_file", where=str(path))
    stored = read_stored(path)
    if "state_dict" not in stored:
        raise UserError(
            f"{path} is not a checkpoint that can be read: it holds no weights",
            code="no_weights",
            where=str(path),
        )
    return stored


def network_weights(stored: dict[str, Any]) -> dict[str, Tensor]:
    """Return the weights of the network in a checkpoint, without those of metrics and losses."""
    weights: dict[str, Tensor] = stored["state_dict"]
    return {
        name.removeprefix(_NETWORK): tensor
        for name, tensor in weights.items()
        if name.startswith(_NETWORK)
    }


def check_protocol(path: Path, stored: dict[str, Any], invalid: str, cannot: str) -> None:
    """Refuse a checkpoint that was trained on faces which this training must not have seen.

    Args:
        path: of the checkpoint.
        stored: what it holds.
        invalid: why this training's own scores are invalid; empty where they are not.
        cannot: what is refused: ``can't be resumed``.

    Raises:
        UserError: it was, and this training has not the same mark.
    """
    theirs = stored.get("hyper_parameters", {}).get("invalid", "")
    if theirs and theirs != invalid:
        raise UserError(
            f"{path} {cannot} under another protocol. INVALID: {theirs}",
            code="other_protocol",
            where=str(path),
        )
