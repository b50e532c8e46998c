"""Wrong labels are found by classifiers that have not seen the faces."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fer.data.check import label_errors
from fer.data.check.check import check
from fer.data.check.label_errors import _folds, find_label_errors, histograms_of_gradients
from fer.data.check.report import as_json, text_report
from fer.data.source import DataError, Faces, Split

CLASSES = ("upright", "lying", "leaning")
#: Rows of train whose label is changed.
WRONG = (5, 31, 62)


def stripes(label: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    y, x = np.mgrid[:24, :24]
    wave = np.sin((x, y, x + y)[label] * 0.9 + rng.uniform(0, 6))
    noisy = 128 + 60 * wave + rng.normal(0, 12, wave.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


@pytest.fixture
def faces() -> Faces:
    rng = np.random.default_rng(0)
    splits, start = {}, 0
    for name, count in (("train", 90), ("val", 30), ("test", 30)):
        labels = np.arange(count) % 3
        images = np.array([stripes(label, rng) for label in labels])
        splits[name] = Split(images, labels, np.arange(start, start + count))
        start += count
    labels = np.array(splits["train"].labels)
    labels[list(WRONG)] = (labels[list(WRONG)] + 1) % 3
    splits["train"] = replace(splits["train"], labels=labels)
    return Faces(CLASSES, splits, "fingerprint", "stripes")


def test_changed_labels_are_found(faces: Faces) -> None:
    found = find_label_errors(faces, {})
    assert {(error.row, error.split) for error in found.errors} == {(r, "train") for r in WRONG}
    for error in found.errors:
        assert CLASSES.index(error.label) == (CLASSES.index(error.likely) + 1) % 3
        assert error.confidence < 0.3
    assert found.accuracy == {"train": pytest.approx(87 / 90), "val": 1, "test": 1}


def test_the_report_tells_them(faces: Faces) -> None:
    report = check(faces, "folder", label_errors=True)
    assert report.tallies["label_errors"].rows == {"train": list(WRONG), "val": [], "test": []}
    told = as_json(report)["labels"]
    assert told["errors"][0].keys() == {"row", "split", "label", "likely", "confidence"}
    assert "cleanlab" in told["method"]
    assert "a small classifier that agrees with the labels on 96.7 % of train" in text_report(
        report
    )


def test_copies_are_never_judged_by_a_classifier_that_saw_them() -> None:
    rng = np.random.default_rng(0)
    group = rng.integers(0, 25, 100)
    labels = group % 2
    faces = Faces(("a", "b"), {}, "fingerprint", "origin")
    judged = []
    for fitted, some in _folds(faces, labels, group):
        assert not set(group[fitted]) & set(group[some])
        assert set(labels[fitted]) == {0, 1}
        judged += some.tolist()
    assert sorted(judged) == list(range(100))


def test_test_faces_with_a_copy_in_train_are_judged_without_it(
    faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = faces.splits["test"]
    images = np.array(test.images)
    images[0] = faces.splits["train"].images[4]
    splits = {**faces.splits, "test": replace(test, images=images)}
    sizes, plain_fit = [], label_errors._fit

    def fit(features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> Any:
        sizes.append(len(labels))
        return plain_fit(features, labels)

    monkeypatch.setattr(label_errors, "_FOLDS", 3)
    monkeypatch.setattr(label_errors, "_fit", fit)
    check(replace(faces, splits=splits), "folder", label_errors=True)
    assert sizes[3:] == [90, 89]


def test_a_class_of_one_face(faces: Faces) -> None:
    train = faces.splits["train"]
    few = train.take(np.concatenate([[0], np.flatnonzero(train.labels > 0)]))
    with pytest.raises(DataError, match="class 'upright' has 1 different faces in train"):
        find_label_errors(replace(faces, splits={**faces.splits, "train": few}), {})
    with pytest.raises(DataError, match="no faces in train"):
        find_label_errors(replace(faces, splits={"test": faces.splits["test"]}), {})


def test_a_split_without_one_of_the_classes(faces: Faces) -> None:
    val = faces.splits["val"]
    two = val.take(val.labels < 2)
    found = find_label_errors(replace(faces, splits={**faces.splits, "val": two}), {})
    assert found.accuracy["val"] == 1


def test_histograms_of_gradients_see_directions_not_light() -> None:
    rng = np.random.default_rng(0)
    images = np.array([stripes(label, rng) for label in (0, 0, 1, 1)])
    seen = histograms_of_gradients(images)
    assert seen.shape == (4, 1764)
    alike = seen @ seen.T
    assert min(alike[0, 1], alike[2, 3]) > 1.5 * alike[:2, 2:].max()
    assert not histograms_of_gradients(np.full((1, 24, 24), 9, dtype=np.uint8)).any()
