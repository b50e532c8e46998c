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
from fer.data.stored import Shards, StoredImages, StoredNames
from fer.metadata import Columns, describe
from fer.pixels import Fit

#: What a converted set says of itself, written when all else is there.
SET_FILE: Final = "set.json"
#: What a conversion is to do, written before it begins.
PLAN_FILE: Final = "plan.json"
#: Of the files; raised when they would mean something else.
FORMAT: Final = 1

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
        return describe({c: _column(folder, "train", i) for i, c in enumerate(facts["metadata"])})

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
        blank, group = (_array(folder, f"{name}.npy") for name in ("blank", "group"))
        splits = {}
        for name in SPLITS:
            if not facts["splits"].get(name):
                continue
            positions, labels, rows = (
                _array(folder, f"{name}.{what}.npy") for what in ("positions", "labels", "rows")
            )
            splits[name] = Split(
                cast("npt.NDArray[np.uint8]", StoredImages(shards, positions, blank, group)),
                # A copy, eight bytes a face: torch takes no array that can't be written to.
                np.array(labels),
                rows,
                {c: _column(folder, name, i) for i, c in enumerate(facts["metadata"])},
            )
        names: StoredNames | tuple[str, ...] = ()
        if facts["named"]:
            names = StoredNames(
                np.memmap(folder / "names.txt", np.uint8, "r"), _array(folder, "names.npy")
            )
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
            path = folder / shard_name(i)
            least = count * facts["size"] ** 2
            if not path.is_file() or path.stat().st_size <= least:
                raise DataError(f"{path} is missing or cut off: convert the faces again")
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
    except (ValueError, LookupError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}): convert the faces again") from None
    if version != FORMAT:
        raise DataError(
            f"{path} is of format {version}, and this version of fer reads {FORMAT}: convert the "
            "faces again"
        )
    return facts


def column_name(split: str, number: int) -> str:
    """Return the name of the file of a column of metadata."""
    return f"{split}.metadata-{number}.npy"


def _column(folder: Path, split: str, number: int) -> npt.NDArray[np.generic]:
    return _array(folder, column_name(split, number))


def _array(folder: Path, name: str) -> npt.NDArray[Any]:
    path = folder / name
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path} is missing or damaged ({error}): convert the faces again"
        ) from None
