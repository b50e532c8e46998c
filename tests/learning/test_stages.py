"""Which parameters belong to which stage, of lists and of networks."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from fer.learning.stages import (
    Stage,
    automatic_stages,
    check_stages,
    given_stages,
    members,
    unfreeze,
)
from fer.models import build
from tests.support.parts import composed


def network(*overrides: str) -> nn.Module:
    spec = composed(*overrides)["model"]
    return build(spec, expects=nn.Module, classes=3, size=48)


def parts_of(made: nn.Module, pieces: int = 3) -> list[tuple[str, ...]]:
    return [stage.parts for stage in automatic_stages(made, pieces=pieces, every=1, decay=0.5)]


def test_a_list_says_parts_epoch_and_rate() -> None:
    stages = given_stages([{"parts": "head"}, {"parts": ["a", "b"], "epoch": 3, "rate": 0.1}])
    assert stages == [Stage(("head",), 0, 1.0), Stage(("a", "b"), 3, 0.1)]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"epoch": 0}], "a stage has parts, epoch and rate"),
        ([{"parts": []}], "a stage has parts"),
        ([{"parts": [1]}], "a stage has parts"),
        (["head"], "a stage has parts.* not head"),
        ("head", "stages are a list"),
        ({"parts": "head"}, "stages are a list"),
        ([{"parts": "head", "epochs": 0}], "a stage has parts"),
        ([{"parts": "head", "epoch": -1}], "a stage has parts"),
        ([{"parts": "head", "epoch": 1.5}], "a stage has parts"),
        ([{"parts": "head", "rate": 0}], "number above 0, not 0"),
        ([{"parts": "head", "rate": "fast"}], "number above 0, not 'fast'"),
        ([{"parts": "head", "rate": float("nan")}], "number above 0"),
        ([{"parts": "head", "epoch": 1}], "nothing would learn at first"),
        ([], "nothing would learn at first"),
    ],
)
def test_other_lists_are_refused(entries: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        given_stages(entries)


def test_the_longest_name_that_fits_counts() -> None:
    stages = [Stage(("a.b", "c"), 0, 1), Stage(("a", "a.b.d"), 0, 1)]
    names = ["a.b.x", "a.x", "a.bc", "a.b.d.x", "c", "cd", "e.a"]
    assert members(names, stages) == [["a.b.x", "c"], ["a.x", "a.bc", "a.b.d.x"]]


@pytest.mark.parametrize(
    "overrides",
    [
        ("model=cnn_lstm",),
        ("model=cnn_lstm_attention", "backbone=resnet"),
        ("model=cnn", "backbone=vgg"),
        ("model=cnn", "backbone=timm", "model.backbone.name=test_resnet.r160_in1k"),
        ("model=lstm",),
        ("model=crnn", "fusion=none"),
        ("model=transformer",),
        ("fusion=gated",),
    ],
    ids=" ".join,
)
def test_stages_made_of_a_network_hold_each_parameter_once(overrides: tuple[str, ...]) -> None:
    made = network(*overrides)
    stages = automatic_stages(made, pieces=3, every=2, decay=0.5)
    check_stages(made, stages)
    names = [name for name, _ in made.named_parameters()]
    found = members(names, stages)
    assert sorted(name for some in found for name in some) == sorted(names)
    assert [stage.epoch for stage in stages] == [2 * i for i in range(len(stages))]
    assert [stage.rate for stage in stages] == [0.5**i for i in range(len(stages))]
    # From the end to the beginning, as the network runs them.
    places = [min(names.index(n) for n in some if "pos_embed" not in n) for some in found]
    backbone = [p for p, some in zip(places, found, strict=True) if "backbone" in some[0]]
    assert backbone == sorted(backbone, reverse=True)
    assert "head" in stages[0].parts


def test_the_backbone_is_divided_into_pieces() -> None:
    assert parts_of(network("model=cnn")) == [
        ("head",),
        ("backbone.stages.3",),
        ("backbone.stages.2",),
        ("backbone.stages.0", "backbone.stages.1"),
    ]
    assert len(parts_of(network("model=cnn"), pieces=1)) == 2
    # No more pieces than blocks.
    assert len(parts_of(network("model=cnn"), pieces=9)) == 5
    assert parts_of(network("fusion=gated"))[:2] == [("fusion", "head"), ("lstm",)]
    (*_, last) = parts_of(network("model=transformer"))
    assert last[:2] == ("backbone.network.pos_embed", "backbone.network.patch_embed")


def test_a_network_of_other_parts_needs_a_list() -> None:
    with pytest.raises(ValueError, match=r"list them .* callbacks\.progressive\.stages"):
        parts_of(nn.Sequential(nn.Linear(2, 2)))


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([("haed",)], r"no part 'haed'; did you mean 'head'\? It has preprocessing, backbone"),
        ([("head",), ("head",)], "'head' is in two stages"),
        ([("fusion",)], "nothing is left to learn in the stage of fusion"),
        ([("head",), ("head.layers",)], "nothing is left to learn in the stage of head"),
    ],
)
def test_stages_that_do_not_fit_are_refused(stages: list[tuple[str, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_stages(network(), [Stage(parts, 0, 1.0) for parts in stages])


def test_what_has_begun_learns_with_its_statistics() -> None:
    made: Any = network("model=cnn").train()
    stages = [Stage(("head",), 0, 1), Stage(("backbone.stages.3",), 2, 1)]

    def state(epoch: int) -> tuple[set[str], set[str]]:
        unfreeze(made, stages, epoch)
        learning = {name for name, p in made.named_parameters() if p.requires_grad}
        norms = {n for n, m in made.named_modules() if isinstance(m, nn.BatchNorm2d)}
        return {name.rpartition(".")[0] for name in learning}, {
            name for name in norms if made.get_submodule(name).training
        }

    dense = {"head.layers.0", "head.layers.3"}
    deep = {"backbone.stages.3.filters.0", "backbone.stages.3.norm"}
    assert state(0) == state(1) == (dense, set())
    assert state(2) == state(9) == (dense | deep, {"backbone.stages.3.norm"})
    # Anew, as a resumed training may find itself anywhere.
    assert state(1) == (dense, set())
    # Dropout is not touched.
    assert made.head.layers[2].training
