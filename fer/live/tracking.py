"""Which face of this frame is which of the last ones: by place alone, never by looks."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from fer.inference.detection import box_iou

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

    Faces and tracks are paired by the overlap of their boxes, the largest first. Nothing of the
    face itself is kept, so that nobody is recognised: who leaves and comes back gets a new name,
    and names begin with a word drawn at random for the session, so that they link no two of them.

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
        """Return the name of each face of a frame; times, in seconds, never go back."""
        self._tracks = [track for track in self._tracks if time - track.seen <= self._patience]
        names = [""] * len(boxes)
        if self._tracks and boxes:
            last = np.array([track.box for track in self._tracks], dtype=np.float64)
            overlaps = box_iou(last, np.array(boxes, dtype=np.float64))
            for row, column in greedy_pairs(overlaps, least=self._least):
                track = self._tracks[row]
                track.box, track.seen = boxes[column], time
                names[column] = track.name
        for place, box in enumerate(boxes):
            if not names[place]:
                self.count += 1
                names[place] = f"{self._session}-{self.count}"
                self._tracks.append(_Track(names[place], box, time))
        return names


def greedy_pairs(gain: npt.NDArray[np.float64], *, least: float) -> list[tuple[int, int]]:
    """Return pairs of rows and columns of ``[N, M]``, each in one pair at most, largest gain first.

    Example:
        >>> greedy_pairs(np.array([[0.5, 0.6], [0.0, 0.5]]), least=0.1)
        [(0, 1)]
    """
    rows, columns = np.nonzero(gain >= least)
    order = np.argsort(-gain[rows, columns], kind="stable")
    pairs: dict[int, int] = {}
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in pairs and column not in pairs.values():
            pairs[row] = column
    return list(pairs.items())
