"""The branch that reads a face as a sequence, held against torch's own hidden states."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from fer.models import SequenceBranch
from fer.models.sequence import StepAttention

ROWS = {"_target_": "fer.models.Rows"}
UNITS = 6


def make(**options: Any) -> SequenceBranch:
    torch.manual_seed(0)
    return SequenceBranch(12, **({"view": ROWS, "units": UNITS} | options)).eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(3, 1, 12, 12, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_last_holds_torchs_hidden_states(images: torch.Tensor) -> None:
    branch = make(depth=2, bidirectional=True, pooling="last")
    _, (hidden, _) = branch.lstm(images[:, 0])
    by_layer = hidden.view(2, 2, len(images), UNITS)  # layer, direction, face, unit
    torch.testing.assert_close(branch(images), torch.cat([by_layer[1, 0], by_layer[1, 1]], dim=1))


@pytest.mark.parametrize("pooling", ["mean", "max"])
@torch.no_grad()
def test_mean_and_max_are_over_steps(images: torch.Tensor, pooling: Any) -> None:
    branch = make(pooling=pooling)
    steps, _ = branch.lstm(images[:, 0])
    expected = torch.stack(
        [torch.stack([getattr(unit, pooling)() for unit in face.unbind(dim=1)]) for face in steps]
    )
    torch.testing.assert_close(branch(images), expected)


@pytest.mark.parametrize("depth", [1, 2])
@torch.no_grad()
def test_dropout_is_on_the_output_and_between_layers(images: torch.Tensor, depth: int) -> None:
    branch = make(depth=depth, dropout=0.5)
    assert branch.lstm.dropout == (0.5 if depth > 1 else 0)
    kept = branch(images)
    assert torch.equal(kept, branch(images))
    outputs = branch.train()(images.repeat(20, 1, 1, 1))
    assert 0.3 < (outputs == 0).float().mean() < 0.7


@torch.no_grad()
def test_attention_weighs_steps_by_the_formula(images: torch.Tensor) -> None:
    branch = make(pooling="attention")
    attention = branch.attention
    assert isinstance(attention, StepAttention)
    steps, _ = branch.lstm(images[:, 0])
    weight, bias = attention.hidden.weight, attention.hidden.bias
    (v,) = attention.score.weight
    shares = [math.exp(float(v @ (weight @ step + bias).tanh())) for step in steps[0]]
    expected = sum(share / sum(shares) * step for share, step in zip(shares, steps[0], strict=True))
    torch.testing.assert_close(branch(images)[0], expected)
    torch.testing.assert_close(attention.weights(steps).sum(dim=1), torch.ones(3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "first"}, "unknown pooling 'first'; there are last, mean, max, attention"),
        ({"units": 0}, "at least 1, not 0 and 2"),
        ({"depth": 0}, "at least 1, not 6 and 0"),
        ({"view": {"_target_": "torch.nn.Identity"}}, "not a View"),
    ],
)
def test_refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**options)
