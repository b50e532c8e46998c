"""Numbers, times and names as text for people."""

from __future__ import annotations

import io
import sys


def pluralize(number: int, noun: str) -> str:
    """Return a number with a noun in singular or plural.

    Example:
        >>> pluralize(1, "face"), pluralize(1200, "face")
        ('1 face', '1,200 faces')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def format_duration(seconds: float) -> str:
    """Return seconds as ``M:SS`` or ``H:MM:SS``.

    Example:
        >>> format_duration(75.4), format_duration(3675)
        ('1:15', '1:01:15')
    """
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def printable(text: str) -> str:
    r"""Return text for a message, quoted if it holds characters that can't be printed.

    Example:
        >>> print(printable("a b.jpg"), printable("a\nb.jpg"))
        a b.jpg 'a\nb.jpg'
    """
    return text if text.isprintable() else repr(text)


def escape_unencodable_output() -> None:
    """Let standard output and error write characters outside their encoding as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
