"""Make a table of models: ``python -m fer.table [data=CHOICE] [KEY=VALUE …]``.

The table's folder holds ``ROW/seedN/``, a run of ``fer.train`` each with its ``evaluation/``, then
``table.md``, ``table.json`` and ``figures.csv``. The same command continues where it was stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fer.config.start import run_command

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from fer.config.issues import ConfigIssue
    from fer.experiments.table.plan import TablePlan

EXAMPLES = """
python -m fer.table data=synthetic seeds=[0]               # see it work, on built-in faces
python -m fer.table                                        # FER2013, three seeds
python -m fer.table only=[cnn,cnn_lstm] robustness=true    # two rows, under corruptions too
python -m fer.table kind=ablations seeds=[0] test=false    # screening; PrivateTest is left alone
python -m fer.table kind=clips data=synthetic_clips        # models of clips, on drawn ones
python -m fer.table 'overrides=["trainer=gpu"]' jobs=1     # what every training gets besides
python -m fer.table pace=true                              # time each row's training by itself
python -m fer.table fresh=true                             # replace runs of other budgets
"""

#: The exit code where some runs failed and the others are done.
SOME_FAILED = 1


def make(config: DictConfig, plan: TablePlan) -> None:
    """Run what is missing of the table, then write it.

    Raises:
        SystemExit: with 1, where runs failed.
    """
    from hydra.core.hydra_config import HydraConfig

    from fer.experiments import runs
    from fer.experiments.table.writing import write_tables

    for name in plan.left_out:
        sys.stdout.write(f"left out, since it reads other data: {name}\n")
    # Seed by seed, so that a whole table is there early.
    every = [one for row in plan.rows for one in row.runs]
    ordered = [one for seed in config.seeds for one in every if one.seed == seed]
    failures = runs.run_missing(ordered, jobs=config.jobs)
    if config.pace and not failures:
        paces = [row.pace for row in plan.rows if row.pace is not None]
        failures = runs.run_missing(paces, jobs=1, threads=1)
    write_tables(plan, Path(HydraConfig.get().run.dir))
    for failure in failures:
        sys.stderr.write(f"fer.table: {failure}\n")
    if failures:
        raise SystemExit(SOME_FAILED)


def main() -> int:
    """Start the command."""
    planned: list[TablePlan] = []

    def check(config: DictConfig, overrides: Sequence[str]) -> list[ConfigIssue]:
        from fer.experiments.table.plan import TablePlan

        planned[:] = [TablePlan()]
        return planned[0].check(config, overrides)

    return run_command(
        "table",
        lambda config: make(config, planned[0]),
        examples=EXAMPLES,
        holds=(),
        check=check,
    )


if __name__ == "__main__":
    sys.exit(main())
