"""Export of a checkpoint as one ONNX file from grey values to probabilities."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fer.checkpoints import read_stored
from fer.core.errors import UserError
from fer.core.io import atomic_write
from fer.inference.checkpoint import MAKING, PREFIX, TEMPERATURE, CheckpointModel, load_checkpoint
from fer.inference.description import Description
from fer.inference.half import store_fp16, to_fp16, with_fp16_weights
from fer.inference.onnx_file import as_file
from fer.inference.onnx_model import FACES, LENGTHS, LOGITS, METADATA, PROBABILITIES, OnnxModel
from fer.inference.parity import Parity, compare

if TYPE_CHECKING:
    import onnx
    import torch
    from torch import nn

#: Largest allowed difference between the answers of torch and ONNX Runtime.
TOLERANCE: Final = 1e-4
#: Frames of the example that a clip model is traced with; no other number in the graph is the same.
_EXAMPLE: Final = 11


class ExportError(UserError):
    """A model can't be exported, or the exported one answers differently."""


def export(
    model: CheckpointModel, path: Path, *, recipe: dict[str, Any] | None = None, half: bool = False
) -> Parity:
    """Write a network as an ONNX file and compare its answers with the network's.

    Inputs are ``faces``, uint8 ``[N, size, size]`` with any N, and, if the network reads it,
    ``metadata``, float32 ``[N, columns]`` with NaN for unknown values. A clip model takes ``faces``
    as uint8 ``[N, T, size, size]`` with any T, and ``lengths``, int64 ``[N]``, the number of real
    frames of each, at least 1. Outputs are ``probabilities``, the softmax of the logits divided by
    the temperature, and ``logits``, float32 ``[N, C]`` each.

    Args:
        model: of a checkpoint.
        path: the file to write.
        recipe: see :class:`Description`.
        half: store the weights rounded to half precision, see :func:`fer.inference.half.to_fp16`.
            The file is compared with the network that has these rounded weights.

    Raises:
        ExportError: the network learnt from test faces, can't be exported, or the file's answers
            differ by more than :data:`TOLERANCE`.
    """
    _refuse_invalid(model)
    model = with_fp16_weights(model) if half else model
    description = Description(
        classes=model.classes,
        size=model.size,
        fit=model.fit,
        temperature=1.0 if model.temperature is None else model.temperature,
        columns=model.columns,
        frames=model.frames,
        storage="float16" if half else "float32",
        not_comparable=model.not_comparable,
        recipe=recipe or {},
    )
    with atomic_write(path) as beside:
        _write(_graph(model, description), description, beside)
        try:
            parity = compare(model, OnnxModel(beside, threads=1))
        except UserError as error:
            why = str(error).strip().splitlines()[0]
            raise ExportError(
                f"the exported model can't be run, so nothing was written: {why}",
                code="export_not_runnable",
                where=str(path),
            ) from error
        worst = max(parity.probabilities, parity.logits)
        if not worst <= TOLERANCE:
            raise ExportError(
                f"the exported model's answers differ from the network's by up to {worst:.1e}, "
                f"more than {TOLERANCE:.0e}; nothing was written",
                code="export_differs",
                where=str(path),
            )
    return parity


def export_checkpoint(path: Path, to: Path, *, allow: Iterable[str] = ()) -> Parity:
    """Write a small checkpoint with the network alone and compare its answers with the original's.

    It can be used like any checkpoint except for resuming, and has at most a quarter of the bytes:
    no optimiser, and matrices and kernels as float16 (:func:`fer.inference.half.to_fp16`). If
    weights were averaged in training, these are the averages.

    Args:
        path: a checkpoint of ``python -m fer.train`` or of this function.
        to: the file to write.
        allow: see :func:`~fer.inference.checkpoint.load_checkpoint`.

    Raises:
        CheckpointError: there is no such checkpoint.
        ExportError: the network learnt from test faces, or answers with NaN.
    """
    import torch

    allow = tuple(allow)
    model = load_checkpoint(path, allow=allow)
    _refuse_invalid(model)
    stored = read_stored(path)
    weights = {n: w for n, w in stored["state_dict"].items() if n.startswith(PREFIX)}
    kept: dict[str, Any] = {name: stored[name] for name in ("hyper_parameters", TEMPERATURE, MAKING)
            if name in stored}  # fmt: skip
    # In memory: torch's writer reports a full disk as RuntimeError and stores the file's name.
    content = io.BytesIO()
    torch.save(kept | {"state_dict": to_fp16(weights)}, content)
    with atomic_write(to) as beside:
        beside.write_bytes(content.getbuffer())
        parity = compare(model, load_checkpoint(beside, allow=allow))
        if not parity.logits < float("inf"):
            raise ExportError(
                f"{path} answers with NaN; nothing was written", code="export_nan", where=str(path)
            )
    return parity


def _refuse_invalid(model: CheckpointModel) -> None:
    if model.invalid:
        raise ExportError(
            f"this network is INVALID ({model.invalid}): its scores do not count, so it can't be "
            "exported. Train with data.protocol=official",
            code="invalid_network",
        )


def _graph(model: CheckpointModel, description: Description) -> onnx.ModelProto:
    """Return the network as an ONNX graph."""
    import torch

    half = description.storage == "float16"
    steps = () if description.frames is None else (_EXAMPLE,)
    shape = (2, *steps, model.size, model.size)
    inputs: list[torch.Tensor] = [torch.zeros(shape, dtype=torch.uint8)]
    names = [FACES]
    batch = torch.export.Dim("batch")
    shapes: list[dict[int, Any]] = [{0: batch}]
    if description.frames is not None:
        shapes[0][1] = torch.export.Dim("frames")
        inputs.append(torch.tensor([_EXAMPLE, _EXAMPLE - 1]))
        names.append(LENGTHS)
        shapes.append({0: batch})
    if description.columns is not None:
        inputs.append(torch.full((2, len(description.columns)), torch.nan))
        names.append(METADATA)
        shapes.append({0: batch})
    whole = _whole(model.network, description.temperature).eval()
    with _quiet(), _fresh_lstm():
        try:
            program = torch.onnx.export(
                whole,
                tuple(inputs),
                input_names=names,
                output_names=[PROBABILITIES, LOGITS],
                dynamic_shapes=tuple(shapes),
                opset_version=18,
                optimize=not half,
                dynamo=True,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            why = str(error).strip().splitlines()[0]
            raise ExportError(
                f"this network can't be exported to ONNX: {why}", code="export_failed"
            ) from error
    if program is None:
        raise ExportError(
            "this network can't be exported to ONNX: torch gave no graph", code="export_failed"
        )
    if not half:
        return program.model_proto
    from onnxscript import optimizer

    # All of its optimiser but folding batch normalisation into weights, which would not stay
    # float16 numbers then. ONNX Runtime does that when it loads the file.
    optimizer.fold_constants(program.model)
    optimizer.remove_unused_nodes(program.model)
    graph = program.model_proto
    store_fp16(graph)
    return graph


def _whole(network: nn.Module, temperature: float) -> nn.Module:
    """Return everything from grey values to probabilities as one module."""
    import torch
    from torch import Tensor, nn

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, faces: Tensor, beside: Tensor | None = None) -> tuple[Tensor, Tensor]:
            images = faces.unsqueeze(1)
            logits: Tensor
            logits = self.network(images) if beside is None else self.network(images, beside)
            return torch.softmax(logits / temperature, dim=1), logits

    return Whole()


def _write(graph: onnx.ModelProto, description: Description, path: Path) -> None:
    import onnx

    # The exporting machine's source lines.
    for node in graph.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    if description.frames is not None:
        # Shapes in here may be the example's; ONNX Runtime infers them by itself.
        del graph.graph.value_info[:]
    onnx.checker.check_model(graph)
    path.write_bytes(as_file(graph, description))


@contextlib.contextmanager
def _fresh_lstm() -> Iterator[None]:
    """Clear torch's cache of LSTM kernels before and after an export.

    For an export, torch replaces these kernels by a loop over the steps, but does not clear the
    cache (``torch/export/_patches.py`` of torch 2.14). A second export of the same process would
    unroll the loop and accept only the example's number of steps.
    """
    import torch

    looked_up = getattr(torch.ops.aten.lstm.input, "_dispatch_cache", {})
    looked_up.clear()
    try:
        yield
    finally:
        looked_up.clear()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's progress messages."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(None):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
