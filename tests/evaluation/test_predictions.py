"""``predictions.parquet``: exactly its columns, there and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fer.evaluation import Predictions, PredictionsError, read_predictions, write_predictions
from tests.support.answers import some_faces, some_predictions

P = some_predictions(some_faces())


def assert_same(one: Predictions, other: Predictions) -> None:
    assert one.classes == other.classes
    for name in ("row", "split", "label", "answer", "probabilities", "logits"):
        mine, theirs = getattr(one, name), getattr(other, name)
        if theirs is None:
            assert mine is None, name
        else:
            assert mine.dtype == theirs.dtype, name
            np.testing.assert_array_equal(mine, theirs, name)


def test_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    write_predictions(path, P)
    schema = pq.read_schema(path)
    assert schema.names == [
        "row", "split", "label", "p_cat", "p_dog", "p_eel", "logit_cat", "logit_dog", "logit_eel",
    ]  # fmt: skip
    assert schema.types[:3] == [pa.int64(), pa.string(), pa.int64()]


@pytest.mark.parametrize(
    "predictions",
    [P, replace(P, logits=None), replace(P, logits=None, probabilities=None, answer=P.label)],
    ids=["network", "probabilities", "labels"],
)
def test_there_and_back(tmp_path: Path, predictions: Predictions) -> None:
    path = tmp_path / "predictions.parquet"
    write_predictions(path, predictions)
    for place in (path, tmp_path, tmp_path / "metrics.json"):
        assert_same(read_predictions(place), predictions)


def test_the_answer_is_the_highest_probability() -> None:
    assert P.probabilities is not None
    assert P.logits is not None
    np.testing.assert_array_equal(P.answer, P.logits.argmax(axis=1))
    np.testing.assert_allclose(P.probabilities.sum(axis=1), 1)
    assert (P.correct == (P.answer == P.label)).all()
    assert len(P.test()) == 90
    assert len(P.of("val", "test")) == len(P) == 150


def test_parts_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="150 rows"):
        replace(P, label=P.label[:-1])
    with pytest.raises(ValueError, match="2 classes"):
        replace(P, classes=("cat", "dog"))


def test_other_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match="there is no file"):
        read_predictions(tmp_path)
    path = tmp_path / "predictions.parquet"
    path.write_bytes(b"PAR1 nonsense")
    with pytest.raises(PredictionsError, match="no parquet file that can be read"):
        read_predictions(path)
    pq.write_table(pa.table({"row": [1], "label": [2]}), path)
    with pytest.raises(PredictionsError, match="columns row, label"):
        read_predictions(path)
