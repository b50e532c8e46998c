"""From a split to batches: which face comes when, and with which random draw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, NotRequired, TypedDict, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler, get_worker_info

from fer.data.augmentation import Augmentation
from fer.data.source import DataError, Split
from fer.errors import UserError

#: Draws that a sampler hands out from one list.
_AT_A_TIME: Final = 4096

#: What a training draws at random, each from a stream of its own.
Use = Literal["order", "augmentation", "mixing", "dropout"]
_USES: Final[tuple[Use, ...]] = ("order", "augmentation", "mixing", "dropout")


def stream(use: Use, seed: int, *place: int) -> np.random.SeedSequence:
    """Return what one use of randomness draws from, and no other.

    Numbers alone would not tell them apart: NumPy takes ``(seed, epoch)`` and ``(seed, epoch, 0)``
    for the same.

    Args:
        use: what is drawn.
        seed: of the training.
        place: epoch, face, batch or process; always as many of them for one use.
    """
    return np.random.SeedSequence((seed, *place), spawn_key=(_USES.index(use),))


class Batch(TypedDict):
    """What a loader yields.

    Attributes:
        image: uint8 ``[B, 1, H, W]``, 0–255; of clips ``[B, 1, T, H, W]``.
        label: int64 ``[B]``.
        row: int64 ``[B]``, each face's place in its source.
        target: float32 ``[B, C]``, a distribution over the classes, where there is one.
        metadata: float32 ``[B, columns]`` by :func:`fer.metadata.encode`, where the model reads it.
        length: int64 ``[B]``, how many frames of each clip are real; of clips alone.
        taught: float32 ``[B, C]``, what teachers answer; added by the learner in training.
    """

    image: Tensor
    label: Tensor
    row: Tensor
    target: NotRequired[Tensor]
    metadata: NotRequired[Tensor]
    length: NotRequired[Tensor]
    taught: NotRequired[Tensor]


class EpochSampler(Sampler[int]):
    """Draws of one epoch, in an order that depends on seed and epoch alone.

    A *draw* is ``epoch * size + index``: it tells the data set which face and which epoch, so that
    loader workers that outlive an epoch know the epoch without being told.

    Every process of a distributed run takes every ``world_size``-th draw. When shuffling, the last
    few draws are left out so that all processes take the same number of steps (another order leaves
    out others); otherwise no face is left out or doubled, so that an evaluation counts each once.

    Args:
        size: number of faces.
        seed: of the order.
        shuffle: draw in random order.
        rank: of this process.
        world_size: number of processes.
    """

    def __init__(
        self, size: int, *, seed: int, shuffle: bool, rank: int = 0, world_size: int = 1
    ) -> None:
        self.size = size
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this before each."""
        self.epoch = epoch

    def __len__(self) -> int:
        if self.shuffle:
            return self.size // self.world_size
        return len(range(self.rank, self.size, self.world_size))

    def __iter__(self) -> Iterator[int]:
        if self.shuffle:
            rng = np.random.default_rng(stream("order", self.seed, self.epoch))
            order = rng.permutation(self.size)
        else:
            order = np.arange(self.size)
        mine = order[self.rank :: self.world_size][: len(self)]
        # Some at a time: as Python's numbers, those of millions would be much of the memory.
        for start in range(0, len(mine), _AT_A_TIME):
            yield from (mine[start : start + _AT_A_TIME] + self.epoch * self.size).tolist()


class LoaderError(DataError):
    """Faces can't be read, as a loader process found.

    Torch raises it again in the training with the text of a traceback, at the end of which is the
    message; that alone is kept.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text.rpartition(f"{__name__}.{type(self).__name__}: ")[2].strip())


class FaceDataset(Dataset[Batch]):
    """The faces of a split, augmented by draw.

    It answers whole lists of draws with a finished batch (``__getitems__``), which spares a
    thousand small tensors a batch; use it with :func:`as_is` as the loader's ``collate_fn``.

    Args:
        split: the faces.
        augmentation: what may happen to them; ``None`` for nothing.
        seed: of the augmentation.
        metadata: float32 ``[N, columns]`` of each face, where the model reads it.
    """

    def __init__(
        self,
        split: Split,
        augmentation: Augmentation | None,
        seed: int,
        metadata: npt.NDArray[np.float32] | None = None,
    ) -> None:
        self.split = split
        self.augmentation = augmentation
        self.seed = seed
        self._beside = beside_images(split, metadata)

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, draw: int) -> Batch:
        return self.__getitems__([draw])

    def __getitems__(self, draws: list[int]) -> Batch:
        epochs, indices = np.divmod(np.asarray(draws), len(self.split))
        try:
            images = self.split.images[indices]
        except (UserError, OSError) as error:
            if get_worker_info() is None:
                raise
            raise LoaderError(str(error)) from None
        if self.augmentation is not None:
            for i, (epoch, index) in enumerate(zip(epochs.tolist(), indices.tolist(), strict=True)):
                state = stream("augmentation", self.seed, epoch, index)
                images[i] = self._changed(images[i], int(state.generate_state(1, np.uint64)[0]))
        batch = {name: torch.from_numpy(values[indices]) for name, values in self._beside.items()}
        return cast("Batch", {"image": torch.from_numpy(images).unsqueeze(1), **batch})

    def _changed(self, image: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]:
        """Return a face augmented, or all frames of a clip by the same draw."""
        augmentation = cast("Augmentation", self.augmentation)
        if image.ndim == 2:
            return augmentation(image, seed)
        return np.stack([augmentation(frame, seed) for frame in image])


def beside_images(
    split: Split, metadata: npt.NDArray[np.float32] | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Return what a batch has beside the images, for all faces of a split."""
    arrays: dict[str, npt.NDArray[Any]] = {"label": split.labels, "row": split.rows}
    if split.targets is not None:
        arrays["target"] = split.targets
    if metadata is not None:
        arrays["metadata"] = metadata
    if split.lengths is not None:
        arrays["length"] = split.lengths
    return arrays


def beside(batch: Batch) -> Tensor | None:
    """Return what a network reads beside the images: metadata, or the lengths of clips."""
    return batch.get("metadata", batch.get("length"))


def as_is(batch: Any) -> Any:
    """Return the batch that :class:`FaceDataset` has already put together."""
    return batch
