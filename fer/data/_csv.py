"""Parse faces in FER2013's form: one row an image, its pixels as decimal text."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from fer.core.labels import EMOTIONS, canonical
from fer.data.issues import KEPT, Defect, DefectiveRowsError, RowError
from fer.data.source import DataError

#: Height and width of a face, in pixels.
SIDE: Final = 48
PIXELS: Final = SIDE * SIDE

#: The names in the ``Usage`` column, in the order of :data:`fer.data.source.SPLITS`.
USAGES: Final[tuple[str, ...]] = ("Training", "PublicTest", "PrivateTest")

#: The longest line that is read, in bytes with its line end: seven times what a face needs, so
#: there is room for odd spacing. It bounds the memory whatever the file turns out to be.
MAX_LINE: Final = 1 << 16

#: The numbers, as tables turn them into floats too.
_LABELS: Final[Mapping[bytes, int]] = {
    text.encode(): label for label in range(7) for text in (f"{label}", f"{label}.0")
}
_SPLITS: Final[Mapping[bytes, int]] = {usage.encode(): i for i, usage in enumerate(USAGES)}
_UTF8_BOM: Final = b"\xef\xbb\xbf"
_INTEGER: Final = re.compile(rb"([+-]?)0*(\d+)")


@dataclass(frozen=True, slots=True)
class FaceTable:
    """The rows of a file, in its order.

    Attributes:
        images: uint8 ``[N, 48, 48]``.
        labels: int64 ``[N]``, 0 to 6.
        splits: uint8 ``[N]``, positions in :data:`USAGES`.
        rows: int64 ``[N]``, each face's 0-based data row in the file.
        defects: the defective rows, where they were to be left out; at most :data:`KEPT`.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    splits: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.int64]
    defects: tuple[Defect, ...] = ()


def parse_faces(
    stream: BufferedIOBase, origin: str, advice: str, *, drop_defects: bool = False
) -> FaceTable:
    """Read a whole file in FER2013's form.

    Columns are found by the names ``emotion``, ``pixels`` and ``Usage``, in any order and beside
    any others. Blank lines are skipped and count as lines, but not as rows.

    Args:
        stream: the file's bytes.
        origin: its name, for messages.
        advice: what to do about a broken file, the last line of every message.
        drop_defects: leave broken rows out rather than refuse the file.

    Raises:
        DefectiveRowsError: rows are broken, and not to be left out.
        DataError: the file is empty, lacks a column, rows, or all rows of a split, or has more
            than :data:`KEPT` broken rows.
    """
    columns = _Columns.read(stream, origin, advice)
    images, labels, splits, rows = bytearray(), bytearray(), bytearray(), list[int]()
    defects, total, row = list[Defect](), 0, -1
    for row, (number, line) in enumerate(_rows(stream)):
        try:
            label, pixels, split = columns.parse(line)
        except RowError as error:
            total += 1
            if total > KEPT:
                # Three times the rows of FER2013: an archive may unpack to a billion of them.
                raise DataError(
                    f"{origin}: more than {KEPT:,} rows are defective, the first in line "
                    f"{defects[0].line}: {defects[0].detail}. It was not read any further\n{advice}"
                ) from None
            cut = "" if line.endswith(b"\n") else "; the file ends here, perhaps mid-row"
            defects.append(Defect(number, row, error.kind, error.detail + cut))
            continue
        images += pixels
        labels.append(label)
        splits.append(split)
        rows.append(row)
    if total and not drop_defects:
        raise DefectiveRowsError(origin, defects, total, advice)
    if row < 0:
        raise DataError(f"{origin}: the file has a header, but no rows\n{advice}")
    for code, usage in enumerate(USAGES):
        if code not in splits:
            if total:
                # Perhaps the rows of this split are among the broken ones, perhaps all are.
                raise DefectiveRowsError(origin, defects, total, advice)
            raise DataError(f"{origin}: no row has the split {usage}\n{advice}")
    return FaceTable(
        images=np.frombuffer(images, dtype=np.uint8).reshape(-1, SIDE, SIDE),
        labels=np.frombuffer(labels, dtype=np.uint8).astype(np.int64),
        splits=np.frombuffer(splits, dtype=np.uint8),
        rows=np.array(rows, dtype=np.int64),
        defects=tuple(defects),
    )


def _rows(stream: BufferedIOBase) -> Iterator[tuple[int, bytes]]:
    """Yield physical line number and bytes of each line after the header that is not blank.

    Of a line longer than :data:`MAX_LINE` only the start is kept, and the line end if it has one.
    """
    for number in itertools.count(2):
        line = stream.readline(MAX_LINE + 1)
        if not line:
            return
        if len(line) > MAX_LINE:
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = stream.readline(MAX_LINE)
            yield number, line + rest[-1:]
        elif not line.isspace():
            yield number, line


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where the three columns are, and how many fields a row has."""

    count: int
    emotion: int
    pixels: int
    usage: int

    @classmethod
    def read(cls, stream: BufferedIOBase, origin: str, advice: str) -> Self:
        header = stream.readline(MAX_LINE)
        if not header:
            raise DataError(f"{origin}: the file is empty\n{advice}")
        header = header.removeprefix(_UTF8_BOM).rstrip(b"\r\n")
        try:
            names = [name.strip() for name in _fields(header)]
        except RowError:
            names = []
        if b"pixels" not in names and len(header) < PIXELS:
            # Too short for a row of FER2013 without its header, and so of another data set.
            raise DataError(
                f"{origin}: not in FER2013's form, since its first line is {_shown(header, 80)} "
                "instead of emotion,pixels,Usage\n"
                "What to do: give FER2013's own file. A list of pictures is read by data=table, as "
                "a CSV file with the columns path, label and split; pictures in folders "
                "train/<class>/ by data=folder"
            )
        places = []
        for name in ("emotion", "pixels", "Usage"):
            if (count := names.count(name.encode())) != 1:
                problem = f"{count} columns are" if count else "no column is"
                raise DataError(
                    f"{origin}: {problem} named {name!r}; the header is {_shown(header, 80)}, "
                    f"and emotion,pixels,Usage is expected\n{advice}"
                )
            places.append(names.index(name.encode()))
        return cls(len(names), *places)

    def parse(self, line: bytes) -> tuple[int, bytes, int]:
        """Return label, pixels (a byte each) and split of a row.

        Raises:
            RowError: the row is broken.
        """
        if len(line) > MAX_LINE:
            raise RowError("line", f"the line is longer than {MAX_LINE:,} bytes")
        fields = _fields(line.rstrip(b"\r\n"))
        if len(fields) != self.count:
            noun = "field" if len(fields) == 1 else "fields"
            raise RowError("fields", f"{len(fields)} {noun} instead of {self.count}")
        label_text, usage_text = fields[self.emotion].strip(), fields[self.usage].strip()
        label = _label(label_text)
        pixels = _pixels(fields[self.pixels].strip())
        if (split := _SPLITS.get(usage_text)) is None:
            known = ", ".join(USAGES)
            raise RowError("split", f"split {_shown(usage_text)} is none of {known}")
        return label, pixels, split


def _label(text: bytes) -> int:
    if (label := _LABELS.get(text)) is not None:
        return label
    try:
        return EMOTIONS.index(canonical(text.decode()))
    except ValueError:
        raise RowError("label", f"label {_shown(text)} is none of 0-6, nor an emotion") from None


def _fields(line: bytes) -> list[bytes]:
    if b'"' not in line:
        return line.split(b",")
    # Quotes are rare enough for the csv module, which wants text. Latin-1 maps every byte to one
    # character and back. No quoted field of this form holds a line break, so none may here.
    try:
        (fields,) = csv.reader([line.decode("latin-1")], strict=True)
    except (csv.Error, ValueError):
        raise RowError("fields", "a quoted field does not end, or not before a comma") from None
    return [field.encode("latin-1") for field in fields]


def _pixels(text: bytes) -> bytes:
    """Turn 2,304 decimal numbers into as many bytes.

    NumPy's text parser is three times as fast as ``int`` a number, but guesses where the text is
    not made of digits and spaces; such text goes the slow way, which also says what is wrong.
    """
    if not text.translate(None, b"0123456789 "):
        values = np.fromstring(text, dtype=np.int64, sep=" ")
        if values.size == PIXELS and values.max() <= 255:
            return values.astype(np.uint8).tobytes()
    return _pixels_one_by_one(text)


def _pixels_one_by_one(text: bytes) -> bytes:
    words = text.split()
    if len(words) != PIXELS:
        noun = "pixel" if len(words) == 1 else "pixels"
        raise RowError("pixel_count", f"{len(words)} {noun} instead of {PIXELS}")
    values = bytearray()
    for place, word in enumerate(words, start=1):
        match = _INTEGER.fullmatch(word)
        if match is None:
            raise RowError("pixel_number", f"pixel {place} is {_shown(word)}, {_not_what(word)}")
        sign, digits = match.groups()
        # The length is looked at first: int() refuses thousands of digits.
        value = int(digits) if len(digits) <= 3 else 256
        if value > 255 or (value and sign == b"-"):
            raise RowError("pixel_range", f"pixel {place} is {_shown(word)[1:-1]}, outside 0-255")
        values.append(value)
    return bytes(values)


def _not_what(word: bytes) -> str:
    try:
        float(word)
    except ValueError:
        return "not a number"
    return "not a whole number"


def _shown(text: bytes, limit: int = 24) -> str:
    """Quote bytes for a message: anything but printable ASCII escaped, long text cut."""
    quoted = repr(text[:limit])[1:]
    return quoted if len(text) <= limit else f"{quoted[:-1]}...{quoted[-1]}"
