"""The end of a conversion: splits, labels, copies and names of all faces, and ``set.json``."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from fer.data._drawing import stratified
from fer.data.conversion.plan import Making, Plan
from fer.data.source import SPLITS, DataError
from fer.data.streaming import FORMAT, SET_FILE, column_name, read_set, shard_name
from fer.files import write_json, written_beside

#: Bytes of a hash that are kept: as good as all 32 for telling faces apart.
KEPT: Final = 16
_FOUND: Final = ("kept", "hashes", "blank", "square", "broken", "why")
#: Of the draw of validation faces, that of data=folder.
_SEED: Final = 0


def finish(plan: Plan, making: Making, folder: Path) -> dict[str, Any]:
    """Write what a converted set has beside its shards, and what it is.

    Args:
        plan: the faces.
        making: how the set is made.
        folder: that holds all of its shards.

    Returns:
        What ``set.json`` holds.

    Raises:
        DataError: no face is left for a split.
        OSError: a file can't be written.
    """
    found: dict[str, list[npt.NDArray[Any]]] = {}
    for number in range(-(-len(plan) // making.shard)):
        for name, values in read_found(folder / shard_name(number)).items():
            found.setdefault(name, []).append(values)
    kept, hashes, blank = (np.concatenate(found[name]) for name in ("kept", "hashes", "blank"))
    broken = zip(
        (i for some in found["broken"] for i in some.tolist()),
        (why for some in found["why"] for why in some.tolist()),
        strict=True,
    )
    defects = [
        *plan.broken,
        *(
            (row, SPLITS[plan.splits[i]], plan.told(row, why))
            for i, why in broken
            for row in [int(plan.rows[i])]
        ),
    ]
    if not len(kept):
        raise DataError(
            f"{plan.source}: none of its {len(plan):,} faces can be read, the first because: "
            f"{defects[0][2]}"
        )
    members = _members(plan, making, kept)
    digest = hashlib.sha256(f"{plan.classes} {making.size} {making.fit} {defects}".encode())
    for name, positions in members.items():
        items = kept[positions]
        arrays = {"positions": positions, "labels": plan.labels[items], "rows": plan.rows[items]}
        for what, array in arrays.items():
            _save(folder / f"{name}.{what}.npy", array)
        digest.update(f"{name} {len(positions)}".encode())
        for array in (arrays["labels"], arrays["rows"], hashes[positions]):
            digest.update(np.ascontiguousarray(array).data)
        for number, (column, values) in enumerate(plan.metadata.items()):
            _save(folder / column_name(name, number), values[items])
            digest.update(f"{column} {values.dtype}".encode() + values[items].tobytes())
    _save(folder / "blank.npy", blank)
    _save(folder / "group.npy", _groups(hashes, plan.rows[kept]))
    if plan.names:
        _save_names(plan, folder)
    write_json(
        folder / SET_FILE,
        {
            "format": FORMAT,
            "fingerprint": digest.hexdigest(),
            "size": making.size,
            "fit": making.fit,
            "square": bool(np.all(found["square"])),
            "classes": list(plan.classes),
            "splits": {name: len(positions) for name, positions in members.items()},
            "shards": [len(some) for some in found["kept"]],
            "metadata": list(plan.metadata),
            "named": bool(plan.names),
            "drawn": plan.draws_val,
            "defects": [list(defect) for defect in defects],
        },
    )
    return read_set(folder)


def read_found(shard: Path) -> dict[str, npt.NDArray[Any]]:
    """Return what was found about the faces of a shard: the file ``.npz`` beside it.

    Returns:
        Of the N faces that could be read ``kept`` int64 ``[N]`` (which of the plan), ``hashes``
        uint8 ``[N, KEPT]`` and ``blank`` bool ``[N]``; ``square``, whether all were; of the M
        others ``broken`` int64 ``[M]`` (which) and ``why``.

    Raises:
        DataError: it is missing or damaged.
    """
    path = shard.with_suffix(".npz")
    try:
        # NumPy would leave a file that is no archive open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as facts:
            found = {name: facts[name] for name in _FOUND}
    # Whatever zipfile, zlib and NumPy raise about bytes that are no archive of arrays.
    except (OSError, ValueError, LookupError, EOFError, AttributeError, TypeError, RuntimeError,
            BadZipFile, zlib.error) as error:  # fmt: skip
        raise DataError(
            f"{path} is missing or damaged ({error}): convert the faces again"
        ) from None
    kept, broken = len(found["kept"]), len(found["broken"])
    shapes = {name: values.shape for name, values in found.items()}
    wanted = {"kept": (kept,), "hashes": (kept, KEPT), "blank": (kept,), "square": (),
              "broken": (broken,), "why": (broken,)}  # fmt: skip
    if shapes != wanted:
        raise DataError(f"{path} is damaged (its arrays do not fit): convert the faces again")
    return found


def _members(
    plan: Plan, making: Making, kept: npt.NDArray[np.int64]
) -> dict[str, npt.NDArray[np.int64]]:
    """Return the positions of each split's faces among those that could be read."""
    splits = plan.splits[kept]
    found = {name: np.flatnonzero(splits == code) for code, name in enumerate(SPLITS)}
    if plan.draws_val:
        train = found["train"]
        chosen = stratified(plan.labels[kept[train]], making.val_share, _SEED)
        found |= {"train": train[~chosen], "val": train[chosen]}
    for name in ("train", "val"):
        if not len(found[name]):
            raise DataError(f"{plan.source} has no faces for the split {name!r} that can be read")
    return {name: some.astype(np.int64) for name, some in found.items() if len(some)}


def _groups(hashes: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for each face the lowest row among its exact copies, -1 where it has none."""
    keys = np.ascontiguousarray(hashes).view(f"V{KEPT}").ravel()
    _, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
    lowest = np.full(len(counts), np.iinfo(np.int64).max)
    np.minimum.at(lowest, which, rows)
    groups: npt.NDArray[np.int64] = np.where(counts[which] > 1, lowest[which], -1)
    return groups


def _save(path: Path, array: npt.NDArray[Any]) -> None:
    with written_beside(path) as beside:
        np.save(beside, array, allow_pickle=False)


def _save_names(plan: Plan, folder: Path) -> None:
    ends = np.cumsum([len(name.encode()) for name in plan.names], dtype=np.int64)
    path = folder / "names.txt"
    with written_beside(path) as beside, beside.open("wb") as file:
        file.writelines(name.encode() for name in plan.names)
    _save(folder / "names.npy", ends)
