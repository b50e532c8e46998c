"""Description, checksum and checks of an ONNX file, read without ONNX Runtime.

The checksum shows damage; it is no signature. Against malicious files, weights must be in the file,
loops are refused, and ONNX Runtime gets limited memory (:mod:`fer.inference.onnx_session`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fer.inference.description import KEY, NO_CHECKSUM, Description, ModelFileError, checksum_in

if TYPE_CHECKING:
    import onnx

# Field numbers of onnx.proto3.
_GRAPH, _METADATA, _FUNCTIONS = 7, 14, 25
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15
_OP_TYPE, _ATTRIBUTE = 4, 5
_TENSOR_OF, _GRAPH_OF, _TENSORS_OF, _GRAPHS_OF, _SPARSE_OF = 5, 6, 10, 11, (22, 23)
_DIMS, _EXTERNAL, _LOCATION = 1, 13, 14

#: Numbers that a byte of the file may hold, in the narrowest types.
_A_BYTE: Final = 4


def as_file(graph: onnx.ModelProto, description: Description) -> bytes:
    """Return the content of an ONNX file with its description and checksum as only metadata."""
    del graph.metadata_props[:]
    entry = graph.metadata_props.add()
    entry.key, entry.value = KEY, description.as_json()
    graph.producer_name = "fer"
    content: bytes = graph.SerializeToString()
    place = content.rindex(NO_CHECKSUM.encode())
    checksum = hashlib.sha256(content).hexdigest().encode()
    return content[:place] + checksum + content[place + len(checksum) :]


def read_description(content: bytes, path: Path) -> Description:
    """Return the description in an ONNX file's content after checking it; ``path`` is for messages.

    Raises:
        ModelFileError: it is no ONNX file, not of this package, damaged, or could take unlimited
            memory or time.
    """
    try:
        fields = list(_fields(memoryview(content)))
        graphs = [bytes_of(value) for number, value in fields if number == _GRAPH]
        entries = [dict(_fields(bytes_of(v))) for number, v in fields if number == _METADATA]
        texts = {bytes(bytes_of(e[1])): bytes(bytes_of(e[2])) for e in entries if {1, 2} <= {*e}}
        if not graphs:
            raise ValueError("it holds no graph")
    except (ValueError, IndexError) as error:
        raise ModelFileError(
            f"{path} is no ONNX model that can be read, or one that is damaged or cut off "
            f"({error})",
            code="not_onnx",
            where=str(path),
        ) from None
    stored = texts.get(KEY.encode())
    if stored is None:
        raise ModelFileError(
            f"{path} is an ONNX file, but none of fer's: it does not say its classes and how "
            "faces are prepared for it. Models of fer are made by fer export",
            code="not_of_fer",
            where=str(path),
        )
    text = stored.decode(errors="replace")
    description = Description.from_json(text, path)
    _check_sum(content, checksum_in(text), path)
    try:
        why = "it holds functions" if any(n == _FUNCTIONS for n, _ in fields) else ""
        why = why or next(filter(None, map(_complaint, graphs)), "")
    except (ValueError, IndexError, RecursionError) as error:
        why = f"its graph can't be read: {error}"
    if why:
        raise ModelFileError(
            f"{path} is no model of fer export: {why}", code="model_unsafe", where=str(path)
        )
    return description


def _check_sum(content: bytes, checksum: str, path: Path) -> None:
    if len(checksum) != len(NO_CHECKSUM):
        raise ModelFileError(
            f"{path} has no checksum: it was exported by an earlier version of fer, or it is "
            "damaged. What to do: export it again (fer export CKPT --to FILE)",
            code="no_checksum",
            where=str(path),
        )
    place = content.rfind(checksum.encode())
    found = hashlib.sha256(memoryview(content)[:place])
    found.update(NO_CHECKSUM.encode())
    found.update(memoryview(content)[place + len(checksum) :])
    if found.hexdigest() != checksum:
        raise ModelFileError(
            f"{path} is damaged: its checksum is wrong. What to do: copy or download it again",
            code="model_damaged",
            where=str(path),
        )


def _complaint(graph: memoryview) -> str:
    """Return what in a graph may take unlimited memory or time, or an empty text."""
    for number, value in _fields(graph):
        why = ""
        if number == _SPARSE:
            why = "it holds sparse weights"
        elif number == _INITIALIZER:
            why = _of_tensor(bytes_of(value))
        elif number == _NODE:
            why = _of_node(bytes_of(value))
        if why:
            return why
    return ""


def _of_node(node: memoryview) -> str:
    for number, value in _fields(node):
        if number == _OP_TYPE and bytes(bytes_of(value)) == b"Loop":
            return "it holds a loop, which may never end"
        if number != _ATTRIBUTE:
            continue
        for kind, inner in _fields(bytes_of(value)):
            why = "it holds sparse weights" if kind in _SPARSE_OF else ""
            if kind in (_TENSOR_OF, _TENSORS_OF):
                why = _of_tensor(bytes_of(inner))
            elif kind in (_GRAPH_OF, _GRAPHS_OF):
                why = _complaint(bytes_of(inner))
            if why:
                return why
    return ""


def _of_tensor(tensor: memoryview) -> str:
    dims: list[int] = []
    for number, value in _fields(tensor):
        if number == _EXTERNAL or (number == _LOCATION and value):
            return "its weights lie in another file"
        if number == _DIMS:
            dims += [value] if isinstance(value, int) else list(_varints(value))
    if prod(dims) > _A_BYTE * len(tensor):
        return f"it has weights of {' x '.join(map(str, dims))}, and not their numbers"
    return ""


def bytes_of(value: int | memoryview) -> memoryview:
    """Return a field that must not be a number; raise ``ValueError`` if it is one."""
    if isinstance(value, int):
        raise ValueError("a number in place of content")
    return value


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield a protobuf message's fields, numbers or bytes; if cut off, raise IndexError."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield tag >> 3, value
            continue
        if kind == 2:
            length, place = _varint(data, place)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError("no field begins where one should")
        if length > len(data) - place:
            raise ValueError("it ends too soon")
        yield tag >> 3, data[place : place + length]
        place += length


def _varints(data: memoryview) -> Iterator[int]:
    place = 0
    while place < len(data):
        value, place = _varint(data, place)
        yield value


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("a number without an end")
