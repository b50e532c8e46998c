"""Distributions to learn: carried by splits, handed out with their faces."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fer.data.loading.dataset import FaceDataset
from fer.data.source import Split


def make(targets: bool) -> Split:
    rng = np.random.default_rng(0)
    return Split(
        images=rng.integers(0, 256, (5, 4, 4), dtype=np.uint8),
        labels=np.arange(5) % 3,
        rows=np.arange(5) + 10,
        metadata={"age": np.arange(5.0)},
        targets=rng.random((5, 3), dtype=np.float32) if targets else None,
    )


def test_a_batch_has_targets_where_there_are_some() -> None:
    split = make(targets=True)
    batch = FaceDataset(split, None, seed=0).__getitems__([3, 1])
    assert split.targets is not None
    assert batch["target"].dtype == torch.float32
    np.testing.assert_array_equal(batch["target"].numpy(), split.targets[[3, 1]])
    assert "target" not in FaceDataset(make(targets=False), None, seed=0)[0]


def test_taking_faces_takes_all_that_belongs_to_them() -> None:
    split = make(targets=True)
    for chosen in (np.array([0, 2]), np.array([True, False, True, False, False])):
        taken = split.take(chosen)
        assert taken.rows.tolist() == [10, 12]
        assert taken.metadata["age"].tolist() == [0, 2]
        assert split.targets is not None
        assert taken.targets is not None
        np.testing.assert_array_equal(taken.images, split.images[[0, 2]])
        np.testing.assert_array_equal(taken.targets, split.targets[[0, 2]])
        np.testing.assert_array_equal(taken.labels, split.labels[[0, 2]])
    assert make(targets=False).take(np.array([1])).targets is None


def test_targets_are_one_a_face() -> None:
    with pytest.raises(ValueError, match=r"5 images, but \{'targets': 4\}"):
        Split(
            images=np.zeros((5, 4, 4), dtype=np.uint8),
            labels=np.zeros(5, dtype=np.int64),
            rows=np.arange(5),
            targets=np.zeros((4, 3), dtype=np.float32),
        )
