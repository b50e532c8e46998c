"""The optimiser Muon, held against the formulas and against torch's own."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from fer.learning.optim import muon
from fer.learning.optim.muon import Muon, orthogonalize
from fer.models import BuildError, build
from tests.support.learners import pattern_data, quiet_trainer, small_module
from tests.support.parts import composed

CHOICE = "optimizer=muon"


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def network() -> nn.Sequential:
    """Filters of equal and of other shapes, a tall and a wide matrix, norms and biases."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.Conv2d(6, 6, 3), nn.Conv2d(6, 6, 3), nn.Flatten(),
        nn.Linear(6 * 4, 40), nn.Linear(40, 3),
    )  # fmt: skip


def learn(net: nn.Module, optimizer: Optimizer, steps: int, first: int = 0) -> None:
    for step in range(first, first + steps):
        optimizer.zero_grad()
        net(drawn(4, 1, 8, 8, seed=step)).square().mean().backward()
        optimizer.step()


@pytest.fixture(autouse=True)
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every processor count alike, also one that is quicker in bfloat16."""
    monkeypatch.setattr(muon, "_cpu_has_bf16", lambda: False)


def test_the_singular_vectors_stay() -> None:
    matrix = drawn(6, 20)
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.T @ orthogonalize(matrix[None])[0] @ vh.T
    torch.testing.assert_close(inner, inner.diag().diag(), atol=1e-5, rtol=0)
    x = s / s.norm()
    for _ in range(5):
        x = 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5
    torch.testing.assert_close(inner.diag(), x, atol=1e-4, rtol=0)


def test_bfloat16_comes_to_about_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    matrices = drawn(2, 6, 54)
    exact = orthogonalize(matrices)
    monkeypatch.setattr(muon, "_cpu_has_bf16", lambda: True)
    rounded = orthogonalize(matrices)
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, exact)
    torch.testing.assert_close(rounded, exact, atol=0.03, rtol=0)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float64])
def test_the_type_is_kept_and_nothing_stays_nothing(kind: torch.dtype) -> None:
    turned = orthogonalize(torch.zeros(1, 3, 4, dtype=kind))
    assert turned.dtype == kind
    assert not turned.any()


def test_steps_are_those_of_the_formulas() -> None:
    rate, momentum, decay, share = 0.02, 0.9, 0.1, 3.0
    net, plain = network(), network()
    optimizer = Muon(net.parameters(), rate, momentum=momentum, weight_decay=decay, aux_rate=share)
    matrices = [p for p in plain.parameters() if p.ndim > 1]
    others = [p for p in plain.parameters() if p.ndim == 1]
    sgd = SGD(others, rate * share, momentum=momentum, nesterov=True)
    buffers = [torch.zeros_like(p) for p in matrices]
    for step in range(3):
        learn(net, optimizer, 1, step)
        plain.zero_grad()
        plain(drawn(4, 1, 8, 8, seed=step)).square().mean().backward()
        sgd.step()
        for p, buffer in zip(matrices, buffers, strict=True):
            assert p.grad is not None
            buffer.mul_(momentum).add_(p.grad, alpha=1 - momentum)
            ahead = (1 - momentum) * p.grad + momentum * buffer
            turned = orthogonalize(ahead.flatten(1)[None])[0].view_as(p)
            scale = max(1, len(p) / p[0].numel()) ** 0.5
            with torch.no_grad():
                p.copy_(p * (1 - rate * decay) - rate * scale * turned)
    for one, other in zip(net.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch 2.9 and later have one")
def test_matrices_step_as_torchs_own() -> None:
    ours, theirs = (nn.Linear(8, 24, bias=False) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    reference: Any = torch.optim.Muon
    pairs = (
        (ours, Muon(ours.parameters(), 0.1, momentum=0.9, weight_decay=0.1)),
        (theirs, reference(theirs.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)),
    )
    for step in range(3):
        for net, optimizer in pairs:
            optimizer.zero_grad()
            net(drawn(16, 8, seed=step)).pow(3).mean().backward()
            optimizer.step()
    # That one counts in bfloat16 everywhere.
    torch.testing.assert_close(ours.weight, theirs.weight, atol=0.02, rtol=0)


def test_a_single_row_or_column_is_no_matrix() -> None:
    row, column = (nn.Parameter(torch.zeros(shape)) for shape in ((1, 1, 5), (5, 1)))
    for p in (row, column):
        p.grad = torch.full_like(p, 2.0)
    Muon([row, column], 0.1, momentum=0.0).step()
    assert torch.equal(row, torch.full_like(row, -0.2))
    assert torch.equal(column, torch.full_like(column, -0.2))


def test_the_memory_layout_changes_nothing() -> None:
    nets = network(), network().to(memory_format=torch.channels_last)
    for net in nets:
        learn(net, Muon(net.parameters(), 0.01), 2)
    assert nets[1][2].weight.is_contiguous(memory_format=torch.channels_last)
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_a_state_read_without_code_goes_on_bit_for_bit() -> None:
    straight, broken = network(), network()
    learn(straight, Muon(straight.parameters(), 0.01), 5)
    first = Muon(broken.parameters(), 0.01)
    learn(broken, first, 3)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = Muon(broken.parameters(), 7.0)
    second.load_state_dict(torch.load(file, weights_only=True))
    learn(broken, second, 2, first=3)
    for one, other in zip(straight.parameters(), broken.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    "wrong", [{"momentum": 1.0}, {"lr": -1.0}, {"weight_decay": -0.1}, {"aux_rate": float("nan")}]
)
def test_what_is_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    spec = composed(CHOICE)["optimizer"] | wrong
    with pytest.raises(BuildError, match=next(iter(wrong))):
        build(spec, [nn.Parameter(torch.zeros(1))], expects=Optimizer)


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_a_training_learns_by_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = small_module(CHOICE)
    trainer = quiet_trainer(tmp_path, max_epochs=6)
    trainer.fit(module, datamodule=pattern_data(batch_size=8), weights_only=True)
    assert isinstance(trainer.optimizers[0], Muon)
    assert float(trainer.callback_metrics["train/acc"]) > 0.6


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_steps_on_cuda_are_those_on_the_processor() -> None:
    nets = network(), network().cuda()
    for net in nets:
        optimizer = Muon(net.parameters(), 0.01)
        net(drawn(4, 1, 8, 8).to(net[0].weight.device)).square().mean().backward()
        optimizer.step()
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(one, other.cpu(), atol=2e-3, rtol=0)
