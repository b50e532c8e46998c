"""The files of a session: ``timeline.csv``, ``timeline.parquet`` and ``session.html``."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from fer.core.errors import UserError
from fer.core.io import atomic_write, why_not_writable, write_text
from fer.live.aggregation import Window
from fer.pictures import shown
from fer.reporting.session.page import session_page
from fer.reporting.session.record import Record

_TIMES: Final = ("start", "end", "dwell_seconds")
_COUNTS: Final = ("number", "faces_median", "faces_max", "faces", "read", "generation")
_MEANS: Final = ("valence", "volatility", "confidence", "index")
#: Columns of the timeline; then come ``share_`` of each class, and ``at_least_`` and ``at_most_``
#: faces of each, empty from 20 counted faces on.
COLUMNS: Final = (
    "number", "start", "end", "faces_median", "faces_max", "dwell_seconds", "withheld",
    "faces", "read", "generation",
    *_MEANS,
)  # fmt: skip


def check_session_folder(folder: Path) -> None:
    """Refuse a folder that no session can be written to."""
    problem = why_not_writable(folder)
    if problem is not None:
        raise UserError(f"--session {shown(folder)}: {problem}")


def write_session(folder: Path, record: Record) -> list[str]:
    """Write what may be shown of a session (parquet if pyarrow is installed); return the names."""
    names = ["timeline.csv", "session.html"]
    kinds = ("share", "at_least", "at_most")
    columns = [*COLUMNS, *(f"{kind}_{name}" for kind in kinds for name in record.classes)]
    rows = [_row(one, record.classes) for one in record.windows]
    with (
        atomic_write(folder / "timeline.csv") as beside,
        beside.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(["" if value is None else value for value in row] for row in rows)
    # One left by an earlier session would differ.
    (folder / "timeline.parquet").unlink(missing_ok=True)
    if find_spec("pyarrow") is not None:
        _parquet(folder / "timeline.parquet", columns, rows)
        names.append("timeline.parquet")
    write_text(folder / "session.html", session_page(record))
    return names


def _row(window: Window, classes: tuple[str, ...]) -> list[Any]:
    shares = window.shares or dict.fromkeys(classes)
    told: list[Any] = [shares[name] for name in classes]
    for end in (0, 1):
        told += [window.counts[name][end] if window.counts else None for name in classes]
    return [*(getattr(window, name) for name in COLUMNS), *told]


def _parquet(path: Path, columns: list[str], rows: list[list[Any]]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    kinds = dict.fromkeys(_TIMES, pa.float64()) | dict.fromkeys(_COUNTS, pa.int32())
    kinds |= {"withheld": pa.string()}
    kinds |= {name: pa.int32() for name in columns if name.startswith("at_")}
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in columns])
    arrays = [pa.array([row[place] for row in rows], one.type) for place, one in enumerate(schema)]
    with atomic_write(path) as beside:
        parquet.write_table(pa.Table.from_arrays(arrays, schema=schema), str(beside))
