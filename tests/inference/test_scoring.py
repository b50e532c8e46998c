"""Tables scored in parts: every row is answered or listed, whatever the table and the parts."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import fer
from fer.core.errors import UserError
from fer.inference import OnnxModel, Recognizer
from fer.inference.scoring import (
    ScoringJob,
    ScoringOptions,
    claim_output_dir,
    job,
    open_table,
    score_locally,
    summarize,
)
from fer.inference.scoring.job import ScoringSummary, write_or_check_job_file
from tests.support.crops import crops, png, write_crops
from tests.support.errors import raises
from tests.support.faces_in_frames import RedSquares, scene
from tests.support.pattern_faces import CLASSES
from tests.support.picture_folders import png_without_palette
from tests.support.train_command import contents

Score = Callable[..., ScoringSummary]
CHANCES = [f"p_{name}" for name in CLASSES]


@pytest.fixture
def score(small_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Score:
    """Score a table in an empty folder, with a detector that finds red squares."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fer.inference.loading.make_detector", lambda *_, **__: RedSquares())

    def run(
        table: str,
        to: str,
        *,
        rows: int | None = None,
        shard: int = 0,
        shards: int = 1,
        column: str | None = None,
        **options: Any,
    ) -> ScoringSummary:
        opened = open_table(Path(table), column=column, rows=rows)
        task = ScoringJob(opened, Path(to), str(small_onnx), ScoringOptions(**options), 1)
        with claim_output_dir(task, shard, shards) as left:
            score_locally(task, left, lambda _: None)
            return summarize(task, shard, shards)

    return run


def answers(folder: str) -> list[dict[str, Any]]:
    return pq.read_table(folder).to_pylist()  # type: ignore[no-any-return]


def test_crops(score: Score, exported: OnnxModel) -> None:
    """The answers are those of the recognizer, whatever the parts; any reader takes the folder."""
    images = crops(100)
    write_crops(Path("faces.parquet"), images, path=[f"f{i}" for i in range(100)])
    assert score("faces.parquet", "out", rows=16) == ScoringSummary(100, 100, 0, ())
    found = Recognizer(exported).classify(images)
    rows = answers("out")
    assert list(rows[0]) == ["row", "path", "label", *CHANCES, "problem"]
    assert [(row["row"], row["path"]) for row in rows] == [(i, f"f{i}") for i in range(100)]
    assert [row["label"] for row in rows] == list(found.labels)
    chances = np.array([[row[name] for name in CHANCES] for row in rows])
    np.testing.assert_allclose(chances, found.probabilities, atol=1e-6)
    # Row groups of 40 are three parts each, the third of which is smaller.
    assert len(list(Path("out").glob("part-*.parquet"))) == 3 + 3 + 2


def test_both_encodings_of_a_face(score: Score) -> None:
    images = crops(5, 20)
    encoded = [png(image) for image in images]
    forms: dict[str, tuple[list[Any], Any]] = {
        "raw": ([image.tobytes() for image in images], pa.binary(400)),
        "encoded": (encoded, pa.binary()),
        "large": (encoded, pa.large_binary()),
        "struct": ([{"bytes": data, "path": "x"} for data in encoded], None),
    }
    seen = {}
    for name, (cells, kind) in forms.items():
        pq.write_table(pa.table({"face": pa.array(cells, kind)}), f"{name}.parquet")
        assert score(f"{name}.parquet", name, column="face").faces == 5
        seen[name] = answers(name)
    assert all(rows == seen["raw"] for rows in seen.values())
    assert len({row["p_up"] for row in seen["raw"]}) == 5


def test_bad_faces_are_listed_and_counted(score: Score) -> None:
    cells = [png(crops(1)[0]), b"no picture", None, png(crops(1)[0])[:50], b""]
    write_crops(Path("faces.parquet"), cells, kind=pa.binary())
    for _ in range(2):  # Of what was done before, too.
        found = score("faces.parquet", "out", rows=2)
        assert (found.rows, found.faces, found.problems) == (5, 1, 4)
        assert [line.split(":")[0] for line in found.examples] == [f"row {i}" for i in range(1, 5)]
    assert [row["problem"] is None for row in answers("out")] == [True, *[False] * 4]
    Path("list.csv").write_text("path\na.png\nb.png\n")
    Path("a.png").write_bytes(png_without_palette())
    Path("b.png").write_bytes(png(crops(1)[0]))
    for options in ({"crops": True}, {"tta": True}):
        assert score("list.csv", f"list{options}", **options).problems == 1
        assert [row["problem"] is None for row in answers(f"list{options}")] == [False, True]
    column = pa.array([crops(1)[0].tobytes(), None], pa.binary(48 * 48))
    pq.write_table(pa.table({"image": column}), "grey.parquet")
    assert score("grey.parquet", "grey").problems == 1
    assert [row["problem"] is None for row in answers("grey")] == [True, False]


@pytest.mark.parametrize("kind", [
    pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()),
], ids=str)  # fmt: skip
def test_names_in_all_the_forms_of_text(score: Score, kind: pa.DataType) -> None:
    """Beside faces, and of pictures."""
    images, names = crops(3), [f"{i}.png" for i in range(3)]
    for name, image in zip(names, images, strict=True):
        Path(name).write_bytes(png(image))
    column = pa.array(names, pa.string()).cast(kind)
    write_crops(Path("beside.parquet"), images, path=column)
    pq.write_table(pa.table({"path": column}), "named.parquet")
    assert score("beside.parquet", "beside").faces == 3
    assert score("named.parquet", "named", crops=True).faces == 3
    assert [row["path"] for row in answers("named")] == names
    assert answers("named") == answers("beside")


def test_names_that_are_not_utf8(score: Score) -> None:
    """They are names still: the row says if there is no such picture."""
    names = [b"0.png", b"caf\xe9.png", b"gone\xe9.png"]
    try:
        for name in names[:2]:
            Path(os.fsdecode(name)).write_bytes(png(crops(1)[0]))
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    column = pa.array(names, pa.binary()).view(pa.string())
    pq.write_table(pa.table({"path": column}), "list.parquet")
    Path("list.csv").write_bytes(b"path\n" + b"\n".join(names) + b"\n")
    for table in ("list.parquet", "list.csv"):
        found = score(table, f"{table}-out", crops=True)
        assert (found.rows, found.faces) == (3, 2)
    rows = answers("list.parquet-out")
    assert rows == answers("list.csv-out")
    assert [row["path"] for row in rows] == ["0.png", r"caf\xe9.png", r"gone\xe9.png"]
    assert [row["problem"] for row in rows] == [None, None, "No such file or directory"]


def save(path: str, *boxes: tuple[int, int, int]) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(scene(*boxes)).save(path)


def test_a_table_of_pictures(score: Score, small_onnx: Path) -> None:
    save("photos/two.png", (10, 10, 40), (90, 50, 40))
    save("photos/none.png")
    save("photos/small, far.png", (30, 30, 10))
    Path("photos/broken.png").write_bytes(b"x")
    whole = Path("photos/two.png").absolute()
    Path("photos/list.csv").write_text(
        '\ufeffwho,path\na,two.png\nb,none.png\nc,"small, far.png"\n\nd,broken.png\n'
        f"e,gone.png\nf,\ng, {whole}\n",
        encoding="utf-8",
    )
    found = score("photos/list.csv", "out", rows=2)
    assert (found.rows, found.faces, found.problems) == (7, 5, 3)
    assert [line.split(":")[0] for line in found.examples] == [
        "row 3 broken.png", "row 4 gone.png", "row 5",
    ]  # fmt: skip
    rows = answers("out")
    # The third is found, and too small.
    assert [(row["row"], row["face"], row["label"] in CLASSES) for row in rows] == [
        (0, 1, True), (0, 2, True), (1, None, False), (2, 1, False), (3, None, False),
        (4, None, False), (5, None, False), (6, 1, True), (6, 2, True),
    ]  # fmt: skip
    assert [row["problem"] is None for row in rows] == [True] * 4 + [False] * 3 + [True] * 2
    names = ["two.png", "none.png", "small, far.png", "broken.png", "gone.png", None, str(whole)]
    pq.write_table(pa.table({"path": names}), "photos/list.parquet")
    assert score("photos/list.parquet", "parquet", rows=3).problems == 3
    assert answers("parquet") == rows
    faces = fer.load(small_onnx, threads=1).analyze(scene((10, 10, 40), (90, 50, 40)))
    assert [tuple(row[name] for name in "xywh") for row in rows[:2]] == [f.box for f in faces]
    np.testing.assert_allclose(
        [[row[name] for name in CHANCES] for row in rows[:2]],
        [face.probabilities for face in faces],
        atol=1e-6,
    )


@pytest.mark.skipif(os.name == "nt", reason="pipes and devices of POSIX")
def test_rows_that_name_pipes_and_devices(score: Score) -> None:
    os.mkfifo("pipe.png")
    Path("list.csv").write_text("path\npipe.png\n/dev/zero\n")
    assert score("list.csv", "out").problems == 2


@given(
    groups=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    rows=st.integers(1, 40),
    done=st.sets(st.integers(0, 60)),
    is_csv=st.booleans(),
)
def test_parts_hold_every_row_once(
    tmp_path_factory: pytest.TempPathFactory, groups: list[int], rows: int, done: set[int], *,
    is_csv: bool,
) -> None:  # fmt: skip
    """Whatever the row groups, and whichever parts are left to read."""
    folder = tmp_path_factory.mktemp("table")
    names = [f"{i}.png" for i in range(sum(groups))]
    if is_csv:
        file = folder / "a.csv"
        file.write_text("path\n" + "\n".join(names))
    else:
        file = folder / "a.parquet"
        with pq.ParquetWriter(file, pa.schema({"path": pa.string()})) as writer:
            for end, count in zip(np.cumsum(groups), groups, strict=True):
                writer.write_table(pa.table({"path": names[end - count : end]}))
    table = open_table(file, rows=rows)
    assert table.rows == len(names)
    left = [part for part in table.parts if part.number not in done]
    read = dict(table.read(left))
    assert list(read) == left
    for part, found in read.items():
        assert found.names == names[part.first : part.first + part.rows]
    firsts = [part.first for part in table.parts]
    assert firsts == list(np.cumsum([0, *(part.rows for part in table.parts)])[:-1])


def test_a_folder_of_parquet_files_and_shards(score: Score) -> None:
    """Shards of any number, one after the other or in any order, make the same files."""
    Path("many").mkdir()
    write_crops(Path("many/b.parquet"), crops(30, seed=1), group=20)
    write_crops(Path("many/a.parquet"), [*crops(12), None, *crops(7)], group=7)
    Path("many/.hidden.parquet").write_text("another's")
    whole = score("many", "whole", rows=6)
    assert (whole.rows, whole.faces, whole.problems) == (50, 49, 1)
    shards = [score("many", "shards", rows=6, shards=3, shard=i) for i in (2, 0, 1)]
    assert sum(one.faces for one in shards) == 49
    assert contents(Path("shards")) == contents(Path("whole"))
    assert [row["row"] for row in answers("whole")] == list(range(50))
    assert score("many", "shards", rows=6) == whole, "all there"


class _StopError(Exception):
    """Where a test ends the work."""


@pytest.mark.parametrize("done", [0, 1, 4])
def test_it_resumes_with_the_part_that_was_in_hand(
    score: Score, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    write_crops(Path("faces.parquet"), [*crops(50), None], group=20)
    assert score("faces.parquet", "whole", rows=8).problems == 1
    write, calls = job.atomic_write, 0

    def ends(path: Path) -> Any:
        nonlocal calls
        calls += 1
        if calls > done:
            raise _StopError
        return write(path)

    with monkeypatch.context() as patched:
        patched.setattr(job, "atomic_write", ends)
        with pytest.raises(_StopError):
            score("faces.parquet", "out", rows=8)
    kept = sorted(Path("out").glob("part-*.parquet"))
    assert len(kept) == done
    stamps = [path.stat().st_mtime_ns for path in kept]
    score("faces.parquet", "out", rows=8)
    assert [path.stat().st_mtime_ns for path in kept] == stamps, "done once"
    assert contents(Path("out")) == contents(Path("whole"))


def test_another_job_is_refused(score: Score) -> None:
    write_crops(Path("faces.parquet"), crops(9))
    score("faces.parquet", "out", rows=4)
    before = contents(Path("out"))
    for options, key in (
        ({"rows": 5}, "part"),
        ({"rows": 4, "tta": True}, "tta"),
        ({"rows": 4, "confidence": 0.5}, "confidence"),
    ):
        with raises("another_job", where=key):
            score("faces.parquet", "out", **options)
    write_crops(Path("faces.parquet"), crops(9, seed=5))
    with raises("another_job", where="table"):
        score("faces.parquet", "out", rows=4)
    assert contents(Path("out")) == before
    Path("out/_job.json").write_text("[")
    with raises("job_file_damaged", where="_job.json"):
        score("faces.parquet", "out", rows=4)


def test_the_same_names_in_another_folder_are_another_job(score: Score) -> None:
    """Not so a table that holds its faces: it may be moved."""
    for n, folder in enumerate("ab"):
        Path(folder).mkdir()
        Path(folder, "0.png").write_bytes(png(crops(1, seed=n)[0]))
        Path(folder, "list.csv").write_text("path\n0.png\n")
        write_crops(Path(folder, "faces.parquet"), crops(3))
    score("a/list.csv", "out", crops=True)
    with raises("another_job", where="root"):
        score("b/list.csv", "out", crops=True)
    assert [score(f"{at}/faces.parquet", "held").faces for at in "ab"] == [3, 3]


def test_shards_that_begin_at_once_agree_on_one_job(score: Score, small_onnx: Path) -> None:
    """None writes what the folder is for while another looks."""
    write_crops(Path("faces.parquet"), crops(9))
    jobs = [
        ScoringJob(open_table(Path("faces.parquet")), Path("out"), str(small_onnx),
                   ScoringOptions(tta=tta), 1)
        for tta in (False, True)
    ]  # fmt: skip
    Path("out").mkdir()
    both = threading.Barrier(3)
    codes: list[str] = []

    def check(task: ScoringJob) -> None:
        both.wait()
        try:
            write_or_check_job_file(task)
            codes.append("")
        except UserError as error:
            codes.append(error.code)

    threads = [threading.Thread(target=check, args=[task]) for task in jobs]
    with filelock.FileLock("out/.job.lock"):
        for thread in threads:
            thread.start()
        both.wait()
        time.sleep(0.2)
        assert not Path("out/_job.json").exists()
    for thread in threads:
        thread.join()
    assert sorted(codes) == ["", "another_job"]


def test_a_folder_that_holds_something_else_or_is_in_use(score: Score) -> None:
    write_crops(Path("faces.parquet"), crops(3))
    Path("full").mkdir()
    Path("full/mine").write_text("mine")
    with raises("folder_in_use"):
        score("faces.parquet", "full")
    with raises("not_writable"):
        score("faces.parquet", "full/mine")
    Path("out").mkdir()
    with filelock.FileLock("out/.shard-0-of-1.lock"), raises("folder_locked"):
        score("faces.parquet", "out")
    assert score("faces.parquet", "out").faces == 3
    Path("out/part-000000.parquet").write_bytes(b"x")
    with raises("part_damaged", where="part-000000.parquet"):
        score("faces.parquet", "out")


def damaged_page() -> None:
    write_crops(Path("page.parquet"), crops(9))
    data = bytearray(Path("page.parquet").read_bytes())
    data[4:24] = b"\xff" * 20  # The head of the first page lies behind the file's mark.
    Path("page.parquet").write_bytes(data)


@pytest.mark.parametrize(
    ("table", "column", "code"),
    [
        ("no.csv", None, "no_such_file"),
        ("empty", None, "table_empty"),
        ("text.txt", None, "not_a_table"),
        ("broken.parquet", None, "table_damaged"),
        ("page.parquet", None, "table_damaged"),
        ("other.parquet", None, "table_column"),
        ("other.parquet", "a", "table_type"),
        ("other.parquet", "b", "table_column"),
        ("texts.parquet", None, "table_type"),
        ("numbers.parquet", None, "table_type"),
        ("oblong.parquet", None, "table_type"),
        ("mixed", None, "table_mixed"),
        ("none.parquet", None, "table_empty"),
        ("other.csv", None, "table_column"),
        ("twice.csv", None, "table_column"),
        ("header.csv", None, "table_empty"),
        ("nothing.csv", None, "table_damaged"),
        ("ragged.csv", None, "table_damaged"),
        ("quote.csv", None, "table_quote"),
    ],
)
def test_what_is_not_a_table(score: Score, table: str, column: str | None, code: str) -> None:
    def write(name: str, cells: list[Any], kind: Any = None, at: str = "image") -> None:
        pq.write_table(pa.table({at: pa.array(cells, kind)}), name)

    write_crops(Path("broken.parquet"), crops(3))
    Path("broken.parquet").write_bytes(Path("broken.parquet").read_bytes()[:-20])
    damaged_page()
    write("other.parquet", [1, 2], at="a")
    write("texts.parquet", [{"bytes": "a.png"}])
    write("numbers.parquet", [{"bytes": 7}])
    write("oblong.parquet", [b"123"], pa.binary(3))
    write("none.parquet", [], pa.string(), "path")
    Path("mixed").mkdir()
    write("mixed/a.parquet", ["a.png"])
    write("mixed/b.parquet", [b"a"])
    for name, text in {
        "text.txt": "x", "other.csv": "a,b\n1,2\n", "twice.csv": "path,path\n1,2\n",
        "header.csv": "path\n", "nothing.csv": "", "ragged.csv": "a,path\n1,2\n3\n",
        "quote.csv": 'path\nb\n"x\nc\n',
    }.items():  # fmt: skip
        Path(name).write_text(text)
    Path("empty").mkdir()
    with raises(code):
        score(table, "out", column=column)
    assert not list(Path().glob("out/part-*"))


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_pipe_among_the_files(score: Score) -> None:
    Path("folder").mkdir()
    os.mkfifo("folder/a.parquet")
    with raises("not_a_file", where="a.parquet"):
        score("folder", "out")
