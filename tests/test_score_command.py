"""``fer predict TABLE --to FOLDER``: every row is answered or listed, whatever ends the work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import fer
import fer.core.errors
from fer import scoring
from fer.cli import main as cli
from fer.inference import OnnxModel, Recognizer
from fer.inference.scoring import Job, open_table
from fer.inference.scoring.folder import Asking
from tests.support.crops import crops, png, write_crops
from tests.support.faces_in_frames import RedSquares, scene
from tests.support.pattern_faces import CLASSES
from tests.support.picture_folders import png_without_palette
from tests.support.train_command import contents

Predict = Callable[..., tuple[int, str]]
CHANCES = [f"p_{name}" for name in CLASSES]


@pytest.fixture
def predict(
    small_onnx: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Predict:
    """Run ``fer predict`` in an empty folder, with a detector that finds red squares."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fer.inference.loading.make_detector", lambda *_, **__: RedSquares())

    def run(*arguments: str | Path | int) -> tuple[int, str]:
        names = ["fer", "predict", *map(str, arguments)]
        names += [] if "--model" in names else ["--model", str(small_onnx)]
        monkeypatch.setattr(sys, "argv", [*names, "--threads", "1"])
        try:
            code = cli()
        except SystemExit as end:
            code = int(end.code or 0)
        output = capsys.readouterr()
        assert output.out == ""
        return code, output.err

    return run


def answers(folder: str) -> list[dict[str, Any]]:
    return pq.read_table(folder).to_pylist()  # type: ignore[no-any-return]


def test_crops(predict: Predict, exported: OnnxModel) -> None:
    """The answers are those of the recognizer, whatever the parts; any reader takes the folder."""
    images = crops(100)
    write_crops(Path("faces.parquet"), images, path=[f"f{i}" for i in range(100)])
    code, said = predict("faces.parquet", "--to", "out", "--part", 16)
    assert (code, said) == (0, "100 rows, 100 faces: out\n")
    found = Recognizer(exported).classify(images)
    rows = answers("out")
    assert list(rows[0]) == ["row", "path", "label", *CHANCES, "problem"]
    assert [(row["row"], row["path"]) for row in rows] == [(i, f"f{i}") for i in range(100)]
    assert [row["label"] for row in rows] == list(found.labels)
    chances = np.array([[row[name] for name in CHANCES] for row in rows])
    np.testing.assert_allclose(chances, found.probabilities, atol=1e-6)
    # Row groups of 40 are three parts each, the third of which is smaller.
    assert len(list(Path("out").glob("part-*.parquet"))) == 3 + 3 + 2


def test_faces_in_all_the_forms_that_people_have(predict: Predict) -> None:
    images = crops(5, 20)
    grey = pa.list_(pa.uint8())
    forms: dict[str, tuple[list[Any], Any]] = {
        "raw": ([image.tobytes() for image in images], pa.binary(400)),
        "encoded": ([png(image) for image in images], pa.binary()),
        "large": ([png(image) for image in images], pa.large_binary()),
        "struct": ([{"bytes": png(image), "path": "x"} for image in images], None),
        "list": ([image.ravel() for image in images], grey),
        "int64": ([image.ravel().tolist() for image in images], None),
        "fixed": ([image.ravel() for image in images], pa.list_(pa.uint8(), 400)),
        "rows": ([image.tolist() for image in images], pa.list_(grey)),
        "color": ([np.repeat(i[..., None], 3, 2).tolist() for i in images],
                  pa.list_(pa.list_(grey))),
    }  # fmt: skip
    seen = {}
    for name, (cells, kind) in forms.items():
        table = pa.table({"face": pa.array(cells, kind)})
        pq.write_table(table, f"{name}.parquet")
        assert predict(f"{name}.parquet", "--to", name, "--column", "face")[0] == 0
        seen[name] = answers(name)
    assert all(rows == seen["raw"] for rows in seen.values())
    assert len({row["p_up"] for row in seen["raw"]}) == 5


def test_bad_faces_are_listed_and_counted(predict: Predict) -> None:
    cells = [png(crops(1)[0]), b"no picture", None, png(crops(1)[0])[:50], b""]
    write_crops(Path("faces.parquet"), cells, kind=pa.binary())
    for _ in range(2):  # Of what was done before, too.
        code, said = predict("faces.parquet", "--to", "out", "--part", 2)
        assert code == 1
        assert said.startswith("fer predict: 4 of 5 rows could not be read:\n  row 1: this is no")
        assert said.endswith("5 rows, 1 face: out\n")
        assert "row 2: the row holds no face\n" in said
    assert [row["problem"] is None for row in answers("out")] == [True, *[False] * 4]
    Path("list.csv").write_text("path\na.png\nb.png\n")
    Path("a.png").write_bytes(png_without_palette())
    Path("b.png").write_bytes(png(crops(1)[0]))
    for more in ("--crops", "--tta"):
        assert predict("list.csv", "--to", f"list{more}", more)[0] == 1
        assert [row["problem"] is None for row in answers(f"list{more}")] == [False, True]
    lists = [[1, 2, 3], [], [300] * 400, [None] * 400, list(range(256)) * 0 + [7] * 400]
    write_crops(Path("lists.parquet"), lists, kind=pa.list_(pa.int32()))
    assert predict("lists.parquet", "--to", "lists")[0] == 1
    assert [row["problem"] for row in answers("lists")] == [
        "3 pixels make no square", "0 pixels make no square", "a pixel is outside 0-255",
        "a pixel is missing", None,
    ]  # fmt: skip


def test_names_in_all_the_forms_of_text(predict: Predict) -> None:
    """Beside faces, and of pictures."""
    images = crops(3)
    names = [f"{i}.png" for i in range(3)]
    for name, image in zip(names, images, strict=True):
        Path(name).write_bytes(png(image))
    forms = {
        "string": pa.string(), "large": pa.large_string(), "view": pa.string_view(),
        "words": pa.dictionary(pa.int32(), pa.string()),
    }  # fmt: skip
    for form, kind in forms.items():
        column = pa.array(names, pa.string()).cast(kind)
        write_crops(Path(f"{form}.parquet"), images, path=column)
        assert pq.read_schema(f"{form}.parquet").field("path").type == kind
        assert predict(f"{form}.parquet", "--to", f"beside-{form}")[0] == 0
        pq.write_table(pa.table({"path": column}), f"{form}.parquet")
        assert predict(f"{form}.parquet", "--to", f"of-{form}", "--crops")[0] == 0
        for folder in (f"beside-{form}", f"of-{form}"):
            assert [row["path"] for row in answers(folder)] == names
            assert answers(folder) == answers("beside-string")


def test_names_that_are_no_utf8(predict: Predict) -> None:
    """They are names still, as in CSV: the row says if there is no such picture."""
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
        code, said = predict(table, "--to", f"{table}-out", "--crops")
        assert (code, said.endswith("3 rows, 2 faces: " + table + "-out\n")) == (1, True), said
    rows = answers("list.parquet-out")
    assert rows == answers("list.csv-out")
    assert [row["path"] for row in rows] == ["0.png", r"caf\xe9.png", r"gone\xe9.png"]
    assert [row["problem"] for row in rows] == [None, None, "No such file or directory"]


@pytest.mark.parametrize(
    ("cell", "kind"),
    [("a.png", "struct<bytes: string>"), (7, "struct<bytes: int64>")],
)
def test_structs_without_pictures(predict: Predict, cell: object, kind: str) -> None:
    pq.write_table(pa.table({"image": [{"bytes": cell}]}), "faces.parquet")
    code, said = predict("faces.parquet", "--to", "out")
    assert (code, f"the column 'image' is of the type {kind}, which is neither" in said) == (
        2,
        True,
    )
    assert not Path("out").exists()


def test_a_damaged_page_names_the_file(predict: Predict) -> None:
    write_crops(Path("faces.parquet"), crops(9))
    data = bytearray(Path("faces.parquet").read_bytes())
    data[4:24] = b"\xff" * 20  # The head of the first page lies behind the file's mark.
    Path("faces.parquet").write_bytes(data)
    code, said = predict("faces.parquet", "--to", "out")
    assert (code, said.startswith("fer predict: faces.parquet is damaged (")) == (2, True), said


@pytest.mark.skipif(os.name == "nt", reason="pipes and devices of POSIX")
def test_rows_that_name_no_files(predict: Predict) -> None:
    os.mkfifo("pipe.png")
    Path("list.csv").write_text("path\npipe.png\n/dev/zero\n")
    assert predict("list.csv", "--to", "out")[0] == 1
    assert all("this is a pipe or a device" in row["problem"] for row in answers("out"))
    Path("folder").mkdir()
    os.mkfifo("folder/a.parquet")
    code, said = predict("folder", "--to", "more")
    assert (code, "a.parquet is not a file that can be read: remove it" in said) == (2, True)


def save(path: str, *boxes: tuple[int, int, int]) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(scene(*boxes)).save(path)


def pictures() -> None:
    save("photos/two.png", (10, 10, 40), (90, 50, 40))
    save("photos/none.png")
    save("photos/small, far.png", (30, 30, 10))
    Path("photos/broken.png").write_bytes(b"x")
    Path("photos/list.csv").write_text(
        'who,path\na,two.png\nb,none.png\nc,"small, far.png"\n\nd,broken.png\n'
        f"e,gone.png\nf\ng,{Path('photos/two.png').absolute()}\n",
        encoding="utf-8",
    )


def test_a_table_of_pictures(predict: Predict, small_onnx: Path) -> None:
    pictures()
    code, said = predict("photos/list.csv", "--to", "out", "--part", 2)
    assert code == 1
    assert "3 of 7 rows could not be read:\n  row 3 broken.png: this is no picture" in said
    assert "row 4 gone.png: No such file or directory\n  row 5: the row names no picture\n" in said
    assert said.endswith("7 rows, 5 faces: out\n")
    rows = answers("out")
    # The third is found, and too small.
    assert [(row["row"], row["face"], row["label"] in CLASSES) for row in rows] == [
        (0, 1, True), (0, 2, True), (1, None, False), (2, 1, False), (3, None, False),
        (4, None, False), (5, None, False), (6, 1, True), (6, 2, True),
    ]  # fmt: skip
    assert [row["problem"] is None for row in rows] == [True] * 4 + [False] * 3 + [True] * 2
    # As parquet, and as what fer predict says of the pictures themselves.
    names = ["two.png", "none.png", "small, far.png", "broken.png", "gone.png", None,
             str(Path("photos/two.png").absolute())]  # fmt: skip
    pq.write_table(pa.table({"path": names}), "photos/list.parquet")
    assert predict("photos/list.parquet", "--to", "parquet", "--part", 3)[0] == 1
    assert answers("parquet") == rows
    faces = fer.load(small_onnx, threads=1).analyze(scene((10, 10, 40), (90, 50, 40)))
    assert [tuple(row[name] for name in "xywh") for row in rows[:2]] == [f.box for f in faces]
    np.testing.assert_allclose(
        [[row[name] for name in CHANCES] for row in rows[:2]],
        [face.probabilities for face in faces],
        atol=1e-6,
    )


def test_pictures_that_are_faces(predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("no face is looked for")

    images = crops(4)
    for i, image in enumerate(images):
        Path(f"{i}.png").write_bytes(png(image))
    Path("list.csv").write_text("path\n" + "".join(f"{i}.png\n" for i in range(4)))
    write_crops(Path("faces.parquet"), images)
    monkeypatch.setattr("fer.inference.loading.make_detector", refuse)
    assert predict("list.csv", "--to", "named", "--crops")[0] == 0
    assert predict("faces.parquet", "--to", "held")[0] == 0
    held = answers("held")
    assert [{**row, "path": f"{i}.png"} for i, row in enumerate(held)] == answers("named")


def test_a_folder_of_parquet_files_and_shards(predict: Predict) -> None:
    """Shards of any number, one after the other or in any order, make the same files."""
    Path("many").mkdir()
    write_crops(Path("many/b.parquet"), crops(30, seed=1), group=20)
    write_crops(Path("many/a.parquet"), [*crops(12), None, *crops(7)], group=7)
    Path("many/.hidden.parquet").write_text("another's")
    code, said = predict("many", "--to", "whole", "--part", 6)
    assert (code, said.splitlines()[-1]) == (1, "50 rows, 49 faces: whole")
    shards = [predict("many", "--to", "shards", "--part", 6, "--shards", 3, "--shard", i)
              for i in (2, 0, 1)]  # fmt: skip
    assert sorted(code for code, _ in shards) == [0, 0, 1]
    assert shards[1][1].splitlines()[-1].startswith("shard 0 of 3: ")
    assert contents(Path("shards")) == contents(Path("whole"))
    assert [row["row"] for row in answers("whole")] == list(range(50))
    assert predict("many", "--to", "shards", "--part", 6)[0] == 1, "all there"


class _StopError(Exception):
    """Where a test ends the work."""


@pytest.mark.parametrize("done", [0, 1, 4])
def test_it_goes_on_where_it_was_ended(
    predict: Predict, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    write_crops(Path("faces.parquet"), [*crops(50), None], group=20)
    assert predict("faces.parquet", "--to", "whole", "--part", 8)[0] == 1
    from fer.inference.scoring import folder

    write, calls = folder.atomic_write, 0

    def ends(path: Path) -> Any:
        nonlocal calls
        calls += 1
        if calls > done:
            (path.parent / f".{path.stem}-abcdefgh.parquet").write_bytes(b"half")
            raise _StopError
        return write(path)

    with monkeypatch.context() as patched:
        patched.setattr(folder, "atomic_write", ends)
        with pytest.raises(_StopError):
            predict("faces.parquet", "--to", "out", "--part", 8)
    kept = sorted(Path("out").glob("part-*.parquet"))
    assert len(kept) == done
    stamps = [path.stat().st_mtime_ns for path in kept]
    assert predict("faces.parquet", "--to", "out", "--part", 8)[0] == 1
    assert [path.stat().st_mtime_ns for path in kept] == stamps, "done once"
    assert contents(Path("out")) == contents(Path("whole"))


def test_an_interrupt_keeps_what_is_done(predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    write_crops(Path("faces.parquet"), crops(30))

    def interrupted(job: Any, parts: Any, advance: Any) -> None:
        for count, part in enumerate(job.score(job.recognizer(), parts)):
            advance(part.rows)
            if count == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr(scoring, "_engine", lambda *_: interrupted)
    code, said = predict("faces.parquet", "--to", "out", "--part", 10)
    assert code == 130
    assert said.endswith(
        "20 rows, 20 faces: out\n"
        "fer predict: interrupted; what is done is kept, and the same command goes on\n"
    )
    monkeypatch.undo()


def test_another_job_is_refused(predict: Predict, small_onnx: Path) -> None:
    write_crops(Path("faces.parquet"), crops(9))
    assert predict("faces.parquet", "--to", "out", "--part", 4)[0] == 0
    before = contents(Path("out"))
    for arguments, why in (
        (("--part", 5), "part was 4 and is 5"),
        (("--part", 4, "--tta"), "tta was False and is True"),
        (("--part", 4, "--confidence", "0.5"), "confidence was 0.0 and is 0.5"),
    ):
        code, said = predict("faces.parquet", "--to", "out", *arguments)
        assert code == 2
        assert "holds the answers of another job: " in said
        assert why in said
    write_crops(Path("faces.parquet"), crops(9, seed=5))
    code, said = predict("faces.parquet", "--to", "out", "--part", 4)
    assert (code, "table is another" in said) == (2, True)
    assert contents(Path("out")) == before


def test_the_same_names_in_another_folder_are_another_job(predict: Predict) -> None:
    """Not so a table that holds its faces: it may be moved."""
    for n, folder in enumerate(("a", "b")):
        Path(folder).mkdir()
        Path(folder, "0.png").write_bytes(png(crops(1, seed=n)[0]))
        Path(folder, "list.csv").write_text("path\n0.png\n")
        write_crops(Path(folder, "faces.parquet"), crops(3))
    assert predict("a/list.csv", "--to", "out", "--crops")[0] == 0
    code, said = predict("b/list.csv", "--to", "out", "--crops")
    roots = f"paths began at {Path('a').resolve()} and begin at {Path('b').resolve()}. Name another"
    assert (code, roots in said) == (2, True), said
    assert predict("a/list.csv", "--to", "out", "--crops")[0] == 0
    assert [predict(f"{at}/faces.parquet", "--to", "held")[0] for at in "ab"] == [0, 0]


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_what_can_not_be_used_claims_no_folder(
    predict: Predict, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    """The corrected command is not refused, and Ray, which takes long, is not started for it."""

    def refuse(*_: object, **__: object) -> None:
        raise fer.core.errors.UserError("no such detector")

    def started(*_: object) -> None:
        raise AssertionError("the work has begun")

    save("list.png")
    Path("list.csv").write_text("path\nlist.png\n")
    Path("text.onnx").write_text("no model")
    start = ["list.csv", "--to", "out"]
    with monkeypatch.context() as patched:
        patched.setattr(scoring, "find_spec", lambda _: True)
        patched.setattr(scoring, "_engine", started)
        code, said = predict(*start, "--engine", engine, "--model", "text.onnx")
        assert (code, "text.onnx is no ONNX model" in said) == (2, True), said
        patched.setattr("fer.inference.loading.make_detector", refuse)
        code, said = predict(*start, "--engine", engine)
        assert (code, said) == (2, "fer predict: no such detector\n")
    assert not Path("out").exists()
    assert predict(*start)[0] == 0


def test_shards_that_begin_at_once_agree_on_one_job(predict: Predict, small_onnx: Path) -> None:
    """None writes what the folder is for while another looks."""
    import filelock

    from fer.inference.scoring import job_file

    write_crops(Path("faces.parquet"), crops(9))
    jobs = [
        Job(open_table(Path("faces.parquet")), Path("out"), str(small_onnx), Asking(tta=tta), 1)
        for tta in (False, True)
    ]
    Path("out").mkdir()
    both = threading.Barrier(3)
    answers: list[str] = []

    def agree(job: Job) -> None:
        both.wait()
        try:
            job_file.agree(job)
            answers.append("agreed")
        except fer.core.errors.UserError as error:
            answers.append(str(error))

    threads = [threading.Thread(target=agree, args=[job]) for job in jobs]
    with filelock.FileLock("out/.job.lock"):
        for thread in threads:
            thread.start()
        both.wait()
        time.sleep(0.2)
        assert not Path("out/_job.json").exists()
    for thread in threads:
        thread.join()
    assert sorted(one == "agreed" for one in answers) == [False, True]
    assert any("holds the answers of another job: tta was" in one for one in answers)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["no.csv", "--to", "out"], "there is no file or folder no.csv"),
        (["empty", "--to", "out"], "empty holds no .parquet files"),
        (["text.txt", "--to", "out"], "text.txt is no table"),
        (["broken.parquet", "--to", "out"], "broken.parquet is no parquet file, or is cut off"),
        (["other.parquet", "--to", "out"], "has the columns 'a', and one named 'image' or 'path'"),
        (["other.parquet", "--to", "out", "--column", "a"], "is of the type int64, which is nei"),
        (["other.parquet", "--to", "out", "--column", "b"], "one named 'b' is needed"),
        (["none.parquet", "--to", "out"], "none.parquet has no rows"),
        (["other.csv", "--to", "out"], "has the columns 'a', 'b', and one named 'path' is needed"),
        (["header.csv", "--to", "out"], "has a header, but no rows"),
        (["quote.csv", "--to", "out"], "line 2 is no comma-separated text"),
        (["faces.parquet", "--to", "full"], "full holds something else (mine)"),
        (["empty", "--to", "empty/out"], "lies in what is read"),
        (["faces.parquet", "other.csv", "--to", "out"], "--to takes one table"),
        (["faces.parquet", "--to", "out", "--csv", "a.csv"], "leave --json, --csv and --draw out"),
        (["faces.parquet", "--to", "out", "--shards", "2", "--shard", "2"], "the last is 1, not 2"),
        (["faces.parquet", "--to", "out", "--crops"], "this one holds faces already"),
        (["faces.parquet", "--to", "out", "--model", "no.onnx"], "there is no model file no.onnx"),
        (["faces.parquet", "--to", "out", "--part", "0"], "whole number of at least 1"),
        (["faces.parquet"], "faces.parquet is a table: name by --to FOLDER"),
        (["faces.parquet", "--shards", "2"], "--shards is for tables: name by --to FOLDER"),
    ],
)
def test_wrong_use_is_refused(predict: Predict, arguments: list[str], why: str) -> None:
    write_crops(Path("faces.parquet"), crops(3))
    pq.write_table(pa.table({"a": [1, 2]}), "other.parquet")
    pq.write_table(pa.table({"path": pa.array([], pa.string())}), "none.parquet")
    Path("broken.parquet").write_bytes(Path("faces.parquet").read_bytes()[:-20])
    Path("text.txt").write_text("x")
    Path("other.csv").write_text("a,b\n1,2\n")
    Path("header.csv").write_text("path\n")
    Path("quote.csv").write_text('path\n"x\n')
    for name in ("empty", "full"):
        Path(name).mkdir()
    Path("full/mine").write_text("mine")
    code, said = predict(*arguments)
    assert (code, why in said) == (2, True), said
    assert not list(Path().glob("out/part-*"))


def test_two_processes_do_not_share_a_shard(predict: Predict) -> None:
    import filelock

    write_crops(Path("faces.parquet"), crops(3))
    Path("out").mkdir()
    with filelock.FileLock("out/.shard-0-of-1.lock"):
        code, said = predict("faces.parquet", "--to", "out")
    assert (code, "another process is writing shard 0 of 1" in said) == (2, True)
    assert predict("faces.parquet", "--to", "out")[0] == 0


def test_missing_extras_are_named(predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    write_crops(Path("faces.parquet"), crops(3))
    monkeypatch.setattr(scoring, "find_spec", lambda name: None if name == "ray" else True)
    code, said = predict("faces.parquet", "--to", "out", "--engine", "ray")
    assert (code, "pip install '.[ray]'" in said) == (2, True)
    monkeypatch.setattr(scoring, "find_spec", lambda name: None)
    code, said = predict("faces.parquet", "--to", "out")
    assert (code, "pip install '.[score]'" in said) == (2, True)


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, check=False, cwd=folder, capture_output=True, text=True)


def command(small_onnx: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "fer.cli", "predict", *arguments, "--model", str(small_onnx)]


def test_neither_torch_nor_lightning_is_needed(small_onnx: Path, tmp_path: Path) -> None:
    write_crops(tmp_path / "faces.parquet", crops(5))
    code = (
        "import sys\n"
        "for name in ('torch', 'lightning', 'hydra', 'albumentations', 'ray'):\n"
        "    sys.modules[name] = None\n"
        "from fer.cli import main\n"
        "sys.exit(main())"
    )
    arguments = command(small_onnx, "faces.parquet", "--to", "out")[3:]
    ran = run([sys.executable, "-c", code, *arguments], tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "5 rows, 5 faces: out\n")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kills by signals are POSIX")
def test_killed_at_any_moment(small_onnx: Path, tmp_path: Path) -> None:
    images = [*crops(3000), None]
    write_crops(tmp_path / "faces.parquet", images, group=1000)
    start = ["faces.parquet", "--part", "50", "--threads", "1", "--to"]
    whole = command(small_onnx, *start, "whole")
    assert run(whole, tmp_path).returncode == 1
    rng = np.random.default_rng(time.time_ns())
    for _ in range(4):
        running = subprocess.Popen(
            command(small_onnx, *start, "out"), cwd=tmp_path, stderr=subprocess.DEVNULL
        )
        before = len(list((tmp_path / "out").glob("part-*")))
        while running.poll() is None and len(list((tmp_path / "out").glob("part-*"))) < before + 5:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.1))
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert len(list((tmp_path / "out").glob("part-*"))) >= before
    assert run(command(small_onnx, *start, "out"), tmp_path).returncode == 1
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_ray_answers_the_same(small_onnx: Path, tmp_path: Path) -> None:
    """Byte for byte, and what was done before stays."""
    pytest.importorskip("ray.data", reason="the extra ray is not installed")
    write_crops(tmp_path / "faces.parquet", [*crops(300), None], group=100)
    start = ["faces.parquet", "--part", "30", "--to"]
    for more in (["here", "--threads", "2"], ["ray", "--engine", "ray"]):
        ran = run(command(small_onnx, *start, *more), tmp_path)
        if "Ray did not start: " in ran.stderr:
            pytest.skip(f"Ray waits half a minute for itself: {ran.stderr.strip()}")
        assert ran.returncode == 1, ran.stderr
        assert ran.stderr.endswith(f"301 rows, 300 faces: {more[0]}\n"), ran.stderr
        (tmp_path / "ray").mkdir(exist_ok=True)
        for name in ("_job.json", "part-000003.parquet"):
            if more[0] == "here":
                (tmp_path / "ray" / name).write_bytes((tmp_path / "here" / name).read_bytes())
    assert contents(tmp_path / "ray") == contents(tmp_path / "here")
