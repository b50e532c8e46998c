"""Parse faces in FER2013's form: one row an image, its pixels as decimal text."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Final

import numpy as np
import numpy.typing as npt

from fer.core.labels import EMOTIONS, canonical
from fer.data.issues import LISTED, DataError

#: Height and width of a face, in pixels.
SIDE: Final = 48
PIXELS: Final = SIDE * SIDE

#: The names in the ``Usage`` column, in the order of :data:`fer.data.source.SPLITS`.
USAGES: Final[tuple[str, ...]] = ("Training", "PublicTest", "PrivateTest")

#: The longest line that is read, in bytes: seven times what a face needs. It bounds the memory
#: whatever the file turns out to be.
MAX_LINE: Final = 1 << 16

#: Behind as many defective rows a file is something else altogether, and not read on.
MOST_DEFECTS: Final = 100_000

_COLUMNS: Final = ("emotion", "pixels", "Usage")
#: The numbers, as tables turn them into floats too.
_LABELS: Final[Mapping[str, int]] = {
    text: label for label in range(7) for text in (f"{label}", f"{label}.0")
}


@dataclass(frozen=True, slots=True)
class FaceTable:
    """The rows of a file, in its order.

    Attributes:
        images: uint8 ``[N, 48, 48]``.
        labels: int64 ``[N]``, 0 to 6.
        splits: uint8 ``[N]``, positions in :data:`USAGES`.
        rows: int64 ``[N]``, each face's 0-based data row in the file.
        defects: row and problem of the rows that were left out.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    splits: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.int64]
    defects: tuple[tuple[int, str], ...] = ()


def parse_faces(
    stream: BufferedIOBase, origin: str, advice: str, *, drop_defects: bool = False
) -> FaceTable:
    """Read a whole file in FER2013's form.

    Columns are found by the names ``emotion``, ``pixels`` and ``Usage``, in any order and among
    any others. Blank lines are skipped and count as lines, but not as rows.

    Args:
        origin: the file's name, for messages.
        advice: what to do about a broken file, the last line of every message.
        drop_defects: leave broken rows out rather than refuse the file.

    Raises:
        DataError: rows are broken and not to be left out (code ``defective_rows``, the first ten
            of them and their number in the message), or the file is empty, lacks a column, rows,
            or all rows of a split, or has more than :data:`MOST_DEFECTS` broken rows.
    """
    count, places = _read_header(stream, origin, advice)
    images, labels, splits, rows = bytearray(), bytearray(), bytearray(), list[int]()
    defects: list[tuple[int, int, str]] = []
    row = -1
    for row, (number, line) in enumerate(_lines(stream)):
        try:
            pixels, label, split = _parse(line, count, places)
        except ValueError as error:
            cut = "" if line.endswith(b"\n") else "; the file ends here, perhaps mid-row"
            defects.append((number, row, f"{error}{cut}"))
            if len(defects) > MOST_DEFECTS:
                raise _defective(origin, defects, advice, f"more than {MOST_DEFECTS:,}") from None
            continue
        images += pixels
        labels.append(label)
        splits.append(split)
        rows.append(row)
    if row < 0:
        raise DataError(
            f"{origin}: the file has a header, but no rows\n{advice}", code="no_rows", where=origin
        )
    absent = [usage for code, usage in enumerate(USAGES) if code not in splits]
    if defects and (absent or not drop_defects):
        raise _defective(origin, defects, advice, f"{len(defects):,}")
    if absent:
        raise DataError(
            f"{origin}: no row has the split {absent[0]}\n{advice}", code="no_split", where=origin
        )
    return FaceTable(
        np.frombuffer(images, dtype=np.uint8).reshape(-1, SIDE, SIDE),
        np.frombuffer(labels, dtype=np.uint8).astype(np.int64),
        np.frombuffer(splits, dtype=np.uint8),
        np.array(rows, dtype=np.int64),
        tuple((row, f"line {number}: {problem}") for number, row, problem in defects),
    )


def _defective(
    origin: str, defects: list[tuple[int, int, str]], advice: str, total: str
) -> DataError:
    lines = [f"{origin}: {total} row{'s are' if len(defects) > 1 else ' is'} defective:"]
    lines += [f"  line {number}: {problem}" for number, _, problem in defects[:LISTED]]
    if len(defects) > LISTED:
        lines.append(f"  ... and {len(defects) - LISTED:,} more")
    where = f"{origin}:{defects[0][0]}"
    return DataError("\n".join([*lines, advice]), code="defective_rows", where=where)


def _read_header(stream: BufferedIOBase, origin: str, advice: str) -> tuple[int, list[int]]:
    """Return how many columns there are, and where the three are."""
    line = stream.readline(MAX_LINE)
    if not line:
        raise DataError(f"{origin}: the file is empty\n{advice}", code="empty_file", where=origin)
    header = line.decode("utf-8-sig", "surrogateescape").rstrip("\r\n")
    where = f"{origin}:1"
    try:
        names = [name.strip() for name in _fields(header)]
    except ValueError:
        names = []
    if "pixels" not in names and len(header) < PIXELS:
        # Too short for a row of FER2013 without its header, and so of another data set.
        raise DataError(
            f"{origin}: not in FER2013's form, since its first line is {_quoted(header, 80)} "
            "instead of emotion,pixels,Usage\n"
            "What to do: give FER2013's own file. A list of pictures is read by data=table, as "
            "a CSV file with the columns path, label and split; pictures in folders "
            "train/<class>/ by data=folder",
            code="not_fer2013",
            where=where,
        )
    for name in _COLUMNS:
        if (count := names.count(name)) != 1:
            raise DataError(
                f"{origin}: {count or 'no'} column{'s are' if count else ' is'} named {name!r}; "
                f"the header is {_quoted(header, 80)}, and emotion,pixels,Usage is expected\n"
                f"{advice}",
                code="wrong_header",
                where=where,
            )
    return len(names), [names.index(name) for name in _COLUMNS]


def _lines(stream: BufferedIOBase) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of each line after the header that is not blank.

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


def _parse(line: bytes, count: int, places: list[int]) -> tuple[bytes, int, int]:
    """Return pixels (a byte each), label and split of a row; a ValueError says its defect."""
    if len(line) > MAX_LINE:
        raise ValueError(f"the line is longer than {MAX_LINE:,} bytes")
    fields = _fields(line.decode("utf-8", "surrogateescape").rstrip("\r\n"))
    if len(fields) != count:
        raise ValueError(f"{len(fields)} field{'s' * (len(fields) != 1)} instead of {count}")
    emotion, pixels, usage = (fields[place].strip() for place in places)
    if (label := _LABELS.get(emotion)) is None:
        try:
            label = EMOTIONS.index(canonical(emotion))
        except ValueError:
            raise ValueError(f"label {_quoted(emotion)} is none of 0-6, nor an emotion") from None
    if usage not in USAGES:
        raise ValueError(f"split {_quoted(usage)} is none of {', '.join(USAGES)}")
    return _pixels(pixels), label, USAGES.index(usage)


def _fields(line: str) -> list[str]:
    try:
        # No quoted field of this form holds a line break, so a row is a line.
        (fields,) = csv.reader([line], strict=True)
    except (csv.Error, ValueError):
        raise ValueError("a quoted field does not end, or not before a comma") from None
    return fields


def _pixels(text: str) -> bytes:
    """Turn 2,304 decimal numbers into as many bytes."""
    # NumPy's parser guesses where the text is not made of digits and spaces.
    if text.isascii() and text.replace(" ", "").isdigit():
        values = np.fromstring(text, dtype=np.int64, sep=" ")
        if values.size == PIXELS and values.max() <= 255:
            return values.astype(np.uint8).tobytes()
    words = text.split()
    if len(words) != PIXELS:
        raise ValueError(f"{len(words)} pixel{'s' * (len(words) != 1)} instead of {PIXELS}")
    for place, word in enumerate(words, start=1):
        digits = word.lstrip("0") or "0"
        # The length is looked at first: int() refuses thousands of digits.
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 3 and int(digits) <= 255):
            raise ValueError(f"pixel {place} is {_quoted(word)}, not a whole number 0-255")
    return bytes(map(int, words))


def _quoted(text: str, limit: int = 24) -> str:
    """Quote text for a message: anything but printable ASCII escaped, long text cut."""
    quoted = ascii(text[:limit])
    return quoted if len(text) <= limit else f"{quoted[:-1]}...{quoted[-1]}"
