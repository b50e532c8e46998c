from __future__ import annotations

import numpy as np
import pytest

from fer.live import Smoother

OLD, NEW = np.array([0.8, 0.2], dtype=np.float32), np.array([0.1, 0.9], dtype=np.float32)


@pytest.mark.parametrize("rate", [5, 30, 120])
def test_formula_at_any_rate(rate: int) -> None:
    smoother = Smoother(0.4)
    np.testing.assert_array_equal(smoother.update("a", OLD, 0.0), OLD)
    for number in range(1, rate + 1):
        now = smoother.update("a", NEW, number / rate)
    np.testing.assert_allclose(now, NEW + np.exp(-1 / 0.4) * (OLD - NEW), atol=1e-5)
    np.testing.assert_array_equal(smoother.update("b", NEW, 3.1), NEW)
    smoother.keep({"b"})
    np.testing.assert_array_equal(smoother.update("a", OLD, 3.1), OLD)


def test_no_smoothing() -> None:
    smoother = Smoother(0)
    smoother.update("a", OLD, 0.0)
    np.testing.assert_array_equal(smoother.update("a", NEW, 0.0), NEW)
    with pytest.raises(ValueError, match="seconds"):
        Smoother(-1)
