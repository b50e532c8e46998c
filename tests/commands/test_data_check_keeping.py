"""``fer data check`` never writes over what it reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer.cli import main
from tests.support.fer2013_csv import make_faces, write_fer2013
from tests.support.picture_folders import write_class_folders
from tests.support.votes import write_votes


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "cache"))


def refused(capsys: pytest.CaptureFixture[str], file: Path, *arguments: object) -> None:
    before = file.read_bytes()
    assert main(["data", "check", *map(str, arguments)]) == 2
    assert "belongs to the data, which is never written over" in capsys.readouterr().err
    assert file.read_bytes() == before


@pytest.mark.parametrize("option", ["--html", "--fix", "--manifest"])
def test_fer2013_and_its_votes_stay(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, option: str
) -> None:
    faces = make_faces(21)
    file = write_fer2013(tmp_path / "data" / "fer2013.csv", *faces)
    votes = write_votes(tmp_path / "data" / "fer2013new.csv", faces[2], [[1] * 10] * 21)
    refused(capsys, file, file.parent, option, file.parent / ".." / "data" / "fer2013.csv")
    refused(capsys, votes, file, option, votes)
    other = votes.rename(tmp_path / "other.csv")
    refused(capsys, other, file, "--votes", other, option, other)


def test_pictures_and_their_table_stay(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    root = tmp_path / "pictures"
    names = list(write_class_folders(root, {"train/cat": 4, "train/dog": 4}))
    (root / "metadata.csv").write_text(f"path,age\n{names[0]},3\n", encoding="utf-8")
    refused(capsys, root / names[0], root, "--html", root / names[0])
    refused(capsys, root / "metadata.csv", root, "--fix", root / "metadata.csv")
    # Beside them there is room.
    assert main(["data", "check", str(root), "--fix", str(root / "fixes.csv")]) == 0
