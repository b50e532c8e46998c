"""The cache: written once, whole or not at all, and told when it is damaged."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fer.data.cache import Cache, CacheError, Entry, default_folder, file_key
from fer.data.fer2013 import Fer2013
from tests.support.fer2013_csv import make_faces, write_fer2013

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


def test_keys_do_not_mix(cache: Cache, build: Builder) -> None:
    cache.get(KEY, build)
    cache.get("other", build)
    assert build.calls == 2


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


def test_a_changed_source_is_read_again(tmp_path: Path) -> None:
    source = Fer2013(str(tmp_path), str(tmp_path / "cache"))
    for seed in (0, 1):
        images, labels, usages = make_faces(seed=seed)
        write_fer2013(tmp_path / "fer2013.csv", images, labels, usages)
        faces = source.load()
        np.testing.assert_array_equal(faces.splits["train"].images, images[:20])
        np.testing.assert_array_equal(faces.splits["train"].labels, labels[:20])


def _load_slowly(root: str, folder: str, barrier: Any, results: Any) -> None:
    """Load in a process of its own, parsing so slowly that the loads overlap."""
    import time

    import fer.data.fer2013 as module

    parse, calls = module._parse, []

    def slow_parse(path: Path) -> Entry:
        calls.append(path)
        time.sleep(1)
        return parse(path)

    module._parse = slow_parse
    source = Fer2013(root, folder)
    barrier.wait(60)
    faces = source.load()
    sums = {name: int(split.images.sum()) for name, split in faces.splits.items()}
    results.put((len(calls), faces.fingerprint, sums))


def test_two_first_loads_at_once_parse_once(tmp_path: Path) -> None:
    images, labels, usages = make_faces()
    write_fer2013(tmp_path / "fer2013.csv", images, labels, usages)
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    arguments = (str(tmp_path), str(tmp_path / "cache"), barrier, results)
    processes = [context.Process(target=_load_slowly, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    answers = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert sorted(calls for calls, _, _ in answers) == [0, 1]
    expected = {
        name: int(images[20 * i : 20 * (i + 1)].sum())
        for i, name in enumerate(("train", "val", "test"))
    }
    assert [sums for _, _, sums in answers] == [expected, expected]
    assert answers[0][1] == answers[1][1]
