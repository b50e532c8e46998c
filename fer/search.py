"""Search for good settings: ``python -m fer.search [hparams_search=SPACE] [KEY=VALUE …]``.

The search's folder holds ``trials/N/``, a run of ``fer.train`` each, ``journal.log`` (all that the
search remembers), ``trials.csv`` and ``best.json``. The same command goes on where it was stopped,
by whatever cause. The test split is never looked at.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

from fer.config.entry import USAGE_ERROR, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omegaconf import DictConfig

    from fer.config.problems import Problem
    from fer.experiments.search.planner import Planner

EXAMPLES = """
python -m fer.search data=synthetic trainer.max_epochs=3 search.trials=4   # see it work
python -m fer.search trainer=gpu trainer.max_epochs=20                     # rate, on FER2013
python -m fer.search hparams_search=parts search.trials=60 search.jobs=2   # two trials at a time
python -m fer.search search.trials=100                                     # go on, to more trials
python -m fer.search search.space.rate.high=0.1 optimizer=sgd hydra.run.dir=FOLDER
python -m fer.search trainer=gpu search.jobs=8 search.gpus=8               # a trial on each GPU
python -m fer.search --config-dir my_conf hparams_search=mine              # a space of your own
"""

#: The exit code where some trials failed and the others are done.
SOME_FAILED = 1


def make(config: DictConfig, planner: Planner) -> None:
    """Run the trials that are missing, then print what was found.

    Raises:
        SystemExit: with 1, where trials failed.
        UserError: another process searches in the folder.
    """
    from fer.experiments.search.driver import search
    from fer.experiments.search.planner import begin
    from fer.experiments.search.results import summary, write
    from fer.experiments.search.study import Memory

    plan = planner.plan
    assert plan is not None  # noqa: S101 - the check has made it
    begin(config, plan)
    sys.stderr.write(f"searching in {plan.folder}; trials/N.log holds what trial N says\n")
    failures = search(plan)
    trials = Memory(plan).trials()
    write(plan, trials)
    sys.stdout.write(f"\n{summary(plan, trials)}")
    for failure in failures:
        sys.stderr.write(f"fer.search: {failure}\n")
    if failures:
        raise SystemExit(SOME_FAILED)


def main() -> int:
    """Start the command."""
    if importlib.util.find_spec("optuna") is None and importlib.util.find_spec("hydra") is not None:
        sys.stderr.write(
            "fer.search: needs the search extra (optuna not installed): "
            "pip install '.[train,search]'\n"
        )
        return USAGE_ERROR
    planned: list[Planner] = []

    def check(config: DictConfig, overrides: Sequence[str]) -> list[Problem]:
        from fer.experiments.search.planner import Planner

        planned[:] = [Planner()]
        return planned[0].check(config, overrides)

    return run(
        "search",
        lambda config: make(config, planned[0]),
        examples=EXAMPLES,
        holds=(),
        check=check,
    )


if __name__ == "__main__":
    sys.exit(main())
