"""The tables as Markdown, JSON and CSV."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from fer.core.io import write_json, write_text
from fer.experiments.table.plan import REFERENCES, TablePlan
from fer.experiments.table.results import (
    GAIN,
    Result,
    as_csv,
    paced,
    results_of,
    runs_of,
    where_helps,
)

#: The columns of a table, by figure.
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

#: The rows of the table of where a row is better, by kind of figure.
_WHERE: Final = {
    "recall": "{test}, recall of {what}",
    "under": "{val}, corrupted: {what}",
}

#: The rows that tell whether and where the LSTM branch helps.
_PAIR: Final = ("cnn_lstm", "cnn")

#: What FER2013's users call its splits.
_OFFICIAL: Final = {"val": "PublicTest", "test": "PrivateTest"}

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
        rows: as many cells each; ``{ROW-FIGURE}`` stands for a figure.
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
        [title, f"`{name}`", *(f"{{{name}-{figure}}}" for figure in columns)]
        for name, title in titles.items()
    ]
    return Table(kind, names, header, rows)


def where_table(results: tuple[Result, Result], names: Mapping[str, str]) -> Table:
    """Return the table of the two results of :func:`fer.experiments.table.results.where_helps`.

    Args:
        results: of the reference and of the row.
        names: what ``val`` and ``test`` are called, and the ``reference``.
    """
    first, second = (one.row.name for one in results)
    rows = []
    for name in results[0].figures:
        kind, _, what = name.partition("-")
        title = _WHERE[kind].format(what=what.replace("_", " "), **names)
        cells = (f"{first}-{name}", f"{second}-{name}", f"{second}-{GAIN}{name}")
        rows.append([title, *(f"{{{cell}}}" for cell in cells)])
    return Table("where", names, ["", f"`{first}`", f"`{second}`", "difference"], rows)


def as_json(table: Table, results: Sequence[Result], folder: Path) -> dict[str, Any]:
    """Return a table, its figures and the folders of the runs behind each, for ``table.json``.

    Args:
        table: the table.
        results: of its rows.
        folder: to which the runs' folders are relative.
    """

    def figures(one: Result) -> dict[str, Any]:
        return {
            name: {
                **asdict(figure),
                "text": figure.text,
                "runs": [
                    Path(os.path.relpath(run.folder, folder)).as_posix()
                    for run in runs_of(one, name)
                ],
            }
            for name, figure in one.figures.items()
        }

    stored = [
        {
            "row": one.row.name,
            "kind": one.row.kind,
            "marks": one.marks,
            "corrupted": one.corrupted,
            "paced": paced(one.row) is not None,
            "figures": figures(one),
        }
        for one in results
    ]
    return {**asdict(table), "results": stored}


def write_tables(plan: TablePlan, folder: Path) -> None:
    """Write ``table.md``, ``figures.csv`` and ``table.json``, and print the tables.

    Args:
        plan: the rows, whose finished runs count.
        folder: of the table.
    """
    parts = list(_tables(plan))
    text = "\n".join(shown for _, _, shown in parts)
    write_text(folder / "table.md", text)
    # Ablations show their reference too, which has a table of its own.
    rows = [one for table, results, _ in parts for one in results if one.row.kind == table.kind]
    write_text(folder / "figures.csv", as_csv(rows))
    tables = [as_json(table, results, folder) for table, results, _ in parts]
    stored = {"data": plan.data, "overrides": plan.overrides, "tables": tables}
    write_json(folder / "table.json", stored)
    sys.stdout.write(f"\n{text}\ntable: {folder / 'table.md'}\n")


def _tables(plan: TablePlan) -> Iterator[tuple[Table, Sequence[Result], str]]:
    """Yield each table with all rows that there are, the results, and their Markdown."""
    by_name = {row.name: row for row in plan.rows}
    for kind, reference in REFERENCES.items():
        rows = [row for row in plan.rows if row.kind == kind]
        if not rows:
            continue
        if kind == "ablations" and reference in by_name:
            rows.insert(0, by_name[reference])
        results = results_of(rows, by_name.get(reference), seed=0)
        names = {**_split_names(plan, kind), "reference": reference}
        shown = table_of({row.name: row.title for row in rows}, kind, names)
        yield table_of(plan.titles[kind], kind, names), results, shown.markdown(results)
    pair = where_helps(*(by_name[n] for n in _PAIR)) if by_name.keys() >= {*_PAIR} else None
    if pair is not None:
        names = {**_split_names(plan, "families"), "reference": _PAIR[1]}
        table = where_table(pair, names)
        yield table, pair, table.markdown(pair)


def _split_names(plan: TablePlan, kind: str) -> dict[str, str]:
    official = plan.data in ("fer2013", "fer2013_votes", "ferplus") and kind != "clips"
    return _OFFICIAL if official else {"val": "val", "test": "test"}
