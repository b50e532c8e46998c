"""Clips of different lengths as one array."""

from __future__ import annotations

import numpy as np
import pytest

from fer.core.clips import pad_clips, subsample


@pytest.mark.parametrize(
    ("length", "most", "kept"),
    [(1, 1, [0]), (4, 9, [0, 1, 2, 3]), (9, 3, [0, 4, 8]), (5, 1, [2]), (5, 2, [0, 4])],
)
def test_long_clips_keep_evenly_spaced_frames(length: int, most: int, kept: list[int]) -> None:
    assert subsample(length, most).tolist() == kept


def test_thinning_keeps_both_ends_and_no_frame_twice() -> None:
    for length in range(2, 60):
        for most in range(2, length + 1):
            kept = subsample(length, most)
            assert (kept[0], kept[-1], len(kept)) == (0, length - 1, most)
            assert (np.diff(kept) > 0).all()


def test_short_clips_end_with_their_last_frame() -> None:
    clips = [np.full((n, 2, 2), 10 * n, dtype=np.uint8) for n in (1, 3)]
    clips[1][2] = 7
    images, lengths = pad_clips(clips)
    assert lengths.tolist() == [1, 3]
    assert images[:, :, 0, 0].tolist() == [[10, 10, 10], [30, 30, 7]]


@pytest.mark.parametrize(
    ("clips", "words"),
    [
        ([], "there must be at least one clip"),
        ([np.zeros((0, 2, 2), np.uint8)], "at least one frame"),
        ([np.zeros((1, 2, 2), np.uint8), np.zeros((1, 3, 3), np.uint8)], "one size"),
    ],
)
def test_what_is_no_clip_is_refused(clips: list[np.ndarray], words: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=words):
        pad_clips(clips)


def test_no_number_of_frames_below_one() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        subsample(0, 4)
