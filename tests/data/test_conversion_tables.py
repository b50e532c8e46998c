"""``fer data convert TABLE``: what is wrong with a table is said in words that help."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.support.converted import data_convert
from tests.support.picture_folders import write_picture

GOOD = "path,label,split\n0.png,x,train\n1.png,y,train\n2.png,x,val\n3.png,y,val\n"
ADVICE = "a table of pictures has the columns path and label, and perhaps split and others"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for i in range(4):
        write_picture(tmp_path / f"{i}.png", rng.integers(0, 256, (20, 20), dtype=np.uint8))
    return tmp_path


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (GOOD.replace(",", ";").encode(), f"separates its columns by semicolons (its header is "
         f"'path;label;split'); {ADVICE}"),
        (GOOD.replace(",", "\t").encode(),
         f"by tabs (its header is 'path\\tlabel\\tsplit'); {ADVICE}"),
        (GOOD.encode("utf-16"), f"is text in UTF-16, or no text; {ADVICE}"),
        (GOOD.encode("utf-16-be"), f"is text in UTF-16, or no text; {ADVICE}"),
        (b"", f"is empty; {ADVICE}"),
        (b"\n" + GOOD.encode(), f"begins with an empty line; {ADVICE}"),
        (GOOD.replace("label", "class").encode(), f"has the header 'path,class,split'; {ADVICE}"),
        (GOOD.replace("path,label", '"path" , "label"').encode(),
         "in UTF-8 (line 1: ',' expected after '\"': quotes stand at both ends of a cell"),
        (GOOD.replace("2.png", '"2".png').encode(),
         "is no table of comma-separated values in UTF-8 (line 4: "),
        (b"image,emotion\n0.png,happy\n", "has the header 'image,emotion'; a table of pictures"),
        (GOOD.encode() + b"caf\xe9.png,x,val\n",
         "is no table of comma-separated values in UTF-8 (line 6: "),
        (GOOD.replace("train", "test").encode(), "has no row for train, only for test, val: "),
        (GOOD.replace("0.png,x", '"0\n\x1b[31m.png",x').replace("1.png", '"0\n\x1b[31m.png"')
         .encode(), "row 3 names '0\\n\\x1b[31m.png' again"),
        (GOOD.replace("2.png,x", '2.png,"z\x1b[2J"').encode(),
         "labels that no training picture has: 'z\\x1b[2J'; those of train are x, y. "),
    ],
)  # fmt: skip
def test_a_wrong_table(
    folder: Path, content: bytes, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "table.csv"
    path.write_bytes(content)
    assert data_convert(path, "--to", folder / "set") == 2
    said = capsys.readouterr().err
    assert why in said
    assert "Kaggle" not in said
    assert "\x1b" not in said
    assert said.count("\n") == 1
    assert not (folder / "set").exists()


def test_fer2013_is_told_by_its_columns(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "table.csv").write_text("emotion,pixels\n0,1 2 3\n")
    assert data_convert(folder / "table.csv", "--to", folder / "set") == 2
    assert "no column is named 'Usage'" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="pipes and devices are POSIX")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a\0b.png", "'a\\x00b.png': embedded null byte"),
        ("/dev/zero", "/dev/zero: this is a pipe or a device, and no file"),
        ("pipe.png", "pipe.png: this is a pipe or a device, and no file"),
        (".", ".: Is a directory"),
        ("no\n\x1b[31m.png", "'no\\n\\x1b[31m.png': No such file or directory"),
    ],
    ids=["nul", "device", "pipe", "folder", "escapes"],
)
def test_what_is_no_picture_is_listed(
    folder: Path, name: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(folder / "pipe.png")
    (folder / "table.csv").write_text(f'{GOOD}"{name}",x,train\n')
    for _ in range(2):
        assert data_convert(folder / "table.csv", "--to", folder / "set") == 1
        said = capsys.readouterr().err
        assert said.endswith(f"1 faces could not be read and are left out:\n  {told}\n")


@pytest.mark.skipif(os.name == "nt", reason="pipes are POSIX")
def test_a_pipe_among_pictures_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split in ("train", "val"):
        for i, name in enumerate(("a", "b")):
            write_picture(
                tmp_path / "p" / split / name / "0.png", np.full((9, 9), i, dtype=np.uint8)
            )
    os.mkfifo(tmp_path / "p/train/a/1.png")
    assert data_convert(tmp_path / "p", "--to", tmp_path / "set") == 1
    assert "  train/a/1.png: this is a pipe or a device, and no file\n" in capsys.readouterr().err
