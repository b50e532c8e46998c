"""How a command starts: help, the check of its configuration, Hydra, and its exit code."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from fer.errors import UserError

USAGE_ERROR: Final = 2
INTERRUPTED: Final = 130

#: What a training needs beyond the plain install, by import name.
_TRAIN_MODULES: Final = ("torch", "lightning", "hydra", "torchmetrics", "albumentations")


def run(name: str, task: Callable[[Any], Any], *, examples: str, holds: Sequence[str]) -> int:
    """Run a command whose configuration is ``conf/NAME.yaml`` and return its exit code.

    Args:
        name: of the command and its configuration.
        task: gets the composed configuration; called once a job.
        examples: command lines for ``--help``.
        holds: names whose presence shows that a folder already holds a run, which is never
            written over.

    Returns:
        0 done, 2 wrong use, configuration or input, 130 interrupted.
    """
    missing = [module for module in _TRAIN_MODULES if importlib.util.find_spec(module) is None]
    if missing:
        return _complain(
            name,
            f"needs the training extra ({', '.join(missing)} not installed): "
            "pip install 'fer-framework[train]'",
        )
    try:
        return _run(name, _guarded(name, task), examples, holds)
    except KeyboardInterrupt:
        sys.stderr.write(f"fer.{name}: interrupted; what was finished is kept\n")
        return INTERRUPTED
    except (UserError, OSError) as error:
        return _complain(name, str(error))


def _guarded(name: str, task: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the task with its user errors made exits: Hydra ends any exception with code 1."""

    @functools.wraps(task)
    def guarded(config: Any) -> Any:
        try:
            return task(config)
        except (UserError, OSError) as error:
            raise SystemExit(_complain(name, str(error))) from error

    return guarded


def _run(name: str, task: Callable[[Any], Any], examples: str, holds: Sequence[str]) -> int:
    import hydra
    from hydra._internal.utils import get_args_parser

    from fer.config.help import help_text
    from fer.config.location import conf_folder
    from fer.config.shorthand import spelled_out

    # A process that a launcher started runs what its parent has checked.
    is_child = "LOCAL_RANK" in os.environ
    # What is checked here is read again by Hydra, which knows no shorthand.
    sys.argv[1:] = [spelled_out(text) for text in sys.argv[1:]]
    args = get_args_parser().parse_args()
    if args.help:
        sys.stdout.write(help_text(name, examples))
        return 0
    shown = args.hydra_help or args.info or args.cfg or args.shell_completion
    if not is_child and not shown and not args.config_path and not args.config_name:
        # Hydra reads the process's arguments.
        sys.argv += _check(
            name, args.overrides, args.config_dir, multirun=args.multirun, holds=holds
        )
    hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name=name)(task)()
    return 0


def _check(
    name: str, overrides: list[str], config_dir: str | None, *, multirun: bool, holds: Sequence[str]
) -> list[str]:
    """Check what will be run before Hydra creates a folder for it.

    Returns:
        Further overrides: the folder and the checkpoint of the run to resume.
    """
    from fer.config.compose import compose, single_runs
    from fer.config.problems import ConfigError, Problem
    from fer.config.resume import run_to_resume

    if config_dir is not None and not Path(config_dir).is_dir():
        raise ConfigError([Problem("--config-dir", f"there is no folder {config_dir!r}")])
    searchpath = [str(Path(config_dir).resolve())] if config_dir else []
    problems: list[Problem] = []
    resumed: list[str] = []
    for run_overrides in single_runs(overrides) if multirun else [overrides]:
        try:
            config = compose(name, run_overrides, searchpath)
        except ConfigError as error:
            problems += [problem for problem in error.problems if problem not in problems]
            continue
        named = any(text.startswith("hydra.run.dir=") for text in run_overrides)
        if not str(config.hydra.run.dir).strip():
            problems.append(Problem("hydra.run.dir", "must name a folder"))
            continue
        folder = Path(config.hydra.run.dir)
        if config.get("resume") == "auto":
            if config.ckpt_path is not None:
                problems.append(Problem("resume=auto", "finds its checkpoint: leave out ckpt_path"))
            elif multirun:
                problems.append(Problem("resume=auto", "goes with a single run, not with -m"))
            elif (found := run_to_resume(config, folder if named else None)) is not None:
                resumed = _continued(found)
            if resumed:
                continue
        used = [entry for entry in holds if (folder / entry).exists()]
        if used and not multirun:
            what = f"{folder} already holds a run ({', '.join(used)}): choose another folder"
            problems.append(Problem("hydra.run.dir", what))
    if problems:
        raise ConfigError(problems)
    return resumed


def _continued(folder: Path) -> list[str]:
    from fer.config.resume import last_checkpoint
    from fer.files import remove_leftovers

    remove_leftovers(folder / "checkpoints")
    checkpoint = last_checkpoint(folder)
    sys.stderr.write(
        f"going on with {folder}" + (" from its start\n" if checkpoint is None else "\n")
    )
    overrides = [f"hydra.run.dir={_quoted(folder)}"]
    return overrides if checkpoint is None else [*overrides, f"ckpt_path={_quoted(checkpoint)}"]


def _quoted(path: Path) -> str:
    """Quote a path for Hydra's grammar, in which = and , have a meaning."""
    return '"' + str(path).replace('"', '\\"') + '"'


def _complain(name: str, message: str) -> int:
    sys.stderr.write(f"fer.{name}: {message}\n")
    return USAGE_ERROR
