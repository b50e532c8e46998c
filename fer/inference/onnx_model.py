"""Inference with an exported model by ONNX Runtime."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from fer.core.errors import UserError
from fer.inference.description import Description, ModelFileError
from fer.inference.onnx_file import read_description
from fer.inference.onnx_session import FATAL, first_line, opened, runtime_errors

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

#: Names in the exported graph.
FACES: Final = "faces"
METADATA: Final = "metadata"
LENGTHS: Final = "lengths"
PROBABILITIES: Final = "probabilities"
LOGITS: Final = "logits"

#: ONNX files are smaller.
_LARGEST_FILE: Final = 2**31
#: Faces at a time: feature maps of many more do not fit into a core's own cache.
_BATCH: Final = 32


class OnnxModel:
    """A model that was exported by ``fer export``.

    Args:
        path: the file.
        threads: cores it may use; None: all that the process may use.

    Attributes:
        classes: like the others, from the description, see :class:`Description`.
        made: its ``recipe``.
        invalid: empty, since a network that learnt from test faces is not exported.

    Raises:
        ModelFileError: there is no such file, it is no model of this package, it is damaged, or it
            can't classify a face.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise ModelFileError(
                f"there is no model file {path}", code="no_such_file", where=str(path)
            )
        if self.path.stat().st_size >= _LARGEST_FILE:
            raise ModelFileError(
                f"{path} is no ONNX model that can be read: it is too large",
                code="not_onnx",
                where=str(path),
            )
        content = self.path.read_bytes()
        self.description = known = read_description(content, self.path)
        self.classes, self.size, self.fit = known.classes, known.size, known.fit
        self.temperature: float | None = known.temperature
        self.columns, self.frames = known.columns, known.frames
        self.not_comparable, self.invalid = known.not_comparable, ""
        self.made = known.recipe
        threads = usable_threads() if threads is None else threads
        self._session = opened(content, self.path, threads)
        _check_graph(self._session, self.description, self.path)
        self._try_out()

    def answer(
        self,
        images: npt.NDArray[np.uint8],
        metadata: npt.NDArray[np.float32] | None = None,
        *,
        batch_size: int = _BATCH,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return calibrated probabilities and logits, float32 ``[N, C]`` each.

        Args:
            images: uint8 ``[N, size, size]``, or ``[N, T, size, size]`` for a clip model.
            metadata: float32 ``[N, len(columns)]``, or None if unknown. For a clip model the
                clips' lengths, int64 ``[N]``, or None if all frames are real.
            batch_size: changes nothing but time and memory.
        """
        n = len(images)
        if n <= batch_size:
            try:
                return self._run(images, metadata)
            except runtime_errors() as error:
                # With too little memory (_room), try smaller batches.
                if n < 2 or "Available memory" not in str(error):
                    raise UserError(
                        f"{self.path} can't answer: {first_line(error)}",
                        code="cant_answer",
                        where=str(self.path),
                    ) from None
            return self.answer(images, metadata, batch_size=(n + 1) // 2)
        probabilities = np.empty((n, len(self.classes)), dtype=np.float32)
        logits = np.empty_like(probabilities)
        for start in range(0, n, batch_size):
            some = slice(start, start + batch_size)
            beside = None if metadata is None else metadata[some]
            probabilities[some], logits[some] = self.answer(
                images[some], beside, batch_size=batch_size
            )
        return probabilities, logits

    def logits(
        self,
        images: npt.NDArray[np.uint8],
        metadata: npt.NDArray[np.float32] | None = None,
        *,
        batch_size: int = _BATCH,
    ) -> npt.NDArray[np.float32]:
        """Return the logits of faces alone, see :meth:`answer`."""
        return self.answer(images, metadata, batch_size=batch_size)[1]

    def _try_out(self) -> None:
        """Classify a grey face, so that a broken model is reported before the work."""
        import onnxruntime as ort

        steps = () if self.frames is None else (1,)
        face = np.full((1, *steps, self.size, self.size), 127, dtype=np.uint8)
        options = ort.RunOptions()
        options.log_severity_level = FATAL
        try:
            found = self._run(face, None, options)
        except Exception as error:
            # ONNX Runtime's errors have no common class; any is the file's fault.
            raise ModelFileError(
                f"{self.path} can't answer: {first_line(error)}",
                code="cant_answer",
                where=str(self.path),
            ) from None
        wanted = (1, len(self.classes))
        if any(np.shape(one) != wanted or one.dtype != np.float32 for one in found):
            raise ModelFileError(
                f"{self.path} says {len(self.classes)} classes, and answers one face with "
                f"{' and '.join(str(np.shape(one)) for one in found)}",
                code="model_graph",
                where=str(self.path),
            )

    def _run(
        self,
        images: npt.NDArray[np.uint8],
        metadata: npt.NDArray[np.float32] | None,
        options: Any = None,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        if len(images) == 0:
            nothing = np.empty((0, len(self.classes)), dtype=np.float32)
            return nothing, nothing.copy()
        inputs: dict[str, npt.NDArray[Any]] = {FACES: np.ascontiguousarray(images)}
        if self.columns is not None:
            if metadata is None:
                metadata = np.full((len(images), len(self.columns)), np.nan, dtype=np.float32)
            inputs[METADATA] = metadata
        if self.frames is not None:
            lengths = np.full(len(images), images.shape[1]) if metadata is None else metadata
            inputs[LENGTHS] = lengths.astype(np.int64)
        probabilities, logits = self._session.run((PROBABILITIES, LOGITS), inputs, options)
        return probabilities, logits


def usable_threads() -> int:
    """Return how many cores this process may use."""
    # Python 3.13 has os.process_cpu_count for this; macOS and Windows have no affinity.
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else (os.cpu_count() or 1)
    return max(1, min(cores, _quota() or cores))


def _quota() -> int | None:
    """Return how many whole cores a container grants, if it limits them (Linux, cgroup 2)."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return None if limit == "max" else max(1, int(limit) // int(period))


def _check_graph(session: InferenceSession, description: Description, path: Path) -> None:
    side, classes = description.size, len(description.classes)
    clips = description.frames is not None
    # None stands for any number.
    inputs: dict[str, tuple[int | None, ...]] = {FACES: (None, *((None,) * clips), side, side)}
    if description.columns is not None:
        inputs[METADATA] = (None, len(description.columns))
    if clips:
        inputs[LENGTHS] = (None,)
    outputs = {PROBABILITIES: (None, classes), LOGITS: (None, classes)}
    found = {one.name: one.shape for one in session.get_inputs()}
    made = {one.name: one.shape for one in session.get_outputs()}
    if set(found) != set(inputs) or not set(outputs) <= set(made):
        raise ModelFileError(
            f"{path}: its graph goes from {', '.join(sorted(found))} to "
            f"{', '.join(sorted(made))}, but a model of fer from {', '.join(sorted(inputs))} "
            f"to {PROBABILITIES} and {LOGITS}",
            code="model_graph",
            where=str(path),
        )
    for name, wanted in {**inputs, **outputs}.items():
        shape = {**found, **made}[name]
        known = [one if isinstance(one, int) else None for one in shape]
        if len(known) != len(wanted) or any(
            None not in pair and pair[0] != pair[1] for pair in zip(known, wanted, strict=True)
        ):
            raise ModelFileError(
                f"{path}: its graph has {name} of shape {shape}, and its description says faces "
                f"of {side} pixels and {classes} classes",
                code="model_graph",
                where=str(path),
            )
