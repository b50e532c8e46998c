"""Put the trials of docs/recipe.md into the ledger: ``python -m tools.trials RUNS``.

RUNS is a folder of run folders, one a trial, named as in ``results/trials.yaml``, which says what
each changes. What is not there keeps what the ledger has of it; what the plan no longer names is
taken out. A trial that was stopped before its
last epoch is held against its base after as many epochs, and says so.
"""

from __future__ import annotations

import argparse
import csv
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final

import yaml

from fer.core.errors import UserError
from fer.experiments.table.formatting import SPREAD
from tools.ledger.claim import DIGITS, Claim
from tools.ledger.documents import write_documents
from tools.ledger.runs import Run, wilson
from tools.ledger.store import ids_in, put, read_ledger

ROOT: Final = Path(__file__).resolve().parents[1]
PLAN: Final = "results/trials.yaml"

#: Of FER2013's PublicTest.
_FACES: Final = 3589

#: Overrides that change nothing of what is learnt, and places of a machine.
_ASIDE: Final = ("hydra.", "paths.", "logger=", "trainer.enable_progress_bar=", "data.root=",
                 "test=", "resume=", "trainer=")  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """What a run folder tells of a trial.

    Attributes:
        run: the run.
        accuracies: on PublicTest, of the averaged weights after each epoch.
    """

    run: Run
    accuracies: tuple[float, ...]

    @property
    def name(self) -> str:
        """Its name, that of the folder."""
        return self.run.folder.name

    @property
    def stop(self) -> str:
        """What is said of one that was stopped early."""
        done, planned = len(self.accuracies), self.run.config["trainer"]["max_epochs"]
        return "" if done == planned else f"stopped after {done} of {planned} epochs"


def read_trial(folder: Path) -> Trial | None:
    """Read a run folder; None where it is none, or no epoch has ended."""
    files = [folder / name for name in ("config.yaml", "provenance.json", "history.csv")]
    if not all(file.is_file() for file in files):
        return None
    with files[2].open(encoding="utf-8", newline="") as lines:
        accuracies = [float(row["val/acc"]) for row in csv.DictReader(lines) if row["val/acc"]]
    return Trial(Run(folder), tuple(accuracies)) if accuracies else None


def claims_of(trial: Trial, base: Sequence[Trial]) -> list[Claim]:
    """Return a trial's accuracy and its gain over the base.

    Args:
        trial: the trial.
        base: runs of its group's base; those that are as long count.

    Raises:
        UserError: no commit holds the code that made it.
    """
    run, done = trial.run, len(trial.accuracies)
    if run.commit is None or run.dirty:
        raise UserError(f"{trial.name} was run from code that no commit holds")
    words = shlex.split(run.command)
    command = shlex.join(word for word in words if not word.startswith(_ASIDE))
    origin = {**run.origin(), "command": command, "seeds": (run.seed,)}
    value = round(trial.accuracies[-1], DIGITS)
    what = f"accuracy of the trial {trial.name} on FER2013 PublicTest after its last epoch"
    found = [
        Claim(
            id=f"recipe-{trial.name.lower()}-public",
            what=f"{what} ({trial.stop})" if trial.stop else what,
            value=value,
            unit="%",
            interval=wilson(value, _FACES),
            interval_method="Wilson",
            **origin,
        )
    ]
    before = [one.accuracies[done - 1] for one in base if len(one.accuracies) >= done]
    if before and trial.name not in {one.name for one in base}:
        gain = round(value - fmean(before), DIGITS)
        # How far seeds of the base lie apart says what a gain of one run is worth.
        ends = None
        if len(before) > 1:
            sd = stdev(before)
            ends = round(gain - sd, DIGITS), round(gain + sd, DIGITS)
        found.append(
            Claim(
                id=f"recipe-{trial.name.lower()}-gain",
                what=f"accuracy of {trial.name} on PublicTest less the mean of its base "
                f"after {done} epochs, with the standard deviation of the base's seeds",
                value=gain,
                unit="points",
                interval=ends,
                interval_method=None if ends is None else SPREAD,
                **origin,
            )
        )
    return found


def table_of(
    group: str,
    titles: Mapping[str, str],
    trials: Mapping[str, Trial],
    before: Sequence[Sequence[str]] = (),
    base: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the table of a group as the ledger holds it.

    Args:
        group: its name.
        titles: what each trial changes, by name.
        trials: those that are there; the row of another one stays as it was.
        before: the rows that the table had.
        base: names of those that the others are held against.
    """
    kept = {row[2]: row for row in before}
    rows: list[Sequence[str]] = []
    for name, title in titles.items():
        gain = "–" if name in base else f"{{recipe-{name.lower()}-gain}}"
        cells = [f"{{recipe-{name.lower()}-public}}", gain]
        if name in trials:
            trial = trials[name]
            stop = f", {trial.stop}" if trial.stop else ""
            rows.append([f"{title}{stop}", str(len(trial.accuracies)), *cells])
        else:
            rows.append(kept.get(cells[0], [title, "", *cells]))
    header = ["", "epochs", "PublicTest", "against the base after as many"]
    return {"id": f"recipe-{group}", "header": header, "rows": rows}


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the command."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.trials",
        description=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", type=Path, help="folder of the trials' run folders")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of the checkout (this one)")
    options = parser.parse_args(arguments)
    plan = yaml.safe_load((options.root / PLAN).read_text(encoding="utf-8"))
    claims: list[Claim] = []
    tables: list[dict[str, Any]] = []
    try:
        known = read_ledger(options.root).tables
        for group, spec in plan.items():
            names = [*spec["base"], *spec["trials"]]
            read = {name: read_trial(options.runs / name) for name in names}
            trials = {name: trial for name, trial in read.items() if trial is not None}
            base = [trials[name] for name in spec["base"] if name in trials]
            for name in spec["trials"]:
                if name in trials:
                    claims += claims_of(trials[name], base)
            rows = known.get(f"recipe-{group}", {"rows": ()})["rows"]
            tables.append(table_of(group, spec["trials"], trials, rows, spec["base"]))
            missing = [name for name in spec["trials"] if name not in trials]
            sys.stdout.write(f"{group}: {len(trials)} trials, not there: {missing}\n")
        before = {name for table in tables if table["id"] in known
                  for name in ids_in(*known[table["id"]]["rows"])}  # fmt: skip
        # All or nothing.
        drop = before - {name for table in tables for name in ids_in(*table["rows"])}
        put(options.root, claims, tables, drop=drop)
        changed = write_documents(options.root)
    except (UserError, OSError) as error:
        sys.stderr.write(f"tools.trials: {error}\n")
        return 2
    for path in changed:
        sys.stdout.write(f"written: {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
