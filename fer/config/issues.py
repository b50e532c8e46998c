"""What is wrong with a configuration, reported all at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from fer.core.errors import UserError


@dataclass(frozen=True, slots=True)
class ConfigIssue:
    """One mistake.

    Attributes:
        code: what kind of mistake, for programs and tests: snake case, and stable.
        key: the override or key that is wrong.
        message: what is wrong with it and what to do.
    """

    code: str
    key: str
    message: str


class ConfigError(UserError):
    """A configuration can't be used; the message lists every issue found.

    Its ``code`` and ``where`` are those of the first issue.
    """

    def __init__(self, issues: Sequence[ConfigIssue]) -> None:
        self.issues = tuple(dict.fromkeys(issues))
        count = f"{len(self.issues)} problem{'s' if len(self.issues) > 1 else ''}"
        width = min(40, max(len(issue.key) for issue in self.issues))
        lines = (f"  {issue.key:<{width}}  {issue.message}" for issue in self.issues)
        super().__init__(
            "\n".join([f"{count} in the configuration, nothing was run:", *lines]),
            code=self.issues[0].code,
            where=self.issues[0].key,
        )


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean …?"`` where a known word is near, or else nothing.

    Example:
        >>> nearest("max_epoch", ["max_epochs", "min_epochs"])
        "; did you mean 'max_epochs'?"
    """
    near = get_close_matches(word, list(known), n=1, cutoff=0.65)
    return f"; did you mean {near[0]!r}?" if near else ""
