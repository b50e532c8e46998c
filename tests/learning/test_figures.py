"""Curves and confusion matrices come out as pictures, whatever is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from fer.learning.figures import plot_confusion, plot_curves

KEYS = ("train/acc", "val/acc", "train/loss", "val/loss")
#: The colours of the two curves, as in the figures (RGB).
TRAIN, VAL = (0x7F, 0x8C, 0x9B), (0x0B, 0x62, 0xA4)


def picture(path: Path) -> npt.NDArray[np.uint8]:
    """Return a PNG as RGB ``[H, W, 3]``."""
    assert path.read_bytes().startswith(b"\x89PNG")
    image = cv2.imread(str(path))
    assert image is not None
    return image[..., ::-1].astype(np.uint8)


def ink(image: npt.NDArray[np.uint8], color: tuple[int, int, int] | None = None) -> int:
    """Return how many pixels have a colour, or are not white."""
    if color is None:
        return int((image < 200).any(axis=2).sum())
    return int((np.abs(image.astype(int) - color).max(axis=2) < 12).sum())


def epochs(count: int, *left_out: str) -> list[dict[str, float]]:
    values = {name: 0.3 + 0.1 * i for i, name in enumerate(KEYS) if name not in left_out}
    return [
        {"epoch": float(e), **{k: v + 0.05 * e for k, v in values.items()}}
        for e in range(1, count + 1)
    ]


def curves(tmp_path: Path, numbers: list[dict[str, float]]) -> npt.NDArray[np.uint8]:
    path = tmp_path / "figures" / "curves.png"
    plot_curves(numbers, "a run", path)
    assert [entry.name for entry in path.parent.iterdir()] == ["curves.png"]
    return picture(path)


def test_curves_of_both_splits_in_both_panels(tmp_path: Path) -> None:
    image = curves(tmp_path, epochs(5))
    middle = image.shape[1] // 2
    for panel in (image[:, :middle], image[:, middle:]):
        assert ink(panel, TRAIN) > 100
        assert ink(panel, VAL) > 100


def test_a_single_epoch_is_a_point(tmp_path: Path) -> None:
    """A line from one point to nowhere would show in the legend only."""
    image = curves(tmp_path, epochs(1)).astype(int)
    mask = (np.abs(image - TRAIN).max(axis=2) < 12).astype(np.uint8)
    _, _, blobs, _ = cv2.connectedComponentsWithStats(mask)
    spots = [blob for blob in blobs[1:] if blob[cv2.CC_STAT_AREA] >= 8]
    assert len(spots) == 4, "a point and a line of the legend in each panel"


@pytest.mark.parametrize(
    ("left_out", "gone", "kept"),
    [
        (("val/acc", "val/loss"), VAL, TRAIN),
        (("train/acc", "train/loss"), TRAIN, VAL),
    ],
)
def test_a_split_that_is_missing_is_left_out(
    tmp_path: Path, left_out: tuple[str, ...], gone: Any, kept: Any
) -> None:
    image = curves(tmp_path, epochs(5, *left_out))
    assert ink(image, kept) > 200
    assert ink(image, gone) < 20


def test_no_epoch_at_all(tmp_path: Path) -> None:
    """A run that was stopped in its first epoch still ends with its files."""
    assert ink(curves(tmp_path, [])) > 0


def confusion(tmp_path: Path, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    path = tmp_path / "confusion.png"
    classes = [f"class {i}" for i in range(len(counts))]
    plot_confusion(counts, classes, "test: accuracy 50 %", path)
    return picture(path)


def blue(image: npt.NDArray[np.uint8]) -> int:
    """Return how many pixels are the darkest blue, that of a rate of one."""
    return ink(image, (8, 48, 107))


def test_the_diagonal_is_where_it_belongs(tmp_path: Path) -> None:
    """Rows are true classes from top to bottom, columns are answers from left to right."""
    counts = np.zeros((7, 7), dtype=np.int64)
    counts[:, 0] = 10
    image = confusion(tmp_path, counts)
    dark = (np.abs(image.astype(int) - (8, 48, 107)).max(axis=2) < 12).nonzero()
    tall, wide = np.ptp(dark[0][dark[1] < image.shape[1] / 2]), image.shape[0]
    assert tall > wide / 2, "one column should be filled"
    assert blue(image) > 1000


def test_a_class_that_never_occurs(tmp_path: Path) -> None:
    counts = np.diag([5, 0, 7])
    with np.errstate(all="raise"):
        image = confusion(tmp_path, counts)
    everyone = confusion(tmp_path, np.diag([5, 6, 7]))
    assert 0 < blue(image) < 0.8 * blue(everyone)
