"""The batch path draws from the distributions of the albumentations path, and does the same."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from fer.data.augmentation.parameters import ERASED_GREY, Augmentation
from scipy import stats

from fer.data.augmentation.batch import Draws, augment, draw
from tests.support.pattern_faces import make_split

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

SIZE = 48
STRONG = Augmentation(
    rotation=15, zoom=0.2, shift=0.15, flip=0.5, brightness=0.2, contrast=0.3, erase=0.5
)
N = 1500


@pytest.fixture(scope="module")
def drawn() -> Draws:
    return draw(STRONG, N, SIZE, np.random.default_rng(1))


@pytest.fixture(scope="module")
def theirs() -> dict[str, npt.NDArray[np.float64]]:
    """What albumentations draws for as many faces, by the name that a parameter has here."""
    import albumentations

    replay = albumentations.ReplayCompose(STRONG._build().transforms)
    image = np.zeros((SIZE, SIZE, 1), dtype=np.uint8)
    found = defaultdict[str, list[Any]](list)
    for seed in range(N):
        replay.set_random_state(np.random.default_rng(seed), random.Random(seed))
        affine, flip, light, erasing = replay(image=image)["replay"]["transforms"]
        matrix = np.asarray(affine["params"]["matrix"])
        found["scale"].append(np.hypot(*matrix[:2, 0]))
        found["angle"].append(np.degrees(np.arctan2(-matrix[1, 0], matrix[0, 0])))
        middle = np.array([SIZE / 2 - 0.5, SIZE / 2 - 0.5, 1.0])
        shift = matrix[:2] @ middle - middle[:2]
        found["right"].append(shift[0])
        found["down"].append(shift[1])
        found["flip"].append(float(flip["applied"]))
        found["contrast"].append(light["params"]["alpha"])
        found["brightness"].append(light["params"]["beta"])
        found["erased"].append(float(erasing["applied"]))
        if erasing["applied"]:
            left, top, right, bottom = erasing["params"]["holes"][0]
            found["left"].append(left)
            found["top"].append(top)
            found["width"].append(right - left)
            found["height"].append(bottom - top)
    return {name: np.array(values, dtype=np.float64) for name, values in found.items()}


def ours(draws: Draws) -> dict[str, npt.NDArray[np.float64]]:
    left, top, right, bottom = draws.box.astype(np.float64).T
    erased = right > left
    return {
        "scale": draws.scale,
        "angle": draws.angle,
        "right": draws.shift[:, 0],
        "down": draws.shift[:, 1],
        "flip": draws.flip,
        "contrast": draws.contrast,
        "brightness": draws.brightness,
        "erased": erased.astype(np.float64),
        "left": left[erased],
        "top": top[erased],
        "width": (right - left)[erased],
        "height": (bottom - top)[erased],
    }


@pytest.mark.parametrize(
    "name",
    ["scale", "angle", "right", "down", "flip", "contrast", "brightness", "erased", "left", "top",
     "width", "height"],
)  # fmt: skip
def test_parameters_have_the_same_distribution(
    name: str, drawn: Draws, theirs: dict[str, npt.NDArray[np.float64]]
) -> None:
    mine = np.round(ours(drawn)[name], 6)
    assert stats.ks_2samp(mine, np.round(theirs[name], 6)).pvalue > 0.001


def test_parameters_have_nothing_to_do_with_each_other(
    drawn: Draws, theirs: dict[str, npt.NDArray[np.float64]]
) -> None:
    names = ["scale", "angle", "right", "down", "flip", "contrast", "brightness", "erased"]
    for parameters in (ours(drawn), theirs):
        related = np.corrcoef([parameters[name] for name in names])
        assert np.abs(related - np.eye(len(names))).max() < 0.12


def test_the_comparison_finds_a_difference(theirs: dict[str, npt.NDArray[np.float64]]) -> None:
    narrower = Augmentation(rotation=12, zoom=0.16, shift=0.12, brightness=0.16, contrast=0.23)
    other = ours(draw(narrower, N, SIZE, np.random.default_rng(1)))
    for name in ("scale", "angle", "contrast", "brightness"):
        assert stats.ks_2samp(other[name], theirs[name]).pvalue < 0.001


@pytest.mark.parametrize("face", range(0, 40, 8))
def test_a_draw_does_what_opencv_does(face: int, drawn: Draws) -> None:
    images = make_split(40).images[face : face + 8]
    draws = drawn.take(np.arange(face, face + 8))
    changed = augment(torch.from_numpy(images)[:, None], draws).numpy()[:, 0]
    for i, image in enumerate(images):
        angle, scale = np.radians(draws.angle[i]), draws.scale[i]
        turn = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        middle = np.full(2, SIZE / 2 - 0.5)
        matrix = np.column_stack([turn, middle + draws.shift[i] - turn @ middle])
        wanted = cv2.warpAffine(
            image, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ).astype(np.float32)
        wanted = wanted[:, ::-1] if draws.flip[i] else wanted
        wanted = np.clip(np.rint(wanted * draws.contrast[i] + draws.brightness[i]), 0, 255)
        left, top, right, bottom = draws.box[i].astype(int)
        wanted[top:bottom, left:right] = ERASED_GREY
        # OpenCV rounds places to a 32nd of a pixel: on these hard stripes that is some grey values.
        assert np.abs(changed[i] - wanted).mean() < 1.5
        assert np.quantile(np.abs(changed[i] - wanted), 0.95) <= 8


def test_mean_and_spread_of_each_pixel_agree() -> None:
    """Over many draws of one smooth face, within 4 standard errors of either."""
    y, x = np.mgrid[:SIZE, :SIZE]
    face = np.round(127 + 90 * np.sin(x / 9) * np.cos(y / 7 + x / 20)).astype(np.uint8)
    n = 2000
    images = torch.from_numpy(face).expand(n, 1, SIZE, SIZE)
    batch = augment(images, draw(STRONG, n, SIZE, np.random.default_rng(0))).numpy()[:, 0]
    single = np.stack([STRONG(face, seed) for seed in range(n)])
    one, two = batch.astype(np.float64), single.astype(np.float64)
    error = np.sqrt((one.var(axis=0) + two.var(axis=0)) / n)
    assert np.quantile(np.abs(one.mean(axis=0) - two.mean(axis=0)) / error, 0.999) < 4
    ratio = one.std(axis=0) / two.std(axis=0)
    assert np.quantile(np.abs(ratio - 1), 0.999) < 0.15


def test_what_is_not_asked_for_does_not_happen() -> None:
    images = torch.from_numpy(make_split(16).images)[:, None]
    draws = draw(Augmentation(), 16, SIZE, np.random.default_rng(0))
    np.testing.assert_array_equal(augment(images, draws), images)
    mirrored = augment(images, draw(Augmentation(flip=1.0), 16, SIZE, np.random.default_rng(0)))
    np.testing.assert_array_equal(mirrored, images.flip(-1))


def test_the_batch_is_not_changed_in_place() -> None:
    images = torch.from_numpy(make_split(8).images)[:, None]
    before = images.clone()
    augment(images, draw(STRONG, 8, SIZE, np.random.default_rng(0)))
    assert torch.equal(images, before)


@pytest.mark.parametrize(
    "options",
    [{"shift": 1.0}, {"brightness": -0.1}, {"contrast": 1.5}, {"erase": 2.0},
     {"erase_area": (0.2, 0.1)}, {"erase_area": (0.0, 0.1)}, {"erase_area": (0.1, 0.5)}],
)  # fmt: skip
def test_parameters_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(options))} must be"):
        Augmentation(**options)
