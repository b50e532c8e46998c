"""What may be written shorter on a command line."""

from __future__ import annotations

import re
from typing import Final

#: ``data.clean=FILE.csv``, which is no mapping and no other word.
_FIXES: Final = re.compile(r"""(\+{0,2})data\.clean=(['"]?[^{'"].*\.csv['"]?)""", re.DOTALL)


def spelled_out(override: str) -> str:
    """Return an override with all that it leaves out.

    ``data.clean`` holds several values, and a file of fixes is one of them. Only a name that ends
    in ``.csv`` is taken for a file, so that other words are still told that they are none.

    Example:
        >>> spelled_out("data.clean=fixes.csv"), spelled_out("data.clean=all")
        ('data.clean.fixes=fixes.csv', 'data.clean=all')
    """
    match = _FIXES.fullmatch(override)
    return f"{match[1]}data.clean.fixes={match[2]}" if match else override
