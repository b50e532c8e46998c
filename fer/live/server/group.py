"""The session of a page or of the server's source, and what it has told so far."""

from __future__ import annotations

import secrets
import time
from collections import deque
from typing import Any

from fer.inference import Recognizer
from fer.live.aggregation import ShiftWatch
from fer.live.server.metrics import Metrics
from fer.live.server.settings import CONNECTIONS, HISTORY, KEPT, Settings
from fer.live.server.telling import group_faces, own_face, shift_told, window_told
from fer.live.session import Session
from fer.live.sources import Frame
from fer.pixels import Image

_now = time.monotonic


class LiveGroup:
    """A session and its rolling timeline; in the individual view there is no timeline.

    Args:
        recognizer: says what faces show.
        settings: of the server.
        metrics: where windows are counted.
    """

    def __init__(self, recognizer: Recognizer, settings: Settings, metrics: Metrics) -> None:
        self._session = Session(
            recognizer,
            seconds=settings.seconds,
            min_group=settings.min_group,
            index=settings.index,
        )
        self._is_class = settings.view == "class"
        self._classes = recognizer.classes
        self._metrics = metrics
        self._watch = ShiftWatch(settings.seconds)
        self._start = _now()
        self._frames = 0
        #: What was told, the oldest first.
        self.history: deque[dict[str, Any]] = deque(maxlen=HISTORY)

    def step(self, image: Image, at: float | None = None) -> list[dict[str, Any]]:
        """Return what is told of the next frame.

        Args:
            image: uint8 ``[H, W, 3]`` RGB.
            at: its time in seconds; None: now.
        """
        when = _now() - self._start if at is None else at
        frame = Frame(image, when, self._frames)
        self._frames += 1
        if not self._is_class:
            faces = self._session.follower.step(frame)
            return [own_face(image, faces, self._classes)]
        step = self._session.step(frame)
        messages = [group_faces(image, step.faces)]
        if step.window is not None:
            shift = self._watch.add(step.window)
            messages.append(window_told(step.window, self._watch.threshold))
            if step.window.withheld:
                self._metrics.withheld += 1
            else:
                self._metrics.told += 1
            if shift is not None:
                messages.append(shift_told(shift))
            self.history.extend(messages[1:])
        return messages


class Groups:
    """The sessions of all pages, and of those that may come back soon.

    A page that loses its link goes on with the same session, so that the group that is counted
    stays the same, and two sessions can't be held against each other.

    Args:
        recognizer: says what faces show.
        settings: of the server.
        metrics: where windows are counted.
    """

    def __init__(self, recognizer: Recognizer, settings: Settings, metrics: Metrics) -> None:
        self._made = (recognizer, settings, metrics)
        self._kept: dict[str, tuple[float, LiveGroup]] = {}

    def take(self, key: str) -> tuple[str, LiveGroup]:
        """Return the session that waits under a key, or a new one, and its key."""
        self._forget()
        found = self._kept.pop(key, None)
        if found is not None:
            return key, found[1]
        return secrets.token_urlsafe(18), LiveGroup(*self._made)

    def keep(self, key: str, group: LiveGroup) -> None:
        """Let a session wait for its page."""
        self._forget()
        self._kept[key] = (time.monotonic(), group)
        while len(self._kept) > CONNECTIONS:
            del self._kept[next(iter(self._kept))]

    def _forget(self) -> None:
        oldest = time.monotonic() - KEPT
        self._kept = {k: v for k, v in self._kept.items() if v[0] >= oldest}
