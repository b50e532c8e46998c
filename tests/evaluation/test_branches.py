"""What each branch adds, held against a network that is changed by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from fer.evaluation import branches
from fer.evaluation.branches import branch_contributions, why_no_branches
from tests.support.models import untrained_model

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (50, 48, 48), dtype=np.uint8)
LABELS = RNG.integers(0, 3, 50)


def without(network: Any, name: str) -> np.ndarray:
    """Return the answers where a branch says its mean, in one batch."""
    with torch.no_grad():
        seen = network.features(torch.from_numpy(IMAGES).unsqueeze(1))
        seen[name] = seen[name].mean(dim=0, keepdim=True).repeat(50, *[1] * (seen[name].ndim - 1))
        return network.classify(seen).argmax(dim=1).numpy()


@pytest.mark.parametrize("fusion", ["concat", "gated", "attention"])
def test_contributions_are_those_of_a_direct_computation(fusion: str) -> None:
    model = untrained_model(f"fusion={fusion}")
    labels = without(model.network, "lstm").astype(np.int64)
    labels[:25] = model.logits(IMAGES).argmax(axis=1)[:25]
    found = branch_contributions(model, IMAGES, labels, batch_size=16)
    assert found["n"] == 50
    assert found["accuracy"] == (model.logits(IMAGES).argmax(axis=1) == labels).mean()
    assert list(found["branches"]) == ["backbone", "lstm"]
    for name, row in found["branches"].items():
        assert row["accuracy"] == (without(model.network, name) == labels).mean()
        assert row["drop"] == found["accuracy"] - row["accuracy"]
        low, high = row["drop_ci95"]
        assert low <= row["drop"] <= high


def test_a_branch_that_nobody_listens_to_adds_nothing() -> None:
    model = untrained_model()
    first = next(part for part in model.network.head.modules() if isinstance(part, torch.nn.Linear))
    first.weight[:, 16:] = 0  # What the LSTM says, behind the 16 of the CNN.
    answers = model.logits(IMAGES).argmax(axis=1)
    found = branch_contributions(model, IMAGES, answers)["branches"]
    assert found["lstm"] == {"accuracy": 1.0, "drop": 0.0, "drop_ci95": [0.0, 0.0]}


def test_metadata_is_a_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    model = untrained_model(ages=True)
    ages = RNG.normal(40, 10, (50, 1)).astype(np.float32)
    found = branch_contributions(model, IMAGES, LABELS, ages)
    assert list(found["branches"]) == ["backbone", "lstm", "metadata"]
    monkeypatch.setattr(branches, "MOST_FACES", 20)
    assert branch_contributions(model, IMAGES, LABELS, ages)["n"] == 20


@dataclass
class Exported:
    """A model without a network in it."""

    classes: tuple[str, ...] = ("cat", "dog", "eel")
    size: int = 48


def test_what_has_no_branches_says_so() -> None:
    single = untrained_model(without=("lstm", "fusion"))
    plain = untrained_model()
    object.__setattr__(plain, "network", torch.nn.Linear(1, 1))
    for model, words in (
        (None, "a file have no branches"),
        (Exported(), "exported model has no branches"),
        (single, "a single branch, backbone"),
        (plain, "Linear is not made of branches"),
    ):
        assert words in (why_no_branches(model) or "")
    with pytest.raises(ValueError, match="not made of branches"):
        branch_contributions(plain, IMAGES, LABELS)
    assert why_no_branches(untrained_model()) is None
