"""Every form in which faces lie on disk, written small, and the overrides that read it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.support.fer2013_archives import write_tar, write_zip
from tests.support.fer2013_csv import make_faces, row_text, write_fer2013, write_lines
from tests.support.picture_folders import (
    write_class_folders,
    write_clip_folders,
    write_fer2013_folders,
)
from tests.support.votes import write_votes

#: Faces in all, a third of them in each split.
COUNT = 42


def _fer2013(root: Path) -> tuple[str, ...]:
    return ("data=fer2013", f"data.root={root}")


def _csv(root: Path) -> tuple[str, ...]:
    write_fer2013(root / "fer2013.csv", *make_faces(COUNT))
    return _fer2013(root)


def _csv_gz(root: Path) -> tuple[str, ...]:
    write_fer2013(root / "fer2013.csv.gz", *make_faces(COUNT), compress=True)
    return _fer2013(root)


def _content() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write_fer2013(Path(folder) / "fer2013.csv", *make_faces(COUNT)).read_bytes()


def _zip(root: Path) -> tuple[str, ...]:
    write_zip(root / "fer2013.zip", {"fer2013.csv": _content()})
    return _fer2013(root)


def _tar_gz(root: Path) -> tuple[str, ...]:
    write_tar(root / "fer2013.tar.gz", {"fer2013/fer2013.csv": _content()})
    return _fer2013(root)


def _icml(root: Path) -> tuple[str, ...]:
    lines = ["emotion, Usage, pixels"]
    for row in zip(*make_faces(COUNT), strict=True):
        label, pixels, usage = row_text(*row).split(",")
        lines.append(f"{label},{usage},{pixels}")
    write_lines(root / "icml_face_data.csv", lines)
    return _fer2013(root)


def _pictures(root: Path) -> tuple[str, ...]:
    write_fer2013_folders(root, *make_faces(COUNT))
    return _fer2013(root)


def _votes(root: Path) -> tuple[str, ...]:
    """Return the overrides of faces with six votes for their label and four for the next."""
    images, labels, usages = make_faces(COUNT)
    write_fer2013(root / "fer2013.csv", images, labels, usages)
    # FER2013's label as one of FER+'s columns.
    column = (4, 5, 6, 1, 3, 2, 0)
    votes = [[0] * 10 for _ in labels]
    for counts, label in zip(votes, labels, strict=True):
        counts[column[label]] += 6
        counts[column[(label + 1) % 7]] += 4
    write_votes(root / "fer2013new.csv", usages, votes)
    return ("data=ferplus", f"data.root={root}")


def _distribution(root: Path) -> tuple[str, ...]:
    return (*_votes(root), "data.target=distribution", "loss=soft")


def _label_and_votes(root: Path) -> tuple[str, ...]:
    _votes(root)
    return ("data=fer2013_votes", f"data.root={root}")


def _folder(root: Path) -> tuple[str, ...]:
    sizes = {"train": 9, "val": 4, "test": 5}
    counts = {f"{split}/{name}": n for split, n in sizes.items() for name in ("cat", "dog")}
    write_class_folders(root, counts)
    return ("data=folder", f"data.root={root}")


def _clip_folders(root: Path) -> tuple[str, ...]:
    sizes = {"train": 9, "val": 4, "test": 5}
    write_clip_folders(root, {f"{s}/{name}": n for s, n in sizes.items() for name in ("yes", "no")})
    return ("data=clips", f"data.root={root}", "data.frames=4")


def _clip_table(root: Path) -> tuple[str, ...]:
    sizes = {"train": 9, "val": 4, "test": 5}
    counts = {f"{split}/{name}": n for split, n in sizes.items() for name in ("yes", "no")}
    lines = ["path,label,split"]
    for name in write_clip_folders(root, counts):
        split, label, _ = name.split("/")
        lines.append(f"{name},{label},{split}")
    write_lines(root / "clips.csv", lines)
    return ("data=clips", f"data.labels={root}/clips.csv", "data.frames=4")


def _synthetic_clips(root: Path) -> tuple[str, ...]:
    counts = (f"data.source.{s}=14" for s in ("train", "val", "test"))
    return ("data=synthetic_clips", "data.frames=8", *counts)


def _table(root: Path) -> tuple[str, ...]:
    sizes = {"train": 9, "val": 4, "test": 5}
    counts = {f"{split}/{name}": n for split, n in sizes.items() for name in ("cat", "dog")}
    lines = ["path,label,split,age"]
    for number, name in enumerate(write_class_folders(root, counts)):
        split, label, _ = name.split("/")
        lines.append(f"{name},{label},{split},{20 + number}")
    write_lines(root / "faces.csv", lines)
    return ("data=table", f"data.root={root / 'faces.csv'}")


def _synthetic(root: Path) -> tuple[str, ...]:
    return ("data=synthetic", *(f"data.source.{s}=14" for s in ("train", "val", "test")))


#: By name, what writes a form below a folder and returns the overrides that read it.
FORMS: dict[str, Callable[[Path], tuple[str, ...]]] = {
    "fer2013.csv": _csv,
    "fer2013.csv.gz": _csv_gz,
    "fer2013.zip": _zip,
    "fer2013.tar.gz": _tar_gz,
    "icml_face_data.csv": _icml,
    "pictures of FER2013": _pictures,
    "FER+, majority": _votes,
    "FER+, distribution": _distribution,
    "FER2013 and FER+'s votes": _label_and_votes,
    "folders of classes": _folder,
    "a table": _table,
    "synthetic": _synthetic,
    "clips in folders": _clip_folders,
    "clips in a table": _clip_table,
    "synthetic clips": _synthetic_clips,
}
