"""A measured value as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

#: What a value may be: a share written in percent, a difference of two in percentage points,
#: milliseconds, seconds, a rate, mebibytes, a plain number, a count, a word.
UNITS: Final[tuple[str, ...]] = (
    "%", "points", "ms", "s", "/s", "MiB", "number", "count", "word",
)  # fmt: skip

#: How an interval was found that is the mean of several runs with their standard deviation (of a
#: sample) to both sides.
SPREAD: Final = "mean ± sd over seeds"


def format_value(
    value: float | str,
    unit: str,
    interval: Sequence[float] | None = None,
    *,
    spread: bool = False,
) -> str:
    """Return a measured value as text, rounded for its unit.

    Args:
        value: a number in its unit (a share for ``%`` and ``points``), or a word.
        unit: one of :data:`UNITS`.
        interval: its two ends, if it has one.
        spread: the interval is a standard deviation to both sides, see :data:`SPREAD`.

    Example:
        >>> format_value(0.5862, "%", (0.5712, 0.6027))
        '58.6 % (57.1–60.3)'
        >>> format_value(0.454, "number"), format_value(2.61, "ms")
        ('0.45', '2.6 ms')
        >>> format_value(0.5862, "%", (0.5819, 0.5905), spread=True)
        '58.6 ± 0.4 %'
        >>> format_value(41.27, "s"), format_value(312.4, "MiB")
        ('41.3 s', '312 MiB')
        >>> format_value(-0.0121, "points", (-0.0204, 0.0003)), format_value(687783, "count")
        ('−1.2 points (−2.0 to +0.0)', '0.69 M')
        >>> format_value(-0.0001, "points", (-0.009, 0.009))
        '+0.0 points (−0.9 to +0.9)'
    """
    if isinstance(value, str):
        return value
    if unit == "count":
        return _count(value)
    scale, digits, behind = {
        "%": (100.0, 1, " %"),
        "points": (100.0, 1, " points"),
        "ms": (1.0, 2 if value < 1 else 1, " ms"),
        "s": (1.0, 1, " s"),
        "/s": (1.0, 0, " /s"),
        "MiB": (1.0, 0, " MiB"),
    }.get(unit, (1.0, 2, ""))
    sign = "+" if unit == "points" else ""

    def said(number: float) -> str:
        # No minus before a zero; else a true minus, as long as the plus.
        return f"{round(scale * number, digits) + 0.0:{sign},.{digits}f}".replace("-", "−")

    if interval is None:
        return f"{said(value)}{behind}"
    low, high = interval
    if spread:
        return f"{said(value)} ± {scale * (high - low) / 2:,.{digits}f}{behind}"
    between = " to " if sign else "–"
    return f"{said(value)}{behind} ({said(low)}{between}{said(high)})"


def _count(value: float) -> str:
    """Return a large number in millions, three digits of it or about."""
    if value < 1e5:
        return f"{value:,.0f}"
    millions = value / 1e6
    return f"{millions:,.{2 if millions < 10 else 1 if millions < 100 else 0}f} M"
