"""Test-time augmentation: ten views of a face, mirrored and slightly shifted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]

#: Down and right, in steps.
_SHIFTS = ((0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))


def views(images: Images) -> Iterator[Images]:
    """Yield ten views of uint8 ``[N, H, W]`` or clips ``[N, T, H, W]``; the first is unchanged.

    They are the faces, shifted towards each corner, and all of that mirrored (after the ten crops
    of Krizhevsky et al. 2012). The shift is a 24th of the size, 2 of 48 pixels; the edge is
    repeated.

    Example:
        >>> sum(1 for _ in views(np.zeros((2, 48, 48), dtype=np.uint8)))
        10
    """
    height, width = images.shape[-2:]
    step = max(1, height // 24)
    beside = ((step, step), (step, step))
    padded = np.pad(images, (*[(0, 0)] * (images.ndim - 2), *beside), mode="edge")
    for mirror in (False, True):
        for down, right in _SHIFTS:
            top, left = step * (1 - down), step * (1 - right)
            view = padded[..., top : top + height, left : left + width]
            yield view[..., ::-1] if mirror else view
