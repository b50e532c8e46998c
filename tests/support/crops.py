"""Tables of faces and pictures, as people have them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def crops(count: int, size: int = 48, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Return uint8 ``[count, size, size]``."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, size, size), dtype=np.uint8)


def png(image: npt.NDArray[np.uint8]) -> bytes:
    """Return a picture in the bytes of a file."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, "PNG")
    return data.getvalue()


def write_crops(
    file: Path, images: Sequence[Any], *, group: int = 40, kind: Any = None, **columns: Any
) -> Path:
    """Write faces as raw grey pixels, or as cells of a type; None where a cell is empty."""
    if kind is None:
        kind = pa.binary(np.asarray(images[0]).size)
        images = [None if image is None else np.asarray(image).tobytes() for image in images]
    table = pa.table({"image": pa.array(list(images), kind), **columns})
    pq.write_table(table, file, row_group_size=group)
    return file
