"""Near copies: the filter loses none, and what is nearest is told."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from fer.core.defaults import NEAR_CORRELATION
from fer.data.check import near_duplicates
from fer.data.check.near_duplicates import nearest


def correlations(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Every correlation, by NumPy's own; 0 for a picture of one grey value and for itself."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.corrcoef(images.reshape(len(images), -1).astype(np.float64))
    np.fill_diagonal(found, 0)
    return np.nan_to_num(found)


def make_alike(size: int, seed: int = 0, count: int = 150) -> npt.NDArray[np.uint8]:
    """Smooth and rough pictures, each followed by versions of it with ever more noise."""
    rng = np.random.default_rng(seed)
    pictures = []
    for i in range(count):
        kind = rng.normal(size=(size, size))
        if i % 2:
            kind = np.cumsum(np.cumsum(kind, axis=0), axis=1)
        kind = (kind - kind.mean()) / kind.std()
        for noise in (0, 0.05, 0.2, 0.25, 0.3, 0.6):
            one = kind + noise * rng.normal(size=kind.shape)
            contrast, light = rng.uniform(10, 30), rng.uniform(100, 150)
            pictures.append(np.clip(light + contrast * one, 0, 255).astype(np.uint8))
    return np.array(pictures)


@pytest.mark.parametrize("size", [5, 16, 21, 48])
@pytest.mark.parametrize("threshold", [0.6, 0.97])
def test_no_pair_is_lost(size: int, threshold: float, monkeypatch: pytest.MonkeyPatch) -> None:
    # Several tiles, the last one not full.
    monkeypatch.setattr(near_duplicates, "_TILE", 128)
    images = make_alike(size, count=60)
    images[7] = 90
    split = np.arange(len(images)) % 3
    inside = np.eye(3, dtype=np.bool_)[split]
    found = nearest(images, inside, threshold)
    exact = correlations(images)
    for s in range(3):
        best = np.where(inside[:, s], exact, 0).max(axis=1)
        sure = np.abs(best - threshold) > 1e-5
        np.testing.assert_array_equal((found.partner[:, s] >= 0)[sure], (best >= threshold)[sure])
        there = found.partner[:, s] >= 0
        np.testing.assert_allclose(found.correlation[there, s], best[there], atol=1e-5)
        of = exact[np.flatnonzero(there), found.partner[there, s]]
        np.testing.assert_allclose(of, best[there], atol=1e-5)
    assert (found.partner >= 0).sum() > 20
    assert (found.partner[7] == -1).all()
    assert not (found.partner == 7).any()


def test_the_bound_is_never_below_the_correlation() -> None:
    images = make_alike(48, seed=1, count=30)
    short = near_duplicates._short(images)
    assert short.shape == (len(images), near_duplicates._KEPT + 1)
    slack = short @ short.T - correlations(images)
    np.fill_diagonal(slack, 0)
    assert slack.min() > -near_duplicates._MARGIN / 2
    # And it is worth taking: most pairs are far below the threshold by it alone.
    assert (short @ short.T < NEAR_CORRELATION).mean() > 0.8


def test_a_picture_in_several_splits_is_near_in_each() -> None:
    images = make_alike(16, count=1)[:2]
    found = nearest(images, np.array([[True, False, True], [False, True, False]]))
    assert found.partner.tolist() == [[-1, 1, -1], [0, -1, 0]]


def test_of_equally_near_pictures_the_first_is_told() -> None:
    picture = make_alike(16, count=1)[0]
    images = np.array([picture, picture // 2, picture // 2])
    found = nearest(images, np.ones((3, 1), dtype=np.bool_))
    assert found.partner.ravel().tolist() == [1, 2, 1]


def test_few_pictures() -> None:
    one = np.zeros((1, 48, 48), dtype=np.uint8)
    assert nearest(one, np.ones((1, 1), dtype=np.bool_)).partner.tolist() == [[-1]]
