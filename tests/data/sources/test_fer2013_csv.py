"""What the source fer2013 says about CSV files that it cannot use: which lines, how many."""

from __future__ import annotations

import gzip
import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fer.data.sources.fer2013 as module
from fer.data.cache import Entry
from fer.data.source import DataError, Faces
from fer.data.sources.fer2013_csv import PIXELS, _pixels
from tests.support.errors import raises
from tests.support.fer2013_csv import HEADER, make_faces, row_text, write_fer2013, write_lines

Load = Callable[..., Faces]


@pytest.fixture
def lines() -> list[str]:
    """A sound file of 9 rows, as lines; ``lines[k]`` is line ``k + 1``."""
    return [HEADER, *(row_text(*row) for row in zip(*make_faces(9), strict=True))]


def message_of(load: Load, code: str, **options: Any) -> list[str]:
    with pytest.raises(DataError) as error:
        load(**options)
    assert error.value.code == code
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)
    return str(error.value).splitlines()


def with_pixel(place: int, value: str) -> Callable[[str], str]:
    def change(row: str) -> str:
        label, pixels, usage = row.split(",")
        values = pixels.split()
        values[place] = value
        return f"{label},{' '.join(values)},{usage}"

    return change


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (with_pixel(0, ""), "2303 pixels instead of 2304"),
        (with_pixel(0, "1 2"), "2305 pixels instead of 2304"),
        (lambda row: "0,,Training", "0 pixels instead of 2304"),
        (with_pixel(4, "abc"), "pixel 5 is 'abc', not a whole number 0-255"),
        (with_pixel(0, "1.5"), "pixel 1 is '1.5', not a whole number 0-255"),
        (with_pixel(9, "1\0"), r"pixel 10 is '1\x00', not"),
        (with_pixel(9, "é"), r"pixel 10 is '\xe9', not"),
        (with_pixel(9, "\u0663"), r"pixel 10 is '\u0663', not"),
        (with_pixel(2303, "256"), "pixel 2304 is '256', not"),
        (with_pixel(0, "-1"), "pixel 1 is '-1', not"),
        (with_pixel(0, "9" * 5000), f"pixel 1 is '{'9' * 24}...', not"),
        (lambda row: "7" + row[1:], "label '7' is none of 0-6, nor an emotion"),
        (lambda row: "smug" + row[1:], "label 'smug' is none of 0-6"),
        (lambda row: "1.5" + row[1:], "label '1.5' is none of 0-6"),
        (lambda row: row[1:], "label '' is none of 0-6"),
        (lambda row: "\u0663" + row[1:], r"label '\u0663' is none of 0-6"),
        (lambda row: row.replace("Training", "Foo"), "split 'Foo' is none of Training, PublicTest"),
        (lambda row: row + ",", "4 fields instead of 3"),
        (lambda row: row.partition(",")[0], "1 field instead of 3"),
        (lambda row: '"' + row, "a quoted field does not end"),
        (lambda row: '"1"x' + row[1:], "a quoted field does not end, or not before a comma"),
        (lambda row: row + " " * 70_000, "the line is longer than 65,536 bytes"),
    ],
)
def test_a_broken_row_is_named(
    root: Path, load: Load, lines: list[str], change: Callable[[str], str], detail: str
) -> None:
    lines[2] = change(lines[2])
    write_lines(root / "fer2013.csv", lines)
    with raises("defective_rows", "fer2013.csv:3"):
        load()
    message = message_of(load, "defective_rows")
    assert message[0].endswith("1 row is defective:")
    assert message[1].startswith(f"  line 3: {detail}")
    assert message[-1].startswith("What to do: ")
    (finding,) = load(defects="drop").findings
    assert (finding.row, finding.what, finding.action) == (1, "defect", "dropped")


def test_all_defects_are_counted_and_ten_are_listed(root: Path, load: Load) -> None:
    lines = [HEADER, *(row_text(*row) for row in zip(*make_faces(60), strict=True))]
    for k in range(3, 15):
        lines[k] = "9" + lines[k][1:]
    # Blank lines count as lines, but not as rows.
    write_lines(root / "fer2013.csv", [lines[0], "", "", *lines[1:]])
    message = message_of(load, "defective_rows")
    assert "12 rows are defective" in message[0]
    assert [line.split(":")[0] for line in message[1:11]] == [f"  line {n}" for n in range(6, 16)]
    assert message[11] == "  ... and 2 more"
    assert [finding.row for finding in load(defects="drop").findings] == [*range(2, 14)]


@pytest.mark.parametrize(
    ("missing", "detail"),
    [(4000, "2 fields instead of 3"), (4, "split 'PrivateT' is none of")],
)
def test_a_file_that_ends_mid_row(
    root: Path, load: Load, lines: list[str], missing: int, detail: str
) -> None:
    path = write_lines(root / "fer2013.csv", lines)
    path.write_bytes(path.read_bytes()[:-missing])
    (line,) = message_of(load, "defective_rows")[1:-1]
    assert line.startswith(f"  line 10: {detail}")
    assert line.endswith("; the file ends here, perhaps mid-row")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"emotion,pixels,Usage\n", "no_rows"),
        (b"emotion,pixels,Usage", "no_rows"),
        (b"emotion,Usage\n", "not_fer2013"),
        (b"image,emotion\na.png,happy\n", "not_fer2013"),
        (b'"emotion,pixels,Usage\n', "not_fer2013"),
        (b"train_00001.jpg 5\ntrain_00002.jpg 3\n", "not_fer2013"),
        ("emotion,pixels,Usage\n".encode("utf-16"), "not_fer2013"),
        (b"emotion,emotion,pixels,Usage\n", "wrong_header"),
        (b"emotion,Usage," + b"1 2 " * 2304 + b"\n", "wrong_header"),
        (b"emotion,pixels,Usage\r0,1 2,Training\r", "not_fer2013"),
        (b"\x00\xff\xfe" * 500_000, "wrong_header"),
    ],
)
def test_files_that_are_something_else(root: Path, load: Load, content: bytes, code: str) -> None:
    root.mkdir()
    (root / "fer2013.csv").write_bytes(content)
    message = message_of(load, code)
    assert "fer2013.csv: " in message[0]
    assert message[-1].startswith("What to do: ")
    assert len("".join(message)) < 1000


@pytest.mark.parametrize("missing", ["Training", "PublicTest", "PrivateTest"])
def test_a_split_without_rows(root: Path, load: Load, missing: str) -> None:
    usages = tuple({"Training", "PublicTest", "PrivateTest"} - {missing})
    write_fer2013(root / "fer2013.csv", *make_faces(usages=usages))
    assert missing in message_of(load, "no_split")[0]


def test_a_giant_line_does_not_fill_the_memory(root: Path, load: Load, lines: list[str]) -> None:
    root.mkdir()
    with gzip.open(root / "fer2013.csv.gz", "wb", compresslevel=1) as file:
        file.write("\n".join(lines[:3]).encode() + b"\n3,")
        for _ in range(64):
            file.write(b"1 " * (1 << 19))
        file.write("\n".join(["", *lines[3:], ""]).encode())
    tracemalloc.start()
    try:
        with raises("defective_rows", "fer2013.csv.gz:4"):
            load()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20


@pytest.mark.parametrize("defects", ["fatal", "drop"])
def test_endless_broken_rows_are_not_read_to_their_end(
    root: Path, load: Load, lines: list[str], defects: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fer.data.sources.fer2013_csv.MOST_DEFECTS", 1000)
    write_lines(root / "fer2013.csv", [*lines, *["0"] * 2000], compress=True)
    message = message_of(load, "defective_rows", defects=defects)
    assert "more than 1,000 rows are defective" in message[0]


def test_a_file_that_changes_while_it_is_read(
    root: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_fer2013(root / "fer2013.csv", *make_faces())
    parse = module._parse

    def parse_and_meddle(source: Path, **options: Any) -> Entry:
        entry = parse(source, **options)
        path.write_bytes(path.read_bytes() + b"\n")
        return entry

    monkeypatch.setattr(module, "_parse", parse_and_meddle)
    with raises("changed_meanwhile", "fer2013.csv"):
        load()


@given(
    st.lists(st.integers(0, 255), min_size=8, max_size=8),
    st.sampled_from([" ", "  ", "\t", " \t "]),
    st.booleans(),
)
def test_pixels_are_read_whatever_stands_between_them(
    values: list[int], gap: str, zeros: bool
) -> None:
    values = values * (PIXELS // 8)
    text = gap.join(f"{value:04}" if zeros else str(value) for value in values)
    assert _pixels(text) == bytes(values)
