"""Asking a model about every face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from fer.data.source import DataError, Faces
from fer.evaluation import predict
from fer.evaluation.model_predictions import check_faces, encoded_metadata, unread_metadata
from fer.inference.views import views
from tests.support.answers import CLASSES, NAMES, some_faces
from tests.support.errors import raises

FACES = some_faces(val=30, test=50)


@dataclass(frozen=True)
class Corners:
    """Answers with the grey values of three corners."""

    classes: tuple[str, ...] = CLASSES
    size: int = 16
    fit: Any = "pad"
    temperature: float | None = None
    columns: Mapping[str, Any] | None = None
    broken: bool = False

    def logits(self, images: Any, metadata: Any = None, *, batch_size: int = 64) -> Any:
        found = images[:, [0, 0, -1], [0, -1, -1]].astype(np.float32) / 100
        return np.where(images[:, :1, 0] > 250, np.nan, found) if self.broken else found


def test_val_and_test_are_answered_once_each(capsys: pytest.CaptureFixture[str]) -> None:
    model = Corners()
    found, seen = predict(model, FACES, NAMES, tta=False, batch_size=4)
    assert seen is None
    assert found.split.tolist() == ["val"] * 30 + ["test"] * 50
    for name in ("val", "test"):
        mine, split = found.of(name), FACES.splits[name]
        np.testing.assert_array_equal(mine.row, split.rows)
        np.testing.assert_array_equal(mine.label, split.labels)
        np.testing.assert_array_equal(mine.logits, model.logits(split.images))
    assert "80/80" in capsys.readouterr().err


def test_ten_views_begin_with_the_single_one(capsys: pytest.CaptureFixture[str]) -> None:
    found, seen = predict(Corners(), FACES, NAMES, tta=True)
    assert seen is not None
    assert seen.shape == (10, 50, 3)
    np.testing.assert_array_equal(seen[0], found.test().logits)
    third = list(views(FACES.splits["test"].images))[2]
    np.testing.assert_array_equal(seen[2], Corners().logits(third))
    assert "530/530" in capsys.readouterr().err
    predict(Corners(), FACES, NAMES, tta=True, progress=False)
    assert capsys.readouterr().err == ""


def test_data_without_val_is_enough() -> None:
    faces = Faces(CLASSES, {"test": FACES.splits["test"]}, "f", "o")
    found, _ = predict(Corners(), faces, NAMES, tta=False, progress=False)
    assert len(found) == 50


def test_answers_that_are_no_numbers_are_refused() -> None:
    with raises("answers_not_finite"):
        predict(Corners(broken=True), FACES, NAMES, tta=False, progress=False)


def test_data_that_a_model_cannot_be_judged_on_are_refused() -> None:
    check_faces(FACES, Corners())
    check_faces(FACES, None)
    with raises("classes_differ", kind=DataError):
        check_faces(FACES, Corners(classes=("cow", "dog", "eel")))
    with raises("classes_differ", kind=DataError):
        check_faces(FACES, Corners(classes=CLASSES[::-1]))
    for splits in (
        {"train": FACES.splits["train"]},
        {"test": FACES.splits["test"].take(np.zeros(50, dtype=bool))},
    ):
        with raises("no_test_split", kind=DataError):
            check_faces(Faces(CLASSES, splits, "f", "o"), None)


def knowing(**columns: list[Any]) -> Faces:
    """Return faces with metadata of the test split."""
    test = FACES.splits["test"]
    some = {name: np.resize(np.array(values), len(test)) for name, values in columns.items()}
    return replace(FACES, splits={**FACES.splits, "test": replace(test, metadata=some)})


COLUMNS = {"age": {"mean": 30.0, "std": 9.0}, "gender": {"values": ["female", "male"]}}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, "it reads age, gender beside the face, which this data does not have: the model"),
        ({"age": [np.nan], "gender": [""]}, "it reads age, gender beside"),
        ({"age": [1.0, np.nan]}, "it reads gender beside"),
        ({"age": [1.0], "gender": ["F", "M", "male", ""]}, "has not learnt from ('F', 'M'): the"),
    ],
)
def test_metadata_that_a_model_looks_for_in_vain_is_told(
    columns: dict[str, list[Any]], words: str
) -> None:
    split = knowing(**columns).splits["test"]
    assert words in unread_metadata(Corners(columns=COLUMNS), split)


def test_where_all_metadata_is_there_nothing_is_told() -> None:
    split = knowing(age=[1.0, np.nan], gender=["male", ""], height=[1.7]).splits["test"]
    assert unread_metadata(Corners(columns=COLUMNS), split) == ""
    assert unread_metadata(Corners(), split) == unread_metadata(None, split) == ""


def test_words_where_a_model_has_learnt_numbers_are_told() -> None:
    with raises("metadata_mismatch", kind=DataError):
        encoded_metadata(Corners(columns=COLUMNS), knowing(age=["old"]).splits["test"])
