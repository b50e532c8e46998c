"""Kinds of values: what each takes, and what it says of what it does not take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of value.

    Attributes:
        text: what is expected, in words.
        accepts: whether a value is that.
        optional: whether null is fine too.
    """

    text: str
    accepts: Callable[[Any], bool]
    optional: bool = False

    def complaint(self, value: Any) -> str | None:
        """Return what is wrong with ``value``, or None."""
        if value is None and self.optional:
            return None
        if value is not None and self.accepts(value):
            return None
        shown = {None: "null", True: "true", False: "false"}
        is_word = value is None or isinstance(value, bool)
        return (
            f"must be {self.text}{' or null' if self.optional else ''}, "
            f"not {shown[value] if is_word else repr(value)}"
        )


def integer(low: int, high: float = inf, *, optional: bool = False) -> Rule:
    """A whole number from ``low`` to ``high``."""
    limit = f"of at least {low}" if high == inf else f"from {low} to {high}"
    return Rule(f"a whole number {limit}", lambda v: is_int(v) and low <= v <= high, optional)


def number(
    low: float = -inf,
    high: float = inf,
    *,
    above: bool = False,
    below: bool = False,
    optional: bool = False,
) -> Rule:
    """A finite number in a range; ``above`` and ``below`` leave the ends out."""

    def accepts(value: Any) -> bool:
        return (
            is_number(value)
            and (value > low if above else value >= low)
            and (value < high if below else value <= high)
        )

    parts = []
    if low > -inf:
        parts.append(f"above {low:g}" if above else f"at least {low:g}")
    if high < inf:
        parts.append(f"below {high:g}" if below else f"at most {high:g}")
    return Rule(" ".join(["a number", " and ".join(parts)]).strip(), accepts, optional)


def choice(*values: Any, optional: bool = False) -> Rule:
    """One of a few values."""
    # 1 == True in Python: compare types too.
    known = [(type(v), v) for v in values]
    words = ", ".join(str(v).lower() if isinstance(v, bool) else str(v) for v in values)
    return Rule(f"one of {words}", lambda v: (type(v), v) in known, optional)


def text(*, optional: bool = False) -> Rule:
    """Some words."""
    return Rule("text", lambda v: isinstance(v, str) and v != "", optional)


def listing(of: Rule, *, length: int | None = None, least: int = 0) -> Rule:
    """A list whose items all follow one rule."""
    size = f"{length} values" if length is not None else "values"

    def accepts(value: Any) -> bool:
        return (
            isinstance(value, list)
            and len(value) >= least
            and (length is None or len(value) == length)
            and all(of.accepts(item) for item in value)
        )

    return Rule(f"a list of {size}, each {of.text}", accepts)


def either(*rules: Rule, optional: bool = False) -> Rule:
    """What any of several rules accepts."""
    words = " or ".join(rule.text for rule in rules)
    return Rule(words, lambda v: any(rule.accepts(v) for rule in rules), optional)


def like(default: Any) -> Rule:
    """What has the type of the value in the YAML file."""
    if isinstance(default, bool):
        return Rule("true or false", lambda v: isinstance(v, bool))
    if isinstance(default, int):
        return Rule("a whole number", is_int)
    if isinstance(default, float):
        return Rule("a number", is_number)
    if isinstance(default, str):
        return text()
    if isinstance(default, list):
        return Rule("a list", lambda v: isinstance(v, list))
    return Rule("anything", lambda _: True, optional=True)


def is_int(value: Any) -> bool:
    """Say whether a value is a whole number, which True is not."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Say whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
