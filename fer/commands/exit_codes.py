"""How commands end: 0 done, 1 some items failed, 2 nothing done, 130 interrupted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from fer.core.errors import UserError

DONE: Final = 0
SOME_FAILED: Final = 1
WRONG_USE: Final = 2
INTERRUPTED: Final = 130


def run(name: str, command: Callable[[], int], *, interrupted: str) -> int:
    """Run a command and return its exit code; what its user can mend is one message.

    Args:
        name: of the command: ``fer predict``.
        command: the work.
        interrupted: what is said after Ctrl-C that the command does not handle itself.
    """
    try:
        return command()
    except KeyboardInterrupt:
        warn(name, interrupted)
        return INTERRUPTED
    except (UserError, OSError) as error:
        warn(name, str(error))
        return WRONG_USE


def warn(name: str, text: str) -> None:
    """Write to standard error who says what; a progress bar stays below it."""
    from tqdm import tqdm

    tqdm.write(f"{name}: {text}", file=sys.stderr)
    sys.stderr.flush()
