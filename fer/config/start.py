"""How a command starts: help, the check of its configuration, its job, and its exit code."""

from __future__ import annotations

import functools
import importlib.util
import os
import shlex
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fer.core.errors import UserError
from fer.core.text import escape_unencodable_output

if TYPE_CHECKING:
    import argparse

    from omegaconf import DictConfig

    from fer.config.compose import Check
    from fer.config.issues import ConfigIssue

USAGE_ERROR: Final = 2
INTERRUPTED: Final = 130

#: What a training or an evaluation needs beyond the plain install, by import name.
_TRAIN_MODULES: Final = (
    "torch", "lightning", "hydra", "torchmetrics", "albumentations", "sklearn", "scipy", "pyarrow",
    "skimage", "pydantic",
)  # fmt: skip

#: Commands that resume by themselves, and what they have in place of several jobs.
_RESUMING: Final = {"search": "search.trials=N: trials", "table": "seeds=[0,1,2]: seeds"}


def run_command(
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
        sys.stderr.write(
            f"fer.{name}: needs the training extra ({', '.join(missing)} not installed): "
            "pip install '.[train]'\n"
        )
        return USAGE_ERROR
    from fer.config.distributed import is_nonzero_rank
    from fer.config.overrides import read_arguments

    try:
        args = read_arguments(sys.argv[1:])
        if args.help:
            sys.stdout.write(_help_text(name, examples))
            return 0
        return _run(name, _with_exit_codes(name, task), args, holds, check)
    except KeyboardInterrupt as interrupt:
        if not is_nonzero_rank():
            sys.stderr.write(f"fer.{name}: {_interrupted(name, str(interrupt))}\n")
        return INTERRUPTED
    except (UserError, OSError) as error:
        # What Hydra writes, it writes without naming it.
        nameless = isinstance(error, OSError) and error.errno is not None and not error.filename
        return _report(name, f"{error}{' (in the run folder)' if nameless else ''}")


def _run(
    name: str,
    task: Callable[[Any], Any],
    args: argparse.Namespace,
    holds: Sequence[str],
    check: Check | None,
) -> int:
    # So that Hydra passes on what it fails with: its own files meet a full disk too.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    if args.hydra_help or args.info or args.cfg or args.shell_completion or args.config_path:
        return _run_by_hydra(name, task, args)
    if args.config_name and not args.multirun:
        return _run_by_hydra(name, task, args)
    if args.multirun:
        return _run_sweep(name, task, args, check)
    from fer.config.distributed import become_silent, is_nonzero_rank

    if is_nonzero_rank():
        become_silent()
    config = _checked(name, args, holds, check)
    _run_job(config, task)
    return 0


def _run_by_hydra(name: str, task: Callable[[Any], Any], args: argparse.Namespace) -> int:
    """Let Hydra show a configuration, or run one of the user's own that is not checked here."""
    from hydra import version
    from hydra._internal.utils import _run_hydra, get_args_parser
    from hydra.core.global_hydra import GlobalHydra

    from fer.config.compose import conf_folder

    version.setbase("1.3")
    GlobalHydra.instance().clear()
    _run_hydra(args, get_args_parser(), task, str(conf_folder()), name)
    return 0


def _run_job(config: DictConfig, task: Callable[[Any], Any]) -> None:
    """Run the task in its folder as Hydra does, on a configuration that is already composed."""
    from hydra._internal.callbacks import Callbacks
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.utils import configure_log, run_job
    from hydra.types import HydraContext

    from fer.config.distributed import is_nonzero_rank

    hydra: Any = GlobalHydra.instance()
    callbacks = Callbacks(config)
    speaks = not is_nonzero_rank()
    if speaks:
        configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    else:
        # Each process would write the same files.
        config.hydra.output_subdir = None
    config_name = config.hydra.job.config_name
    callbacks.on_run_start(config=config, config_name=config_name)
    done = run_job(
        task, config, "hydra.run.dir", None,
        HydraContext(config_loader=hydra.config_loader(), callbacks=callbacks), speaks,
    )  # fmt: skip
    callbacks.on_run_end(config=config, config_name=config_name, job_return=done)
    _ = done.return_value  # Raises what the task has raised.


def _run_sweep(
    name: str, task: Callable[[Any], Any], args: argparse.Namespace, check: Check | None
) -> int:
    """Check each value of a sweep, then run its jobs."""
    from fer.config.issues import ConfigError, ConfigIssue
    from fer.config.overrides import key_of, quoted
    from fer.config.sweeping import run_sweep

    overrides: list[str] = args.overrides
    if name in _RESUMING:
        what = f"a {name} is a single run, without -m; {_RESUMING[name]}"
        raise ConfigError([ConfigIssue("no_multirun", "-m", what)])
    if not args.config_name:
        config = _checked(name, args, (), check)
        if any(text.lstrip("+").lower() == "check_only=true" for text in overrides):
            # What would start the runs is asked for nothing, as on a cluster's login machine.
            launcher = ("hydra/launcher", "hydra.launcher.")
            overrides = [text for text in overrides if not key_of(text).startswith(launcher)]
        # Its ~ is replaced by now.
        overrides = [*overrides, f"hydra.sweep.dir={quoted(config.hydra.sweep.dir)}"]
    return run_sweep(name, task, overrides, args.config_dir, args.config_name or name)


def _checked(
    name: str, args: argparse.Namespace, holds: Sequence[str], check: Check | None
) -> DictConfig:
    """Compose and check what will be run before a folder is made for it.

    Returns:
        The configuration; of a sweep, that of its last run.
    """
    from fer.config.compose import compose, single_runs
    from fer.config.distributed import process_issues
    from fer.config.issues import ConfigError, ConfigIssue
    from fer.config.resume import find_run

    folders = [args.config_dir] if args.config_dir else []
    if folders and not Path(folders[0]).is_dir():
        what = f"there is no folder {folders[0]!r}"
        raise ConfigError([ConfigIssue("missing_folder", "--config-dir", what)])
    issues: list[ConfigIssue] = []
    for overrides in single_runs(args.overrides) if args.multirun else [args.overrides]:
        try:
            # A single training checks its constructors with all else that is built.
            deferred = name == "train" and not args.multirun
            config = compose(name, overrides, folders, check, constructors=not deferred)
        except ConfigError as error:
            issues += error.issues
            if deferred and all(issue.code == "out_of_range" for issue in error.issues):
                issues += _more_ranges(name, overrides, folders, error.issues)
            continue
        if not str(config.hydra.run.dir).strip():
            issues.append(ConfigIssue("missing_folder", "hydra.run.dir", "must name a folder"))
            continue
        issues += process_issues(config, overrides, multirun=args.multirun)
        found = find_run(config, overrides, multirun=args.multirun, issues=issues)
        issues += [] if found else _folder_issues(config, holds, multirun=args.multirun)
    if issues:
        raise ConfigError(issues)
    return config


def _folder_issues(
    config: DictConfig, holds: Sequence[str], *, multirun: bool
) -> list[ConfigIssue]:
    """Check the folder that a run, or several, will be written to."""
    from fer.config.distributed import is_nonzero_rank
    from fer.config.issues import ConfigIssue
    from fer.config.run_folder import busy
    from fer.core.io import why_not_writable

    if is_nonzero_rank():
        return []
    key = "hydra.sweep.dir" if multirun else "hydra.run.dir"
    folder = Path(config.hydra.sweep.dir if multirun else config.hydra.run.dir)
    if (why := why_not_writable(folder)) is not None:
        return [ConfigIssue("unusable_folder", key, why)]
    if (why := busy(folder)) is not None:
        return [ConfigIssue("busy_folder", key, why)]
    used = [] if multirun else [entry for entry in holds if (folder / entry).exists()]
    if used:
        what = f"{folder} already holds a run ({', '.join(used)}): choose another folder"
        return [ConfigIssue("used_folder", key, what)]
    return []


def _more_ranges(
    name: str, overrides: Sequence[str], folders: Sequence[str], known: Sequence[ConfigIssue]
) -> list[ConfigIssue]:
    """Return the ranges that constructors find wrong, besides those of the schema."""
    from fer.config.compose import compose
    from fer.config.issues import ConfigError

    try:
        compose(name, overrides, folders)
    except ConfigError as error:
        keys = {issue.key for issue in known}
        return [issue for issue in error.issues if issue.key not in keys]
    return []


def _with_exit_codes(name: str, task: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the task with its user errors made exits: Hydra ends any exception with code 1.

    In a sweep an exit would end the other jobs too: there a job returns why it failed.
    """

    @functools.wraps(task)
    def guarded(config: Any) -> Any:
        from fer.config.compose import expand_home
        from fer.config.sweeping import Failed, in_sweep, unforeseen

        expand_home(config)
        try:
            return task(config)
        except (UserError, OSError) as error:
            code = _report(name, str(error))
            if in_sweep():
                return Failed(str(error))
            raise SystemExit(code) from error
        except Exception as error:
            if not in_sweep():
                raise
            return unforeseen(error)

    return guarded


def _report(name: str, message: str) -> int:
    from fer.config.distributed import is_nonzero_rank, wait_for_first_rank

    if is_nonzero_rank():
        wait_for_first_rank()
    sys.stderr.write(f"fer.{name}: {message}\n")
    return USAGE_ERROR


def _interrupted(name: str, folder: str) -> str:
    """Say where an interrupted run is, if there is one, and how to resume it."""
    arguments = sys.argv[1:]
    if not folder:
        resumes = "; the same command goes on" if name in _RESUMING else ""
        return f"interrupted; what was finished is kept{resumes}"
    text = f"interrupted; what was finished is kept in {folder}"
    if {"-m", "--multirun"} & set(arguments):
        return text
    kept = [text for text in arguments if not text.startswith(("ckpt_path=", "resume="))]
    command = shlex.join(["python", "-m", f"fer.{name}", *kept, "resume=auto"])
    return f"{text}\nto go on: {command}"


def _help_text(name: str, examples: str) -> str:
    """Return the help of ``python -m fer.NAME``."""
    from fer.config.compose import conf_folder, groups_of

    folders = (conf_folder() / group for group in groups_of(name))
    groups = "\n".join(_group_help(folder) for folder in folders if any(folder.glob("*.yaml")))
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


def _group_help(folder: Path) -> str:
    """Return the choices of a group with the first comment of each file, which says what it is."""
    choices = {
        file.relative_to(folder).with_suffix("").as_posix(): file
        for file in sorted(folder.rglob("*.yaml"))
        if not file.name.startswith("_")
    }
    width = max(map(len, choices))
    lines = [f"  {folder.name}"]
    for name, file in choices.items():
        comments = (
            line.lstrip("# ")
            for line in file.read_text(encoding="utf-8").splitlines()
            if line.startswith("#") and not line.startswith("# @package")
        )
        lines.append(f"    {name:<{width}}  {next(comments, '')}".rstrip())
    return "\n".join(lines)
