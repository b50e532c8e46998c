"""An exported model in use, by ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from fer.inference.description import KEY, Description, ModelFileError
from fer.pixels import Fit
from fer.telemetry import switch_off

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

#: Names in the exported graph.
FACES: Final = "faces"
METADATA: Final = "metadata"
LENGTHS: Final = "lengths"
PROBABILITIES: Final = "probabilities"
LOGITS: Final = "logits"

#: Faces at a time: maps of more than some tens leave the cache that a core has for itself.
_BATCH: Final = 32


class OnnxModel:
    """A model that was exported by ``fer export``.

    Args:
        path: the file.
        threads: how many cores it may use; None: as many as the process may.

    Raises:
        ModelFileError: there is no such file, or it is no model of this package.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        self.path = Path(path)
        self._session = _open(self.path, usable_threads() if threads is None else threads)
        stored = self._session.get_modelmeta().custom_metadata_map.get(KEY)
        if stored is None:
            raise ModelFileError(
                f"{path} is an ONNX file, but none of fer's: it does not say its classes and how "
                "faces are prepared for it. Models of fer are made by fer export"
            )
        self.description = Description.from_json(stored, path)
        _check_graph(self._session, self.description, self.path)

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the outputs."""
        return self.description.classes

    @property
    def size(self) -> int:
        """Height and width of the faces that it reads, in pixels."""
        return self.description.size

    @property
    def fit(self) -> Fit:
        """How pictures that are not square become so."""
        return self.description.fit

    @property
    def temperature(self) -> float:
        """What its logits are divided by for calibrated probabilities."""
        return self.description.temperature

    @property
    def columns(self) -> Mapping[str, Any] | None:
        """Description of the metadata that it reads beside the faces, if it reads any."""
        return self.description.columns

    @property
    def frames(self) -> int | None:
        """The most frames of the clips that it learnt from; None for a model of single faces."""
        return self.description.frames

    @property
    def made(self) -> Mapping[str, Any]:
        """How it was made, as far as that is known."""
        return self.description.recipe

    @property
    def invalid(self) -> str:
        """Empty: what learnt from test faces is not exported."""
        return ""

    @property
    def not_comparable(self) -> str:
        """Why its scores can't be held against others' on the data's own labels."""
        return self.description.not_comparable

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
            metadata: float32 ``[N, len(columns)]``, for a model that reads it; None where nothing
                is known. For a clip model the lengths of the clips, int64 ``[N]``; None where all
                frames are real.
            batch_size: faces at a time; changes nothing but time and memory.
        """
        n = len(images)
        if n <= batch_size:
            return self._run(images, metadata)
        probabilities = np.empty((n, len(self.classes)), dtype=np.float32)
        logits = np.empty_like(probabilities)
        for start in range(0, n, batch_size):
            some = slice(start, start + batch_size)
            beside = None if metadata is None else metadata[some]
            probabilities[some], logits[some] = self._run(images[some], beside)
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

    def _run(
        self, images: npt.NDArray[np.uint8], metadata: npt.NDArray[np.float32] | None
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
        probabilities, logits = self._session.run((PROBABILITIES, LOGITS), inputs)
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


def _open(path: Path, threads: int) -> InferenceSession:
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    import onnxruntime as ort

    switch_off()
    if not path.is_file():
        raise ModelFileError(f"there is no model file {path}")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait by spinning would take a core from whatever else the program does.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Its warnings are about the graph's make-up; what fails is raised.
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except runtime_errors() as error:
        why = str(error).strip().splitlines()[0][:200]
        raise ModelFileError(
            f"{path} is no ONNX model that can be read, or one that is damaged or cut off ({why})"
        ) from None


def runtime_errors() -> tuple[type[Exception], ...]:
    """Return what ONNX Runtime raises: its errors have no common class but ``Exception``."""
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    names = (
        "Fail", "InvalidProtobuf", "InvalidGraph", "InvalidArgument", "NoModel", "NotImplemented",
        "RuntimeException",
    )  # fmt: skip
    return tuple(getattr(errors, name) for name in names)


def _check_graph(session: InferenceSession, description: Description, path: Path) -> None:
    inputs = {FACES} | ({METADATA} if description.columns is not None else set())
    inputs |= {LENGTHS} if description.frames is not None else set()
    found = {one.name for one in session.get_inputs()}
    outputs = {one.name for one in session.get_outputs()}
    if found != inputs or not {PROBABILITIES, LOGITS} <= outputs:
        raise ModelFileError(
            f"{path}: its graph goes from {', '.join(sorted(found))} to "
            f"{', '.join(sorted(outputs))}, but a model of fer from {', '.join(sorted(inputs))} "
            f"to {PROBABILITIES} and {LOGITS}"
        )
