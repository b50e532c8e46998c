"""Numbers, times and names in words for people."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a number of things.

    Example:
        >>> counted(1, "face"), counted(1200, "face")
        ('1 face', '1,200 faces')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def clock(seconds: float) -> str:
    """Return a time as people write it.

    Example:
        >>> clock(75.4), clock(3675)
        ('1:15', '1:01:15')
    """
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def plain(text: str) -> str:
    r"""Return text for a message: as it is, or quoted where it would do more than show itself.

    Example:
        >>> print(plain("a b.jpg"), plain("a\nb.jpg"))
        a b.jpg 'a\nb.jpg'
    """
    return text if text.isprintable() else repr(text)
