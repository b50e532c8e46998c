from __future__ import annotations

import numpy as np
import pytest

from fer.live import Smoother

OLD, NEW = np.array([0.8, 0.2], dtype=np.float32), np.array([0.1, 0.9], dtype=np.float32)


def test_formula() -> None:
    smoother = Smoother(0.4)
    np.testing.assert_array_equal(smoother.update("a", OLD, 3.0), OLD)
    weight = 1 - np.exp(-0.1 / 0.4)
    np.testing.assert_allclose(smoother.update("a", NEW, 3.1), OLD + weight * (NEW - OLD), 1e-6)
    np.testing.assert_array_equal(smoother.update("b", NEW, 3.1), NEW)


@pytest.mark.parametrize("rate", [5, 30, 120])
def test_is_the_same_at_any_rate(rate: int) -> None:
    smoother = Smoother(0.4)
    smoother.update("a", OLD, 0.0)
    for number in range(1, rate + 1):
        now = smoother.update("a", NEW, number / rate)
    np.testing.assert_allclose(now, NEW + np.exp(-1 / 0.4) * (OLD - NEW), atol=1e-5)
    assert now.sum() == pytest.approx(1, abs=1e-5)


def test_no_smoothing_and_forgetting() -> None:
    smoother = Smoother(0)
    smoother.update("a", OLD, 0.0)
    np.testing.assert_array_equal(smoother.update("a", NEW, 0.0), NEW)
    smoother = Smoother(10)
    smoother.update("a", OLD, 0.0)
    smoother.keep({"b"})
    np.testing.assert_array_equal(smoother.update("a", NEW, 0.1), NEW)
    with pytest.raises(ValueError, match="at least 0"):
        Smoother(-1)
