"""Numbers of the page: rounded to read, and exact in the text behind them.

Each is an HTML ``data`` element whose value is the number as ``metrics.json`` has it.
"""

from __future__ import annotations

from markupsafe import Markup

_NONE = Markup('<span class="none" title="not there">–</span>')


def percent(value: float | None, digits: int = 1) -> Markup:
    r"""Return a share as a percentage.

    Example:
        >>> percent(0.25)
        Markup('<data value="0.25">25.0\xa0%</data>')
    """
    return _NONE if value is None else _data(value, f"{100 * value:.{digits}f}\u00a0%")


def points(value: float) -> Markup:
    """Return a difference of shares as percentage points, with its sign.

    Example:
        >>> points(-0.031)
        Markup('<data value="-0.031">−3.1</data>')
    """
    return _data(value, f"{100 * value:+.1f}".replace("-", "−"))


def number(value: float | None, digits: int = 3) -> Markup:
    """Return a number with some digits after its point."""
    return _NONE if value is None else _data(value, f"{value:.{digits}f}")


def count(value: int) -> Markup:
    """Return a whole number with its thousands apart.

    Example:
        >>> count(3589)
        Markup('<data value="3589">3,589</data>')
    """
    return _data(value, f"{value:,}")


def _data(value: float, text: str) -> Markup:
    return Markup('<data value="{}">{}</data>').format(repr(value), text)
