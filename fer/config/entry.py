"""How a command starts: help, the check of its configuration, Hydra, and its exit code."""

from __future__ import annotations

import functools
import importlib.util
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fer.config.processes import (
    follow,
    is_follower,
    let_others_end,
    misfit,
    quoted,
    wait_for_the_end,
)
from fer.core.errors import UserError
from fer.core.text import escape_unencodable_output

if TYPE_CHECKING:
    from fer.config.compose import Check
    from fer.config.problems import Problem

USAGE_ERROR: Final = 2
INTERRUPTED: Final = 130

#: What a training or an evaluation needs beyond the plain install, by import name.
_TRAIN_MODULES: Final = (
    "torch", "lightning", "hydra", "torchmetrics", "albumentations", "sklearn", "scipy", "pyarrow",
    "skimage",
)  # fmt: skip

#: Where Hydra makes folders.
_FOLDERS: Final = ("paths.runs", "hydra.run.dir", "hydra.sweep.dir")

#: Commands that take up by themselves what they left, and what they have in place of several jobs.
_GO_ON: Final = {"search": "search.trials=N: trials", "table": "seeds=[0,1,2]: seeds"}


def run(
    name: str,
    task: Callable[[Any], Any],
    *,
    examples: str,
    holds: Sequence[str],
    check: Check | None = None,
) -> int:
    """Run a command whose configuration is ``conf/NAME.yaml`` and return its exit code.

    Args:
        name: of the command and its configuration.
        task: gets the composed configuration; called once a job.
        examples: command lines for ``--help``.
        holds: names whose presence shows that a folder already holds a run, which is never
            written over.
        check: finds what is wrong with a composed configuration beyond keys and types, and with
            the overrides that it comes from.

    Returns:
        0 done, 1 done but jobs of a sweep failed, 2 wrong use, configuration or input, 130
        interrupted.
    """
    escape_unencodable_output()
    # Before torch is imported: its threads would otherwise wait for each other by spinning, and
    # where anything else takes a core from one of them, a step takes fifty times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    missing = [module for module in _TRAIN_MODULES if importlib.util.find_spec(module) is None]
    if missing:
        return _complain(
            name,
            f"needs the training extra ({', '.join(missing)} not installed): "
            "pip install '.[train]'",
        )
    try:
        return _answer(name, task, examples, holds, check)
    finally:
        let_others_end()


def _answer(
    name: str,
    task: Callable[[Any], Any],
    examples: str,
    holds: Sequence[str],
    check: Check | None,
) -> int:
    """Run the command; what its user can mend, or has stopped, is said in one message."""
    arguments = sys.argv[1:]
    try:
        return _run(name, _guarded(name, task), examples, holds, check)
    except KeyboardInterrupt as interrupt:
        if not is_follower():
            sys.stderr.write(f"fer.{name}: {_interrupted(name, arguments, str(interrupt))}\n")
        return INTERRUPTED
    except (UserError, OSError) as error:
        # What Hydra writes, it writes without naming it.
        nameless = isinstance(error, OSError) and error.errno is not None and not error.filename
        return _complain(name, f"{error}{' (in the run folder)' if nameless else ''}")


def _interrupted(name: str, arguments: Sequence[str], folder: str) -> str:
    """Say where an interrupted run is, if there is one, and how to go on with it."""
    if not folder:
        goes_on = "; the same command goes on" if name in _GO_ON else ""
        return f"interrupted; what was finished is kept{goes_on}"
    kept = [text for text in arguments if not text.startswith(("ckpt_path=", "resume="))]
    text = f"interrupted; what was finished is kept in {folder}"
    if {"-m", "--multirun"} & set(arguments):
        return text
    command = shlex.join(["python", "-m", f"fer.{name}", *kept, "resume=auto"])
    return f"{text}\nto go on: {command}"


def _guarded(name: str, task: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the task with its user errors made exits: Hydra ends any exception with code 1.

    In a sweep an exit would end the other jobs too: there a job returns why it failed.
    """

    @functools.wraps(task)
    def guarded(config: Any) -> Any:
        from fer.config.shorthand import expand_home
        from fer.config.sweeping import Failed, in_sweep, unforeseen

        expand_home(config)
        try:
            return task(config)
        except (UserError, OSError) as error:
            code = _complain(name, str(error))
            if in_sweep():
                return Failed(str(error))
            raise SystemExit(code) from error
        except Exception as error:
            if not in_sweep():
                raise
            return unforeseen(error)

    return guarded


def _run(
    name: str,
    task: Callable[[Any], Any],
    examples: str,
    holds: Sequence[str],
    check: Check | None,
) -> int:
    # So that Hydra hands on what it fails with: its own files meet a full disk too.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    import hydra

    from fer.config.command_line import read_arguments
    from fer.config.help import help_text
    from fer.config.location import conf_folder

    # What is checked here is read again by Hydra, which knows no shorthand.
    args, sys.argv[1:] = read_arguments(sys.argv[1:])
    if is_follower():
        # Hydra reads the process's arguments; the first process has checked them.
        sys.argv += follow()
    if args.help:
        sys.stdout.write(help_text(name, examples))
        return 0
    shown = args.hydra_help or args.info or args.cfg or args.shell_completion
    multirun, overrides = args.multirun, args.overrides
    if not (is_follower() or shown):
        further = []
        if not (args.config_path or args.config_name):
            further = _check(
                name, overrides, args.config_dir, multirun=multirun, holds=holds, check=check
            )
        sys.argv += further
        if multirun and not args.config_path:
            from fer.config.sweeping import run_sweep

            if any(text.lstrip("+").lower() == "check_only=true" for text in overrides):
                # What would start the runs is asked for nothing, as on a cluster's login machine.
                overrides = [text for text in overrides if not _is_launcher(text)]
            every = [*overrides, *further]
            return run_sweep(name, task, every, args.config_dir, args.config_name or name)
    hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name=name)(task)()
    return 0


def _is_launcher(override: str) -> bool:
    return override.lstrip("+").startswith(("hydra/launcher=", "hydra.launcher."))


def _check(
    name: str,
    overrides: list[str],
    config_dir: str | None,
    *,
    multirun: bool,
    holds: Sequence[str],
    check: Check | None,
) -> list[str]:
    """Check what will be run before Hydra creates a folder for it.

    Returns:
        Further overrides: folders at home, and those of the run to resume and its checkpoint.
    """
    from fer.config.compose import compose, single_runs
    from fer.config.problems import ConfigError, Problem
    from fer.config.resume import resumption

    if config_dir is not None and not Path(config_dir).is_dir():
        raise ConfigError([Problem("--config-dir", f"there is no folder {config_dir!r}")])
    searchpath = [str(Path(config_dir).resolve())] if config_dir else []
    if multirun and name in _GO_ON:
        raise ConfigError([Problem("-m", f"a {name} is a single run, without -m; {_GO_ON[name]}")])
    problems: list[Problem] = []
    resumed: list[str] = []
    at_home: dict[str, str] = {}
    for run_overrides in single_runs(overrides) if multirun else [overrides]:
        try:
            config = compose(name, run_overrides, searchpath, check, at_home)
        except ConfigError as error:
            problems += [problem for problem in error.problems if problem not in problems]
            continue
        if not str(config.hydra.run.dir).strip():
            problems.append(Problem("hydra.run.dir", "must name a folder"))
            continue
        launcher = str(config.hydra.launcher.get("_target_"))
        problem = (
            misfit(config.trainer, launcher, multirun=multirun, check_only=bool(config.check_only))
            if "trainer" in config
            else None
        )
        if problem is not None and problem not in problems:
            problems.append(problem)
        if config.get("resume") == "auto":
            problem, resumed = resumption(config, run_overrides, multirun=multirun)
            problems += [] if problem is None or problem in problems else [problem]
            if resumed:
                continue
        problem = _folder_problem(config, holds, multirun=multirun)
        if problem is not None and problem not in problems:
            problems.append(problem)
    if problems:
        raise ConfigError(problems)
    # Hydra makes folders of these before the task could replace a ~ of a file.
    folders = [f"{key}={quoted(at_home[key])}" for key in _FOLDERS if key in at_home]
    return [*folders, *resumed]


def _folder_problem(config: Any, holds: Sequence[str], *, multirun: bool) -> Problem | None:
    """Say what is wrong with the folder that a run, or several, will be written to."""
    from fer.config.folder import busy
    from fer.config.problems import Problem
    from fer.core.io import why_not_writable

    key = "hydra.sweep.dir" if multirun else "hydra.run.dir"
    folder = Path(config.hydra.sweep.dir if multirun else config.hydra.run.dir)
    if (why := why_not_writable(folder) or busy(folder)) is not None:
        return Problem(key, why)
    used = [] if multirun else [entry for entry in holds if (folder / entry).exists()]
    if used:
        what = f"{folder} already holds a run ({', '.join(used)}): choose another folder"
        return Problem(key, what)
    return None


def _complain(name: str, message: str) -> int:
    if is_follower():
        wait_for_the_end()
    sys.stderr.write(f"fer.{name}: {message}\n")
    return USAGE_ERROR
