"""The error that says what a user can mend."""

from __future__ import annotations


class UserError(ValueError):
    """Something that its user can mend; the message says what is wrong, where and what to do.

    Commands print it without a traceback and end with code 2. Any other ``ValueError`` is a defect
    of this package and is shown whole.
    """
