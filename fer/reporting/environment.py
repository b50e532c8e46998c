"""The jinja2 environment of all pages: self-contained HTML without scripts."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from fer import __version__
from fer.core.text import format_duration

_NONE = Markup('<span class="none" title="not available">–</span>')


def render(template: str, **context: Any) -> str:
    """Return a page of ``fer/reporting/templates``; text in the context is escaped."""
    return _environment().get_template(template).render(**context)


def percent(value: float | None, digits: int = 1) -> Markup:
    r"""Return a share as a percentage.

    This and the filters below round for readers; the ``data`` element holds the exact number.

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
    """Return a number with this many decimals."""
    return _NONE if value is None else _data(value, f"{value:.{digits}f}")


def count(value: int) -> Markup:
    """Return a whole number with thousands separators.

    Example:
        >>> count(3589)
        Markup('<data value="3589">3,589</data>')
    """
    return _data(value, f"{value:,}")


def _data(value: float, text: str) -> Markup:
    return Markup('<data value="{}">{}</data>').format(repr(value), text)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fer.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent, "points": points, "number": number, "count": count,
        "duration": format_duration,
        "count_or_dash": lambda value: f"{value:,}" if value else "–",
    }  # fmt: skip
    environment.globals["version"] = __version__
    return environment
