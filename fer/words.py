"""Numbers in words for people."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a number of things.

    Example:
        >>> counted(1, "face"), counted(1200, "face")
        ('1 face', '1,200 faces')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def plain(text: str) -> str:
    r"""Return text for a message: as it is, or quoted where it would do more than show itself.

    Example:
        >>> print(plain("a b.jpg"), plain("a\nb.jpg"))
        a b.jpg 'a\nb.jpg'
    """
    return text if text.isprintable() else repr(text)
