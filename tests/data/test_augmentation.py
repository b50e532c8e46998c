"""What may happen to a training face: within bounds, from the seed alone, in any process."""

from __future__ import annotations

import multiprocessing
import pickle
import random
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fer.data.augmentation import Augmentation

Image = npt.NDArray[np.uint8]
SIZE = 96
SEEDS = range(60)


def bar(degrees: float = 0.0) -> Image:
    """Return a blurred bar in the middle of the picture, lying, then turned anticlockwise."""
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    angle = np.deg2rad(degrees)
    along, across = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    return np.round(255 * np.exp(-((along / 18) ** 2) - (across / 6) ** 2)).astype(np.uint8)


@dataclass(frozen=True)
class Shape:
    """What a bar's moments say about it."""

    angle: float
    length: float
    width: float
    offset: float


def measure(image: Image) -> Shape:
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    mass = image.astype(np.float64)
    total = mass.sum()
    cx, cy = (mass * x).sum() / total, (mass * y).sum() / total
    xx = (mass * (x - cx) ** 2).sum() / total
    yy = (mass * (y - cy) ** 2).sum() / total
    xy = (mass * (x - cx) * (y - cy)).sum() / total
    small, large = np.linalg.eigvalsh([[xx, xy], [xy, yy]])
    angle = np.rad2deg(0.5 * np.arctan2(-2 * xy, xx - yy))
    return Shape(float(angle), float(large**0.5), float(small**0.5), float(np.hypot(cx, cy)))


def shapes(**options: float) -> list[Shape]:
    augmentation = Augmentation(**options)
    return [measure(augmentation(bar(), seed)) for seed in SEEDS]


@pytest.fixture
def face() -> Image:
    return np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)


PAPER = {"rotation": 10.0, "zoom": 0.1, "flip": 0.5}


def test_the_measure_measures() -> None:
    assert measure(bar(25)).angle == pytest.approx(25, abs=0.5)
    assert measure(bar(-25)).angle == pytest.approx(-25, abs=0.5)


def test_rotation_keeps_within_its_angle_and_goes_both_ways() -> None:
    before, after = measure(bar()), shapes(rotation=20)
    angles = [shape.angle for shape in after]
    assert -20.5 < min(angles) < -14
    assert 14 < max(angles) < 20.5
    for shape in after:
        assert shape.length == pytest.approx(before.length, rel=0.03)
        assert shape.width == pytest.approx(before.width, rel=0.05)
        assert shape.offset < 1


def test_zoom_keeps_within_its_range_and_the_proportions() -> None:
    before, after = measure(bar()), shapes(zoom=0.2)
    scales = [shape.length / before.length for shape in after]
    assert 0.78 < min(scales) < 0.86
    assert 1.14 < max(scales) < 1.22
    for shape, scale in zip(after, scales, strict=True):
        assert shape.width / before.width == pytest.approx(scale, rel=0.06)
        assert shape.angle == pytest.approx(0, abs=0.5)
        assert shape.offset < 1


def test_zoom_shows_the_edge_and_no_black_frame() -> None:
    white = np.full((48, 48), 255, dtype=np.uint8)
    augmentation = Augmentation(rotation=45, zoom=0.5)
    assert all((augmentation(white, seed) == 255).all() for seed in SEEDS)


def test_flip_is_exact(face: Image) -> None:
    always = Augmentation(flip=1.0)
    for seed in range(5):
        np.testing.assert_array_equal(always(face, seed), face[:, ::-1])


def test_flip_has_its_probability(face: Image) -> None:
    often = Augmentation(flip=0.8)
    flipped = 0
    for seed in range(300):
        after = often(face, seed)
        is_flipped = np.array_equal(after, face[:, ::-1])
        assert is_flipped or np.array_equal(after, face)
        flipped += is_flipped
    assert 210 <= flipped <= 270  # four standard deviations about 240


def test_the_same_seed_gives_the_same_face(face: Image) -> None:
    augmentation, other = Augmentation(**PAPER), Augmentation(**PAPER)
    first = [augmentation(face, seed) for seed in range(8)]
    # Neither what came before nor the order counts.
    for seed in reversed(range(8)):
        np.testing.assert_array_equal(other(face, seed), first[seed])


def test_other_seeds_give_other_faces(face: Image) -> None:
    augmentation = Augmentation(**PAPER)
    assert len({augmentation(face, seed).tobytes() for seed in SEEDS}) == len(SEEDS)


def test_seeds_may_be_large(face: Image) -> None:
    augmentation = Augmentation(**PAPER)
    large = [2**32 + 5, 2**63 + 5, 2**64 - 1, 5]
    assert len({augmentation(face, seed).tobytes() for seed in large}) == len(large)


def test_other_generators_neither_count_nor_move(face: Image) -> None:
    augmentation = Augmentation(**PAPER)
    augmentation(face, 0)
    results = []
    for global_seed in (1, 2):
        random.seed(global_seed)
        np.random.seed(global_seed)  # noqa: NPY002 - the global state is what is tested
        before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
        results.append(augmentation(face, 7))
        assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002
    np.testing.assert_array_equal(*results)


def test_the_face_itself_is_left_alone(face: Image) -> None:
    before = face.copy()
    after = Augmentation(**PAPER)(face, 3)
    np.testing.assert_array_equal(face, before)
    assert after.shape == face.shape
    assert after.dtype == np.uint8
    assert not np.shares_memory(face, after)


def test_read_only_faces(face: Image) -> None:
    face.flags.writeable = False
    assert Augmentation(**PAPER)(face, 3).flags.writeable


def test_identity(face: Image) -> None:
    augmentation = Augmentation()
    assert augmentation.is_identity
    np.testing.assert_array_equal(augmentation(face, 3), face)
    for name, value in PAPER.items():
        assert not Augmentation(**{name: value}).is_identity


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rotation": -1}, "0 to 180 degrees, not -1"),
        ({"rotation": 181}, "0 to 180 degrees, not 181"),
        ({"rotation": float("nan")}, "0 to 180 degrees"),
        ({"zoom": -0.1}, "at least 0 and below 1, not -0.1"),
        ({"zoom": 1}, "at least 0 and below 1, not 1"),
        ({"flip": -0.1}, "probability, not -0.1"),
        ({"flip": 1.1}, "probability, not 1.1"),
    ],
)
def test_refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Augmentation(**options)


def test_unknown_arguments_are_errors() -> None:
    with pytest.raises(TypeError, match="rotate"):
        Augmentation(rotate=10)  # type: ignore[call-arg]


def test_arguments_that_albumentations_dropped_are_errors(
    face: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself it only warns of a misspelt argument and goes on without it."""
    import albumentations

    affine = albumentations.Affine
    monkeypatch.setattr(albumentations, "Affine", lambda **options: affine(mode=1, **options))
    with pytest.warns(UserWarning, match="mode"), pytest.raises(ValueError, match="mode"):
        Augmentation(**PAPER)(face, 0)


@pytest.mark.parametrize("used", [False, True])
def test_pickled_and_back(face: Image, used: bool) -> None:
    augmentation = Augmentation(**PAPER)
    if used:
        augmentation(face, 0)
    data = pickle.dumps(augmentation)
    assert len(data) < 1000, "workers build their own pipeline"
    restored = pickle.loads(data)
    for seed in range(3):
        np.testing.assert_array_equal(restored(face, seed), augmentation(face, seed))


def augment_all(augmentation: Augmentation, face: Image) -> list[Image]:
    return [augmentation(face, seed) for seed in range(4)]


def test_a_fresh_process_draws_the_same(face: Image) -> None:
    augmentation = Augmentation(**PAPER)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        there = pool.submit(augment_all, augmentation, face).result(timeout=120)
    np.testing.assert_array_equal(there, augment_all(augmentation, face))


def test_the_import_is_late_and_asks_no_server() -> None:
    code = """
import os, sys, urllib.request
os.environ.pop("NO_ALBUMENTATIONS_UPDATE", None)
def refuse(*_, **__): os._exit(7)
urllib.request.OpenerDirector.open = refuse
import numpy as np
from fer.data.augmentation import Augmentation
face = np.zeros((48, 48), dtype=np.uint8)
Augmentation()(face, 0)
assert "albumentations" not in sys.modules
Augmentation(flip=1)(face, 0)
assert "albumentations" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
