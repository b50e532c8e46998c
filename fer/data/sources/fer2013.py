"""The source ``fer2013``, in any of the forms in which it is passed around."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from fer.core.labels import EMOTIONS, classes_of
from fer.core.metadata import Columns
from fer.data.cache import Cache, Entry, file_key, folder_of
from fer.data.issues import Finding
from fer.data.source import SPLITS, DataError, DataNotFoundError, Faces, Split
from fer.data.sources.archives import first_file, open_data_file
from fer.data.sources.fer2013_csv import SIDE, USAGES, parse_faces
from fer.data.sources.folder import split_folders, split_of
from fer.data.sources.pictures import (
    Listing,
    PictureFiles,
    PictureSource,
    folders_in,
    note_left_out,
    pictures_in,
)
from fer.pixels import Image, square_grey

_LOG: Final = logging.getLogger(__name__)
_VERSION: Final = 4  # raise it when the same file would be parsed into something else
_KAGGLE: Final = "challenges-in-representation-learning-facial-expression-recognition-challenge"

#: The file that archives are searched for, by these names.
MEMBERS: Final[tuple[str, ...]] = ("fer2013.csv", "icml_face_data.csv")

_NAMES: Final = (
    "fer2013.csv",
    "fer2013.csv.gz",
    "icml_face_data.csv",
    "icml_face_data.csv.gz",
    "fer2013.tar.gz",
    "fer2013.zip",
    f"{_KAGGLE}.zip",
)

#: Where the file is looked for below ``data.root``, in this order: the plain file first, since it
#: is read without unpacking. Where there is none of them, folders of pictures are looked for.
PLACES: Final[tuple[str, ...]] = tuple(
    f"{folder}{name}" for pair in (_NAMES[:2], _NAMES[2:]) for folder in ("", "fer2013/")
    for name in pair
)  # fmt: skip

#: The folders that may hold ``train`` and ``test`` with a folder of pictures an emotion.
PICTURE_PLACES: Final[tuple[str, ...]] = ("", "fer2013")

Defects = Literal["fatal", "drop"]

_GET: Final = f"take fer2013.tar.gz from the Kaggle competition {_KAGGLE!r}"
_ADVICE: Final = (
    f"What to do: {_GET} again, or correct this file. data.clean.defects=drop leaves broken rows "
    "out."
)
_INSTEAD: Final = (
    "To train on the folders as they are, with a validation split taken from train/, use "
    "data=folder data.root=FOLDER."
)
#: The splits whose pictures the folders may hold.
_FOLDERS: Final = {"train": ("Training",), "test": ("PublicTest", "PrivateTest")}
_PICTURE: Final = re.compile(rf"({'|'.join(USAGES)})_\d+\.\w+")


class Fer2013:
    """FER2013 (Goodfellow et al. 2013, "Challenges in Representation Learning"), official split.

    ``Training`` is train, ``PublicTest`` is val, ``PrivateTest`` is test. The first load parses the
    data into the cache, later ones map the cached copy into memory. The forms:

    - ``fer2013.csv`` or ``icml_face_data.csv`` (the columns in any order), plain, gzipped, or in a
      zip or tar archive that holds one of them. A face's row is its 0-based data row in the file;
      the fingerprint is the SHA-256 of the file as stored, so that of the ``.gz`` differs from
      that of the CSV inside it.
    - ``train/<emotion>/Training_*.jpg`` and ``test/<emotion>/{PublicTest,PrivateTest}_*.jpg``. The
      names tell the official split. A face's row is its position among all files sorted by path;
      the fingerprint is a hash of their names and contents.

    Args:
        root: the folder that holds the data (see :data:`PLACES`), or the file itself; by default
            ``$FER_DATA_ROOT``.
        cache: the folder for the parsed copy; by default ``$FER_CACHE`` or the user's cache
            folder.
        defects: rows or pictures that are structurally broken: ``fatal`` refuses the whole, with a
            list of them; ``drop`` leaves them out and reports them.
        manifest: which pixels are which row; an evaluation joins FER+'s votes and other systems'
            answers to folders of pictures by it (:mod:`fer.data.benchmark`).
    """

    def __init__(
        self,
        root: str | None = None,
        cache: str | None = None,
        defects: Defects = "fatal",
        manifest: str | None = None,
    ) -> None:
        if defects not in ("fatal", "drop"):
            raise ValueError(f"defects must be fatal or drop, not {defects!r}")
        self.root = root or os.environ.get("FER_DATA_ROOT")
        self.manifest = Path(manifest).expanduser() if manifest else None
        self._cache = cache
        self._defects: Defects = defects

    def class_names(self) -> tuple[str, ...]:
        """Return the seven emotions."""
        return EMOTIONS

    def metadata_columns(self) -> Columns:
        """Return nothing: these pictures come without metadata."""
        return {}

    def load(self) -> Faces:
        """Return the faces: uint8 ``[N, 48, 48]`` images, read-only maps of the cached copy.

        Raises:
            DataNotFoundError: there is no such file.
            DataError: rows of it are broken (code ``defective_rows``), or it is broken otherwise.
            CacheError: the cache folder cannot be written.
        """
        path = self.find()
        if path.is_dir():
            return _OfficialFolders(str(path), cache=self._cache, defects=self._defects).load()
        # Copies with and without broken rows differ, so they are two entries.
        kind = "fer2013" if self._defects == "fatal" else "fer2013-sound"
        key = file_key(path, kind, _VERSION)

        def build(_: Path) -> Entry:
            entry = _parse(path, drop_defects=self._defects == "drop")
            if file_key(path, kind, _VERSION) != key:
                raise DataError(
                    f"{path}: the file changed while it was read; load it again",
                    code="changed_meanwhile",
                    where=str(path),
                )
            return entry

        entry = Cache(folder_of(self._cache)).get(key, build)
        # Mapped are the images alone; the rest is small, and a copy of it can be written to.
        labels, rows = np.array(entry.arrays["labels"]), np.array(entry.arrays["rows"])
        bounds = np.searchsorted(entry.arrays["splits"], range(len(SPLITS) + 1)).tolist()
        splits = {
            name: Split(entry.arrays["images"][start:end], labels[start:end], rows[start:end])
            for name, start, end in zip(SPLITS, bounds[:-1], bounds[1:], strict=True)
        }
        return Faces(
            EMOTIONS,
            splits,
            fingerprint=entry.info["sha256"],
            origin=str(path),
            findings=tuple(
                Finding(row, "", "defect", "dropped", detail=detail)
                for row, detail in entry.info["defects"]
            ),
        )

    def find(self) -> Path:
        """Return the file, or the folder of folders of pictures.

        Raises:
            DataNotFoundError: there is none.
        """
        advice = (
            f"To get it, {_GET}; then set FER_DATA_ROOT=FOLDER or data.root=FOLDER. "
            "data=synthetic works without any data."
        )
        if not self.root:
            raise DataNotFoundError(
                f"FER2013 not found: neither data.root nor FER_DATA_ROOT is set. {advice}",
                code="no_root",
                where="data.root",
            )
        root = Path(self.root).expanduser()
        candidates = [root, *(root / place for place in PLACES)]
        folders = [root / place for place in PICTURE_PLACES]
        path = first_file(candidates) or next((f for f in folders if has_train(f)), None)
        if path is None:
            looked = "".join(f"\n  {place}" for place in candidates[1:])
            looked += "".join(f"\n  {folder / 'train'}" for folder in folders)
            there = "" if root.exists() else f" ({root} does not exist)"
            raise DataNotFoundError(
                f"FER2013 not found{there}. Looked for:{looked}\n{advice}",
                code="data_not_found",
                where=str(root),
            )
        return path


def _parse(path: Path, *, drop_defects: bool) -> Entry:
    _LOG.info("parsing %s, once: later loads read the cached copy", path)
    with path.open("rb") as stored:
        sha256 = hashlib.file_digest(stored, "sha256").hexdigest()
    with open_data_file(path, _ADVICE, MEMBERS) as stream:
        table = parse_faces(stream, str(path), _ADVICE, drop_defects=drop_defects)
    images, labels, splits, rows = table.images, table.labels, table.splits, table.rows
    if np.any(splits[:-1] > splits[1:]):
        # The official file has one split after the other; stored so, each split is one slice.
        order = np.argsort(splits, kind="stable")
        images, labels, splits, rows = images[order], labels[order], splits[order], rows[order]
    return Entry(
        arrays={"images": images, "labels": labels, "splits": splits, "rows": rows},
        info={"sha256": sha256, "source": str(path), "defects": table.defects},
    )


def has_train(path: Path) -> bool:
    """Return True if a folder holds folders of splits, such as FER2013 as pictures."""
    return "train" in split_folders(path)


def is_official(path: Path) -> bool:
    """Return True if a folder is FER2013 as pictures, whose names tell the official split."""
    roots = split_folders(path)
    return [*roots] == [*_FOLDERS] and all(
        _usage_of(name) in usages
        for split, usages in _FOLDERS.items()
        for name in pictures_in(path, roots[split]).names
    )


def _usage_of(name: str) -> str:
    """Return the official split that the name of a picture tells, empty where it tells none."""
    match = _PICTURE.fullmatch(name.rpartition("/")[2])
    return match[1] if match else ""


class _OfficialFolders(PictureSource):
    """FER2013 as folders of pictures, with the official split that their names tell."""

    kind = "fer2013-pictures"

    def listing(self) -> Listing:
        assert self.root is not None  # noqa: S101 - it was found
        root, roots = self.root, split_folders(self.root)
        files, others = PictureFiles(), dict[str, list[str]]()
        read = [roots.get(split) for split in _FOLDERS]
        if strange := [name for name in folders_in(root) if name not in read]:
            others["folder"] = strange
        for split in _FOLDERS:
            if (folder := roots.get(split)) is None:
                raise _misfit(f"{root}: there is no folder {split}, beside the other", root / split)
            names = folders_in(root / folder)
            _, meaning = classes_of(EMOTIONS, names)
            if unknown := [name for name in names if name not in meaning]:
                raise _misfit(
                    f"{root / folder}: {unknown[0]!r} is none of the seven emotions "
                    f"({', '.join(EMOTIONS)}). {_INSTEAD}",
                    root / folder / unknown[0],
                )
            for name in names:
                pictures_in(root, folder, name, others=others, files=files)
        files = files.sorted()
        usages = self._official_split(files.names)
        folders = [name.split("/")[1] for name in files.names]
        _, meaning = classes_of(EMOTIONS, folders)
        labels = [EMOTIONS.index(meaning[folder]) for folder in folders]
        return Listing(
            root,
            files,
            EMOTIONS,
            np.array([USAGES.index(usage) for usage in usages], dtype=np.int64),
            np.array(labels, dtype=np.int64),
            notes=note_left_out(root, others),
        )

    def load(self) -> Faces:
        faces = super().load()
        for name, usage in zip(SPLITS, USAGES, strict=True):
            if name not in faces.splits:
                raise DataError(
                    f"{self.root}: no usable picture has the split {usage}. {_INSTEAD}",
                    code="no_split",
                    where=str(self.root),
                )
        return faces

    def fingerprint(self, contents: str, *_: object) -> str:
        return contents

    def draw_val(self, labels: Any, _: str) -> Any:
        return np.zeros(len(labels), dtype=np.bool_)  # The official split is never replaced.

    def convert(self, image: Image) -> Image:
        if image.shape[:2] != (SIDE, SIDE):
            height, width = image.shape[:2]
            raise ValueError(f"{width}×{height} pixels instead of {SIDE}×{SIDE}")
        return square_grey(image, SIDE)

    def _official_split(self, names: list[str]) -> list[str]:
        usages = [_usage_of(name) for name in names]
        for name, usage in zip(names, usages, strict=True):
            if usage and usage not in _FOLDERS[split_of(name)]:
                folder = name.partition("/")[0]
                raise _misfit(
                    f"{self.root}: {name} is in {folder}/, but its name says {usage}: the "
                    "folders are not FER2013 as it was published",
                    name,
                )
        if untold := [name for name, usage in zip(names, usages, strict=True) if not usage]:
            raise _misfit(
                f"{self.root}: {len(untold):,} of {len(names):,} pictures have names that do not "
                f"tell their official split, such as {untold[0]}. FER2013's are Training_N, "
                "PublicTest_N and PrivateTest_N; without them PublicTest, which is to choose by, "
                f"and PrivateTest, which is to score once, cannot be told apart. {_INSTEAD}",
                untold[0],
            )
        return usages


def _misfit(message: str, where: object) -> DataError:
    return DataError(message, code="not_official", where=str(where))
