"""From a path to the source that reads it, without being told which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fer.data.cache import verifying
from fer.data.source import DataError, DataNotFoundError, Faces, Source
from fer.data.sources.fer2013 import PLACES, Fer2013, has_train, is_official
from fer.data.sources.folder import ImageFolder
from fer.data.sources.table import FaceTable, is_label_table
from fer.pixels import Fit

_FORMS = (
    "fer2013.csv or icml_face_data.csv (plain, .gz, in a .zip or .tar.gz), a folder that holds one "
    "of them, a folder of pictures train|val|test/<class>/*, or a table (CSV or parquet) with the "
    "columns path, label and split"
)


def open_dataset(
    path: Path, *, size: int, fit: Fit, val_share: float, cache: str | None = None
) -> tuple[Faces, str]:
    """Read a data set in any of the forms that training reads; what is broken is left out.

    Args:
        size: height and width that pictures are scaled to, in pixels.
        fit: how pictures that are not square become so.
        val_share: the share of each class in ``train`` that is drawn where there is no ``val``.

    Returns:
        The faces, what was left out among their findings, and the choice of ``data=``.

    Raises:
        DataNotFoundError: there is no such path, or nothing of these forms in it.
        DataError: what is there can't be read, or holds no faces.
        CacheError: the cache folder cannot be written.
    """
    if not path.exists():
        raise _not_found(f"{path} does not exist", path)
    options: dict[str, Any] = {
        "size": size,
        "fit": fit,
        "val_share": val_share,
        "cache": cache,
        "defects": "drop",
    }
    source: Source
    if path.is_file() and is_label_table(path):
        source, name = FaceTable(str(path), **options), "table"
    elif path.is_file() or any((path / place).is_file() for place in PLACES):
        source, name = Fer2013(str(path), cache, "drop"), "fer2013"
    elif official := next((f for f in (path, path / "fer2013") if is_official(f)), None):
        source, name = Fer2013(str(official), cache, "drop"), "fer2013"
    elif has_train(path):
        source, name = ImageFolder(str(path), **options), "folder"
    else:
        raise _not_found(f"{path} holds no data set that is known", path)
    with verifying():
        return _not_empty(source.load()), name


def _not_found(problem: str, path: Path) -> DataNotFoundError:
    return DataNotFoundError(f"{problem}; PATH is {_FORMS}", code="data_not_found", where=str(path))


def _not_empty(faces: Faces) -> Faces:
    if not any(map(len, faces.splits.values())):
        defects = "".join(f"\n  {finding.detail}" for finding in faces.findings[:10])
        raise DataError(
            f"{faces.origin}: none of its pictures can be read:{defects}",
            code="broken_pictures",
            where=faces.origin,
        )
    return faces
