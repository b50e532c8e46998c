"""Metadata from a table for any data set: ``data.metadata=FILE``."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from pathlib import Path
from typing import Final

from fer.core.metadata import Columns, describe
from fer.data.source import DataError, Faces, Source, WrappedSource
from fer.data.table_file import read_table

_LOG: Final = logging.getLogger(__name__)


class WithMetadata(WrappedSource):
    """A source whose faces get metadata from a table.

    Its column ``row`` names the face as predictions do (the 0-based data row of a CSV file, the
    position of a picture among all sorted by path); every other column is a feature, of numbers or
    of text. Faces that the table does not name, and empty cells, are missing. Columns that the
    source brings itself stay, unless the table has the same. The table is CSV or parquet.
    """

    def __init__(self, source: Source, file: str) -> None:
        super().__init__(source)
        self.file = Path(file).expanduser()
        # A run reads the table more than once.
        self._warned = False

    def metadata_columns(self) -> Columns:
        """Return the description of the training faces' metadata."""
        own = describe(self.load().splits["train"].metadata)
        return {**self.source.metadata_columns(), **own}

    def load(self) -> Faces:
        """Return the faces with their metadata.

        Raises:
            DataError: the data or the table is missing or broken.
        """
        if not self.file.is_file():
            raise DataError(
                f"data.metadata={self.file}: there is no such file",
                code="data_not_found",
                where="data.metadata",
            )
        table = read_table(self.file, "row")
        for i, key in enumerate(table.keys):
            if not key.isdecimal():
                what = f"has {key!r} in the column 'row', where a whole number from 0 is needed"
                raise table.error(i, what, "not_a_row")
        faces = self.source.load()
        keys = [str(int(key)) for key in table.keys]
        splits = {}
        unknown = set(range(len(keys)))
        for name, split in faces.splits.items():
            columns, elsewhere = table.columns(keys, [str(row) for row in split.rows])
            unknown &= set(elsewhere)
            splits[name] = replace(split, metadata={**split.metadata, **columns})
        if unknown and len(unknown) == len(keys):
            raise DataError(
                f"{self.file}: none of its rows is a face of {faces.origin}",
                code="no_face",
                where=str(self.file),
            )
        if unknown and not self._warned:
            self._warned = True
            first = min(unknown, key=lambda i: table.lines[i])
            _LOG.warning(
                "%s: %s of its %s rows name no face that is used, the first is row %s (row %s of "
                "the table)",
                *(self.file, f"{len(unknown):,}", f"{len(keys):,}", keys[first]),
                table.lines[first],
            )
        fingerprint = hashlib.sha256(f"{faces.fingerprint} {table.sha256}".encode()).hexdigest()
        return replace(faces, splits=splits, fingerprint=fingerprint)
