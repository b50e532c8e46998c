"""What may be written shorter on a command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

#: ``data.clean=FILE``, which is no mapping.
_FIXES: Final = re.compile(r"""(\+{0,2})data\.clean=(['"]?[^{'"].*)""", re.DOTALL)


def spelled_out(override: str) -> str:
    """Return an override with all that it leaves out.

    ``data.clean`` holds several values, and a file of fixes is one of them. A name that ends in
    ``.csv``, lies in a folder or is there is taken for a file; other words are still told that they
    are none.

    Example:
        >>> spelled_out("data.clean=fixes.csv"), spelled_out("data.clean=all")
        ('data.clean.fixes=fixes.csv', 'data.clean=all')
    """
    match = _FIXES.fullmatch(override)
    return f"{match[1]}data.clean.fixes={match[2]}" if match and _is_file(match[2]) else override


def _is_file(text: str) -> bool:
    name = text.strip("'\"")
    return name.endswith(".csv") or "/" in name or Path(name).is_file()
