"""The source ``streaming``: a converted set, of which only what a batch needs is in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, cast

import numpy as np
import numpy.typing as npt

from fer.data.findings import Finding
from fer.data.source import SPLITS, DataError, DataNotFoundError, Faces, Split
from fer.data.stored import Shards, StoredImages, StoredNames, check_shard
from fer.metadata import Columns, describe
from fer.pixels import Fit

#: What a converted set says of itself, written when all else is there.
SET_FILE: Final = "set.json"
#: What a conversion is to do, written before it begins.
PLAN_FILE: Final = "plan.json"
#: Of the files; raised when they would mean something else.
FORMAT: Final = 1

#: Of what type each part of it is.
_KEYS: Final[Mapping[str, type]] = {
    "fingerprint": str, "size": int, "fit": str, "square": bool, "classes": list, "splits": dict,
    "shards": list, "metadata": list, "named": bool, "drawn": bool, "defects": list,
}  # fmt: skip

_SHOWN: Final = 10
_ADVICE: Final = "fer data convert SOURCE --to FOLDER makes one"


class ConvertedFaces:
    """Faces that ``fer data convert`` has brought into shards.

    Pixels are read when a batch asks for them. In memory are a few bytes a face: its order in an
    epoch, and pages of the small files that hold its place, label and row.

    Blank faces, exact copies and conflicting labels were found when the set was made, and
    ``data.clean`` does about them what it does elsewhere.

    Args:
        root: the folder of the set.
        size: height and width that the network reads; ``None`` for that of the set.
        fit: how pictures that are not square should have become so.
        defects: pictures that could not be read when the set was made, and are not in it:
            ``fatal`` refuses the set, with a list of them; ``drop`` reports them.

    Raises:
        ValueError: ``defects`` is something else.
    """

    def __init__(
        self,
        root: str | None,
        *,
        size: int | None = None,
        fit: Fit | None = None,
        defects: Literal["fatal", "drop"] = "fatal",
    ) -> None:
        if defects not in ("fatal", "drop"):
            raise ValueError(f"defects must be fatal or drop, not {defects!r}")
        self.root = Path(root).expanduser() if root else None
        self.size = size
        self.fit = fit
        self._drop = defects == "drop"

    def class_names(self) -> tuple[str, ...]:
        """Return the class names.

        Raises:
            DataNotFoundError: the root is not given or is no converted set.
            DataError: the set is damaged.
        """
        return tuple(self._facts()["classes"])

    def metadata_columns(self) -> Columns:
        """Return the description of the training faces' metadata; nothing where there is none.

        Raises:
            DataError: there is no such set, or it is damaged.
        """
        folder, facts = self._folder(), self._facts()
        count = facts["splits"].get("train", 0)
        columns = enumerate(facts["metadata"])
        return describe({c: _column(folder, "train", i, count) for i, c in columns})

    def load(self) -> Faces:
        """Return the faces; their images are :class:`fer.data.stored.StoredImages`.

        Raises:
            DataNotFoundError: the root is not given or is no converted set.
            DataError: the set is damaged or not whole, was made at another size or with another
                fit, or lacks pictures that could not be read, which is not allowed here.
            OSError: it can't be read.
        """
        folder, facts = self._folder(), self._facts()
        self._check_asked(folder, facts)
        shards = Shards(
            [folder / shard_name(i) for i in range(len(facts["shards"]))],
            facts["shards"],
            facts["size"],
        )
        blank = _array(folder, "blank.npy", len(shards), "b")
        group = _array(folder, "group.npy", len(shards), "i")
        splits = {}
        for name in SPLITS:
            if not (count := facts["splits"].get(name)):
                continue
            positions, labels, rows = (
                _array(folder, f"{name}.{what}.npy", count, "i")
                for what in ("positions", "labels", "rows")
            )
            # They ascend.
            if positions[0] < 0 or positions[-1] >= len(shards):
                raise _damaged(
                    folder / f"{name}.positions.npy", "it names faces that are not there"
                )
            splits[name] = Split(
                cast("npt.NDArray[np.uint8]", StoredImages(shards, positions, blank, group)),
                # A copy, eight bytes a face: torch takes no array that can't be written to.
                np.array(labels),
                rows,
                {c: _column(folder, name, i, count) for i, c in enumerate(facts["metadata"])},
            )
        names: StoredNames | tuple[str, ...] = ()
        if facts["named"]:
            names = _names(folder)
        return Faces(
            tuple(facts["classes"]),
            splits,
            fingerprint=facts["fingerprint"],
            origin=str(folder),
            findings=tuple(
                Finding(row, split, "defect", "dropped", None, detail)
                for row, split, detail in facts["defects"]
            ),
            names=names,
        )

    def _folder(self) -> Path:
        if self.root is None:
            raise DataNotFoundError(
                f"data=streaming needs data.root=FOLDER, the folder of a converted set; {_ADVICE}"
            )
        if not (self.root / SET_FILE).is_file():
            if not self.root.exists():
                there = "does not exist"
            elif (self.root / PLAN_FILE).is_file():
                there = "holds a conversion that is not finished: start it again, and it goes on"
            else:
                there = "is no converted set"
            raise DataNotFoundError(f"{self.root} {there}; {_ADVICE}")
        return self.root

    def _facts(self) -> dict[str, Any]:
        return read_set(self._folder())

    def _check_asked(self, folder: Path, facts: Mapping[str, Any]) -> None:
        for i, count in enumerate(facts["shards"]):
            check_shard(folder / shard_name(i), count, facts["size"])
        asked = {"size": self.size, "fit": self.fit}
        for key, value in asked.items():
            # What was square already is the same whatever the fit.
            if value is not None and value != facts[key] and not (key == "fit" and facts["square"]):
                raise DataError(
                    f"{folder} was converted with --{key} {facts[key]}, but data.{key} is {value}: "
                    f"set data.{key}={facts[key]}, or convert the faces again. A stream is not "
                    "scaled a second time"
                )
        if facts["defects"] and not self._drop:
            found = facts["defects"]
            lines = [f"{folder}: {len(found):,} faces could not be read when it was made:"]
            lines += [f"  {detail}" for _, _, detail in found[:_SHOWN]]
            lines += [f"  ... and {len(found) - _SHOWN:,} more"] * (len(found) > _SHOWN)
            lines.append(
                "What to do: mend or remove them and convert again, or go on without them by "
                "data.clean.defects=drop."
            )
            raise DataError("\n".join(lines))


def shard_name(number: int) -> str:
    """Return the name of a shard's file.

    Example:
        >>> shard_name(3)
        'faces-00003.npy'
    """
    return f"faces-{number:05}.npy"


def read_set(folder: Path) -> dict[str, Any]:
    """Return what a converted set says of itself.

    Raises:
        DataError: that is damaged, or of another version.
        OSError: it can't be read.
    """
    path = folder / SET_FILE
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = facts["format"]
        wrong = version == FORMAT and [
            key for key, kind in _KEYS.items() if not isinstance(facts.get(key), kind)
        ]
        counts = [] if wrong else [facts["size"], *facts["shards"], *facts["splits"].values()]
        if not all(isinstance(count, int) and count >= 0 for count in counts):
            raise ValueError("a count is no whole number")
    except (ValueError, LookupError, TypeError) as error:
        raise _damaged(path, error) from None
    if version != FORMAT:
        raise DataError(
            f"{path} is of format {version}, and this version of fer reads {FORMAT}: convert the "
            "faces again"
        )
    if wrong:
        raise _damaged(path, f"{', '.join(wrong)} missing or of another type")
    return facts


def column_name(split: str, number: int) -> str:
    """Return the name of the file of a column of metadata."""
    return f"{split}.metadata-{number}.npy"


def _column(folder: Path, split: str, number: int, count: int) -> npt.NDArray[np.generic]:
    return _array(folder, column_name(split, number), count, "fUiub")


def _array(folder: Path, name: str, count: int | None, kinds: str) -> npt.NDArray[Any]:
    """Map an array ``[count]`` of one of some kinds (NumPy's letters) into memory."""
    path = folder / name
    try:
        found: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path, error) from None
    shape: tuple[int, ...] = getattr(found, "shape", ())
    if (
        len(shape) != 1
        or (count is not None and shape[0] != count)
        or found.dtype.kind not in kinds
    ):
        wanted = "" if count is None else f"{count:,} "
        raise _damaged(path, f"it holds something else than {wanted}values of its kind")
    return found


def _names(folder: Path) -> StoredNames:
    ends = _array(folder, "names.npy", None, "i")
    path = folder / "names.txt"
    try:
        text = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from None
    if not len(ends) or ends[-1] != len(text):
        raise _damaged(path, "it and names.npy are not of one set")
    return StoredNames(text, ends)


def _damaged(path: Path, why: object) -> DataError:
    return DataError(f"{path} is missing or damaged ({why}): convert the faces again")
