"""Which face of this frame is which of the last ones: by place alone, never by looks."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from fer.inference.detection import overlap
from fer.live.assignment import assign

#: Intersection over union from which a face is that of the frames before.
LEAST_OVERLAP: Final = 0.25
#: For how many seconds a face may be out of sight and keep its name.
PATIENCE: Final = 1.0

Box = tuple[int, int, int, int]


@dataclass(slots=True)
class _Track:
    name: str
    box: Box
    seen: float


class Tracker:
    """Gives the faces of one session names that last while they are in sight.

    Each face goes to the track whose last box it overlaps, so that the overlaps sum to the most
    (Hungarian assignment on intersection over union). Nothing of the face itself is kept, so that
    nobody is recognised: who leaves and comes back gets a new name, and names begin with a word
    that is drawn at random for the session, so that they link no two of them.

    Args:
        least_overlap: intersection over union from which a face can be that of a track.
        patience: for how many seconds a track outlives its face.
    """

    def __init__(self, *, least_overlap: float = LEAST_OVERLAP, patience: float = PATIENCE) -> None:
        self._least = least_overlap
        self._patience = patience
        self._session = secrets.token_hex(3)
        self._tracks: list[_Track] = []
        #: How many tracks there have been.
        self.count = 0

    @property
    def alive(self) -> set[str]:
        """The names that a face may still get."""
        return {track.name for track in self._tracks}

    def update(self, boxes: Sequence[Box], time: float) -> list[str]:
        """Return the name of each face of a frame.

        Args:
            boxes: ``(x, y, w, h)`` of the faces.
            time: of the frame, in seconds; never less than the last one's.
        """
        self._tracks = [one for one in self._tracks if time - one.seen <= self._patience]
        names = [""] * len(boxes)
        if self._tracks and boxes:
            last = np.array([one.box for one in self._tracks], dtype=np.float64)
            gain = overlap(last, np.array(boxes, dtype=np.float64))
            for row, column in assign(gain, least=self._least):
                track = self._tracks[row]
                track.box, track.seen = boxes[column], time
                names[column] = track.name
        for place, box in enumerate(boxes):
            if not names[place]:
                self.count += 1
                names[place] = f"{self._session}-{self.count}"
                self._tracks.append(_Track(names[place], box, time))
        return names
