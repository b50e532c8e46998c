"""What may be written shorter on a command line, and ``~`` for one's own folder anywhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from omegaconf import DictConfig, OmegaConf, flag_override

from fer.core.io import expand_user

#: ``data.clean=FILE``, which is no mapping.
_FIXES: Final = re.compile(r"""(\+{0,2})data\.clean=(['"]?[^{'"].*)""", re.DOTALL)

#: ``~`` where a path may begin: Hydra's grammar knows no such character, and shells replace it at
#: the beginning of a word alone.
_HOME: Final = re.compile(r"""(?:(?<=[=\[,:{'"])|(?<=[,:] ))~(?=[/\\,\]}'"]|$)""")


def spelled_out(override: str) -> str:
    """Return an override with all that it leaves out.

    ``data.clean`` holds several values, and a file of fixes is one of them. A name that ends in
    ``.csv``, lies in a folder or is there is taken for a file; other words are still told that they
    are none. ``~`` at the beginning of a path is the user's own folder.

    Example:
        >>> spelled_out("data.clean=fixes.csv"), spelled_out("data.clean=all")
        ('data.clean.fixes=fixes.csv', 'data.clean=all')
    """
    override = _HOME.sub(lambda _: expand_user("~"), override)
    match = _FIXES.fullmatch(override)
    return f"{match[1]}data.clean.fixes={match[2]}" if match and _is_file(match[2]) else override


def expand_home(config: DictConfig) -> dict[str, str]:
    """Put the user's own folder in place of ``~`` in a configuration, whose files may have it too.

    Args:
        config: changed in place, before anything of it is resolved.

    Returns:
        What was changed, by its dotted key.
    """
    changed: dict[str, str] = {}
    with flag_override(config, "readonly", False):
        _expand(config, OmegaConf.to_container(config, resolve=False), "", changed)
    return changed


def _expand(node: Any, plain: Any, prefix: str, changed: dict[str, str]) -> None:
    for key, value in plain.items() if isinstance(plain, dict) else enumerate(plain):
        if isinstance(value, dict | list):
            _expand(node[key], value, f"{prefix}{key}.", changed)
        elif isinstance(value, str) and (path := expand_user(value)) != value:
            node[key] = changed[f"{prefix}{key}"] = path


def _is_file(text: str) -> bool:
    name = text.strip("'\"")
    return name.endswith(".csv") or "/" in name or Path(name).is_file()
