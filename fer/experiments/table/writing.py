"""The table as Markdown and as JSON."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from fer.experiments.table.results import Result, is_paced, runs_of

#: What the columns of a table say, by figure.
_COLUMNS: Final[Mapping[str, str]] = {
    "parameters": "parameters",
    "multiply-adds": "multiply-adds",
    "speed": "training {thing}s a second",
    "public": "{val}",
    "private": "{test}",
    "deduplicated": "{test} without copies",
    "difference": "{test}: difference to `{reference}`",
    "robustness": "{val} under corruptions",
}

#: What stands for a figure that was not measured.
_ABSENT: Final = "–"

_CELL: Final = re.compile(r"\{([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        kind: ``families``, ``ablations``, ``clips`` or ``where``.
        names: what ``val`` and ``test`` are called, and the ``reference`` of the differences.
        header: one text a column.
        rows: as many cells each; ``{ROW-FIGURE}`` stands for a figure, see :func:`cell_of`.
    """

    kind: str
    names: Mapping[str, str]
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self, results: Sequence[Result]) -> str:
        """Return it filled with figures, with a dash for those that there are not."""
        texts = {
            f"{one.row.name}-{name}": figure.text
            for one in results
            for name, figure in one.figures.items()
        }
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        filled = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        return _CELL.sub(lambda found: texts.get(found[1], _ABSENT), filled)


def cell_of(row: str, figure: str) -> str:
    """Return what stands for a figure in a cell.

    Example:
        >>> cell_of("cnn", "private")
        '{cnn-private}'
    """
    return f"{{{row}-{figure}}}"


def table_of(titles: Mapping[str, str], kind: str, names: Mapping[str, str]) -> Table:
    """Return the table of rows of a kind.

    Args:
        titles: of its rows, by name.
        kind: ``families``, ``ablations`` or ``clips``; drawn clips have no copies to leave out.
        names: what ``val`` and ``test`` are called, and the ``reference`` of the differences.
    """
    thing = "clip" if kind == "clips" else "face"
    columns = {k: v for k, v in _COLUMNS.items() if kind != "clips" or k != "deduplicated"}
    header = ["", "row", *(text.format(thing=thing, **names) for text in columns.values())]
    rows = [
        [title, f"`{name}`", *(cell_of(name, figure) for figure in columns)]
        for name, title in titles.items()
    ]
    return Table(kind, names, header, rows)


def as_json(table: Table, results: Sequence[Result], folder: Path) -> dict[str, Any]:
    """Return a table, its figures and the folders of the runs behind each, for ``table.json``.

    Args:
        table: the table.
        results: of its rows.
        folder: that the runs' folders are told from.
    """
    found = [
        {
            "row": one.row.name,
            "kind": one.row.kind,
            "marks": one.marks,
            "corrupted": one.corrupted,
            "paced": is_paced(one.row),
            "figures": {
                name: {
                    **asdict(figure),
                    "text": figure.text,
                    "runs": [
                        Path(os.path.relpath(run.folder, folder)).as_posix()
                        for run in runs_of(one, name)
                    ],
                }
                for name, figure in one.figures.items()
            },
        }
        for one in results
    ]
    return {**asdict(table), "results": found}
