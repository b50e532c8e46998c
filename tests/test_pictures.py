"""Picture files: any kind becomes RGB, and what can't be read is refused with the reason."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from fer import pictures
from fer.picture_folders import list_pictures
from fer.pictures import MAX_PIXELS, PictureError, decoded, file_bytes, read_picture, shown
from tests.support.errors import raises
from tests.support.picture_folders import png_without_palette

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
    mode = {".pgm": "L", ".pbm": "1"}.get(suffix, "RGB")
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


def test_twelve_bits_in_sixteen(tmp_path: Path) -> None:
    """As cameras and microscopes write them; a TIFF may say what is white."""
    for kind in ("PNG", "TIFF"):
        twelve = Image.fromarray(DEEP >> 4)
        np.testing.assert_array_equal(decoded(as_file(twelve, kind)), DEEP >> 8)
        np.testing.assert_array_equal(decoded(as_file(Image.fromarray(DEEP >> 8), kind)), DEEP >> 8)
    dark = as_file(Image.fromarray(DEEP >> 4), "TIFF", tiffinfo={281: 65535})
    np.testing.assert_array_equal(decoded(dark), DEEP >> 12)
    ten = as_file(Image.fromarray(DEEP >> 6), "TIFF", tiffinfo={281: 1023})
    np.testing.assert_array_equal(decoded(ten), DEEP >> 8)
    # Of colours, Pillow gives no more than the upper eight bits.
    cv2.imwrite(str(tmp_path / "a.tif"), np.full((9, 9, 3), 4095, np.uint16))
    with raises("nearly_black"):
        read_picture(tmp_path / "a.tif")


def test_bytes_and_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    monkeypatch.setenv("HOME" if os.name != "nt" else "USERPROFILE", str(tmp_path))
    np.testing.assert_array_equal(read_picture("~/a.png"), COLORS)
    np.testing.assert_array_equal(read_picture(PNG), COLORS)
    np.testing.assert_array_equal(read_picture(io.BytesIO(PNG)), COLORS)
    with path.open("rb") as file:
        np.testing.assert_array_equal(read_picture(file), COLORS)
    with pytest.raises(TypeError, match=r"open\(PATH, 'rb'\)"):
        read_picture(io.StringIO("text"))  # type: ignore[arg-type]
    for other in (3, COLORS):
        with pytest.raises(TypeError, match="from a path, bytes or an open file, not"):
            read_picture(other)  # type: ignore[arg-type]


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
    "empty": (lambda: b"", "empty"),
    "text": (lambda: b"no picture at all", "not_a_picture"),
    "a JPEG cut off": (lambda: JPEG[: len(JPEG) // 2], "cut_off"),
    "a JPEG without end": (lambda: JPEG[:-2000], "cut_off"),
    "a PNG cut off": (lambda: PNG[: len(PNG) // 2], "cut_off"),
    "a header alone": (lambda: JPEG[:20], "not_a_picture"),
    "animated GIF": (lambda: animated("GIF"), "film"),
    "animated PNG": (lambda: animated("PNG"), "film"),
    "animated WebP": (lambda: animated("WEBP"), "film"),
    "animated AVIF": (lambda: animated("AVIF"), "film"),
    "32 bits": (lambda: as_file(Image.new("F", (4, 4)), "TIFF"), "32_bits"),
    "postscript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", "not_a_picture"),
    "a phone's HEIC": (lambda: b"\0\0\0\x18ftypheic" + bytes(40), "heic_or_film"),
    "damaged": (lambda: PNG[:60] + bytes(20) + PNG[80:], "corrupt"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused(name: str, tmp_path: Path) -> None:
    data, code = BAD[name]
    path = tmp_path / "a.jpg"
    path.write_bytes(data())
    with raises(code):
        read_picture(path)


def test_still_gif_is_a_picture() -> None:
    assert decoded(as_file(Image.fromarray(GREY), "GIF")).shape[:2] == GREY.shape


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    try:
        path.write_bytes(PNG)
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    np.testing.assert_array_equal(read_picture(path), COLORS)
    assert shown(path.name) == r"caf\xe9.png"


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_picture(tmp_path / "nothing.png")
    for read in (read_picture, file_bytes):
        with pytest.raises(IsADirectoryError):
            read(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="pipes and devices are POSIX")
def test_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    """Neither needs to have an end."""
    os.mkfifo(tmp_path / "pipe.png")
    for path in (Path("/dev/zero"), tmp_path / "pipe.png"):
        for read in (read_picture, file_bytes):
            with raises("not_a_file"):
                read(path)
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "link.png").symlink_to("a.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "link.png"), COLORS)


# --- what decoding may cost, and what decoders raise ---------------------------------------------


def scans(count: int, side: int = 64) -> bytes:
    """A progressive JPEG whose last scan is there again and again."""
    data = as_file(Image.new("L", (side, side), 128), "JPEG", progressive=True)
    start, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    return data[:end] + data[start:end] * count + data[end:]


def tiff(*entries: tuple[int, int, int, int], pages: int = 1) -> bytes:
    """A grey TIFF of 16x16 pixels, with ``entries`` (tag, type, count, value) in place of its own.

    The pixels lie at 8, and 100,000 times the number 8 behind them.
    """
    head, places = 8 + 256, struct.pack("<I", 8) * 100_000
    usual = [(256, 3, 1, 16), (257, 3, 1, 16), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
             (273, 4, 1, 8), (277, 3, 1, 1), (278, 3, 1, 16), (279, 4, 1, 256)]  # fmt: skip
    tags = sorted({entry[0]: entry for entry in [*usual, *entries]}.values())
    at, size = head + len(places), 2 + 12 * len(tags) + 4
    found = b"II*\0" + struct.pack("<I", at) + b"\x80" * 256 + places
    for page in range(1, pages + 1):
        following = at + page * size if page < pages else 0
        found += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *t) for t in tags)
        found += struct.pack("<I", following)
    return found


COSTLY: dict[str, tuple[Callable[[], bytes], str]] = {
    "20,000 x 20,000": (lambda: png_header(20_000, 20_000), "too_many_pixels"),
    "just too large": (lambda: png_header(MAX_PIXELS + 1, 1), "too_many_pixels"),
    "absurd": (lambda: png_header(100_000, 100_000), "too_many_pixels"),
    "scans": (lambda: scans(150_000), "too_costly"),
    "scans of many pixels": (lambda: scans(60, 5000), "too_many_scans"),
    "segments": (lambda: JPEG[:2] + b"\xff\xe1\0\x0aExif\0\0ab" * 9000 + JPEG[2:], "too_costly"),
    "comments": (lambda: b"P2 9 9 255\n" + b"#\n" * 99_000 + b"1 " * 81, "too_costly"),
    "strips": (lambda: tiff((273, 4, 100_000, 264), (278, 3, 1, 15)), "corrupt"),
    "a tile": (lambda: tiff((322, 4, 1, 1 << 15), (323, 4, 1, 1 << 15)), "too_many_pixels"),
}  # fmt: skip


@pytest.mark.parametrize("name", COSTLY)
def test_what_would_cost_too_much_is_not_decoded(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, code = COSTLY[name][0](), COSTLY[name][1]

    def load(image: Image.Image) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with raises(code):
        decoded(data)


@pytest.mark.parametrize("kind", ["AVIF", "WEBP", "JPEG"])
def test_what_takes_more_memory_may_have_fewer_pixels(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = as_file(Image.fromarray(COLORS), kind, progressive=True)
    assert decoded(data).shape == COLORS.shape
    monkeypatch.setattr("fer.pictures.MAX_MEMORY", 10 * 20 * 30)
    with raises("too_many_pixels"):
        decoded(data)
    assert decoded(PNG).shape == COLORS.shape


def test_usual_scans_and_pages_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decoded(scans(20)).shape == (64, 64)
    # Colour profiles lie in segments, previews with scans of their own among them.
    preview = b"\xff\xe1" + (len(JPEG) + 2).to_bytes(2) + JPEG
    assert decoded(JPEG[:2] + preview * 120 + JPEG[2:]).shape == (200, 300, 3)
    pages: list[int] = []
    monkeypatch.setattr("PIL.TiffImagePlugin.TiffImageFile.n_frames", property(pages.append))
    assert (decoded(tiff(pages=500)) == 128).all()
    assert pages == [], "counting pages goes through them all"


def test_memory_of_the_largest_is_bounded() -> None:
    """Of a picture with transparency, no second one is made whole."""
    code = (
        "import resource, sys; from fer.pictures import decoded; data = sys.stdin.buffer.read()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; decoded(data)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    pytest.importorskip("resource")
    side = 2500
    data = as_file(Image.new("RGBA", (side, side), (1, 2, 3, 4)))
    ran = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    kilo = 1 if sys.platform == "darwin" else 1024
    assert int(ran.stdout) * kilo < 10 * side**2


def mutated(data: bytes, seed: int) -> bytes:
    """A file with some bytes changed, cut out or put in twice."""
    rng = np.random.default_rng(seed)
    found = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        at, length = int(rng.integers(len(found))), int(rng.integers(1, 30))
        if (how := rng.integers(4)) == 0:
            del found[at : at + length]
        elif how == 1:
            found[at:at] = found[at : at + length]
        else:
            found[at] = rng.integers(256) if how == 2 else rng.choice([0, 1, 0x7F, 0x80, 0xFF])
    return bytes(found)


@pytest.mark.parametrize(
    "kind", ["AVIF", "BMP", "GIF", "JPEG", "MPO", "PNG", "PPM", "TIFF", "WEBP"]
)
def test_whatever_a_decoder_raises_is_a_problem_of_that_picture(kind: str) -> None:
    whole = as_file(Image.fromarray(COLORS), kind)
    files = [mutated(whole, seed) for seed in range(150)] + [png_without_palette()] * (
        kind == "PNG"
    )
    refused: list[str] = []
    for data in files:
        try:
            assert decoded(data, max_pixels=1 << 20).dtype == np.uint8
        except PictureError as error:
            refused.append(str(error))
    assert len(refused) > 5
    assert not any("\n" in why for why in refused)


def test_links_in_a_circle(tmp_path: Path) -> None:
    for folder in ("a", "a/b"):
        (tmp_path / folder).mkdir()
    for name in ("1.png", "a/2.JFIF", "a/b/3.jpe", "a/4.heic", "a/b/5.heic", "a/.6.png", "a/none"):
        (tmp_path / name).touch()
    for link, to in (("a/b/up", ".."), ("self.png", "self.png"), ("more", tmp_path / "a")):
        (tmp_path / link).symlink_to(to)
    listing = list_pictures(tmp_path)
    assert listing.pictures == [
        "1.png", "self.png", "a/2.JFIF", "a/b/3.jpe",
    ]  # fmt: skip
    assert {kind: len(paths) for kind, paths in listing.others.items()} == {
        ".heic": 2, "hidden": 1, "without a suffix": 1, "link to a folder that is read already": 2,
    }  # fmt: skip
    assert list_pictures(tmp_path, leave=tmp_path / "a").pictures == [
        "1.png",
        "self.png",
    ]
