"""Video files, cameras and streams."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer.live import LiveSource, SourceError, VideoFile, open_source
from tests.support.errors import raises
from tests.support.films import FakeCapture, write_film


def greys(count: int, size: tuple[int, int] = (64, 48)) -> list[np.ndarray]:  # type: ignore[type-arg]
    return [np.full((size[1], size[0], 3), 5 * n % 256, dtype=np.uint8) for n in range(count)]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "a.avi", greys(20), rate=10)


def test_every_frame_of_a_film(film: Path) -> None:
    source = open_source(str(film))
    assert (source.rate, source.total, source.is_live) == (10, 20, False)
    frames = list(source.frames())
    assert [one.number for one in frames] == list(range(20))
    np.testing.assert_allclose([one.time for one in frames], np.arange(20) / 10, atol=1e-6)
    for frame, wanted in zip(frames, greys(20), strict=True):
        assert np.abs(frame.image.astype(int) - wanted).max() < 6


def test_colors_are_rgb(tmp_path: Path) -> None:
    red = np.zeros((48, 64, 3), dtype=np.uint8)
    red[..., 0] = 230
    (frame,) = open_source(str(write_film(tmp_path / "a.mp4", [red]))).frames()
    assert frame.image[..., 0].mean() > 180
    assert frame.image[..., 2].mean() < 60


def test_an_animated_picture_is_a_film(tmp_path: Path) -> None:
    pages = [Image.fromarray(one) for one in greys(3)]
    pages[0].save(tmp_path / "a.gif", save_all=True, append_images=pages[1:], duration=100)
    assert len(list(open_source(str(tmp_path / "a.gif")).frames())) == 3


def test_times_where_a_film_has_none() -> None:
    source = VideoFile(FakeCapture(greys(5), rate=0), "a film")
    np.testing.assert_allclose([one.time for one in source.frames()], np.arange(5) / 25)


def test_a_damaged_film_says_where_it_ends(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.avi", greys(60), rate=10)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    said: list[str] = []
    source = open_source(str(path), say=said.append)
    count = len(list(source.frames()))
    assert 3 < count < 30
    assert source.is_lost
    (line,) = said
    assert f"{count} of about 60 frames, the last at {(count - 1) / 10:.1f} s" in line


@pytest.mark.parametrize(
    ("stated", "rate", "pause", "is_short"),
    [
        (0, 25, None, False),  # It states no number.
        (42, 25, None, False),  # Two more than there are.
        (43, 25, None, True),
        (43, 0, None, True),
        (400, 250, 40.0, False),  # Less often than it states, but to the end.
        (800, 250, 40.0, True),
        (400, 10, None, True),
    ],
)
def test_frames_that_are_missing_at_the_end(
    stated: int, rate: float, pause: float | None, is_short: bool
) -> None:
    said: list[str] = []
    capture = FakeCapture(greys(40), rate, total=stated, pause=pause)
    source = VideoFile(capture, "a film", say=said.append)
    assert len(list(source.frames())) == 40
    assert (source.is_lost, len(said)) == (is_short, int(is_short))


def test_names_that_are_not_utf8(film: Path, tmp_path: Path) -> None:
    """OpenCV would crash on them."""
    name = tmp_path / os.fsdecode(b"caf\xe9.avi")
    try:
        shutil.copy(film, name)
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    assert len(list(open_source(str(name)).frames())) == 20


def _cut_off(path: Path) -> None:
    write_film(path, greys(20))
    path.write_bytes(path.read_bytes()[:600])


BAD: dict[str, Callable[[Path], object]] = {
    "no_file": lambda path: None,
    "empty_file": lambda path: path.write_bytes(b""),
    "is_folder": lambda path: path.mkdir(),
    "unreadable_video": lambda path: path.write_bytes(b"no film at all"),
    "unreadable_video (random bytes)": lambda path: path.write_bytes(
        np.random.default_rng(0).bytes(5000)
    ),
    "unreadable_video (cut off)": _cut_off,
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_a_film(name: str, tmp_path: Path) -> None:
    BAD[name](tmp_path / "a.mp4")
    with raises(name.split(" ", maxsplit=1)[0], where="a.mp4", kind=SourceError):
        open_source(str(tmp_path / "a.mp4"))


def test_no_camera_no_stream_and_no_frames() -> None:
    with raises("no_camera", where="camera 97"):
        open_source("97")
    with raises("no_stream", where="rtsp://***@127.0.0.1:1/a"):
        open_source("rtsp://me:secret@127.0.0.1:1/a")
    with raises("no_frames"):
        list(VideoFile(FakeCapture([]), "a film").frames())
    with raises("no_frames"):
        list(LiveSource(lambda: FakeCapture([]), "a camera", tries=1, wait=0.0).frames())


def test_what_is_wrong_is_said_once(tmp_path: Path) -> None:
    """In a process of its own: FFmpeg reads how talkative it is when it is first used."""
    (tmp_path / "text.mp4").write_bytes(b"no film at all")
    code = """
import sys
from fer.live import SourceError, open_source
for name in sys.argv[1:]:
    try:
        open_source(name)
    except SourceError as error:
        print(error)
"""
    names = [str(tmp_path / "text.mp4"), "97", "rtsp://127.0.0.1:1/a"]
    ran = subprocess.run(
        [sys.executable, "-c", code, *names], capture_output=True, text=True, check=True
    )
    assert len(ran.stdout.splitlines()) == 3
    assert ran.stderr == ""


# --- live ----------------------------------------------------------------------------------------


def slowly(count: int, pause: float) -> Iterator[np.ndarray]:  # type: ignore[type-arg]
    for frame in greys(count):
        time.sleep(pause)
        yield frame


def test_a_dropped_source_is_reopened() -> None:
    said: list[str] = []
    captures = [FakeCapture(slowly(3, 0.01)), None, FakeCapture(slowly(3, 0.01))]
    opened = iter([*captures, None, None])
    source = LiveSource(lambda: next(opened), "the door", say=said.append, tries=2, wait=0.01)
    frames = list(source.frames())
    assert 2 <= len(frames) <= 6
    assert [one.number for one in frames] == list(range(len(frames)))
    times = [one.time for one in frames]
    assert times == sorted(times)
    assert [line.split(";")[0].removeprefix("the door ") for line in said] == [
        "dropped", "dropped", "is back", "dropped", "dropped", "did not come back",
    ]  # fmt: skip
    assert source.is_lost
    assert all(one.is_released for one in captures if one)


def test_the_newest_frame_is_seen() -> None:
    """Whoever is slow sees the present."""
    source = LiveSource(lambda: FakeCapture(slowly(40, 0.005)), "a camera", tries=0, wait=0.0)
    frames = source.frames()
    first = next(frames)
    time.sleep(0.1)
    values = [int(frame.image[0, 0, 0]) for frame in frames]
    assert int(first.image[0, 0, 0]) < 50
    assert len(values) < 35
    assert values[0] >= 25
    assert values == sorted(values)


def test_a_source_that_is_left_is_released_and_not_lost() -> None:
    camera = FakeCapture(slowly(1000, 0.005))
    film = FakeCapture(greys(40), total=400)
    for capture, source in (
        (camera, LiveSource(lambda: camera, "a camera")),
        (film, VideoFile(film, "a film")),
    ):
        frames = source.frames()
        next(frames)
        frames.close()
        assert capture.is_released
        assert not source.is_lost
