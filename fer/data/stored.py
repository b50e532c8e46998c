"""Faces that stay on the disk: what is indexed is read, nothing else.

A *converted set* (``fer data convert``) is a folder of shards of some thousand faces each, and
small arrays beside them that say which face is where. A shard is a plain ``.npy`` file, so that
any program reads it. Faces lie there at their final size, uncompressed: the place of each is known
by its number, which is why a stream has the same order, the same exact resume and the same sharding
over processes and workers as faces in memory: that of :class:`fer.data.loading.EpochSampler`.

Libraries for streams were weighed and left, see CONTRIBUTING.md: litdata and webdataset deal out
whole shards and shuffle inside a window, so that the order is not that of the same faces in memory;
mosaicml-streaming and Hugging Face datasets bring much for what is one read at an offset here.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self, overload

import numpy as np
import numpy.typing as npt

from fer.data.source import DataError, Faces

Positions = npt.NDArray[np.int64]

#: Files that are held open at most; a set of ten million faces has more shards than a process may
#: open files.
_OPEN: Final = 256
#: Faces read at a time where all are gone through.
_BLOCK: Final = 256


class Shards:
    """The pixels of a converted set, read by position.

    Args:
        files: ``.npy`` of uint8 ``[n, size, size]`` each.
        counts: how many faces each holds.
        size: height and width of a face, in pixels.
    """

    def __init__(self, files: Sequence[Path], counts: Sequence[int], size: int) -> None:
        self.files = tuple(files)
        self.size = size
        self._starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        self._opened: OrderedDict[int, int] = OrderedDict()
        #: Where the faces begin in each shard that was opened once.
        self._offsets: dict[int, int] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        # Neither open files nor locks travel to another process.
        return {"files": self.files, "size": self.size, "_starts": self._starts}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._opened, self._offsets, self._lock = OrderedDict(), {}, threading.Lock()

    def __del__(self) -> None:
        # Also where the arguments were wrong.
        for file in self.__dict__.get("_opened", {}).values():
            os.close(file)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, positions: Positions) -> npt.NDArray[np.uint8]:
        """Return the faces at some positions, uint8 ``[N, size, size]``, in their order.

        Raises:
            DataError: a shard is not what was written.
            OSError: it can't be read.
        """
        found = np.empty((len(positions), self.size, self.size), dtype=np.uint8)
        if not len(positions):
            return found
        shards = np.searchsorted(self._starts, positions, side="right") - 1
        # What lies side by side is read at once.
        apart = (np.diff(positions) != 1) | (np.diff(shards) != 0)
        ends = [*(np.flatnonzero(apart) + 1).tolist(), len(positions)]
        with self._lock:
            start = 0
            for end in ends:
                shard = int(shards[start])
                self._read(shard, int(positions[start] - self._starts[shard]), found[start:end])
                start = end
        return found

    def _read(self, shard: int, first: int, into: npt.NDArray[np.uint8]) -> None:
        file, offset = self._file(shard)
        offset += first * self.size**2
        left = into.data.cast("B")
        while left:
            if not (count := _read_at(file, left, offset)):
                raise DataError(f"{self.files[shard]} is cut off: convert the faces again")
            left, offset = left[count:], offset + count

    def _file(self, shard: int) -> tuple[int, int]:
        """Return the open file of a shard, and where its faces begin."""
        if (opened := self._opened.pop(shard, None)) is None:
            while len(self._opened) >= _OPEN:
                os.close(self._opened.popitem(last=False)[1])
            if shard not in self._offsets:
                # Once: in random order through more shards than are held open, each face opens one.
                count = int(self._starts[shard + 1] - self._starts[shard])
                self._offsets[shard] = check_shard(self.files[shard], count, self.size)
            opened = os.open(self.files[shard], os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._opened[shard] = opened
        return opened, self._offsets[shard]


def check_shard(path: Path, count: int, size: int) -> int:
    """Return where the faces of a shard begin in its file.

    Args:
        path: of the shard, ``.npy`` of uint8 ``[count, size, size]``.
        count: how many faces it holds.
        size: height and width of a face, in pixels.

    Raises:
        DataError: it is missing, cut off or something else.
        OSError: it can't be read.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing: convert the faces again")
    expected = ((count, size, size), False, np.dtype(np.uint8))
    with path.open("rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            is_shard = version == (1, 0) and np.lib.format.read_array_header_1_0(file) == expected
        except (ValueError, EOFError):
            is_shard = False
        offset = file.tell()
        length = file.seek(0, os.SEEK_END)
    if not is_shard:
        raise DataError(f"{path} is no shard of {count:,} faces: convert the faces again")
    if length != offset + count * size**2:
        raise DataError(
            f"{path} is cut off, or too long ({length:,} bytes instead of "
            f"{offset + count * size**2:,}): convert the faces again"
        )
    return offset


def _read_at(file: int, into: memoryview, offset: int) -> int:
    """Read from a place in a file; what is read there does not move with what others read."""
    if hasattr(os, "preadv"):
        return os.preadv(file, [into], offset)
    # Windows, where no process inherits the place in a file from another.
    os.lseek(file, offset, os.SEEK_SET)
    data = os.read(file, len(into))
    into[: len(data)] = data
    return len(data)


class StoredImages:
    """Some faces of a converted set, in the place of an array uint8 ``[N, H, W]``.

    Indexing reads what is indexed into memory; NumPy's functions read everything.

    Args:
        shards: the pixels.
        positions: int64 ``[N]``, of these faces there.
        blank: bool, of every face of the set whether it is of one grey value.
        group: int64, of every face of the set the lowest row among its exact copies, -1 where it
            has none.
    """

    dtype: Final = np.dtype(np.uint8)
    ndim: Final = 3

    def __init__(
        self,
        shards: Shards,
        positions: Positions,
        blank: npt.NDArray[np.bool_],
        group: npt.NDArray[np.int64],
    ) -> None:
        self._shards = shards
        self._positions = positions
        self._blank = blank
        self._group = group

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(N, H, W)``."""
        return len(self), self._shards.size, self._shards.size

    @property
    def nbytes(self) -> int:
        """Bytes that they would take in memory."""
        return len(self) * self._shards.size**2

    @property
    def blank(self) -> npt.NDArray[np.bool_]:
        """Bool ``[N]``: which are of one grey value all over."""
        return np.asarray(self._blank[self._positions])

    @property
    def group(self) -> npt.NDArray[np.int64]:
        """int64 ``[N]``: the lowest row among exact copies in the set, -1 where there are none."""
        return np.asarray(self._group[self._positions])

    def chosen(self, which: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Self:
        """Return some of them, none of which is read."""
        return type(self)(self._shards, self._positions[which], self._blank, self._group)

    def __getitem__(self, key: Any) -> npt.NDArray[np.uint8]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if first is None or first is Ellipsis:
            every: npt.NDArray[np.uint8] = np.asarray(self)[key]
            return every
        if isinstance(first, int | np.integer):
            one = self._shards.read(np.asarray(self._positions[first]).reshape(1))[0]
            return np.asarray(one[tuple(rest)])
        found = self._shards.read(np.asarray(self._positions[first]))
        return np.asarray(found[(slice(None), *rest)]) if rest else found

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        for start in range(0, len(self), _BLOCK):
            yield from self[start : start + _BLOCK]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("these faces lie on the disk: an array of them is a copy")
        return self._shards.read(np.asarray(self._positions)).astype(dtype or np.uint8, copy=False)


def stored(images: object) -> StoredImages | None:
    """Return the images of a split where they stay on the disk, else None."""
    return images if isinstance(images, StoredImages) else None


def in_memory(faces: Faces, *names: str) -> Faces:
    """Return a data set some of whose splits are in memory, for what looks at all of their faces.

    Args:
        faces: the data set.
        names: of the splits, where they are there.
    """
    read = {
        name: replace(split, images=np.asarray(split.images))
        for name, split in faces.splits.items()
        if name in names and stored(split.images) is not None
    }
    return replace(faces, splits={**faces.splits, **read}) if read else faces


class StoredNames(Sequence[str]):
    """The file of each face by row, read when it is asked for.

    Args:
        text: the names one behind the other, UTF-8.
        ends: int64 ``[N]``, where each ends.
    """

    def __init__(self, text: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> None:
        self._text = text
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        row %= len(self)
        start = int(self._ends[row - 1]) if row else 0
        return self._text[start : int(self._ends[row])].tobytes().decode()
