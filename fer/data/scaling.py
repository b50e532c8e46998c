"""Faces at the size that a network reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fer.data.source import Faces, Split
from fer.pixels import Fit, square_grey


def scaled(faces: Faces, size: int, fit: Fit = "pad") -> Faces:
    """Return a data set whose faces are uint8 ``[N, size, size]``; itself where they are already.

    The frames of clips, ``[N, T, H, W]``, are scaled alike. ``size`` is in pixels; for ``fit`` see
    :func:`fer.pixels.square_grey`.
    """
    return replace(
        faces, splits={name: _scaled(split, size, fit) for name, split in faces.splits.items()}
    )


def _scaled(split: Split, size: int, fit: Fit) -> Split:
    if split.images.shape[-2:] == (size, size):
        return split
    images = np.empty((*split.images.shape[:-2], size, size), dtype=np.uint8)
    for place in np.ndindex(images.shape[:-2]):
        images[place] = square_grey(split.images[place], size, fit)
    return replace(split, images=images)
