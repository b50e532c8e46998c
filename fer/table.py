"""Make a table of models: ``python -m fer.table [data=CHOICE] [KEY=VALUE …]``.

The table's folder holds ``ROW/seedN/``, a run of ``fer.train`` each with its ``evaluation/``, then
``table.md`` and ``figures.csv``. The same command goes on where it was stopped, by whatever cause.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fer.config.entry import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omegaconf import DictConfig

    from fer.config.problems import Problem
    from fer.config.tabling import Planner
    from fer.evaluation.table.results import Result

EXAMPLES = """
python -m fer.table data=synthetic seeds=[0]               # see it work, on built-in faces
python -m fer.table                                        # FER2013, three seeds
python -m fer.table only=[cnn,cnn_lstm] robustness=true    # two rows, under corruptions too
python -m fer.table kind=ablations seeds=[0] test=false    # screening; PrivateTest is left alone
python -m fer.table kind=clips data=synthetic_clips        # models of clips, on drawn ones
python -m fer.table 'overrides=["trainer=gpu"]' jobs=1     # what every training gets besides
python -m fer.table fresh=true                             # make runs of other budgets anew
"""

#: The exit code where some runs failed and the others are done.
SOME_FAILED = 1

#: What FER2013's users call its splits.
OFFICIAL = {"val": "PublicTest", "test": "PrivateTest"}


def make(config: DictConfig, planner: Planner) -> None:
    """Run what is missing of the table, then write it.

    Raises:
        SystemExit: with 1, where runs failed.
        UserError: it was asked for as a sweep, or its figures can't be records of the ledger.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from fer.errors import UserError
    from fer.evaluation.table.schedule import run_missing

    hydra = HydraConfig.get()
    if hydra.mode == RunMode.MULTIRUN:
        raise UserError("a table is a single run, without -m: seeds=[0,1,2] names several seeds")
    for name in planner.left_out:
        sys.stdout.write(f"left out, since it reads other data: {name}\n")
    # Seed by seed, so that a whole table is there early.
    every = [one for row in planner.rows for one in row.runs]
    runs = [one for seed in config.seeds for one in every if one.seed == seed]
    failures = run_missing(runs, jobs=config.jobs)
    write(config, planner, Path(hydra.run.dir))
    for failure in failures:
        sys.stderr.write(f"fer.table: {failure}\n")
    if failures:
        raise SystemExit(SOME_FAILED)


def write(config: DictConfig, planner: Planner, folder: Path) -> None:
    """Write the table to its folder, and to ledger and documents where it is theirs."""
    from fer.config.tabling import REFERENCES
    from fer.evaluation.table.results import as_csv, results_of
    from fer.evaluation.table.writing import markdown, table_of
    from fer.files import write_text

    official = planner.data in ("fer2013", "ferplus")
    by_name = {row.name: row for row in planner.rows}
    found: dict[str, list[Result]] = {}
    named: dict[str, dict[str, str]] = {}
    texts, tables = [], []
    for kind, reference in REFERENCES.items():
        rows = [row for row in planner.rows if row.kind == kind]
        if not rows:
            continue
        if kind == "ablations" and reference in by_name:
            rows.insert(0, by_name[reference])
        found[kind] = results_of(rows, by_name.get(reference), seed=0)
        names = OFFICIAL if official and kind != "clips" else {"val": "val", "test": "test"}
        named[kind] = words = {**names, "reference": reference}
        shown = {row.name: row.title for row in rows}
        texts.append(markdown(found[kind], table_of(shown, kind, words)))
        if kind in planner.stated:
            tables.append(table_of(planner.titles[kind], kind, words))
    text = "\n".join(texts)
    write_text(folder / "table.md", text)
    write_text(folder / "figures.csv", as_csv([one for some in found.values() for one in some]))
    sys.stdout.write(f"\n{text}\ntable: {folder / 'table.md'}\n")
    if not (config.write and tables):
        return
    from fer.evaluation.claims import LEDGER
    from fer.evaluation.table.writing import columns_of, record_of, write_to_ledger

    root = Path(__file__).resolve().parents[1]
    if not (root / LEDGER).is_file():
        return  # Installed from a wheel, which states nothing.
    records = [
        record_of(one, name, named[kind])
        for kind, results in found.items()
        for one in results
        if one.row.kind == kind and kind in planner.stated
        for name in one.figures
        if name in columns_of(kind)
    ]
    changed, kept = write_to_ledger(root, records, tables)
    for identity in kept:
        sys.stdout.write(f"kept, since it is of more seeds: {identity}\n")
    for path in changed:
        sys.stdout.write(f"written: {path}\n")


def main() -> int:
    """Start the command."""
    planned: list[Planner] = []

    def check(config: DictConfig, overrides: Sequence[str]) -> list[Problem]:
        from fer.config.tabling import Planner

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
