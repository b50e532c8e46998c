"""The data module: a source, an augmentation, and loaders for each split."""

from __future__ import annotations

import multiprocessing
import os
import sys
from typing import Annotated, Literal

import lightning
import torch
from annotated_types import Ge, Le
from torch.utils.data import DataLoader

from fer.core.metadata import Columns, encode
from fer.data.augmentation import Augmentation
from fer.data.loading.dataset import Batch, FaceDataset, as_is
from fer.data.loading.device_loader import DeviceLoader, fits
from fer.data.loading.sampler import EpochSampler
from fer.data.scaling import scaled
from fer.data.source import DataError, Faces, Source, Split
from fer.pixels import Fit
from fer.ranges import PictureSide, PositiveInt

Loader = DataLoader[Batch] | DeviceLoader


class FaceDataModule(lightning.LightningDataModule):
    """Hands a source's faces to the trainer; it neither parses nor cleans.

    Args:
        source: where the faces come from.
        augmentation: what may happen to training faces.
        size: height and width that the network reads, in pixels; other faces are scaled once.
        fit: how faces that are not square become so, see :func:`fer.pixels.square_grey`.
        batch_size: faces a step and process.
        resident: whether the faces live on the trainer's device and are augmented there; ``"auto"``
            for where they fit, see :func:`fer.data.loading.device_loader.fits`.
        workers: loader processes where faces are not resident; ``None`` for one where there are two
            cores or more, since one keeps up with a training on two cores, and none on a single
            core.
        columns: the description of the metadata that the model reads, see :mod:`fer.core.metadata`.
        seed: of order and augmentation.
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
        self.source = source
        self.augmentation = augmentation
        self.size = size
        self.fit: Fit = fit
        self.batch_size = batch_size
        self.workers = default_workers() if workers is None else workers
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
                if name not in faces.splits or len(faces.splits[name]) == 0:
                    raise DataError(f"{faces.origin} has no faces in its split {name!r}")
            self._faces = scaled(faces, self.size, self.fit)
        return self._faces

    def setup(self, stage: str | None = None) -> None:  # noqa: ARG002 - Lightning's signature
        """Read the data, in every process (from the cache, where the source has one)."""
        _ = self.faces

    def train_dataloader(self) -> Loader:
        """Shuffled, augmented batches; the last, smaller one is left out."""
        augmentation = None if self.augmentation.is_identity else self.augmentation
        return self._loader("train", augmentation, shuffle=True)

    def val_dataloader(self) -> Loader:
        """The validation faces as they are, in order, each once."""
        return self._loader("val")

    def test_dataloader(self) -> Loader:
        """The test faces as they are, in order, each once."""
        return self._loader("test")

    def _loader(
        self, name: str, augmentation: Augmentation | None = None, *, shuffle: bool = False
    ) -> Loader:
        split = self._split(name)
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
        if self._is_resident(device):
            return DeviceLoader(
                split,
                sampler,
                batch_size=self.batch_size,
                drop_last=drop_last,
                augmentation=augmentation,
                seed=self.seed,
                device=device,
                metadata=metadata,
            )
        if augmentation is not None:
            augmentation.prepare()
        # Only augmentation costs enough to be worth a process: plain faces are a memory copy.
        workers = self.workers if augmentation is not None else 0
        if workers:
            _check_shared_memory()
        return DataLoader(
            FaceDataset(split, augmentation, self.seed, metadata),
            batch_size=self.batch_size,
            sampler=sampler,
            num_workers=workers,
            multiprocessing_context=_start_method() if workers else None,
            persistent_workers=workers > 0,
            drop_last=drop_last,
            collate_fn=as_is,
            pin_memory=device.type == "cuda",
        )

    def _is_resident(self, device: torch.device) -> bool:
        if self.resident == "auto":
            return fits(list(self.faces.splits.values()), device)
        return self.resident

    def _split(self, name: str) -> Split:
        try:
            return self.faces.splits[name]
        except KeyError:
            raise DataError(f"{self.faces.origin} has no split {name!r}") from None


def _check_shared_memory() -> None:
    try:
        multiprocessing.Event()
    except OSError as error:
        raise DataError(
            f"no processes can be had that load faces ({error.strerror}): make room in /dev/shm "
            "(docker run --shm-size=1g), or choose data.workers=0"
        ) from None


def _start_method() -> str | None:
    """Return how loader processes start, ``None`` for as Python starts them here.

    On Linux they are forks whatever the default: by that of a run which joblib started, torch
    can't start them.
    """
    return "fork" if sys.platform == "linux" else None


def default_workers() -> int:
    """Return how many loader processes suit this machine.

    Example:
        >>> default_workers() in (0, 1)
        True
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return int((usable or 1) > 1)
