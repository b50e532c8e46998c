"""What is done to faces in a judgement is done to all frames of a clip."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

from fer.evaluation.corruptions import KINDS, corrupt
from fer.inference.views import views
from fer.reporting.evaluation.face_images import clip_uri


@pytest.fixture(scope="module")
def still() -> np.ndarray:  # type: ignore[type-arg]
    """Two clips of faces that do not move."""
    faces = np.random.default_rng(0).integers(60, 200, (2, 1, 48, 48), dtype=np.uint8)
    faces = np.stack([[cv2.GaussianBlur(face[0], (0, 0), 3)] for face in faces])
    return np.broadcast_to(faces, (2, 4, 48, 48)).copy()


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_corrupted_alike_but_for_noise(kind: str, still: np.ndarray) -> None:  # type: ignore[type-arg]
    found = corrupt(still, kind, 3, seed=1)
    assert found.shape == still.shape
    assert not np.array_equal(found, still)
    alike = (found == found[:, :1]).all()
    assert alike == (kind != "noise")
    if alike:
        assert np.array_equal(found[:, 0], corrupt(still[:, 0], kind, 3, seed=1)), "as one face is"


def test_views_of_clips_are_those_of_their_frames(still: np.ndarray) -> None:  # type: ignore[type-arg]
    moving = np.random.default_rng(1).integers(0, 256, still.shape, dtype=np.uint8)
    for whole, *singly in zip(
        views(moving), *(views(moving[:, step]) for step in range(4)), strict=True
    ):
        np.testing.assert_array_equal(whole, np.stack(singly, axis=1))


@pytest.mark.parametrize("count", [1, 4, 9, 40])
def test_a_clip_is_shown_by_nine_frames(count: int) -> None:
    frames = np.stack([np.full((48, 48), 5 * i, np.uint8) for i in range(count)])
    data = base64.b64decode(clip_uri(frames).partition("base64,")[2])
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    assert picture.shape == (144, 144)
    shown = picture[24::48, 24::48].ravel().tolist()
    assert shown == sorted(shown)
    assert (shown[0], shown[-1]) == (0, 5 * (count - 1))
