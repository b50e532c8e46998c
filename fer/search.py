"""Search for good settings: ``python -m fer.search [hparams_search=SPACE] [KEY=VALUE …]``.

The search's folder holds ``trials/N/``, a run of ``fer.train`` each, ``journal.log`` (the search's
whole state), ``trials.csv`` and ``best.json``. The same command continues where it was stopped. The
test split is never looked at.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

from fer.config.start import USAGE_ERROR, run_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omegaconf import DictConfig

    from fer.config.issues import ConfigIssue
    from fer.experiments.search.plan import SearchPlan

EXAMPLES = """
python -m fer.search data=synthetic trainer.max_epochs=3 search.trials=4   # see it work
python -m fer.search trainer=gpu trainer.max_epochs=20                     # rate, on FER2013
python -m fer.search hparams_search=parts search.trials=60 search.jobs=2   # two trials at a time
python -m fer.search search.trials=100                                     # continue, to more
python -m fer.search search.space.rate.high=0.1 optimizer=sgd hydra.run.dir=FOLDER
python -m fer.search trainer=gpu search.jobs=8 search.gpus=8               # a trial on each GPU
python -m fer.search --config-dir my_conf hparams_search=mine              # a space of your own
"""

#: The exit code where some trials failed and the others are done.
SOME_FAILED = 1


def make(config: DictConfig, plan: SearchPlan) -> None:
    """Run the trials that are missing, then print what was found.

    Raises:
        SystemExit: with 1, where trials failed.
        UserError: another process searches in the folder.
    """
    from fer.experiments.search import driver
    from fer.experiments.search.plan import claim_folder
    from fer.experiments.search.results import summary

    claim_folder(config, plan)
    sys.stderr.write(f"searching in {plan.folder}; trials/N.log holds what trial N says\n")
    trials, failures = driver.search(plan)
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
    planned: list[SearchPlan] = []

    def check(config: DictConfig, overrides: Sequence[str]) -> list[ConfigIssue]:
        from fer.experiments.search.plan import plan_search

        plan, problems = plan_search(config, overrides)
        planned[:] = [] if plan is None else [plan]
        return problems

    return run_command(
        "search",
        lambda config: make(config, planned[0]),
        examples=EXAMPLES,
        holds=(),
        check=check,
    )


if __name__ == "__main__":
    sys.exit(main())
