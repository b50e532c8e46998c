"""A converted set that lost something is made whole by the command that made it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from fer.data.streaming import ConvertedFaces
from tests.support.converted import contents, converted, data_convert
from tests.support.picture_folders import write_class_folders

COUNTS = {"train/a": 9, "train/b": 8, "val/a": 2, "val/b": 2}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("source") / "pictures"
    write_class_folders(root, COUNTS, (20, 30))
    (root / "train/a/003.png").write_bytes(b"no picture")
    (root / "metadata.csv").write_text("path,age\ntrain/a/001.png,31\n")
    return root


@pytest.fixture(scope="module")
def whole(pictures: Path) -> Path:
    root = pictures.parent / "whole"
    converted(pictures, root, shard=8)
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "set")
    return tmp_path / "set"


def again(root: Path, whole: Path) -> int:
    return data_convert(whole.parent / "pictures", "--to", root, "--shard", 8)


def cut(count: int) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(path.read_bytes()[:count])


def written(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def of_another_shard(path: Path) -> None:
    shutil.copy(path.with_name("faces-00002" + path.suffix), path)


@pytest.mark.parametrize("is_finished", [True, False], ids=["finished", "unfinished"])
@pytest.mark.parametrize(
    "harm",
    [
        Path.unlink,
        cut(1000),
        cut(-1),
        cut(0),
        of_another_shard,
    ],
    ids=["gone", "cut", "one byte less", "empty", "another"],
)
def test_a_shard_is_made_again(
    whole: Path,
    root: Path,
    capsys: pytest.CaptureFixture[str],
    harm: Callable[[Path], object],
    is_finished: bool,
) -> None:
    if not is_finished:
        (root / "set.json").unlink()
    harm(root / "faces-00001.npy")
    before = (root / "faces-00000.npy").stat().st_mtime_ns
    assert again(root, whole) == 1
    assert ("made again" in capsys.readouterr().err) == (is_finished or harm is not Path.unlink)
    assert contents(root) == contents(whole)
    assert (root / "faces-00000.npy").stat().st_mtime_ns == before, "what is whole is kept"


@pytest.mark.parametrize(
    "harm",
    [
        Path.unlink,
        cut(100),
        cut(0),
        written(b"x" * 500),
        of_another_shard,
        lambda path: np.savez(path, kept=np.arange(8)),
    ],
    ids=["gone", "cut", "empty", "bytes", "another", "not all"],
)
def test_what_was_found_is_found_again(
    whole: Path,
    root: Path,
    capsys: pytest.CaptureFixture[str],
    harm: Callable[[Path], object],
) -> None:
    (root / "set.json").unlink()
    harm(root / "faces-00001.npz")
    assert again(root, whole) == 1
    assert "faces-00001.npz is " in capsys.readouterr().err
    assert contents(root) == contents(whole)


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("set.json", written(b'{"format": 1}')),
        ("set.json", written(b"{")),
        ("names.txt", cut(0)),
        ("train.labels.npy", cut(-8)),
        ("train.rows.npy", Path.unlink),
        ("val.metadata-0.npy", Path.unlink),
    ],
    ids=["keys", "json", "names", "labels", "rows", "metadata"],
)
def test_the_rest_is_written_again(
    whole: Path,
    root: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    harm: Callable[[Path], object],
) -> None:
    harm(root / name)
    stamps = [path.stat().st_mtime_ns for path in sorted(root.glob("faces-*"))]
    assert again(root, whole) == 1
    assert f"{name} is missing or damaged" in capsys.readouterr().err
    assert contents(root) == contents(whole)
    assert [path.stat().st_mtime_ns for path in sorted(root.glob("faces-*"))] == stamps
    ConvertedFaces(str(root), defects="drop").load()


@pytest.mark.parametrize("name", ["faces-00001.npy", "blank.npy"])
def test_a_full_disk_is_told_with_the_file(
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    save, stem = np.save, Path(name).stem

    def full(file: Path | IO[bytes], array: Any, **options: Any) -> None:
        if isinstance(file, Path) and file.name.startswith(f".{stem}-"):
            # So NumPy says it, without an errno.
            raise OSError("6400 requested and 2304 written")
        save(file, array, **options)

    root = tmp_path / "new"
    with monkeypatch.context() as patched:
        patched.setattr(np, "save", full)
        assert again(root, whole) == 2
    said = capsys.readouterr().err
    assert f"{root / name} can't be written (6400 requested and 2304 written: is the disk" in said
    assert again(root, whole) == 1
    assert contents(root) == contents(whole)


def test_what_is_hidden_is_no_content(whole: Path, tmp_path: Path) -> None:
    """What others who begin at the same moment, or were killed, have there."""
    root = tmp_path / "new"
    root.mkdir()
    (root / ".fer-abcdefgh.tmp").touch()
    (root / ".plan-abcdefgh.json").write_text("{")
    assert again(root, whole) == 1
    assert contents(root) == contents(whole)


def test_several_begin_at_once(whole: Path, tmp_path: Path) -> None:
    """One of them makes the set; the others say so, and not that the folder holds something."""
    source = str(whole.parent / "pictures")
    command = [sys.executable, "-m", "fer.cli", "data", "convert", source, "--to", "new"]
    running = [
        subprocess.Popen(
            [*command, "--shard", "8"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    said = [one.communicate()[1].decode() for one in running]
    codes = [one.returncode for one in running]
    # Who comes when the first has done finds it done.
    assert 1 in codes
    for code, text in zip(codes, said, strict=True):
        assert code == 1 or (code == 2 and "another process is writing to new" in text), said
    assert contents(tmp_path / "new") == contents(whole)
