"""From a split to batches in loader processes."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from fer.core.errors import UserError
from fer.data.augmentation.transforms import FaceTransforms
from fer.data.loading.sampler import stream
from fer.data.source import DataError, Split


class Batch(TypedDict):
    """What a loader yields.

    Attributes:
        image: uint8 ``[B, 1, H, W]``, 0–255; of clips ``[B, 1, T, H, W]``.
        label: int64 ``[B]``.
        row: int64 ``[B]``, each face's place in its source.
        target: float32 ``[B, C]``, a distribution over the classes, where there is one.
        metadata: float32 ``[B, columns]`` by :func:`fer.core.metadata.encode`, where read.
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


class LoaderError(DataError):
    """A loader process could not read faces.

    Torch raises it again in the main process with a whole traceback, of which the message is kept.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text.rpartition(f"{__name__}.{type(self).__name__}: ")[2].strip())


class FaceDataset(Dataset[Batch]):
    """The faces of a split, with the composed transforms of each draw.

    ``__getitems__`` returns a finished batch, which saves a thousand small tensors a batch; use
    :func:`as_is` as the loader's ``collate_fn``. ``metadata`` is float32 ``[N, columns]``.
    """

    def __init__(
        self,
        split: Split,
        transforms: FaceTransforms | None,
        seed: int,
        metadata: npt.NDArray[np.float32] | None = None,
    ) -> None:
        self.split = split
        self.transforms = transforms
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
            if self.transforms is not None:
                for image, epoch, index in zip(
                    images, epochs.tolist(), indices.tolist(), strict=True
                ):
                    self._transform(image, stream("transforms", self.seed, epoch, index))
        except (UserError, OSError) as error:
            if get_worker_info() is None:
                raise
            raise LoaderError(str(error)) from None
        batch = {name: torch.from_numpy(values[indices]) for name, values in self._beside.items()}
        return cast("Batch", {"image": torch.from_numpy(images).unsqueeze(1), **batch})

    def _transform(self, image: npt.NDArray[np.uint8], seeds: np.random.SeedSequence) -> None:
        """Change a face ``[H, W]`` in place, or all frames of a clip ``[T, H, W]`` alike."""
        seed = int(seeds.generate_state(1, np.uint64)[0])
        transforms = cast("FaceTransforms", self.transforms)
        for frame in image if image.ndim == 3 else image[None]:
            frame[:] = transforms(frame, seed)


def beside_images(
    split: Split, metadata: npt.NDArray[np.float32] | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Return what batches hold in addition to images, for all faces of a split."""
    arrays: dict[str, npt.NDArray[Any]] = {"label": split.labels, "row": split.rows}
    if split.targets is not None:
        arrays["target"] = split.targets
    if metadata is not None:
        arrays["metadata"] = metadata
    if split.lengths is not None:
        arrays["length"] = split.lengths
    return arrays


def as_is(batch: Any) -> Any:
    """Return the batch that :class:`FaceDataset` has already put together."""
    return batch
