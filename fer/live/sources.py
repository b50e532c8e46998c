"""From what a user names to a source of frames: a file, a camera or a stream."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from fer.live.camera import LiveSource
from fer.live.frames import Source, SourceError, frame_count, open_capture
from fer.live.video_file import VideoFile
from fer.pictures import shown


def open_source(name: str, *, say: Callable[[str], None] = lambda _: None) -> Source:
    """Return the source that a user named.

    Args:
        name: a video file; a camera's number: ``0``; or a stream's address: ``rtsp://…``.
        say: called with what happens to the source: it dropped, is back, or is damaged.

    Raises:
        SourceError: there is no such file, camera or stream, or it can't be read.
    """
    if name.isdecimal() and not Path(name).exists():
        number = int(name)
        return LiveSource(lambda: open_capture(number), f"camera {number}", say=say)
    if "://" in name:
        address = without_password(name)
        first = open_capture(name)
        if first is None:
            raise SourceError(
                f"{address} does not answer, or sends no video that can be read",
                code="no_stream",
                where=address,
            )
        if frame_count(first) is not None:
            return VideoFile(first, address, say=say)
        return LiveSource(lambda: open_capture(name), address, say=say, first=first)
    return _open_file(Path(name), say)


def _open_file(path: Path, say: Callable[[str], None]) -> VideoFile:
    name = shown(path)
    if path.is_dir():
        raise SourceError(
            f"{name} is a folder; name a film, or use fer predict for pictures",
            code="is_folder",
            where=name,
        )
    if not path.exists():
        raise SourceError(f"there is no film {name}", code="no_file", where=name)
    if path.stat().st_size == 0:
        raise SourceError(f"{name} is empty", code="empty_file", where=name)
    with ExitStack() as stack:
        file = str(path)
        if name != file:
            # OpenCV would crash on a name that is not UTF-8.
            file = f"/proc/self/fd/{stack.enter_context(path.open('rb')).fileno()}"
        capture = open_capture(file)
        if capture is None:
            raise SourceError(
                f"{name} is no film that can be read: it is of another kind, damaged or cut off",
                code="unreadable_video",
                where=name,
            )
        return VideoFile(capture, name, stack.pop_all(), say=say)


def source_title(name: str) -> str:
    """Return what a page calls a source: no path, and no password."""
    return without_password(name) if "://" in name else shown(Path(name).name)


def without_password(address: str) -> str:
    """Return a stream's address as it may be shown.

    Example:
        >>> without_password("rtsp://me:secret@camera.local:554/1")
        'rtsp://***@camera.local:554/1'
    """
    parts = urlsplit(address)
    if "@" not in parts.netloc:
        return address
    return urlunsplit(parts._replace(netloc="***@" + parts.netloc.rpartition("@")[2]))
