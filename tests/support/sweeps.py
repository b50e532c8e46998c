"""What W&B would propose by a sweep file, and the command that its agent would make of it."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.wheel import ROOT

FILES = sorted((ROOT / "sweeps").glob("*.yaml"))


def read(path: Path) -> dict[str, Any]:
    """Return a sweep file's content."""
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def proposals(sweep: Mapping[str, Any], seed: int = 0) -> list[dict[str, Any]]:
    """Return runs in which every choice, both ends of every range and some draws of it occur."""
    rng = random.Random(seed)
    columns = {name: list(_values(spec, rng)) for name, spec in sweep["parameters"].items()}
    runs = range(max(map(len, columns.values())))
    return [{name: column[k % len(column)] for name, column in columns.items()} for k in runs]


def grid(sweep: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every run of a grid."""
    values = [spec["values"] for spec in sweep["parameters"].values()]
    return [dict(zip(sweep["parameters"], run, strict=True)) for run in itertools.product(*values)]


def _values(spec: Mapping[str, Any], rng: random.Random) -> Iterator[Any]:
    if "values" in spec:
        yield from spec["values"]
        return
    low, high, kind = spec["min"], spec["max"], spec["distribution"]
    draws = [low, high, *(rng.uniform(low, high) for _ in range(3))]
    if kind == "uniform":
        yield from draws
    elif kind == "q_uniform":
        # As W&B rounds.
        yield from (round(round(value / spec["q"]) * spec["q"], 10) for value in draws)
    elif kind == "log_uniform_values":
        yield from (low, high)
        yield from (math.exp(rng.uniform(math.log(low), math.log(high))) for _ in range(3))
    else:
        raise AssertionError(f"a distribution that this test does not know: {kind}")


def command_of(sweep: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Return the command line of a run, rendered by W&B's own agent."""
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    rendered = create_sweep_command_args({"args": {k: {"value": v} for k, v in values.items()}})
    line: list[str] = []
    for chunk in create_sweep_command([*sweep["command"]]):
        if chunk == "${env}":
            line += ["/usr/bin/env"]
        elif chunk == "${args_no_hyphens}":
            line += rendered["args_no_hyphens"]
        else:
            line.append(chunk)
    return line
