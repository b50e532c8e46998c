"""The data module: a source, an augmentation, and loaders for each split."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import lightning
import numpy as np
import torch
from annotated_types import Ge, Le

from fer.core.errors import UserError
from fer.core.metadata import Columns, encode
from fer.core.ranges import PictureSide, PositiveInt
from fer.data.augmentation import Augmentation
from fer.data.loading.device_loader import DeviceLoader, fits
from fer.data.loading.sampler import EpochSampler
from fer.data.scaling import scaled
from fer.data.source import DataError, Faces, Source, Split
from fer.pixels import Fit


class FaceDataModule(lightning.LightningDataModule):
    """Hands a source's faces to the trainer; it neither parses nor cleans.

    Args:
        size: height and width that the network reads, in pixels; other faces are scaled once.
        fit: how faces that are not square become so, see :func:`fer.pixels.square_grey`.
        batch_size: faces a step and process.
        resident: whether the faces live on the trainer's device; ``"auto"`` for where they fit, see
            :func:`fer.data.loading.device_loader.fits`, and have no transforms.
        workers: processes that read and transform training faces which are not resident; ``None``
            for one, where there is such work and a second core.
        columns: the description of the metadata that the model reads, see :mod:`fer.core.metadata`.

    Raises:
        UserError: faces are to be resident and have transforms.
    """

    def __init__(
        self,
        source: Source,
        augmentation: Augmentation,
        *,
        size: PictureSide,
        fit: Fit = "pad",
        batch_size: PositiveInt,
        resident: bool | Literal["auto"] = "auto",
        workers: Annotated[int, Ge(0), Le(256)] | None = None,
        columns: Columns | None = None,
        seed: int,
    ) -> None:
        super().__init__()
        if resident is True and augmentation.transforms is not None:
            raise UserError(
                "data.resident=true has no place for augmentation.transforms, which change single "
                "faces: choose data.resident=auto or false",
                code="resident_transforms",
                where="data.resident",
            )
        self.source = source
        self.augmentation = augmentation
        self.size = size
        self.fit: Fit = fit
        self.batch_size = batch_size
        self.workers = workers
        self.resident = resident
        self.columns = columns
        self.seed = seed
        self._faces: Faces | None = None

    @property
    def faces(self) -> Faces:
        """The data set, read on first use.

        Raises:
            DataError: the data is missing or broken, or a split that training needs is empty.
        """
        if self._faces is None:
            faces = self.source.load()
            for name in ("train", "val"):
                if not len(_split(faces, name)):
                    raise _no_faces(faces, name)
            self._faces = scaled(faces, self.size, self.fit)
        return self._faces

    def setup(self, stage: str | None = None) -> None:  # noqa: ARG002 - Lightning's signature
        """Read the data, in every process (from the cache, where the source has one)."""
        _ = self.faces

    def train_dataloader(self) -> DeviceLoader:
        """Shuffled, augmented batches; the last, smaller one is left out."""
        augmentation = None if self.augmentation.is_identity else self.augmentation
        return self._loader("train", augmentation, shuffle=True)

    def val_dataloader(self) -> DeviceLoader:
        """The validation faces as they are, in order, each once."""
        return self._loader("val")

    def test_dataloader(self) -> DeviceLoader:
        """The test faces as they are, in order, each once."""
        return self._loader("test")

    def _loader(
        self, name: str, augmentation: Augmentation | None = None, *, shuffle: bool = False
    ) -> DeviceLoader:
        split = _split(self.faces, name)
        trainer = self.trainer
        sampler = EpochSampler(
            len(split),
            seed=self.seed,
            shuffle=shuffle,
            rank=trainer.global_rank if trainer else 0,
            world_size=trainer.world_size if trainer else 1,
        )
        # A resumed training may fetch its first faces before Lightning names the epoch.
        sampler.set_epoch(trainer.current_epoch if trainer else 0)
        # A last batch of one face has no batch statistics. Fewer faces than a batch are kept.
        drop_last = shuffle and len(sampler) >= self.batch_size
        metadata = None
        if self.columns is not None:
            metadata = encode(split.metadata, self.columns, len(split))
        device = trainer.strategy.root_device if trainer else torch.device("cpu")
        transforms = None if augmentation is None else augmentation.transforms
        resident = self._is_resident(device) and transforms is None
        return DeviceLoader(
            split,
            sampler,
            batch_size=self.batch_size,
            drop_last=drop_last,
            augmentation=augmentation,
            seed=self.seed,
            device=device,
            resident=resident,
            workers=0 if resident or not shuffle else self._workers(split),
            metadata=metadata,
        )

    def _workers(self, split: Split) -> int:
        if self.workers is not None:
            return self.workers
        # Faces in memory are a copy, not worth a process; files and transforms are.
        is_slow = self.augmentation.transforms or not isinstance(split.images, np.ndarray)
        return default_workers() if is_slow else 0

    def _is_resident(self, device: torch.device) -> bool:
        if self.resident == "auto":
            return fits(list(self.faces.splits.values()), device)
        return self.resident


def _split(faces: Faces, name: str) -> Split:
    if name not in faces.splits:
        raise _no_faces(faces, name)
    return faces.splits[name]


def _no_faces(faces: Faces, name: str) -> DataError:
    return DataError(
        f"{faces.origin} has no faces in its split {name!r}", code="no_faces", where=name
    )


def default_workers() -> int:
    """Return how many loader processes suit this machine.

    Example:
        >>> default_workers() in (0, 1)
        True
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return int((usable or 1) > 1)
