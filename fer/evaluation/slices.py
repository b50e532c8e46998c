"""Accuracy on parts of the test split: dark and bright faces, flat and sharp ones, and so on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer.evaluation.statistics import accuracy_interval

Bools = npt.NDArray[np.bool_]

_THIRDS: Final = ("low", "middle", "high")
#: A column of text with more values than this names faces rather than groups.
MOST_VALUES: Final = 20


def slices(
    images: npt.NDArray[np.uint8],
    metadata: Mapping[str, npt.NDArray[np.generic]],
    correct: Bools,
    *,
    seed: int = 0,
) -> dict[str, list[dict[str, Any]]]:
    """Return the accuracy on parts of the faces.

    Args:
        images: uint8 ``[N, H, W]``, or clips ``[N, T, H, W]``.
        metadata: a column ``[N]`` each: numbers (NaN where missing) or text (empty where missing).

    Returns:
        By ``brightness`` (mean grey value), ``contrast`` (standard deviation) and the name of each
        column, ``metadata.NAME``: a list of ``name``, ``from`` and ``to`` (numbers alone), ``n``,
        ``accuracy``, ``accuracy_ci95``. Numbers are cut into thirds; text with more than 20
        values is left out.
    """
    flat = images.reshape(len(images), -1)
    columns: dict[str, npt.NDArray[Any]] = {"brightness": flat.mean(axis=1)}
    columns["contrast"] = flat.std(axis=1)
    columns |= {f"metadata.{name}": values for name, values in metadata.items()}
    found = {}
    for name, values in columns.items():
        is_text = values.dtype.kind not in "fiub"
        parts = _values(values) if is_text else _thirds(values.astype(np.float64))
        described = [
            {
                **words,
                "n": int(chosen.sum()),
                "accuracy": float(correct[chosen].mean()),
                "accuracy_ci95": list(accuracy_interval(correct[chosen], seed=seed)),
            }
            for words, chosen in parts
            if chosen.any()
        ]
        if described:
            found[name] = described
    return found


def _thirds(values: npt.NDArray[np.float64]) -> list[tuple[dict[str, Any], Bools]]:
    missing = np.isnan(values)
    parts: list[tuple[dict[str, Any], Bools]] = []
    if not missing.all():
        cuts = np.quantile(values[~missing], [1 / 3, 2 / 3])
        place = np.searchsorted(cuts, values)
        for i, name in enumerate(_THIRDS):
            chosen = (place == i) & ~missing
            if chosen.any():
                ends = {"from": float(values[chosen].min()), "to": float(values[chosen].max())}
                parts.append(({"name": name, **ends}, chosen))
    return [*parts, ({"name": "missing"}, missing)]


def _values(values: npt.NDArray[Any]) -> list[tuple[dict[str, Any], Bools]]:
    names = np.unique(values)
    if len(names) > MOST_VALUES:
        return []
    return [({"name": str(name) or "missing"}, values == name) for name in names]
