"""Picture files: read as pixels or refused with the reason, the same way for training and in use.

What is wrong is found before it costs: the size is looked at in the header, before anything is
decoded. Pillow reads the files; only the formats that cameras and data sets come in are let
through to it.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from fer.errors import UserError
from fer.pixels import Image

if TYPE_CHECKING:
    from PIL.Image import Image as Opened

#: What picture files are called; everything else in a folder is no picture.
SUFFIXES: Final = (
    ".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"
)  # fmt: skip

#: Pixels beyond which a picture is refused before it is decoded: 400 MB as RGB. The largest that a
#: phone or a camera takes in one shot have 100 to 110 million, a bomb some hundred times more.
MAX_PIXELS: Final = 130_000_000

#: JPEG of phones are MPO, with further pictures behind the first.
_FORMATS: Final = ("AVIF", "BMP", "GIF", "JPEG", "MPO", "PNG", "PPM", "TIFF", "WEBP")
#: More than one picture in these is a film; in TIFF and MPO the first is the picture.
_FILMS: Final = ("AVIF", "GIF", "PNG", "WEBP")
_ORIENTATION: Final = 0x0112

#: What Pillow raises about damaged files, beside OSError.
_DAMAGE: Final = (EOFError, IndexError, KeyError, SyntaxError, TypeError, ValueError, struct.error,
                  zlib.error)  # fmt: skip


class PictureError(UserError):
    """A file is no picture that can be read; the message says why, without the file's name."""


def read_picture(path: str | os.PathLike[str]) -> Image:
    """Return the picture in a file.

    Turned as its EXIF data say. Grey, palettes and CMYK become RGB, 16 bits become 8, and what is
    transparent lies on white. Of an MPO or a TIFF of several pages the first picture is read.

    Args:
        path: the file; names that are no UTF-8 are fine.

    Returns:
        uint8 ``[H, W, 3]``, RGB.

    Raises:
        PictureError: it is no picture, is damaged, cut off, animated, has more than
            :data:`MAX_PIXELS`, or is no file but a pipe or a device.
        OSError: the file can't be opened.
    """
    kind = Path(path).stat().st_mode
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        # A pipe is waited for as long as nobody writes to it, and some devices have no end.
        raise PictureError("this is a pipe, a device or a socket, not a file: save the picture")
    with Path(path).open("rb") as file:
        pixels = _pixels(file)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def decoded(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image:
    """Return the picture in the bytes of a file, as :func:`read_picture` does, but grey as grey.

    Args:
        data: the bytes.
        max_pixels: of the largest picture that is decoded.

    Returns:
        uint8 ``[H, W]`` where the file is grey, else ``[H, W, 3]`` RGB.

    Raises:
        PictureError: as there.
    """
    return _pixels(io.BytesIO(data), max_pixels)


def shown(path: str | os.PathLike[str]) -> str:
    r"""Return a file's name as text that any terminal and file takes.

    Example:
        >>> shown("caf" + chr(0xDCE9) + ".jpg")  # the byte E9, which is no UTF-8
        'caf\\xe9.jpg'
    """
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


def _pixels(file: io.BufferedReader | io.BytesIO, most: int = MAX_PIXELS) -> Image:
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    if file.seek(0, os.SEEK_END) == 0:
        raise PictureError("the file is empty")
    file.seek(0)
    try:
        # Its warnings are about damage that it reads past, and about sizes, which are refused here.
        with (
            warnings.catch_warnings(action="ignore"),
            Pillow.open(file, formats=_formats()) as image,
        ):
            _check(image, most)
            return _turned(_eight_bits(image), _orientation(image))
    except UnidentifiedImageError:
        file.seek(4)
        if file.read(4) == b"ftyp":
            raise PictureError(
                "this is HEIC or a film: save it as JPEG, or read the film by fer video"
            ) from None
        raise PictureError("this is no picture, or a corrupt one") from None
    except Pillow.DecompressionBombError:
        raise PictureError(_too_large(most)) from None
    except PictureError:
        raise
    except (OSError, *_DAMAGE) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        if "truncated" in str(error).lower():
            raise PictureError("the picture is cut off") from None
        raise PictureError(f"the picture is corrupt ({error})") from None


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


def _too_large(most: int) -> str:
    return f"the picture has more than {most:,} pixels: scale it down"


def _check(image: Opened, most: int) -> None:
    """Refuse by the header alone."""
    width, height = image.size
    if width * height > most:
        raise PictureError(_too_large(most))
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format in _FILMS:
        raise PictureError(
            f"this is a film of {frames} frames: fer video reads it, or save one frame as a picture"
        )


def _eight_bits(image: Opened) -> Image:
    """Decode a picture into uint8 ``[H, W]`` or ``[H, W, 3]``."""
    mode = image.mode
    # Pillow's word for a grey PPM of 16 bits is that of 32 bits.
    is_deep = mode.startswith("I;16") or (mode == "I" and image.format == "PPM")
    if mode in {"F", "I"} and not is_deep:
        raise PictureError("the picture has 32 bits a channel, of which nobody knows the white")
    if is_deep:
        # Pillow's own conversion clips at 255.
        deep = np.asarray(image).astype(np.uint16)
        return (deep >> 8).astype(np.uint8)
    if mode in {"1", "L"} and "transparency" not in image.info:
        return _array(image.convert("L"))
    if image.has_transparency_data:
        return _on_white(_array(image.convert("RGBA")))
    return _array(image.convert("RGB"))


def _array(image: Opened) -> Image:
    found: npt.NDArray[np.uint8] = np.asarray(image)
    return found


def _on_white(picture: Image) -> Image:
    """Lay a picture, uint8 ``[H, W, 4]``, on white, a row at a time to spare memory."""
    found = np.empty((*picture.shape[:2], 3), dtype=np.uint8)
    for row, (color, alpha) in enumerate(zip(picture[..., :3], picture[..., 3:], strict=True)):
        share = alpha.astype(np.uint16)
        found[row] = (color * share + 255 * (255 - share) + 127) // 255
    return found


def _orientation(image: Opened) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except (OSError, *_DAMAGE):
        # Notes beside the picture are damaged, the picture is not: it is shown as it lies.
        return 1


def _turned(pixels: Image, orientation: int) -> Image:
    """Return a picture upright; EXIF counts eight ways to hold a camera, of which 1 is upright."""
    if orientation in {5, 6, 7, 8}:
        pixels = pixels.swapaxes(0, 1)
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
