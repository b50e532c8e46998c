"""Faces at the size that a network reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fer.data.source import Faces, Split
from fer.pixels import Fit, square_grey


def scaled(faces: Faces, size: int, fit: Fit = "pad") -> Faces:
    """Return a data set whose faces are uint8 ``[N, size, size]``; itself where they are already.

    Args:
        faces: the data set.
        size: height and width, in pixels.
        fit: how faces that are not square become so, see :func:`fer.pixels.square_grey`.
    """
    return replace(
        faces, splits={name: _scaled(split, size, fit) for name, split in faces.splits.items()}
    )


def _scaled(split: Split, size: int, fit: Fit) -> Split:
    if split.images.shape[1:] == (size, size):
        return split
    images = np.empty((len(split), size, size), dtype=np.uint8)
    for i, image in enumerate(split.images):
        images[i] = square_grey(image, size, fit)
    return replace(split, images=images)
