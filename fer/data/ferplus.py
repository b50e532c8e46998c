"""The source ``ferplus``: FER2013's faces with the votes of ten people each."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from fer.core.labels import EMOTIONS
from fer.core.metadata import Columns
from fer.data._archive import first_file
from fer.data._votes import Verdicts, Votes, judge, read_votes
from fer.data.fer2013 import Defects, Fer2013
from fer.data.issues import Finding
from fer.data.manifest import read_manifest, rows_by_pixels
from fer.data.source import DataError, DataNotFoundError, Faces, Split

Target = Literal["majority", "distribution"]

#: FER+'s eighth class, behind the seven.
CONTEMPT: Final = "contempt"

#: The file of the votes, looked for beside FER2013.
VOTES: Final = "fer2013new.csv"

_GET: Final = "fer2013new.csv is in the repository microsoft/FERPlus"


class FerPlus:
    """FER+ on FER2013's official split (Barsoum et al. 2016, arXiv:1608.01041).

    The votes belong to the rows of ``fer2013.csv`` in their order; the number in a picture's name
    is not the row. Folders of pictures have no such rows: their pixels are looked up in a manifest
    (:mod:`fer.data.manifest`).

    ``majority`` keeps the faces with a single highest number of votes among FER+'s ten columns, if
    it is for one of the classes: pictures without a name, ties, ``unknown`` and no face, and with
    seven classes contempt, are left out and reported. ``distribution`` brings the share of each
    class among the votes for any of them as targets beside the labels; training faces whose votes
    are tied stay then, labelled by the first of the classes with the most votes. Validation and
    test faces are the same ones either way, so that accuracies can be compared.

    Args:
        root: where FER2013 is, see :class:`fer.data.fer2013.Fer2013`.
        votes: the table of votes; by default :data:`VOTES` in the folder of FER2013's file, or
            beside ``train`` and ``test``, or above where that folder is called ``fer2013``.
        target: what is to be learnt.
        classes: 7, or 8 with contempt.
        manifest: which pixels are which row; needed for folders of pictures, unused otherwise.
        cache: the folder for the parsed copy of FER2013.
        defects: as for FER2013.

    Raises:
        ValueError: an argument is none of its choices.
    """

    def __init__(
        self,
        root: str | None = None,
        *,
        votes: str | None = None,
        target: Target = "majority",
        classes: Literal[7, 8] = 7,
        manifest: str | None = None,
        cache: str | None = None,
        defects: Defects = "fatal",
    ) -> None:
        if target not in ("majority", "distribution"):
            raise ValueError(f"target must be majority or distribution, not {target!r}")
        if classes not in (7, 8):
            raise ValueError(f"classes must be 7 or 8, not {classes}")
        self.target = target
        self._classes = EMOTIONS if classes == 7 else (*EMOTIONS, CONTEMPT)
        self._faces = Fer2013(root, cache, defects)
        self._votes = Path(votes).expanduser() if votes else None
        self.manifest = Path(manifest).expanduser() if manifest else None

    def class_names(self) -> tuple[str, ...]:
        """Return the seven emotions, and contempt if there are eight classes."""
        return self._classes

    def metadata_columns(self) -> Columns:
        """Return nothing: these pictures come without metadata."""
        return {}

    def load(self) -> Faces:
        """Return the faces that FER+ has something to say about.

        Raises:
            DataNotFoundError: FER2013, the votes or the manifest are not there.
            DataError: FER2013 or the votes are broken, they do not belong together, or folders of
                pictures come without a manifest.
            CacheError: the cache folder cannot be written.
            OSError: a file cannot be read.
        """
        path, votes, faces, rows, manifest_hash = load_joined(
            self._faces, self._votes, self.manifest
        )
        identity = [faces.fingerprint, votes.sha256, self.target, *self._classes]
        identity += [manifest_hash] if manifest_hash else []
        splits, findings = {}, list(faces.findings)
        for name, split in faces.splits.items():
            known = rows[name] >= 0
            place = np.where(known, rows[name], 0)
            verdicts = judge(votes.counts[place], votes.named[place], self._classes)
            reasons = np.where(known, verdicts.reasons, "not in manifest")
            splits[name], some = self._apply(name, split, verdicts, reasons)
            findings += some
        return replace(
            faces,
            classes=self._classes,
            splits=splits,
            fingerprint=hashlib.sha256(" ".join(identity).encode()).hexdigest(),
            origin=f"{faces.origin} with the votes of {path}",
            findings=tuple(findings),
        )

    def _apply(
        self, name: str, split: Split, verdicts: Verdicts, reasons: npt.NDArray[np.str_]
    ) -> tuple[Split, list[Finding]]:
        keep = reasons == ""
        if self.target == "distribution" and name == "train":
            keep |= reasons == "tie"
        findings = [
            Finding(int(split.rows[i]), name, str(reasons[i]), "kept" if keep[i] else "dropped")
            for i in np.flatnonzero(reasons != "")
        ]
        targets = verdicts.shares if self.target == "distribution" else None
        return replace(split, labels=verdicts.labels, targets=targets).take(keep), findings


def load_joined(
    source: Fer2013, named: Path | None, manifest: Path | None
) -> tuple[Path, Votes, Faces, dict[str, npt.NDArray[np.int64]], str | None]:
    """Read FER2013 and its votes: their file, the votes, the faces, and :func:`join_votes` of them.

    Raises:
        DataError: FER2013 or the votes are not there, are broken or do not belong together.
        CacheError: the cache folder cannot be written.
        OSError: a file cannot be read.
    """
    # Before FER2013 is read, whose first parsing takes long.
    path = find_votes(source.find(), named)
    votes = read_votes(path)
    faces = source.load()
    return path, votes, faces, *join_votes(faces, votes, path, manifest)


def find_votes(faces: Path, named: Path | None = None) -> Path:
    """Return the table of votes.

    Args:
        faces: FER2013's file, or its folder of folders of pictures.
        named: the one that was asked for; by default it is looked for in :func:`vote_places`.

    Raises:
        DataNotFoundError: there is none.
    """
    candidates = [named] if named else vote_places(faces)
    path = first_file(candidates)
    if path is None:
        looked = "".join(f"\n  {place}" for place in candidates)
        raise DataNotFoundError(
            f"the votes of FER+ were not found. Looked for:{looked}\n{_GET}; put it beside "
            "FER2013 (data.root), or name it by data.votes=FILE"
        )
    return path


def vote_places(faces: Path) -> list[Path]:
    """Return where the votes are looked for.

    Args:
        faces: FER2013's file, or its folder of folders of pictures.
    """
    folder = faces.parent if faces.is_file() else faces
    # Perhaps found in a folder of the root, and the votes lie in the root.
    above = [folder.parent / VOTES] if folder.name == "fer2013" else []
    return [folder / VOTES, *above]


def join_votes(
    faces: Faces, votes: Votes, path: Path, manifest: Path | None = None
) -> tuple[dict[str, npt.NDArray[np.int64]], str | None]:
    """Find each face's row in the table of votes.

    Args:
        faces: FER2013, as its source gave them.
        votes: the table.
        path: its file, for messages.
        manifest: which pixels are which row; needed for folders of pictures, unused otherwise.

    Returns:
        int64 ``[N]`` by split, -1 where the manifest does not know the pixels, and the SHA-256 of
        the manifest where one was used.

    Raises:
        DataNotFoundError: there is no such manifest.
        DataError: faces and votes do not belong together, or pictures come without a manifest.
        OSError: the manifest cannot be read.
    """
    digest = None
    if faces.names:
        rows, digest = look_up(faces, manifest)
    else:
        rows = {name: split.rows for name, split in faces.splits.items()}
        _check_count(faces, votes, path)
    for name, found in rows.items():
        check_usage(name, found[found >= 0], votes, path)
    return rows, digest


def look_up(faces: Faces, path: Path | None) -> tuple[dict[str, npt.NDArray[np.int64]], str]:
    """Find the rows in ``fer2013.csv`` of FER2013 as pictures, by their pixels.

    Returns:
        int64 ``[N]`` by split, -1 where the manifest does not know the pixels, and its SHA-256.

    Raises:
        DataNotFoundError: there is no such manifest.
        DataError: none is named, it is no manifest, or most of the pixels are unknown to it.
        OSError: it cannot be read.
    """
    if path is None:
        raise DataError(
            f"{faces.origin} is FER2013 as pictures, whose names do not tell their rows in "
            "fer2013.csv, by which FER+ has its votes. Use FER2013 as a CSV file, or name a "
            "manifest of pixel hashes by data.manifest=FILE"
        )
    manifest, sha256 = read_manifest(path)
    rows = rows_by_pixels(faces, manifest)
    total = sum(len(found) for found in rows.values())
    unknown = sum(int((found < 0).sum()) for found in rows.values())
    if 2 * unknown > total:
        raise DataError(
            f"{faces.origin}: {unknown:,} of {total:,} pictures have pixels that "
            f"{path} does not know. The pictures may have been packed with losses: "
            "FER+ can then be joined to FER2013 as a CSV file alone"
        )
    return rows, sha256


def _check_count(faces: Faces, votes: Votes, path: Path) -> None:
    total = sum(len(split) for split in faces.splits.values()) + len(faces.findings)
    if total != len(votes.counts):
        raise DataError(
            f"{path} has votes on {len(votes.counts):,} rows, but {faces.origin} has {total:,}: "
            "they are joined by row, so they do not belong together"
        )


def check_usage(name: str, rows: npt.NDArray[np.int64], votes: Votes, path: Path) -> None:
    """Hold that votes on the rows of a split are of that split.

    Raises:
        DataError: they are not, or are not there.
    """
    if rows.size and rows.max() >= len(votes.counts):
        raise DataError(
            f"{path} has votes on {len(votes.counts):,} rows, but the faces go on to row "
            f"{rows.max():,}: they do not belong together"
        )
    wrong = rows[votes.splits[rows] != name]
    if wrong.size:
        row = int(wrong[0])
        raise DataError(
            f"{path}: {wrong.size:,} rows are of another split than in FER2013, the first is row "
            f"{row} ({votes.splits[row]} here, {name} there): they do not belong together"
        )
