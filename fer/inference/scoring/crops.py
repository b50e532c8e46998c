"""A column of faces: what it may be made of, and each face as an array."""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from fer.pictures import decoded
from fer.pixels import Image

if TYPE_CHECKING:
    import pyarrow as pa


def is_faces(kind: pa.DataType) -> bool:
    """Say whether a column of this type may hold faces.

    That is encoded pictures (binary, or a struct with ``bytes``, as Hugging Face's data sets have
    them), or grey pixels: n·n bytes (fixed_size_binary), a list of n·n whole numbers, a list of
    lists ``[H][W]`` or of lists of lists ``[H][W][3]``.
    """
    return _reader(kind) is not None


def face_at(column: pa.ChunkedArray, row: int) -> Image:
    """Return one face of a column.

    Returns:
        uint8 ``[H, W]`` or ``[H, W, 3]`` RGB.

    Raises:
        ValueError: the cell is empty, or no face; PictureError where it is no picture.
    """
    cell = column[row]
    if not cell.is_valid:
        raise ValueError("the row holds no face")
    read = _reader(column.type)
    assert read is not None, "the table was opened by its types"  # noqa: S101
    return read(cell)


def _reader(kind: pa.DataType) -> Callable[[Any], Image] | None:
    import pyarrow as pa

    types = pa.types
    if types.is_binary(kind) or types.is_large_binary(kind):
        return lambda cell: decoded(cell.as_py())
    if types.is_fixed_size_binary(kind):
        return lambda cell: _square(np.frombuffer(cell.as_py(), dtype=np.uint8))
    if types.is_struct(kind):
        # Of other structs, and where two fields are called so (-1), nobody knows the picture.
        place = kind.get_field_index("bytes")
        inner = kind.field(place).type if place >= 0 else None
        is_bytes = inner is not None and (types.is_binary(inner) or types.is_large_binary(inner))
        return _encoded if is_bytes else None
    depth = 0
    while types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        kind, depth = kind.value_type, depth + 1
    if not types.is_integer(kind):
        return None
    return {1: _row_of_pixels, 2: _nested, 3: _nested}.get(depth)


def _encoded(cell: Any) -> Image:
    if (data := cell["bytes"].as_py()) is None:
        raise ValueError("the row holds no face")
    return decoded(data)


def _row_of_pixels(cell: Any) -> Image:
    return _square(_pixels(cell.values.to_numpy(zero_copy_only=False)))


def _nested(cell: Any) -> Image:
    try:
        values = np.array(cell.as_py())
    except ValueError:
        raise ValueError("its rows of pixels are not of one length") from None
    if values.size == 0:
        raise ValueError("the face has no pixels")
    return _pixels(values)


def _pixels(values: Any) -> Image:
    if values.dtype.kind not in "iu":
        raise ValueError("a pixel is missing")
    if values.size and (values.min() < 0 or values.max() > 255):
        raise ValueError("a pixel is outside 0-255")
    pixels: Image = values.astype(np.uint8)
    return pixels


def _square(pixels: Image) -> Image:
    side = isqrt(pixels.size)
    if side**2 != pixels.size or not side:
        raise ValueError(f"{pixels.size} pixels make no square")
    return pixels.reshape(side, side)
