"""Pictures that a table names: read as those in folders, in the order of the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fer.data import disk_images
from fer.data.augmentation import Augmentation
from fer.data.cleaning.clean import Cleaned, Cleaning
from fer.data.datamodule import FaceDataModule
from fer.data.disk_images import DiskImages, in_memory
from fer.data.source import DataNotFoundError, Faces, Source
from fer.data.sources import FaceTable, ImageFolder
from tests.support.errors import raises
from tests.support.picture_folders import write_class_folders

COUNTS = {
    f"{split}/{name}": n for split, n in (("train", 6), ("val", 3)) for name in ("cat", "dog")
}


def rows_of_table(root: Path) -> list[dict[str, Any]]:
    names = sorted(write_class_folders(root, COUNTS), reverse=True)
    parts = [name.split("/") for name in names]
    return [
        {"path": name, "label": label, "split": split, "age": 20 + number}
        for number, (name, (split, label, _)) in enumerate(zip(names, parts, strict=True))
    ]


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def load(path: Path, **options: Any) -> Faces:
    return FaceTable(str(path), cache=str(path.parent / "cache"), **options).load()


def test_csv_and_parquet_give_the_faces_of_the_folders(tmp_path: Path) -> None:
    rows = rows_of_table(tmp_path)
    other_words = {"train": "Training", "val": "validation"}
    renamed = [row | {"split": other_words[row["split"]]} for row in rows]
    csv = write_csv(tmp_path / "faces.csv", renamed)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "faces.parquet")
    folders = ImageFolder(str(tmp_path), cache=str(tmp_path / "cache")).load()
    for path in (csv, tmp_path / "faces.parquet"):
        faces = load(path)
        assert faces.classes == folders.classes
        for name, split in faces.splits.items():
            other = folders.splits[name]
            ours = {faces.names[row]: i for i, row in enumerate(split.rows)}
            order = [ours[folders.names[row]] for row in other.rows]
            np.testing.assert_array_equal(split.images[order], other.images)
            np.testing.assert_array_equal(split.labels[order], other.labels)
            np.testing.assert_array_equal(split.metadata["age"], split.rows + 20)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"path": "train/cat/none.png"}, "file_not_found"),
        ({"path": "../out.png"}, "wrong_path"),
        ({"path": "/out.png"}, "wrong_path"),
        ({"path": ""}, "wrong_path"),
        ({"path": "./val/dog/002.png"}, "row_twice"),
        ({"split": "exam"}, "wrong_split"),
        ({"label": ""}, "no_label"),
        ({"label": "bird", "split": "val"}, "unknown_label"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, changed: dict[str, str], code: str) -> None:
    rows = rows_of_table(tmp_path)
    rows[1] |= changed
    with raises(code, "faces.csv:3"):
        load(write_csv(tmp_path / "faces.csv", rows))


def test_tables_of_another_kind(tmp_path: Path) -> None:
    with raises("data_not_found", "faces.csv", DataNotFoundError):
        load(tmp_path / "faces.csv")
    with raises("wrong_header", "faces.csv:1"):
        load(write_csv(tmp_path / "faces.csv", [{"path": "a.png", "emotion": "sad"}]))
    with raises("too_few_classes", "faces.csv"):
        load(write_csv(tmp_path / "faces.csv", [{"path": "a.png", "label": "sad"}]))
    (tmp_path / "faces.parquet").write_bytes(b"PAR1")
    with raises("not_a_table", "faces.parquet"):
        load(tmp_path / "faces.parquet")


def test_val_is_drawn_where_there_is_none_and_broken_pictures_are_listed(tmp_path: Path) -> None:
    rows = [row for row in rows_of_table(tmp_path) if row["split"] == "train"]
    path = write_csv(tmp_path / "faces.csv", rows)
    faces = load(path, val_share=0.3)
    assert [len(faces.splits[name]) for name in ("train", "val")] == [8, 4]
    (tmp_path / rows[2]["path"]).write_bytes(b"no picture")
    with raises("broken_pictures", rows[2]["path"]):
        load(path)
    faces = load(path, defects="drop")
    assert [finding.row for finding in faces.findings] == [2]
    assert sum(map(len, faces.splits.values())) == 11


class _Loaded:
    def __init__(self, faces: Faces) -> None:
        self.faces = faces

    def class_names(self) -> tuple[str, ...]:
        return self.faces.classes

    def metadata_columns(self) -> dict[str, Any]:
        return {}

    def load(self) -> Faces:
        return self.faces


def batches(source: Source, workers: int) -> list[Any]:
    data = FaceDataModule(
        source,
        Augmentation(flip=0.5),
        size=48,
        batch_size=4,
        resident=False,
        workers=workers,
        seed=1,
    )
    return [batch["image"].numpy() for batch in data.train_dataloader()]


def test_large_sets_stay_on_the_disk_and_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_of_table(tmp_path)
    # An exact copy, which cleaning drops without reading the others into memory.
    copy = tmp_path / "copy.png"
    copy.write_bytes((tmp_path / rows[-1]["path"]).read_bytes())
    rows.append({"path": "copy.png", "label": rows[-1]["label"], "split": "train", "age": 1})
    path = write_csv(tmp_path / "faces.csv", rows)
    cleaning = Cleaning(duplicates="within")
    held = Cleaned(_Loaded(load(path)), cleaning).load()
    monkeypatch.setattr(disk_images, "LARGE", 0)
    disk = Cleaned(_Loaded(load(path)), cleaning).load()
    assert isinstance(disk.splits["train"].images, DiskImages)
    assert disk.findings == held.findings
    for name, split in in_memory(disk, "train", "val").splits.items():
        np.testing.assert_array_equal(split.images, held.splits[name].images)
    images, expected = disk.splits["train"].images, np.asarray(held.splits["train"].images)
    for key in (
        0,
        -1,
        slice(1, 5, 2),
        np.array([5, 0, 0]),
        expected[:, 0, 0] > 9,
        (2, slice(3), 4),
    ):
        np.testing.assert_array_equal(images[key], expected[key])
    with pytest.raises(IndexError):
        images[len(images)]
    for workers in (0, 2):
        for ours, theirs in zip(
            batches(_Loaded(disk), workers), batches(_Loaded(held), 0), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)


def test_a_file_that_was_cut_off_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_images, "LARGE", 0)
    images = load(write_csv(tmp_path / "faces.csv", rows_of_table(tmp_path))).splits["train"].images
    (file,) = (tmp_path / "cache").rglob("images.npy")
    file.write_bytes(file.read_bytes()[:3000])
    with raises("cache_damaged", "images.npy"):
        np.asarray(images)
