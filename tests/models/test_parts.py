"""Every part that a YAML file offers keeps the contract of its seam."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fer.models import ClipNetwork, Fusion, build
from tests.support.parts import composed, options

SIZES = (48, 96)
WIDTHS = [5, 7]
BRANCHES = [(group, name) for group in ("backbone", "lstm") for name in options(group)]


def branch(group: str, name: str, size: int = 48) -> nn.Module:
    spec = composed(f"{group}={name}")["model"][group]
    return build(spec, size, expects=nn.Module)


def network(name: str, size: int = 48, classes: int = 7) -> nn.Module:
    return build(composed(f"model={name}")["model"], expects=nn.Module, classes=classes, size=size)


def faces(count: int, size: int = 48, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 1, size, size, generator=generator)


def grey(count: int, size: int = 48, seed: int = 0) -> Tensor:
    return (faces(count, size, seed) * 255).to(torch.uint8)


def seen(model: nn.Module, count: int, size: int = 48, seed: int = 0) -> Tensor:
    """Return what a model reads: faces, or clips of three of them."""
    if not isinstance(model, ClipNetwork):
        return grey(count, size, seed)
    return grey(3 * count, size, seed).view(count, 1, 3, size, size)


def untrained(part: nn.Module, outputs: Tensor) -> list[str]:
    """Return the parameters that no gradient reaches when all outputs matter."""
    weights = torch.linspace(-1, 1, outputs.numel()).reshape(outputs.shape)
    (outputs * weights).sum().backward()
    return [
        name
        for name, parameter in part.named_parameters()
        if parameter.requires_grad
        and (
            parameter.grad is None
            or not parameter.grad.isfinite().all()
            or not parameter.grad.count_nonzero()
        )
    ]


@torch.no_grad()
def assert_neighbours_do_not_matter(part: nn.Module, images: Tensor, others: Tensor) -> None:
    part.eval()
    alone = torch.cat([part(image[None]) for image in images])
    torch.testing.assert_close(part(images), alone, rtol=1e-4, atol=1e-5)
    among_others = part(torch.cat([others, images]))[len(others) :]
    torch.testing.assert_close(among_others, alone, rtol=1e-4, atol=1e-5)
    # The part looks at its input at all.
    assert not torch.allclose(alone[0], alone[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("group", "name"), BRANCHES)
@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_branch_declares_its_width(group: str, name: str, size: int) -> None:
    part = branch(group, name, size).eval()
    for count in (1, 2, 5):
        outputs = part(faces(count, size))
        assert outputs.shape == (count, part.out_features)
        assert outputs.dtype == torch.float32
        assert outputs.isfinite().all()


@torch.no_grad()
def begin_anywhere(part: nn.Module) -> None:
    """Move what begins at zero: a residual block that begins as the identity passes no gradient."""
    for parameter in part.parameters():
        if not parameter.any():
            parameter.normal_(std=0.1)


@pytest.mark.parametrize(("group", "name"), BRANCHES)
def test_gradient_reaches_all_of_a_branch(group: str, name: str) -> None:
    torch.manual_seed(0)
    part = branch(group, name).train()
    begin_anywhere(part)
    assert untrained(part, part(faces(6))) == []


@pytest.mark.parametrize(("group", "name"), BRANCHES)
def test_branch_reads_each_face_by_itself(group: str, name: str) -> None:
    torch.manual_seed(0)
    assert_neighbours_do_not_matter(branch(group, name), faces(3), 9 * faces(4, seed=1))


@pytest.mark.parametrize("name", options("fusion"))
def test_fusion_declares_its_width(name: str) -> None:
    torch.manual_seed(0)
    spec = composed(f"fusion={name}")["model"]["fusion"]
    for widths in (WIDTHS, [4, 4], [3, 6, 2]):
        fusion = build(copy.deepcopy(spec), widths, expects=Fusion)
        for count in (1, 2, 5):
            # Tokens of each branch, of which it may have any number, or one vector.
            shapes = [
                (count, 3 + i) if fusion.reads_tokens else (count,) for i in range(len(widths))
            ]
            inputs = [
                torch.rand(*shape, width, requires_grad=True)
                for shape, width in zip(shapes, widths, strict=True)
            ]
            outputs = fusion.train()(inputs)
            assert outputs.shape == (count, fusion.out_features)
        assert untrained(fusion, outputs) == []
        for vector in inputs:
            assert vector.grad is not None
            assert vector.grad.count_nonzero(), "a branch that fusion ignores"


@pytest.mark.parametrize("name", options("model"))
@pytest.mark.parametrize(("size", "classes"), [(48, 7), (96, 3)])
@torch.no_grad()
def test_model_gives_a_logit_a_class(name: str, size: int, classes: int) -> None:
    model = network(name, size, classes).eval()
    for count in (1, 2, 5):
        logits = model(seen(model, count, size))
        assert logits.shape == (count, classes)
        assert logits.isfinite().all()


@pytest.mark.parametrize("name", options("model"))
def test_gradient_reaches_all_of_a_model(name: str) -> None:
    torch.manual_seed(0)
    model = network(name).train()
    begin_anywhere(model)
    assert untrained(model, model(seen(model, 6))) == []


@pytest.mark.parametrize("name", options("model"))
def test_model_reads_each_face_by_itself(name: str) -> None:
    torch.manual_seed(0)
    model = network(name)
    assert_neighbours_do_not_matter(model, seen(model, 3), seen(model, 4, seed=1))


def test_the_check_of_gradients_bites() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Linear(4, 2), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Any:
            return self.used(x)

    part = Half()
    assert untrained(part, part(torch.rand(3, 4))) == ["unused.weight", "unused.bias"]


def test_the_check_of_neighbours_bites() -> None:
    class Crowd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x - x.mean(dim=0)).flatten(1)

    with pytest.raises(AssertionError):
        assert_neighbours_do_not_matter(Crowd(), faces(3), faces(4, seed=1))
