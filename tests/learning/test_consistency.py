"""Two views of a face are answered alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from fer.learning.callbacks import ConsistencyRegularization
from fer.learning.consistency import Consistency
from tests.support.learners import pattern_data, quiet_trainer, small_module


def disc(radius: float, x: float = 23.5, y: float = 23.5) -> torch.Tensor:
    """Return a bright disc on black, uint8 ``[1, 1, 48, 48]``."""
    rows, columns = torch.meshgrid(torch.arange(48), torch.arange(48), indexing="ij")
    inside = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    return (200 * inside).byte()[None, None]


def test_a_view_of_nothing_is_the_face() -> None:
    faces = torch.randint(0, 256, (5, 1, 48, 48)).byte()
    assert torch.equal(Consistency(zoom=0.0, shift=0.0).view(faces), faces)


def test_views_are_as_large_and_as_far_as_they_may_be() -> None:
    torch.manual_seed(0)
    faces = disc(10).expand(400, -1, -1, -1)
    seen = Consistency(zoom=0.3, shift=0.0).view(faces)
    assert seen.dtype == torch.uint8
    radius = ((seen > 100).sum(dim=(1, 2, 3)).float() / torch.pi).sqrt()
    assert 6.8 <= radius.min() < 7.6
    assert 12.4 < radius.max() <= 13.3
    assert abs(radius.mean() - 10) < 0.3
    moved = Consistency(zoom=0.0, shift=0.1).view(faces).float()
    for axis in (2, 3):
        weight = moved.sum(dim=(1, 5 - axis))
        middle = (weight * torch.arange(48)).sum(dim=1) / weight.sum(dim=1)
        assert 4.3 < (middle - 23.5).abs().max() <= 4.9
        assert abs(middle.mean() - 23.5) < 0.5
    # Each face has a draw of its own.
    assert len({tuple(face.flatten().tolist()) for face in seen[:20]}) > 10


def test_divergence_is_that_of_both_directions() -> None:
    consistency = Consistency()
    first, second = torch.randn(6, 4), torch.randn(6, 4)
    p, q = first.softmax(1), second.softmax(1)
    expected = ((p - q) * (p.log() - q.log())).sum(dim=1).mean() / 2
    torch.testing.assert_close(consistency.divergence(first, second), expected)
    assert consistency.divergence(first, first + 3).item() == pytest.approx(0, abs=1e-6)


def test_a_step_is_the_loss_of_both_views_and_their_divergence() -> None:
    module = small_module()
    module.eval()
    consistency = Consistency(weight=0.7, zoom=0.2, shift=0.1)
    batch: Any = {
        "image": torch.randint(0, 256, (4, 1, 48, 48)).byte(),
        "label": torch.tensor([0, 1, 2, 3]),
    }
    torch.manual_seed(5)
    loss = module._pair(module.train_scores, batch, consistency)
    torch.manual_seed(5)
    first, second = module(batch["image"]), module(consistency.view(batch["image"]))
    label = batch["label"]
    expected = (F.cross_entropy(first, label) + F.cross_entropy(second, label)) / 2
    expected = expected + 0.7 * consistency.divergence(first, second)
    torch.testing.assert_close(loss, expected)


def test_a_training_makes_answers_alike(tmp_path: Path) -> None:
    """The same training with and without: the views of a face are told apart less."""
    data = pattern_data()
    differ = {}
    for weight in (0.0, 5.0):
        torch.manual_seed(0)
        module = small_module("optimizer.lr=0.01")
        callback = ConsistencyRegularization(weight=weight)
        trainer = quiet_trainer(tmp_path, callback, max_epochs=6, enable_checkpointing=False)
        trainer.fit(module, datamodule=data)
        faces = torch.from_numpy(data.faces.splits["val"].images.copy()).unsqueeze(1)
        torch.manual_seed(1)
        with torch.no_grad():
            module.eval()
            one, other = module(faces), module(Consistency().view(faces))
        differ[weight] = (one.softmax(1) - other.softmax(1)).abs().sum(dim=1).mean().item()
    assert differ[5.0] < 0.5 * differ[0.0]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"weight": -1.0}, "weight must be at least 0"),
        ({"zoom": 1.0}, "zoom must be at least 0 and below 1"),
        ({"shift": -0.1}, "shift must be at least 0 and below 1"),
    ],
)
def test_numbers_out_of_range_are_refused(numbers: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ConsistencyRegularization(**numbers)
