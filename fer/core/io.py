"""Files that are written completely or not at all."""

from __future__ import annotations

import errno
import functools
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from fer.core import locks

#: Errors of a write, which do not name the file.
DISK_ERRORS: Final = (errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EROFS)
#: Part of the name of every unfinished file.
_MARK: Final = ".fer-"


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path, which replaces ``path`` when the block ends without an error.

    A link stays, and its target is replaced. A device or a pipe gets the content at the end.
    Unfinished files that killed processes left in the folder are removed. An ``OSError`` names
    ``path``, which is unchanged then.
    """
    # Writers choose the format by the suffix.
    prefix, suffix = f".{path.stem}{_MARK}", path.suffix
    through = _is_written_through(path)
    target = Path(os.path.realpath(path))
    folder = Path(tempfile.gettempdir()) if through else target.parent
    beside: Path | None = None
    handle: int | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _tidy(folder)
        beside, handle = _begun(folder, prefix, suffix)
        yield beside
        if through:
            # Appends: /dev/stdout may have content already.
            with beside.open("rb") as content, path.open("ab") as stream:
                shutil.copyfileobj(content, stream)
            return
        _flush(beside)
        # mkstemp makes files that only their owner may read.
        beside.chmod(0o666 & ~_umask())
        if os.name == "nt":  # Windows can't move an open file.
            os.close(handle)
            handle = None
        beside.replace(target)
    except OSError as error:
        if error.errno is None and str(error).endswith(" written"):
            # NumPy reports a short write without the file and the reason.
            raise OSError(f"{path} can't be written ({error}: is the disk full?)") from error
        if error.errno is None or not _is_of(error, prefix, suffix):
            raise
        # Users don't know the hidden file.
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    finally:
        if handle is not None:
            os.close(handle)
        if beside is not None:
            beside.unlink(missing_ok=True)


def _is_written_through(path: Path) -> bool:
    """Return True for a device, a pipe or an open file, which a rename would replace."""
    if str(path.absolute()).startswith(("/dev/fd/", "/dev/std", "/proc/")):
        return True
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _begun(folder: Path, prefix: str, suffix: str) -> tuple[Path, int]:
    """Create a hidden file and lock it: those of killed processes are not locked."""
    while True:
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=folder)
        locks.lock(handle)
        if os.fstat(handle).st_nlink:
            return Path(name), handle
        # Another process removed it before it was locked.
        os.close(handle)


def _is_of(error: OSError, prefix: str, suffix: str) -> bool:
    """Return True if an error is about the hidden file, or about a write to an unnamed file."""
    if not isinstance(error.filename, str):
        return error.errno in DISK_ERRORS
    name = Path(error.filename).name
    return name.startswith(prefix) and name.endswith(suffix)


def expand_user(path: str) -> str:
    """Return a path with a leading ``~`` replaced by the user's home folder, if there is one."""
    begins = path == "~" or path.startswith(("~/", "~\\"))
    return os.path.expanduser(path) if begins else path  # noqa: PTH111


def expand_option_user(word: str) -> str:
    """Expand ``~`` in a word of a command line, also in ``--to=~/a``, where shells leave it."""
    name, equals, value = word.partition("=")
    return f"{name}={expand_user(value)}" if equals and name.startswith("-") else expand_user(word)


def why_not_writable(folder: Path) -> str | None:
    """Return why files can't be written to a folder, which need not exist; None where they can.

    The file of the test has no name or, where a system needs one, one that
    :func:`remove_leftovers` knows.
    """
    places = (folder.absolute(), *folder.absolute().parents)
    there = next(place for place in places if os.path.lexists(place))
    if not there.is_dir():
        return f"{there} is a file, not a folder"
    try:
        with tempfile.TemporaryFile(prefix=f".{_MARK}", suffix=".tmp", dir=there):
            return None
    except OSError as error:
        return f"nothing can be written to {there} ({error.strerror})"


def real_path(path: Path) -> Path:
    """Return a path with its links resolved; circular ones, on which Path.resolve fails, stay."""
    return Path(os.path.realpath(path))


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, completely or not at all."""
    with atomic_write(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write standard JSON; a number that is NaN or infinite raises ``ValueError``."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def _flush(path: Path) -> None:
    """Write the content to the disk: in a crash, a rename may otherwise come before it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Remove the files that :func:`atomic_write` of killed processes left in a folder."""
    for path in folder.glob(f".*{_MARK}????????*"):
        locks.remove_unlocked(path)


@functools.cache
def _tidy(folder: Path) -> None:
    # Once a process: thousands of files may be written to one folder.
    remove_leftovers(folder)


def _umask() -> int:
    # There is no other way to read it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
