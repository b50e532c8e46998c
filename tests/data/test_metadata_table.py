"""A table beside any data set, joined by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fer.data.metadata_table import WithMetadata
from tests.support.errors import raises
from tests.support.pattern_faces import PatternFaces

SOURCE = PatternFaces({"train": 6, "val": 3})


def write(folder: Path, text: str) -> str:
    (folder / "people.csv").write_text(text, encoding="utf-8")
    return str(folder / "people.csv")


def test_rows_are_joined_whatever_their_order(tmp_path: Path) -> None:
    file = write(tmp_path, "age,row,place\n30,7,lab\n20,1,hall\n,0,lab\n")
    source = WithMetadata(SOURCE, file)
    faces = source.load()
    train, val = faces.splits["train"].metadata, faces.splits["val"].metadata
    np.testing.assert_array_equal(train["age"], [np.nan, 20, *[np.nan] * 4])
    assert train["place"].tolist() == ["lab", "hall", "", "", "", ""]
    assert val["place"].tolist() == ["", "lab", ""]
    # One training face has an age, which is none to tell by.
    assert source.metadata_columns() == {"place": {"values": ["hall", "lab"]}}
    assert source.class_names() == SOURCE.class_names()


def test_a_column_has_one_type_in_all_splits(tmp_path: Path) -> None:
    file = write(tmp_path, "row,place,age\n0,lab,1\n1,lab,2\n2,roof,3\n7,12,nan\n8,,4\n")
    splits = WithMetadata(SOURCE, file).load().splits
    assert splits["val"].metadata["place"].tolist() == ["", "12", ""]
    for split in splits.values():
        assert split.metadata["place"].dtype.kind == "U"
        assert split.metadata["age"].dtype == np.float32
    np.testing.assert_array_equal(splits["val"].metadata["age"], [np.nan, np.nan, 4])


def test_the_fingerprint_tells_the_table(tmp_path: Path) -> None:
    first = WithMetadata(SOURCE, write(tmp_path, "row,a\n0,1\n")).load().fingerprint
    second = WithMetadata(SOURCE, write(tmp_path, "row,a\n0,2\n")).load().fingerprint
    assert len({first, second, SOURCE.load().fingerprint}) == 3


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("", "wrong_header", ":1"),
        ("a,b\n1,2\n", "wrong_header", ":1"),
        ("row,a,a\n", "wrong_header", ":1"),
        ("row,\n", "wrong_header", ":1"),
        ('row\n"1', "not_a_table", ":2"),
        ("row\n\udcff", "not_a_table", ":2"),
        ("row,a\nx,2\n", "not_a_row", ":2"),
        ("row,a\n1,2\n1,3\n", "row_twice", ":3"),
        ("row,a\n01,2\n1,3\n", "row_twice", ":3"),
        ("row,a\n1,2,3\n", "wrong_fields", ":2"),
        ("row,a\n1,2\n2,old\n3,4\n", "not_a_number", ":3"),
        ("row,a\n1,2\n\n2,inf\n3,4\n", "not_a_number", ":4"),
        ("row,a\n1,2\n2,1e400\n", "not_a_number", ":3"),
        ("row,a\n1,1e39\n", "not_a_number", ":2"),
        ("row,a\n99,2\n", "no_face", ""),
        (None, "data_not_found", ""),
    ],
)
def test_tables_that_cannot_be_joined(
    tmp_path: Path, text: str | None, code: str, line: str
) -> None:
    if text is not None:
        (tmp_path / "people.csv").write_text(text, encoding="utf-8", errors="surrogateescape")
    with raises(code, f"people.csv{line}" if text is not None else "data.metadata"):
        WithMetadata(SOURCE, str(tmp_path / "people.csv")).load()


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_index_that_pandas_writes_is_no_column(tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / f"people{suffix}"
    if suffix == ".csv":
        path.write_text(f"{name},row,age\n0,1,31\n")
    else:
        pq.write_table(pa.table({name: [0], "row": [1], "age": [31]}), path)
    train = WithMetadata(SOURCE, str(path)).load().splits["train"]
    assert list(train.metadata) == ["age"]
    assert train.metadata["age"][1] == 31


def test_rows_that_are_no_face_are_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = WithMetadata(SOURCE, write(tmp_path, "row,a\n99,2\n0,1\n98,3\n1,2\n"))
    source.load()
    source.load()
    (told,) = caplog.messages
    assert "2 of its 4 rows name no face that is used, the first is row 99 (row 2 of" in told
    caplog.clear()
    WithMetadata(SOURCE, write(tmp_path, "row,a\n0,1\n1,2\n")).load()
    assert caplog.messages == []
