"""The source ``fer2013``: the CSV file of the Kaggle challenge, plain or gzipped."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

import numpy as np

from fer.data._archive import first_file, open_data_file
from fer.data._csv import USAGES, parse_faces
from fer.data.cache import Cache, Entry, default_folder, file_key
from fer.data.source import SPLITS, DataError, DataNotFoundError, Faces, Split
from fer.labels import EMOTIONS

_LOG: Final = logging.getLogger(__name__)
_VERSION: Final = 1  # raise it when the same file would be parsed into something else

#: Where the file is looked for below ``data.root``, in this order: the plain file first, since it
#: is read without unpacking.
PLACES: Final[tuple[str, ...]] = (
    "fer2013.csv",
    "fer2013.csv.gz",
    "fer2013/fer2013.csv",
    "fer2013/fer2013.csv.gz",
)

_KAGGLE: Final = "challenges-in-representation-learning-facial-expression-recognition-challenge"
_GET: Final = f"unpack fer2013.csv from fer2013.tar.gz of the Kaggle competition {_KAGGLE!r}"
_ADVICE: Final = f"What to do: {_GET} again, or correct this file."


class Fer2013:
    """FER2013 (Goodfellow et al. 2013, "Challenges in Representation Learning"), official split.

    ``Training`` is train, ``PublicTest`` is val, ``PrivateTest`` is test. A face's row is its
    0-based data row in the CSV file. The first load parses the file into the cache, later ones
    map the cached copy into memory. The fingerprint is the SHA-256 of the file as stored, so
    that of the ``.gz`` differs from that of the CSV inside it.

    Args:
        root: the folder that holds the file (see :data:`PLACES`), or the file itself; by default
            ``$FER_DATA_ROOT``.
        cache: the folder for the parsed copy; by default ``$FER_CACHE`` or the user's cache
            folder.
    """

    def __init__(self, root: str | None = None, cache: str | None = None) -> None:
        self._root = root or os.environ.get("FER_DATA_ROOT")
        self._cache = Cache(Path(cache).expanduser() if cache else default_folder())

    def class_names(self) -> tuple[str, ...]:
        """Return the seven emotions."""
        return EMOTIONS

    def load(self) -> Faces:
        """Return the faces: uint8 ``[N, 48, 48]`` images, read-only maps of the cached copy.

        Raises:
            DataNotFoundError: there is no such file.
            DefectiveRowsError: rows of it are broken.
            DataError: it is broken otherwise.
            CacheError: the cache folder cannot be written.
            OSError: the file cannot be read.
        """
        path = self._find()
        key = file_key(path, "fer2013", _VERSION)

        def build() -> Entry:
            entry = _parse(path)
            if file_key(path, "fer2013", _VERSION) != key:
                raise DataError(f"{path}: the file changed while it was read; load it again")
            return entry

        entry = self._cache.get(key, build)
        # Mapped are the images alone; the rest is small, and a copy of it can be written to.
        labels, rows = np.array(entry.arrays["labels"]), np.array(entry.arrays["rows"])
        bounds = np.searchsorted(entry.arrays["splits"], range(len(SPLITS) + 1)).tolist()
        splits = {
            name: Split(entry.arrays["images"][start:end], labels[start:end], rows[start:end])
            for name, start, end in zip(SPLITS, bounds[:-1], bounds[1:], strict=True)
        }
        return Faces(EMOTIONS, splits, fingerprint=entry.info["sha256"], origin=str(path))

    def _find(self) -> Path:
        advice = (
            f"To get it, {_GET}; then set FER_DATA_ROOT=FOLDER or data.root=FOLDER. "
            "data=synthetic works without any data."
        )
        if not self._root:
            raise DataNotFoundError(
                f"FER2013 not found: neither data.root nor FER_DATA_ROOT is set. {advice}"
            )
        root = Path(self._root).expanduser()
        candidates = [root, *(root / place for place in PLACES)]
        path = first_file(candidates)
        if path is None:
            looked = "".join(f"\n  {place}" for place in candidates[1:])
            there = "" if root.exists() else f" ({root} does not exist)"
            raise DataNotFoundError(f"FER2013 not found{there}. Looked for:{looked}\n{advice}")
        return path


def _parse(path: Path) -> Entry:
    _LOG.info("parsing %s, once: later loads read the cached copy", path)
    with open_data_file(path, _ADVICE) as file:
        table = parse_faces(file.stream, str(path), _ADVICE)
        sha256 = file.sha256()
    images, labels, splits, rows = table.images, table.labels, table.splits, table.rows
    if np.any(splits[:-1] > splits[1:]):
        # The official file has one split after the other; stored so, each split is one slice.
        order = np.argsort(splits, kind="stable")
        images, labels, splits, rows = images[order], labels[order], splits[order], rows[order]
    counts = dict(zip(USAGES, np.bincount(splits).tolist(), strict=True))
    return Entry(
        arrays={"images": images, "labels": labels, "splits": splits, "rows": rows},
        info={"sha256": sha256, "counts": counts, "source": str(path)},
    )
