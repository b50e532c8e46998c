from __future__ import annotations

from typing import Any

import numpy as np

from fer.inference import UNCERTAIN, Detection, OnnxModel, Recognizer
from fer.live import FacePipeline, Frame, Smoother
from fer.live.pipeline import ClipBuffer
from tests.support.faces_in_frames import RedSquares, scene


def frame(number: int, *boxes: tuple[int, int, int]) -> Frame:
    return Frame(scene(*boxes, grey=40 + 3 * number), number / 10, number)


def test_faces_are_followed_and_smoothed(exported: OnnxModel) -> None:
    recognizer = Recognizer(exported, detector=RedSquares())
    pipeline = FacePipeline(recognizer, smoother=Smoother(0.4))
    plain = Smoother(0.4)
    names = None
    for number in range(6):
        step = 2 * number
        seen = frame(number, (10 + step, 10, 40), (100, 60 - step, 40))
        faces = sorted(pipeline.step(seen), key=lambda one: one.face.box)
        alone = sorted(recognizer.analyze(seen.image), key=lambda one: one.box)
        names = names or [one.track for one in faces]
        assert [one.track for one in faces] == names
        for one, single in zip(faces, alone, strict=True):
            wanted = plain.update(one.track, single.probabilities, seen.time)
            np.testing.assert_allclose(one.face.probabilities, wanted, atol=1e-6)
            assert one.face.label == recognizer.classes[int(wanted.argmax())]
            assert one.face.box == single.box
    assert pipeline.step(frame(6)) == []


def test_small_and_unsure_faces_stay_uncertain(exported: OnnxModel) -> None:
    small = Recognizer(exported, detector=RedSquares(), min_face=60)
    unsure = Recognizer(exported, detector=RedSquares(), confidence=1.0)
    for recognizer in (small, unsure):
        (one,) = FacePipeline(recognizer).step(frame(0, (10, 10, 40)))
        assert one.face.label == UNCERTAIN


# --- models of clips -----------------------------------------------------------------------------


class ClipModel:
    """Answers with how many frames it was shown, and how bright the first of them was."""

    classes = ("few", "many")
    size, fit, temperature, columns = 4, "pad", None, None
    frames = 3
    made: dict[str, Any] = {}  # noqa: RUF012 - as a model has it

    def __init__(self) -> None:
        self.asked: list[tuple[list[int], list[int]]] = []

    def answer(self, images: Any, metadata: Any = None, *, batch_size: int = 64) -> Any:
        self.asked.append((metadata.tolist(), images[:, 0, 0, 0].tolist()))
        chances = np.zeros((len(images), 2), dtype=np.float32)
        chances[np.arange(len(images)), (metadata > 2).astype(int)] = 1
        return chances, chances

    def logits(self, images: Any, metadata: Any = None, *, batch_size: int = 64) -> Any:
        return self.answer(images, metadata)[1]


class Eyes:
    """Finds faces where it was told to."""

    boxes: tuple[tuple[int, int, int, int], ...] = ()

    def detect(self, image: Any) -> list[Detection]:
        return [Detection(box, 1.0) for box in self.boxes]


LEFT, RIGHT = (0, 0, 40, 40), (100, 0, 40, 40)


def clip_frame(number: int) -> Frame:
    return Frame(np.full((60, 160, 3), 10 * number % 256, dtype=np.uint8), number / 10, number)


def test_each_track_is_read_by_its_last_frames() -> None:
    model, eyes = ClipModel(), Eyes()
    pipeline = FacePipeline(Recognizer(model, detector=eyes))
    seen = []
    for number, eyes.boxes in enumerate(
        [(LEFT,), (LEFT, RIGHT), (LEFT, RIGHT), (RIGHT,), (), (LEFT,)], 1
    ):
        seen.append([one.face.label for one in pipeline.step(clip_frame(number))])
    # Lengths of the clips, and what the first frame of each was.
    assert model.asked == [
        ([1], [10]),
        ([2, 1], [10, 20]),
        ([3, 2], [10, 20]),
        ([3], [20]),
        ([3], [20]),
    ], "a face that was out of sight resumes where it was"
    assert (seen[0], seen[4]) == (["few"], [])


def test_who_is_gone_is_forgotten() -> None:
    """Memory does not grow with the number of people who pass, nor with a track."""
    model, eyes = ClipModel(), Eyes()
    pipeline = FacePipeline(Recognizer(model, detector=eyes))
    for number in range(12):
        eyes.boxes = ((LEFT, RIGHT)[number % 2],)
        pipeline.step(clip_frame(20 * number))
    assert pipeline.tracker.count == 12
    assert pipeline._clips is not None
    assert len(pipeline.tracker.alive) == len(pipeline.smoother) == len(pipeline._clips) == 1
    buffer = ClipBuffer(3, model)  # type: ignore[arg-type]
    for number in range(20):
        (clip,) = buffer.update(["a"], clip_frame(number).image, [Detection(LEFT, 1.0)])
        assert len(clip) == min(number + 1, 3)
    assert clip[:, 0, 0].tolist() == [170, 180, 190]
