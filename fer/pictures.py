"""Picture files, read by Pillow as pixels or refused with a reason, in training and in use alike.

Files that would take unusual memory or time are refused by their bytes and header, not decoded.
"""

from __future__ import annotations

import io
import os
import re
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import numpy as np

from fer.core.errors import UserError
from fer.core.io import expand_user
from fer.pixels import Image

if TYPE_CHECKING:
    from PIL.Image import Image as Opened

#: File names of pictures end in one of these; every other file of a folder is left out.
SUFFIXES: Final = (
    ".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".mpo", ".pbm", ".pgm", ".png",
    ".pnm", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip
#: JPEG of phones are MPO, with further pictures behind the first.
_FORMATS: Final = ("AVIF", "BMP", "GIF", "JPEG", "MPO", "PNG", "PPM", "TIFF", "WEBP")

#: One shot of a phone or camera has up to 110 million pixels, a bomb some hundred times more.
MAX_PIXELS: Final = 130_000_000
#: Bytes of the largest file that is read.
MAX_BYTES: Final = 1 << 30
#: Bytes of memory that decoding may take, without the file itself.
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
#: Segments of the largest JPEG (colour profiles and previews take some hundreds), comments of the
#: largest PPM in plain text, and how often the strips of a TIFF may cover it: once a channel.
_SEGMENTS: Final = 5000
_COMMENTS: Final = 1000
_COVERED: Final = 16
#: A marker of a JPEG that begins a segment or a scan, or is its end; restarts do neither.
_MARKER: Final = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")
_SCAN: Final = 0xDA
_END: Final = 0xD9

#: More than one picture in these is a film, and whether fer video reads it; in TIFF and MPO the
#: first is the picture.
_FILMS: Final = {"AVIF": False, "GIF": True, "PNG": True, "WEBP": False}
#: Numbers of EXIF and TIFF tags.
_ORIENTATION: Final = 0x0112
_WHITE: Final = 281
_TILE_SIZE: Final = (322, 323)
#: Pixels that are converted at a time, to spare memory.
_STRIP: Final = 1 << 21


class PictureError(UserError):
    """A file can't be read as a picture; the message gives the reason, without the file's name."""


def read_picture(source: str | os.PathLike[str] | bytes | IO[bytes]) -> Image:
    """Return the picture in a file, uint8 ``[H, W, 3]`` RGB, turned as its EXIF data say.

    Grey, palettes and CMYK become RGB, 16 bits become 8, and transparent pixels become white. Of an
    MPO or a TIFF of several pages the first picture is read. A grey picture of 16 bits whose values
    all fit into 12 (or 8) is read as 12 (or 8) bits, as cameras write it, unless a TIFF gives its
    white level.

    Args:
        source: a path (``~`` is the user's home folder), bytes, or a file opened in binary mode,
            which is read from its current position.

    Raises:
        PictureError: it is no picture, is damaged, cut off, animated, a pipe or a device, has more
            than :data:`MAX_PIXELS` (fewer in WebP, AVIF and JPEG of several scans, which take more
            memory), or would take unusually long to decode.
        TypeError: the file was opened as text, or the source is none of these.
    """
    if isinstance(source, str | os.PathLike):
        name = os.fspath(source)
        data = file_bytes(expand_user(name) if isinstance(name, str) else name)
    elif hasattr(source, "read"):
        data = source.read(MAX_BYTES + 1)
        if not isinstance(data, bytes):
            raise TypeError("the file is open as text: open(PATH, 'rb') opens a picture")
    elif isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
    else:
        raise TypeError(
            f"a picture is read from a path, bytes or an open file, not {type(source).__name__}"
        )
    pixels = decoded(data)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def decoded(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image:
    """Decode a file's bytes as :func:`read_picture` does, but grey files into uint8 ``[H, W]``."""
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    if not data:
        raise PictureError("the file is empty", code="empty")
    scans = _check_bytes(data)
    try:
        # Warnings are about damage that Pillow tolerates, and sizes, which are checked here.
        with (
            warnings.catch_warnings(action="ignore"),
            Pillow.open(io.BytesIO(data), formats=_formats()) as image,
        ):
            _check_header(image, max_pixels, scans)
            pixels = _eight_bits(image)
            orientation = _orientation(image)
        # Frees its memory before the turned copy is made.
        image.close()
        return _turned(pixels, orientation)
    except PictureError:
        raise
    except UnidentifiedImageError:
        if data[4:8] == b"ftyp" and data[8:11] != b"avi":
            raise PictureError(
                "this is HEIC or a film: save it as JPEG, or read the film by fer video",
                code="heic_or_film",
            ) from None
        raise PictureError("this is no picture, or a corrupt one", code="not_a_picture") from None
    except Pillow.DecompressionBombError:
        raise _too_large(max_pixels) from None
    except MemoryError:
        raise PictureError(
            "there is too little memory to decode the picture", code="too_little_memory"
        ) from None
    except Exception as error:  # Decoders raise anything, AssertionError too.
        if "truncated" in str(error).lower():
            raise PictureError("the picture is cut off", code="cut_off") from None
        why = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise PictureError(f"the picture is corrupt ({why})", code="corrupt") from None


def file_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the content of a picture file.

    Raises:
        PictureError: it is a pipe or a device, or larger than :data:`MAX_BYTES`.
    """
    state = Path(path).stat()
    # Opening a folder fails with a message of its own.
    if not stat.S_ISREG(state.st_mode) and not stat.S_ISDIR(state.st_mode):
        raise PictureError("this is a pipe or a device, not a file", code="not_a_file")
    _check_size(state.st_size)
    return Path(path).read_bytes()


def shown(path: str | os.PathLike[str]) -> str:
    r"""Return a file's name as text that any terminal or file accepts.

    Example:
        >>> shown("caf" + chr(0xDCE9) + ".jpg")  # the byte E9, which is no UTF-8
        'caf\\xe9.jpg'
    """
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


def _formats() -> list[str]:
    """Return the formats that this Pillow can read, their readers loaded."""
    from PIL import (  # noqa: F401
        AvifImagePlugin,
        Image,
        MpoImagePlugin,
        TiffImagePlugin,
        WebPImagePlugin,
    )

    Image.preinit()
    return [name for name in _FORMATS if name in Image.OPEN]


# --- what decoding may cost ----------------------------------------------------------------------


def _check_size(count: int) -> None:
    if count > MAX_BYTES:
        raise PictureError(f"the file has more than {MAX_BYTES:,} bytes", code="too_many_bytes")


def _check_bytes(data: bytes) -> int:
    """Return a JPEG's number of scans, else 1; refuse files that would take long to read."""
    _check_size(len(data))
    if data[:2] in (b"P1", b"P2", b"P3") and data.count(b"#") > _COMMENTS:
        raise _too_costly(f"PPM has more than {_COMMENTS:,} comments")
    if data[:2] != b"\xff\xd8":
        return 1
    at, scans = 2, 0
    for _ in range(_SEGMENTS):
        # A scan's data can contain no such marker.
        match = _MARKER.search(data, at)
        if match is None or (marker := data[match.start() + 1]) == _END:
            return max(1, scans)
        scans += marker == _SCAN
        if scans > _SCANS:
            raise _too_costly(f"JPEG has more than {_SCANS} scans")
        at = match.end() + int.from_bytes(data[match.end() : match.end() + 2])
    raise _too_costly(f"JPEG has more than {_SEGMENTS:,} segments")


def _too_large(most: int) -> PictureError:
    return PictureError(
        f"the picture has more than {most:,} pixels: scale it down", code="too_many_pixels"
    )


def _too_costly(why: str, code: str = "too_costly") -> PictureError:
    return PictureError(f"this {why}: save it again, as PNG", code=code)


def _check_header(image: Opened, max_pixels: int, scans: int) -> None:
    """Refuse a picture that is too large, a film or malformed, by its header."""
    kind = image.format or ""
    cost = _COSTS.get(kind, _COST)
    if scans > 1:
        cost = max(cost, _SCANNED + 2 * len(image.getbands()))
    most = min(max_pixels, MAX_MEMORY // cost)
    # A tile may be larger than the picture, and is decoded whole.
    across, down = (_tiff_number(image, tag) for tag in _TILE_SIZE)
    pixels = max(image.width * image.height, across * down)
    if pixels > most:
        raise _too_large(most)
    if scans * pixels > _SCANS_OF_LARGEST * max_pixels:
        raise _too_costly(f"JPEG has {scans} scans, too many for its size", "too_many_scans")
    if kind == "TIFF":
        boxes = [part[1] for part in image.tile]  # type: ignore[attr-defined]
        area = sum(max(1, (x2 - x1) * (y2 - y1)) for x1, y1, x2, y2 in boxes)
        if area > _COVERED * pixels:
            raise PictureError(
                "the picture is corrupt (its strips cover it more than once)", code="corrupt"
            )
    # Not for TIFF, where counting the pages would read them all.
    if kind in _FILMS and (frames := getattr(image, "n_frames", 1)) > 1:
        how = "fer video reads it, or save one frame as a picture"
        if not _FILMS[kind]:
            how = "no command reads it: save it as GIF or MP4 for fer video, or one frame as PNG"
        raise PictureError(f"this is a film of {frames} frames ({kind}): {how}", code="film")


def _tiff_number(image: Opened, tag: int) -> int:
    """Return the whole number of a TIFF's tag, the largest of several, or 0."""
    value = getattr(image, "tag_v2", {}).get(tag, 0)
    numbers = value if isinstance(value, tuple) else (value,)
    return max((number for number in numbers if isinstance(number, int)), default=0)


# --- decoding ------------------------------------------------------------------------------------


def _eight_bits(image: Opened) -> Image:
    """Decode a picture into uint8 ``[H, W]`` or ``[H, W, 3]``."""
    mode = image.mode
    # Pillow gives a grey PPM of 16 bits the mode of 32 bits.
    is_deep = mode.startswith("I;16") or (mode == "I" and image.format == "PPM")
    if mode in {"F", "I"} and not is_deep:
        raise PictureError(
            "the picture has 32 bits a channel, whose white level is unknown: save it with 8 bits",
            code="32_bits",
        )
    if is_deep:
        # Pillow's own conversion clips at 255.
        shift = _depth(image) - 8
        found = np.empty((image.height, image.width), dtype=np.uint8)
        for rows, strip in _strips(image):
            found[rows] = np.asarray(strip).astype(np.uint16) >> shift
        return found
    if mode in {"1", "L"} and "transparency" not in image.info:
        found = np.empty((image.height, image.width), dtype=np.uint8)
        for rows, strip in _strips(image):
            found[rows] = np.asarray(strip.convert("L"))
        return found
    # Of colours in 16 bits, Pillow gives the upper eight.
    is_halved = any(";16" in str(part[3]) for part in getattr(image, "tile", ()))
    is_clear = image.has_transparency_data
    found = np.empty((image.height, image.width, 3), dtype=np.uint8)
    for rows, strip in _strips(image):
        found[rows] = (
            _on_white(np.asarray(strip.convert("RGBA")))
            if is_clear
            else np.asarray(strip.convert("RGB"))
        )
    if is_halved and found.max() < 1 << 4:
        raise PictureError(
            "the picture has 16 bits a channel and uses 12 at most, so that it would be nearly "
            "black: save it with 8 bits",
            code="nearly_black",
        )
    return found


def _strips(image: Opened) -> Iterator[tuple[slice, Opened]]:
    """Yield a picture in strips of rows, so that no full second copy is made."""
    image.load()
    rows = max(1, _STRIP // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        yield slice(top, bottom), image.crop((0, top, image.width, bottom))


def _depth(image: Opened) -> int:
    """Return how many of a grey picture's 16 bits are used."""
    if image.format == "PPM":
        return 16  # Pillow brings its values to the whole range.
    top = max(int(np.asarray(strip).max()) for _, strip in _strips(image))
    if (white := _tiff_number(image, _WHITE)) >= max(1, top):
        return min(16, max(8, white.bit_length()))
    return next(bits for bits in (8, 12, 16) if top < 1 << bits)


def _on_white(picture: Image) -> Image:
    """Blend uint8 ``[H, W, 4]`` with white, a row at a time to spare memory."""
    found = np.empty((*picture.shape[:2], 3), dtype=np.uint8)
    for row, (color, alpha) in enumerate(zip(picture[..., :3], picture[..., 3:], strict=True)):
        share = alpha.astype(np.uint16)
        found[row] = (color * share + 255 * (255 - share) + 127) // 255
    return found


def _orientation(image: Opened) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        # Damaged EXIF data do not make the picture unreadable.
        return 1


def _turned(pixels: Image, orientation: int) -> Image:
    """Return a picture upright; EXIF has eight orientations, of which 1 is upright."""
    if orientation in {5, 6, 7, 8}:
        pixels = pixels.swapaxes(0, 1)
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
