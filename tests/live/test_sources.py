"""Films, cameras and streams."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer.live import LiveSource, SourceError, VideoFile, open_source
from fer.live.sources import without_password
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


def test_times_go_on_where_a_film_has_none() -> None:
    source = VideoFile(FakeCapture(greys(5), rate=0), "a film")
    times = [one.time for one in source.frames()]
    assert source.rate == 25
    np.testing.assert_allclose(times, np.arange(5) / 25)


def test_a_film_that_is_damaged_in_the_middle_says_where_it_ends(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.avi", greys(60), rate=10)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3])
    told: list[str] = []
    source = open_source(str(path), say=told.append)
    count = len(list(source.frames()))
    assert 3 < count < 30
    assert source.is_lost  # type: ignore[attr-defined]
    (line,) = told
    assert line.startswith(f"{path} can't be read whole: {count} of about 60 frames, the last ")
    assert f" at {(count - 1) / 10:.1f} s. It may be damaged or cut off;" in line


@pytest.mark.parametrize(
    ("said", "rate", "pause", "is_short"),
    [
        (0, 25, None, False),  # It does not say.
        (42, 25, None, False),  # Two more than there are.
        (43, 25, None, True),
        (43, 0, None, True),
        (400, 250, 40.0, False),  # Less often than it says, but to the end.
        (800, 250, 40.0, True),
        (400, 10, None, True),
    ],
)
def test_frames_that_are_missing_at_the_end(
    said: int, rate: float, pause: float | None, is_short: bool
) -> None:
    told: list[str] = []
    capture = FakeCapture(greys(40), rate, total=said, pause=pause)
    source = VideoFile(capture, "a film", say=told.append)
    assert len(list(source.frames())) == 40
    assert (source.is_lost, len(told)) == (is_short, int(is_short))


def test_a_film_that_is_left_is_not_lost() -> None:
    told: list[str] = []
    source = VideoFile(FakeCapture(greys(40), total=400), "a film", say=told.append)
    frames = source.frames()
    next(frames)
    frames.close()
    assert (source.is_lost, told) == (False, [])


def test_names_that_are_no_utf8(film: Path, tmp_path: Path) -> None:
    """OpenCV would crash on them."""
    name = tmp_path / os.fsdecode(b"caf\xe9.avi")
    try:
        shutil.copy(film, name)
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    assert len(list(open_source(str(name)).frames())) == 20


BAD = {
    "nothing": (None, "there is no film"),
    "empty": (b"", "is empty"),
    "text": (b"no film at all", "no film that can be read"),
    "random bytes": (np.random.default_rng(0).bytes(5000), "no film that can be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_film(name: str, tmp_path: Path) -> None:
    data, says = BAD[name]
    path = tmp_path / "a.mp4"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(SourceError, match=says):
        list(open_source(str(path)).frames())


def test_cut_off_film_and_folder(film: Path, tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", greys(20))
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(SourceError, match="cut off"):
        open_source(str(path))
    with pytest.raises(SourceError, match="is a folder"):
        open_source(str(tmp_path))
    with pytest.raises(SourceError, match="no frame"):
        list(VideoFile(FakeCapture([]), "a film").frames())


def test_no_camera_and_no_stream() -> None:
    with pytest.raises(SourceError, match="camera 97 is not there, or in use"):
        open_source("97")
    with pytest.raises(SourceError, match=r"rtsp://\*\*\*@127\.0\.0\.1:1/a does not answer"):
        open_source("rtsp://me:secret@127.0.0.1:1/a")


def test_what_is_wrong_is_told_once(tmp_path: Path) -> None:
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


def test_passwords_are_not_shown() -> None:
    assert without_password("rtsp://a:b@c:554/d?e=f") == "rtsp://***@c:554/d?e=f"
    assert without_password("rtsp://c/d@e") == "rtsp://c/d@e"


# --- live ----------------------------------------------------------------------------------------


class Opener:
    """Opens one capture after the other; None where there is none."""

    def __init__(self, *captures: FakeCapture | None) -> None:
        self.captures = list(captures)

    def __call__(self) -> FakeCapture | None:
        return self.captures.pop(0) if self.captures else None


def slowly(frames: list[np.ndarray], pause: float) -> Iterator[np.ndarray]:  # type: ignore[type-arg]
    for frame in frames:
        time.sleep(pause)
        yield frame


def test_a_dropped_source_is_taken_up_again() -> None:
    told: list[str] = []
    captures = [FakeCapture(slowly(greys(3), 0.01)), None, FakeCapture(slowly(greys(3), 0.01))]
    kept = [one for one in captures if one]
    source = LiveSource(Opener(*captures), "the door", say=told.append, tries=2, wait=0.01)
    frames = list(source.frames())
    assert source.is_live
    assert 2 <= len(frames) <= 6
    assert [one.number for one in frames] == list(range(len(frames)))
    times = [one.time for one in frames]
    assert times == sorted(times)
    assert [line.split(";")[0] for line in told] == [
        "the door dropped", "the door dropped", "the door is back",
        "the door dropped", "the door dropped", "the door did not come back",
    ]  # fmt: skip
    assert "(2 of 2)" in told[1]
    assert source.is_lost
    assert all(one.is_released for one in kept)


def test_the_newest_frame_is_seen() -> None:
    """Whoever is slow sees the present."""
    source = LiveSource(
        Opener(FakeCapture(slowly(greys(40), 0.005))), "a camera", tries=0, wait=0.0
    )
    frames = source.frames()
    first = next(frames)
    time.sleep(0.1)
    values = [int(frame.image[0, 0, 0]) for frame in frames]
    assert int(first.image[0, 0, 0]) < 50
    assert len(values) < 35
    assert values[0] >= 25
    assert values == sorted(values)


def test_a_source_that_is_left_ends() -> None:
    capture = FakeCapture(slowly(greys(1000), 0.005))
    source = LiveSource(Opener(capture), "a camera")
    frames = source.frames()
    next(frames)
    frames.close()
    assert capture.is_released
    assert not source.is_lost


def test_a_source_without_pictures() -> None:
    source = LiveSource(Opener(FakeCapture([])), "a camera", tries=1, wait=0.0)
    with pytest.raises(SourceError, match="sends no picture"):
        list(source.frames())
    with pytest.raises(SourceError, match="a camera is not there"):
        LiveSource(Opener(), "a camera")
