"""Soft targets: a distribution over the classes for each face of a data set, in a small file."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fer.core.io import atomic_write
from fer.data.source import DataError, Split


@dataclass(frozen=True, slots=True)
class SoftTargets:
    """What networks answer for faces that another one is to learn from.

    Attributes:
        rows: int64 ``[N]``, the row of each face in its data set, rising.
        probabilities: float32 ``[N, C]``.
        checksums: uint16 ``[N]`` of the pixels, by :func:`checksums_of`, which tell faces of other
            data from these, whatever form these were read from.
        made: how, in plain values, for people to read.
    """

    classes: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
    checksums: npt.NDArray[np.uint16]
    made: Mapping[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write them, in half precision."""
        about = {"classes": self.classes, "made": dict(self.made)}
        with atomic_write(path) as beside, beside.open("wb") as file:
            np.savez_compressed(
                file,
                rows=self.rows.astype(np.int32),
                probabilities=self.probabilities.astype(np.float16),
                checksums=self.checksums,
                about=np.array(json.dumps(about)),
            )

    def of(self, split: Split) -> npt.NDArray[np.float32]:
        """Return the target of each face of a split, ``[N, C]``.

        Raises:
            DataError: there is none for some face, or it is of another face.
        """
        place = np.searchsorted(self.rows, split.rows).clip(max=len(self.rows) - 1)
        if (absent := self.rows[place] != split.rows).any():
            raise DataError(
                f"there are no soft targets for {absent.sum():,} of {len(split):,} training faces, "
                f"as for row {split.rows[absent][0]}: name the files of all folds"
            )
        if (other := self.checksums[place] != checksums_of(split)).any():
            raise DataError(
                f"the soft targets are of other faces: {other.sum():,} of {len(split):,} have "
                f"other pixels, as row {split.rows[other][0]}. Make them again from these data"
            )
        found: npt.NDArray[np.float32] = self.probabilities[place]
        return found


def checksums_of(split: Split) -> npt.NDArray[np.uint16]:
    """Return a short checksum of the pixels of each face, uint16 ``[N]``."""
    sums = [zlib.crc32(np.ascontiguousarray(image).data) & 0xFFFF for image in split.images]
    return np.array(sums, dtype=np.uint16)


def read_soft_targets(paths: Sequence[Path]) -> SoftTargets:
    """Read soft targets; those of several files, as of several folds, are put together.

    Raises:
        DataError: a file is missing, is something else or is damaged, or they don't go together.
    """
    parts = [_read(path) for path in paths]
    first = parts[0]
    for path, part in zip(paths, parts, strict=True):
        if part.classes != first.classes:
            raise DataError(f"{path} and {paths[0]} have different classes")
    rows = np.concatenate([part.rows for part in parts])
    order = np.argsort(rows, kind="stable")
    if (twice := np.flatnonzero(np.diff(rows[order]) == 0)).size:
        raise DataError(
            f"{', '.join(map(str, paths))}: row {rows[order][twice[0]]} has two soft targets"
        )
    probabilities = np.concatenate([part.probabilities for part in parts])
    checksums = np.concatenate([part.checksums for part in parts])
    made = {"files": [dict(part.made) for part in parts]} if len(parts) > 1 else first.made
    return SoftTargets(first.classes, rows[order], probabilities[order], checksums[order], made)


def _read(path: Path) -> SoftTargets:
    if not path.is_file():
        raise DataError(f"there is no file {path} with soft targets")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            rows = stored["rows"].astype(np.int64)
            probabilities = stored["probabilities"].astype(np.float32)
            checksums = stored["checksums"].astype(np.uint16)
        classes = tuple(map(str, about["classes"]))
        if (
            rows.ndim != 1
            or checksums.shape != rows.shape
            or probabilities.shape != (len(rows), len(classes))
            or not len(rows)
        ):
            raise ValueError("shapes")
        total = probabilities.sum(axis=1, keepdims=True)
        if not (probabilities >= 0).all() or not (abs(total - 1) < 0.01).all():
            raise ValueError("not probabilities")
        return SoftTargets(classes, rows, probabilities / total, checksums, dict(about["made"]))
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        # NumPy's own text advises to load it unsafely.
        raise DataError(
            f"{path} is not a file of soft targets, or damaged: make it again"
        ) from None
