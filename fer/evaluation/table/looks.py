"""How often the test split was looked at, kept beside the runs whatever becomes of them."""

from __future__ import annotations

import json
from pathlib import Path

from fer.evaluation.table.plan import Run
from fer.files import write_json


def _file(run: Run) -> Path:
    return run.folder.with_name(f"{run.folder.name}.looks.json")


def looks_at_test(run: Run) -> int:
    """Return how often evaluations of a run were begun."""
    path = _file(run)
    if not path.is_file():
        return 0
    return int(json.loads(path.read_text(encoding="utf-8"))["looks"])


def count_look(run: Run) -> None:
    """Count one more, before it is taken: a look that was broken off was one."""
    write_json(_file(run), {"looks": looks_at_test(run) + 1})
