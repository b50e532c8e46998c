"""How far a table is: a bar over all its runs, and a line for each command that ends."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tqdm import tqdm

from fer.experiments.runs import Job, Run, epochs_in


class Progress:
    """A bar in epochs of training; its remaining time is that of the pace so far.

    Args:
        runs: all of the table.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = runs
        # Kept here, since finding it out reads a checkpoint.
        self._finished = {
            job.folder for run in runs if not run.stale for job in run.jobs if job.is_finished()
        }
        self._bar = tqdm(
            total=sum(job.work for run in runs for job in run.jobs),
            initial=self._done(()),
            # A file is written to once a minute.
            mininterval=1.0 if sys.stderr.isatty() else 60.0,
            # A run of hours hardly changes its pace: all of it counts.
            smoothing=0.0,
            bar_format="{percentage:3.0f}%|{bar:16}| {elapsed}<{remaining} {desc}",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def show(self, working: Sequence[tuple[Run, Job]], busy: Sequence[Run]) -> None:
        """Show what runs now, and which runs other processes work on."""
        whole = sum(all(job.folder in self._finished for job in run.jobs) for run in self._runs)
        now = ", ".join(f"{run.name} {job.step}" for run, job in working) or "nothing"
        text = f"{whole} of {len(self._runs)} runs done; now {now}"
        if busy:
            text += f"; another process works on {', '.join(run.name for run in busy)}"
        self._bar.set_description_str(text, refresh=False)
        self._bar.update(max(0, self._done([job for _, job in working]) - self._bar.n))

    def ended(self, run: Run, job: Job, seconds: float) -> None:
        """Take down that a command ended well."""
        self._finished.add(job.folder)
        self.say(f"{run.name}: {job.step} done in {_duration(seconds)}")

    def found(self, run: Run) -> None:
        """Take down that a run was made by another process."""
        self._finished |= {job.folder for job in run.jobs}

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.write(text, file=sys.stdout)

    def _done(self, working: Sequence[Job]) -> float:
        ended = sum(
            job.work for run in self._runs for job in run.jobs if job.folder in self._finished
        )
        return ended + sum(min(job.work, epochs_in(job.folder)) for job in working if job.epochs)


def _duration(seconds: float) -> str:
    """Return a time as people say it.

    Example:
        >>> _duration(42.3), _duration(754), _duration(7300)
        ('42 s', '13 min', '2 h 2 min')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
