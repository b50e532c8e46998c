"""What is wrong with a configuration, said all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from fer.core.errors import UserError


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake.

    Attributes:
        where: the override or key that is wrong.
        what: what is wrong with it and what would be right.
    """

    where: str
    what: str


class ConfigError(UserError):
    """A configuration can't be used; the message lists every problem found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        width = min(40, max(len(problem.where) for problem in problems))
        lines = (f"  {problem.where:<{width}}  {problem.what}" for problem in problems)
        super().__init__("\n".join([f"{count} in the configuration, nothing was run:", *lines]))


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean …?"`` where a known word is near, or else nothing.

    Example:
        >>> nearest("max_epoch", ["max_epochs", "min_epochs"])
        "; did you mean 'max_epochs'?"
    """
    near = get_close_matches(word, list(known), n=1, cutoff=0.65)
    return f"; did you mean {near[0]!r}?" if near else ""
