"""The source ``table``: pictures that a table names, with their labels."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fer.data._label_table import read_label_table
from fer.data._pictures import PictureFile
from fer.data.picture_source import Listing, PictureSource
from fer.data.source import DataError, DataNotFoundError

_SHOWN: Final = 10


class FaceTable(PictureSource):
    """Pictures of a table with the columns ``path``, ``label`` and, if need be, ``split``.

    Paths are below the folder of the table, splits ``train``, ``val`` and ``test``; any other
    column is metadata. A picture's row is that of the table, counted from 0. See
    :func:`fer.data._label_table.read_label_table`, and for the arguments
    :class:`~fer.data.picture_source.PictureSource`; ``root`` is the table, CSV or parquet.
    """

    def class_names(self) -> tuple[str, ...]:
        """Return the class names.

        Raises:
            DataNotFoundError: the table is not given or not there.
            DataError: a row is not what it should be.
            OSError: it cannot be read.
        """
        return read_label_table(self._find()).classes

    def listing(self) -> Listing:
        """Return which pictures there are.

        Raises:
            DataNotFoundError: the table is not given or not there.
            DataError: a row is not what it should be, or pictures are not there.
            OSError: it cannot be read.
        """
        path = self._find()
        table = read_label_table(path)
        root = path.parent
        files, missing = [], []
        for name in table.paths:
            try:
                stat = (root / name).stat()
            except OSError:
                missing.append(name)
            else:
                files.append(PictureFile(name, stat.st_size, stat.st_mtime_ns))
        if missing:
            more = f" and {len(missing) - _SHOWN:,} more" if len(missing) > _SHOWN else ""
            raise DataError(
                f"{path} names {len(missing):,} of {len(table.paths):,} pictures that are not in "
                f"{root}: {', '.join(missing[:_SHOWN])}{more}"
            )
        return Listing(
            root, files, table.classes, table.splits, table.labels, table.metadata, table.sha256
        )

    def _find(self) -> Path:
        if self.root is None:
            raise DataNotFoundError(
                "data=table needs data.root=FILE, a CSV or parquet file with the columns path, "
                "label and split"
            )
        return self.root
