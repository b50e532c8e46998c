"""What a search has found, as a table."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fer.core.io import write_json, write_text
from fer.experiments.search.plan import Plan

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

#: How many trials the printed table shows.
_SHOWN = 10


def end_of(trial: FrozenTrial) -> str:
    """Return how a trial ended: ``done``, ``stopped``, ``diverged``, ``failed`` or ``running``."""
    # The word is taken down before the end itself.
    word: str = trial.user_attrs.get("end", "running")
    return word if trial.state.is_finished() else "running"


def values(plan: Plan, trial: FrozenTrial) -> dict[str, Any]:
    """Return what a trial tries, in the order of the space."""
    return {one.name: trial.params[one.name] for one in plan.space if one.name in trial.params}


def best_of(plan: Plan, trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Return the best finished trial, the first of equals; None where none has finished."""
    done = [trial for trial in trials if trial.value is not None and end_of(trial) == "done"]
    if not done:
        return None
    pick = max if plan.mode == "max" else min
    return pick(done, key=lambda trial: trial.value or 0.0)


def line_of(plan: Plan, trial: FrozenTrial) -> str:
    """Return a line about a trial that has ended."""
    tried = " ".join(f"{name}={shown(value)}" for name, value in values(plan, trial).items())
    reached = f" {plan.monitor} {shown(_reached(plan, trial))}" if _epochs(trial) else ""
    return f"trial {trial.number}: {end_of(trial)}{reached} after {_epochs(trial)} epochs, {tried}"


def write(plan: Plan, trials: Sequence[FrozenTrial]) -> None:
    """Write ``trials.csv`` and, where a trial has finished, ``best.json`` to the search's folder.

    The numbers of epochs and the best of the metric are of what each trial has come to.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [one.name for one in plan.space]
    writer.writerow(["trial", "end", plan.monitor, "epochs", *names])
    for trial in trials:
        tried = values(plan, trial)
        cells = [trial.number, end_of(trial), _reached(plan, trial), _epochs(trial)]
        writer.writerow([*cells, *(tried.get(name) for name in names)])
    write_text(plan.folder / "trials.csv", text.getvalue())
    if (best := best_of(plan, trials)) is not None:
        write_json(
            plan.folder / "best.json",
            {
                "trial": best.number,
                plan.monitor: best.value,
                "folder": str(plan.trial_folder(best.number)),
                "overrides": plan.arguments(values(plan, best)),
            },
        )


def summary(plan: Plan, trials: Sequence[FrozenTrial]) -> str:
    """Return the best trials as a table, and the command that trains with the best values."""
    ended = [trial for trial in trials if trial.state.is_finished()]
    sign = -1 if plan.mode == "max" else 1
    order = {"done": 0, "stopped": 1, "diverged": 2, "failed": 3}

    def rank(trial: FrozenTrial) -> tuple[int, float]:
        reached = _reached(plan, trial)
        return order[end_of(trial)], 0.0 if reached is None else sign * reached

    ranked = sorted(ended, key=rank)
    head = ["trial", "end", plan.monitor, "epochs", *(one.name for one in plan.space)]
    rows = [head]
    for trial in ranked[:_SHOWN]:
        cells = [trial.number, end_of(trial), _reached(plan, trial), _epochs(trial)]
        rows.append([shown(cell) for cell in [*cells, *values(plan, trial).values()]])
    widths = [max(len(row[k]) for row in rows if k < len(row)) for k in range(len(head))]
    lines = [
        "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=False))
        for row in rows
    ]
    if len(ranked) > _SHOWN:
        lines.append(f"… and {len(ranked) - _SHOWN} more in {plan.folder / 'trials.csv'}")
    best = best_of(plan, trials)
    if best is not None:
        overrides = plan.arguments(values(plan, best))
        lines.append(f"\nbest: trial {best.number}, {plan.trial_folder(best.number)}")
        lines.append(f"to train by it: {shlex.join(['python', *plan.command(), *overrides])}")
    return "\n".join([*lines, f"search folder: {plan.folder}", ""])


def shown(value: Any) -> str:
    """Return a value for people: numbers to four digits."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _epochs(trial: FrozenTrial) -> int:
    return len(trial.intermediate_values)


def _reached(plan: Plan, trial: FrozenTrial) -> float | None:
    """Return the best of the epochs that a trial has come to."""
    if not trial.intermediate_values:
        return None
    return (max if plan.mode == "max" else min)(trial.intermediate_values.values())
