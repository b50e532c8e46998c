"""What each face of each frame showed, as a table; written only when asked for by name."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol

from fer.errors import UserError
from fer.files import written_beside
from fer.live.following import TrackedFace
from fer.pictures import shown

#: Rows that are held back before they are written: all the memory that a table takes.
_ROWS: Final = 5_000
_COLUMNS: Final = ("time", "track", "x", "y", "w", "h", "score", "label")


class TrackFile(Protocol):
    """Takes the faces of one frame after the other."""

    def add(self, time: float, faces: Sequence[TrackedFace]) -> None:
        """Write a row for each face of a frame; ``time`` in seconds."""
        ...


def check_tracks_name(path: Path) -> None:
    """Refuse names that no table can be written to.

    Raises:
        UserError: with the reason.
    """
    if path.suffix.lower() not in {".csv", ".parquet"}:
        raise UserError(f"--tracks {shown(path)} must end in .csv or .parquet")
    if path.is_dir():
        raise UserError(f"--tracks {shown(path)} is a folder; name a file")
    if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise UserError(
            "--tracks FILE.parquet needs pyarrow, not installed: "
            "pip install '.[video]', or name a .csv"
        )


@contextmanager
def track_file(path: Path, classes: Sequence[str]) -> Iterator[TrackFile]:
    """Yield what writes a table, as CSV or parquet by the ending; ended early, it is readable.

    Columns: time (seconds), track, x, y, w, h (pixels), score, label, and ``p_`` of each class.

    Raises:
        OSError: it can't be written.
    """
    with written_beside(path) as beside:
        if path.suffix.lower() == ".parquet":
            with _parquet(beside, classes) as table:
                yield table
        else:
            with beside.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow([*_COLUMNS, *(f"p_{name}" for name in classes)])
                yield _Csv(writer)


class _Csv:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def add(self, time: float, faces: Sequence[TrackedFace]) -> None:
        for one in faces:
            face = one.face
            chances = (round(float(p), 6) for p in face.probabilities)
            row = [round(time, 3), one.track, *face.box, round(face.score, 4), face.label]
            self._writer.writerow([*row, *chances])


class _Parquet:
    def __init__(self, writer: Any, schema: Any) -> None:
        self._writer = writer
        self._schema = schema
        self._rows: list[tuple[Any, ...]] = []

    def add(self, time: float, faces: Sequence[TrackedFace]) -> None:
        for one in faces:
            face = one.face
            row = (time, one.track, *face.box, face.score, face.label)
            self._rows.append((*row, *face.probabilities.tolist()))
        if len(self._rows) >= _ROWS:
            self.flush()

    def flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [
                pa.array(column, field.type)
                for column, field in zip(columns, self._schema, strict=True)
            ]
            self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
            self._rows = []


@contextmanager
def _parquet(path: Path, classes: Sequence[str]) -> Iterator[_Parquet]:
    import pyarrow as pa
    from pyarrow import parquet

    kinds = [pa.float64(), pa.string(), *[pa.int32()] * 4, pa.float32(), pa.string()]
    columns = [*zip(_COLUMNS, kinds, strict=True), *((f"p_{one}", pa.float32()) for one in classes)]
    schema = pa.schema(columns)
    with parquet.ParquetWriter(str(path), schema) as writer:
        table = _Parquet(writer, schema)
        yield table
        table.flush()
