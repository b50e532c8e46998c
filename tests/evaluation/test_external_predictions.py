"""Any system's answers: joined by row, or refused with the numbers of the rows."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fer.core.labels import EMOTIONS
from fer.data.source import Faces
from fer.evaluation import Predictions, PredictionsError, read_external_predictions
from tests.support.answers import CLASSES, NAMES, some_faces
from tests.support.errors import raises

FACES = some_faces(train=3, val=4, test=6)
TEST = FACES.splits["test"]
ROWS = TEST.rows.tolist()

Table = dict[str, Sequence[Any]]


def good(**changed: Sequence[Any]) -> Table:
    return {"row": ROWS, "label": [CLASSES[i] for i in TEST.labels], **changed}


def with_probabilities(**changed: Sequence[Any]) -> Table:
    return {
        "row": ROWS,
        "p_cat": [0.7] * 6,
        "p_dog": [0.2] * 6,
        "p_eel": [0.1] * 6,
        **changed,
    }


def written(path: Path, table: Mapping[str, Sequence[Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.table(dict(table)), path)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([table, *zip(*table.values(), strict=True)])
    return path


def read(path: Path, table: Mapping[str, Sequence[Any]], faces: Faces = FACES) -> Predictions:
    return read_external_predictions(written(path, table), faces, NAMES)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("kind", ["names", "numbers", "floats"])
def test_labels_by_name_or_number(tmp_path: Path, suffix: str, kind: str) -> None:
    numbers = TEST.labels.tolist()
    values = {"names": good()["label"], "numbers": numbers, "floats": [float(n) for n in numbers]}
    found = read(tmp_path / f"answers.{suffix}", good(label=values[kind]))
    assert found.correct.all()
    assert found.probabilities is None
    assert found.logits is None
    assert found.split.tolist() == ["test"] * 6
    np.testing.assert_array_equal(found.row, TEST.rows)


def test_the_order_of_rows_and_other_splits_are_free(tmp_path: Path) -> None:
    order = [4, 2, 0, 1, 5, 3]
    rows = [ROWS[i] for i in order] + [5, 0]
    labels = [int(TEST.labels[i]) for i in order]
    labels += [int(FACES.splits["val"].labels[2]), int(FACES.splits["train"].labels[0])]
    found = read(tmp_path / "a.csv", {"label": labels, "row": rows, "note": ["x"] * 8})
    assert found.correct.all()
    assert found.row.tolist() == [0, 5, *ROWS]
    assert found.split.tolist() == ["train", "val", *["test"] * 6]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_probabilities_outweigh_labels_and_sum_to_one(tmp_path: Path, suffix: str) -> None:
    table = with_probabilities(p_eel=[0.1004] * 6, label=["eel"] * 6)
    found = read(tmp_path / f"answers.{suffix}", table)
    assert found.answer.tolist() == [0] * 6
    assert found.probabilities is not None
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-12)
    assert found.probabilities[0, 2] == pytest.approx(0.1004 / 1.0004)


def test_the_seven_emotions_have_other_words(tmp_path: Path) -> None:
    faces = some_faces(test=7, classes=EMOTIONS)
    words = ["Anger", "disgusted", "FEAR", "happiness", " sad ", "surprised", "6"]
    rows = faces.splits["test"].rows.tolist()
    found = read(tmp_path / "a.csv", {"row": rows, "label": words}, faces)
    assert found.answer.tolist() == list(range(7))


@pytest.mark.parametrize(
    ("table", "code", "rows"),
    [
        (good(row=[*ROWS[:-1], ROWS[0]]), "rows_duplicated", ["7", "12"]),
        (good(row=[*ROWS[:-1], 99]), "rows_unknown", ["99", "12"]),
        (good(row=[*ROWS[:-1], "x"]), "rows_invalid", ["'x'", "12"]),
        (good(row=[*ROWS[:-1], "1.5"]), "rows_invalid", ["'1.5'"]),
        (good(row=[*ROWS[:-1], "-1"]), "rows_invalid", ["'-1'"]),
        (good(row=ROWS[:-1], label=["cat"] * 5), "rows_missing", ["12"]),
        (good(label=["cat"] * 5 + ["cow"]), "labels_unknown", ["'cow'", "rows 12"]),
        (good(label=["cat"] * 5 + ["3"]), "labels_unknown", ["'3'"]),
        (good(label=["cat"] * 5 + [""]), "labels_unknown", ["''"]),
        (with_probabilities(p_eel=[0.1] * 5 + [0.2]), "probabilities_do_not_sum", ["rows 12"]),
        (with_probabilities(p_eel=[0.1] * 5 + ["nan"]), "probabilities_missing", ["rows 12"]),
        (with_probabilities(p_eel=[0.1] * 5 + [""]), "probabilities_missing", ["rows 12"]),
        (with_probabilities(p_cat=[1] * 6, p_dog=[-0.1] * 6), "probabilities_out_of_range",
         ["rows 7, 8"]),
        (with_probabilities(p_cow=[0] * 6), "classes_differ", ["p_cow"]),
        ({"row": ROWS}, "columns_missing", []),
        ({"label": [0] * 6}, "columns_missing", []),
        (good(row=[*ROWS[:-1], "x"], label=["cow"] * 6), "rows_invalid", ["'x'", "'cow'"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_message_with_the_rows(
    tmp_path: Path, table: Table, code: str, rows: list[str]
) -> None:
    with pytest.raises(PredictionsError) as caught:
        read(tmp_path / "answers.csv", table)
    assert caught.value.code == code
    assert caught.value.where.endswith("answers.csv")
    assert all(row in str(caught.value) for row in rows)


def test_many_rows_are_counted_and_not_listed(tmp_path: Path) -> None:
    faces = some_faces(test=500)
    with pytest.raises(PredictionsError) as caught:
        read(tmp_path / "a.csv", {"row": [0], "label": [0]}, faces)
    assert "90, 91" in str(caught.value)
    assert "100" not in str(caught.value)
    assert "500" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.csv", b"", "file_empty"),
        ("a.csv", b"\xff\xfe\x00", "not_a_table"),
        ("a.csv", b"row,label\n1\n", "not_a_table"),
        ("a.csv", b"row,row\n1,2\n", "columns_duplicated"),
        ("a.parquet", b"row,label\n", "not_a_table"),
        ("a.csv", b"PAR1 and no more", "not_a_table"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with raises(code, where=name, kind=PredictionsError):
        read_external_predictions(path, FACES, NAMES)


def test_a_byte_order_mark_and_blanks_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = [
        "row, label",
        *(f"{row}, {CLASSES[i]}" for row, i in zip(ROWS, TEST.labels, strict=True)),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    assert read_external_predictions(path, FACES, NAMES).correct.all()


@pytest.mark.parametrize("name", ["answers.PARQUET", "answers.pq", "answers", "answers.csv"])
def test_parquet_is_told_by_what_is_in_it(tmp_path: Path, name: str) -> None:
    written(tmp_path / "a.parquet", good()).rename(tmp_path / name)
    assert read_external_predictions(tmp_path / name, FACES, NAMES).correct.all()


def test_columns_that_are_not_read_may_hold_anything(tmp_path: Path) -> None:
    assert read(tmp_path / "a.parquet", good(vector=[[1]] * 6, sure=[True] * 6)).correct.all()


def test_true_and_false_are_no_labels(tmp_path: Path) -> None:
    with raises("column_type", kind=PredictionsError):
        read(tmp_path / "a.parquet", good(label=[True] * 6))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1] * 6, pa.timestamp("ns")),
        pa.array([1] * 6, pa.date32()),
        pa.array([b"cat"] * 6),
        pa.array([1] * 6, pa.timestamp("ns")).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
@pytest.mark.parametrize("name", ["row", "label"])
def test_columns_of_other_kinds_are_told(tmp_path: Path, column: pa.Array, name: str) -> None:
    with raises("column_type", kind=PredictionsError):
        read(tmp_path / "a.parquet", good(**{name: column}))


def test_words_that_are_no_text_are_told(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(pa.string(), 6, pa.array([b"\xff"] * 6).buffers())
    with raises("not_a_table", kind=PredictionsError):
        read(tmp_path / "a.parquet", good(label=broken))


def test_other_forms_of_words_and_numbers_are_read(tmp_path: Path) -> None:
    words = pa.array(good()["label"])
    for column in (words.dictionary_encode(), words.cast(pa.large_string())):
        assert read(tmp_path / "a.parquet", good(label=column)).correct.all()
    rows = pa.array(ROWS).cast(pa.decimal128(21, 2))
    assert read(tmp_path / "a.parquet", good(row=rows)).correct.all()


def test_nested_columns_and_missing_files_are_told(tmp_path: Path) -> None:
    with raises("column_type", kind=PredictionsError):
        read(tmp_path / "a.parquet", good(label=[[1]] * 6))
    with raises("file_missing", where="none.csv", kind=PredictionsError):
        read_external_predictions(tmp_path / "none.csv", FACES, NAMES)
