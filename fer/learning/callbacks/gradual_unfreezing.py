"""Gradual unfreezing: a network is fine-tuned from its end to its beginning."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, cast

import numpy as np
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from fer.core.ranges import PositiveInt, PositiveShare
from fer.learning.module import FerModule, RateGroup


@dataclass(frozen=True, slots=True)
class Stage:
    """Parts that are unfrozen together.

    Attributes:
        parts: names of modules or parameters of the network. All below them belongs to them, unless
            a longer name in another stage says otherwise.
        epoch: the first epoch in which they are trained, counted from 0.
        rate: the factor of the optimiser's rate for them.
    """

    parts: tuple[str, ...]
    epoch: int
    rate: float


class GradualUnfreezing(Callback):
    """Unfreeze stages one after another, each with its own rate (Howard & Ruder 2018).

    It is meant for a network that starts from another training's weights (``init_from``). The head
    is trained first, on features as they are; then deeper parts, at lower rates.

    All parameters are in the optimiser from the start, a group to each stage, so that schedules
    and checkpoints know them: a frozen one gets no gradient and does not move. Which stages are
    trained follows from the epoch alone, so a resumed training needs no state. (Lightning's
    BaseFinetuning adds groups during the training, which no schedule here could follow.) What is in
    no stage stays frozen.

    Args:
        stages: see :func:`parse_stages`; None derives them from the network's parts.
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
        self._given = None if stages is None else parse_stages(stages)
        self._pieces, self._every, self._decay = pieces, every, decay
        self.stages: list[Stage] = []

    def plan(self, module: FerModule) -> None:
        """Set the stages for a module, and its groups of rates.

        Raises:
            ValueError: they don't fit its network.
        """
        network = module.network
        self.stages = self._given or automatic_stages(
            network, pieces=self._pieces, every=self._every, decay=self._decay
        )
        check_stages(network, self.stages)
        trained = members((name for name, _ in network.named_parameters()), self.stages)
        module.rate_groups = [
            RateGroup(", ".join(stage.parts), tuple(names), stage.rate)
            for stage, names in zip(self.stages, trained, strict=True)
        ]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        # The optimiser is made after this. Parts are frozen only when the processes have agreed on
        # the parameters.
        if stage == "fit":
            self.plan(cast("FerModule", pl_module))

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            sys.stdout.write(self.table(trainer.max_epochs))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        unfreeze(cast("FerModule", pl_module).network, self.stages, trainer.current_epoch)

    def table(self, epochs: int | None = None) -> str:
        """Return a line for each stage, of a training of so many epochs."""
        lines = ["what learns, from which epoch on, at which share of the rate:"]
        for stage in self.stages:
            late = epochs is not None and 0 <= epochs <= stage.epoch
            lines.append(
                f"  epoch {stage.epoch + 1:<3} × {stage.rate:<6.3g} {', '.join(stage.parts)}"
                + (f" (never, in {epochs} epochs)" if late else "")
            )
        return "\n".join(lines) + "\n"


def parse_stages(entries: Sequence[Mapping[str, Any]]) -> list[Stage]:
    """Return the stages that a configuration lists.

    Args:
        entries: ``parts`` (a name or names), and optionally ``epoch`` (0) and ``rate`` (1).

    Raises:
        ValueError: an entry has another form, or none begins at epoch 0.
    """
    form = "a stage has parts, epoch and rate: {parts: [head], epoch: 0, rate: 1.0}"
    if isinstance(entries, str | Mapping):
        raise ValueError(f"stages are a list; {form}, not {entries}")
    stages = []
    for entry in entries:
        known = {"parts", "epoch", "rate"}
        if not isinstance(entry, Mapping) or not {"parts"} <= {*entry} <= known:
            raise ValueError(f"{form}, not {entry}")
        parts, epoch, rate = entry["parts"], entry.get("epoch", 0), entry.get("rate", 1.0)
        names = [parts] if isinstance(parts, str) else list(parts or ())
        are_names = names and all(isinstance(name, str) and name for name in names)
        if not are_names or type(epoch) is not int or epoch < 0:
            raise ValueError(f"{form}, not {dict(entry)}")
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not rate > 0:
            raise ValueError(f"the rate of a stage is a number above 0, not {rate!r}")
        stages.append(Stage(tuple(names), epoch, float(rate)))
    if not any(stage.epoch == 0 for stage in stages):
        raise ValueError("no stage begins at epoch 0, so that nothing would learn at first")
    return stages


def automatic_stages(network: nn.Module, *, pieces: int, every: int, decay: float) -> list[Stage]:
    """Return stages from a network's end to its beginning (Howard & Ruder 2018).

    First the head and all other parts but the branches that see the face, then the LSTM, then the
    backbone, its last piece first. Each stage begins ``every`` epochs after the one before it and
    has ``decay`` times its rate.

    Args:
        network: whose branches are called ``backbone`` and ``lstm``.
        pieces: that the backbone is divided into, of about as many blocks each.
        every: epochs.
        decay: of the rates.

    Raises:
        ValueError: the network has no such branches.
    """
    children = {name: part for name, part in network.named_children() if _has_parameters(part)}
    branches = {name: children.pop(name) for name in ("lstm", "backbone") if name in children}
    if not branches or not children:
        raise ValueError(
            "stages are made of a network with a head and a backbone or lstm: list them for this "
            "one by callbacks.progressive.stages"
        )
    groups = [tuple(children)]
    if "lstm" in branches:
        groups.append(("lstm",))
    if "backbone" in branches:
        blocks = [f"backbone.{name}" for name in _blocks(branches["backbone"])]
        divided = np.array_split(np.array(blocks, dtype=object), min(pieces, len(blocks)))
        groups += [tuple(piece.tolist()) for piece in reversed(divided)]
        # Parameters outside the blocks, such as a transformer's positions, come last.
        names = [f"backbone.{name}" for name, _ in branches["backbone"].named_parameters()]
        inside = members(names, [Stage(tuple(blocks), 0, 1.0)])[0]
        groups[-1] = (*(name for name in names if name not in inside), *groups[-1])
    return [Stage(parts, i * every, decay**i) for i, parts in enumerate(groups)]


def members(names: Iterable[str], stages: Sequence[Stage]) -> list[list[str]]:
    """Return which of the names belong to each stage: the longest part that fits counts."""
    of_stage: list[list[str]] = [[] for _ in stages]
    for name in names:
        fits = [
            (len(part), place)
            for place, stage in enumerate(stages)
            for part in stage.parts
            if name == part or name.startswith(f"{part}.")
        ]
        if fits:
            of_stage[max(fits)[1]].append(name)
    return of_stage


def check_stages(network: nn.Module, stages: Sequence[Stage]) -> None:
    """Check stages against the network.

    Raises:
        ValueError: a part does not exist or is in two stages, or a stage has no parameters.
    """
    parts = [part for stage in stages for part in stage.parts]
    known = [name for name, _ in network.named_modules() if name]
    known += [name for name, _ in network.named_parameters()]
    for part in parts:
        if part not in known:
            near = get_close_matches(part, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            first = ", ".join(name for name, _ in network.named_children())
            raise ValueError(f"the network has no part {part!r}{hint} It has {first}")
        if parts.count(part) > 1:
            raise ValueError(f"the part {part!r} is in two stages")
    trained = members((name for name, _ in network.named_parameters()), stages)
    for stage, names in zip(stages, trained, strict=True):
        if not names:
            raise ValueError(f"nothing is left to learn in the stage of {', '.join(stage.parts)}")


def unfreeze(network: nn.Module, stages: Sequence[Stage], epoch: int) -> None:
    """Train the stages that have begun by an epoch, and freeze everything else.

    Frozen batch normalisation uses the statistics that it has, and does not update them.
    """
    trained = _begun((name for name, _ in network.named_parameters()), stages, epoch)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in trained)
    norms = {name: part for name, part in network.named_modules() if isinstance(part, _BatchNorm)}
    updated = _begun(norms, stages, epoch)
    for name, norm in norms.items():
        norm.train(name in updated)


def _begun(names: Iterable[str], stages: Sequence[Stage], epoch: int) -> set[str]:
    by_stage = zip(stages, members(names, stages), strict=True)
    return {name for stage, own in by_stage if stage.epoch <= epoch for name in own}


def _has_parameters(part: nn.Module) -> bool:
    return any(True for _ in part.parameters())


def _blocks(part: nn.Module, prefix: str = "") -> Iterator[str]:
    """Yield the names of a part's consecutive blocks, as far as its lists show them."""
    children = {name: child for name, child in part.named_children() if _has_parameters(child)}
    for name, child in children.items():
        if isinstance(child, nn.Sequential | nn.ModuleList) or len(children) == 1:
            inner = list(_blocks(child, f"{prefix}{name}."))
            yield from inner or [f"{prefix}{name}"]
        else:
            yield f"{prefix}{name}"
