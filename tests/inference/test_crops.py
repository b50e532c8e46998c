"""The square around a face."""

from __future__ import annotations

import numpy as np
import pytest

from fer.inference.crops import face_crops, square_crop

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


@pytest.mark.parametrize("image", [IMAGE, IMAGE[..., 0]])
def test_the_box_is_in_the_middle(image: np.ndarray) -> None:  # type: ignore[type-arg]
    np.testing.assert_array_equal(square_crop(image, (20, 10, 20, 30), 0.0), image[10:40, 15:45])
    np.testing.assert_array_equal(square_crop(image, (20, 20, 20, 10), 0.5), image[10:40, 15:45])
    np.testing.assert_array_equal(square_crop(image, (20, 20, 20, 20), -0.5), image[25:35, 25:35])


def test_a_face_is_read_in_a_tight_and_a_wide_square_a_little_below_its_box() -> None:
    image = np.random.default_rng(1).integers(0, 256, (300, 300), dtype=np.uint8)
    tight, wide = face_crops(image, (100, 100, 80, 100))
    np.testing.assert_array_equal(tight, image[108:198, 95:185])
    np.testing.assert_array_equal(wide, image[102:205, 88:191])


@pytest.mark.parametrize("box", [(0, 0, 10, 30), (70, 50, 10, 10), (0, 0, 80, 60), (79, 59, 1, 1)])
def test_edges_are_repeated(box: tuple[int, int, int, int]) -> None:
    padded = np.pad(IMAGE, ((200, 200), (200, 200), (0, 0)), mode="edge")
    x, y, w, h = box
    found = square_crop(IMAGE, box, 0.4)
    side = round(max(w, h) * 1.4)
    left, top = round(x + (w - side) / 2) + 200, round(y + (h - side) / 2) + 200
    np.testing.assert_array_equal(found, padded[top : top + side, left : left + side])
