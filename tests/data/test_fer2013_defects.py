"""The source fer2013: what it says about files that it cannot use."""

from __future__ import annotations

import gzip
import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

import fer.data.fer2013 as module
from fer.data.cache import Entry
from fer.data.fer2013 import Defects, Fer2013
from fer.data.issues import DefectiveRowsError
from fer.data.source import DataError, Faces
from tests.support.fer2013_csv import HEADER, make_faces, row_text, write_fer2013, write_lines


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def load(root: Path, tmp_path: Path) -> Callable[[], Faces]:
    return lambda: Fer2013(str(root), str(tmp_path / "cache")).load()


@pytest.fixture
def lines() -> list[str]:
    """A sound file of 60 rows, as lines; ``lines[k]`` is line ``k + 1``."""
    return [HEADER, *(row_text(*row) for row in zip(*make_faces(), strict=True))]


def with_pixels(line: str, change: Callable[[list[str]], object]) -> str:
    label, pixels, usage = line.split(",")
    values = pixels.split()
    change(values)
    return f"{label},{' '.join(values)},{usage}"


@pytest.mark.parametrize(
    ("change", "kind", "detail"),
    [
        (lambda v: v.pop(), "pixel_count", "2303 pixels instead of 2304"),
        (lambda v: v.append("1"), "pixel_count", "2305 pixels instead of 2304"),
        (lambda v: v.clear(), "pixel_count", "0 pixels instead of 2304"),
        (lambda v: v.__setitem__(4, "abc"), "pixel_number", "pixel 5 is 'abc', not a number"),
        (lambda v: v.__setitem__(0, "1.5"), "pixel_number", "pixel 1 is '1.5', not a whole number"),
        (lambda v: v.__setitem__(9, "1\0"), "pixel_number", r"pixel 10 is '1\x00', not a number"),
        (lambda v: v.__setitem__(9, "é"), "pixel_number", r"'\xc3\xa9', not a number"),
        (lambda v: v.__setitem__(2300, "300"), "pixel_range", "pixel 2301 is 300, outside 0-255"),
        (lambda v: v.__setitem__(2303, "256"), "pixel_range", "pixel 2304 is 256, outside 0-255"),
        (lambda v: v.__setitem__(0, "-1"), "pixel_range", "pixel 1 is -1, outside 0-255"),
        (lambda v: v.__setitem__(0, "9" * 30), "pixel_range", f"{'9' * 24}..., outside 0-255"),
        (lambda v: v.__setitem__(0, "9" * 5000), "pixel_range", "outside 0-255"),
    ],
)
def test_broken_pixels(
    root: Path,
    load: Callable[[], Faces],
    lines: list[str],
    *,
    change: Callable[[list[str]], object],
    kind: str,
    detail: str,
) -> None:
    lines[16] = with_pixels(lines[16], change)
    write_lines(root / "fer2013.csv", lines)
    check_single_defect(load, kind, detail)


@pytest.mark.parametrize(
    ("change", "kind", "detail"),
    [
        (lambda row: "7" + row[1:], "label", "label '7' is none of 0-6"),
        (lambda row: "smug" + row[1:], "label", "label 'smug' is none of 0-6, nor an emotion"),
        (lambda row: "1.5" + row[1:], "label", "label '1.5' is none of 0-6"),
        (lambda row: row[1:], "label", "label '' is none of 0-6"),
        (lambda row: "-1" + row[1:], "label", "label '-1' is none of 0-6"),
        (lambda row: "\u0663" + row[1:], "label", r"label '\xd9\xa3' is none of 0-6"),
        (
            lambda row: row.replace("Training", "Foo"),
            "split",
            "split 'Foo' is none of Training, PublicTest, PrivateTest",
        ),
        (lambda row: row + ",", "fields", "4 fields instead of 3"),
        (lambda row: row.partition(",")[0], "fields", "1 field instead of 3"),
        (lambda row: row.replace(" ", ","), "fields", "2306 fields instead of 3"),
        (lambda row: '"' + row, "fields", "a quoted field does not end"),
        (lambda row: '"1"x' + row[1:], "fields", "a quoted field does not end, or not before a co"),
        (lambda row: row + " " * 70_000, "line", "the line is longer than 65,536 bytes"),
    ],
)
def test_broken_rows(
    root: Path,
    load: Callable[[], Faces],
    lines: list[str],
    *,
    change: Callable[[str], str],
    kind: str,
    detail: str,
) -> None:
    lines[16] = change(lines[16])
    write_lines(root / "fer2013.csv", lines)
    check_single_defect(load, kind, detail)


def check_single_defect(load: Callable[[], Faces], kind: str, detail: str) -> None:
    """Line 17 alone is defective."""
    with pytest.raises(DefectiveRowsError) as error:
        load()
    (defect,) = error.value.defects
    assert (defect.line, defect.row, defect.kind) == (17, 15, kind)
    assert detail in defect.detail
    assert error.value.total == 1
    message = str(error.value).splitlines()
    assert message[0].endswith("1 row is defective:")
    assert message[1] == f"  line 17: {defect.detail}"
    assert message[-1].startswith("What to do: ")


def test_all_defects_are_counted_and_ten_are_listed(
    root: Path, load: Callable[[], Faces], lines: list[str]
) -> None:
    for k in range(3, 15):
        lines[k] = "9" + lines[k][1:]
    lines[40] = lines[40] + "x"
    write_lines(root / "fer2013.csv", lines, compress=False)
    with pytest.raises(DefectiveRowsError) as error:
        load()
    assert error.value.total == 13
    assert [d.line for d in error.value.defects] == [*range(4, 16), 41]
    message = str(error.value)
    assert "13 rows are defective" in message
    assert message.count("\n  line ") == 10
    assert "... and 3 more" in message
    assert str(pickle.loads(pickle.dumps(error.value))) == message


def test_blank_lines_count_as_lines_but_not_as_rows(
    root: Path, load: Callable[[], Faces], lines: list[str]
) -> None:
    lines[5] = "9" + lines[5][1:]
    write_lines(root / "fer2013.csv", [lines[0], "", "", *lines[1:]])
    with pytest.raises(DefectiveRowsError) as error:
        load()
    assert (error.value.defects[0].line, error.value.defects[0].row) == (8, 4)


@pytest.mark.parametrize(
    ("missing", "detail"),
    [(4000, "2 fields instead of 3"), (4, "split 'PrivateT' is none of")],
)
def test_a_file_that_ends_mid_row(
    root: Path, load: Callable[[], Faces], lines: list[str], missing: int, detail: str
) -> None:
    path = write_lines(root / "fer2013.csv", lines)
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(DefectiveRowsError, match=rf"line 61: {detail}") as error:
        load()
    assert "; the file ends here, perhaps mid-row" in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"emotion,pixels,Usage\n", "the file has a header, but no rows"),
        (b"emotion,pixels,Usage", "the file has a header, but no rows"),
        (b"emotion,Usage\n", "not in FER2013's form, since its first line is 'emotion,Usage'"),
        (b"emotion,emotion,pixels,Usage\n", "2 columns are named 'emotion'"),
        (b'"emotion,pixels,Usage\n', "not in FER2013's form"),
        (b"train_00001.jpg 5\ntrain_00002.jpg 3\n", "A list of pictures is read by"),
        (b"emotion,Usage," + b"1 2 " * 2304 + b"\n", "no column is named 'pixels'"),
        (b"emotion,pixels,Usage\r0,1 2,Training\r", "no column is named 'Usage'"),
        ("emotion,pixels,Usage\n".encode("utf-16"), r"its first line is '\xff\xfee\x00m"),
        (b"\x00\xff\xfe" * 500_000, "no column is named 'emotion'"),
    ],
)
def test_files_that_are_something_else(
    root: Path, load: Callable[[], Faces], content: bytes, message: str
) -> None:
    root.mkdir()
    (root / "fer2013.csv").write_bytes(content)
    with pytest.raises(DataError) as error:
        load()
    assert message in str(error.value)
    assert "fer2013.csv: " in str(error.value)
    assert "What to do: " in str(error.value)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("missing", ["Training", "PublicTest", "PrivateTest"])
def test_a_split_without_rows(root: Path, load: Callable[[], Faces], missing: str) -> None:
    usages = tuple({"Training", "PublicTest", "PrivateTest"} - {missing})
    write_fer2013(root / "fer2013.csv", *make_faces(usages=usages))
    with pytest.raises(DataError, match=f"no row has the split {missing}"):
        load()


def corrupt(data: bytes) -> bytes:
    return data[:5000] + bytes(byte ^ 0xFF for byte in data[5000:5200]) + data[5200:]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="cut in half"),
        pytest.param(lambda data: data[:-3], id="last bytes missing"),
        pytest.param(lambda data: data[:6], id="cut in its header"),
        pytest.param(corrupt, id="corrupt in the middle"),
        pytest.param(lambda data: data[:-8] + b"\0" * 8, id="wrong checksum"),
        pytest.param(lambda data: data + b"garbage", id="garbage behind"),
        pytest.param(lambda data: b"\x1f\x8b\xff" + data[3:], id="unknown method"),
    ],
)
def test_truncated_or_corrupt_archive(
    root: Path, load: Callable[[], Faces], tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    path = write_fer2013(root / "fer2013.csv.gz", *make_faces(), compress=True)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=r"the archive is truncated or corrupt \(.+\)") as error:
        load()
    assert str(path) in str(error.value)
    assert "What to do: " in str(error.value)
    assert not [p for p in (tmp_path / "cache").iterdir() if p.is_dir()]


def test_a_giant_line_does_not_fill_the_memory(
    root: Path, load: Callable[[], Faces], lines: list[str]
) -> None:
    root.mkdir()
    with gzip.open(root / "fer2013.csv.gz", "wb", compresslevel=1) as file:
        file.write("\n".join(lines[:3]).encode() + b"\n3,")
        for _ in range(64):
            file.write(b"1 " * (1 << 19))
        file.write("\n".join(["", *lines[3:], ""]).encode())
    tracemalloc.start()
    try:
        with pytest.raises(DefectiveRowsError, match=r"line 4: the line is longer") as error:
            load()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error.value.total == 1
    assert peak < 16 << 20


def test_a_file_that_changes_while_it_is_read(
    root: Path, load: Callable[[], Faces], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_fer2013(root / "fer2013.csv", *make_faces())
    parse = module._parse

    def parse_and_meddle(source: Path) -> Entry:
        entry = parse(source)
        path.write_bytes(path.read_bytes() + b"\n")
        return entry

    monkeypatch.setattr(module, "_parse", parse_and_meddle)
    with pytest.raises(DataError, match="changed while it was read"):
        load()


@pytest.mark.parametrize("defects", ["fatal", "drop"])
def test_endless_broken_rows_are_not_read_to_their_end(
    root: Path, tmp_path: Path, lines: list[str], defects: Defects
) -> None:
    root.mkdir()
    text = "".join(f"{line}\n" for line in lines) + "0\n" * 100_001
    (root / "fer2013.csv.gz").write_bytes(gzip.compress(text.encode(), 1))
    with pytest.raises(DataError, match=r"more than 100,000 rows are defective, the first in line"):
        Fer2013(str(root), str(tmp_path / "cache"), defects).load()
