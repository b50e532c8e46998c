"""What a conversion is to do: which face, with which label, in which split, from where."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from fer.data._class_folders import read_layout, split_of
from fer.data._fer2013_folders import is_official, is_picture_folder
from fer.data._metadata import METADATA_FILE, read_metadata
from fer.data.conversion.table import read_picture_table
from fer.data.fer2013 import PLACES, Fer2013
from fer.data.folder import LAYOUT, list_files
from fer.data.source import SPLITS, DataError, DataNotFoundError
from fer.pictures import decoded, file_bytes
from fer.pixels import Fit, Image
from fer.words import plain

FORMS: Final = (
    "a folder of pictures train|val|test/<class>/*, a table (.csv) with the columns path, label "
    "and split, or FER2013 in any form that fer data check reads"
)

#: Faces of a shard, the unit that a kill may cost, and bytes that it takes in memory at most.
SHARD: Final = 4096
_BYTES: Final = 1 << 28


@dataclass(frozen=True, slots=True)
class Making:
    """How a set is made.

    Example:
        >>> Making.of(48).shard, Making.of(1024).shard
        (4096, 256)

    Attributes:
        size: height and width of its faces, in pixels.
        fit: how pictures that are not square become so.
        val_share: of each class in train, drawn for validation where there is no such split.
        shard: faces a shard.
    """

    size: int = 48
    fit: Fit = "pad"
    val_share: float = 0.1
    shard: int = SHARD

    @classmethod
    def of(cls, size: int, shard: int | None = None, **more: Any) -> Self:
        """Return how a set of faces of some size is made, with shards that suit it."""
        return cls(size, shard=shard or min(SHARD, max(1, _BYTES // size**2)), **more)


@dataclass(frozen=True, slots=True)
class Plan:
    """The faces that are to be converted, in the order in which they will lie.

    Attributes:
        source: where they come from.
        classes: the class names.
        splits: uint8 ``[N]``, positions in :data:`fer.data.source.SPLITS`.
        labels: int64 ``[N]``, positions in ``classes``.
        rows: int64 ``[N]``, each face's row in its source.
        read: returns face ``i``, uint8 ``[H, W]`` or ``[H, W, 3]`` RGB; raises ValueError or
            OSError where it can't be had.
        identity: what identifies the source: another value where anything in it changed.
        names: of the files by row, empty where faces are not files.
        metadata: an array ``[N]`` for each feature.
        broken: of what can't be used and is not among the N: row, split, why.
        draws_val: whether validation faces have yet to be drawn from ``train``.
    """

    source: Path
    classes: tuple[str, ...]
    splits: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    read: Callable[[int], Image]
    identity: str
    names: Sequence[str] = ()
    metadata: Mapping[str, npt.NDArray[np.generic]] = field(default_factory=dict)
    broken: Sequence[tuple[int, str, str]] = ()
    draws_val: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def told(self, row: int, why: str) -> str:
        """Name a face in a message."""
        return f"{plain(self.names[row])}: {why}" if self.names else f"row {row}: {why}"


def make_plan(source: Path, *, cache: str | None = None) -> Plan:
    """Look at a source and say what is to be converted; no picture is read.

    Raises:
        DataNotFoundError: it is not there, or nothing that is known.
        DataError: it is not as it should be.
        OSError: it can't be read.
    """
    if not source.exists():
        raise DataNotFoundError(f"{source} does not exist; SOURCE is {FORMS}")
    if source.is_file():
        if source.suffix.lower() == ".csv" and (table := read_picture_table(source)) is not None:
            return _of_table(source, *table)
        return _of_fer2013(source, cache)
    if any((source / place).is_file() for place in PLACES):
        return _of_fer2013(source, cache)
    if official := next((f for f in (source, source / "fer2013") if is_official(f)), None):
        return _of_fer2013(official, cache)
    if is_picture_folder(source):
        return _of_folder(source)
    raise DataNotFoundError(f"{source} holds no data set that is known; SOURCE is {FORMS}")


def _of_folder(root: Path) -> Plan:
    layout = read_layout(root, LAYOUT)
    files, _ = list_files(root, layout)
    names = [file.name for file in files]
    rows = np.arange(len(names), dtype=np.int64)
    metadata, table = read_metadata(root / METADATA_FILE, names)
    digest = hashlib.sha256(table.encode())
    for file in files:
        digest.update(repr(file).encode())
    return Plan(
        root,
        layout.classes,
        np.array([SPLITS.index(split_of(name)) for name in names], dtype=np.uint8),
        layout.labels(names, rows),
        rows,
        lambda i: decoded(file_bytes(root / names[i])),
        digest.hexdigest(),
        names,
        metadata,
        draws_val="val" not in layout.folders,
    )


def _of_table(source: Path, plan: Mapping[str, object], paths: Sequence[Path]) -> Plan:
    return Plan(
        source=source,
        read=lambda i: decoded(file_bytes(paths[i])),
        **plan,  # type: ignore[arg-type]
    )


def _of_fer2013(path: Path, cache: str | None) -> Plan:
    faces = Fer2013(str(path), cache, "drop").load()
    there = [name for name in SPLITS if name in faces.splits]
    ends = np.cumsum([len(faces.splits[name]) for name in there])

    def read(i: int) -> Image:
        split = int(np.searchsorted(ends, i, side="right"))
        start = int(ends[split - 1]) if split else 0
        image: Image = np.asarray(faces.splits[there[split]].images[i - start])
        return image

    defects = [(f.row, f.split, f.detail) for f in faces.findings if f.what == "defect"]
    if not len(ends) or not ends[-1]:
        raise DataError(f"{faces.origin}: none of its faces can be read")
    return Plan(
        path,
        faces.classes,
        np.concatenate(
            [np.full(len(faces.splits[n]), SPLITS.index(n), dtype=np.uint8) for n in there]
        ),
        np.concatenate([faces.splits[name].labels for name in there]),
        np.concatenate([faces.splits[name].rows for name in there]),
        read,
        faces.fingerprint,
        faces.names,
        broken=[(row, split, _with_row(faces.names, row, why)) for row, split, why in defects],
    )


def _with_row(names: Sequence[str], row: int, why: str) -> str:
    # Of a picture, the finding names the file itself.
    return why if names else f"row {row}: {why}"
