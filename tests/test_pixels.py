"""Any picture becomes a square grey face, the same one everywhere."""

from __future__ import annotations

import tracemalloc
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer import pixels
from fer.pixels import FITS, Fit, Image, square_grey


def noise(*shape: int) -> Image:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def luma(picture: Image) -> npt.NDArray[np.float64]:
    """ITU-R BT.601."""
    red, green, blue = (picture[..., channel].astype(np.float64) for channel in range(3))
    return 0.299 * red + 0.587 * green + 0.114 * blue


sides = st.integers(1, 120)


@settings(max_examples=60, deadline=None)
@given(height=sides, width=sides, size=st.integers(1, 60), fit=st.sampled_from(FITS))
def test_any_picture_becomes_a_square_of_the_size(
    height: int, width: int, size: int, fit: Fit
) -> None:
    """Of grey and colour, read-only or a view; an even picture stays even."""
    grey = noise(height, width)
    colour = np.repeat(grey[..., None], 3, axis=2)
    colour.flags.writeable = False
    face = square_grey(grey, size, fit)
    assert (face.shape, face.dtype) == ((size, size), np.uint8)
    np.testing.assert_array_equal(grey, noise(height, width))
    np.testing.assert_array_equal(square_grey(colour, size, fit), face)
    np.testing.assert_array_equal(square_grey(colour[..., ::-1], size, fit), face)
    if (height, width) == (size, size):
        np.testing.assert_array_equal(face, grey)
    assert set(np.unique(square_grey(np.full_like(grey, 93), size, fit))) == {93}


@settings(max_examples=60, deadline=None)
@given(height=sides, width=sides, size=st.integers(1, 60))
def test_padding_is_the_edge_repeated_on_both_sides(height: int, width: int, size: int) -> None:
    """A picture padded by hand before, to the square of its longer side, changes nothing."""
    picture, side = noise(height, width), max(height, width)
    down, right = side - height, side - width
    # An odd row or column goes below or to the right.
    around = (down // 2, down - down // 2), (right // 2, right - right // 2)
    padded = np.pad(picture, around, mode="edge")
    np.testing.assert_array_equal(square_grey(picture, size), square_grey(padded, size))
    np.testing.assert_array_equal(square_grey(padded, side), padded)


def test_colours_are_weighed_as_bt601_says() -> None:
    picture = noise(48, 48, 3)
    # Rounding to whole numbers, in fixed point.
    np.testing.assert_allclose(square_grey(picture, 48), luma(picture), atol=1.0)


@pytest.mark.parametrize(
    ("colour", "grey"),
    [((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29), ((255, 255, 255), 255)],
)
def test_channels_are_red_green_blue(colour: tuple[int, int, int], grey: int) -> None:
    face = square_grey(np.full((30, 20, 3), colour, dtype=np.uint8), 48)
    assert set(np.unique(face)) == {grey}


def test_padding_keeps_proportions_and_stretching_fills() -> None:
    picture = np.zeros((96, 48), dtype=np.uint8)
    picture[24:72, 12:36] = 255  # Half as high and half as wide as the picture.
    padded, stretched = (square_grey(picture, 48, fit) > 127 for fit in FITS)
    assert (padded.any(axis=1).sum(), padded.any(axis=0).sum()) == (24, 12)
    assert (stretched.any(axis=1).sum(), stretched.any(axis=0).sum()) == (24, 24)


def test_growing_keeps_a_gradient_smooth() -> None:
    ramp = np.tile(np.arange(0, 240, 10, dtype=np.uint8), (24, 1))
    face = square_grey(ramp, 48).astype(int)
    steps = np.diff(face[:, 4:-4], axis=1)
    assert steps.min() >= 3
    assert steps.max() <= 7


@pytest.mark.parametrize("picture", [
    np.zeros((5, 5)), np.zeros((5, 5), dtype=np.int64), noise(5), noise(5, 5, 1), noise(5, 5, 4),
    noise(2, 5, 5, 3), noise(0, 5), noise(5, 0), noise(0, 5, 3),
], ids=lambda picture: f"{picture.dtype}{picture.shape}")  # fmt: skip
def test_what_is_not_a_picture_is_refused(picture: Any) -> None:
    with pytest.raises(ValueError, match="a picture must be"):
        square_grey(picture, 48)


@pytest.mark.parametrize("wrong", [{"fit": "crop"}, {"size": 0}])
def test_an_unknown_fit_or_size_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        square_grey(noise(48, 48), **{"size": 48, **wrong})


@pytest.mark.parametrize("columns", [3, 4])
def test_what_shrinks_by_whole_factors_is_averaged(columns: int) -> None:
    picture = noise(4 * 48, columns * 48)
    means = picture.reshape(48, 4, 48, columns).mean(axis=(1, 3))
    np.testing.assert_allclose(square_grey(picture, 48, "stretch"), means, atol=0.51)


@pytest.mark.parametrize("side", [60, 80, 95])
def test_what_was_enlarged_comes_back_sharp(side: int) -> None:
    """Detail of the size of a pixel, as in FER2013, is not averaged away on the way back."""
    face = noise(48, 48)
    large = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
    back = square_grey(large.astype(np.uint8), 48).astype(np.float64)
    averaged = cv2.resize(large, (48, 48), interpolation=cv2.INTER_AREA).astype(np.float64)
    lost = np.abs(back - face).mean()
    assert lost < 0.75 * np.abs(averaged - face).mean()
    assert np.corrcoef(back.ravel(), face.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("shape", [(300_000, 1), (1, 300_000), (2, 70_001), (9000, 40)])
@pytest.mark.parametrize("colours", [(), (3,)], ids=["grey", "colour"])
def test_memory_follows_the_picture_not_its_square(
    shape: tuple[int, int], colours: tuple[int, ...]
) -> None:
    picture = np.full((*shape, *colours), 77, dtype=np.uint8)
    tracemalloc.start()
    face = square_grey(picture, 48)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert face.shape == (48, 48)
    assert set(np.unique(face)) == {77}
    assert peak < 20 * picture.size + (1 << 20)


@pytest.mark.parametrize(
    "shape", [(1, 97), (2, 480), (3, 491), (47, 192), (100, 101), (480, 7), (1000, 333), (48, 96)]
)
@pytest.mark.parametrize("size", [16, 48])
def test_a_thin_picture_is_what_its_square_would_be(
    shape: tuple[int, int], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = noise(*shape)
    # Some structure, by which a shift would show.
    picture[: shape[0] // 2, shape[1] // 2 :] //= 4
    by_square = square_grey(picture, size)
    monkeypatch.setattr(pixels, "_BUILT", 0)
    monkeypatch.setattr(pixels, "_TIMES", 0)
    thin = square_grey(picture, size)
    # Means of one half are rounded up or to even, and bicubic overshoots by a little of that.
    assert np.abs(thin.astype(int) - by_square).max() <= 2
    assert (thin != by_square).mean() < 0.2


def test_ordinary_pictures_go_by_the_square(monkeypatch: pytest.MonkeyPatch) -> None:
    """So what was read of them before stays the same, to the bit."""
    monkeypatch.delattr(pixels, "_thin_means")
    for shape in ((2048, 1), (900, 1600), (5000, 3000), (1300, 5000)):
        assert square_grey(noise(*shape), 48).shape == (48, 48)
