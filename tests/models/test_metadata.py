"""The metadata branch: what it reads, and that the network works without."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fer.models import BuildError, FusionNetwork, MetadataBranch, build
from tests.support.parts import composed

NAN = float("nan")
COLUMNS: dict[str, Any] = {"age": {"mean": 30.0, "std": 10.0}, "place": {"values": ["hall", "lab"]}}


def branch(**options: Any) -> MetadataBranch:
    torch.manual_seed(0)
    return MetadataBranch(columns=COLUMNS, units=8, **options).eval()


def network(*overrides: str) -> FusionNetwork:
    torch.manual_seed(0)
    spec = composed("metadata=dense", *overrides)["model"]
    spec["metadata"]["columns"] = COLUMNS
    return build(spec, expects=FusionNetwork, classes=7, size=48).eval()


def test_numbers_are_standardised_and_words_told_apart() -> None:
    part = branch()
    inputs: list[torch.Tensor] = []
    part.layer.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    part(torch.tensor([[40.0, 0.0], [NAN, 1.0], [25.0, NAN]]))
    wanted = [[1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0], [-0.5, 1.0, 0.0, 0.0]]
    torch.testing.assert_close(inputs[0], torch.tensor(wanted))


def test_rows_are_hidden_at_random_while_training_only() -> None:
    x = torch.tensor([[40.0, 1.0]]).expand(400, 2)
    part = branch(drop=0.25)
    hidden = part(part.unknown(x[:1]))
    assert not torch.isclose(part(x), hidden).all(dim=1).any()
    share = torch.isclose(part.train()(x), hidden).all(dim=1).float().mean()
    assert 0.15 < share < 0.35


@pytest.mark.parametrize("fusion", ["concat", "sum", "gated", "attention", "bilinear"])
def test_a_network_uses_metadata_and_works_without(fusion: str) -> None:
    joined = network(f"fusion={fusion}")
    images = torch.randint(0, 256, (2, 1, 48, 48), dtype=torch.uint8)
    with torch.no_grad():
        without = joined(images)
        nothing = joined(images, torch.full((2, 2), NAN))
        known = joined(images, torch.tensor([[60.0, 0.0], [20.0, 1.0]]))
    torch.testing.assert_close(without, nothing)
    assert without.isfinite().all()
    assert not torch.allclose(known, without)


def test_metadata_beside_a_single_branch() -> None:
    joined = network("model=cnn", "fusion=concat")
    assert list(joined.branches) == ["backbone", "metadata"]
    with pytest.raises(BuildError, match="backbone and metadata need a fusion"):
        network("model=cnn")


def test_features_are_what_is_joined() -> None:
    joined = network()
    images = torch.randint(0, 256, (2, 1, 48, 48), dtype=torch.uint8)
    features = joined.features(images)
    assert list(features) == ["backbone", "lstm", "metadata"]
    torch.testing.assert_close(joined.classify(features), joined(images))


def test_no_columns() -> None:
    with pytest.raises(ValueError, match="has no columns to read"):
        MetadataBranch(columns={})
