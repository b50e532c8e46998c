"""The command that scores the test split, which a training has left alone, by its checkpoint."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from fer.config.compose import compose
from fer.config.evaluating import OF_MODEL, OF_TRAINING
from fer.config.keys import lookup
from fer.config.processes import quoted
from fer.config.resume import BEST


def scoring_command(config: DictConfig, folder: Path) -> str:
    """Return the command that scores the test split, on the data that a run learnt from.

    Args:
        config: of the training.
        folder: of its run.
    """
    hydra = HydraConfig.get()
    if config.data.protocol != "official":
        # Its test split is none that an evaluation knows.
        task = [text for text in hydra.overrides.task if not text.startswith(("resume=", "test="))]
        place = f"hydra.run.dir={_written(str(folder))}"
        return shlex.join(["python", "-m", "fer.train", *task, place, "resume=auto", "test=true"])
    own = [s.path for s in hydra.runtime.config_sources if s.provider == "command-line"]
    choice = f"data={hydra.runtime.choices['data']}"
    usual = compose("evaluate", [choice], own)
    # Not yet resolved: what only hands another key on is not repeated.
    plain: Any = OmegaConf.to_container(config, resolve=False)
    known: Any = OmegaConf.to_container(usual, resolve=False)
    differing = [
        f"{key}={_written(value)}"
        for key, value in _leaves({"data": plain["data"], "paths": plain["paths"]})
        if key not in (*OF_TRAINING, *OF_MODEL) and lookup(known, key) != value
    ]
    options = [word for path in own for word in ("--config-dir", path)]
    ckpt = f"ckpt={_written(str(folder / BEST))}"
    return shlex.join(["python", "-m", "fer.evaluate", *options, ckpt, choice, *differing])


def _leaves(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in tree.items():
        key = f"{prefix}{name}"
        found += _leaves(value, f"{key}.") if isinstance(value, dict) else [(key, value)]
    return found


def _written(value: Any) -> str:
    """Return a value in Hydra's grammar."""
    if not isinstance(value, str):
        return json.dumps(value)
    return value if re.fullmatch(r"[\w./-]+", value) else quoted(value)
