"""Picture files: any kind becomes RGB, and what can't be read is refused with the reason."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from fer import pictures
from fer.pictures import MAX_PIXELS, PictureError, decoded, file_bytes, read_picture, shown

RNG = np.random.default_rng(3)
COLORS = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def as_file(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is of that size, and has hardly any pixels."""
    data = as_file(Image.new("L", (1, 1)))
    header = b"IHDR" + width.to_bytes(4) + height.to_bytes(4) + data[24:29]
    return data[:12] + header + zlib.crc32(header).to_bytes(4) + data[33:]


def test_colors_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(COLORS).save(path)
    np.testing.assert_array_equal(read_picture(path), COLORS)


@pytest.mark.parametrize("suffix", pictures.SUFFIXES)
def test_every_suffix(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    smooth = np.full((40, 40, 3), (200, 120, 40), dtype=np.uint8)
    mode = "L" if suffix == ".pgm" else "RGB"
    Image.fromarray(smooth).convert(mode).save(path)
    found = read_picture(path)
    wanted = np.asarray(Image.fromarray(smooth).convert(mode).convert("RGB"))
    assert found.shape == smooth.shape
    assert np.abs(found.astype(int) - wanted).max() <= 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_whatever_the_camera(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = as_file(Image.fromarray(COLORS), exif=exif)
    wanted = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(decoded(data), np.asarray(wanted))


GREY = COLORS[..., 0]
DEEP = RNG.integers(0, 65536, (20, 30), dtype=np.uint16)
ALPHA = np.dstack([COLORS, RNG.integers(0, 256, (20, 30), dtype=np.uint8)])


def test_grey_and_sixteen_bits(tmp_path: Path) -> None:
    np.testing.assert_array_equal(decoded(as_file(Image.fromarray(GREY))), GREY)
    np.testing.assert_array_equal(decoded(as_file(Image.fromarray(DEEP))), DEEP >> 8)
    np.testing.assert_array_equal(decoded(as_file(Image.fromarray(DEEP), "TIFF")), DEEP >> 8)
    np.testing.assert_array_equal(decoded(as_file(Image.fromarray(DEEP), "PPM")), DEEP >> 8)
    (tmp_path / "a.png").write_bytes(as_file(Image.fromarray(GREY)))
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), np.dstack([GREY] * 3))


def test_what_is_transparent_lies_on_white() -> None:
    share = ALPHA[..., 3:].astype(float) / 255
    wanted = ALPHA[..., :3] * share + 255 * (1 - share)
    found = decoded(as_file(Image.fromarray(ALPHA)))
    assert np.abs(found - wanted).max() <= 0.51
    palette = Image.fromarray(GREY).convert("P")
    palette.info["transparency"] = int(GREY[0, 0])
    found = decoded(as_file(palette, transparency=int(np.asarray(palette)[0, 0])))
    assert (found[0, 0] == 255).all()


def test_ink_becomes_light() -> None:
    ink = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    red = decoded(as_file(ink, "JPEG", quality=95))[16, 16]
    assert red[0] > 200
    assert (red[1:] < 60).all()


def test_first_of_several_pages() -> None:
    pages = [Image.new("RGB", (30, 20), color) for color in ((200, 90, 30), (0, 0, 255))]
    for kind in ("TIFF", "MPO"):
        found = decoded(as_file(pages[0], kind, save_all=True, append_images=pages[1:]))
        assert found.shape == (20, 30, 3)
        assert np.abs(found.astype(int) - np.asarray(pages[0])).max() < 6


def animated(kind: str) -> bytes:
    pages = [Image.fromarray(COLORS), Image.fromarray(255 - COLORS)]
    return as_file(pages[0], kind, save_all=True, append_images=pages[1:])


JPEG = as_file(Image.fromarray(COLORS).resize((300, 200)), "JPEG")
PNG = as_file(Image.fromarray(COLORS))

BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "the file is empty"),
    "text": (lambda: b"no picture at all", "this is no picture"),
    "a JPEG cut off": (lambda: JPEG[: len(JPEG) // 2], "cut off"),
    "a JPEG without end": (lambda: JPEG[:-2000], "cut off"),
    "a PNG cut off": (lambda: PNG[: len(PNG) // 2], "cut off"),
    "a header alone": (lambda: JPEG[:20], "no picture"),
    "20,000 x 20,000": (lambda: png_header(20_000, 20_000), "more than 130,000,000 pixels"),
    "just too large": (lambda: png_header(MAX_PIXELS + 1, 1), "more than 130,000,000 pixels"),
    "absurd": (lambda: png_header(100_000, 100_000), "more than 130,000,000 pixels"),
    "animated GIF": (lambda: animated("GIF"), r"a film of 2 frames \(GIF\): fer video reads"),
    "animated PNG": (lambda: animated("PNG"), "a film of 2 frames .*: fer video reads"),
    "animated WebP": (lambda: animated("WEBP"), "a film of 2 frames .*: no command reads it: save"),
    "animated AVIF": (lambda: animated("AVIF"), "a film of 2 frames .*: no command reads it: save"),
    "32 bits": (lambda: as_file(Image.new("F", (4, 4)), "TIFF"), "32 bits"),
    "postscript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", "no picture"),
    "a phone's HEIC": (lambda: b"\0\0\0\x18ftypheic" + bytes(40), "this is HEIC or a film: save"),
    "damaged": (lambda: PNG[:60] + bytes(20) + PNG[80:], "corrupt|cut off"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused(name: str, tmp_path: Path) -> None:
    data, says = BAD[name]
    path = tmp_path / "a.jpg"
    path.write_bytes(data())
    with pytest.raises(PictureError, match=says) as error:
        read_picture(path)
    assert len(str(error.value).splitlines()) == 1


def test_still_gif_is_a_picture() -> None:
    assert decoded(as_file(Image.fromarray(GREY), "GIF")).shape[:2] == GREY.shape


def test_size_is_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(image: Image.Image) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(PictureError, match="scale it down"):
        decoded(png_header(20_000, 20_000))


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    try:
        path.write_bytes(PNG)
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    np.testing.assert_array_equal(read_picture(path), COLORS)
    assert shown(path.name) == r"caf\xe9.png"


@pytest.mark.skipif(os.name == "nt", reason="pipes and devices of POSIX")
def test_what_may_never_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", Path("/dev/zero")):
        with pytest.raises(PictureError, match="this is a pipe or a device, and no file"):
            read_picture(path)
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "link.png").symlink_to("a.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "link.png"), COLORS)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_picture(tmp_path / "nothing.png")
    with pytest.raises(IsADirectoryError):
        read_picture(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="pipes and devices are POSIX")
def test_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    """Neither needs to have an end."""
    os.mkfifo(tmp_path / "pipe.png")
    for path in (Path("/dev/zero"), tmp_path / "pipe.png"):
        for read in (read_picture, file_bytes):
            with pytest.raises(PictureError, match="this is a pipe or a device, and no file"):
                read(path)
    with pytest.raises(IsADirectoryError):
        file_bytes(tmp_path)
