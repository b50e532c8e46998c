"""Write the W&B sweeps from the spaces of ``conf/hparams_search``: ``python -m tools.sweeps``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[1]

#: How W&B goes through each space, and what every run gets besides.
METHODS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "augmentation": ("random", ("trainer.max_epochs=20",)),
    "length": ("random", ()),
    "parts": ("grid", ("trainer.max_epochs=20",)),
    "rate": ("bayes", ("optimizer=adamw", "trainer.max_epochs=20")),
}

_HEAD: Final = """\
# Written by python -m tools.sweeps from conf/hparams_search/{name}.yaml.
#   wandb sweep sweeps/{name}.yaml && wandb agent ENTITY/fer/SWEEP
# The objective is the best epoch so far. A sweep never looks at the test split.
"""


def sweep_of(name: str, root: Path = ROOT) -> str:
    """Return the sweep file of a space of ``conf/hparams_search``, as text."""
    path = root / "conf" / "hparams_search" / f"{name}.yaml"
    space: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    method, overrides = METHODS[name]
    sweep: dict[str, Any] = {"project": "fer", "name": name, "method": method}
    sweep["metric"] = {"name": "val/best_score", "goal": "maximize"}
    if method != "grid":
        sweep["run_cap"] = 60
        if not any(one["key"] == "trainer.max_epochs" for one in space.values()):
            # Epochs before the first comparison, then three times as many for each next one.
            sweep["early_terminate"] = {"type": "hyperband", "min_iter": 3, "eta": 3}
    sweep["parameters"] = {one["key"]: _values(one) for one in space.values()}
    line = ["${env}", "python", "-m", "fer.train", "logger=wandb", "test=false", *overrides]
    sweep["command"] = [*line, "${args_no_hyphens}"]
    return _HEAD.format(name=name) + yaml.safe_dump(sweep, sort_keys=False, width=100)


def _values(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter of a space as W&B has it."""
    if "choices" in one:
        # The agent would write None, which is a word on the command line.
        return {"values": ["null" if value is None else value for value in one["choices"]]}
    low, high, step = one["low"], one["high"], one.get("step")
    if isinstance(low, int):
        return {"values": list(range(low, high + 1, step or 1))}
    if step is not None:
        return {"distribution": "q_uniform", "min": low, "max": high, "q": step}
    distribution = "log_uniform_values" if one.get("log") else "uniform"
    return {"distribution": distribution, "min": low, "max": high}


def main() -> int:
    """Start the command."""
    for name in METHODS:
        (ROOT / "sweeps" / f"{name}.yaml").write_text(sweep_of(name), encoding="utf-8")
        sys.stdout.write(f"written: sweeps/{name}.yaml\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
