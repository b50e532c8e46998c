"""The study of a search: Optuna's, in a journal that survives any kill."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fer.core.errors import UserError
from fer.experiments.search.plan import SearchPlan, Value

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial

#: The journal's name in the folder of the search.
JOURNAL: Final = "journal.log"

#: Apart, so that two searches with neighbouring seeds share no draws.
_SEEDS_APART: Final = 100_003


class StudyStore:
    """The study, of which one process at a time is the only writer.

    A journal is one line an operation, flushed before the next: a killed process loses nothing, and
    unlike SQLite's files it works on the network folders of clusters. What is drawn depends on the
    seed, the trial's number and the trials before it alone, so that a search with one job draws
    the same whether or not it was interrupted.

    Args:
        plan: of the search.

    Raises:
        UserError: the journal can't be read.
        OSError: it can't be written.
    """

    def __init__(self, plan: SearchPlan) -> None:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

        self.plan = plan
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        # The pruner by rounds is marked as one that may change.
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        path = plan.folder / JOURNAL
        path.parent.mkdir(parents=True, exist_ok=True)
        _repair(path)
        try:
            lock = JournalFileOpenLock(str(path))
            self._study: Study = optuna.create_study(
                study_name="search",
                storage=JournalStorage(JournalFileBackend(str(path), lock_obj=lock)),
                pruner=self._pruner(),
                direction="maximize" if plan.mode == "max" else "minimize",
                load_if_exists=True,
            )
        except (ValueError, KeyError, AssertionError) as error:
            what = f"{path} is not a journal of a search that can be read ({error})"
            raise UserError(what, code="unreadable_journal", where=str(path)) from error

    def trials(self) -> list[FrozenTrial]:
        """Return all trials so far."""
        return self._study.get_trials(deepcopy=False)

    def ask(self) -> Trial:
        """Return the next trial, with all its values drawn and kept."""
        self._study.sampler = self._sampler(len(self.trials()))
        return self._drawn(self._study.ask())

    def running(self) -> list[Trial]:
        """Return the trials that were begun and have not ended, by their numbers."""
        from optuna.trial import Trial, TrialState

        trials = []
        for frozen in self.trials():
            if frozen.state == TrialState.RUNNING:
                self._study.sampler = self._sampler(frozen.number)
                # After a kill between two draws the rest is drawn now.
                trials.append(self._drawn(Trial(self._study, frozen._trial_id)))
        return trials

    def tell(self, trial: Trial, end: str, value: float | None) -> None:
        """Record how a trial ended.

        Args:
            trial: one that is running.
            end: ``done``, ``stopped`` early, ``diverged`` or ``failed``.
            value: the best it came to, where it is ``done``.
        """
        from optuna.trial import TrialState

        trial.set_user_attr("end", end)
        states = {"done": TrialState.COMPLETE, "failed": TrialState.FAIL}
        state = states.get(end, TrialState.PRUNED)
        self._study.tell(trial, value if end == "done" else None, state=state)

    def _drawn(self, trial: Trial) -> Trial:
        for one in self.plan.space:
            one.draw(trial)
        return trial

    def _sampler(self, number: int) -> BaseSampler:
        from optuna.samplers import RandomSampler, TPESampler

        options = self.plan.options
        seed = (options["seed"] * _SEEDS_APART + number) % 2**32
        if options["sampler"] == "random":
            return RandomSampler(seed=seed)
        return TPESampler(seed=seed, n_startup_trials=options["startup"])

    def _pruner(self) -> BasePruner:
        from optuna.pruners import MedianPruner, NopPruner, SuccessiveHalvingPruner

        options = self.plan.options
        if options["pruning"] == "median":
            return MedianPruner(options["finished"], n_warmup_steps=options["warmup"])
        if options["pruning"] == "halving":
            return SuccessiveHalvingPruner(min_resource=max(1, options["warmup"]))
        return NopPruner()


def values_of(plan: SearchPlan, trial: FrozenTrial | Trial) -> dict[str, Value]:
    """Return what a trial tries, in the order of the space; drawn so far."""
    params: dict[str, Any] = trial.params
    return {one.name: params[one.name] for one in plan.space if one.name in params}


def _repair(path: Path) -> None:
    """Remove what a killed writer left: half a line (a full disk), and its lock."""
    for left in path.parent.glob(f"{path.name}.lock*"):
        left.unlink(missing_ok=True)
    if not path.is_file():
        return
    content = path.read_bytes()
    complete = content.rfind(b"\n") + 1
    if complete < len(content):
        os.truncate(path, complete)
