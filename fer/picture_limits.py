"""What decoding a picture may cost: refused by a look at the file, before it is decoded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from fer.core.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image as Opened

#: Pixels beyond which a picture is refused before it is decoded. The largest that a phone or a
#: camera takes in one shot have 100 to 110 million, a bomb some hundred times more.
MAX_PIXELS: Final = 130_000_000
#: Bytes of the largest file that is read.
MAX_BYTES: Final = 1 << 30
#: Bytes of memory that decoding may take beside the file itself, see :data:`_COSTS`.
MAX_MEMORY: Final = 1_300_000_000

#: Bytes a pixel that decoding takes at its peak: 16.4 of WebP, 12.2 of AVIF, 7.3 of others were
#: measured. A JPEG in several scans keeps two bytes of coefficients for each of its channels.
_COSTS: Final = {"AVIF": 14, "WEBP": 18}
_COST: Final = 8
_SCANNED: Final = 5

#: Scans of any JPEG (libtiff has the same limit for a JPEG in a TIFF), and of the largest, where
#: ten are usual: each goes over the whole picture, however few bytes it has.
_SCANS: Final = 100
_SCANS_OF_LARGEST: Final = 10
#: Segments of the largest JPEG; colour profiles and previews take some hundreds.
_SEGMENTS: Final = 5000
#: Comments of the largest PPM in plain text.
_COMMENTS: Final = 1000
#: How often the strips or tiles of a TIFF may cover the picture: once a channel.
_COVERED: Final = 16

#: More than one picture in these is a film, and whether fer video reads it; in TIFF and MPO the
#: first is the picture.
_FILMS: Final = {"AVIF": False, "GIF": True, "PNG": True, "WEBP": False}
_TILE_SIZE: Final = (322, 323)
#: A marker of a JPEG that begins a segment or a scan, or is its end; restarts do neither.
_MARKER: Final = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")


class PictureError(UserError):
    """A file is no picture that can be read; the message says why, without the file's name."""


def check_size(count: int) -> None:
    """Refuse a file of more than :data:`MAX_BYTES`.

    Raises:
        PictureError: it has more.
    """
    if count > MAX_BYTES:
        raise PictureError(f"the file has more than {MAX_BYTES:,} bytes")


def check_bytes(data: bytes) -> int:
    """Return how many scans a JPEG has, 1 of anything else; refuse what would take long to read.

    Raises:
        PictureError: it is too long, or has more scans, segments or comments than pictures need.
    """
    check_size(len(data))
    if data[:2] in (b"P1", b"P2", b"P3") and data.count(b"#") > _COMMENTS:
        raise PictureError(f"this PPM has more than {_COMMENTS:,} comments: save it as PNG")
    if data[:2] != b"\xff\xd8":
        return 1
    at, scans = 2, 0
    for _ in range(_SEGMENTS):
        # What follows a scan's header is data, in which no such marker can stand.
        match = _MARKER.search(data, at)
        if match is None or (marker := data[match.start() + 1]) == _END:
            return max(1, scans)
        scans += marker == _SCAN
        if scans > _SCANS:
            raise PictureError(f"this JPEG has more than {_SCANS} scans: save it anew")
        at = match.end() + int.from_bytes(data[match.end() : match.end() + 2])
    raise PictureError(f"this JPEG has more than {_SEGMENTS:,} segments: save it anew")


_SCAN: Final = 0xDA
_END: Final = 0xD9


def too_large(most: int) -> PictureError:
    """Return the refusal of a picture with too many pixels."""
    return PictureError(
        f"the picture has more than {most:,} pixels: scale it down", code="too_many_pixels"
    )


def check_header(image: Opened, most: int, scans: int) -> None:
    """Refuse a picture by its header.

    Args:
        image: as Pillow opened it.
        most: pixels of the largest that is decoded.
        scans: that a JPEG has.

    Raises:
        PictureError: it is too large or a film, or its parts are not as they should be.
    """
    kind = image.format or ""
    most_scanned = _SCANS_OF_LARGEST * most
    cost = _COSTS.get(kind, _COST)
    if scans > 1:
        cost = max(cost, _SCANNED + 2 * len(image.getbands()))
    most = min(most, MAX_MEMORY // cost)
    pixels = image.width * image.height
    # A tile may be larger than the picture, and is decoded whole.
    across, down = (tiff_number(image, tag) for tag in _TILE_SIZE)
    pixels = max(pixels, across * down)
    if pixels > most:
        raise too_large(most)
    if scans * pixels > most_scanned:
        raise PictureError(
            f"this JPEG has {scans} scans, too many for its size: save it anew",
            code="too_many_scans",
        )
    if kind == "TIFF":
        boxes = [part[1] for part in image.tile]  # type: ignore[attr-defined]
        area = sum(max(1, (x2 - x1) * (y2 - y1)) for x1, y1, x2, y2 in boxes)
        if area > _COVERED * pixels:
            raise PictureError("the picture is corrupt (its strips cover it more than once)")
    # Of a TIFF, counting the pages would go through them all.
    if kind in _FILMS and (frames := getattr(image, "n_frames", 1)) > 1:
        how = "fer video reads it, or save one frame as a picture"
        if not _FILMS[kind]:
            how = "no command reads it: save it as GIF or MP4 for fer video, or one frame as PNG"
        raise PictureError(f"this is a film of {frames} frames ({kind}): {how}")


def tiff_number(image: Opened, tag: int) -> int:
    """Return the whole number that a TIFF has for a tag, the largest of several, or 0."""
    value = getattr(image, "tag_v2", {}).get(tag, 0)
    numbers = value if isinstance(value, tuple) else (value,)
    return max((number for number in numbers if isinstance(number, int)), default=0)
