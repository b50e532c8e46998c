"""ONNX Runtime with limited memory."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fer.core.telemetry import disable_telemetry
from fer.inference.description import ModelFileError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

#: Bytes, without the weights, for all exported models of a process.
_ROOM: Final = 3 * 2**29
#: ONNX Runtime's log level; errors are raised anyway.
FATAL: Final = 4


def opened(content: bytes, path: Path, threads: int) -> InferenceSession:
    """Return a session of an exported model from its file's content; ``path`` is for messages.

    Raises:
        ModelFileError: ONNX Runtime can't read it.
    """
    if threads < 1:
        raise ValueError(f"threads must be at least 1, not {threads}")
    import onnxruntime as ort

    disable_telemetry()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait would take cores from the rest of the program.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    _room()
    options.add_session_config_entry("session.use_env_allocators", "1")
    # Weights, whose size the file limits, are not counted.
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    options.log_severity_level = FATAL
    try:
        # The fallback prints.
        return ort.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:
        raise ModelFileError(
            f"{path} is no ONNX model that can be read, or one that is damaged or cut off "
            f"({first_line(error)})",
            code="not_onnx",
            where=str(path),
        ) from None


@cache
def _room() -> None:
    """Limit the memory of all exported models of this process."""
    import onnxruntime as ort

    where = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    ort.create_and_register_allocator(where, ort.OrtArenaCfg({"max_mem": _ROOM}))


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, cut to 200 characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def runtime_errors() -> tuple[type[Exception], ...]:
    """Return ONNX Runtime's errors, which have no common class but ``Exception``."""
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    names = (
        "Fail", "InvalidProtobuf", "InvalidGraph", "InvalidArgument", "NoModel", "NotImplemented",
        "RuntimeException",
    )  # fmt: skip
    return tuple(getattr(errors, name) for name in names)
