"""Faces that live on the device: no loader processes, no copies, augmentation by the batch."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fer.data.augmentation import Augmentation
from fer.data.augmentation.batch import Draws, augment, draw
from fer.data.loading.dataset import Batch, beside_images
from fer.data.loading.sampler import EpochSampler, stream
from fer.data.source import Split

#: Most that resident faces take of a CUDA device's free memory, and of other memory in bytes.
_SHARE = 0.25
_BYTES = 2**30


def fits(splits: list[Split], device: torch.device) -> bool:
    """Say whether the pictures of some splits may live on a device."""
    size = sum(split.images.nbytes for split in splits)
    if device.type == "cuda":
        return size <= _SHARE * torch.cuda.mem_get_info(device)[0]
    return size <= _BYTES


class DeviceLoader:
    """Batches of a split that lives on a device as uint8.

    It takes the place of a ``DataLoader``. Each epoch draws what happens to every face at once,
    from seed and epoch alone, so neither the batch size nor the number of processes changes it.

    Args:
        split: the faces.
        sampler: which of them come when.
        batch_size: faces a batch.
        drop_last: leave out a last batch that is smaller.
        augmentation: what may happen to them; None for nothing.
        seed: of the augmentation.
        device: where they live.
        metadata: float32 ``[N, columns]``, of each face, where a model reads them.
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
        metadata: npt.NDArray[np.float32] | None = None,
    ) -> None:
        # Lightning tells the sampler of a loader the epoch.
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.augmentation = augmentation
        self.seed = seed
        self.device = device
        self._size = split.images.shape[-1]
        self._split = split
        self._metadata = metadata

    @cached_property
    def _tensors(self) -> dict[str, Tensor]:
        """The faces on the device, brought there for the first batch: a length needs no copy."""
        split = self._split
        arrays = {"image": split.images[:, None], **beside_images(split, self._metadata)}
        # Copies, since the source's arrays may be maps that can't be written to.
        return {
            name: torch.from_numpy(np.array(values)).to(self.device)
            for name, values in arrays.items()
        }

    def __len__(self) -> int:
        n = len(self.sampler)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        n = len(self._split)
        chosen = np.fromiter(self.sampler, dtype=np.int64) % n
        draws = None
        if self.augmentation is not None:
            rng = np.random.default_rng(stream("augmentation", self.seed, self.sampler.epoch))
            draws = draw(self.augmentation, n, self._size, rng)
        for first in range(0, len(self) * self.batch_size, self.batch_size):
            faces = chosen[first : first + self.batch_size]
            place = torch.from_numpy(faces).to(self.device, non_blocking=True)
            batch = {name: values[place] for name, values in self._tensors.items()}
            if draws is not None:
                batch["image"] = _augmented(batch["image"], draws.take(faces))
            yield batch  # type: ignore[misc]


def _augmented(images: Tensor, draws: Draws) -> Tensor:
    """Change faces, or clips with one draw for all frames of each."""
    if images.ndim == 4:
        return augment(images, draws)
    # The frames as channels, which all change alike.
    return augment(images.squeeze(1), draws).unsqueeze(1)
