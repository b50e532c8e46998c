"""Quantize an exported model to int8."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from fer.core.errors import UserError
from fer.core.io import atomic_write
from fer.inference.description import Description
from fer.inference.graph_passes import read_uint8_input, space_to_depth_by_rows
from fer.inference.onnx_file import as_file
from fer.inference.onnx_model import FACES, LOGITS, METADATA, OnnxModel

if TYPE_CHECKING:
    import onnx

#: Most that macro-F1 may fall, in points.
ALLOWED_FALL: Final = 1.0
_BATCH: Final = 64
_QUANTIZED: Final = (
    "Conv", "Gemm", "MatMul", "Add", "Relu", "MaxPool", "AveragePool", "Concat", "ReduceMean",
    "Reshape", "Transpose",
)  # fmt: skip


class QuantizationError(UserError):
    """The int8 model is too much worse; the message says by how much."""


@dataclass(frozen=True, slots=True)
class Quantized:
    """Macro-F1 on the held-out faces, 0 to 1, of the float32 model and the int8 model."""

    before: float
    after: float


def quantize(
    source: Path,
    path: Path,
    *,
    calibration: npt.NDArray[np.uint8],
    faces: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
) -> Quantized:
    """Write an exported model with weights and activations of eight bits.

    Static quantisation (Jacob et al. 2018): weights per channel, activations by their range on the
    calibration faces. LSTMs stay in float32: ONNX Runtime has no static int8 form of them.

    Args:
        source: the float32 model, see :func:`fer.inference.export.export`.
        path: the file to write.
        calibration: training faces, uint8 ``[N, size, size]``.
        faces: held-out faces, uint8 ``[M, size, size]``.
        labels: their classes, int64 ``[M]``.

    Raises:
        QuantizationError: macro-F1 falls by more than :data:`ALLOWED_FALL` points.
    """
    model = OnnxModel(source, threads=1)
    before = macro_f1(model, faces, labels)
    with atomic_write(path) as beside:
        _quantize(source, beside, calibration, model.columns)
        _describe(beside, replace(model.description, precision="int8"))
        after = macro_f1(OnnxModel(beside, threads=1), faces, labels)
        fall = 100 * (before - after)
        if fall > ALLOWED_FALL:
            raise QuantizationError(
                f"in eight bits macro-F1 falls by {fall:.2f} points, from {before:.4f} to "
                f"{after:.4f}, more than the {ALLOWED_FALL:g} that is allowed; nothing was "
                "written. Export without --int8",
                code="int8_loses_too_much",
                where=str(path),
            )
    return Quantized(before, after)


def macro_f1(
    model: OnnxModel, faces: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]
) -> float:
    """Return the mean F1 over the classes that the labels have."""
    answers = model.logits(faces).argmax(axis=1)
    scores = []
    for label in np.unique(labels):
        right = np.sum((answers == label) & (labels == label))
        scores.append(2 * right / (np.sum(answers == label) + np.sum(labels == label)))
    return float(np.mean(scores))


def _quantize(
    source: Path, path: Path, faces: npt.NDArray[np.uint8], columns: Mapping[str, Any] | None
) -> None:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches = _batches(faces, columns)

        def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
            return next(self.batches, None)

    # The quantizer logs its progress on the root logger.
    logging.getLogger().addFilter(_is_no_remark)
    try:
        with tempfile.TemporaryDirectory() as folder:
            folded = Path(folder) / "folded.onnx"
            quant_pre_process(str(source), str(folded), skip_symbolic_shape=True)
            quantize_static(
                str(folded),
                str(path),
                Reader(),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                weight_type=QuantType.QInt8,
                activation_type=QuantType.QUInt8,
                op_types_to_quantize=list(_QUANTIZED),
                # The logits stay float32; this layer is small.
                nodes_to_exclude=_last_layer(folded),
                # A residual sum enters its ReLU as float, so it is rounded once.
                extra_options={"OpTypesToExcludeOutputQuantization": ["Add"]},
            )
    finally:
        logging.getLogger().removeFilter(_is_no_remark)


def _last_layer(path: Path) -> list[str]:
    """Return the names of the nodes that give the logits."""
    import onnx

    nodes = onnx.load(str(path)).graph.node
    return [node.name for node in nodes if LOGITS in node.output]


def _is_no_remark(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


def _batches(
    faces: npt.NDArray[np.uint8], columns: Mapping[str, Any] | None
) -> Iterator[dict[str, npt.NDArray[Any]]]:
    for start in range(0, len(faces), _BATCH):
        some: dict[str, npt.NDArray[Any]] = {
            FACES: np.ascontiguousarray(faces[start : start + _BATCH])
        }
        if columns is not None:
            some[METADATA] = np.full((len(some[FACES]), len(columns)), np.nan, dtype=np.float32)
        yield some


def _describe(path: Path, description: Description) -> None:
    import onnx

    graph: onnx.ModelProto = onnx.load(str(path))
    read_uint8_input(graph)
    space_to_depth_by_rows(graph)
    path.write_bytes(as_file(graph, description))
