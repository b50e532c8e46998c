"""Multiply-adds, counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fer.experiments.table.cost import Cost, cost_of
from fer.models import build
from tests.support.parts import composed

SIDE = 48
UNITS = 16


class Rows(nn.Module):
    """Hand the rows of a face to a layer."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        rows = x.float().squeeze(1)
        if isinstance(self.layer, nn.MultiheadAttention):
            found: Tensor = self.layer(rows, rows, rows)[0]
        else:
            found = self.layer(rows)
        return found[0] if isinstance(found, tuple) else found


class Convolutions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.strided = nn.Conv2d(1, 8, 5, stride=2, padding=2)
        self.grouped = nn.Conv2d(8, 8, 3, groups=4, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.grouped(self.strided(x.float()))
        return found


def of_lstm(inputs: int, directions: int) -> int:
    """Four gates, each reading the input and the state before it, at every step."""
    return SIDE * directions * 4 * UNITS * (inputs + UNITS)


#: Queries, keys, values and output; then each step with each, twice.
ATTENTION = 4 * SIDE * SIDE * SIDE + 2 * SIDE * SIDE * SIDE

CASES = {
    "convolutions": (Convolutions(), 24 * 24 * (5 * 5 * 8 + 3 * 3 * 2 * 8)),
    "dense": (Rows(nn.Linear(SIDE, 10)), SIDE * SIDE * 10),
    "LSTM": (Rows(nn.LSTM(SIDE, UNITS, batch_first=True)), of_lstm(SIDE, 1)),
    "deep LSTM, both ways": (
        Rows(nn.LSTM(SIDE, UNITS, num_layers=2, bidirectional=True, batch_first=True)),
        of_lstm(SIDE, 2) + of_lstm(2 * UNITS, 2),
    ),
    "attention": (Rows(nn.MultiheadAttention(SIDE, 4, batch_first=True)), ATTENTION),
    "transformer": (
        Rows(nn.TransformerEncoderLayer(SIDE, 4, 64, batch_first=True)),
        ATTENTION + 2 * SIDE * SIDE * 64,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_multiply_adds_are_those_counted_by_hand(name: str) -> None:
    network, by_hand = CASES[name]
    network.train()
    fused = torch.backends.mkldnn.enabled
    assert cost_of(network, SIDE).multiply_adds == by_hand
    # All is as it was.
    assert network.training
    assert torch.backends.mkldnn.enabled == fused
    assert all(parameter.grad is None for parameter in network.parameters())


def test_an_lstm_beside_a_cnn_adds_what_it_costs_itself() -> None:
    def cost(*overrides: str) -> Cost:
        spec = composed("model.head.hidden=[]", *overrides)["model"]
        return cost_of(build(spec, expects=nn.Module, classes=7, size=SIDE), SIDE)

    both, cnn, lstm = (cost(f"model={name}") for name in ("cnn_lstm", "cnn", "lstm"))
    assert both.multiply_adds == cnn.multiply_adds + lstm.multiply_adds
    # Each has a bias for each class.
    assert both.parameters == cnn.parameters + lstm.parameters - 7
