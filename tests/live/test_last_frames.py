"""Models of clips read the last frames of each track."""

from __future__ import annotations

from typing import Any

import numpy as np

from fer.inference import Detection, Recognizer
from fer.live import Follower
from fer.live.last_frames import LastFrames
from fer.live.sources import Frame


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

    def __init__(self) -> None:
        self.boxes: list[tuple[int, int, int, int]] = []

    def detect(self, image: Any) -> list[Detection]:
        return [Detection(box, 1.0) for box in self.boxes]


LEFT, RIGHT = (0, 0, 40, 40), (100, 0, 40, 40)


def frame(number: int) -> Frame:
    return Frame(np.full((60, 160, 3), 10 * number, dtype=np.uint8), number / 10, number)


def test_each_track_is_read_by_its_last_frames() -> None:
    model, eyes = ClipModel(), Eyes()
    follower = Follower(Recognizer(model, detector=eyes))
    seen = []
    for number, boxes in enumerate([[LEFT], [LEFT, RIGHT], [LEFT, RIGHT], [RIGHT], [], [LEFT]], 1):
        eyes.boxes = list(boxes)
        seen.append([one.face.label for one in follower.step(frame(number))])
    # Lengths of the clips, and what the first frame of each was.
    assert model.asked == [
        ([1], [10]),
        ([2, 1], [10, 20]),
        ([3, 2], [10, 20]),
        ([3], [20]),
        ([3], [20]),
    ], "a face that was out of sight goes on where it was"
    assert seen[0] == ["few"]
    assert seen[4] == []


def test_who_is_gone_is_forgotten() -> None:
    model, eyes = ClipModel(), Eyes()
    follower = Follower(Recognizer(model, detector=eyes))
    eyes.boxes = [LEFT, RIGHT]
    follower.step(frame(1))
    eyes.boxes = [RIGHT]
    for number in (8, 16, 24):
        follower.step(frame(number))
    assert follower._seen is not None
    assert len(follower._seen) == 1


def test_memory_does_not_grow_with_a_track() -> None:
    kept = LastFrames(3, ClipModel())  # type: ignore[arg-type]
    for number in range(20):
        (clip,) = kept.update(["a"], frame(number).image, [Detection(LEFT, 1.0)])
        assert len(clip) == min(number + 1, 3)
    assert clip[:, 0, 0].tolist() == [170, 180, 190]
