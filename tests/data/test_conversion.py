"""``fer data convert``: what goes in comes out, whatever is among it and whenever it is ended."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fer.cli import main as cli
from fer.data.conversion import writing
from fer.data.conversion.plan import make_plan
from fer.data.fer2013 import Fer2013
from fer.data.folder import ImageFolder
from fer.data.quality.opening import load_any
from fer.data.source import DataError
from fer.data.streaming import ConvertedFaces
from fer.labels import EMOTIONS
from tests.support.converted import contents, converted, data_convert
from tests.support.fer2013_csv import make_faces, write_fer2013
from tests.support.picture_folders import write_class_folders, write_picture

COUNTS = {"train/a": 9, "train/b": 8, "val/a": 2, "val/b": 2}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    write_class_folders(root, COUNTS, (20, 30))
    return root


def test_a_folder(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "set"
    code = data_convert(pictures, "--to", root, "--size", 16, "--fit", "stretch", "--shard", 4)
    out = capsys.readouterr().out
    assert code == 0
    assert "train 17, val 4 faces of 16×16 pixels in 2 classes\n" in out
    assert f"data=streaming data.root={root} data.size=16 data.fit=stretch\n" in out
    assert len(list(root.glob("faces-*.npy"))) == 6
    faces = ConvertedFaces(str(root), size=16, fit="stretch").load()
    expected = ImageFolder(str(pictures), size=16, fit="stretch", cache=str(tmp_path / "c")).load()
    for name, split in expected.splits.items():
        assert np.array_equal(np.asarray(faces.splits[name].images), split.images)
    # Again, nothing is done; otherwise, it is refused.
    before = contents(root)
    again = [pictures, "--to", root, "--size", 16, "--fit", "stretch", "--shard", 4]
    assert data_convert(*again) == 0
    assert contents(root) == before
    capsys.readouterr()
    assert data_convert(pictures, "--to", root, "--size", 20, "--shard", 4) == 2
    said = capsys.readouterr().err
    assert "holds another conversion: --size was 16 and is 20, --fit was stretch and is pad" in said
    with pytest.raises(DataError, match=r"--fit stretch, but data\.fit is pad"):
        ConvertedFaces(str(root), size=16, fit="pad").load()


def test_shards_of_any_size_hold_the_same_faces(pictures: Path, tmp_path: Path) -> None:
    sets = [converted(pictures, tmp_path / str(n), shard=n) for n in (5, 100)]
    assert len({one["fingerprint"] for one in sets}) == 1
    assert converted(pictures, tmp_path / "other", size=20)["fingerprint"] != sets[0]["fingerprint"]


def test_val_is_drawn_as_without_conversion(pictures: Path, tmp_path: Path) -> None:
    for path in (pictures / "val").rglob("*.png"):
        path.unlink()
    for folder in ("a", "b", ""):
        (pictures / "val" / folder).rmdir()
    facts = converted(pictures, tmp_path / "set", val_share=0.3)
    faces = ConvertedFaces(str(tmp_path / "set")).load()
    expected = ImageFolder(str(pictures), val_share=0.3, cache=str(tmp_path / "cache")).load()
    assert facts["drawn"]
    for name, split in expected.splits.items():
        assert np.array_equal(faces.splits[name].rows, split.rows)
        assert np.array_equal(np.asarray(faces.splits[name].images), split.images)


def test_fer2013(tmp_path: Path) -> None:
    images, labels, usages = make_faces(24)
    path = write_fer2013(tmp_path / "fer2013.csv", images, labels, usages)
    facts = converted(path, tmp_path / "set")
    assert facts["classes"] == list(EMOTIONS)
    faces = ConvertedFaces(str(tmp_path / "set"), fit="stretch").load()
    expected = Fer2013(str(path), str(tmp_path / "cache")).load()
    assert not faces.names
    for name, split in expected.splits.items():
        assert np.array_equal(np.asarray(faces.splits[name].images), split.images)
        assert np.array_equal(faces.splits[name].labels, split.labels)
        assert np.array_equal(faces.splits[name].rows, split.rows)


def table(folder: Path, *rows: str, header: str = "path,label,split") -> Path:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for i in range(4):
        write_picture(folder / f"{i}.png", rng.integers(0, 256, (20, 20, 3), dtype=np.uint8))
    path = folder / "table.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_table(tmp_path: Path) -> None:
    path = table(
        tmp_path / "t", "0.png,x,train,20,me", "./1.png,y,Training,40,they", "2.png,y,val,30,you",
        f"{tmp_path / 't' / '3.png'},x,test,40,", header="path,label,split,age,who",
    )  # fmt: skip
    facts = converted(path, tmp_path / "set", size=16)
    assert facts["splits"] == {"train": 2, "val": 1, "test": 1}
    faces = ConvertedFaces(str(tmp_path / "set")).load()
    assert faces.classes == ("x", "y")
    assert faces.splits["train"].labels.tolist() == [0, 1]
    assert faces.splits["val"].rows.tolist() == [2]
    assert faces.names[1] == "1.png"
    assert np.array_equal(faces.splits["train"].metadata["age"], [20, 40])
    assert faces.splits["val"].metadata["who"].tolist() == ["you"]
    assert set(ConvertedFaces(str(tmp_path / "set")).metadata_columns()) == {"age", "who"}


def test_a_table_of_emotions_has_their_order(tmp_path: Path) -> None:
    names = ["happiness", "Sad", "angry", "disgust", "fear", "surprise", "neutral"]
    rows = [f"{i % 4}.png,{name},train" for i, name in enumerate(names[:4])]
    folder = tmp_path / "t"
    table(folder)
    for i, name in enumerate(names[4:], 4):
        write_picture(folder / f"{i}.png", np.full((20, 20), i, dtype=np.uint8))
        rows.append(f"{i}.png,{name},train")
    write_picture(folder / "v.png", np.zeros((20, 20), dtype=np.uint8))
    path = table(folder, *rows, "v.png,happy,val")
    plan = make_plan(path)
    assert plan.classes == EMOTIONS
    told = ["happy", "sad", "angry", "disgust", "fear", "surprise", "neutral", "happy"]
    assert [EMOTIONS[label] for label in plan.labels] == told


@pytest.mark.parametrize(
    ("rows", "header", "why"),
    [
        (["0.png,x,train", "1.png,y,tset"], "path,label,split", "row 3 has 'tset' in the column"),
        (["0.png,x,train", "1.png,,val"], "path,label,split", "row 3 has '' in the column 'label'"),
        (["0.png,x,train", "0.png,y,train"], "path,label,split", "row 3 names 0.png again"),
        (["0.png,x,train", "1.png,y,val"], "path,label,split", "labels that no training picture"),
        (["0.png,x,train", "1.png,x,val"], "path,label,split", "the one label 'x'"),
        (["0.png,x"], "path,label,split", "row 2 has 2 fields instead of 3"),
        ([], "path,label,split", "has a header, but no rows"),
        (["0.png"], "path", "has the header 'path'; a table of pictures has the columns"),
    ],
)
def test_a_wrong_table_is_refused(
    tmp_path: Path, rows: list[str], header: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path / "t", *rows, header=header)
    assert data_convert(path, "--to", tmp_path / "set") == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


def test_broken_pictures_are_listed_and_left_out(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "train/a/000.png").write_bytes(b"no picture")
    (pictures / "train/b/007.png").write_bytes((pictures / "train/b/007.png").read_bytes()[:60])
    root = tmp_path / "set"
    for _ in range(2):
        assert data_convert(pictures, "--to", root, "--shard", 5) == 1
        said = capsys.readouterr().err
        assert "2 faces could not be read and are left out:\n" in said
        assert "  train/a/000.png: this is no picture, or a corrupt one\n" in said
    with pytest.raises(DataError, match=r"2 faces could not be read when it was made:\n  train/a"):
        ConvertedFaces(str(root)).load()
    faces = ConvertedFaces(str(root), defects="drop").load()
    assert [(f.what, f.action, f.row, f.split) for f in faces.findings] == [
        ("defect", "dropped", 0, "train"), ("defect", "dropped", 16, "train"),
    ]  # fmt: skip
    expected = ImageFolder(str(pictures), defects="drop", cache=str(tmp_path / "cache")).load()
    assert faces.findings == expected.findings
    assert np.array_equal(np.asarray(faces.splits["train"].images), expected.splits["train"].images)


def test_pictures_that_a_table_names_and_that_are_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path / "t", "0.png,x,train", "1.png,y,train", "no.png,x,val", "2.png,y,val")
    assert data_convert(path, "--to", tmp_path / "set") == 1
    assert "  no.png: No such file or directory\n" in capsys.readouterr().err
    path = table(tmp_path / "t", "0.png,x,train", "1.png,y,train", "no.png,x,val")
    assert data_convert(path, "--to", tmp_path / "set2") == 2
    assert "no faces for the split 'val' that can be read" in capsys.readouterr().err


class _StopError(Exception):
    """Where a test ends a conversion."""


@pytest.mark.parametrize("left", [0, 1, 3])
def test_it_goes_on_where_it_was_ended(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    """Ended between any two files, with half a file left, the set is the same in the end."""
    (pictures / "val/a/000.png").write_bytes(b"no picture")
    whole, root = tmp_path / "whole", tmp_path / "set"
    converted(pictures, whole, shard=4)
    calls = 0
    write = writing.written_beside

    def ends(path: Path):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += 1
        if calls > 2 * left + (left > 0):
            (path.parent / f".{path.stem}-abcdefgh{path.suffix}").write_bytes(b"half")
            raise _StopError
        return write(path)

    with monkeypatch.context() as patched:
        patched.setattr(writing, "written_beside", ends)
        with pytest.raises(_StopError):
            converted(pictures, root, shard=4)
    done = sorted(path.name for path in root.glob("faces-*.npy"))
    assert len(done) == left
    with pytest.raises(DataError, match="holds a conversion that is not finished"):
        ConvertedFaces(str(root)).load()
    stamps = [(root / name).stat().st_mtime_ns for name in done]
    converted(pictures, root, shard=4)
    assert [(root / name).stat().st_mtime_ns for name in done] == stamps, "done once"
    assert contents(root) == contents(whole)


def test_a_source_that_changes_is_refused(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "set"
    assert data_convert(pictures, "--to", root) == 0
    write_picture(pictures / "train/a/new.png", np.zeros((9, 9), dtype=np.uint8))
    assert data_convert(pictures, "--to", root) == 2
    assert "the source is another, or has changed since" in capsys.readouterr().err
    plan = make_plan(pictures)
    with pytest.raises(DataError, match="has changed while it was read"):
        writing.convert(plan, tmp_path / "b", writing.Making(), still=lambda: "another")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nowhere", "--to", "set"], "nowhere does not exist; SOURCE is a folder of pictures"),
        (["empty", "--to", "set"], "empty holds no data set that is known"),
        (["pictures", "--to", "pictures"], "lies in the source"),
        (["pictures", "--to", "pictures/train/x"], "lies in the source"),
        (["pictures", "--to", "full"], "full holds something else"),
        (["pictures", "--to", "full/file"], "is a file, not a folder"),
        (["pictures"], "--to"),
        (["pictures", "--to", "set", "--size", "8"], "must be a whole number from 16 to 1024"),
        (["pictures", "--to", "set", "--val-share", "1"], "must be a number from 0.001 to 0.999"),
    ],
)
@pytest.mark.usefixtures("pictures")
def test_wrong_use_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    why: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("mine")
    assert data_convert(*arguments) == 2
    assert why in capsys.readouterr().err
    assert (tmp_path / "full/file").read_text() == "mine"


def test_the_command_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pictures: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["fer", "data", "convert", str(pictures), "--to", ""])
    assert cli() == 2
    monkeypatch.setattr("sys.argv", ["fer", "data", "--help"])
    with pytest.raises(SystemExit):
        cli()
    assert "convert" in capsys.readouterr().out


def test_a_converted_set_is_not_checked(pictures: Path, tmp_path: Path) -> None:
    converted(pictures, tmp_path / "set")
    with pytest.raises(DataError, match="is a converted set"):
        load_any(tmp_path / "set", size=48, fit="pad", val_share=0.1)
    assert json.loads((tmp_path / "set/plan.json").read_text())["faces"] == 21


def test_it_needs_no_training_libraries(pictures: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'lightning', 'hydra', 'scipy', 'sklearn', 'jinja2', 'pyarrow'):\n"
        "    sys.modules[name] = None\n"
        "from fer.cli import main\n"
        "sys.exit(main())"
    )
    command = [sys.executable, "-c", code, "data", "convert", "pictures", "--to", "set"]
    ran = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
