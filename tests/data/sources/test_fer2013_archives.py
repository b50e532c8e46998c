"""FER2013 in archives: read without unpacking, whoever packed them, and whatever for."""

from __future__ import annotations

import gzip
import hashlib
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer.data.source import DataError, Faces
from fer.data.sources import archives
from tests.support.errors import raises
from tests.support.fer2013_archives import write_tar, write_tar_entry, write_zip
from tests.support.fer2013_csv import make_faces, write_fer2013

Load = Callable[..., Faces]


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("csv") / "fer2013.csv"
    return write_fer2013(path, *make_faces()).read_bytes()


def check(faces: Faces) -> None:
    images, labels, _ = make_faces()
    for i, split in enumerate(faces.splits.values()):
        expected = slice(20 * i, 20 * (i + 1))
        np.testing.assert_array_equal(split.images, images[expected])
        np.testing.assert_array_equal(split.labels, labels[expected])
        np.testing.assert_array_equal(split.rows, np.arange(60)[expected])


@pytest.mark.parametrize("inside", ["fer2013.csv", "fer2013/fer2013.csv", "./a/b/FER2013.csv"])
@pytest.mark.parametrize("name", ["fer2013.zip", "fer2013.tar.gz", "fer2013/fer2013.tar.gz"])
def test_archives(root: Path, load: Load, content: bytes, name: str, inside: str) -> None:
    write = write_zip if name.endswith("zip") else write_tar
    path = write(root / name, {"fer2013/README": b"hello", inside: content, "z.bib": b"x" * 9999})
    for faces in (load(), load()):
        check(faces)
        assert faces.fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()
        assert faces.origin == str(path)
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name], "nothing is unpacked"


def test_root_may_be_an_archive_of_any_name(tmp_path: Path, load: Load, content: bytes) -> None:
    check(load(write_zip(tmp_path / "archive", {"fer2013.csv": content}, zipfile.ZIP_STORED)))
    check(load(write_tar(tmp_path / "plain", {"fer2013.csv": content}, "w")))


# --- archives that hold something else -----------------------------------------------------------


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        ({f"{i}.txt": b"" for i in range(20)}, "'4.txt', …"),
        ({"train/happy/Training_1.jpg": b""}, "it holds pictures: unpack it"),
        ({**{f"{i}.txt": b"" for i in range(20)}, "a/b.png": b""}, "it holds pictures: unpack it"),
        ({"../fer2013.csv": b""}, "'..' are never opened"),
        ({"/tmp/fer2013.csv": b""}, "absolute"),
        ({"a/../../fer2013.csv": b""}, "'..' are never opened"),
        ({"C:/fer2013.csv": b""}, "absolute"),
    ],
)
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_nothing_to_read(
    root: Path, load: Load, kind: str, inside: dict[str, bytes], words: str
) -> None:
    write = write_zip if kind == "zip" else write_tar
    write(root / f"fer2013.{kind}", inside)
    with pytest.raises(DataError, match=re.escape(words)) as error:
        load()
    assert error.value.code == "not_in_archive"


def test_a_member_without_a_name(root: Path, load: Load) -> None:
    path = write_zip(root / "fer2013.zip", {"~": b""})
    data = path.read_bytes()
    at = data.index(b"PK\x01\x02")
    directory = data[at : at + 28] + b"\0\0" + data[at + 30 : at + 46] + data[at + 47 :]
    end = directory.index(b"PK\x05\x06")
    path.write_bytes(data[:at] + directory[: end + 12] + b"\x2e" + directory[end + 13 :])
    with raises("not_in_archive"):
        load()


def sparse() -> tarfile.TarInfo:
    """A file whose holes take no room in the archive, however large they are."""
    info = tarfile.TarInfo("fer2013.csv")
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.size": str(1 << 50),
        "GNU.sparse.map": f"{1 << 49},0",
    }
    return info


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, None])
def test_what_is_no_plain_file_is_not_opened(
    root: Path, load: Load, tmp_path: Path, content: bytes, kind: bytes | None
) -> None:
    (tmp_path / "secret.csv").write_bytes(content)
    info = sparse()
    if kind is not None:
        info = tarfile.TarInfo("fer2013.csv")
        info.type = kind
        info.linkname = str(tmp_path / "secret.csv")
    write_tar_entry(root / "fer2013.tar.gz", info)
    with raises("not_in_archive", "fer2013.tar.gz"):
        load()


# --- archives that unpack to more than they should -----------------------------------------------


@pytest.fixture
def low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LIMIT", 1_000_000)


@pytest.mark.usefixtures("low_limit")
@pytest.mark.parametrize("name", ["fer2013.zip", "fer2013.tar.gz", "fer2013.csv.gz", "behind"])
def test_bombs(root: Path, load: Load, content: bytes, name: str) -> None:
    bomb = content + b" \n" * 2_000_000
    if name == "behind":
        write_tar(root / "fer2013.tar.gz", {"fer2013.csv": content, "b": bytes(5_000_000)})
    elif name.endswith("csv.gz"):
        root.mkdir()
        (root / name).write_bytes(gzip.compress(bomb))
    else:
        (write_zip if name.endswith("zip") else write_tar)(root / name, {"fer2013.csv": bomb})
    with raises("archive_too_large"):
        load()


@pytest.mark.usefixtures("low_limit")
def test_a_zip_that_lies_about_its_size(root: Path, load: Load, content: bytes) -> None:
    """What is stated is what is read at most, and then the checksum is wrong."""
    bomb = content + b" \n" * 2_000_000
    path = write_zip(root / "fer2013.zip", {"fer2013.csv": bomb})
    stated = (1000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(len(bomb).to_bytes(4, "little"), stated))
    with pytest.raises(DataError) as error:
        load()
    assert error.value.code in ("broken_archive", "archive_too_large")


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_name_without_end_does_not_fill_the_memory(root: Path, load: Load, kind: bytes) -> None:
    info = tarfile.TarInfo("name")
    info.type = kind
    info.size = 3_000_000
    write_tar_entry(root / "fer2013.tar.gz", info, b"a" * info.size)
    with raises("broken_archive", "fer2013.tar.gz"):
        load()


# --- archives that are broken --------------------------------------------------------------------


def encrypted(data: bytes) -> bytes:
    """Set the flag that says a member is encrypted, in its header and in the directory."""
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.index(magic) + at
        data = data[:place] + b"\x01" + data[place + 1 :]
    return data


def in_directory(at: int, values: bytes) -> Callable[[bytes], bytes]:
    """Return a change of some bytes in the directory of a zip archive."""

    def change(data: bytes) -> bytes:
        place = data.index(b"PK\x01\x02") + at
        return data[:place] + values + data[place + len(values) :]

    return change


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("fer2013.zip", in_directory(6, b"\xa0\0"), "broken_archive"),
        ("fer2013.zip", in_directory(42, b"\xff\xff\xff\x7f"), "broken_archive"),
        ("fer2013.zip", lambda data: data[:-30], "broken_archive"),
        ("fer2013.zip", lambda data: data[: len(data) // 2], "broken_archive"),
        ("fer2013.zip", lambda data: data[:5000] + bytes(500) + data[5500:], "broken_archive"),
        ("fer2013.zip", encrypted, "unreadable_member"),
        ("fer2013.tar.gz", lambda data: data[: len(data) // 2], "broken_archive"),
        ("fer2013.tar.gz", lambda data: data[:-4], "broken_archive"),
        ("fer2013.tar.gz", lambda data: data[:5000] + bytes(9) + data[5009:], "broken_archive"),
        ("fer2013.tar", lambda data: data[: len(data) // 2], "broken_archive"),
        ("fer2013.csv.gz", lambda data: data[: len(data) // 2], "broken_archive"),
        ("fer2013.csv.gz", lambda data: data[:6], "broken_archive"),
        ("fer2013.csv.gz", lambda data: data[:5000] + bytes(200) + data[5200:], "broken_archive"),
        ("fer2013.csv.gz", lambda data: data[:-8] + b"\0" * 8, "broken_archive"),
        ("fer2013.csv.gz", lambda data: data + b"garbage", "broken_archive"),
        ("fer2013.csv.gz", lambda data: b"\x1f\x8b\xff" + data[3:], "broken_archive"),
    ],
)
def test_truncated_or_corrupt(
    tmp_path: Path,
    load: Load,
    content: bytes,
    *,
    name: str,
    change: Callable[[bytes], bytes],
    code: str,
) -> None:
    path = tmp_path / name
    if name.endswith("zip"):
        write_zip(path, {"fer2013.csv": content})
    elif name.endswith("csv.gz"):
        path.write_bytes(gzip.compress(content, 1))
    else:
        write_tar(path, {"fer2013.csv": content}, "w:gz" if name.endswith("gz") else "w")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError) as error:
        load(path)
    assert error.value.code == code
    assert str(path) in str(error.value)
    assert not [p for p in (tmp_path / "cache").iterdir() if p.is_dir()]


def test_a_rare_method_is_named(root: Path, load: Load, content: bytes) -> None:
    write_zip(root / "fer2013.zip", {"fer2013.csv": content}, zipfile.ZIP_LZMA)
    with raises("unreadable_member", "fer2013.csv"):
        load()


def test_a_zip_with_something_before_it_is_read(root: Path, load: Load, content: bytes) -> None:
    path = write_zip(root / "fer2013.zip", {"fer2013.csv": content})
    path.write_bytes(b"what a browser said\n" + path.read_bytes())
    check(load())
