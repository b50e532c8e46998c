"""How often the test split was looked at: a line a look, in the folder of the run that was."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fer.core.provenance import command_line

#: The file in the folder of a run; whoever removes the rest of it leaves this one.
ACCESS_LOG: Final = "test_looks.jsonl"
#: FER2013's test split, whose looks the ledger states.
FER2013_TEST: Final = "PrivateTest"


def record_test_access(folder: Path, split: str, fingerprint: str) -> int:
    """Take down a look before it is taken, since one that is broken off was one too.

    Args:
        folder: of the run whose network, or answers, are to be scored.
        split: the name of the test split, as its data has it: ``PrivateTest``.
        fingerprint: of the data.

    Returns:
        How often that split was looked at with this run, this time included.

    Raises:
        OSError: it can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    time = datetime.now(UTC).isoformat(timespec="seconds")
    look = {"time": time, "split": split, "data": fingerprint, "command": command_line()}
    # One write to the end of the file: looks of other processes stand before or behind it.
    handle = os.open(folder / ACCESS_LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(handle, (json.dumps(look) + "\n").encode())
    finally:
        os.close(handle)
    return count_test_accesses(folder, split)


def count_test_accesses(folder: Path, split: str) -> int:
    """Return how often a test split was looked at with the run in a folder."""
    path = folder / ACCESS_LOG
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return sum(json.loads(line)["split"] == split for line in lines)


def run_folder_of(checkpoint: Path) -> Path | None:
    """Return the folder of the run that a checkpoint lies in; None for any other file."""
    checkpoints = checkpoint.resolve().parent
    is_run = checkpoints.name == "checkpoints" and (checkpoints.parent / "config.yaml").is_file()
    return checkpoints.parent if is_run else None


def describe_test_accesses(split: str, number: int) -> str:
    """Say how often a split was looked at, for those who have just done so."""
    times = {1: "once", 2: "twice"}.get(number, f"{number} times")
    return f"{split} was looked at {times} with this run ({ACCESS_LOG})"
