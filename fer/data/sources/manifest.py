"""Which picture is which row of FER2013: the table that joins folders of pictures to votes by row.

The number in a picture's name is not a row of ``fer2013.csv``, so its pixels have to tell. A
manifest lists a hash of the 2,304 pixels of every row; whoever has the CSV file can write one.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from fer.core.io import atomic_write
from fer.data._hashing import pixel_hash
from fer.data.cleaning.clean import Cleaning
from fer.data.source import SPLITS, DataError, DataNotFoundError, Faces
from fer.data.sources.archives import open_data_file
from fer.data.sources.fer2013_csv import USAGES

#: The columns of a manifest: data row in ``fer2013.csv``, official split, the first 32 hex
#: digits of the SHA-256 of the 2,304 pixels (as good as all 64 for telling pictures apart, and half
#: the file); the lowest row among exact copies, empty where there are none; whether the picture
#: is of one grey value all over (1 or 0); whether copies of it have other labels; and whether the
#: pixels are the same wherever FER2013 is passed around (empty where nothing tells).
COLUMNS: Final = ("row", "split", "sha256", "group", "blank", "conflict", "hash_certain")

#: How a header may begin; the first manifests had the name of FER2013's own column.
_BEGINNINGS: Final = (COLUMNS[:3], ("row", "Usage", "sha256"))

_ADVICE: Final = (
    "What to do: name a manifest by data.manifest=FILE; fer data check fer2013.csv --manifest FILE "
    "makes one."
)
_MAX_LINE: Final = 1000
#: How much of a hash is kept and compared, in bytes.
_KEPT: Final = 16

#: Rows by split and pixel hash, rising.
Manifest = Mapping[tuple[str, bytes], Sequence[int]]


def write_manifest(
    faces: Faces, path: Path, named: Mapping[str, npt.NDArray[np.bool_]] | None = None
) -> None:
    """Write the manifest of FER2013 as read from a CSV file; gzipped where the name ends in .gz.

    It holds no pixels and no labels, so that it can be shared: with it, anyone's copy of FER2013
    can be scored without the test faces that have copies elsewhere.

    Args:
        named: by split, bool ``[N]``: whether FER+ gave each picture a name. Those that it left out
            are not the same pixels in every copy of FER2013.

    Raises:
        DataError: the faces were read from folders, so that their rows are no CSV rows.
    """
    if faces.names:
        raise DataError(
            f"{faces.origin}: the rows of folders of pictures are not those of the CSV",
            code="no_rows",
            where=faces.origin,
        )
    findings = Cleaning("keep", "keep", "keep")(faces).findings
    groups = {finding.row: finding.group for finding in findings if finding.what == "duplicate"}
    blank, conflict = (
        {finding.row for finding in findings if finding.what == what}
        for what in ("blank", "conflict")
    )
    lines: list[tuple[object, ...]] = []
    for split, usage in zip(SPLITS, USAGES, strict=True):
        some = faces.splits[split]
        certain = [""] * len(some) if named is None else named[split].astype(int).tolist()
        for row, image, known in zip(some.rows.tolist(), some.images, certain, strict=True):
            flags = (int(row in blank), int(row in conflict), known)
            lines.append((row, usage, pixel_hash(image)[:_KEPT].hex(), groups.get(row, ""), *flags))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *sorted(lines, key=lambda line: int(str(line[0])))])
    data = text.getvalue().encode()
    with atomic_write(path) as beside:
        # mtime=0: the same faces give the same file.
        beside.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def read_manifest(path: Path) -> tuple[Manifest, str]:
    """Return the rows of a manifest, plain or gzipped, and the SHA-256 of the file.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: it is not a manifest.
    """
    if not path.is_file():
        raise DataNotFoundError(
            f"there is no manifest {path}. {_ADVICE}", code="data_not_found", where=str(path)
        )
    rows = defaultdict[tuple[str, bytes], list[int]](list)
    splits = dict(zip(USAGES, SPLITS, strict=True))
    with open_data_file(path, _ADVICE) as stream:
        header = stream.readline(_MAX_LINE).decode("utf-8", "replace")
        if tuple(name.strip() for name in header.split(","))[:3] not in _BEGINNINGS:
            raise DataError(
                f"{path} is not a manifest: its header does not begin with "
                f"{','.join(COLUMNS[:3])}\n{_ADVICE}",
                code="wrong_header",
                where=f"{path}:1",
            )
        number = 1
        while line := stream.readline(_MAX_LINE):
            number += 1
            try:
                row, usage, digest, *_ = line.decode().strip().split(",")
                rows[splits[usage], bytes.fromhex(digest)[:_KEPT]].append(int(row))
            except (ValueError, KeyError):
                raise DataError(
                    f"{path}: line {number} is not a row, one of {', '.join(USAGES)}, and a hash\n"
                    f"{_ADVICE}",
                    code="not_a_row",
                    where=f"{path}:{number}",
                ) from None
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return {key: sorted(found) for key, found in rows.items()}, sha256


def rows_by_pixels(faces: Faces, manifest: Manifest) -> dict[str, npt.NDArray[np.int64]]:
    """Return each face's row in the CSV file, -1 where the manifest does not know its pixels.

    Exact copies in one split take their rows in turn: which is which, nothing can tell.

    Faces are 48×48 pixels; the rows are int64 ``[N]`` by split.
    """
    found = {}
    for name, split in faces.splits.items():
        used: defaultdict[bytes, int] = defaultdict(int)
        rows = np.full(len(split), -1, dtype=np.int64)
        for i, image in enumerate(split.images):
            digest = pixel_hash(image)[:_KEPT]
            candidates = manifest.get((name, digest), ())
            if used[digest] < len(candidates):
                rows[i] = candidates[used[digest]]
                used[digest] += 1
        found[name] = rows
    return found
