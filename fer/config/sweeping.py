"""Several jobs by one command: one that fails leaves the others alone, and is listed in the end."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hydra._internal.utils import run_and_report
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.types import RunMode

from fer.config.compose import hydra_of
from fer.core.text import pluralize


@dataclass(frozen=True, slots=True)
class Failed:
    """What a job of a sweep returns in place of an error, which would end the others with it.

    Attributes:
        why: in one message.
    """

    why: str


def in_sweep() -> bool:
    """Say whether a job is one of several."""
    return bool(HydraConfig.get().mode == RunMode.MULTIRUN)


def unforeseen(error: Exception) -> Failed:
    """Show a defect whole, and return it as what a job of a sweep failed by."""
    traceback.print_exception(error)
    return Failed(f"{type(error).__name__}: {error}")


def run_sweep(
    name: str,
    task: Callable[[Any], Any],
    overrides: Sequence[str],
    config_dir: str | None,
    config_name: str,
) -> int:
    """Run every job of a sweep, and say which have failed.

    Hydra's own entry forgets what jobs return.

    Returns:
        The exit code: 1 where some jobs have failed, 2 where all have.
    """
    hydra = hydra_of(name, [config_dir] if config_dir else [])
    every = [*overrides, "hydra.mode=MULTIRUN"]
    batches = run_and_report(
        lambda: hydra.multirun(config_name=config_name, task_function=task, overrides=every)
    )
    jobs: list[JobReturn] = [job for batch in batches for job in batch]
    failed = [job for job in jobs if isinstance(job.return_value, Failed)]
    if not failed:
        return 0
    shared = set.intersection(*(set(job.overrides or ()) for job in jobs))
    some = len(failed) < len(jobs)
    rest = ", the others are done" if some else ""
    lines = [f"{len(failed)} of {pluralize(len(jobs), 'job')} failed{rest}:"]
    for job in failed:
        assert job.hydra_cfg is not None  # noqa: S101 - it has begun
        own = " ".join(text for text in job.overrides or () if text not in shared)
        number = job.hydra_cfg.hydra.job.num
        lines.append(f"  job {number} ({own}): {job.return_value.why}".replace(" ()", ""))
    folder = jobs[0].hydra_cfg.hydra.sweep.dir  # type: ignore[union-attr]
    lines.append(f"their folder: {folder}")
    sys.stderr.write(f"fer.{name}: " + "\n".join(lines) + "\n")
    return 1 if some else 2
