"""Checkpoints for use and for tuning: the network alone, in half precision."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fer.checkpoints import read_stored
from fer.core.io import atomic_write
from fer.inference.checkpoint import MAKING, PREFIX, TEMPERATURE, load_checkpoint
from fer.inference.export import ExportError, refuse_invalid
from fer.inference.half import in_half
from fer.inference.parity import Parity, compare


def write_slim(path: Path, to: Path, *, allow: Iterable[str] = ()) -> Parity:
    """Write a checkpoint of the network alone, without what only its own training goes on with.

    It is read wherever a checkpoint is, with ``weights_only=True``, and has a quarter of the bytes
    or less: no optimiser, and matrices and kernels as float16 (:func:`fer.inference.half.in_half`).
    Of a training that averaged its weights these are the averages, since they are what its
    checkpoints hold as the network.

    Args:
        path: a checkpoint of ``python -m fer.train``, or one of these.
        to: the file to write; it takes the place of an older one when all is well.
        allow: see :func:`~fer.inference.checkpoint.load_checkpoint`.

    Returns:
        How far its answers are from those of the checkpoint.

    Raises:
        CheckpointError: there is no such checkpoint.
        ExportError: the network learnt from test faces, or answers with what are no numbers.
        OSError: the file can't be written.
    """
    import torch

    allow = tuple(allow)
    model = load_checkpoint(path, allow=allow)
    refuse_invalid(model)
    stored = read_stored(path)
    weights = {n: w for n, w in stored["state_dict"].items() if n.startswith(PREFIX)}
    kept: dict[str, Any] = {name: stored[name] for name in ("hyper_parameters", TEMPERATURE, MAKING)
            if name in stored}  # fmt: skip
    # By way of memory: torch's own writer reports a full disk as a RuntimeError, and the name that
    # it gives to what is within is that of the file.
    content = io.BytesIO()
    torch.save(kept | {"state_dict": in_half(weights)}, content)
    with atomic_write(to) as beside:
        beside.write_bytes(content.getbuffer())
        parity = compare(model, load_checkpoint(beside, allow=allow))
        # What is no number is not below anything.
        if not parity.logits < float("inf"):
            raise ExportError(f"{path} answers with what are no numbers; nothing was written")
    return parity
