"""How often a run's test split was scored: one line each time, in the folder of the run."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fer.core.provenance import command_line

#: The file in the folder of a run; it stays when the rest of the folder is removed.
ACCESS_LOG: Final = "test_looks.jsonl"
#: FER2013's test split.
FER2013_TEST: Final = "PrivateTest"


def record_test_access(folder: Path, split: str, fingerprint: str) -> int:
    """Record that a test split is scored, before it happens: an interrupted scoring counts too.

    Args:
        folder: of the run whose network or answers are scored.
        split: the name of the split in its data: ``PrivateTest``.
        fingerprint: of the data.

    Returns:
        How often that split was scored with this run, this time included.
    """
    folder.mkdir(parents=True, exist_ok=True)
    time = datetime.now(UTC).isoformat(timespec="seconds")
    look = {"time": time, "split": split, "data": fingerprint, "command": command_line()}
    # A single appending write, so that lines of several processes do not mix.
    handle = os.open(folder / ACCESS_LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(handle, (json.dumps(look) + "\n").encode())
    finally:
        os.close(handle)
    return count_test_accesses(folder, split)


def count_test_accesses(folder: Path, split: str) -> int:
    """Return how often a test split was scored with the run in a folder."""
    path = folder / ACCESS_LOG
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return sum(json.loads(line)["split"] == split for line in lines)


def run_folder_of(checkpoint: Path) -> Path | None:
    """Return the folder of the run that a checkpoint belongs to; None for any other file."""
    checkpoints = checkpoint.resolve().parent
    is_run = checkpoints.name == "checkpoints" and (checkpoints.parent / "config.yaml").is_file()
    return checkpoints.parent if is_run else None


def describe_test_accesses(split: str, number: int) -> str:
    """Return a message about how often a split was looked at."""
    times = {1: "once", 2: "twice"}.get(number, f"{number} times")
    return f"{split} was looked at {times} with this run ({ACCESS_LOG})"
