"""Compare the answers of two forms of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from fer.inference.checkpoint import CheckpointModel
from fer.inference.model import Model

#: None is the batch size of the example that a graph is exported with.
_BATCHES: Final = (1, 3, 16, 65)


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest absolute differences of a model's answers from its network's.

    Attributes:
        batches: the batch sizes that were tried.
        frames: the clip lengths that were tried, one a batch.
    """

    probabilities: float
    logits: float
    batches: Sequence[int] = _BATCHES
    frames: Sequence[int] = ()


def compare(model: CheckpointModel, other: Model) -> Parity:
    """Compare an exported or rounded model with its network on random faces, or clips.

    Lengths of clips differ within a batch too. Where one answers NaN, the result is NaN.
    """
    rng = np.random.default_rng(0)
    worst_probability = worst_logit = 0.0
    frames = () if model.frames is None else (1, model.frames, model.frames + 3, 5)
    for place, batch in enumerate(_BATCHES):
        shape = (batch, *frames[place : place + 1], model.size, model.size)
        faces = rng.integers(0, 256, shape, dtype=np.uint8)
        # All black, all white.
        faces[0], faces[-1] = 0, 255
        beside = _some_beside(model, shape, rng)
        wanted = model.logits(faces, beside)
        shifted = wanted.astype(np.float64) / (other.temperature or 1.0)
        shifted = np.exp(shifted - shifted.max(axis=1, keepdims=True))
        probabilities, logits = other.answer(faces, beside, batch_size=batch)
        expected = shifted / shifted.sum(axis=1, keepdims=True)
        # Unlike Python's max, it keeps NaN.
        worst_probability = np.maximum(worst_probability, np.abs(probabilities - expected).max())
        worst_logit = np.maximum(worst_logit, np.abs(logits - wanted).max())
    return Parity(float(worst_probability), float(worst_logit), frames=frames)


def _some_beside(
    model: CheckpointModel, shape: Sequence[int], rng: np.random.Generator
) -> np.ndarray[Any, np.dtype[Any]] | None:
    n = shape[0]
    if model.frames is not None:
        return rng.integers(1, shape[1] + 1, n)
    if model.columns is None:
        return None
    table = np.empty((n, len(model.columns)), dtype=np.float32)
    for place, column in enumerate(model.columns.values()):
        words = column.get("values")
        mean, std = column.get("mean", 0.0), column.get("std", 1.0)
        known = rng.integers(0, len(words), n) if words else rng.normal(mean, std, n)
        table[:, place] = np.where(rng.random(n) < 0.5, np.nan, known)
    return table
