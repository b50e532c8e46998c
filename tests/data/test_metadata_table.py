"""A table beside any data set, joined by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer.data.metadata_table import WithMetadata
from fer.data.source import DataError
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
    ("text", "message"),
    [
        ("a,b\n1,2\n", "a column 'row' is needed"),
        ("row,a\nx,2\n", r"whole numbers from 0, not 'x' \(row 2 of the table\)"),
        ("row,a\n1,2\n1,3\n", "row 3 names 1 again"),
        ("row,a\n01,2\n1,3\n", "row 3 names 1 again"),
        ("row,a\n1,2,3\n", "row 2 has 3 fields instead of 2"),
        ("row,a\n1,2\n2,old\n3,4\n", "row 3 has 'old' in the column 'a', where a finite number"),
        ("row,a\n1,2\n2,inf\n3,4\n", "row 3 has 'inf' in the column 'a'"),
        ("row,a\n1,2\n2,1e400\n", "row 3 has '1e400' in the column 'a'"),
        ("row,a\n1,1e39\n", "row 2 has '1e39' in the column 'a'"),
        ("row,a\n99,2\n", "none of its rows is a face of pattern faces"),
    ],
)
def test_tables_that_cannot_be_joined(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        WithMetadata(SOURCE, write(tmp_path, text)).load()


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        WithMetadata(SOURCE, str(tmp_path / "none.csv")).load()


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
