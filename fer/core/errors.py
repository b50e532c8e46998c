"""The error for problems that a user can fix."""

from __future__ import annotations


class UserError(ValueError):
    """A problem that the user can fix; the message says what is wrong, where and what to do.

    Commands print it without a traceback and exit with code 2. Any other ``ValueError`` is a defect
    of this package.

    Args:
        message: its wording may change.
        code: what is wrong, for programs and tests: snake case, and stable.
        where: the file, with its line where there is one (``faces.csv:12``), or the key.
    """

    def __init__(self, message: str = "", *, code: str = "", where: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.where = where
