"""The text of ``--help``: groups, their choices, and examples."""

from __future__ import annotations

import textwrap
from pathlib import Path

from fer.config.location import conf_folder, groups_of


def help_text(name: str, examples: str) -> str:
    """Return the help of ``python -m fer.NAME``."""
    groups = "\n".join(_group(folder) for folder in _folders(name))
    return f"""\
usage: python -m fer.{name} [OPTION …] [GROUP=CHOICE …] [KEY=VALUE …]

Groups and their choices
{groups}

Every value of a choice can be changed by its key, as data.root=FOLDER. See them all:
  python -m fer.{name} --cfg job

Options
  -m, --multirun    run every combination of comma-separated values
  -cd, --config-dir a folder with your own choices, laid out like conf/
  --cfg job         print the composed configuration and stop
  --hydra-help      Hydra's own options

Examples
{textwrap.indent(textwrap.dedent(examples).strip(), "  ")}

Exit codes: 0 done, 1 done but runs of -m failed, 2 wrong use, configuration or
input, 130 interrupted.
"""


def _folders(name: str) -> list[Path]:
    folders = (conf_folder() / group for group in groups_of(name))
    return [folder for folder in folders if any(folder.glob("*.yaml"))]


def _group(folder: Path) -> str:
    choices = {
        file.relative_to(folder).with_suffix("").as_posix(): file
        for file in sorted(folder.rglob("*.yaml"))
        if not file.name.startswith("_")
    }
    width = max(map(len, choices))
    lines = [f"    {name:<{width}}  {_summary(file)}".rstrip() for name, file in choices.items()]
    return "\n".join([f"  {folder.name}", *lines])


def _summary(file: Path) -> str:
    """Return the first comment of a file, which says what the choice is."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and not line.startswith("# @package"):
            return line.lstrip("# ")
    return ""
