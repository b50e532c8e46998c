"""The own assignment against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest

from fer.live.assignment import assign

optimize = pytest.importorskip("scipy.optimize")


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (5, 2), (2, 6), (8, 8), (12, 9)])
@pytest.mark.parametrize("density", [0.2, 0.5, 1.0])
def test_sum_is_the_largest(shape: tuple[int, int], density: float) -> None:
    rng = np.random.default_rng(int(100 * density) + shape[0])
    for _ in range(30):
        gain = rng.random(shape) * (rng.random(shape) < density)
        pairs = assign(gain, least=0.3)
        assert all(gain[pair] >= 0.3 for pair in pairs)
        for side in (0, 1):
            assert len({pair[side] for pair in pairs}) == len(pairs)
        wanted = np.where(gain >= 0.3, gain, 0)
        best = wanted[optimize.linear_sum_assignment(-wanted)].sum()
        assert sum(gain[pair] for pair in pairs) == pytest.approx(best)


def test_what_greedy_pairing_gets_wrong() -> None:
    """A row of faces that moves by half a face: each overlaps the place of its neighbour more."""
    assert assign(np.array([[0.5, 0.6], [0.0, 0.5]]), least=0.25) == [(0, 0), (1, 1)]


def test_equal_gains_and_nothing() -> None:
    assert len(assign(np.full((4, 6), 0.5), least=0.1)) == 4
    assert assign(np.zeros((3, 3)), least=0.1) == []
    assert assign(np.zeros((0, 3)), least=0.1) == []
