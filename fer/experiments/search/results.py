"""What a search has found: ``trials.csv``, ``best.json`` and a table to read."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from fer.core.io import write_json, write_text
from fer.experiments.search.plan import SearchPlan
from fer.experiments.search.study import values_of

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

#: How many trials the printed table shows.
_SHOWN: Final = 10


def best_of(plan: SearchPlan, trials: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """Return the best finished trial, the first of equals; None where none has finished."""
    done = [trial for trial in trials if trial.value is not None and _end_of(trial) == "done"]
    sign = 1 if plan.mode == "max" else -1
    return max(done, key=lambda trial: sign * (trial.value or 0.0), default=None)


def describe_trial(plan: SearchPlan, trial: FrozenTrial) -> str:
    """Return a line about a trial that has ended."""
    _, end, best, epochs, *_ = _cells(plan, trial)
    tried = " ".join(f"{name}={_shown(value)}" for name, value in values_of(plan, trial).items())
    reached = f" {plan.monitor} {_shown(best)}" if epochs else ""
    return f"trial {trial.number}: {end}{reached} after {epochs} epochs, {tried}"


def write(plan: SearchPlan, trials: Sequence[FrozenTrial]) -> None:
    """Write ``trials.csv`` and, where a trial has finished, ``best.json`` to the search's folder.

    The numbers of epochs and the best of the metric are of what each trial has come to.
    """
    text = io.StringIO()
    rows = [_header(plan), *(_cells(plan, trial) for trial in trials)]
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text(plan.folder / "trials.csv", text.getvalue())
    if (best := best_of(plan, trials)) is not None:
        write_json(
            plan.folder / "best.json",
            {
                "trial": best.number,
                plan.monitor: best.value,
                "folder": str(plan.trial_folder(best.number)),
                "overrides": plan.arguments(values_of(plan, best)),
            },
        )


def summary(plan: SearchPlan, trials: Sequence[FrozenTrial]) -> str:
    """Return the best trials as a table, and the command that trains with the best values."""
    sign = -1 if plan.mode == "max" else 1
    order = ("done", "stopped", "diverged", "failed")

    def rank(cells: list[Any]) -> tuple[int, float]:
        return order.index(cells[1]), 0.0 if cells[2] is None else sign * cells[2]

    ended = [_cells(plan, trial) for trial in trials if trial.state.is_finished()]
    ranked = sorted(ended, key=rank)
    rows = [_header(plan), *([_shown(cell) for cell in row] for row in ranked[:_SHOWN])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    if len(ranked) > _SHOWN:
        lines.append(f"… and {len(ranked) - _SHOWN} more in {plan.folder / 'trials.csv'}")
    if (best := best_of(plan, trials)) is not None:
        command = ["python", *plan.command(), *plan.arguments(values_of(plan, best))]
        lines.append(f"\nbest: trial {best.number}, {plan.trial_folder(best.number)}")
        lines.append(f"to train by it: {shlex.join(command)}")
    return "\n".join([*lines, f"search folder: {plan.folder}", ""])


def _header(plan: SearchPlan) -> list[str]:
    return ["trial", "end", plan.monitor, "epochs", *(one.name for one in plan.space)]


def _cells(plan: SearchPlan, trial: FrozenTrial) -> list[Any]:
    """Return a trial's number, end, best of the metric, epochs, and values."""
    epochs = trial.intermediate_values
    best = (max if plan.mode == "max" else min)(epochs.values(), default=None)
    tried = values_of(plan, trial)
    values = [tried.get(one.name) for one in plan.space]
    return [trial.number, _end_of(trial), best, len(epochs), *values]


def _end_of(trial: FrozenTrial) -> str:
    """Return how a trial ended: ``done``, ``stopped``, ``diverged``, ``failed`` or ``running``."""
    # The word is recorded before the end itself.
    return trial.user_attrs.get("end", "running") if trial.state.is_finished() else "running"


def _shown(value: Any) -> str:
    """Return a value for people: numbers to four digits."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
