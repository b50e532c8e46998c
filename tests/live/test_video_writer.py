from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from fer.live import check_video_path, open_video_writer
from fer.live.video_writer import CODECS
from tests.support.errors import raises
from tests.support.films import frames_of


def grey(value: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:  # type: ignore[type-arg]
    return np.full((size[1], size[0], 3), value, dtype=np.uint8)


#: What browsers play of it; other endings are for other programs.
CODINGS = {".webm": {"VP8"}, ".mp4": {"H.264", "VP9"}, ".avi": None, ".mkv": None, ".mov": None}


@pytest.mark.parametrize("suffix", CODINGS)
def test_a_frame_for_each(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with open_video_writer(path, 25) as film:
        for number in range(10):
            film.add(grey(20 * number), number / 25)
    values = [int(frame.mean()) for frame in frames_of(path)]
    np.testing.assert_allclose(values, np.arange(10) * 20, atol=8)
    assert list(tmp_path.iterdir()) == [path]
    assert film.coding in (CODINGS[suffix] or {film.coding})


def test_time_is_kept(tmp_path: Path) -> None:
    """A camera that says 25 frames a second and gives 10, then 50, of another size."""
    path = tmp_path / "a.avi"
    times = [*np.arange(10) / 10, *(1 + np.arange(50) / 50)]
    with open_video_writer(path, 25) as film:
        for time in times:
            size = (128, 96) if time > 1 else (64, 48)
            film.add(grey(int(100 * time), size), float(time))
    values = np.array([int(frame.mean()) for frame in frames_of(path)])
    assert len(values) == pytest.approx(2 * 25, abs=2)
    np.testing.assert_allclose(values, 100 * np.arange(len(values)) / 25, atol=14)


def write_noise(path: Path) -> None:
    rng = np.random.default_rng(0)
    with open_video_writer(path, 25) as film:
        for number in range(30):
            film.add(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8), number / 25)


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
@pytest.mark.parametrize("most", [100, 20_000])
@pytest.mark.parametrize("suffix", [".webm", ".mp4", ".avi", ".mkv", ".mov"])
def test_a_film_that_does_not_fit_is_none(tmp_path: Path, suffix: str, most: int) -> None:
    """OpenCV says nothing of a disk that is full."""
    import resource

    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"as it was")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        with pytest.raises(OSError, match=rf"a\{suffix} can't be written: of its 30 frames \d+ "):
            write_noise(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"as it was"
    assert list(tmp_path.iterdir()) == [path]


def test_names_that_no_film_can_have(tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    for name, code in (("a.txt", "video_suffix"), ("folder.mp4", "is_folder"),
                       (os.fsdecode(b"\xe9.mp4"), "name_not_utf8")):  # fmt: skip
        with raises(code):
            check_video_path(tmp_path / name)


def test_where_no_encoder_of_browsers_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CODECS, ".mp4", ("none", "mp4v"))
    with open_video_writer(tmp_path / "a.mp4", 25) as film:
        film.add(grey(9), 0.0)
    assert "browsers don't play" in film.coding
    assert len(frames_of(tmp_path / "a.mp4")) == 1


def test_gaps_are_bounded(tmp_path: Path) -> None:
    """The frame before is shown for ten seconds; the rest is left out, and counted."""
    path = tmp_path / "a.avi"
    with open_video_writer(path, 5) as film:
        for time in (0.0, 0.2, 1e6, 1e6 + 0.2):
            film.add(grey(200 if time > 1 else 20), time)
    values = np.array([frame.mean() for frame in frames_of(path)])
    assert len(values) == pytest.approx(53, abs=1)
    assert (values > 100).sum() == 2
    assert film.gaps == 1
    assert film.left_out == pytest.approx(1e6 - 10.2)
