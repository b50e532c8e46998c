"""Images that stay on the disk: what is indexed is read, nothing else is in memory."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from fer.data.source import DataError, Faces

#: Larger arrays of images stay on the disk, in bytes.
LARGE: Final = 2**28
#: Images read at a time where all are gone through.
_BLOCK: Final = 256


class DiskImages:
    """Images of a ``.npy`` file, in the place of a memory map of it.

    The pages of a memory map count as this process' memory once they were read, until the system
    wants them back; these are read into each batch and forgotten. Loader processes get the path.

    ``images`` is a memory map of the whole file, uint8 ``[N, H, W]``; ``positions`` are int64.
    """

    def __init__(self, images: np.memmap[Any, np.dtype[np.uint8]], positions: Any) -> None:
        if images.filename is None:
            raise ValueError("images must be a memory map of a file")
        self._path = Path(images.filename)
        self._offset = images.offset
        self._side: tuple[int, ...] = images.shape[1:]
        self._positions: npt.NDArray[np.int64] = np.asarray(positions)

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, H, W)``."""
        return len(self), *self._side

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that they would take in memory."""
        return int(np.prod(self.shape))

    def chosen(self, which: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> DiskImages:
        """Return some of them, none of which is read."""
        other = copy.copy(self)
        other._positions = self._positions[which]
        return other

    def __getitem__(self, key: Any) -> npt.NDArray[np.uint8]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        positions = np.asarray(self._positions[first])
        images = self._read(positions.reshape(-1)).reshape(*positions.shape, *self._side)
        if not rest:
            return images
        return np.asarray(images[(*[slice(None)] * positions.ndim, *rest)])

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        for start in range(0, len(self), _BLOCK):
            yield from self[start : start + _BLOCK]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("these images are on the disk: an array of them is a copy")
        return self._read(self._positions).astype(dtype or np.uint8, copy=False)

    def _read(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        found = np.empty((len(positions), *self._side), dtype=np.uint8)
        rows = found.reshape(len(positions), int(np.prod(self._side)))
        offsets = self._offset + positions * rows.shape[1]
        # Opened for each batch: loader processes and threads share no place in a file.
        with self._path.open("rb", buffering=0) as file:
            for row, offset in zip(rows, offsets.tolist(), strict=True):
                file.seek(offset)
                if file.readinto(row.data) != len(row):
                    raise DataError(
                        f"{self._path} is cut off: delete it, and it is made again",
                        code="cache_damaged",
                        where=str(self._path),
                    )
        return found


def rows_of(images: npt.NDArray[np.uint8], chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Return some images of an array; those of a large memory map stay on the disk."""
    if isinstance(images, np.memmap) and images.nbytes > LARGE:
        return cast("npt.NDArray[np.uint8]", DiskImages(images, chosen))
    if len(chosen) and chosen[-1] - chosen[0] == len(chosen) - 1:
        return images[chosen[0] : chosen[-1] + 1]
    return images[chosen]


def in_memory(faces: Faces, *names: str) -> Faces:
    """Return a data set with the named splits in memory, for work on all of their faces."""
    read = {
        name: replace(split, images=np.asarray(split.images))
        for name, split in faces.splits.items()
        if name in names
    }
    return replace(faces, splits={**faces.splits, **read})
