"""Progressive fine-tuning: a network thaws from its end to its beginning."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

import lightning
from lightning.pytorch.callbacks import Callback

from fer.learning.module import FerModule
from fer.learning.stages import (
    RateGroup,
    Stage,
    automatic_stages,
    check_stages,
    given_stages,
    members,
    unfreeze,
)
from fer.ranges import PositiveInt, PositiveShare


class Progressive(Callback):
    """Unfreeze stages one after another, each with its own rate (Howard & Ruder 2018).

    It is meant for a network that begins with another training's weights (``init_from``). The head
    learns first, on features as they are; then deeper parts may change, by less and less.

    All parameters are in the optimiser from the start, a group to each stage, so that schedules
    and checkpoints know them: a frozen one gets no gradient and does not move. Which stages learn
    follows from the epoch alone, so a resumed training needs no state. (Lightning's BaseFinetuning
    adds groups while training goes on, which no schedule here could follow.) A stage learns at its
    share of the rate that the schedule has by then. What is in no stage stays frozen.

    Args:
        stages: see :func:`~fer.learning.stages.given_stages`; None makes them of the network's
            parts.
        pieces: that the backbone is divided into, where stages are not given.
        every: epochs from one stage to the next, where they are not given.
        decay: rate of a stage as a share of the one before it, where they are not given; the
            default is that of Howard & Ruder, 1 / 2.6.

    Raises:
        ValueError: the stages have another form, or a number is out of range.
    """

    def __init__(
        self,
        *,
        stages: Sequence[Mapping[str, Any]] | None = None,
        pieces: PositiveInt = 3,
        every: PositiveInt = 1,
        decay: PositiveShare = 0.385,
    ) -> None:
        if pieces < 1 or every < 1 or not 0 < decay <= 1:
            raise ValueError(
                "pieces and every must be at least 1 and decay above 0 and at most 1, not "
                f"{pieces}, {every} and {decay}"
            )
        self._given = None if stages is None else given_stages(stages)
        self._pieces, self._every, self._decay = pieces, every, decay
        self.stages: list[Stage] = []

    def plan(self, module: FerModule) -> None:
        """Make the stages for a learner, and tell it their rates.

        Raises:
            ValueError: they don't fit its network.
        """
        network = module.network
        self.stages = self._given or automatic_stages(
            network, pieces=self._pieces, every=self._every, decay=self._decay
        )
        check_stages(network, self.stages)
        learning = members((name for name, _ in network.named_parameters()), self.stages)
        module.rate_groups = [
            RateGroup(", ".join(stage.parts), tuple(names), stage.rate)
            for stage, names in zip(self.stages, learning, strict=True)
        ]

    def setup(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str
    ) -> None:
        # Before the optimiser is made; what is frozen follows when processes have agreed on what
        # there is to be trained.
        if stage == "fit":
            self.plan(cast("FerModule", pl_module))

    def on_fit_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if trainer.is_global_zero:
            sys.stdout.write(self.table(trainer.max_epochs))

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        unfreeze(cast("FerModule", pl_module).network, self.stages, trainer.current_epoch)

    def table(self, epochs: int | None = None) -> str:
        """Return the stages in words, a line each.

        Args:
            epochs: of the whole training.
        """
        lines = ["what learns, from which epoch on, at which share of the rate:"]
        for stage in self.stages:
            late = epochs is not None and 0 <= epochs <= stage.epoch
            lines.append(
                f"  epoch {stage.epoch + 1:<3} × {stage.rate:<6.3g} {', '.join(stage.parts)}"
                + (f" (never, in {epochs} epochs)" if late else "")
            )
        return "\n".join(lines) + "\n"
