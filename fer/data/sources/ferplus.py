"""The source ``ferplus``: FER2013's faces with the votes of ten people each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from fer.core.labels import EMOTIONS, FERPLUS
from fer.core.metadata import Columns
from fer.data.issues import Finding
from fer.data.source import SPLITS, DataError, DataNotFoundError, Faces, Split
from fer.data.sources.archives import first_file
from fer.data.sources.fer2013 import Defects, Fer2013
from fer.data.sources.fer2013_csv import USAGES
from fer.data.sources.manifest import read_manifest, rows_by_pixels
from fer.data.table_file import read_table

Target = Literal["majority", "distribution"]

#: FER+'s eighth class, behind the seven.
CONTEMPT: Final = "contempt"

#: The file of the votes, looked for beside FER2013.
VOTES: Final = "fer2013new.csv"

_GET: Final = "fer2013new.csv is in the repository microsoft/FERPlus"
#: How many bytes a table of votes may have: ten times what FER+'s has.
_LARGEST: Final = 1 << 24
_COLUMNS: Final = ("Image name", *FERPLUS)
_ADVICE: Final = "What to do: take fer2013new.csv from FER+'s repository again (microsoft/FERPlus)."


class FerPlus:
    """FER+ on FER2013's official split (Barsoum et al. 2016, arXiv:1608.01041).

    The votes belong to the rows of ``fer2013.csv`` in their order; the number in a picture's name
    is not the row. Folders of pictures have no such rows: their pixels are looked up in a manifest
    (:mod:`fer.data.sources.manifest`).

    ``majority`` keeps the faces with a single highest number of votes among FER+'s ten columns, if
    it is for one of the classes: pictures without a name, ties, ``unknown`` and no face, and with
    seven classes contempt, are left out and reported. ``distribution`` brings the share of each
    class among the votes for any of them as targets beside the labels; training faces whose votes
    are tied stay then, labelled by the first of the classes with the most votes. Validation and
    test faces are the same ones either way, so that accuracies can be compared.

    Args:
        root: where FER2013 is, see :class:`fer.data.sources.fer2013.Fer2013`.
        votes: the table of votes; by default :data:`VOTES` in the folder of FER2013's file, or
            beside ``train`` and ``test``, or above where that folder is called ``fer2013``.
        target: what is to be learnt.
        classes: 7, or 8 with contempt.
        manifest: which pixels are which row; needed for folders of pictures, unused otherwise.
        cache: the folder for the parsed copy of FER2013.
        defects: as for FER2013.
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
            majority = majority_vote(votes.counts[place], votes.named[place], self._classes)
            reasons = np.where(known, majority.reasons, "not in manifest")
            splits[name], some = self._apply(name, split, majority, reasons)
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
        self, name: str, split: Split, majority: MajorityLabels, reasons: npt.NDArray[np.str_]
    ) -> tuple[Split, list[Finding]]:
        keep = reasons == ""
        if self.target == "distribution" and name == "train":
            keep |= reasons == "tie"
        findings = [
            Finding(int(split.rows[i]), name, str(reasons[i]), "kept" if keep[i] else "dropped")
            for i in np.flatnonzero(reasons != "")
        ]
        targets = majority.shares if self.target == "distribution" else None
        return replace(split, labels=majority.labels, targets=targets).take(keep), findings


def load_joined(
    source: Fer2013, named: Path | None, manifest: Path | None
) -> tuple[Path, Votes, Faces, dict[str, npt.NDArray[np.int64]], str | None]:
    """Read FER2013 and its votes: their file, the votes, the faces, and :func:`join_votes` of them.

    Raises:
        DataError: FER2013 or the votes are not there, are broken or do not belong together.
        CacheError: the cache folder cannot be written.
    """
    # Before FER2013 is read, whose first parsing takes long.
    path = find_votes(source.find(), named)
    votes = read_votes(path)
    faces = source.load()
    return path, votes, faces, *join_votes(faces, votes, path, manifest)


def find_votes(faces: Path, named: Path | None = None) -> Path:
    """Return the table of votes, by default the first found in :func:`vote_places`.

    Raises:
        DataNotFoundError: there is none.
    """
    candidates = [named] if named else vote_places(faces)
    path = first_file(candidates)
    if path is None:
        looked = "".join(f"\n  {place}" for place in candidates)
        raise DataNotFoundError(
            f"the votes of FER+ were not found. Looked for:{looked}\n{_GET}; put it beside "
            "FER2013 (data.root), or name it by data.votes=FILE",
            code="data_not_found",
            where="data.votes",
        )
    return path


def vote_places(faces: Path) -> list[Path]:
    """Return where votes are looked for, given FER2013's file or its folder of pictures."""
    folder = faces.parent if faces.is_file() else faces
    # Perhaps found in a folder of the root, and the votes lie in the root.
    above = [folder.parent / VOTES] if folder.name == "fer2013" else []
    return [folder / VOTES, *above]


def join_votes(
    faces: Faces, votes: Votes, path: Path, manifest: Path | None = None
) -> tuple[dict[str, npt.NDArray[np.int64]], str | None]:
    """Find each face's row in the table of votes.

    Args:
        path: the file of the votes, for messages.
        manifest: which pixels are which row; needed for folders of pictures, unused otherwise.

    Returns:
        int64 ``[N]`` by split, -1 where the manifest does not know the pixels, and the SHA-256 of
        the manifest where one was used.

    Raises:
        DataNotFoundError: there is no such manifest.
        DataError: faces and votes do not belong together, or pictures come without a manifest.
    """
    digest = None
    if faces.names:
        rows, digest = look_up(faces, manifest)
    else:
        rows = {name: split.rows for name, split in faces.splits.items()}
        total = sum(len(split) for split in faces.splits.values()) + len(faces.findings)
        if total != len(votes.counts):
            raise _misfit(
                path,
                f"has votes on {len(votes.counts):,} rows, but {faces.origin} has {total:,}, and "
                "they are joined by row",
            )
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
    """
    if path is None:
        raise DataError(
            f"{faces.origin} is FER2013 as pictures, whose names do not tell their rows in "
            "fer2013.csv, by which FER+ has its votes. Use FER2013 as a CSV file, or name a "
            "manifest of pixel hashes by data.manifest=FILE",
            code="no_manifest",
            where="data.manifest",
        )
    manifest, sha256 = read_manifest(path)
    rows = rows_by_pixels(faces, manifest)
    total = sum(len(found) for found in rows.values())
    unknown = sum(int((found < 0).sum()) for found in rows.values())
    if 2 * unknown > total:
        raise DataError(
            f"{faces.origin}: {unknown:,} of {total:,} pictures have pixels that "
            f"{path} does not know. The pictures may have been packed with losses: "
            "FER+ can then be joined to FER2013 as a CSV file alone",
            code="unknown_pixels",
            where=str(path),
        )
    return rows, sha256


def check_usage(name: str, rows: npt.NDArray[np.int64], votes: Votes, path: Path) -> None:
    """Raise a :class:`DataError` unless there are votes on all rows, and of the same split."""
    if rows.size and rows.max() >= len(votes.counts):
        raise _misfit(
            path,
            f"has votes on {len(votes.counts):,} rows, but the faces go on to row {rows.max():,}",
        )
    wrong = rows[votes.splits[rows] != name]
    if wrong.size:
        row = int(wrong[0])
        raise _misfit(
            path,
            f"has {wrong.size:,} rows of another split than FER2013, the first is row {row} "
            f"({votes.splits[row]} here, {name} there)",
        )


def _misfit(path: Path, problem: str) -> DataError:
    return DataError(
        f"{path} {problem}: they do not belong together", code="other_votes", where=str(path)
    )


@dataclass(frozen=True, slots=True)
class Votes:
    """FER+'s table, in its order, which is that of ``fer2013.csv``.

    Attributes:
        splits: N names of :data:`fer.data.source.SPLITS`.
        named: bool ``[N]``; false where FER+ left the picture out.
        counts: int64 ``[N, 10]``, votes in the order of :data:`fer.core.labels.FERPLUS`.
        sha256: of the file.
    """

    splits: npt.NDArray[np.str_]
    named: npt.NDArray[np.bool_]
    counts: npt.NDArray[np.int64]
    sha256: str


def read_votes(path: Path) -> Votes:
    """Read ``fer2013new.csv``.

    Raises:
        DataError: it is another file, or a row is broken.
    """
    if (size := path.stat().st_size) > _LARGEST:
        raise DataError(
            f"{path}: {size:,} bytes are more than a table of votes has\n{_ADVICE}",
            code="not_votes",
            where=str(path),
        )
    table = read_table(path, "Usage")
    if tuple(table.cells) != _COLUMNS:
        raise DataError(
            f"{path}: the columns are Usage,{','.join(table.cells)[:200]}, and "
            f"Usage,{','.join(_COLUMNS)} are expected\n{_ADVICE}",
            code="wrong_header",
            where=f"{path}:1",
        )
    words = np.array([table.cells[name] for name in FERPLUS], dtype=np.str_).T
    sound = (np.char.isdecimal(words) & (np.char.str_len(words) < 9)).all(axis=1)
    sound &= np.isin(np.array(table.keys, dtype=np.str_), USAGES)
    if not sound.all():
        what = f"is not a split, a name and {len(FERPLUS)} numbers of votes\n{_ADVICE}"
        raise table.error(int(np.argmin(sound)), what, "broken_votes")
    split_of = dict(zip(USAGES, SPLITS, strict=True))
    return Votes(
        np.array([split_of[usage] for usage in table.keys], dtype=np.str_),
        np.array([bool(name) for name in table.cells["Image name"]], dtype=np.bool_),
        words.astype(np.int64).reshape(-1, len(FERPLUS)),
        table.sha256,
    )


@dataclass(frozen=True, slots=True)
class MajorityLabels:
    """What the votes on a number of faces come to.

    Attributes:
        labels: int64 ``[N]``: the class with the most votes, the first of equals.
        shares: float32 ``[N, C]``: the share of each class among the votes for any of the classes;
            zeros where no vote is for one.
        reasons: ``N`` texts: why a face has no majority among the classes, one of
            :data:`fer.data.issues.KINDS`; empty where it has one.
    """

    labels: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float32]
    reasons: npt.NDArray[np.str_]


def majority_vote(
    counts: npt.NDArray[np.int64], named: npt.NDArray[np.bool_], classes: Sequence[str]
) -> MajorityLabels:
    """Return what votes come to, for the classes in question.

    A majority is a single highest number of votes among all ten columns, for one of the classes.

    Args:
        counts: int ``[N, 10]``, in the order of :data:`fer.core.labels.FERPLUS`.
        named: bool ``[N]``; false where FER+ left the picture out.
    """
    meanings = list(FERPLUS.values())
    ours = counts[:, [meanings.index(name) for name in classes]]
    total = ours.sum(axis=1, keepdims=True)
    highest = counts.max(axis=1, keepdims=True)
    winner = counts.argmax(axis=1)
    is_face = np.array([meaning is not None for meaning in meanings])[winner]
    is_ours = np.array([meaning in classes for meaning in meanings])[winner]
    # Between others, a tie is as good as any of their wins: the picture is none of the classes'.
    is_tied = ((counts == highest).sum(axis=1) > 1) & (ours == highest).any(axis=1)
    reasons = np.select(
        [~named, is_tied, ~is_face, ~is_ours], ["unnamed", "tie", "no face", "contempt"], ""
    )
    shares = np.divide(ours, total, out=np.zeros(ours.shape), where=total > 0)
    return MajorityLabels(ours.argmax(axis=1), shares.astype(np.float32), reasons)
