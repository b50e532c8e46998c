"""What each face of each frame showed, as a table; written only on request."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from fer.core.errors import UserError
from fer.core.io import atomic_write
from fer.live.pipeline import TrackedFace
from fer.pictures import shown

#: Rows that are held back before they are written: all the memory that a table takes.
_ROWS: Final = 5_000
_COLUMNS: Final = ("time", "track", "x", "y", "w", "h", "score", "label")

Rows = list[list[Any]]


class TrackWriter:
    """Takes the faces of one frame after the other."""

    def __init__(self, write: Callable[[Rows], None]) -> None:
        self._write = write
        self._rows: Rows = []

    def add(self, time: float, faces: Sequence[TrackedFace]) -> None:
        """Add a row for each face of a frame; ``time`` in seconds."""
        for tracked in faces:
            face = tracked.face
            row = [time, tracked.track, *face.box, face.score, face.label]
            self._rows.append([*row, *face.probabilities.tolist()])
        if len(self._rows) >= _ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what was held back."""
        if self._rows:
            self._write(self._rows)
            self._rows = []


def check_tracks_path(path: Path) -> None:
    """Refuse a name that no table can be written to."""
    suffix, where = path.suffix.lower(), f"--tracks {shown(path)}"
    if suffix not in {".csv", ".parquet"}:
        raise UserError(f"{where} must end in .csv or .parquet", code="table_suffix", where=where)
    if path.is_dir():
        raise UserError(f"{where} is a folder; name a file", code="is_folder", where=where)
    if suffix == ".parquet" and find_spec("pyarrow") is None:
        raise UserError(
            f"{where} needs pyarrow, not installed: pip install '.[video]', or name a .csv",
            code="missing_extra",
            where=where,
        )


@contextmanager
def open_track_writer(path: Path, classes: Sequence[str]) -> Iterator[TrackWriter]:
    """Yield what writes a table, as CSV or parquet by the ending; ended early, it is readable.

    Columns: time (seconds), track, x, y, w, h (pixels), score, label, and ``p_`` of each class.
    """
    is_parquet = path.suffix.lower() == ".parquet"
    names = [*_COLUMNS, *(f"p_{name}" for name in classes)]
    with (
        atomic_write(path) as partial,
        (_parquet if is_parquet else _csv)(partial, names) as write,
    ):
        writer = TrackWriter(write)
        yield writer
        writer.flush()


@contextmanager
def _csv(path: Path, names: Sequence[str]) -> Iterator[Callable[[Rows], None]]:
    digits = [3, None, None, None, None, None, 4, None, *[6] * (len(names) - len(_COLUMNS))]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        yield lambda rows: writer.writerows(
            [v if n is None else round(v, n) for v, n in zip(row, digits, strict=True)]
            for row in rows
        )


@contextmanager
def _parquet(path: Path, names: Sequence[str]) -> Iterator[Callable[[Rows], None]]:
    import pyarrow as pa
    from pyarrow import parquet

    types = [pa.float64(), pa.string(), *[pa.int32()] * 4, pa.float32(), pa.string()]
    types += [pa.float32()] * (len(names) - len(types))
    schema = pa.schema(list(zip(names, types, strict=True)))
    with parquet.ParquetWriter(str(path), schema) as writer:
        yield lambda rows: writer.write_table(
            pa.table([list(column) for column in zip(*rows, strict=True)], schema=schema)
        )
