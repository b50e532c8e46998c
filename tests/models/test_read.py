"""Whatever is configured is read: each key of each part, however the part is read, does something.

Where a part's pooling has no reader, choosing one is refused.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pytest
import torch
from torch import nn

from fer.learning.dry_run import freeze_unread
from fer.models import BuildError, ClipNetwork, build
from fer.models.build import allowing
from tests.models.test_parts import begin_anywhere, grey, untrained
from tests.support.parts import composed, options

SIZE: Final = 32
Spec = dict[str, Any]

#: Small parts, in which each key can tell: dropout between layers would hide that behind the last.
SMALLER: Mapping[str, Spec] = {
    "small": {"widths": [6, 8], "kernels": [[3, 5], [3]], "pools": ["max", "avg"]},
    "vgg": {"widths": [4, 6], "convs": [1, 1]},
    "resnet": {"widths": [4, 6], "blocks": [1, 1]},
    "shallow": {"widths": [6, 8]},
    "vit": {"width": 16, "depth": 2, "heads": 2},
    "timm": {"name": "test_convnext", "resize": 64},
    "pixels": {"view": {"_target_": "fer.models.Pixels", "side": 4}},
    "positions": {"view": {"_target_": "fer.models.Pixels", "side": 4}},
    "patches": {"view": {"_target_": "fer.models.Patches", "patch": 2}},
    "attention": {"width": 8, "heads": 2},
}
#: Another value of a key, where no rule finds one.
OTHER: Mapping[str, Any] = {
    "name": "test_resnet", "stem": "conv", "pool": "max", "pooling": "mean", "attention": "both",
    "vote": "logits", "crop": 24, "resize": 24, "patch": 4, "kernels": [[5, 3], [5]],
    "pools": ["avg", "max"],
}  # fmt: skip
#: Where weights come from.
ELSEWHERE: Final = ("_target_", "pretrained", "weights")


def part(group: str, name: str) -> Spec:
    spec = composed(f"{group}={name}")["model"][group]
    return {
        **spec,
        **({"units": 4, "depth": 1} if group == "lstm" else {}),
        **SMALLER.get(name, {}),
    }


def network(backbone: Spec | None, lstm: Spec | None, fusion: Spec | None = None) -> Spec:
    head = {"_target_": "fer.models.DenseHead", "hidden": [6], "dropout": 0.2}
    ready = {"_target_": "fer.models.Preprocessing", "mean": 0.4, "std": 0.3}
    chosen = {"backbone": backbone, "lstm": lstm, "fusion": fusion}
    return {
        "_target_": "fer.models.FusionNetwork", "head": head, "preprocessing": ready, **chosen
    }  # fmt: skip


def readers(group: str, spec: Spec) -> Iterator[tuple[str, Spec]]:
    """Yield networks that read a backbone or an LSTM in every way that there is."""
    small, rows = part("backbone", "small"), part("lstm", "rows")
    backbone, lstm = (spec, rows) if group == "backbone" else (small, spec)
    alone = (spec, None) if group == "backbone" else (None, spec)
    yield "alone", network(*alone)
    for fusion in options("fusion"):
        yield fusion, network(backbone, lstm, part("fusion", fusion))
    yield "crnn", {**network(backbone, lstm), "_target_": "fer.models.CRNN"}
    if group == "backbone":
        more = {"widths": [4], "kernel": 3}
        yield "convlstm", {**network(spec, None), "_target_": "fer.models.ConvLSTM", **more}


def made(spec: Spec) -> nn.Module:
    torch.manual_seed(0)
    found = build(spec, expects=nn.Module, classes=3, size=SIZE).train()
    begin_anywhere(found)
    return found


def answers(model: nn.Module) -> torch.Tensor:
    """Return what it says while it learns, and after it."""
    images = grey(6, SIZE)
    if isinstance(model, ClipNetwork):
        images = images.view(2, 1, 3, SIZE, SIZE)
    torch.manual_seed(1)
    learning = model.train()(images)
    return torch.cat([learning, model.eval()(images)])


def keys(spec: Spec, *above: str) -> Iterator[tuple[str, ...]]:
    for name, value in spec.items():
        if isinstance(value, dict):
            yield from keys(value, *above, name)
        elif name not in ELSEWHERE:
            yield (*above, name)


def changed(spec: Spec, path: tuple[str, ...]) -> Spec:
    """Return a copy with another value at one place."""
    new = copy.deepcopy(spec)
    *above, name = path
    node = new
    for step in above:
        node = node[step]
    value = node[name]
    if name in OTHER:
        node[name] = OTHER[name] if value != OTHER[name] else None
    elif isinstance(value, bool):
        node[name] = not value
    elif isinstance(value, list):
        node[name] = [value[0] * 2, *value[1:]]
    elif isinstance(value, float):
        node[name] = value + 0.3
    else:
        node[name] = value * 2
    return new


@torch.no_grad()
def unread(spec: Spec, *, of: str | None = None, but: Sequence[str] = ()) -> list[str]:
    """Return the keys of a network or a part of it that change neither weights nor answers."""
    model, found = made(spec), []
    weights, wanted = list(model.parameters()), answers(model)
    own = {name: spec[name] for name in ([of] if of else spec) if name not in but}
    for path in keys(own):
        try:
            other = made(changed(spec, path))
        except BuildError:
            continue
        others = list(other.parameters())
        if [weight.shape for weight in others] == [weight.shape for weight in weights]:
            for there, here in zip(others, weights, strict=True):
                there.copy_(here)
            if torch.equal(answers(other), wanted):
                found.append(".".join(path))
    return found


PARTS = [(group, name) for group in ("backbone", "lstm") for name in options(group)]


@pytest.mark.parametrize(("group", "name"), PARTS)
def test_every_reader_of_a_branch_reads_its_keys_and_trains_its_weights(
    group: str, name: str
) -> None:
    for reader, spec in readers(group, part(group, name)):
        assert unread(spec, of=group) == [], reader
        model = made(spec)
        found = answers(model)
        freeze_unread(model, found)
        left_out = {name for name, p in model.named_parameters() if not p.requires_grad}
        assert untrained(model, found) == [], reader
        own_norm = {f"backbone.network.head.norm.{kind}" for kind in ("weight", "bias")}
        before_pooling = name == "timm" and reader in ("attention", "crnn", "convlstm")
        assert left_out == (own_norm if before_pooling else set()), reader


@pytest.mark.parametrize("name", options("fusion"))
def test_every_key_of_a_fusion_is_read(name: str) -> None:
    spec = network(part("backbone", "small"), part("lstm", "rows"), part("fusion", name))
    assert unread(spec, of="fusion") == []


@pytest.mark.parametrize("name", options("model"))
def test_every_other_key_of_a_model_is_read(name: str) -> None:
    spec = composed(f"model={name}")["model"]
    small = {"backbone": part("backbone", "small"), "lstm": part("lstm", "rows")}
    spec |= {group: branch for group, branch in small.items() if spec[group] is not None}
    assert unread(spec, but=[*small, "fusion", "metadata"]) == []


def test_the_check_of_keys_bites() -> None:
    class Deaf(nn.Linear):
        def __init__(self, *, classes: int, size: int, deaf: float, bias: bool) -> None:
            super().__init__(size**2, classes, bias=bias)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images.float().flatten(1))

    globals()["Deaf"] = Deaf
    spec = {"_target_": f"{__name__}.Deaf", "deaf": 1.0, "bias": True}
    with allowing([__name__]):
        assert unread(spec) == ["deaf"]
