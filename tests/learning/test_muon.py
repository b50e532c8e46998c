"""The optimiser Muon, held against the formulas and against torch's own."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fer.learning.callbacks.gradual_unfreezing import RateGroup
from fer.learning.optim import Cosine, OneCycle, muon
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


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 6, 54), (2, 40, 5), (2, 256, 64)])
def test_singular_values_end_near_one(shape: tuple[int, ...]) -> None:
    matrices = drawn(*shape)
    turned = orthogonalize(matrices)
    assert (turned.shape, turned.dtype) == (matrices.shape, matrices.dtype)
    values = torch.linalg.svdvals(turned)
    # The square one has small singular values, which rise without getting there.
    assert values.max() < 1.3
    assert values.min() > (0.1 if shape[1] == shape[2] else 0.6)


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


def test_each_of_many_is_as_if_alone() -> None:
    many = drawn(4, 5, 9)
    alone = torch.cat([orthogonalize(one[None]) for one in many])
    torch.testing.assert_close(orthogonalize(many), alone)


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


def test_what_has_no_gradient_stays() -> None:
    net = network()
    before = [p.clone() for p in net[2].parameters()]
    net[2].requires_grad_(False)
    learn(net, Muon(net.parameters(), 0.1, weight_decay=0.1), 2)
    assert all(torch.equal(*pair) for pair in zip(net[2].parameters(), before, strict=True))


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


def test_a_closure_computes_the_gradients() -> None:
    net = network()
    optimizer = Muon(net.parameters(), 0.01)
    before = net[0].weight.clone()

    def closure() -> Tensor:
        loss: Tensor = net(drawn(4, 1, 8, 8)).square().mean()
        loss.backward()
        return loss

    assert optimizer.step(closure) > 0
    assert not torch.equal(net[0].weight, before)
    assert Muon([nn.Parameter(torch.zeros(1))]).step() is None


@pytest.mark.parametrize("kind", [Cosine, OneCycle])
def test_schedules_keep_rates_in_proportion(kind: Any) -> None:
    groups = [{"params": [nn.Parameter(torch.zeros(2))]} for _ in range(2)]
    optimizer = Muon(groups, 0.1, aux_rate=3.0)
    optimizer.param_groups[1]["lr"] *= 0.5
    schedule: LRScheduler = kind(optimizer, 10)
    for _ in range(9):
        slow, fast = (group["lr"] for group in reversed(optimizer.param_groups))
        assert slow == pytest.approx(0.5 * fast)
        for p in (group["params"][0] for group in groups):
            p.data.zero_()
            p.grad = torch.ones(2)
            optimizer.state.clear()
        optimizer.step()
        moved = groups[0]["params"][0][0].item()
        assert moved == pytest.approx(-fast * 3.0 * 1.95)
        schedule.step()


@pytest.mark.parametrize(
    "wrong", [{"momentum": 1.0}, {"lr": -1.0}, {"weight_decay": -0.1}, {"aux_rate": float("nan")}]
)
def test_what_is_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    spec = composed(CHOICE)["optimizer"] | wrong
    with pytest.raises(BuildError, match=next(iter(wrong))):
        build(spec, [nn.Parameter(torch.zeros(1))], expects=Optimizer)


def test_parts_of_the_network_have_rates_of_their_own() -> None:
    module = small_module(CHOICE, "optimizer.lr=0.1")
    names = tuple(name for name, _ in module.network.named_parameters())
    module.rate_groups = (RateGroup("a", names[:3], 1.0), RateGroup("b", names[3:], 0.5))
    made: Any = module.configure_optimizers()
    groups = made["optimizer"].param_groups
    assert [group["name"] for group in groups] == ["a", "b"]
    assert groups[1]["lr"] == pytest.approx(0.5 * groups[0]["lr"])


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
