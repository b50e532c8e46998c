"""Faces at the size that a network reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fer.data.source import DataError, Faces, Split
from fer.data.stored import stored
from fer.pixels import Fit, square_grey


def scaled(faces: Faces, size: int, fit: Fit = "pad") -> Faces:
    """Return a data set whose faces are uint8 ``[N, size, size]``; itself where they are already.

    The frames of clips, ``[N, T, H, W]``, are scaled alike.

    Args:
        faces: the data set.
        size: height and width, in pixels.
        fit: how faces that are not square become so, see :func:`fer.pixels.square_grey`.

    Raises:
        DataError: they are a converted set of another size.
    """
    return replace(
        faces, splits={name: _scaled(split, size, fit) for name, split in faces.splits.items()}
    )


def _scaled(split: Split, size: int, fit: Fit) -> Split:
    if split.images.shape[-2:] == (size, size):
        return split
    if stored(split.images) is not None:
        raise DataError(
            f"the faces were converted to {split.images.shape[1]} pixels and {size} are needed: "
            f"convert them again with --size {size}. A stream is not scaled a second time"
        )
    images = np.empty((*split.images.shape[:-2], size, size), dtype=np.uint8)
    for place in np.ndindex(images.shape[:-2]):
        images[place] = square_grey(split.images[place], size, fit)
    return replace(split, images=images)
