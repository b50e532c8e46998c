"""What commands say, on terminals that don't have all letters."""

from __future__ import annotations

import io
import sys


def say_in_any_letters() -> None:
    """Let standard output and error write what their encoding has no letter for as its number."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
