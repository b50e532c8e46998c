"""What is minimised, held against torch's own losses and against the formulas."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer.learning.losses import FocalLoss, SoftTargetLoss, WeightedCrossEntropy, as_distribution
from fer.models import build
from tests.support.parts import composed, options

CLASSES = 4
COUNTS = (8, 2, 4, 2)


def make_logits(rows: int = 6, seed: int = 0) -> Tensor:
    return torch.randn(rows, CLASSES, generator=torch.Generator().manual_seed(seed)) * 2


def make_shares(rows: int = 6, seed: int = 1) -> Tensor:
    return make_logits(rows, seed).softmax(dim=1)


LABELS = torch.tensor([0, 1, 2, 3, 1, 0])


def weighted(power: float, smoothing: float = 0.0) -> WeightedCrossEntropy:
    loss = WeightedCrossEntropy(power=power, label_smoothing=smoothing)
    loss.set_counts(COUNTS)
    return loss


def gradient(loss: nn.Module, logits: Tensor, target: Tensor) -> Tensor:
    leaf = logits.clone().requires_grad_()
    loss(leaf, target).backward()
    assert leaf.grad is not None
    return leaf.grad


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "shares"])
def test_the_weighted_loss_is_that_of_torch(power: float, smoothing: float, soft: bool) -> None:
    # The mean count is 4.
    weight = torch.tensor([0.5, 2.0, 1.0, 2.0]) ** power
    target = make_shares() if soft else LABELS
    expected = nn.CrossEntropyLoss(weight, label_smoothing=smoothing)(make_logits(), target)
    assert weighted(power, smoothing)(make_logits(), target).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_a_class_without_faces_weighs_nothing() -> None:
    loss = WeightedCrossEntropy(power=1.0)
    loss.set_counts((6, 0, 2, 4))
    # The mean is that of the classes that are there.
    assert loss.weight is not None
    assert loss.weight.tolist() == pytest.approx([4 / 6, 0.0, 2.0, 1.0])
    kept = LABELS != 1
    logits = make_logits()
    assert loss(logits, LABELS).item() == pytest.approx(
        loss(logits[kept], LABELS[kept]).item(), rel=1e-6
    )


def test_without_counts_there_is_no_weighted_loss() -> None:
    with pytest.raises(RuntimeError, match="set_counts must be called before"):
        WeightedCrossEntropy()(make_logits(), LABELS)


@pytest.mark.parametrize("gamma", [1.0, 2.0, 5.0])
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "shares"])
def test_the_focal_loss_is_its_formula(gamma: float, soft: bool) -> None:
    target = make_shares() if soft else LABELS
    shares = as_distribution(target, CLASSES).double()
    p = make_logits().double().softmax(dim=1)
    total = 0.0
    for row in range(len(p)):
        for c in range(CLASSES):
            t, q = shares[row, c].item(), p[row, c]
            total -= t * (1 - q.item()) ** gamma * q.log().item()
    assert FocalLoss(gamma=gamma)(make_logits(), target).item() == pytest.approx(
        total / len(p), rel=1e-4
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "shares"])
@pytest.mark.parametrize("height", [50.0, 1e4, 1e30])
def test_the_focal_loss_bears_extreme_logits(gamma: float, soft: bool, height: float) -> None:
    """A face that is certain and right, one that is certain and wrong, and one that is even."""
    logits = torch.tensor([[height, 0, 0, 0], [0, height, 0, 0], [height, height, 0, -height]])
    labels = torch.tensor([0, 0, 3])
    target = as_distribution(labels, CLASSES) * 0.9 + 0.1 / CLASSES if soft else labels
    loss = FocalLoss(gamma=gamma)
    assert torch.isfinite(loss(logits, target))
    assert torch.isfinite(gradient(loss, logits, target)).all()


def test_votes_for_one_class_alone_are_no_trouble() -> None:
    """Zeros in the target have no logarithm."""
    for target in (LABELS, as_distribution(LABELS, CLASSES)):
        loss = SoftTargetLoss()(make_logits(), target)
        expected = F.cross_entropy(make_logits(), LABELS)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
        assert torch.isfinite(gradient(SoftTargetLoss(), make_logits(), target)).all()


def test_the_divergence_is_cross_entropy_less_the_entropy() -> None:
    shares = make_shares()
    entropy = -(shares * shares.log()).sum(dim=1).mean()
    expected = F.cross_entropy(make_logits(), shares) - entropy
    got = SoftTargetLoss()(make_logits(), shares)
    assert got.item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_divergence_teaches_as_cross_entropy_does() -> None:
    shares = make_shares()
    got = gradient(SoftTargetLoss(), make_logits(), shares)
    assert torch.allclose(got, gradient(nn.CrossEntropyLoss(), make_logits(), shares), atol=1e-6)


@pytest.mark.parametrize("name", options("loss"))
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "shares"])
def test_every_choice_takes_labels_and_distributions(name: str, soft: bool) -> None:
    loss = build(composed(f"loss={name}")["loss"], expects=nn.Module)
    if isinstance(loss, WeightedCrossEntropy):
        loss.set_counts(COUNTS)
    target = make_shares() if soft else LABELS
    value = loss(make_logits(), target)
    assert value.shape == ()
    assert value.item() > 0
    assert gradient(loss, make_logits(), target).abs().sum() > 0


@pytest.mark.parametrize("name", options("loss"))
def test_every_choice_falls_towards_the_right_answer(name: str) -> None:
    loss = build(composed(f"loss={name}")["loss"], expects=nn.Module)
    if isinstance(loss, WeightedCrossEntropy):
        loss.set_counts(COUNTS)
    right = as_distribution(LABELS, CLASSES) * 3
    assert loss(right, LABELS) < loss(0 * right, LABELS) < loss(-right, LABELS)
