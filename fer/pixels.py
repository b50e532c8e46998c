"""Any picture as the square grey face that a model reads, in training and inference alike.

Scaling and normalising belong to the model and are stored with it.
"""

from __future__ import annotations

from typing import Final, Literal

import cv2
import numpy as np
import numpy.typing as npt

Fit = Literal["pad", "stretch"]
#: How a picture that is not square becomes square.
FITS: Final[tuple[Fit, ...]] = ("pad", "stretch")

Image = npt.NDArray[np.uint8]

#: A padded square has at most so many pixels, or so many times those of the picture: a line of
#: 300,000 pixels in a file of 400 bytes would become 84 GiB.
_BUILT: Final = 1 << 22
_TIMES: Final = 4


def square_grey(image: Image, size: int, fit: Fit = "pad") -> Image:
    """Return a picture as a square grey face.

    Args:
        image: uint8 ``[H, W]`` grey or ``[H, W, 3]`` RGB.
        size: height and width of the result, in pixels.
        fit: ``pad`` keeps the proportions and repeats the edge on both sides of the shorter
            dimension; ``stretch`` scales both dimensions to fill the square.

    Returns:
        uint8 ``[size, size]``: luma by ITU-R BT.601; averaged over blocks where it is at least
        twice as large, each axis by the largest whole factor, then bicubic. A grey picture of that
        size is returned unchanged, not copied.

    Example:
        >>> square_grey(np.zeros((20, 10, 3), dtype=np.uint8), 48).shape
        (48, 48)
    """
    if image.dtype != np.uint8:
        raise ValueError(f"a picture must be uint8, not {image.dtype}")
    is_color = image.ndim == 3 and image.shape[2] == 3
    if 0 in image.shape or not (is_color or image.ndim == 2):
        raise ValueError(f"a picture must be [H, W] or [H, W, 3], not {list(image.shape)}")
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, not {size}")
    if is_color:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    if fit not in FITS:
        raise ValueError(f"fit must be one of {', '.join(FITS)}, not {fit!r}")
    side = max(image.shape)
    if fit == "pad" and min(image.shape) < side:
        if side**2 > max(_BUILT, _TIMES * image.size):
            return _cubic(_thin_means(image, side // max(1, side // size)), size)
        image = _padded(image, side)
    if image.shape == (size, size):
        return image
    # Averaging alone blurs pictures that shrink by less than two; bicubic alone skips pixels of
    # those that shrink by more.
    factors = (max(1, side // size) for side in image.shape)
    rows, columns = (side // factor for side, factor in zip(image.shape, factors, strict=True))
    means = image
    if (rows, columns) != image.shape:
        means = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA).astype(
            np.uint8, copy=False
        )
    return _cubic(means, size)


def _cubic(image: Image, size: int) -> Image:
    scaled = cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC)
    return scaled.astype(np.uint8, copy=False)


def _padded(image: Image, side: int) -> Image:
    height, width = image.shape
    down, right = side - height, side - width
    return np.pad(image, ((down // 2, down - down // 2), (right // 2, right - right // 2)), "edge")


def _thin_means(image: Image, cells: int) -> Image:
    """Average a padded picture into uint8 ``[cells, cells]`` without building the huge square."""
    if image.shape[0] > image.shape[1]:
        return np.ascontiguousarray(_thin_means(np.ascontiguousarray(image.T), cells).T)
    height, side = image.shape
    # Each axis is averaged by itself, and rounded once, in the end.
    along = cv2.resize(image.astype(np.float32), (cells, height), interpolation=cv2.INTER_AREA)
    # Where each row of the picture begins and ends in the square; the outer ones fill the rest.
    rows = np.arange(height + 1) + (side - height) // 2
    rows[[0, -1]] = 0, side
    edges = np.linspace(0, side, cells + 1)
    shared = np.minimum(edges[1:, None], rows[1:]) - np.maximum(edges[:-1, None], rows[:-1])
    means = shared.clip(0) @ along * (cells / side)
    found: Image = np.rint(means).clip(0, 255).astype(np.uint8)
    return found
