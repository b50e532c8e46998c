"""What a table is made of: rows, the runs of each, and the commands that make a run."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from fer.config.folder import BEST

Step = Literal["training", "evaluation", "baseline"]

#: How much an evaluation takes, in epochs of training, about: alone, and with robustness.
_EVALUATION: Final = (1, 4)
_BASELINE: Final = 4


@dataclass(frozen=True, slots=True)
class Job:
    """One command.

    Attributes:
        step: what it does.
        folder: where its files lie.
        overrides: of the command, without the folder.
        epochs: of a training.
        test: it looks at the test split.
        robustness: of an evaluation, that it measures it.
        faces: of the validation split that it measures it on; None for all.
    """

    step: Step
    folder: Path
    overrides: tuple[str, ...]
    epochs: int = 0
    test: bool = False
    robustness: bool = False
    faces: int | None = None

    @property
    def module(self) -> str:
        """The module that Python runs."""
        names = {"training": "train", "evaluation": "evaluate", "baseline": "baseline"}
        return f"fer.{names[self.step]}"

    @property
    def log(self) -> Path:
        """The file that holds what the command says."""
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def work(self) -> int:
        """How much there is to do, in epochs of training, about."""
        return {
            "training": self.epochs,
            "evaluation": _EVALUATION[self.robustness],
            "baseline": _BASELINE,
        }[self.step]

    def is_finished(self) -> bool:
        """Say whether the folder holds what the command makes."""
        metrics = metrics_in(self.folder)
        if metrics is None:
            return False
        if self.step == "training":
            # One that its time has ended goes on.
            return "ended_by" not in metrics
        if self.robustness and self.test and not self._has_robustness(metrics):
            return False
        if self.step == "baseline":
            return "official" in metrics or not self.test
        judged = metrics.get("fingerprints", {}).get("checkpoint")
        return bool(judged == sha256(self.folder.parent / BEST))

    def _has_robustness(self, metrics: Mapping[str, Any]) -> bool:
        """Say whether robustness was measured, and on as many faces."""
        if metrics.get("robustness") is None:
            return False
        config = yaml.safe_load((self.folder / "config.yaml").read_text(encoding="utf-8"))
        return bool(config["robustness_faces"] == self.faces)


@dataclass(frozen=True, slots=True)
class Run:
    """One seed of a row.

    Attributes:
        row: the row's name.
        seed: of everything that is drawn.
        folder: where it lies.
        jobs: the commands that make it, one after the other.
        stale: the folder holds a run of another configuration, which is to be made anew.
        found: what :func:`configurations` said of the folder when that was found out.
    """

    row: str
    seed: int
    folder: Path
    jobs: tuple[Job, ...]
    stale: bool = False
    found: tuple[tuple[str, int], ...] = ()

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.row} seed {self.seed}"

    @property
    def lock(self) -> Path:
        """The file that a process holds while it works in the folder."""
        return self.folder.with_name(f"{self.folder.name}.lock")

    def next_job(self) -> Job | None:
        """Return the first command that has not ended well; None where all have."""
        return next((job for job in self.jobs if not job.is_finished()), None)

    @property
    def judgement(self) -> Path:
        """The folder with the judgement on the test split: metrics and predictions."""
        return self.folder / "evaluation" if self.jobs[-1].step != "baseline" else self.folder


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Attributes:
        name: as ``only`` names it.
        title: as the table names it.
        kind: ``families``, ``ablations`` or ``clips``.
        runs: one a seed.
        conventional: it has nothing that is drawn, so one run is all there is.
        pace: a short training whose speed alone counts, or None.
    """

    name: str
    title: str
    kind: str
    runs: tuple[Run, ...]
    conventional: bool = False
    pace: Run | None = None


def configurations(folder: Path) -> tuple[tuple[str, int], ...]:
    """Return which configurations lie in a folder and below, and when each was written."""
    paths = sorted(folder.rglob("config.yaml"))
    return tuple((str(path), path.stat().st_mtime_ns) for path in paths)


def metrics_in(folder: Path) -> Mapping[str, Any] | None:
    """Return what a run measured; None where it has not come to that."""
    path = folder / "metrics.json"
    if not path.is_file():
        return None
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def epochs_in(folder: Path) -> int:
    """Return how many epochs a training has finished."""
    path = folder / "history.csv"
    if not path.is_file():
        return 0
    with path.open(encoding="utf-8", newline="") as file:
        return max(0, sum(1 for _ in csv.reader(file)) - 1)


def sha256(path: Path) -> str | None:
    """Return the SHA-256 of a file; None where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
