"""How far a search is: a bar over the epochs of all trials, and a line for each that ends."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tqdm import tqdm

from fer.experiments.search.plan import Plan
from fer.experiments.search.results import best_of, line_of
from fer.experiments.search.study import Memory


class Progress:
    """A bar in trials; its remaining time is that of the pace so far.

    Args:
        plan: of the search.
        memory: what there is of it.
    """

    def __init__(self, plan: Plan, memory: Memory) -> None:
        self._plan, self._memory = plan, memory
        ended = sum(trial.state.is_finished() for trial in memory.trials())
        self._bar = tqdm(
            total=max(plan.options["trials"], ended),
            initial=ended,
            # A file is written to once a minute.
            mininterval=1.0 if sys.stderr.isatty() else 60.0,
            # Trials that are stopped early come in no order: all of the past counts.
            smoothing=0.0,
            bar_format="{n_fmt}/{total_fmt} trials|{bar:16}| {elapsed}<{remaining} {desc}",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def show(self, working: Sequence[int], busy: Sequence[int]) -> None:
        """Show which trials run now, and on which processes of an earlier search still work."""
        text = f"now {', '.join(map(str, working)) or 'none'}"
        if busy:
            text += f"; waiting for processes that were left over: {', '.join(map(str, busy))}"
        self._bar.set_description_str(text, refresh=False)
        self._bar.update(0)

    def ended(self, number: int) -> None:
        """Say how a trial ended."""
        trials = self._memory.trials()
        best = best_of(self._plan, trials)
        mark = ", the best so far" if best is not None and best.number == number else ""
        self.say(line_of(self._plan, trials[number]) + mark)
        self._bar.update(1)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.write(text, file=sys.stdout)
