"""Faces by a formula: the same numbers on every machine, and classes that can be told apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer.core.metadata import Columns
from fer.data.source import Faces, Split

CLASSES = ("down", "up", "left", "right")


def make_split(count: int, size: int = 48, first: int = 0, classes: int = len(CLASSES)) -> Split:
    """Return ``count`` pictures of slanted stripes; the class is their slant, row by row anew."""
    rows = np.arange(first, first + count, dtype=np.int64)
    # Mixed, and about as many of each in any stretch of rows.
    labels = (rows * rows + rows // 4) % classes
    y, x = np.mgrid[:size, :size]
    slants = np.array([[3, 0], [0, 3], [2, 2], [2, -2], [5, 1], [1, 5], [4, -4]])[labels]
    phase = (rows * 37) % 64
    noise = (x * y * 7 + x * 13 + y * 29)[None] * (rows + 1)[:, None, None] % 61
    stripes = slants[:, 0, None, None] * x + slants[:, 1, None, None] * y
    # Integers only: no rounding that differs from one processor to the next.
    values = (stripes * 4 + phase[:, None, None]) % 64 * 3 + noise
    return Split(images=values.astype(np.uint8), labels=labels, rows=rows)


@dataclass
class PatternFaces:
    """A source of such pictures.

    Args:
        counts: number of faces by split.
        size: width and height, in pixels.
    """

    counts: dict[str, int]
    size: int = 48

    def metadata_columns(self) -> Columns:
        return {}

    def class_names(self) -> tuple[str, ...]:
        return CLASSES

    def load(self) -> Faces:
        splits, first = {}, 0
        for name, count in self.counts.items():
            splits[name] = make_split(count, self.size, first)
            first += count
        return Faces(CLASSES, splits, fingerprint="pattern", origin="pattern faces")
