"""Stages of fine-tuning: which parameters of a network begin to learn when, and at which rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@dataclass(frozen=True, slots=True)
class Stage:
    """Parts that are unfrozen together.

    Attributes:
        parts: names of modules or parameters of the network; all below them belongs to them, unless
            a longer name in another stage says otherwise.
        epoch: the first epoch that they learn in, counted from 0.
        rate: what the optimiser's rate is multiplied by for them.
    """

    parts: tuple[str, ...]
    epoch: int
    rate: float


@dataclass(frozen=True, slots=True)
class RateGroup:
    """Parameters of the network with a rate of their own.

    Attributes:
        name: for people to read.
        parameters: their names in the network.
        rate: what the optimiser's rate is multiplied by for them.
    """

    name: str
    parameters: tuple[str, ...]
    rate: float


def given_stages(entries: Sequence[Mapping[str, Any]]) -> list[Stage]:
    """Return the stages that a configuration lists.

    Args:
        entries: ``parts`` (a name or names), and if need be ``epoch`` (0) and ``rate`` (1).

    Raises:
        ValueError: an entry has another form, or none begins at once.
    """
    form = "a stage has parts, epoch and rate: {parts: [head], epoch: 0, rate: 1.0}"
    if isinstance(entries, str | Mapping):
        raise ValueError(f"stages are a list; {form}, not {entries}")
    stages = []
    for entry in entries:
        if not isinstance(entry, Mapping) or not {"parts"} <= {*entry} <= {
            "parts",
            "epoch",
            "rate",
        }:
            raise ValueError(f"{form}, not {entry}")
        parts, epoch, rate = entry["parts"], entry.get("epoch", 0), entry.get("rate", 1.0)
        names = [parts] if isinstance(parts, str) else list(parts or ())
        fine = names and all(isinstance(name, str) and name for name in names)
        if not fine or type(epoch) is not int or epoch < 0:
            raise ValueError(f"{form}, not {dict(entry)}")
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not rate > 0:
            raise ValueError(f"the rate of a stage is a number above 0, not {rate!r}")
        stages.append(Stage(tuple(names), epoch, float(rate)))
    if not any(stage.epoch == 0 for stage in stages):
        raise ValueError("no stage begins at epoch 0, so that nothing would learn at first")
    return stages


def automatic_stages(network: nn.Module, *, pieces: int, every: int, decay: float) -> list[Stage]:
    """Return stages from a network's end to its beginning (Howard & Ruder 2018).

    First come the head and whatever else is no branch that sees the face, then the LSTM, then the
    backbone, its last piece first. Each stage begins ``every`` epochs after the one before it and
    learns at ``decay`` times its rate.

    Args:
        network: whose branches are called ``backbone`` and ``lstm``.
        pieces: that the backbone is divided into, of about as many blocks each.
        every: epochs.
        decay: of the rates.

    Raises:
        ValueError: the network has no such branches.
    """
    children = {name: part for name, part in network.named_children() if _learns(part)}
    readers = {name: children.pop(name) for name in ("lstm", "backbone") if name in children}
    if not readers or not children:
        raise ValueError(
            "stages are made of a network with a head and a backbone or lstm: list them for this "
            "one by callbacks.progressive.stages"
        )
    groups = [tuple(children)]
    if "lstm" in readers:
        groups.append(("lstm",))
    if "backbone" in readers:
        blocks = [f"backbone.{name}" for name in _blocks(readers["backbone"])]
        divided = np.array_split(np.array(blocks, dtype=object), min(pieces, len(blocks)))
        groups += [tuple(piece.tolist()) for piece in reversed(divided)]
        # What lies beside the blocks, such as the positions of a transformer, is of the beginning.
        every_name = [f"backbone.{name}" for name, _ in readers["backbone"].named_parameters()]
        inside = members(every_name, [Stage(tuple(blocks), 0, 1.0)])[0]
        groups[-1] = (*(name for name in every_name if name not in inside), *groups[-1])
    return [Stage(parts, i * every, decay**i) for i, parts in enumerate(groups)]


def members(names: Iterable[str], stages: Sequence[Stage]) -> list[list[str]]:
    """Return which of the names belong to each stage: the longest part that fits counts."""
    found: list[list[str]] = [[] for _ in stages]
    for name in names:
        fits = [
            (len(part), place)
            for place, stage in enumerate(stages)
            for part in stage.parts
            if name == part or name.startswith(f"{part}.")
        ]
        if fits:
            found[max(fits)[1]].append(name)
    return found


def check_stages(network: nn.Module, stages: Sequence[Stage]) -> None:
    """Hold stages against the network.

    Raises:
        ValueError: a part is not there or in two stages, or a stage has nothing that learns.
    """
    parts = [part for stage in stages for part in stage.parts]
    there = [name for name, _ in network.named_modules() if name]
    there += [name for name, _ in network.named_parameters()]
    for part in parts:
        if part not in there:
            near = get_close_matches(part, there, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            first = ", ".join(name for name, _ in network.named_children())
            raise ValueError(f"the network has no part {part!r}{hint} It has {first}")
        if parts.count(part) > 1:
            raise ValueError(f"the part {part!r} is in two stages")
    learning = members((name for name, _ in network.named_parameters()), stages)
    for stage, names in zip(stages, learning, strict=True):
        if not names:
            raise ValueError(f"nothing is left to learn in the stage of {', '.join(stage.parts)}")


def unfreeze(network: nn.Module, stages: Sequence[Stage], epoch: int) -> None:
    """Let the stages learn that have begun by an epoch, and freeze everything else.

    Batch normalisation of what is frozen uses the statistics that it has, and leaves them.
    """
    learning = _begun((name for name, _ in network.named_parameters()), stages, epoch)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in learning)
    norms = {name: part for name, part in network.named_modules() if isinstance(part, _BatchNorm)}
    moving = _begun(norms, stages, epoch)
    for name, norm in norms.items():
        norm.train(name in moving)


def _begun(names: Iterable[str], stages: Sequence[Stage], epoch: int) -> set[str]:
    by_stage = zip(stages, members(names, stages), strict=True)
    return {name for stage, some in by_stage if stage.epoch <= epoch for name in some}


def _learns(part: nn.Module) -> bool:
    return any(True for _ in part.parameters())


def _blocks(part: nn.Module, prefix: str = "") -> Iterator[str]:
    """Yield the names of what a part does one after the other, as far as its lists say so."""
    children = {name: child for name, child in part.named_children() if _learns(child)}
    for name, child in children.items():
        if isinstance(child, nn.Sequential | nn.ModuleList) or len(children) == 1:
            inner = list(_blocks(child, f"{prefix}{name}."))
            yield from inner or [f"{prefix}{name}"]
        else:
            yield f"{prefix}{name}"
