"""A file is there whole or not at all, whatever happens while it is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer.core.io import atomic_write, remove_leftovers, why_not_writable, write_json, write_text


@pytest.fixture
def private_umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


class Interrupted(BaseException):
    """Stands for a KeyboardInterrupt, which is no Exception either."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@given(content=st.binary(max_size=300), old=st.none() | st.binary(max_size=300),
       ends=st.sampled_from([None, ValueError, OSError, Interrupted]))  # fmt: skip
def test_a_file_is_new_as_a_whole_or_as_it_was(
    content: bytes, old: bytes | None, ends: type[BaseException] | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.txt")
        if old is not None:
            path.write_bytes(old)
        try:
            with atomic_write(path) as hidden:
                assert (hidden.parent, hidden.suffix) == (path.parent, path.suffix)
                hidden.write_bytes(content)
                assert (path.read_bytes() if path.exists() else None) == old
                if ends is not None:
                    raise ends
        except (ValueError, OSError, Interrupted):
            assert ends is not None
        wanted = content if ends is None else old
        assert (path.read_bytes() if path.exists() else None) == wanted
        assert names(Path(folder)) == ([] if wanted is None else ["a.txt"])


def test_folders_are_made_and_text_is_utf8_with_plain_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "a.txt"
    write_text(path, "é×\nb\n")
    assert path.read_bytes() == b"\xc3\xa9\xc3\x97\nb\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
@pytest.mark.usefixtures("private_umask")
def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "a")
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640
    assert os.umask(0o027) == 0o027  # Writing has left it as it was.


def test_json_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    value = {"test/acc": 0.5, "none": None, "nested": {"list": [1, "é"]}}
    write_json(path, value)
    assert json.loads(path.read_text(encoding="utf-8")) == value
    assert path.read_text(encoding="utf-8").endswith("}\n")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_json_refuses_what_other_readers_would_not_take(tmp_path: Path, number: float) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": [number]})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 1}
    assert names(tmp_path) == ["a.json"]


def test_a_folder_in_the_way_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match=r"a\.txt"):
        write_text(tmp_path / "a.txt", "a")
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.skipif(os.name == "nt", reason="limits and permissions of POSIX")
def test_errors_name_the_file_that_was_asked_for(tmp_path: Path) -> None:
    """Not the hidden one beside it, and not none at all."""
    import resource

    path = tmp_path / "a.txt"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As a full disk, but for the number.
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError, match="too large") as full, atomic_write(path) as beside:
            beside.write_bytes(bytes(20_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert full.value.filename == str(path)
    (tmp_path / "b.txt" / "inside").mkdir(parents=True)
    with pytest.raises(IsADirectoryError) as folder:
        write_text(tmp_path / "b.txt", "b")
    assert folder.value.filename == str(tmp_path / "b.txt")
    assert ".b-" not in str(folder.value)
    with pytest.raises(FileNotFoundError) as other, atomic_write(path):
        (tmp_path / "another.txt").read_text()
    assert other.value.filename == str(tmp_path / "another.txt"), "what is read keeps its name"
    assert names(tmp_path) == ["b.txt"]


def test_a_folder_that_can_be_made_is_fine_and_nothing_is_left(tmp_path: Path) -> None:
    assert why_not_writable(tmp_path / "a" / "b") is None
    assert list(tmp_path.iterdir()) == []


def test_nobody_sees_that_a_folder_was_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it is hidden, where a file system has no files without a name, and removed later."""
    seen = []
    made = tempfile.TemporaryFile

    def watched(**options: Any) -> Any:
        file = made(**options)
        seen.extend(path.name for path in tmp_path.iterdir())
        (tmp_path / f"{options['prefix']}abcd_123{options['suffix']}").touch()
        return file

    monkeypatch.setattr(tempfile, "TemporaryFile", watched)
    assert why_not_writable(tmp_path / "a") is None
    assert [name for name in seen if not name.startswith(".fer-")] == []
    (left,) = names(tmp_path)
    assert left.startswith(".")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == []


def test_why_a_folder_can_not_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert why_not_writable(tmp_path / "file") == f"{tmp_path / 'file'} is a file, not a folder"
    assert (
        why_not_writable(tmp_path / "file" / "a") == f"{tmp_path / 'file'} is a file, not a folder"
    )
    if Path("/proc/self").is_dir():
        assert "nothing can be written to /proc" in (why_not_writable(Path("/proc/run")) or "")


@pytest.mark.skipif(os.name == "nt", reason="devices, pipes and links of POSIX")
def test_devices_and_pipes_are_written_to_and_stay(tmp_path: Path) -> None:
    # Not /dev/null, which a defect would cost a machine's root.
    ours, theirs = os.openpty()
    write_json(Path(os.ttyname(theirs)), {"a": 1})
    assert json.loads(os.read(ours, 1000)) == {"a": 1}
    os.close(ours)
    os.close(theirs)
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_json(pipe, {"a": 1})
    assert json.loads(os.read(reader, 1000)) == {"a": 1}
    os.close(reader)
    assert pipe.is_fifo()
    # As a shell's /dev/stdout, behind which lies a file.
    with (tmp_path / "file").open("ab") as file:
        write_text(Path(f"/dev/fd/{file.fileno()}"), "text")
        assert (tmp_path / "file").read_text() == "text"
        assert os.fstat(file.fileno()).st_nlink == 1
    assert names(tmp_path) == ["file", "pipe.json"]


@pytest.mark.skipif(os.name == "nt", reason="devices, pipes and links of POSIX")
def test_links_stay_and_lead_to_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name, aim in (("link.txt", "there/a.txt"), ("loop.txt", "loop.txt")):
        (tmp_path / name).symlink_to(aim)
    for text in ("first", "second"):
        write_text(tmp_path / "link.txt", text)
        assert (tmp_path / "there" / "a.txt").read_text() == text
    assert (tmp_path / "link.txt").is_symlink()
    with pytest.raises(OSError, match=r"loop\.txt"):
        write_text(tmp_path / "loop.txt", "a")
    assert names(tmp_path) == ["link.txt", "loop.txt", "there"]
    assert names(tmp_path / "there") == ["a.txt"]


KILLED = """
import sys, time
from pathlib import Path
from fer.core.io import atomic_write
with atomic_write(Path("a.json")) as beside:
    beside.write_text("half")
    print(beside.name, flush=True)
    time.sleep(60)
"""
NEXT = (
    "from pathlib import Path; from fer.core.io import write_text; write_text(Path('b.txt'), 'b')"
)


def test_the_next_process_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    """And nothing that is still written, nor what is a user's."""
    (tmp_path / ".photo-20240101.jpg").touch()
    after = [sys.executable, "-c", NEXT]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        subprocess.run(after, cwd=tmp_path, check=True)
        assert (tmp_path / name).read_text() == "half"
        process.kill()
    assert (tmp_path / name).exists()
    subprocess.run(after, cwd=tmp_path, check=True)
    assert names(tmp_path) == [".photo-20240101.jpg", "b.txt"]
