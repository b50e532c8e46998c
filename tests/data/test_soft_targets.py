"""Soft targets are read as they were written, and of the faces that they were made for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer.data.soft_targets import SoftTargets, checksums_of, read_soft_targets
from fer.data.source import DataError, Split
from tests.support.pattern_faces import CLASSES, make_split


def targets_of(split: Split, seed: int = 0) -> SoftTargets:
    drawn = np.random.default_rng(seed).dirichlet(np.ones(len(CLASSES)), len(split))
    return SoftTargets(CLASSES, split.rows, drawn.astype(np.float32), checksums_of(split))


def test_files_of_folds_are_put_together(tmp_path: Path) -> None:
    faces = make_split(20)
    folds = [faces.take(np.arange(20) % 2 == fold) for fold in (0, 1)]
    paths = [tmp_path / f"{number}.npz" for number in (0, 1)]
    for fold, path in zip(folds, paths, strict=True):
        targets_of(fold).write(path)
    read = read_soft_targets(paths)
    np.testing.assert_allclose(read.of(folds[1]), targets_of(folds[1]).probabilities, atol=1e-3)
    np.testing.assert_allclose(read.of(faces).sum(axis=1), 1, atol=1e-6)
    with pytest.raises(DataError):
        read_soft_targets(paths[:1]).of(faces)
    with pytest.raises(DataError):
        read_soft_targets([paths[0], paths[0]])


def test_other_faces_and_damaged_files_are_refused(tmp_path: Path) -> None:
    faces = make_split(20)
    path = tmp_path / "targets.npz"
    targets_of(faces).write(path)
    moved = replace(faces, images=np.roll(faces.images, 1, axis=0))
    with pytest.raises(DataError, match="row"):
        read_soft_targets([path]).of(moved)
    whole = path.read_bytes()
    for damaged in (whole[:40], b"", b"PK" + whole, whole[:-30]):
        path.write_bytes(damaged)
        with pytest.raises(DataError):
            read_soft_targets([path])
