"""Files among pictures that are none, or whose names are no text."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fer.data.folder import ImageFolder
from fer.data.source import DataError
from tests.support.picture_folders import write_class_folders


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin", reason="names are text there")
@pytest.mark.parametrize("place", [b"train/cat/\xff.png", b"train/c\xffat/1.png"])
def test_names_that_are_no_text_are_told(tmp_path: Path, place: bytes) -> None:
    names = list(write_class_folders(tmp_path / "data", {"train/cat": 2, "train/dog": 2}))
    target = tmp_path / "data" / os.fsdecode(place)
    target.parent.mkdir(exist_ok=True)
    (tmp_path / "data" / names[0]).rename(target)
    with pytest.raises(DataError, match=r"xff.* is no UTF-8: rename it"):
        ImageFolder(str(tmp_path / "data"), cache=str(tmp_path / "cache")).load()


@pytest.mark.skipif(os.name == "nt", reason="pipes are POSIX")
def test_a_pipe_among_them_is_a_defect(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_class_folders(root, {"train/cat": 2, "train/dog": 2, "val/cat": 1, "val/dog": 1})
    os.mkfifo(root / "train/cat/pipe.png")
    why = "train/cat/pipe.png: this is a pipe or a device, and no file"
    with pytest.raises(DataError, match=f"1 of 7 pictures cannot be used:\n  {why}"):
        ImageFolder(str(root), cache=str(tmp_path / "cache")).load()
    faces = ImageFolder(str(root), cache=str(tmp_path / "cache"), defects="drop").load()
    assert [finding.detail for finding in faces.findings] == [why]
    assert len(faces.splits["train"]) == 4
