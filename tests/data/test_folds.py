"""The training split is divided so that nothing of a fold is known from another."""

from __future__ import annotations

import numpy as np
import pytest

from fer.data.folds import WithoutFold, fold_of_each
from fer.data.source import DataError, Faces, Split
from tests.support.pattern_faces import PatternFaces


def with_copies() -> Split:
    """Return 40 faces, of which every fourth is there twice, and once with another label."""
    train = PatternFaces({"train": 40, "val": 4, "test": 4}).load().splits["train"]
    doubled = train.take(np.concatenate([np.arange(len(train)), np.arange(0, len(train), 4)]))
    doubled.labels[-1] = (doubled.labels[-1] + 1) % 4
    return doubled


def test_copies_share_a_fold_and_classes_are_spread() -> None:
    split = with_copies()
    folds = fold_of_each(split, 5)
    assert (folds[40:] == folds[np.arange(0, 40, 4)]).all()
    counts = np.array(
        [np.bincount(split.labels[:40][folds[:40] == fold], minlength=4) for fold in range(5)]
    )
    assert (counts.max(axis=0) - counts.min(axis=0) <= 1).all()


class Fixed:
    """A source of one data set."""

    def __init__(self, faces: Faces) -> None:
        self.faces = faces

    def class_names(self) -> tuple[str, ...]:
        return self.faces.classes

    def metadata_columns(self) -> dict[str, dict[str, object]]:
        return {}

    def load(self) -> Faces:
        return self.faces


def test_each_face_is_left_out_once_and_other_splits_stay() -> None:
    faces = PatternFaces({"train": 40, "val": 4, "test": 4}).load()
    parts = [WithoutFold(Fixed(faces), folds=4, fold=fold).load() for fold in range(4)]
    rows = faces.splits["train"].rows
    left_out = [np.setdiff1d(rows, part.splits["train"].rows) for part in parts]
    assert np.sort(np.concatenate(left_out)).tolist() == np.sort(rows).tolist()
    assert all(part.splits["val"] is faces.splits["val"] for part in parts)
    assert len({part.fingerprint for part in parts} | {faces.fingerprint}) == 5


def test_impossible_folds_are_refused() -> None:
    source = Fixed(PatternFaces({"train": 4, "val": 4, "test": 4}).load())
    for folds, fold in ((5, 5), (1, 0), (None, 0), (5, None)):
        with pytest.raises(ValueError, match=r"data\.fold"):
            WithoutFold(source, folds=folds, fold=fold)
    with pytest.raises(DataError):
        WithoutFold(source, folds=9, fold=0).load()
