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
from tests.support.errors import raises

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


def test_other_files_are_refused(tmp_path: Path) -> None:
    with raises("file_missing", kind=PredictionsError):
        read_predictions(tmp_path)
    path = tmp_path / "predictions.parquet"
    path.write_bytes(b"PAR1 nonsense")
    with raises("not_a_table", kind=PredictionsError):
        read_predictions(path)
    pq.write_table(pa.table({"row": [1], "label": [2]}), path)
    with raises("columns_missing", kind=PredictionsError):
        read_predictions(path)


@pytest.mark.parametrize(
    ("name", "column", "code", "where"),
    [
        ("label", pa.array([3] * 150), "column_value", "label"),
        ("label", pa.nulls(150, pa.int64()), "column_value", "label"),
        ("row", pa.array(["x"] * 150), "column_type", "row"),
        ("p_dog", pa.array([1] * 150, pa.timestamp("ns")), "column_type", "p_dog"),
        ("p_dog", pa.array([np.nan] * 150), "column_value", "p_"),
        ("split", pa.array([[1]] * 150), "column_type", "split"),
    ],
)
def test_cells_of_another_kind_are_refused(
    tmp_path: Path, name: str, column: pa.Array, code: str, where: str
) -> None:
    path = tmp_path / "predictions.parquet"
    write_predictions(path, P)
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index(name), name, column), path)
    with raises(code, where=where, kind=PredictionsError):
        read_predictions(path)


def test_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    write_predictions(path, P)
    whole = path.read_bytes()
    told = 0
    for place in range(0, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :])
        try:
            read_predictions(path)
        except PredictionsError:
            told += 1
    assert told > 10
