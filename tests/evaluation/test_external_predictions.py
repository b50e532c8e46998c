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
    ("table", "words"),
    [
        (good(row=[*ROWS[:-1], ROWS[0]]), ["more than once: 7", "test that are missing: 12"]),
        (good(row=[*ROWS[:-1], 99]), ["made-up faces does not have: 99", "missing: 12"]),
        (good(row=[*ROWS[:-1], "x"]), ["1 row is no whole number from 0: 'x'", "missing: 12"]),
        (good(row=[*ROWS[:-1], "1.5"]), ["no whole number from 0: '1.5'"]),
        (good(row=[*ROWS[:-1], "-1"]), ["no whole number from 0: '-1'"]),
        (good(label=["cat"] * 5 + ["cow"]), ["none of cat, dog, eel", "'cow'", "rows 12"]),
        (good(label=["cat"] * 5 + ["3"]), ["number from 0 to 2: '3'"]),
        (good(label=["cat"] * 5 + [""]), ["''"]),
        (with_probabilities(p_eel=[0.1] * 5 + [0.2]), ["do not sum to one within 0.001, rows 12"]),
        (with_probabilities(p_eel=[0.1] * 5 + ["nan"]), ["missing or no numbers, rows 12"]),
        (with_probabilities(p_eel=[0.1] * 5 + [""]), ["missing or no numbers, rows 12"]),
        (with_probabilities(p_cat=[1] * 6, p_dog=[-0.1] * 6), ["below 0 or above 1, rows 7, 8"]),
        (with_probabilities(p_cow=[0] * 6), ["no pair for p_cow"]),
        ({"row": ROWS}, ["the columns row.", "row and a column p_CLASS"]),
        ({"label": [0] * 6}, ["the columns label."]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_is_wrong_is_told_in_one_message(
    tmp_path: Path, table: Table, words: list[str]
) -> None:
    with pytest.raises(PredictionsError) as caught:
        read(tmp_path / "answers.csv", table)
    for word in [*words, "answers.csv"]:
        assert word in str(caught.value)


def test_many_rows_are_counted_and_not_listed(tmp_path: Path) -> None:
    faces = some_faces(test=500)
    with pytest.raises(PredictionsError, match=r"90, 91, .*, 99, … \(500 in all\)"):
        read(tmp_path / "a.csv", {"row": [0], "label": [0]}, faces)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "a.csv is empty"),
        ("a.csv", b"\xff\xfe\x00", "no table of text"),
        ("a.csv", b"row,label\n1\n", "line 2 has another number of fields"),
        ("a.csv", b"row,row\n1,2\n", "its header has a name twice"),
        ("a.parquet", b"row,label\n", "no parquet file"),
        ("a.csv", b"PAR1 and no more", "no parquet file"),
    ],
)
def test_other_files_are_told(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(PredictionsError, match=words):
        read_external_predictions(path, FACES, NAMES)


@pytest.mark.parametrize("name", ["answers.PARQUET", "answers.pq", "answers", "answers.csv"])
def test_parquet_is_told_by_what_is_in_it(tmp_path: Path, name: str) -> None:
    written(tmp_path / "a.parquet", good()).rename(tmp_path / name)
    assert read_external_predictions(tmp_path / name, FACES, NAMES).correct.all()


def test_columns_that_are_not_read_may_hold_anything(tmp_path: Path) -> None:
    assert read(tmp_path / "a.parquet", good(vector=[[1]] * 6, sure=[True] * 6)).correct.all()


def test_true_and_false_are_no_labels(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match="the column label holds bool"):
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
    with pytest.raises(PredictionsError, match=f"the column {name} holds .* instead of a number"):
        read(tmp_path / "a.parquet", good(**{name: column}))


def test_words_that_are_no_text_are_told(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(pa.string(), 6, pa.array([b"\xff"] * 6).buffers())
    with pytest.raises(PredictionsError, match="can't decode byte 0xff"):
        read(tmp_path / "a.parquet", good(label=broken))


def test_other_forms_of_words_and_numbers_are_read(tmp_path: Path) -> None:
    words = pa.array(good()["label"])
    for column in (words.dictionary_encode(), words.cast(pa.large_string())):
        assert read(tmp_path / "a.parquet", good(label=column)).correct.all()
    rows = pa.array(ROWS).cast(pa.decimal128(21, 2))
    assert read(tmp_path / "a.parquet", good(row=rows)).correct.all()


def test_nested_columns_and_missing_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match="the column label holds list"):
        read(tmp_path / "a.parquet", good(label=[[1]] * 6))
    with pytest.raises(PredictionsError, match="there is no file"):
        read_external_predictions(tmp_path / "none.csv", FACES, NAMES)
