"""The commands that W&B's agent makes of a sweep file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.wheel import ROOT

FILES = sorted((ROOT / "sweeps").glob("*.yaml"))


def read(path: Path) -> dict[str, Any]:
    """Return a sweep file's content."""
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def command_of(sweep: Mapping[str, Any], *, last: bool = False) -> list[str]:
    """Return the command line of a run with the first, or the last, value of each parameter."""
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    args = {}
    for name, spec in sweep["parameters"].items():
        values = spec["values"] if "values" in spec else [spec["min"], spec["max"]]
        args[name] = {"value": values[-1 if last else 0]}
    rendered = create_sweep_command_args({"args": args})
    line: list[str] = []
    for chunk in create_sweep_command([*sweep["command"]]):
        if chunk == "${env}":
            line += ["/usr/bin/env"]
        elif chunk == "${args_no_hyphens}":
            line += rendered["args_no_hyphens"]
        else:
            line.append(chunk)
    return line
