"""Locks on files, which end with the process that holds them, also if it is killed."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

#: Errors of file systems without locks, which some clusters have.
_WITHOUT: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
#: The descriptors of the locks that this process holds.
_taken: Final[set[int]] = set()


def try_lock(path: Path) -> int | None:
    """Take a lock and return its file descriptor; None where another process holds it.

    The descriptor may be passed to a child command: then the lock is held until both have ended.
    Forked processes, such as data loaders, don't hold it. Windows and some file systems have no
    such lock: there nothing is locked.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if not lock(handle, wait=False):
            os.close(handle)
            return None
        if os.fstat(handle).st_nlink:
            _taken.add(handle)
            return handle
        # Its holder removed it between the two steps.
        os.close(handle)


def lock(handle: int, *, wait: bool = True) -> bool:
    """Lock an open file; if another process holds it, wait for that or return False."""
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _WITHOUT:
                raise
    return True


def unlock(handle: int) -> None:
    """Release a lock; a child that has inherited it still holds it."""
    _taken.discard(handle)
    os.close(handle)


def _forget() -> None:
    while _taken:
        os.close(_taken.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def remove_unlocked(path: Path) -> None:
    """Remove a file unless a process holds its lock or that can't be known."""
    with suppress(OSError):
        if sys.platform == "win32":
            path.unlink()  # Fails where it is open.
            return
        import fcntl

        handle = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(handle)
