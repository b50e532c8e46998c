from __future__ import annotations

import numpy as np

from fer.inference import UNCERTAIN, OnnxModel, Recognizer
from fer.live import Follower, Frame, Smoother
from tests.support.faces_in_frames import RedSquares, scene


def frame(number: int, *boxes: tuple[int, int, int]) -> Frame:
    return Frame(scene(*boxes, grey=40 + 3 * number), number / 10, number)


def test_faces_are_followed_and_smoothed(exported: OnnxModel) -> None:
    recognizer = Recognizer(exported, detector=RedSquares())
    follower = Follower(recognizer, smoother=Smoother(0.4))
    plain = Smoother(0.4)
    names = None
    for number in range(6):
        step = 2 * number
        seen = frame(number, (10 + step, 10, 40), (100, 60 - step, 40))
        faces = sorted(follower.step(seen), key=lambda one: one.face.box)
        alone = sorted(recognizer.analyze(seen.image), key=lambda one: one.box)
        names = names or [one.track for one in faces]
        assert [one.track for one in faces] == names
        for one, single in zip(faces, alone, strict=True):
            wanted = plain.update(one.track, single.probabilities, seen.time)
            np.testing.assert_allclose(one.face.probabilities, wanted, atol=1e-6)
            assert one.face.label == recognizer.classes[int(wanted.argmax())]
            assert one.face.box == single.box
    assert follower.step(frame(6)) == []


def test_small_and_unsure_faces_stay_uncertain(exported: OnnxModel) -> None:
    small = Recognizer(exported, detector=RedSquares(), min_face=60)
    unsure = Recognizer(exported, detector=RedSquares(), confidence=1.0)
    for recognizer in (small, unsure):
        (one,) = Follower(recognizer).step(frame(0, (10, 10, 40)))
        assert one.face.label == UNCERTAIN


def test_what_was_seen_is_forgotten(exported: OnnxModel) -> None:
    """Memory does not grow with the number of people who pass."""
    follower = Follower(Recognizer(exported, detector=RedSquares()))
    for number in range(12):
        x = 10 + 100 * (number % 2)
        follower.step(Frame(scene((x, 20, 40)), 2.0 * number, number))
    assert follower.tracker.count == 12
    assert len(follower.tracker.alive) == 1
    assert len(follower.smoother) == 1
