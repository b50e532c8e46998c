"""The source ``fer2013``, in any of the forms in which it is passed around."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import numpy as np

from fer.core.labels import EMOTIONS
from fer.core.metadata import Columns
from fer.data._archive import first_file, open_data_file
from fer.data._csv import USAGES, parse_faces
from fer.data._fer2013_folders import is_picture_folder, list_folders, parse_folders
from fer.data._pictures import said_of
from fer.data.cache import Cache, Entry, default_folder, file_key, folder_key
from fer.data.issues import Finding
from fer.data.source import SPLITS, DataError, DataNotFoundError, Faces, Split

_LOG: Final = logging.getLogger(__name__)
_VERSION: Final = 3  # raise it when the same file would be parsed into something else
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
_SPLIT_OF: Final = dict(zip(USAGES, SPLITS, strict=True))


class Fer2013:
    """FER2013 (Goodfellow et al. 2013, "Challenges in Representation Learning"), official split.

    ``Training`` is train, ``PublicTest`` is val, ``PrivateTest`` is test. The first load parses the
    data into the cache, later ones map the cached copy into memory. The forms:

    - ``fer2013.csv`` or ``icml_face_data.csv`` (the columns in any order), plain, gzipped, or in a
      zip or tar archive that holds one of them. A face's row is its 0-based data row in the file;
      the fingerprint is the SHA-256 of the file as stored, so that of the ``.gz`` differs from
      that of the CSV inside it.
    - ``train/<emotion>/Training_*.jpg`` and ``test/<emotion>/{PublicTest,PrivateTest}_*.jpg``. The
      official split is told by the names. A face's row is its position among all files sorted by
      path; the fingerprint is a hash of their names and contents.

    Args:
        root: the folder that holds the data (see :data:`PLACES`), or the file itself; by default
            ``$FER_DATA_ROOT``.
        cache: the folder for the parsed copy; by default ``$FER_CACHE`` or the user's cache
            folder.
        defects: rows or pictures that are structurally broken: ``fatal`` refuses the whole, with a
            list of them; ``drop`` leaves them out and reports them.
        manifest: which pixels are which row; a judgement joins FER+'s votes and other systems'
            answers to folders of pictures by it (:mod:`fer.data.fer2013_reference`).

    Raises:
        ValueError: ``defects`` is something else.
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
        self._cache = Cache(Path(cache).expanduser() if cache else default_folder())
        self._drop = defects == "drop"
        self.manifest = Path(manifest).expanduser() if manifest else None

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
            DefectiveRowsError: rows of it are broken.
            DataError: it is broken otherwise.
            CacheError: the cache folder cannot be written.
            OSError: the file cannot be read.
        """
        path = self.find()
        notes: tuple[str, ...] = ()
        if path.is_dir():
            key, build, notes = self._folders(path)
        else:
            key, build = self._file(path)
        entry = self._cache.get(key, build)
        # Mapped are the images alone; the rest is small, and a copy of it can be written to.
        labels, rows = np.array(entry.arrays["labels"]), np.array(entry.arrays["rows"])
        bounds = np.searchsorted(entry.arrays["splits"], range(len(SPLITS) + 1)).tolist()
        splits = {
            name: Split(entry.arrays["images"][start:end], labels[start:end], rows[start:end])
            for name, start, end in zip(SPLITS, bounds[:-1], bounds[1:], strict=True)
        }
        names = entry.arrays["names"].tolist() if "names" in entry.arrays else ()
        return Faces(
            EMOTIONS,
            splits,
            fingerprint=entry.info["sha256"],
            origin=str(path),
            findings=tuple(
                Finding(row, _SPLIT_OF.get(usage, ""), "defect", "dropped", detail=detail)
                for row, usage, detail in entry.info["defects"]
            ),
            names=names,
            notes=notes,
        )

    def _kind(self) -> str:
        # Copies with and without broken rows would differ, so they are two entries.
        return "fer2013-sound" if self._drop else "fer2013"

    def _file(self, path: Path) -> tuple[str, Callable[[Path], Entry]]:
        key = file_key(path, self._kind(), _VERSION)

        def build(_: Path) -> Entry:
            entry = _parse(path, drop_defects=True) if self._drop else _parse(path)
            if file_key(path, self._kind(), _VERSION) != key:
                raise DataError(f"{path}: the file changed while it was read; load it again")
            return entry

        return key, build

    def _folders(self, path: Path) -> tuple[str, Callable[[Path], Entry], tuple[str, ...]]:
        files, others = list_folders(path)
        key = folder_key(path, files, self._kind(), _VERSION)

        def build(_: Path) -> Entry:
            _LOG.info("reading %s, once: later loads read the cached copy", path)
            entry = parse_folders(path, files, drop_defects=self._drop)
            if list_folders(path)[0] != files:
                raise DataError(f"{path}: files changed while they were read; load them again")
            return entry

        return key, build, said_of(path, others)

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
                f"FER2013 not found: neither data.root nor FER_DATA_ROOT is set. {advice}"
            )
        root = Path(self.root).expanduser()
        candidates = [root, *(root / place for place in PLACES)]
        path = first_file(candidates)
        folders = [root / place for place in PICTURE_PLACES]
        if path is None:
            path = next((folder for folder in folders if is_picture_folder(folder)), None)
        if path is None:
            looked = "".join(f"\n  {place}" for place in candidates[1:])
            looked += "".join(f"\n  {folder / 'train'}" for folder in folders)
            there = "" if root.exists() else f" ({root} does not exist)"
            raise DataNotFoundError(f"FER2013 not found{there}. Looked for:{looked}\n{advice}")
        return path


def _parse(path: Path, *, drop_defects: bool = False) -> Entry:
    _LOG.info("parsing %s, once: later loads read the cached copy", path)
    with open_data_file(path, _ADVICE, MEMBERS) as file:
        table = parse_faces(file.stream, str(path), _ADVICE, drop_defects=drop_defects)
        sha256 = file.sha256()
    images, labels, splits, rows = table.images, table.labels, table.splits, table.rows
    if np.any(splits[:-1] > splits[1:]):
        # The official file has one split after the other; stored so, each split is one slice.
        order = np.argsort(splits, kind="stable")
        images, labels, splits, rows = images[order], labels[order], splits[order], rows[order]
    defects = [[d.row, "", f"line {d.line}: {d.detail}"] for d in table.defects]
    counts = dict(zip(USAGES, np.bincount(splits).tolist(), strict=True))
    return Entry(
        arrays={"images": images, "labels": labels, "splits": splits, "rows": rows},
        info={"sha256": sha256, "counts": counts, "source": str(path), "defects": defects},
    )
