"""Metadata of faces (age, gender, context) as numbers, by a *description* in the checkpoint.

It looks like ``{"age": {"mean": 31.0, "std": 12.5}, "gender": {"values": ["female", "male"]}}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Column = Mapping[str, Any]
Columns = Mapping[str, Column]


def describe(metadata: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, dict[str, Any]]:
    """Describe numbers by mean and standard deviation, text by its values; leave constants out.

    Args:
        metadata: one array ``[N]`` a column: numbers, NaN if missing, or text, empty if missing.

    Example:
        >>> describe({"age": np.array([20.0, 40.0]), "gender": np.array(["m", "", "f"])})
        {'age': {'mean': 30.0, 'std': 10.0}, 'gender': {'values': ['f', 'm']}}
    """
    columns: dict[str, dict[str, Any]] = {}
    for name, values in metadata.items():
        if values.dtype.kind == "U":
            words = sorted({str(value) for value in values} - {""})
            if len(words) > 1:
                columns[name] = {"values": words}
            continue
        known = values.astype(np.float64)
        known = known[~np.isnan(known)]
        if len(known) and known.std() > 0:
            columns[name] = {"mean": float(known.mean()), "std": float(known.std())}
    return columns


def encode(
    metadata: Mapping[str, Sequence[Any] | npt.NDArray[np.generic]], columns: Columns, n: int
) -> npt.NDArray[np.float32]:
    """Return metadata as a model's input.

    Args:
        metadata: one sequence of ``n`` values a column; columns may be missing, others are ignored.
        columns: the description of the columns that the model was made for.
        n: number of faces.

    Returns:
        float32 ``[n, len(columns)]``: numbers unchanged, words as their index in the description,
        NaN for values that are missing or not described.

    Raises:
        ValueError: a column has another length or holds words where numbers are described.

    Example:
        >>> encode({"gender": ["f", "?"]}, {"gender": {"values": ["f", "m"]}}, 2).tolist()
        [[0.0], [nan]]
    """
    table = np.full((n, len(columns)), np.nan, dtype=np.float32)
    for place, (name, column) in enumerate(columns.items()):
        if name not in metadata:
            continue
        values = np.asarray(metadata[name])
        if values.shape != (n,):
            raise ValueError(f"metadata {name!r} has shape {list(values.shape)}, not [{n}]")
        if "values" in column:
            for position, word in enumerate(column["values"]):
                table[values.astype(np.str_) == word, place] = position
        else:
            try:
                table[:, place] = values.astype(np.float32)
            except ValueError as error:
                raise ValueError(f"metadata {name!r} must be numbers: {error}") from None
    return table
