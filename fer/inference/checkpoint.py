"""Inference with a checkpoint, without Lightning or Hydra."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from fer.checkpoints import CheckpointError, not_a_checkpoint, read_stored
from fer.core.errors import UserError
from fer.inference.description import LARGEST, are_columns, are_names
from fer.pixels import FITS, Fit

if TYPE_CHECKING:
    from torch import nn

#: The key of a checkpoint's temperature, a float.
TEMPERATURE: Final = "temperature"
#: The key of how it was made, see ``fer.config.run_folder.making``.
MAKING: Final = "fer"
#: Bytes of a batch's largest tensor within a network.
_ROOM: Final = 2**30
#: The prefix of the network's weights, which the learner around it adds.
PREFIX: Final = "network."


@dataclass(frozen=True, slots=True)
class CheckpointModel:
    """A trained network.

    Attributes:
        network: in evaluation mode, float32: uint8 ``[B, 1, size, size]`` → logits ``[B, C]``.
        size: height and width of the input faces, in pixels.
        fit: how pictures become square, see :func:`fer.pixels.square_grey`.
        temperature: divides the logits for calibrated probabilities; fitted on the validation
            split; None if training ended before that.
        columns: description of the metadata that it reads, or None.
        frames: the most frames of the clips that it learnt from; None for single faces.
        invalid: why its scores do not count (test faces among its training faces), or empty.
        not_comparable: why its scores can't be compared with those on the data's own labels, or
            empty.
        threads: cores it uses; None: torch's setting.
        largest: the most numbers in a tensor of the network for one face, 0 if unknown. Batches are
            cut so that they take at most a gigabyte.
        configuration: of the network.
        made: ``data``, ``fingerprint``, ``protocol``, ``seed``, ``commit``, ``metrics`` and more;
            empty if training did not finish.
    """

    network: nn.Module
    classes: tuple[str, ...]
    size: int
    fit: Fit = "pad"
    temperature: float | None = None
    columns: Mapping[str, Any] | None = None
    frames: int | None = None
    invalid: str = ""
    not_comparable: str = ""
    threads: int | None = None
    largest: int = 0
    configuration: Mapping[str, Any] = field(default_factory=dict)
    made: Mapping[str, Any] = field(default_factory=dict)

    def answer(
        self,
        images: npt.NDArray[np.uint8],
        metadata: npt.NDArray[np.float32] | None = None,
        *,
        batch_size: int = 64,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return probabilities (uncalibrated without a temperature) and :meth:`logits`."""
        logits = self.logits(images, metadata, batch_size=batch_size)
        return softmax(logits / np.float32(self.temperature or 1.0)), logits

    def logits(
        self,
        images: npt.NDArray[np.uint8],
        metadata: npt.NDArray[np.float32] | None = None,
        *,
        batch_size: int = 64,
    ) -> npt.NDArray[np.float32]:
        """Return the logits of faces, float32 ``[N, C]``.

        Args:
            images: uint8 ``[N, size, size]``; of clips ``[N, T, size, size]``.
            metadata: float32 ``[N, len(columns)]``, or None if unknown. For a clip model the
                clips' lengths, int64 ``[N]``, or None if all frames are real.
            batch_size: changes nothing but time and memory.
        """
        import torch

        device = next(self.network.parameters()).device
        per_face = 4 * self.largest * (1 if self.frames is None else images.shape[1])
        batch_size = max(1, min(batch_size, _ROOM // max(1, per_face)))
        found = np.empty((len(images), len(self.classes)), dtype=np.float32)

        def answer(start: int) -> None:
            some = slice(start, start + batch_size)
            # A copy: the images may be a read-only map of a file.
            inputs = [torch.from_numpy(np.array(images[some])).unsqueeze(1).to(device)]
            if metadata is not None:
                inputs.append(torch.from_numpy(np.array(metadata[some])).to(device))
            with torch.inference_mode():
                found[some] = self.network(*inputs).float().cpu().numpy()

        # TensorFloat-32 would keep ten bits of each number.
        exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with one_thread_a_batch(device.type, self.threads) as workers, exact:
            # For its errors alone.
            list(workers.map(answer, range(0, len(images), batch_size)))
        return found


@contextmanager
def one_thread_a_batch(device: str, workers: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """Yield workers for a batch each with one thread of torch: by default as many as its threads.

    On layers this small, threads that share a batch wait for each other longer than they compute,
    and far longer when other programs use the cores. On a device there is one worker.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor((workers or threads) if device == "cpu" else 1) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return probabilities ``[N, C]`` of logits ``[N, C]``.

    Example:
        >>> softmax(np.zeros((1, 2), dtype=np.float32)).tolist()
        [[0.5, 0.5]]
    """
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: npt.NDArray[np.float32] = weights / weights.sum(axis=1, keepdims=True)
    return found


def load_checkpoint(
    path: Path, *, device: str = "cpu", threads: int | None = None, allow: Iterable[str] = ()
) -> CheckpointModel:
    """Read a checkpoint of ``python -m fer.train`` and make its network.

    Nothing in the file is executed: it is read with ``weights_only=True``, and its network may only
    have parts from :data:`fer.models.build.ROOTS` and the modules in ``allow``, which are imported.

    Args:
        path: the file.
        device: torch's name of it.
        threads: cores it may use; None: torch's setting.
        allow: further modules that it may name.

    Raises:
        UserError: this machine has no such device.
        CheckpointError: there is no such file, it is no such checkpoint, or it names code that is
            not allowed.
    """
    import torch

    from fer.models import BuildError, ClipNetwork, allowing, rebuild

    _check_device(device)
    stored = read_stored(path)
    weights, options = stored.get("state_dict"), stored.get("hyper_parameters")
    if not weights or not options:
        raise not_a_checkpoint(path, "it has no weights or no description of them")
    model, size = options.get("model"), options.get("size")
    classes: Any = options.get("classes")
    fit = options.get("fit", "pad")
    marks = [options.get(name, "") for name in ("invalid", "not_comparable")]
    frames = options.get("frames")
    temperature, made = stored.get(TEMPERATURE), stored.get(MAKING)
    if (
        not isinstance(model, Mapping)
        or not are_names(classes)
        or type(size) is not int
        or not 1 <= size <= LARGEST
        or not isinstance(fit, str)
        or fit not in FITS
        or (frames is not None and (type(frames) is not int or frames < 1))
        or not isinstance(temperature, float | None)
        or (temperature is not None and not 0 < temperature < inf)
        or not all(isinstance(mark, str) for mark in marks)
    ):
        raise not_a_checkpoint(path, "it does not say model, classes and size")
    metadata = model.get("metadata")
    columns = metadata.get("columns") if isinstance(metadata, Mapping) else None
    if not are_columns(columns):
        raise not_a_checkpoint(path, "it does not say what metadata it reads")
    own = {
        name.removeprefix(PREFIX): weight
        for name, weight in weights.items()
        if name.startswith(PREFIX)
    }
    try:
        with allowing(allow):
            network, largest = rebuild(model, own, classes=len(classes), size=size)
    except BuildError as error:
        raise CheckpointError(
            f"{path}: {error}", code=error.code or "network_not_built", where=str(path)
        ) from error
    if (frames is not None) != isinstance(network, ClipNetwork):
        raise not_a_checkpoint(path, "it reads clips, or it does not say how long ones")
    # The layout that convolutions prefer.
    network.float().to(device).to(memory_format=torch.channels_last)
    invalid, not_comparable = map(str, marks)
    return CheckpointModel(
        network,
        tuple(classes),
        size,
        fit,
        temperature,
        columns,
        frames=frames,
        invalid=invalid,
        not_comparable=not_comparable,
        threads=threads,
        largest=largest,
        configuration=model,
        made=made if isinstance(made, Mapping) else {},
    )


def _check_device(device: str) -> None:
    import torch

    kind = device.partition(":")[0]
    lacks_cuda = kind == "cuda" and not torch.cuda.is_available()
    if lacks_cuda or (kind == "mps" and not torch.backends.mps.is_available()):
        raise UserError(
            f"device={device}: this machine has none that torch can use; choose cpu",
            code="no_such_device",
            where=device,
        )
