"""Write small files in FER2013's form, with faces made up from a seed."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

HEADER = "emotion,pixels,Usage"
USAGES = ("Training", "PublicTest", "PrivateTest")


def make_faces(
    n: int = 60, seed: int = 0, usages: Sequence[str] = USAGES
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], list[str]]:
    """Return uint8 ``[n, 48, 48]`` images, int64 ``[n]`` labels and ``n`` split names.

    The splits lie one after the other, as evenly as ``n`` allows.
    """
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 48, 48), dtype=np.uint8)
    labels = rng.permutation(np.arange(n) % 7)
    return images, labels, [usages[i * len(usages) // n] for i in range(n)]


def row_text(image: npt.NDArray[np.uint8], label: object, usage: str) -> str:
    """Return one row without its line end."""
    return f"{label},{' '.join(map(str, image.ravel().tolist()))},{usage}"


def write_lines(path: Path, lines: Iterable[str], compress: bool = False) -> Path:
    """Write ``lines`` with a line feed after each, gzipped if asked, and return ``path``."""
    data = "".join(f"{line}\n" for line in lines).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, compresslevel=1) if compress else data)
    return path


def write_fer2013(
    path: Path,
    images: npt.NDArray[np.uint8],
    labels: Iterable[object],
    usages: Iterable[str],
    compress: bool = False,
) -> Path:
    """Write faces as FER2013 has them and return ``path``.

    Args:
        path: the file to write; its folder is created.
        images: uint8 ``[N, 48, 48]``.
        labels: ``N`` numbers 0-6 (or anything else, to write a defect).
        usages: ``N`` of :data:`USAGES`.
        compress: gzip it.
    """
    rows = (row_text(*row) for row in zip(images, labels, usages, strict=True))
    return write_lines(path, [HEADER, *rows], compress)
