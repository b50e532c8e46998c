"""``fer video --session``: what a recorded group showed, and nothing of a single face."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import get_args

import numpy as np
import pytest

from fer.commands.options import IndexName
from fer.core.labels import EMOTIONS
from fer.live.aggregation import INDICES
from fer.pixels import Image
from tests.commands.conftest import Run
from tests.support.emotion_squares import room, square_recognizer
from tests.support.films import write_film

Video = Callable[..., tuple[int, str, str]]
RATE = 1.0


@pytest.fixture
def video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> Video:
    """Run ``fer video`` in an empty folder, with a recognizer of squares."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fer.commands.options.load_recognizer", lambda _: square_recognizer())

    def video(*arguments: str | Path) -> tuple[int, str, str]:
        answer = run("video", *arguments)
        return answer.code, answer.out, answer.err

    return video


def rows_of(folder: str) -> list[dict[str, str]]:
    with (Path(folder) / "timeline.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def lesson(phases: list[tuple[float, str]], end: float, faces: int = 20) -> Iterator[Image]:
    """Twenty faces, of which most show what the phase says, each at moments something else."""
    random = Random(0)
    for number in range(int(end * RATE)):
        emotion = next(name for start, name in reversed(phases) if number / RATE >= start)
        yield room([
            emotion if random.random() < 0.75 else random.choice(EMOTIONS) for _ in range(faces)
        ])  # fmt: skip


def turning_points(page: str) -> list[float]:
    """Return the times in the table of a page, in seconds."""
    table = page.partition("<h2>Turning points</h2>")[2].partition("<h2>")[0]
    times = re.findall(r"<td>\d+</td><td>(\d+):(\d+)</td>", table)
    return [60 * int(minutes) + int(seconds) for minutes, seconds in times]


def test_a_class_of_twenty_turns_when_it_does(video: Video) -> None:
    phases = [(0.0, "neutral"), (37.0, "happy"), (74.0, "sad"), (113.0, "neutral")]
    write_film("a.avi", lesson(phases, 150), RATE)
    code, out, err = video("a.avi", "--session", "s")
    assert (code, err) == (0, "")
    page = Path("s/session.html").read_text(encoding="utf-8")
    found = turning_points(page)
    assert len(found) == 3
    np.testing.assert_allclose(found, [37, 74, 113], atol=5)
    assert out.count("turning point at") == 3
    rows = rows_of("s")
    assert len(rows) == 75
    assert {row["faces_median"] for row in rows} == {"20"}
    assert [bool(row["withheld"]) for row in rows[:4]] == [True, True, False, False]
    for row in rows[2:]:
        assert sum(float(row[f"share_{name}"]) for name in EMOTIONS) == pytest.approx(1)
    assert sorted(path.name for path in Path("s").iterdir()) == [
        "session.html", "timeline.csv", "timeline.parquet",
    ]  # fmt: skip


def test_the_page_needs_nothing_and_says_what_it_can_not(video: Video) -> None:
    write_film("<b>.avi", lesson([(0, "happy")], 20), RATE)
    assert video("<b>.avi", "--session", "s", "--index", "sharma2019")[0] == 0
    page = Path("s/session.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=|https?:|<script|@import|url\(", page)
    assert "default-src 'none'" in page
    assert "&lt;b&gt;.avi" in page
    assert "<b>" not in page
    assert str(Path.cwd()) not in page
    for words in ("Article\n5(1)(f)", "Labels, not feelings", "turning points", "uncertain",
                  "Coverage", "arXiv:1909.12913", "Russell and Mehrabian", "<svg"):  # fmt: skip
        assert words in page


def test_four_faces_are_withheld(video: Video) -> None:
    pages = []
    for emotion in ("happy", "angry"):
        write_film("a.avi", lesson([(0, emotion)], 20, faces=4), RATE)
        code, out, _ = video("a.avi", "--session", emotion)
        assert code == 0
        assert not any(name in out for name in EMOTIONS)
        rows = rows_of(emotion)
        assert all(row["withheld"] == "few" and row["faces_median"] == "4" for row in rows)
        assert not any(row[f"share_{name}"] + row["valence"] for row in rows for name in EMOTIONS)
        pages.append(Path(emotion, "session.html").read_text(encoding="utf-8"))
        rows_text = Path(emotion, "timeline.csv").read_text()
        pages.append(rows_text)
    # Whatever they showed, the files are the same.
    assert pages[0] == pages[2]
    assert pages[1] == pages[3]
    assert video("a.avi", "--session", "s", "--min-group", "3")[0] == 0
    assert any(row["share_angry"] for row in rows_of("s"))


def test_parquet_says_the_same(video: Video) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_film("a.avi", lesson([(0, "happy")], 20), RATE)
    video("a.avi", "--session", "s")
    table = parquet.read_table("s/timeline.parquet").to_pylist()
    for row, other in zip(table, rows_of("s"), strict=True):
        assert {k: "" if v is None else str(v) for k, v in row.items()} == other


def test_without_pyarrow(video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer.reporting.session.files.find_spec", lambda _: None)
    write_film("a.avi", lesson([(0, "happy")], 4), RATE)
    code, _, err = video("a.avi", "--session", "s")
    assert code == 0
    assert ".[video]" in err
    assert sorted(path.name for path in Path("s").iterdir()) == ["session.html", "timeline.csv"]


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "with --tracks": (("--session", "s", "--tracks", "t.csv"), "would undo"),
    "with --out": (("--session", "s", "--out", "o.mp4"), "would undo"),
    "a file": (("--session", "a.avi"), "is a file"),
    "too small a group": (("--session", "s", "--min-group", "2"), "--min-group"),
    "another index": (("--session", "s", "--index", "mood"), "--index"),
    "a window of a day": (("--session", "s", "--window", "86400"), "--window"),
    "a group without a session": (("--min-group", "6"), "add --session"),
    "an index without a session": (("--index", "sharma2019"), "add --session"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(video: Video, name: str) -> None:
    write_film("a.avi", lesson([(0, "happy")], 2), RATE)
    arguments, says = REFUSED[name]
    code, out, err = video("a.avi", *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert [path.name for path in Path().iterdir()] == ["a.avi"]


def test_every_index_can_be_asked_for() -> None:
    assert set(get_args(IndexName)) == set(INDICES)
