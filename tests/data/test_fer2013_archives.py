"""FER2013 in archives: read without unpacking, whoever packed them, and whatever for."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import fer.data._members as members
from fer.data.fer2013 import Fer2013
from fer.data.source import DataError, Faces
from tests.support.fer2013_archives import write_tar, write_tar_entry, write_zip
from tests.support.fer2013_csv import make_faces, row_text, write_fer2013


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def load(root: Path, tmp_path: Path) -> Callable[[], Faces]:
    return lambda: Fer2013(str(root), str(tmp_path / "cache")).load()


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("csv") / "fer2013.csv"
    return write_fer2013(path, *make_faces()).read_bytes()


def icml() -> bytes:
    """The same faces with the columns of ``icml_face_data.csv``."""
    lines = ["emotion, Usage, pixels"]
    for row in zip(*make_faces(), strict=True):
        label, pixels, usage = row_text(*row).split(",")
        lines.append(f"{label},{usage},{pixels}")
    return "".join(f"{line}\n" for line in lines).encode()


def check(faces: Faces) -> None:
    images, labels, _ = make_faces()
    for i, split in enumerate(faces.splits.values()):
        expected = slice(20 * i, 20 * (i + 1))
        np.testing.assert_array_equal(split.images, images[expected])
        np.testing.assert_array_equal(split.labels, labels[expected])
        np.testing.assert_array_equal(split.rows, np.arange(60)[expected])


@pytest.mark.parametrize("name", ["icml_face_data.csv", "icml_face_data.csv.gz"])
def test_the_other_order_of_columns(root: Path, load: Callable[[], Faces], name: str) -> None:
    root.mkdir()
    data = icml()
    (root / name).write_bytes(gzip.compress(data, 1) if name.endswith("gz") else data)
    check(load())
    assert load().origin == str(root / name)


@pytest.mark.parametrize("inside", ["fer2013.csv", "fer2013/fer2013.csv", "./a/b/FER2013.csv"])
@pytest.mark.parametrize("name", ["fer2013.zip", "fer2013.tar.gz", "fer2013/fer2013.tar.gz"])
def test_archives(
    root: Path, load: Callable[[], Faces], content: bytes, name: str, inside: str
) -> None:
    write = write_zip if name.endswith("zip") else write_tar
    path = write(root / name, {"fer2013/README": b"hello", inside: content, "z.bib": b"x" * 9999})
    for faces in (load(), load()):
        check(faces)
        assert faces.fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()
        assert faces.origin == str(path)
    assert sorted(p.name for p in path.parent.iterdir()) == [path.name], "nothing is unpacked"


def test_an_empty_archive(root: Path, load: Callable[[], Faces]) -> None:
    write_zip(root / "fer2013.zip", {})
    with pytest.raises(DataError, match="it holds no files"):
        load()


def test_kaggles_whole_archive(root: Path, load: Callable[[], Faces]) -> None:
    name = "challenges-in-representation-learning-facial-expression-recognition-challenge.zip"
    write_zip(
        root / name, {"fer2013.tar.gz": b"nested", "train.csv": b"", "icml_face_data.csv": icml()}
    )
    check(load())


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_root_may_be_an_archive_of_any_name(tmp_path: Path, content: bytes, method: int) -> None:
    for path in (
        write_zip(tmp_path / "archive", {"fer2013.csv": content}, method),
        write_tar(tmp_path / "plain", {"fer2013.csv": content}, "w"),
    ):
        check(Fer2013(str(path), str(tmp_path / "cache")).load())


def test_broken_rows_in_an_archive_are_named(
    root: Path, load: Callable[[], Faces], content: bytes
) -> None:
    write_zip(root / "fer2013.zip", {"fer2013.csv": content + b"9,1 2,Training\n"})
    with pytest.raises(DataError, match=r"fer2013\.zip: 1 row is defective:\n  line 62: label '9'"):
        load()


# --- archives that hold something else -----------------------------------------------------------


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ({"a.txt": b"", "b.txt": b""}, "it holds 'a.txt', 'b.txt'"),
        ({f"{i}.txt": b"" for i in range(20)}, "'4.txt', …"),
        ({"train/happy/Training_1.jpg": b""}, r"it holds pictures: unpack it .* data.root=FOLDER"),
        (
            {**{f"{i}.txt": b"" for i in range(20)}, "a/b.png": b""},
            "it holds pictures: unpack it",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_nothing_to_read(
    root: Path, load: Callable[[], Faces], kind: str, inside: dict[str, bytes], message: str
) -> None:
    write = write_zip if kind == "zip" else write_tar
    write(root / f"fer2013.{kind}", inside)
    with pytest.raises(DataError, match=rf"no fer2013\.csv or icml_face_data\.csv is .*{message}"):
        load()


def test_a_member_without_a_name(root: Path, load: Callable[[], Faces]) -> None:
    path = write_zip(root / "fer2013.zip", {"~": b""})
    data = path.read_bytes()
    at = data.index(b"PK\x01\x02")
    directory = data[at : at + 28] + b"\0\0" + data[at + 30 : at + 46] + data[at + 47 :]
    end = directory.index(b"PK\x05\x06")
    path.write_bytes(data[:at] + directory[: end + 12] + b"\x2e" + directory[end + 13 :])
    with pytest.raises(DataError, match=r"it holds ''"):
        load()


@pytest.mark.parametrize(
    "name", ["../fer2013.csv", "/tmp/fer2013.csv", "a/../../fer2013.csv", "C:/fer2013.csv"]
)
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_names_that_leave_the_archive_are_not_opened(
    root: Path, load: Callable[[], Faces], content: bytes, kind: str, name: str
) -> None:
    write = write_zip if kind == "zip" else write_tar
    write(root / f"fer2013.{kind}", {name: content})
    with pytest.raises(DataError, match=r"absolute or hold '\.\.' are never opened"):
        load()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_what_is_no_file_is_not_opened(
    root: Path, load: Callable[[], Faces], tmp_path: Path, content: bytes, kind: bytes
) -> None:
    (tmp_path / "secret.csv").write_bytes(content)
    info = tarfile.TarInfo("fer2013.csv")
    info.type = kind
    info.linkname = str(tmp_path / "secret.csv")
    write_tar_entry(root / "fer2013.tar.gz", info)
    with pytest.raises(DataError, match=r"no fer2013\.csv .*it holds no files"):
        load()


# --- archives that unpack to more than they should -----------------------------------------------


@pytest.fixture
def low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "LIMIT", 1_000_000)


@pytest.mark.usefixtures("low_limit")
@pytest.mark.parametrize("name", ["fer2013.zip", "fer2013.tar.gz", "fer2013.csv.gz"])
def test_bombs(root: Path, load: Callable[[], Faces], content: bytes, name: str) -> None:
    bomb = content + b" \n" * 2_000_000
    if name.endswith("csv.gz"):
        root.mkdir()
        (root / name).write_bytes(gzip.compress(bomb))
    else:
        (write_zip if name.endswith("zip") else write_tar)(root / name, {"fer2013.csv": bomb})
    with pytest.raises(DataError, match=r"unpacks to more than 1,000,000 bytes"):
        load()


@pytest.mark.usefixtures("low_limit")
def test_a_bomb_behind_the_file(root: Path, load: Callable[[], Faces], content: bytes) -> None:
    write_tar(root / "fer2013.tar.gz", {"fer2013.csv": content, "b": bytes(5_000_000)})
    with pytest.raises(DataError, match=r"unpacks to more than 1,000,000 bytes"):
        load()


@pytest.mark.usefixtures("low_limit")
def test_a_zip_that_lies_about_its_size(
    root: Path, load: Callable[[], Faces], content: bytes
) -> None:
    """What is stated is what is read at most, and then the checksum is wrong."""
    path = write_zip(root / "fer2013.zip", {"fer2013.csv": content + b" \n" * 2_000_000})
    size = len(content + b" \n" * 2_000_000)
    data = path.read_bytes().replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"truncated or corrupt|unpacks to more"):
        load()


def test_a_sparse_file_is_not_opened(root: Path, load: Callable[[], Faces]) -> None:
    """Its holes take no room in the archive, however large they are."""
    info = tarfile.TarInfo("fer2013.csv")
    info.size = 0
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.size": str(1 << 50),
        "GNU.sparse.map": f"{1 << 49},0",
    }
    root.mkdir()
    with tarfile.open(root / "fer2013.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)
    with pytest.raises(DataError, match=r"no fer2013\.csv .*it holds no files"):
        load()


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_name_without_end_does_not_fill_the_memory(
    root: Path, load: Callable[[], Faces], kind: bytes
) -> None:
    info = tarfile.TarInfo("name")
    info.type = kind
    info.size = 3_000_000
    write_tar_entry(root / "fer2013.tar.gz", info, b"a" * info.size)
    with pytest.raises(
        DataError, match=r"fer2013\.tar\.gz: the archive has a header of 3,000,000 bytes"
    ):
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
    ("name", "change", "message"),
    [
        ("fer2013.zip", in_directory(6, b"\xa0\0"), r"corrupt \(zip file version 16"),
        ("fer2013.zip", in_directory(42, b"\xff\xff\xff\x7f"), "truncated or corrupt"),
        ("fer2013.zip", lambda data: data[:-30], "truncated or corrupt"),
        ("fer2013.zip", lambda data: data[: len(data) // 2], "truncated or corrupt"),
        ("fer2013.zip", lambda data: data[:5000] + bytes(500) + data[5500:], "truncated or corr"),
        ("fer2013.zip", encrypted, r"fer2013\.csv is encrypted; unpack it yourself"),
        ("fer2013.tar.gz", lambda data: data[: len(data) // 2], "truncated or corrupt"),
        ("fer2013.tar.gz", lambda data: data[:-4], "truncated or corrupt"),
        ("fer2013.tar.gz", lambda data: data[:5000] + bytes(9) + data[5009:], "truncated or corr"),
        ("fer2013.tar", lambda data: data[: len(data) // 2], "truncated or corrupt"),
    ],
)
def test_truncated_or_corrupt(
    tmp_path: Path, content: bytes, name: str, change: Callable[[bytes], bytes], message: str
) -> None:
    path = tmp_path / name
    if name.endswith("zip"):
        write_zip(path, {"fer2013.csv": content})
    else:
        write_tar(path, {"fer2013.csv": content}, "w:gz" if name.endswith("gz") else "w")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=message) as error:
        Fer2013(str(path), str(tmp_path / "cache")).load()
    assert str(path) in str(error.value)


def test_a_rare_method_is_named(root: Path, load: Callable[[], Faces], content: bytes) -> None:
    write_zip(root / "fer2013.zip", {"fer2013.csv": content}, zipfile.ZIP_LZMA)
    with pytest.raises(DataError, match=r"fer2013\.csv is packed by method 14, which is not read"):
        load()


def test_a_zip_with_something_before_it_is_read(
    root: Path, load: Callable[[], Faces], content: bytes
) -> None:
    path = write_zip(root / "fer2013.zip", {"fer2013.csv": content})
    path.write_bytes(b"what a browser said\n" + path.read_bytes())
    check(load())
