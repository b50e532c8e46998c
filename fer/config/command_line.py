"""How a command line is read: options may stand anywhere among the overrides."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from hydra._internal.utils import get_args_parser

from fer.config.shorthand import spelled_out
from fer.core.errors import UserError
from fer.core.io import expand_option_user


def read_arguments(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Read arguments as Hydra does, and put the options before the overrides, as Hydra wants them.

    Returns:
        What was read, and the arguments in that order, spelled out.

    Raises:
        UserError: they can't be read.
    """
    parser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign]
    words = [
        expand_option_user(text) if text.startswith("-") else spelled_out(text)
        for text in arguments
    ]
    read = parser.parse_intermixed_args(words)
    modes = (read.run, read.multirun, read.cfg, read.info, read.shell_completion)
    if sum(map(bool, modes)) > 1:
        _refuse("one of --run, --multirun, --cfg, --info and --shell-completion at a time")
    if read.resolve and not read.cfg:
        _refuse("--resolve belongs to --cfg")
    options, left = [], list(read.overrides)
    for word in words:
        if word in left[:1]:
            left.pop(0)
        else:
            options.append(word)
    return read, [*options, *read.overrides]


def _refuse(message: str) -> NoReturn:
    raise UserError(
        f"{message} (values are set as KEY=VALUE, without dashes; --help lists the options)"
    )
