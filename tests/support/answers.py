"""Answers of made-up systems on made-up faces."""

from __future__ import annotations

import numpy as np

from fer.data.source import Faces, Split
from fer.evaluation import Predictions

CLASSES = ("cat", "dog", "eel")
NAMES = {"train": "train", "val": "val", "test": "test"}


def some_faces(
    train: int = 30, val: int = 60, test: int = 90, classes: tuple[str, ...] = CLASSES
) -> Faces:
    """Return faces of random pixels; rows go on from split to split."""
    rng = np.random.default_rng(0)
    splits, start = {}, 0
    for name, n in {"train": train, "val": val, "test": test}.items():
        rows = np.arange(start, start + n)
        images = rng.integers(0, 256, (n, 16, 16), dtype=np.uint8)
        splits[name] = Split(images, rng.permutation(rows % len(classes)), rows)
        start += n
    return Faces(classes, splits, fingerprint="made up", origin="made-up faces")


def some_logits(label: np.ndarray, classes: int, *, skill: float, seed: int = 0) -> np.ndarray:
    """Return float32 ``[N, C]``, noise with ``skill`` added to the true class."""
    logits = np.random.default_rng(seed).normal(size=(len(label), classes))
    logits[np.arange(len(label)), label] += skill
    return logits.astype(np.float32)


def some_predictions(faces: Faces, *, skill: float = 1.5, seed: int = 0) -> Predictions:
    """Return a network's answers on val and test."""
    used = [faces.splits[name] for name in ("val", "test")]
    label = np.concatenate([split.labels for split in used])
    return Predictions.from_logits(
        faces.classes,
        np.concatenate([split.rows for split in used]),
        np.repeat(["val", "test"], [len(split) for split in used]),
        label,
        some_logits(label, len(faces.classes), skill=skill, seed=seed),
    )
