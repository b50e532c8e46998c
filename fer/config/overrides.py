"""Overrides as text: how a command line is read, what may be written shorter, and quoting."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from hydra._internal.utils import get_args_parser

from fer.core.errors import UserError
from fer.core.io import expand_option_user, expand_user

#: ``data.clean=FILE``, which is not a mapping.
_FIXES: Final = re.compile(r"""(\+{0,2})data\.clean=(['"]?[^{'"].*)""", re.DOTALL)

#: ``~`` where a path may begin: Hydra's grammar has no such character, and shells replace it at
#: the beginning of a word only.
_HOME: Final = re.compile(r"""(?:(?<=[=\[,:{'"])|(?<=[,:] ))~(?=[/\\,\]}'"]|$)""")


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read a command line as Hydra does; options may stand anywhere among the overrides.

    Raises:
        UserError: it can't be read.
    """
    parser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign]
    read: argparse.Namespace = parser.parse_intermixed_args(
        [expand_option_user(text) if text.startswith("-") else expand(text) for text in arguments]
    )
    modes = (read.run, read.multirun, read.cfg, read.info, read.shell_completion)
    if sum(map(bool, modes)) > 1:
        _refuse("one of --run, --multirun, --cfg, --info and --shell-completion at a time")
    if read.resolve and not read.cfg:
        _refuse("--resolve belongs to --cfg")
    return read


def _refuse(message: str) -> NoReturn:
    raise UserError(
        f"{message} (values are set as KEY=VALUE, without dashes; --help lists the options)",
        code="bad_option",
    )


def expand(override: str) -> str:
    """Return an override with all that it leaves out.

    ``data.clean`` holds several values, and a file of fixes is one of them. A name that ends in
    ``.csv``, lies in a folder or exists is taken for a file. ``~`` at the beginning of a path is
    the user's home folder.

    Example:
        >>> expand("data.clean=fixes.csv"), expand("data.clean=all")
        ('data.clean.fixes=fixes.csv', 'data.clean=all')
    """
    override = _HOME.sub(lambda _: expand_user("~"), override)
    match = _FIXES.fullmatch(override)
    if match is None:
        return override
    name = match[2].strip("'\"")
    is_file = name.endswith(".csv") or "/" in name or Path(name).is_file()
    return f"{match[1]}data.clean.fixes={match[2]}" if is_file else override


def key_of(override: str) -> str:
    """Return the key or group that an override sets."""
    return override.lstrip("+~").partition("=")[0]


def quoted(path: str | Path) -> str:
    """Quote a path for Hydra's grammar, in which = and , have a meaning."""
    return '"' + str(path).replace('"', '\\"') + '"'


def written(value: Any) -> str:
    """Return a value in Hydra's grammar.

    Example:
        >>> written("a/b.csv"), written("a=b"), written(None)
        ('a/b.csv', '"a=b"', 'null')
    """
    if not isinstance(value, str):
        return json.dumps(value)
    return value if re.fullmatch(r"[\w./-]+", value) else quoted(value)
