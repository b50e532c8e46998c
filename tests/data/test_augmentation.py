"""What may happen to a training face: within its bounds, from the seed alone, on whole batches."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from hydra.utils import instantiate
from scipy import stats

from fer.data.augmentation import Augmentation
from fer.data.augmentation.batch import ERASED_GREY, ERASED_RATIO, Draws, augment, draw
from fer.data.augmentation.transforms import FaceTransforms
from tests.support.errors import raises
from tests.support.parts import composed
from tests.support.pattern_faces import make_split

SIZE = 48
N = 1500
STRONG = Augmentation(
    rotation=15, zoom=0.2, shift=0.15, flip=0.5, brightness=0.2, contrast=0.3, erase=0.5
)


def drawn(augmentation: Augmentation, n: int = N, seed: int = 1) -> Draws:
    return draw(augmentation, n, SIZE, np.random.default_rng(seed))


def parameters(draws: Draws) -> dict[str, npt.NDArray[np.float64]]:
    left, _, right, _ = draws.box.astype(np.float64).T
    return {
        "angle": draws.angle,
        "scale": draws.scale,
        "right": draws.shift[:, 0],
        "down": draws.shift[:, 1],
        "flip": draws.flip,
        "contrast": draws.contrast,
        "brightness": draws.brightness,
        "erased": (right > left).astype(np.float64),
    }


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("angle", -15, 15), ("scale", 0.8, 1.2), ("contrast", 0.7, 1.3), ("brightness", -51, 51)],
)
def test_parameters_are_uniform_within_their_bounds(name: str, low: float, high: float) -> None:
    values = parameters(drawn(STRONG))[name]
    assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 0.001


def test_whole_pixels_shares_and_rectangles_keep_to_theirs() -> None:
    draws = drawn(STRONG)
    shift = draws.shift
    np.testing.assert_array_equal(shift, np.trunc(shift))
    assert (shift.min(), shift.max()) == (-7, 7)
    for name in ("flip", "erased"):
        assert abs(parameters(draws)[name].mean() - 0.5) < 4 * 0.5 / N**0.5
    left, top, right, bottom = draws.box[draws.box[:, 2] > 0].T
    assert min(left.min(), top.min()) >= 0
    assert max(right.max(), bottom.max()) <= SIZE
    height, width = bottom - top, right - left
    # Rounded to whole pixels.
    share = height * width / SIZE**2
    assert 0.015 < share.min() < 0.03
    assert 0.18 < share.max() < 0.21
    assert (width / height).min() > 0.8 * ERASED_RATIO[0]
    assert (width / height).max() < 1.25 * ERASED_RATIO[1]


def test_parameters_have_nothing_to_do_with_each_other() -> None:
    found = parameters(drawn(STRONG))
    related = np.corrcoef(list(found.values()))
    assert np.abs(related - np.eye(len(found))).max() < 0.12


def test_a_draw_does_what_opencv_does() -> None:
    images, draws = make_split(40).images, drawn(STRONG, 40)
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


def test_what_is_not_asked_for_does_not_happen() -> None:
    images = torch.from_numpy(make_split(16).images)[:, None]
    np.testing.assert_array_equal(augment(images, drawn(Augmentation(), 16)), images)
    mirrored = augment(images, drawn(Augmentation(flip=1.0), 16))
    np.testing.assert_array_equal(mirrored, images.flip(-1))
    white = torch.full((16, 1, SIZE, SIZE), 255, dtype=torch.uint8)
    assert (augment(white, drawn(Augmentation(rotation=45, zoom=0.5), 16)) == 255).all(), "no frame"
    before = images.clone()
    augment(images, drawn(STRONG, 16))
    assert torch.equal(images, before), "not in place"


def test_identity() -> None:
    assert Augmentation().is_identity
    for name in ("rotation", "zoom", "shift", "flip", "brightness", "contrast", "erase"):
        assert not Augmentation(**{name: 0.1}).is_identity


@pytest.mark.parametrize(
    "options",
    [{"rotation": -1}, {"rotation": 181}, {"rotation": float("nan")}, {"zoom": 1}, {"flip": 1.1},
     {"shift": 1.0}, {"brightness": -0.1}, {"contrast": 1.5}, {"erase": 2.0},
     {"erase_area": (0.2, 0.1)}, {"erase_area": (0.0, 0.1)}, {"erase_area": (0.1, 0.5)}],
)  # fmt: skip
def test_parameters_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(options))} must be"):
        Augmentation(**options)


# --- transforms of albumentations ---------------------------------------------------------------


@pytest.fixture
def face() -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)


@pytest.fixture
def transforms() -> FaceTransforms:
    import albumentations

    affine = albumentations.Affine(rotate=(-10, 10), scale=(0.9, 1.1), border_mode=1, p=1.0)
    return FaceTransforms([affine, albumentations.HorizontalFlip(p=0.5)])


def test_transforms_depend_on_the_seed_alone(
    transforms: FaceTransforms, face: npt.NDArray[np.uint8]
) -> None:
    face.flags.writeable = False
    seeds = [*range(20), 2**32 + 5, 2**64 - 1]
    first = [transforms(face, seed) for seed in seeds]
    assert len({image.tobytes() for image in first}) == len(seeds)
    # Neither what came before, nor global generators, nor the process count.
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002 - the global state is what is tested
    before = random.getstate()
    restored = pickle.loads(pickle.dumps(transforms))
    for seed, image in reversed(list(zip(seeds, first, strict=True))):
        np.testing.assert_array_equal(transforms(face, seed), image)
        np.testing.assert_array_equal(restored(face, seed), image)
    assert random.getstate() == before
    assert first[0].flags.writeable


@pytest.mark.parametrize("choice", ["none", "paper", "standard", "strong", "albumentations"])
def test_the_shipped_choices(choice: str) -> None:
    options = composed(f"augmentation={choice}")["augmentation"]
    del options["mixing"]
    built = instantiate(options, _convert_="all")
    assert built.is_identity == (choice == "none")
    assert built.changes_batches == (choice in ("paper", "standard", "strong"))
    assert (built.transforms is not None) == (choice == "albumentations")


def test_each_transform_draws_for_itself(face: npt.NDArray[np.uint8]) -> None:
    import albumentations

    flips = [albumentations.HorizontalFlip(p=0.5), albumentations.VerticalFlip(p=0.5)]
    both = FaceTransforms(flips)
    results = {both(face, seed).tobytes() for seed in range(40)}
    wanted = {view.tobytes() for view in (face, face[::-1], face[:, ::-1], face[::-1, ::-1])}
    assert results == wanted


def test_transforms_that_cannot_be_used() -> None:
    import albumentations

    with pytest.warns(UserWarning, match="rotat"):
        misspelt = albumentations.Affine(rotat=10)
    for transform in (
        misspelt,
        lambda image: {"image": image},
        albumentations.Resize(20, 20),
        albumentations.ToFloat(),
    ):
        with raises("bad_transform", "augmentation.transforms"):
            Augmentation(transforms=[transform])


def test_the_import_is_late_and_asks_no_server() -> None:
    code = """
import os, sys, urllib.request
os.environ.pop("NO_ALBUMENTATIONS_UPDATE", None)
def refuse(*_, **__): os._exit(7)
urllib.request.OpenerDirector.open = refuse
from fer.data.augmentation import Augmentation
Augmentation(flip=0.5)
assert "albumentations" not in sys.modules
import albumentations
Augmentation(transforms=[albumentations.HorizontalFlip()])
"""
    subprocess.run([sys.executable, "-c", code], check=True)
