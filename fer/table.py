"""Make a table of models: ``python -m fer.table [data=CHOICE] [KEY=VALUE …]``.

The table's folder holds ``ROW/seedN/``, a run of ``fer.train`` each with its ``evaluation/``, then
``table.md``, ``table.json`` and ``figures.csv``. The same command goes on where it was stopped, by
whatever cause.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fer.config.entry import run

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from fer.config.problems import Problem
    from fer.experiments.table.plan import Planner
    from fer.experiments.table.results import Result
    from fer.experiments.table.writing import Table

EXAMPLES = """
python -m fer.table data=synthetic seeds=[0]               # see it work, on built-in faces
python -m fer.table                                        # FER2013, three seeds
python -m fer.table only=[cnn,cnn_lstm] robustness=true    # two rows, under corruptions too
python -m fer.table kind=ablations seeds=[0] test=false    # screening; PrivateTest is left alone
python -m fer.table kind=clips data=synthetic_clips        # models of clips, on drawn ones
python -m fer.table 'overrides=["trainer=gpu"]' jobs=1     # what every training gets besides
python -m fer.table pace=true                              # time each row's training by itself
python -m fer.table fresh=true                             # make runs of other budgets anew
"""

#: The exit code where some runs failed and the others are done.
SOME_FAILED = 1

#: What FER2013's users call its splits.
OFFICIAL = {"val": "PublicTest", "test": "PrivateTest"}

#: The rows that tell whether and where the LSTM branch helps.
_PAIR = ("cnn_lstm", "cnn")


def make(config: DictConfig, planner: Planner) -> None:
    """Run what is missing of the table, then write it.

    Raises:
        SystemExit: with 1, where runs failed.
    """
    from hydra.core.hydra_config import HydraConfig

    from fer.experiments.runner import run_missing

    hydra = HydraConfig.get()
    for name in planner.left_out:
        sys.stdout.write(f"left out, since it reads other data: {name}\n")
    # Seed by seed, so that a whole table is there early.
    every = [one for row in planner.rows for one in row.runs]
    runs = [one for seed in config.seeds for one in every if one.seed == seed]
    failures = run_missing(runs, jobs=config.jobs)
    if config.pace and not failures:
        paces = [row.pace for row in planner.rows if row.pace is not None]
        failures = run_missing(paces, jobs=1, threads=1)
    write(planner, Path(hydra.run.dir))
    for failure in failures:
        sys.stderr.write(f"fer.table: {failure}\n")
    if failures:
        raise SystemExit(SOME_FAILED)


def write(planner: Planner, folder: Path) -> None:
    """Write the table to its folder."""
    from fer.core.io import write_json, write_text
    from fer.experiments.table.results import as_csv
    from fer.experiments.table.writing import as_json

    parts = [*_by_kind(planner), *_where(planner)]
    text = "\n".join(part.text for part in parts)
    write_text(folder / "table.md", text)
    # Ablations show their reference beside them, which has a table of its own.
    rows = [one for part in parts for one in part.results if one.row.kind == part.table.kind]
    write_text(folder / "figures.csv", as_csv(rows))
    tables = [as_json(part.table, part.results, folder) for part in parts]
    stored = {"data": planner.data, "overrides": planner.overrides, "tables": tables}
    write_json(folder / "table.json", stored)
    sys.stdout.write(f"\n{text}\ntable: {folder / 'table.md'}\n")


@dataclass(frozen=True)
class _Part:
    """One table: with all rows that there are, what was found, and that as Markdown."""

    table: Table
    results: Sequence[Result]
    text: str


def _by_kind(planner: Planner) -> Iterator[_Part]:
    """Yield the table of each kind of rows that there are."""
    from fer.experiments.table.plan import REFERENCES
    from fer.experiments.table.results import results_of
    from fer.experiments.table.writing import table_of

    by_name = {row.name: row for row in planner.rows}
    for kind, reference in REFERENCES.items():
        rows = [row for row in planner.rows if row.kind == kind]
        if not rows:
            continue
        if kind == "ablations" and reference in by_name:
            rows.insert(0, by_name[reference])
        results = results_of(rows, by_name.get(reference), seed=0)
        names = {**_split_names(planner, kind), "reference": reference}
        shown = table_of({row.name: row.title for row in rows}, kind, names)
        yield _Part(table_of(planner.titles[kind], kind, names), results, shown.markdown(results))


def _where(planner: Planner) -> Iterator[_Part]:
    """Yield the table of where the LSTM branch helps, if the two networks were judged."""
    from fer.experiments.table.where import where_helps, where_table

    by_name = {row.name: row for row in planner.rows}
    if not by_name.keys() >= {*_PAIR}:
        return
    pair = where_helps(*(by_name[name] for name in _PAIR))
    if pair is None:
        return
    table = where_table(pair, {**_split_names(planner, "families"), "reference": _PAIR[1]})
    yield _Part(table, pair, table.markdown(pair))


def _split_names(planner: Planner, kind: str) -> dict[str, str]:
    """Return what the splits of a table are called."""
    official = planner.data in ("fer2013", "fer2013_votes", "ferplus") and kind != "clips"
    return OFFICIAL if official else {"val": "val", "test": "test"}


def main() -> int:
    """Start the command."""
    planned: list[Planner] = []

    def check(config: DictConfig, overrides: Sequence[str]) -> list[Problem]:
        from fer.experiments.table.plan import Planner

        planned[:] = [Planner()]
        return planned[0].check(config, overrides)

    return run(
        "table",
        lambda config: make(config, planned[0]),
        examples=EXAMPLES,
        holds=(),
        check=check,
    )


if __name__ == "__main__":
    sys.exit(main())
