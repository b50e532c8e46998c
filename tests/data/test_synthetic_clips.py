"""The built-in clips: expressions that rise and fade, after what was there before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer.core.labels import EMOTIONS
from fer.data.synthetic.action_units import PROTOTYPES
from fer.data.synthetic.clips import ClipRecipe, SyntheticClips, sample_course


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> SyntheticClips:
    folder = str(tmp_path_factory.mktemp("cache"))
    return SyntheticClips(train=14, val=0, test=7, frames=9, size=16, cache=folder)


def test_clips_are_as_their_recipes_say(
    clips: SyntheticClips, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = clips.load()
    assert list(faces.splits) == ["train", "test"]
    assert faces.splits["test"].rows.tolist() == list(range(14, 21))
    for name, split in faces.splits.items():
        assert split.lengths is not None
        assert split.images.shape == (len(split), split.images.shape[1], 16, 16)
        assert np.bincount(split.labels).tolist() == [len(split) // 7] * 7
        for i in (0, len(split) - 1):
            recipe, length = clips.recipe(name, i), int(split.lengths[i])
            frames = recipe.draw(16)
            assert len(frames) == length in (8, 9)
            assert EMOTIONS[split.labels[i]] == recipe.emotion
            assert split.metadata["before"][i] == (recipe.course.before or "none")
            np.testing.assert_array_equal(split.images[i, :length], frames)
            assert (split.images[i, length:] == frames[-1]).all()
    # Again: from the cache, which the seed and every knob tell apart.
    monkeypatch.setattr(ClipRecipe, "draw", None)
    again = clips.load()
    assert again.fingerprint == faces.fingerprint
    assert np.array_equal(again.splits["train"].images, faces.splits["train"].images)


def test_frames_of_a_clip_differ_by_noise_at_least(clips: SyntheticClips) -> None:
    for i in range(7):
        frames = clips.recipe("train", i).draw(16).astype(int)
        assert (np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2)) > 0.5).all()


@pytest.mark.parametrize("length", [8, 11, 16])
def test_an_expression_begins_after_what_was_there_before(length: int) -> None:
    rng = np.random.default_rng(length)
    for _ in range(200):
        emotion = EMOTIONS[int(rng.integers(7))]
        course = sample_course(rng, emotion, length, carried=0.5)
        shown, before = np.flatnonzero(course.intensity), np.flatnonzero(course.carried)
        assert len(course.units) == len(course.intensity) == length
        if emotion == "neutral":
            assert len(shown) == 0
        else:
            top = int(course.intensity.argmax())
            assert 0.5 <= course.intensity[top] <= 1, "the apex is in the clip"
            assert (np.diff(course.intensity[: top + 1]) >= 0).all()
            assert (np.diff(course.intensity[top:]) <= 0).all()
            assert (
                set(course.units[top]) <= PROTOTYPES[emotion].units | PROTOTYPES[emotion].optional
            )
        if course.before:
            assert course.before not in (emotion, "neutral")
            assert before[0] == 0
            assert (np.diff(course.carried) <= 0).all(), "it fades"
            assert len(shown) == 0 or before[-1] < shown[0]
        else:
            assert len(before) == 0


def test_the_share_that_is_carried_over_is_kept() -> None:
    rng = np.random.default_rng(0)
    for share in (0.0, 0.6, 1.0):
        found = [bool(sample_course(rng, "sad", 12, carried=share).before) for _ in range(400)]
        assert np.mean(found) == pytest.approx(share, abs=0.08)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"train": 0, "val": 0, "test": 0}, "not all zero"),
        ({"train": -1}, ">= 0"),
        ({"frames": 7}, "a clip has 8 frames or more"),
        ({"shortest": 7}, "a clip has 8 frames or more"),
        ({"frames": 9, "shortest": 10}, "got shortest=10, frames=9"),
        ({"carried": 1.5}, "a share from 0 to 1"),
        ({"size": 8}, "at least 16 pixels"),
        ({"seed": -1}, "seed must be >= 0"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SyntheticClips(**arguments)


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    source = SyntheticClips(train=1, val=0, test=0, frames=8, size=16, cache=f"{tmp_path}/file")
    with pytest.raises(OSError, match="the cache folder"):
        source.load()
