"""Find near copies: all pairs of pictures whose normalised correlation reaches a threshold.

The correlation of two pictures is the scalar product of their pixels, each picture centred and
scaled to length 1 (so brightness and contrast don't matter). Taking it of all pairs in 2,304
dimensions would take many minutes, so a bound is taken first. Of each picture the lowest
frequencies of its cosine transform are kept, and the length of all that is left out is appended to
them. The transform is orthonormal, so by Cauchy and Schwarz the scalar product of these short
vectors is never below the correlation: pairs whose bound is below the threshold are none, and the
few others are compared pixel by pixel. Nothing is lost; memory grows with the number of pictures
alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from fer.core.defaults import NEAR_CORRELATION

#: How many frequencies are kept: on FER2013, more let fewer pairs through but cost more than that.
_KEPT: Final = 64
#: What the bound may err by in single precision: the root in it turns 1e-7 into 3e-4.
_MARGIN: Final = 1e-3
_TILE: Final = 2048


@dataclass(frozen=True, slots=True)
class Nearest:
    """For each picture, its nearest other picture in each split.

    Attributes:
        correlation: float32 ``[N, S]``; 0 where none reaches the threshold.
        partner: int64 ``[N, S]``, which picture that is; -1 where none reaches the threshold.
    """

    correlation: npt.NDArray[np.float32]
    partner: npt.NDArray[np.int64]


def nearest(
    images: npt.NDArray[np.uint8],
    found_in: npt.NDArray[np.bool_],
    threshold: float = NEAR_CORRELATION,
) -> Nearest:
    """Return the nearest other picture of each, among those that reach the threshold.

    A progress bar is shown where standard error is a terminal.

    Args:
        images: uint8 ``[N, H, W]``, different pictures. Those of one grey value all over have no
            correlation with anything.
        found_in: bool ``[N, S]``, the splits that each picture is in.
        threshold: of the correlation, above 0 and at most 1.
    """
    bounds = _short(images)
    count, splits = found_in.shape
    result = Nearest(
        np.zeros((count, splits), dtype=np.float32), np.full((count, splits), -1, dtype=np.int64)
    )
    starts = range(0, count, _TILE)
    tiles = [(a, b) for a in starts for b in starts[a // _TILE :]]
    for a, b in tqdm(tiles, desc="near copies", unit=" tiles", leave=False, disable=None):
        products = bounds[a : a + _TILE] @ bounds[b : b + _TILE].T
        first, second = np.nonzero(products >= threshold - _MARGIN)
        first, second = first + a, second + b
        later = first < second
        for left, right in _chunks(first[later], second[later]):
            exact = np.einsum("ij,ij->i", _unit(images[left]), _unit(images[right]))
            reached = exact >= threshold
            _note(result, found_in, left[reached], right[reached], exact[reached])
            _note(result, found_in, right[reached], left[reached], exact[reached])
    return result


def _short(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return float32 ``[N, kept + 1]``, whose scalar products are no less than correlations.

    Pictures of one grey value are all zeros.
    """
    height, width = images.shape[1:]
    down, across = _cosines(height), _cosines(width)
    u, v = np.indices((height, width))
    # The mean, which comes first, is 0 of a centred picture.
    order = np.argsort((u + 1) ** 2 + (v + 1) ** 2, axis=None, kind="stable")[1 : _KEPT + 1]
    rows = int(u.ravel()[order].max(initial=0)) + 1
    columns = int(v.ravel()[order].max(initial=0)) + 1
    at = (u.ravel()[order], v.ravel()[order])
    short = np.empty((len(images), len(order) + 1), dtype=np.float32)
    for start in range(0, len(images), _TILE):
        unit = _unit(images[start : start + _TILE])
        transformed = down[:rows] @ unit.reshape(-1, height, width) @ across[:columns].T
        kept = transformed[:, at[0], at[1]]
        short[start : start + _TILE, :-1] = kept
        energy = np.einsum("ij,ij->i", unit, unit) - np.einsum("ij,ij->i", kept, kept)
        short[start : start + _TILE, -1] = np.sqrt(np.maximum(energy, 0))
    return short


def _cosines(size: int) -> npt.NDArray[np.float32]:
    """Return the orthonormal cosine transform, ``[frequency, position]``."""
    # Not cv2.dct, which wants even sizes.
    frequency, position = np.indices((size, size))
    waves = np.sqrt(2 / size) * np.cos(np.pi * (2 * position + 1) * frequency / (2 * size))
    waves[0] /= np.sqrt(2)
    return np.asarray(waves, dtype=np.float32)


def _unit(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return float32 ``[N, H * W]``, centred and of length 1; zeros where all pixels are equal."""
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    # Rounding leaves something of a picture of one grey value.
    flat[(images.reshape(len(images), -1) == images.reshape(len(images), -1)[:, :1]).all(1)] = 0
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    flat /= np.where(length > 0, length, 1)
    return flat


def _chunks(
    first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    for start in range(0, len(first), _TILE):
        yield first[start : start + _TILE], second[start : start + _TILE]


def _note(
    result: Nearest,
    found_in: npt.NDArray[np.bool_],
    of: npt.NDArray[np.int64],
    other: npt.NDArray[np.int64],
    correlation: npt.NDArray[np.float32],
) -> None:
    """Keep what is nearer than what was known; of equals the first."""
    # The nearest of each picture comes last, so that it is what stays assigned.
    order = np.lexsort((-other, correlation))
    of, other, correlation = of[order], other[order], correlation[order]
    for split in range(found_in.shape[1]):
        there = found_in[other, split] & (correlation > result.correlation[of, split])
        result.correlation[of[there], split] = correlation[there]
        result.partner[of[there], split] = other[there]
