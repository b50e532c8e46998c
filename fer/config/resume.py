"""``resume=auto``: find the run that a command would repeat, and resume it."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from fer.checkpoints import renamed
from fer.config.compose import leaves, to_plain
from fer.config.distributed import is_nonzero_rank
from fer.config.issues import ConfigError, ConfigIssue
from fer.config.overrides import key_of
from fer.config.renamed import with_current_targets
from fer.config.run_folder import busy
from fer.core.errors import UserError
from fer.core.io import remove_leftovers

#: What may differ between a run and its continuation: where things lie, what is reported, and how
#: the work is done where that can't change the result.
_MAY_DIFFER: Final = (
    "paths.*", "logger.*", "name", "test", "resume", "ckpt_path", "check_only", "trainer.max_time",
    "allow",
    "data.root", "data.source.root", "data.source.cache", "data.source.votes", "data.workers",
    "trainer.enable_*", "trainer.log_every_n_steps", "trainer.profiler",
    "trainer.limit_test_batches",
)  # fmt: skip


def find_run(
    config: DictConfig, overrides: Sequence[str], *, multirun: bool, issues: list[ConfigIssue]
) -> bool:
    """Find what a run with ``resume=auto`` is to resume, and set its folder and checkpoint.

    Args:
        config: of the run; changed in place. A sweep's runs look for themselves.
        overrides: of the command line.
        multirun: several runs by one command.
        issues: gets what is wrong.

    Returns:
        True if there is a run to resume.
    """
    if config.get("resume") != "auto":
        return False
    key = "hydra.sweep.dir" if multirun else "hydra.run.dir"
    named = key in map(key_of, overrides)
    code, what, found = "", "", None
    if config.ckpt_path is not None:
        code, what = "needless_checkpoint", "finds its checkpoint: leave out ckpt_path"
    elif multirun:
        what = "" if named else "goes on with a sweep that hydra.sweep.dir=FOLDER names"
        code = "sweep_folder_needed"
    else:
        try:
            found = run_to_resume(config, Path(config.hydra.run.dir) if named else None)
        except ConfigError as error:
            issues += error.issues
        if found is not None and not is_nonzero_rank():
            code, what = "busy_folder", busy(found) or ""
    if what:
        issues.append(ConfigIssue(code, "resume=auto", what))
    elif found is not None:
        _continue(config, found)
    return found is not None


def _continue(config: DictConfig, folder: Path) -> None:
    checkpoint = last_checkpoint(folder)
    if not is_nonzero_rank():
        _tidy(folder)
        start = " from its start" if checkpoint is None else ""
        sys.stderr.write(f"going on with {folder}{start}\n")
    config.hydra.run.dir = str(folder)
    if checkpoint is not None:
        config.ckpt_path = str(checkpoint)


def _tidy(folder: Path) -> None:
    for place in (folder, folder / "checkpoints", folder / "figures"):
        remove_leftovers(place)


def run_to_resume(config: DictConfig, named: Path | None) -> Path | None:
    """Return the folder of the newest run that ``config`` repeats or prolongs, if there is one.

    Where there is none, that is reported, and by what the nearest run differs.

    Args:
        config: the whole configuration.
        named: the folder given by ``hydra.run.dir``; only this one is looked at then.

    Raises:
        ConfigError: the named folder holds another run.
    """
    wanted = leaves(to_plain(config))
    if named is not None:
        if not (named / "config.yaml").is_file():
            _say_anew(f"{named} holds no run")
            return None
        _check_same(named, wanted)
        return named
    runs = sorted(Path(config.paths.runs).glob("*/*/config.yaml"), key=_age, reverse=True)
    others = {
        file.parent: _between(stored, wanted)
        for file in runs
        # Evaluations lie there too.
        if "trainer.max_epochs" in (stored := _stored(file.parent) or {})
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


def resume_sweep_job(config: DictConfig, folder: Path) -> float | None:
    """Resume a sweep's run where it broke off in its folder, if it began there.

    Args:
        config: of the run; its ``ckpt_path`` is set where there is a checkpoint to go on from.
        folder: of the run.

    Returns:
        The score of a run that has ended, with which nothing is to be done.

    Raises:
        ConfigError: the folder holds another run.
    """
    if config.resume != "auto" or HydraConfig.get().mode != RunMode.MULTIRUN:
        return None
    if not (folder / "config.yaml").is_file():
        _say_anew(f"{folder} holds no run")
        return None
    wanted = leaves(to_plain(config))
    _check_same(folder, wanted)
    file = folder / "metrics.json"
    metrics = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    # What its time has ended goes on.
    ended = metrics if metrics is not None and "ended_by" not in metrics else None
    if ended is not None and not _differences(folder, wanted, longer=False):
        score = ended.get(config.callbacks.checkpoint.monitor)
        return math.nan if score is None else float(score)
    _tidy(folder)
    if (checkpoint := last_checkpoint(folder)) is not None:
        config.ckpt_path = str(checkpoint)
    return None


def check_its_run(config: DictConfig) -> None:
    """Check that ``ckpt_path`` is a checkpoint of a run with the same configuration.

    Raises:
        UserError: it was another one. Its settings would silently be those of the checkpoint.
    """
    folder = Path(config.ckpt_path).parent.parent
    if not (folder / "config.yaml").is_file():
        return  # Moved: the checkpoint itself says how it was learnt.
    if different := _differences(folder, leaves(to_plain(config))):
        raise UserError(
            f"{folder} holds another run ({_listed(different)}): leave that as it was, or begin "
            f"anew with its weights by init_from={config.ckpt_path}",
            code="another_run",
            where="ckpt_path",
        )


def differences(folder: Path, config: DictConfig, *, but: Sequence[str] = ()) -> list[str]:
    """Return in which values the run in a folder differs from ``config``, if there is one.

    Where things lie and what is reported may differ; a shorter or longer training is another one.
    """
    if not (folder / "config.yaml").is_file():
        return []
    return _differences(folder, leaves(to_plain(config)), but=but, longer=False)


def last_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint that a run is resumed from, if it came to one."""
    path = folder / "checkpoints" / "last.ckpt"
    return path if path.is_file() else None


def _check_same(folder: Path, wanted: Mapping[str, Any]) -> None:
    if different := _differences(folder, wanted):
        what = f"{folder} holds another run: {_listed(different)}"
        raise ConfigError([ConfigIssue("another_run", "resume=auto", what)])


def _say_anew(why: str) -> None:
    if not is_nonzero_rank():
        sys.stderr.write(f"resume=auto: {why}; this one begins anew\n")


def _listed(different: Sequence[str]) -> str:
    more = [f"and {len(different) - 8} more"] if len(different) > 8 else []
    return "; ".join([*different[:8], *more])


def _age(file: Path) -> float:
    return (last_checkpoint(file.parent) or file).stat().st_mtime


def _differences(
    folder: Path, wanted: Mapping[str, Any], *, but: Sequence[str] = (), longer: bool = True
) -> list[str]:
    """Return in which values a run differs so much that it can't be resumed."""
    if (stored := _stored(folder)) is None:
        return [f"{folder / 'config.yaml'} can't be read"]
    return _between(stored, wanted, but=but, longer=longer)


def _between(
    stored: Mapping[str, Any],
    wanted: Mapping[str, Any],
    *,
    but: Sequence[str] = (),
    longer: bool = True,
) -> list[str]:
    different = []
    for key in sorted({*stored, *wanted}):
        old, new = stored.get(key), wanted.get(key)
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
        return leaves(with_current_targets(stored))
    except (OSError, ValueError, yaml.YAMLError, AttributeError):
        return None
