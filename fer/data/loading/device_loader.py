"""Batches on the device that uses them, of faces that are kept there or copied there."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from fer.data.augmentation.batch import Augmentation, Draws, augment, draw
from fer.data.issues import DataError
from fer.data.loading.dataset import Batch, FaceDataset, as_is, beside_images
from fer.data.loading.sampler import EpochSampler, stream
from fer.data.source import Split

#: Most that resident faces take of a CUDA device's free memory, and of other memory in bytes.
_SHARE = 0.25
_BYTES = 2**30


def fits(splits: list[Split], device: torch.device) -> bool:
    """Return True if the pictures of some splits may live on a device."""
    size = sum(split.images.nbytes for split in splits)
    if device.type == "cuda":
        return size <= _SHARE * torch.cuda.mem_get_info(device)[0]
    return size <= _BYTES


class DeviceLoader:
    """Batches of a split on a device, augmented there.

    The augmentation of each face depends on seed and epoch alone, not on where the faces are kept,
    the batch size or the number of processes.

    Args:
        drop_last: leave out a last batch that is smaller.
        resident: keep all faces on the device as uint8; otherwise each batch is copied there.
        workers: processes that read and transform faces which are not resident.
        metadata: float32 ``[N, columns]``, where a model reads them.

    Raises:
        DataError: there is no shared memory for workers.
    """

    #: Lightning looks for one beside the sampler.
    batch_sampler: ClassVar[None] = None

    def __init__(
        self,
        split: Split,
        sampler: EpochSampler,
        *,
        batch_size: int,
        drop_last: bool,
        augmentation: Augmentation | None,
        seed: int,
        device: torch.device,
        resident: bool = True,
        workers: int = 0,
        metadata: npt.NDArray[np.float32] | None = None,
    ) -> None:
        transforms = None if augmentation is None else augmentation.transforms
        if resident and transforms:
            raise ValueError("resident faces can't have transforms, which are for single faces")
        # Lightning tells the sampler of a loader the epoch.
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.augmentation = augmentation
        self.seed = seed
        self.device = device
        self.resident = resident
        self.workers = workers
        self._split = split
        self._metadata = metadata
        if not resident:
            if workers:
                _check_shared_memory()
            self._loader = DataLoader(
                FaceDataset(split, transforms, seed, metadata),
                batch_size=batch_size,
                sampler=sampler,
                num_workers=workers,
                multiprocessing_context=_start_method() if workers else None,
                persistent_workers=workers > 0,
                drop_last=drop_last,
                collate_fn=as_is,
                pin_memory=device.type == "cuda",
            )

    def __len__(self) -> int:
        n = len(self.sampler)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        n = len(self._split)
        order = np.fromiter(self.sampler, dtype=np.int64) % n
        parts = [order[i * self.batch_size :][: self.batch_size] for i in range(len(self))]
        draws = None
        if self.augmentation is not None and self.augmentation.changes_batches:
            rng = np.random.default_rng(stream("augmentation", self.seed, self.sampler.epoch))
            draws = draw(self.augmentation, n, self._split.images.shape[-1], rng)
        batches = self._resident_batches(parts) if self.resident else self._brought_batches()
        for chosen, batch in zip(parts, batches, strict=True):
            if draws is not None:
                batch["image"] = _augmented(batch["image"], draws.take(chosen))
            yield batch

    @cached_property
    def _tensors(self) -> dict[str, Tensor]:
        """The faces on the device, copied there for the first batch."""
        split = self._split
        arrays = {"image": split.images[:, None], **beside_images(split, self._metadata)}
        # Copies, since the source's arrays may be maps that can't be written to.
        return {
            name: torch.from_numpy(np.array(values)).to(self.device)
            for name, values in arrays.items()
        }

    def _resident_batches(self, parts: list[npt.NDArray[np.int64]]) -> Iterator[Any]:
        for chosen in parts:
            place = torch.from_numpy(chosen).to(self.device, non_blocking=True)
            yield {name: values[place] for name, values in self._tensors.items()}

    def _brought_batches(self) -> Iterator[Any]:
        for batch in self._loader:
            yield {k: v.to(self.device, non_blocking=True) for k, v in batch.items()}


def _augmented(images: Tensor, draws: Draws) -> Tensor:
    """Change faces, or clips with one draw for all frames of each."""
    if images.ndim == 4:
        return augment(images, draws)
    # The frames as channels, which all change alike.
    return augment(images.squeeze(1), draws).unsqueeze(1)


def _check_shared_memory() -> None:
    try:
        multiprocessing.Event()
    except OSError as error:
        raise DataError(
            f"processes that load faces cannot start ({error.strerror}): make room in /dev/shm "
            "(docker run --shm-size=1g), or choose data.workers=0",
            code="no_shared_memory",
            where="data.workers",
        ) from None


def _start_method() -> str | None:
    # Forks on Linux: torch cannot start them by the default of a run which joblib started.
    return "fork" if sys.platform == "linux" else None
