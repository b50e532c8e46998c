"""What shows nothing is told from faces."""

from __future__ import annotations

import numpy as np

from fer.data.check.check import flat_share, grey_values
from fer.data.check.report import FEW_VALUES, FLAT_SHARE
from fer.data.synthetic import SyntheticFaces
from tests.support.flawed_faces import warning_sign


def test_grey_values_are_counted() -> None:
    images = np.zeros((3, 5, 5), dtype=np.uint8)
    images[1, 0] = [1, 2, 3, 4, 4]
    images[2] = np.arange(25).reshape(5, 5)
    assert grey_values(images).tolist() == [1, 5, 25]


def test_the_flat_share_is_that_of_quiet_surroundings() -> None:
    images = np.full((3, 10, 10), 50, dtype=np.uint8)
    images[1, :, 5:] = 200
    images[2, :, 5:] = 56
    # The two columns at the edge are not flat; a step of six grey values is no edge.
    np.testing.assert_allclose(flat_share(images), [1, 0.8, 1])


def test_signs_are_placeholders_and_faces_are_none() -> None:
    faces = SyntheticFaces(train=60, val=7, test=7).load().splits["train"].images
    assert (flat_share(faces) < FLAT_SHARE).all()
    assert (grey_values(faces) > FEW_VALUES).all()
    assert flat_share(warning_sign()[None]) > FLAT_SHARE
