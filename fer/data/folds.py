"""K-fold division of the training split."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Ge

from fer.core.ranges import NonNegativeInt
from fer.data._hashing import pixel_hash
from fer.data.source import DataError, Faces, Source, Split, WrappedSource


def fold_of_each(split: Split, folds: int) -> npt.NDArray[np.int64]:
    """Return the fold of each face, int64 ``[N]``.

    Faces with the same pixels share a fold, so no fold is known from a copy in another. Within
    that, each class is spread evenly over the folds. The division depends on the pixels and the
    labels alone, in their order.

    Raises:
        DataError: there are fewer different faces than folds.
    """
    groups: dict[bytes, int] = {}
    group = np.array([groups.setdefault(pixel_hash(image), len(groups)) for image in split.images])
    if len(groups) < folds:
        raise DataError(f"{len(groups)} different training faces can't be put into {folds} folds")
    first = np.unique(group, return_index=True)[1]
    shuffled = np.random.default_rng(0).permutation(len(first))
    # Sorted by class, then dealt out: stable, so that the order within a class stays random.
    order = shuffled[np.argsort(split.labels[first[shuffled]], kind="stable")]
    fold = np.empty(len(first), dtype=np.int64)
    fold[order] = np.arange(len(first)) % folds
    found: npt.NDArray[np.int64] = fold[group]
    return found


def fold_fingerprint(fingerprint: str, folds: int, fold: int) -> str:
    """Return the fingerprint of a data set without one fold of its training split."""
    return hashlib.sha256(f"{fingerprint} without fold {fold} of {folds}".encode()).hexdigest()


class WithoutFold(WrappedSource):
    """A source whose training split lacks one fold; validation and test stay as they are.

    A network that was trained so has not seen that fold: its answers there are *out of fold*.

    ``fold``, counted from 0, is the one of ``folds`` that is left out.
    """

    def __init__(
        self, source: Source, *, folds: Annotated[int, Ge(2)] | None, fold: NonNegativeInt | None
    ) -> None:
        if folds is None or fold is None:
            raise ValueError("data.folds and data.fold go together")
        if folds < 2 or not 0 <= fold < folds:
            raise ValueError(
                "data.folds must be at least 2 and data.fold from 0 to data.folds - 1, not "
                f"{folds} and {fold}"
            )
        super().__init__(source)
        self.folds, self.fold = folds, fold

    def load(self) -> Faces:
        """Return the faces without the fold; fingerprint and origin name it.

        Raises:
            DataError: the data is missing or broken, or has too few faces.
        """
        faces = self.source.load()
        train = faces.splits["train"]
        return replace(
            faces,
            splits={
                **faces.splits,
                "train": train.take(fold_of_each(train, self.folds) != self.fold),
            },
            fingerprint=fold_fingerprint(faces.fingerprint, self.folds, self.fold),
            origin=f"{faces.origin} without fold {self.fold} of {self.folds}",
        )
