"""Ten views of a face."""

from __future__ import annotations

import numpy as np

from fer.inference.views import views

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)


def test_ten_different_views_of_one_size() -> None:
    found = list(views(IMAGES))
    assert len(found) == 10
    assert {view.shape for view in found} == {IMAGES.shape}
    assert len({view.tobytes() for view in found}) == 10


def test_the_first_is_the_face_and_half_are_mirrored() -> None:
    found = list(views(IMAGES))
    np.testing.assert_array_equal(found[0], IMAGES)
    for view, mirrored in zip(found[:5], found[5:], strict=True):
        np.testing.assert_array_equal(view[:, :, ::-1], mirrored)


def test_shifts_are_a_24th_and_repeat_the_edge() -> None:
    up_left = list(views(IMAGES))[1]
    # Towards the upper left: the face's own pixels lie two further up and left.
    np.testing.assert_array_equal(up_left[:, :-2, :-2], IMAGES[:, 2:, 2:])
    np.testing.assert_array_equal(up_left[:, -1, :-2], IMAGES[:, -1, 2:])
    small = list(views(IMAGES[:, :20, :20]))[1]
    np.testing.assert_array_equal(small[:, :-1, :-1], IMAGES[:, 1:20, 1:20])
