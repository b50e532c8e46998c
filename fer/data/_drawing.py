"""Draw faces at random, class by class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def stratified(labels: npt.NDArray[np.int64], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Choose a share of each class: of those with two faces or more at least one, never all."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        count = min(max(round(share * len(members)), 1), len(members) - 1)
        chosen[members[:count]] = True
    return chosen
