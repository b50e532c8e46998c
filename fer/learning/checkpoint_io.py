"""Checkpoints that are there whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from fer.checkpoints import read_stored
from fer.core.errors import UserError
from fer.core.io import atomic_write
from fer.learning.module import FerModule

#: What a checkpoint says of its training that has a message of its own.
_MARKS = ("invalid", "not_comparable")


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
        with atomic_write(Path(path)) as beside:
            beside.write_bytes(content.getbuffer())

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Return a checkpoint, of which nothing is executed; see :func:`read_stored`."""
        return read_stored(Path(path), map_location=map_location)


def add_to_checkpoint(path: Path, **values: Any) -> None:
    """Put plain values into a checkpoint, each under a key of its own, in place of those there.

    Raises:
        CheckpointError: it is none.
        OSError: it cannot be read or written.
    """
    stored = read_stored(path)
    WholeCheckpointIO().save_checkpoint({**stored, **values}, path)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the containers of a checkpoint of a training, on the processor.

    Raises:
        UserError: there is no such file, or it holds no weights that can be read.
    """
    if not path.is_file():
        raise UserError(f"there is no file {str(path)!r}")
    stored = read_stored(path)
    if "state_dict" not in stored:
        raise UserError(f"{path} is no checkpoint that can be read: it holds no weights")
    return stored


def check_checkpoint(path: Path, module: FerModule | None) -> None:
    """Hold a checkpoint to resume from against the learner, if there is one, that is to take it up.

    Raises:
        UserError: it is no checkpoint of a training, one of another network, one that was learnt
            otherwise, whose settings Lightning would take up without a word, or one that has seen
            faces which this training must not have seen.
    """
    stored = read_checkpoint(path)
    if not ("loops" in stored and stored.get("optimizer_states")):
        raise UserError(
            f"{path} holds weights alone, which can't be resumed from: begin with them by "
            f"init_from={path}, or name last.ckpt of a run folder"
        )
    if module is None:
        return
    shapes = {name: tuple(tensor.shape) for name, tensor in stored["state_dict"].items()}
    ours = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    if shapes != ours:
        names = sorted(n for n in {*shapes, *ours} if shapes.get(n) != ours.get(n))
        raise UserError(f"{path} is of another network: {', '.join(names[:3])} and others differ")
    groups = [group.get("name") for group in stored["optimizer_states"][0]["param_groups"]]
    names_here: list[str | None] = [group.name for group in module.rate_groups]
    if groups != (names_here or [None]):
        raise UserError(
            f"{path} is of a training by other stages: choose the callbacks that it had, or begin "
            "anew with its weights by init_from"
        )
    invalid = stored.get("hyper_parameters", {}).get("invalid", "")
    if invalid and invalid != module.invalid:
        raise UserError(f"{path} can't be gone on with by another protocol. INVALID: {invalid}")
    options = stored.get("hyper_parameters", {})
    different = [
        text
        for name in sorted({*options} & {*module.hparams} - {*_MARKS})
        for text in _differences(name, options[name], module.hparams[name])
    ]
    if different:
        raise UserError(
            f"{path} was learnt otherwise ({'; '.join(different)}): leave that as it was, or begin "
            f"anew with its weights by init_from={path}"
        )


def _differences(name: str, was: Any, now: Any) -> list[str]:
    if not (isinstance(was, dict) and isinstance(now, dict)):
        return [] if was == now else [f"{name} was {was!r}, is {now!r}"]
    keys = sorted({*was, *now})
    return [text for k in keys for text in _differences(f"{name}.{k}", was.get(k), now.get(k))]
