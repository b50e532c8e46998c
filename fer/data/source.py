"""What every source of faces hands over: checked images, labels and metadata, split by split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol, Self

import numpy as np
import numpy.typing as npt

from fer.core.metadata import Columns
from fer.data.issues import DataError, DataNotFoundError, Finding

__all__ = [
    "SPLITS",
    "DataError",
    "DataNotFoundError",
    "Faces",
    "Source",
    "Split",
    "WrappedSource",
]

#: The splits a source may have, in the order in which they are used.
SPLITS: Final[tuple[str, ...]] = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Split:
    """The faces of one split, or its clips.

    Attributes:
        images: uint8 ``[N, H, W]`` square grey faces; of clips ``[N, T, H, W]``, see
            :func:`fer.core.clips.pad_clips`. May be a read-only memory map, or
            :class:`fer.data.disk_images.DiskImages`, which reads what is indexed from the disk.
        labels: int64 ``[N]``, positions in :attr:`Faces.classes`.
        rows: int64 ``[N]``, each face's 0-based place in its source (the row of a CSV file),
            which predictions are joined by.
        metadata: one array ``[N]`` per non-sequential feature (age, gender, context): numbers,
            NaN where one is missing, or text, empty where it is missing.
        targets: float32 ``[N, C]``, for each face a distribution over the classes to learn
            instead of its label; ``None`` where labels are all there is.
        lengths: int64 ``[N]``, how many frames of each clip are real; ``None`` for single faces.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    metadata: Mapping[str, npt.NDArray[np.generic]] = field(default_factory=dict)
    targets: npt.NDArray[np.float32] | None = None
    lengths: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        n = len(self.images)
        lengths = {"labels": len(self.labels), "rows": len(self.rows)}
        lengths |= {f"metadata[{name!r}]": len(v) for name, v in self.metadata.items()}
        if self.targets is not None:
            lengths["targets"] = len(self.targets)
        if self.lengths is not None:
            lengths["lengths"] = len(self.lengths)
        wrong = {name: length for name, length in lengths.items() if length != n}
        if wrong:
            raise ValueError(f"{n} images, but {wrong}")

    def __len__(self) -> int:
        return len(self.images)

    def take(self, chosen: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Self:
        """Return the faces at some positions, or where a mask is true."""
        # Faces that stay on the disk are chosen without being read.
        choose = getattr(self.images, "chosen", self.images.__getitem__)
        return replace(
            self,
            images=choose(chosen),
            labels=self.labels[chosen],
            rows=self.rows[chosen],
            metadata={name: values[chosen] for name, values in self.metadata.items()},
            targets=None if self.targets is None else self.targets[chosen],
            lengths=None if self.lengths is None else self.lengths[chosen],
        )


@dataclass(frozen=True, slots=True)
class Faces:
    """A whole data set.

    Attributes:
        classes: the class names; a label is a position in it.
        splits: the faces by split name, a subset of :data:`SPLITS`.
        fingerprint: what identifies the data: a hash of the source file, or of the recipe for
            generated faces.
        origin: where the faces came from, for people to read.
        findings: what was found wrong, and what was done about it.
        names: the file of each face, at the position that is its row; empty where faces are not
            files.
        notes: what else people are to know about it, such as which files were left out.
    """

    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    fingerprint: str
    origin: str
    findings: Sequence[Finding] = ()
    names: Sequence[str] = ()
    notes: Sequence[str] = ()


class Source(Protocol):
    """Yields a data set with its checks done."""

    def class_names(self) -> tuple[str, ...]:
        """Return the class names without reading a picture, so that a network can be checked."""
        ...

    def metadata_columns(self) -> Columns:
        """Return the description of the training faces' metadata, see :mod:`fer.core.metadata`."""
        ...

    def load(self) -> Faces:
        """Return the faces.

        Raises:
            DataError: the data is missing or broken.
        """
        ...


class WrappedSource:
    """A source made of another one, with the same classes and metadata by default."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def class_names(self) -> tuple[str, ...]:
        """Return the class names of the source."""
        return self.source.class_names()

    def metadata_columns(self) -> Columns:
        """Return the description of the metadata of the source's training faces."""
        return self.source.metadata_columns()
