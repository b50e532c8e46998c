"""The cache: written once, whole or not at all, and told when it is damaged."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fer.data.cache import Cache, CacheError, Entry, default_folder, file_key, verifying

KEY = "numbers-0123"


class Builder:
    """Makes an entry and counts how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, _: Path) -> Entry:
        self.calls += 1
        arrays: dict[str, npt.NDArray[Any]] = {
            "a": np.arange(1000, dtype=np.uint8),
            "b": np.eye(3),
        }
        return Entry(arrays, {"sha256": "abc", "counts": {"x": 3}})


@pytest.fixture
def build() -> Builder:
    return Builder()


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "deep" / "cache")


def check(entry: Entry) -> None:
    np.testing.assert_array_equal(entry.arrays["a"], np.arange(1000, dtype=np.uint8))
    np.testing.assert_array_equal(entry.arrays["b"], np.eye(3))
    assert entry.info == {"sha256": "abc", "counts": {"x": 3}}


def test_built_once_and_mapped(cache: Cache, build: Builder) -> None:
    for _ in range(3):
        entry = cache.get(KEY, build)
        check(entry)
        assert isinstance(entry.arrays["a"], np.memmap)
        assert not entry.arrays["a"].flags.writeable
    assert build.calls == 1
    assert sorted(p.name for p in cache.folder.iterdir()) == [KEY, f"{KEY}.lock"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("a.npy", cut),
        ("a.npy", flip),
        ("b.npy", flip),
        ("a.npy", Path.unlink),
        ("meta.json", cut),
        ("meta.json", Path.unlink),
        ("meta.json", lambda path: path.write_text("[]")),
        ("meta.json", lambda path: path.write_text(path.read_text().replace("abc", "abd"))),
    ],
)
def test_damage_is_told_and_repaired(
    cache: Cache,
    build: Builder,
    caplog: pytest.LogCaptureFixture,
    name: str,
    damage: Callable[[Path], Any],
) -> None:
    cache.get(KEY, build)
    damage(cache.folder / KEY / name)
    with caplog.at_level(logging.WARNING, logger="fer"):
        check(cache.get(KEY, build))
        check(cache.get(KEY, build))
    assert build.calls == 2
    (record,) = caplog.records
    assert "is damaged" in record.getMessage()
    assert str(cache.folder / KEY) in record.getMessage()


def test_a_failed_build_leaves_nothing(cache: Cache, build: Builder) -> None:
    def fail(_: Path) -> Entry:
        raise ValueError("broken source")

    with pytest.raises(ValueError, match="broken source"):
        cache.get(KEY, fail)
    assert [p.name for p in cache.folder.iterdir()] == [f"{KEY}.lock"]
    check(cache.get(KEY, build))


def test_a_killed_build_leaves_nothing_that_counts(cache: Cache, build: Builder) -> None:
    """A process that dies while it builds leaves a folder, which the next build removes."""
    code = (
        "import os, sys; from pathlib import Path; from fer.data.cache import Cache\n"
        f"Cache(Path({str(cache.folder)!r})).get('dead', lambda _: os._exit(9))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert (cache.folder / "dead.partial").is_dir()
    check(cache.get(KEY, build))
    assert not (cache.folder / "dead.partial").exists()
    check(cache.get("dead", build))
    assert build.calls == 2


def test_leftovers_in_work_are_left_alone(cache: Cache, build: Builder) -> None:
    def build_another_meanwhile(partial: Path) -> Entry:
        code = (
            "from pathlib import Path; import numpy as np\n"
            "from fer.data.cache import Cache, Entry\n"
            "entry = Entry({'x': np.eye(2)}, {})\n"
            f"Cache(Path({str(cache.folder)!r})).get('b', lambda _: entry)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
        assert (cache.folder / f"{KEY}.partial").is_dir()
        return build(partial)

    check(cache.get(KEY, build_another_meanwhile))


def test_unwritable_folder_is_named_before_the_work(tmp_path: Path, build: Builder) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CacheError) as error:
            Cache(folder).get(KEY, build)
        assert str(folder) in str(error.value)
        assert "FER_CACHE" in str(error.value)
    assert build.calls == 0


def test_full_disk(cache: Cache, build: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    save = np.save

    def save_half(file: Path, array: Any, **options: Any) -> None:
        save(file, array[: len(array) // 2], **options)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", save_half)
        with pytest.raises(CacheError, match=r"No space left.*make room.*FER_CACHE"):
            cache.get(KEY, build)
    assert [p.name for p in cache.folder.iterdir()] == [f"{KEY}.lock"]
    check(cache.get(KEY, build))


def test_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FER_CACHE", str(tmp_path))
    assert default_folder() == tmp_path
    monkeypatch.delenv("FER_CACHE")
    assert "fer" in default_folder().parts
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert default_folder() == tmp_path / "fer"


def test_the_key_follows_the_file(tmp_path: Path) -> None:
    path, other = tmp_path / "x", tmp_path / "y"
    path.write_text("1")
    other.write_text("1")
    key = file_key(path, "kind", 1)
    assert key.startswith("kind-")
    assert file_key(tmp_path / "." / "x", "kind", 1) == key
    assert file_key(other, "kind", 1) != key
    assert file_key(path, "kind", 2) != key
    os.utime(path, ns=(0, 0))
    assert file_key(path, "kind", 1) != key


def _load_slowly(folder: str, barrier: Any, results: Any) -> None:
    """Get an entry in a process of its own, building so slowly that two overlap."""
    calls = []

    def build(_: Path) -> Entry:
        calls.append(1)
        time.sleep(1)
        return Entry({"x": np.arange(5)}, {})

    barrier.wait(60)
    entry = Cache(Path(folder)).get(KEY, build)
    results.put((len(calls), entry.arrays["x"].tolist()))


def test_two_first_loads_at_once_build_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    arguments = (str(tmp_path / "cache"), barrier, results)
    processes = [context.Process(target=_load_slowly, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    answers = sorted(results.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert answers == [(0, [0, 1, 2, 3, 4]), (1, [0, 1, 2, 3, 4])]


def test_maps_travel_by_path(cache: Cache) -> None:
    images = np.arange(100 * 48 * 48, dtype=np.uint16).reshape(100, 48, 48).astype(np.uint8)
    array = cache.get(KEY, lambda _: Entry({"images": images}, {})).arrays["images"]
    for part, expected in ((array, images), (array[7:], images[7:]), (array[3], images[3])):
        data = pickle.dumps(part)
        assert len(data) < 1000
        again = pickle.loads(data)
        assert isinstance(again, np.memmap)
        np.testing.assert_array_equal(again, expected)
    # What is no stretch of the file is copied.
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(array[::2])), images[::2])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(array[[5, 1]])), images[[5, 1]])


def test_large_files_are_summed_on_request(
    cache: Cache, build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fer.data.cache._LARGE", 500)
    cache.get(KEY, build)
    flip(cache.folder / KEY / "a.npy")
    cache.get(KEY, build)
    assert build.calls == 1, "its size is as it was"
    with verifying():
        check(cache.get(KEY, build))
    assert build.calls == 2
    flip(cache.folder / KEY / "a.npy")
    monkeypatch.setenv("FER_CACHE_VERIFY", "1")
    check(cache.get(KEY, build))
    assert build.calls == 3
