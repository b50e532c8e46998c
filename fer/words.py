"""Numbers in words for people."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a number of things.

    Example:
        >>> counted(1, "face"), counted(1200, "face")
        ('1 face', '1,200 faces')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"
