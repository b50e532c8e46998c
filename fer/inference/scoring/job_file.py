"""What a folder of answers says it is for, so that it never holds the answers of two jobs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import filelock

from fer import __version__
from fer.core.errors import UserError
from fer.core.io import write_json
from fer.core.pretrained import weights_path
from fer.pictures import shown

if TYPE_CHECKING:
    from fer.inference.scoring.folder import Job

#: Written first; readers of parquet folders pass it over.
JOB_FILE: Final = "_job.json"
_FORMAT: Final = 1
#: Held while that is looked at and written: shards may begin at the same moment.
_LOCK: Final = ".job.lock"
#: SHA-256, which nobody compares by eye.
_SUMS: Final = ("table", "model")


def agree(job: Job) -> None:
    """Write what the job's folder is for, or hold that it is for this.

    Raises:
        UserError: it is for another job, or does not say for which; or there is no such model.
        OSError: it can't be read or written.
    """
    wanted = _described(job)
    path = job.folder / JOB_FILE
    with filelock.FileLock(job.folder / _LOCK):
        if not path.is_file():
            write_json(path, wanted)
            return
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        different = [key for key in wanted if stored.get(key) != wanted[key]]
    except (ValueError, AttributeError) as error:
        raise UserError(f"{shown(path)} can't be read ({error}): name another folder") from None
    if different:
        told = ", ".join(_told(key, stored.get(key), wanted[key]) for key in different)
        raise UserError(
            f"--to {shown(job.folder)} holds the answers of another job: {told}. Name another "
            "folder, or remove it"
        )


def _told(key: str, stored: object, wanted: object) -> str:
    if key in _SUMS:
        return f"{key} is another"
    if key == "root":
        before = "nobody knows where" if stored is None else stored
        return f"the table's relative paths began at {before} and begin at {wanted}"
    return f"{key} was {stored!r} and is {wanted!r}"


def _described(job: Job) -> dict[str, Any]:
    path = weights_path(job.model)
    if not path.is_file():
        raise UserError(f"there is no model file {shown(path)}")
    with path.open("rb") as file:
        model = hashlib.file_digest(file, "sha256").hexdigest()
    table = job.table
    described = {
        "format": _FORMAT,
        "version": __version__,
        "table": table.sha256,
        "kind": table.kind,
        "column": table.column,
        "rows": table.rows,
        "parts": len(table.parts),
        "part": max(part.rows for part in table.parts),
        "model": model,
        **asdict(job.asking),
    }
    if table.kind == "pictures":
        # The same names in another folder are other pictures. A table of faces may be moved.
        described["root"] = shown(table.files[0].parent.resolve())
    return described
