"""Write a converted set, a shard at a time, so that a conversion goes on where it was ended.

What lies in the folder:

==================== ===============================================================
``plan.json``        what is to be done, written first; another plan is refused
``faces-00000.npy``  uint8 ``[n, size, size]``, some thousand faces in a row
``faces-00000.npz``  what was found about them; written before them
``train.*.npy``      position, label, row and metadata of each face of the split
``blank.npy``        of every face whether it is of one grey value
``group.npy``        of every face the lowest row among its exact copies, or -1
``names.*``          the files' names by row
``set.json``         what the set is; written when all else is there
==================== ===============================================================
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from fer.data._hashing import pixel_hash
from fer.data.conversion.finishing import KEPT, finish, read_found
from fer.data.conversion.plan import Making, Plan
from fer.data.source import DataError
from fer.data.stored import check_shard
from fer.data.streaming import (
    FORMAT,
    PLAN_FILE,
    SET_FILE,
    ConvertedFaces,
    read_set,
    shard_name,
)
from fer.files import remove_leftovers, unusable, write_json, written_beside
from fer.pixels import square_grey


def convert(
    plan: Plan,
    folder: Path,
    making: Making,
    *,
    advance: Callable[[int], object] = lambda _: None,
    still: Callable[[], str] | None = None,
    say: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Make a converted set, go on with making it, or make again what of it is missing or damaged.

    Args:
        plan: the faces.
        folder: that gets the set.
        making: how.
        advance: called with the number of faces that were done since.
        still: returns the identity of the source as it is when all was read.
        say: called with a line for each thing that was damaged.

    Returns:
        What ``set.json`` holds.

    Raises:
        DataError: the folder holds another set or something else, the source has changed, or no
            face is left for a split.
        OSError: a file can't be written.
    """
    with _claimed(folder):
        wanted = _wanted(plan, making)
        if (folder / SET_FILE).is_file():
            _check_same(folder, wanted)
            try:
                # Reads everything of it but the pixels.
                ConvertedFaces(str(folder), defects="drop").load()
            except DataError as error:
                say(f"{_without_advice(error)}: what is damaged is made again")
                (folder / SET_FILE).unlink()
            else:
                advance(len(plan))
                return read_set(folder)
        _begin(folder, wanted)
        for number, start in enumerate(range(0, len(plan), making.shard)):
            items = range(start, min(start + making.shard, len(plan)))
            path = folder / shard_name(number)
            why = _flaw(path, items, making) if path.exists() else None
            if why is not None:
                say(f"{why}: made again")
            if why is not None or not path.exists():
                _write_shard(plan, making, path, items, advance)
            else:
                advance(len(items))
        if still is not None and still() != plan.identity:
            raise DataError(
                f"{plan.source} has changed while it was read: remove {folder} and convert it again"
            )
        return finish(plan, making, folder)


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    if (why := unusable(folder)) is not None:
        raise DataError(f"--to {folder}: {why}")
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    # Hidden are the lock, and what others that are about to begin write.
    if any(name[0] != "." for name in there) and not there & {PLAN_FILE, SET_FILE}:
        raise DataError(f"{folder} holds something else: name a folder that is empty or not there")
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise DataError(f"another process is writing to {folder}") from None
    try:
        yield
    finally:
        lock.release()


def _wanted(plan: Plan, making: Making) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "source": plan.identity,
        "faces": len(plan),
        "size": making.size,
        "fit": making.fit,
        # Where nothing is drawn it changes nothing.
        "val_share": making.val_share if plan.draws_val else None,
        "shard": making.shard,
    }


def _begin(folder: Path, wanted: dict[str, Any]) -> None:
    if (folder / PLAN_FILE).is_file():
        _check_same(folder, wanted)
    remove_leftovers(folder)
    write_json(folder / PLAN_FILE, wanted)


def _check_same(folder: Path, wanted: dict[str, Any]) -> None:
    try:
        stored = json.loads((folder / PLAN_FILE).read_text(encoding="utf-8"))
        keys = [key for key in wanted if stored.get(key) != wanted[key]]
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"{folder / PLAN_FILE} can't be read ({error}): remove {folder}") from None
    if not keys:
        return
    told = [
        f"--{key.replace('_', '-')} was {stored.get(key)} and is {wanted[key]}"
        for key in keys
        if key not in ("source", "faces", "format")
    ]
    if len(told) < len(keys):
        told.append("the source is another, or has changed since")
    raise DataError(
        f"{folder} holds another conversion: {', '.join(told)}. Name another folder, or remove it"
    )


def _flaw(path: Path, items: range, making: Making) -> str | None:
    """Say what is wrong with a shard that lies there, or with what was found about it."""
    try:
        found = read_found(path)
        count, broken = len(found["kept"]), len(found["broken"])
        if count + broken != len(items) or not {*found["kept"], *found["broken"]} <= {*items}:
            return f"{path.with_suffix('.npz')} is about other faces"
        check_shard(path, count, making.size)
    except DataError as error:
        return _without_advice(error)
    return None


def _without_advice(error: DataError) -> str:
    return str(error).removesuffix(": convert the faces again")


def _write_shard(
    plan: Plan,
    making: Making,
    path: Path,
    items: range,
    advance: Callable[[int], object],
) -> None:
    images = np.empty((len(items), making.size, making.size), dtype=np.uint8)
    kept: list[int] = []
    hashes = np.empty((len(items), KEPT), dtype=np.uint8)
    broken: list[tuple[int, str]] = []
    square = True
    for i in items:
        try:
            picture = plan.read(i)
            images[len(kept)] = face = square_grey(picture, making.size, making.fit)
        except (ValueError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            broken.append((i, why))
        else:
            square &= picture.shape[0] == picture.shape[1]
            hashes[len(kept)] = np.frombuffer(pixel_hash(face)[:KEPT], dtype=np.uint8)
            kept.append(i)
        advance(1)
    images, hashes = images[: len(kept)], hashes[: len(kept)]
    flat = images.reshape(len(kept), -1)
    beside_it = path.with_suffix(".npz")
    with written_beside(beside_it) as beside:
        np.savez(
            beside,
            kept=np.array(kept, dtype=np.int64),
            hashes=hashes,
            blank=(flat == flat[:, :1]).all(axis=1),
            square=np.array(square),
            broken=np.array([i for i, _ in broken], dtype=np.int64),
            why=np.array([why for _, why in broken], dtype=np.str_),
        )
    # Last: where it lies, the shard is done.
    with written_beside(path) as beside:
        np.save(beside, images, allow_pickle=False)
