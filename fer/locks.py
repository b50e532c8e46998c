"""A lock on a folder that outlives the process which took it, as long as its child works there."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def take(path: Path) -> int | None:
    """Take a lock and return its file descriptor; None where another process holds it.

    The descriptor is handed to the process that works in the folder. So the lock is held until
    both have ended, and a command that was killed leaves its trainings' folders locked as long as
    those still run. Windows knows no such lock: there nobody is kept out.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
    return handle


def release(handle: int) -> None:
    """Let go of a lock; a child that has inherited it still holds it."""
    os.close(handle)
