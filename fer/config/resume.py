"""``resume=auto``: find the run that a command would repeat, and go on with it."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from fer.checkpoints import renamed
from fer.config.problems import ConfigError, Problem
from fer.config.processes import quoted
from fer.config.renamed import with_current_targets
from fer.errors import UserError
from fer.files import remove_leftovers

#: The checkpoint that a run is judged by, below its folder.
BEST: Final = Path("checkpoints", "best.ckpt")

#: What may differ between a run and its continuation: where things lie, what is reported, and how
#: the work is done where that can't change the result.
_MAY_DIFFER: Final = (
    "paths.*", "logger.*", "name", "test", "resume", "ckpt_path", "check_only", "trainer.max_time",
    "allow",
    "data.root", "data.source.root", "data.source.cache", "data.source.votes", "data.workers",
    "trainer.enable_*", "trainer.log_every_n_steps", "trainer.profiler",
    "trainer.limit_test_batches",
)  # fmt: skip


def resumption(
    config: DictConfig, overrides: Sequence[str], *, multirun: bool
) -> tuple[Problem | None, list[str]]:
    """Find what a run is to go on with.

    Returns:
        What is wrong with that, and the overrides that it takes. A sweep's runs look themselves.
    """
    from fer.config.folder import busy

    key = "hydra.sweep.dir=" if multirun else "hydra.run.dir="
    named = any(text.lstrip("+").startswith(key) for text in overrides)
    if config.ckpt_path is not None:
        return Problem("resume=auto", "finds its checkpoint: leave out ckpt_path"), []
    if multirun:
        what = "goes on with a sweep that hydra.sweep.dir=FOLDER names"
        return (None if named else Problem("resume=auto", what)), []
    found = run_to_resume(config, Path(config.hydra.run.dir) if named else None)
    if found is not None and (why := busy(found)) is not None:
        return Problem("resume=auto", why), []
    return None, ([] if found is None else _continued(found))


def _continued(folder: Path) -> list[str]:
    for place in (folder, folder / "checkpoints", folder / "figures"):
        remove_leftovers(place)
    checkpoint = last_checkpoint(folder)
    sys.stderr.write(
        f"going on with {folder}" + (" from its start\n" if checkpoint is None else "\n")
    )
    overrides = [f"hydra.run.dir={quoted(folder)}"]
    return overrides if checkpoint is None else [*overrides, f"ckpt_path={quoted(checkpoint)}"]


def run_to_resume(config: DictConfig, named: Path | None) -> Path | None:
    """Return the folder of the newest run that ``config`` repeats or prolongs, if there is one.

    Where there is none, that is said, and by what the run that comes nearest differs.

    Args:
        config: the whole configuration.
        named: the folder given by ``hydra.run.dir``; only this one is looked at then.

    Raises:
        ConfigError: the named folder holds another run.
    """
    wanted = _flat(_plain(config))
    if named is not None:
        if not (named / "config.yaml").is_file():
            _say_anew(f"{named} holds no run")
            return None
        different = _differences(named, wanted)
        if different:
            raise ConfigError(
                [Problem("resume=auto", f"{named} holds another run: {_listed(different)}")]
            )
        return named
    runs = sorted(Path(config.paths.runs).glob("*/*/config.yaml"), key=_age, reverse=True)
    stored = {file.parent: _stored(file.parent) or {} for file in runs}
    # Evaluations lie there too.
    others = {
        folder: _between(found, wanted)
        for folder, found in stored.items()
        if "trainer.max_epochs" in found
    }
    if not others:
        _say_anew(f"there is no run in {config.paths.runs}")
        return None
    # The newest of equals.
    nearest = min(others, key=lambda folder: len(others[folder]))
    if not others[nearest]:
        return nearest
    what = f"the nearest is {nearest}, where {_listed(others[nearest])}"
    _say_anew(f"no run in {config.paths.runs} has this configuration; {what}")
    return None


def go_on_in_sweep(config: DictConfig, folder: Path) -> float | None:
    """Take up a sweep's run where it broke off in its folder, if it began there.

    Args:
        config: of the run; its ``ckpt_path`` is set where there is a checkpoint to go on from.
        folder: of the run.

    Returns:
        The score of a run that has ended, with which nothing is to be done.

    Raises:
        ConfigError: the folder holds another run.
    """
    is_sweep = HydraConfig.get().mode == RunMode.MULTIRUN
    if config.resume != "auto" or not is_sweep:
        return None
    if not (folder / "config.yaml").is_file():
        _say_anew(f"{folder} holds no run")
        return None
    wanted = _flat(_plain(config))
    if different := _differences(folder, wanted):
        what = f"{folder} holds another run: {_listed(different)}"
        raise ConfigError([Problem("resume=auto", what)])
    file = folder / "metrics.json"
    metrics = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    # What its time has ended goes on.
    ended = metrics if metrics is not None and "ended_by" not in metrics else None
    if ended is not None and not _differences(folder, wanted, longer=False):
        score = ended.get(config.callbacks.checkpoint.monitor)
        return math.nan if score is None else float(score)
    for place in (folder, folder / "checkpoints", folder / "figures"):
        remove_leftovers(place)
    if (checkpoint := last_checkpoint(folder)) is not None:
        config.ckpt_path = str(checkpoint)
    return None


def check_its_run(config: DictConfig) -> None:
    """Hold the run that ``ckpt_path`` is a checkpoint of against the one that is to go on from it.

    Raises:
        UserError: it was another one. Its settings would silently be those of the checkpoint.
    """
    folder = Path(config.ckpt_path).parent.parent
    if not (folder / "config.yaml").is_file():
        return  # Moved: the checkpoint itself says how it was learnt.
    if different := _differences(folder, _flat(_plain(config))):
        raise UserError(
            f"{folder} holds another run ({_listed(different)}): leave that as it was, or begin "
            f"anew with its weights by init_from={config.ckpt_path}"
        )


def differences(folder: Path, config: DictConfig, *, but: Sequence[str] = ()) -> list[str]:
    """Say in which values the run in a folder is another than that of ``config``, if there is one.

    Where things lie and what is reported may differ; a shorter or longer training is another one.

    Args:
        folder: of the run.
        config: the whole configuration.
        but: further keys that may differ.
    """
    if not (folder / "config.yaml").is_file():
        return []
    return _differences(folder, _flat(_plain(config)), but=but, longer=False)


def last_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint that a run goes on from, if it came to one."""
    path = folder / "checkpoints" / "last.ckpt"
    return path if path.is_file() else None


def _say_anew(why: str) -> None:
    sys.stderr.write(f"resume=auto: {why}; this one begins anew\n")


def _listed(different: Sequence[str]) -> str:
    more = [f"and {len(different) - 8} more"] if len(different) > 8 else []
    return "; ".join([*different[:8], *more])


def _age(file: Path) -> float:
    last = last_checkpoint(file.parent)
    return (last or file).stat().st_mtime


def _plain(config: DictConfig) -> Mapping[str, Any]:
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    plain: Any = OmegaConf.to_container(own, resolve=True)
    return dict(plain)


def _differences(
    folder: Path, wanted: Mapping[str, Any], *, but: Sequence[str] = (), longer: bool = True
) -> list[str]:
    """Say in which values a run differs so much that it can't be gone on with."""
    if (found := _stored(folder)) is None:
        return [f"{folder / 'config.yaml'} can't be read"]
    return _between(found, wanted, but=but, longer=longer)


def _between(
    found: Mapping[str, Any],
    wanted: Mapping[str, Any],
    *,
    but: Sequence[str] = (),
    longer: bool = True,
) -> list[str]:
    different = []
    for key in sorted({*found, *wanted}):
        old, new = found.get(key), wanted.get(key)
        if key.endswith("_target_") and renamed(str(old)) == renamed(str(new)):
            continue
        if old == new or any(fnmatchcase(key, pattern) for pattern in (*_MAY_DIFFER, *but)):
            continue
        is_longer = longer and isinstance(old, int) and isinstance(new, int) and new > old
        if not (key == "trainer.max_epochs" and is_longer):
            different.append(f"{key} was {old!r}, is {new!r}")
    return different


def _stored(folder: Path) -> dict[str, Any] | None:
    """Return the configuration of a run by dotted keys; None where it can't be read."""
    try:
        stored = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        return _flat(with_current_targets(stored))
    except (OSError, ValueError, yaml.YAMLError, AttributeError):
        return None


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    return dict(_items(tree, prefix))


def _items(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _items(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
