"""Clips (a face over time) of different lengths as one array, for training and inference alike.

Shorter clips are filled up with their last frame; models get the lengths and ignore the filling.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]
Lengths = npt.NDArray[np.int64]


def subsample(length: int, most: int) -> npt.NDArray[np.intp]:
    """Return the indices of at most ``most`` frames of a clip: all, or evenly spaced ones.

    Example:
        >>> subsample(3, 8).tolist(), subsample(9, 3).tolist()
        ([0, 1, 2], [0, 4, 8])
    """
    if length < 1 or most < 1:
        raise ValueError(f"a clip has at least one frame: got {length} of at most {most}")
    if length <= most:
        return np.arange(length)
    if most == 1:
        return np.array([length // 2])
    return np.rint(np.linspace(0, length - 1, most)).astype(np.intp)


def pad_clips(clips: Sequence[Frames]) -> tuple[Frames, Lengths]:
    """Return clips, uint8 ``[T, S, S]`` with any T, as one array and their lengths.

    Returns:
        uint8 ``[N, longest, S, S]`` and int64 ``[N]``.

    Example:
        >>> images, lengths = pad_clips([np.zeros((n, 4, 4), dtype=np.uint8) for n in (2, 5)])
        >>> images.shape, lengths.tolist()
        ((2, 5, 4, 4), [2, 5])
    """
    lengths = np.array([len(clip) for clip in clips], dtype=np.int64)
    if len(clips) == 0 or lengths.min() < 1:
        raise ValueError("there must be at least one clip, and each needs at least one frame")
    sizes = {clip.shape[1:] for clip in clips}
    if len(sizes) > 1:
        raise ValueError(f"the frames of all clips must have one size, not {sorted(sizes)}")
    images = np.empty((len(clips), int(lengths.max()), *sizes.pop()), dtype=np.uint8)
    for place, clip in zip(images, clips, strict=True):
        place[: len(clip)] = clip
        place[len(clip) :] = clip[-1]
    return images, lengths
