"""The recognizer: arrays of any size in, labels and probabilities out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import fer
from fer.core.errors import UserError
from fer.data.sources.folder import ImageFolder
from fer.inference import (
    UNCERTAIN,
    CheckpointModel,
    ModelFileError,
    OnnxModel,
    Recognizer,
    load_model,
)
from fer.inference.preprocess import FacesError
from fer.inference.views import views
from tests.inference.conftest import COLUMNS, checkpoint
from tests.support.errors import raises
from tests.support.pattern_faces import CLASSES

RNG = np.random.default_rng(2)


def crops(*shape: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def recognizer(exported: OnnxModel) -> Recognizer:
    return Recognizer(exported)


def test_prediction(recognizer: Recognizer) -> None:
    faces = crops(5, 48, 48)
    found = recognizer.classify(faces)
    assert found.probabilities.dtype == found.logits.dtype == np.float32
    assert found.probabilities.shape == (5, len(CLASSES))
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    best = found.probabilities.argmax(axis=1)
    assert found.labels == tuple(CLASSES[place] for place in best)
    assert (found.classes, len(found)) == (CLASSES, 5)
    np.testing.assert_array_equal(found.confidence, found.probabilities.max(axis=1))


@pytest.mark.parametrize("side", [30, 48, 100, 224])
@pytest.mark.parametrize("shape", [(1.0, 1.0), (1.0, 0.7), (0.6, 1.0)])
def test_faces_are_prepared_as_in_training(
    recognizer: Recognizer, tmp_path: Path, side: int, shape: tuple[float, float]
) -> None:
    height, width = (round(side * share) for share in shape)
    face = cv2.resize(crops(12, 12, 3), (width, height), interpolation=cv2.INTER_CUBIC)
    for split in ("train", "test"):
        for name in CLASSES:
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            cv2.imwrite(str(folder / "0.png"), cv2.cvtColor(face, cv2.COLOR_RGB2BGR))
    source = ImageFolder(str(tmp_path), size=48, fit="pad", val_share=0.5, cache=str(tmp_path))
    learnt = source.load().splits["test"].images
    read = recognizer.classify(face[None])
    np.testing.assert_array_equal(read.logits, recognizer.classify(learnt[:1]).logits)


def test_a_list_of_many_sizes(recognizer: Recognizer) -> None:
    faces = [crops(48, 48), crops(80, 60, 3), crops(20, 90)]
    found = recognizer.classify(faces)
    for place, face in enumerate(faces):
        alone = recognizer.classify(face[None])
        np.testing.assert_allclose(alone.logits[0], found.logits[place], atol=1e-5)


def test_grey_in_three_channels_is_grey(recognizer: Recognizer) -> None:
    grey = crops(3, 48, 48)
    colored = np.repeat(grey[..., None], 3, axis=3)
    found, wanted = recognizer.classify(colored), recognizer.classify(grey)
    np.testing.assert_array_equal(found.logits, wanted.logits)


def test_ten_views_are_averaged(recognizer: Recognizer) -> None:
    faces = crops(3, 48, 48)
    found = recognizer.classify(faces, tta=True)
    each = [recognizer.classify(np.ascontiguousarray(view)).probabilities for view in views(faces)]
    np.testing.assert_allclose(found.probabilities, np.mean(each, axis=0), atol=1e-6)
    assert np.abs(found.probabilities - each[0]).max() > 1e-4


def test_unsure_faces_are_not_guessed(exported: OnnxModel) -> None:
    faces = crops(40, 48, 48)
    sure = Recognizer(exported).classify(faces)
    limit = float(np.median(sure.confidence))
    found = Recognizer(exported, confidence=limit).classify(faces)
    for label, wanted, top in zip(found.labels, sure.labels, sure.confidence, strict=True):
        assert label == (wanted if top >= limit else UNCERTAIN)
    assert UNCERTAIN in found.labels


@pytest.fixture
def nan_checkpoint(tmp_path: Path) -> Path:
    """A checkpoint whose last weights are no numbers, as of a training that failed."""
    path = checkpoint(tmp_path / "nan.ckpt")
    stored = torch.load(path, weights_only=False)
    name = [key for key in stored["state_dict"] if key.endswith("weight")][-1]
    stored["state_dict"][name].fill_(torch.nan)
    torch.save(stored, path)
    return path


def test_weights_that_are_no_numbers(nan_checkpoint: Path) -> None:
    """They would pass for faces that are uncertain; told at load, and by whoever has the model."""
    with raises("answers_nan", where="nan.ckpt", kind=ModelFileError):
        fer.load(nan_checkpoint, threads=1)
    recognizer = Recognizer(load_model(nan_checkpoint, threads=1))
    for tta in (False, True):
        with raises("answers_nan"):
            recognizer.classify(crops(2, 48, 48), tta=tta)


WRONG: dict[str, Any] = {
    "float": np.zeros((2, 48, 48), np.float32),
    "int64": np.zeros((2, 48, 48), np.int64),
    "one grey face": crops(48, 48),
    "one face in color": crops(48, 48, 3),
    "one channel": crops(2, 48, 48, 1),
    "alpha": crops(2, 48, 48, 4),
    "channels first": crops(2, 3, 48, 48),
    "five dimensions": crops(1, 2, 48, 48, 3),
    "no pixels": crops(2, 0, 48),
    "text": "face.jpg",
    "None": None,
    "a list of text": ["a"],
    "a list of floats": [crops(4, 4), np.zeros((4, 4))],
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_a_face(recognizer: Recognizer, name: str) -> None:
    with raises("not_faces", kind=FacesError):
        recognizer.classify(WRONG[name])


def test_no_faces(recognizer: Recognizer) -> None:
    assert len(recognizer.classify(crops(0, 48, 48))) == 0
    assert recognizer.classify([]).probabilities.shape == (0, len(CLASSES))
    assert recognizer.classify([], tta=True).labels == ()


@pytest.mark.parametrize("confidence", [-0.1, 1.1])
def test_confidence_is_a_probability(exported: OnnxModel, confidence: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        Recognizer(exported, confidence=confidence)


def test_load_by_path(small_onnx: Path, small_checkpoint: Path) -> None:
    faces = crops(4, 48, 48)
    exported = fer.load(str(small_onnx), threads=1).classify(faces)
    trained = fer.load(small_checkpoint, threads=2)
    assert isinstance(trained.model, CheckpointModel)
    np.testing.assert_allclose(trained.classify(faces).logits, exported.logits, atol=1e-4)
    np.testing.assert_allclose(
        trained.classify(faces).probabilities, exported.probabilities, atol=1e-4
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [("nothing", "no model called"), ("here/model.onnx", "there is no model file")],
)
def test_load_what_is_not_there(name: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        fer.load(name)


def test_load_says_when_torch_is_missing(
    small_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with raises("extra_missing", where="train"):
        fer.load(small_checkpoint)


def test_metadata_beside_faces(tmp_path: Path) -> None:
    model = fer.load(checkpoint(tmp_path / "best.ckpt", columns=COLUMNS))
    faces = crops(2, 48, 48)
    plain = model.classify(faces)
    known = model.classify(faces, {"age": [20, 60], "gender": ["male", "female"]})
    unknown = model.classify(faces, {"age": [None, float("nan")], "other": [1, 2]})
    assert np.abs(known.logits - plain.logits).max() > 1e-3
    np.testing.assert_array_equal(unknown.logits, plain.logits)
    with pytest.raises(ValueError, match="age"):
        model.classify(faces, {"age": [20]})


def test_public_names_are_there() -> None:
    assert fer.load
    assert fer.Recognizer
    assert fer.Prediction
    assert fer.Face
    assert set(fer.__all__) <= set(dir(fer))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fer.nothing  # noqa: B018
