"""The session of a page or of the server's source, and what it has told so far."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import deque
from typing import Any

from fer.inference import Recognizer
from fer.live.aggregation import ShiftDetector
from fer.live.frames import Frame
from fer.live.pipeline import FacePipeline
from fer.live.server.messages import group_faces, own_face, shift_told, window_told
from fer.live.server.metrics import Metrics
from fer.live.server.settings import CONNECTIONS, HISTORY, KEPT, Settings
from fer.live.session import Session
from fer.pixels import Image

_now = time.monotonic


class LiveSession:
    """A session and its rolling timeline; in the individual view there is no timeline.

    Args:
        recognizer: says what faces show.
        settings: of the server.
        metrics: where windows are counted.
    """

    def __init__(self, recognizer: Recognizer, settings: Settings, metrics: Metrics) -> None:
        self._is_class = settings.view == "class"
        pipeline = None if self._is_class else FacePipeline(recognizer, largest_only=True)
        self._session = Session(
            recognizer,
            seconds=settings.seconds,
            min_group=settings.min_group,
            index=settings.index,
            pipeline=pipeline,
        )
        self._classes = recognizer.classes
        self._metrics = metrics
        self._watch = ShiftDetector(settings.seconds)
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
            pipeline = self._session.pipeline
            own = next(iter(pipeline.step(frame)), None)
            return [own_face(image, pipeline.boxes, own, self._classes)]
        step = self._session.step(frame)
        messages = [group_faces(image, [one.face.box for one in step.faces])]
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


class SessionStore:
    """The sessions of all pages, and of those that may come back soon.

    A page that loses its link goes on with the same session, and so does another tab of the same
    browser, which takes it over: the group that is counted stays the same, and two sessions can't
    be held against each other.

    Args:
        recognizer: says what faces show.
        settings: of the server.
        metrics: where windows are counted.
    """

    def __init__(self, recognizer: Recognizer, settings: Settings, metrics: Metrics) -> None:
        self._made = (recognizer, settings, metrics)
        #: Each session, whose it is, and until when it is kept without anybody.
        self._all: dict[str, tuple[LiveSession, object | None, float]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def take(self, key: str, owner: object) -> tuple[str, LiveSession]:
        """Return the session under a key, or a new one, and its key; it is the owner's now."""
        self._forget()
        if key in self._all:
            group = self._all[key][0]
        else:
            key, group = secrets.token_urlsafe(18), LiveSession(*self._made)
        self._all[key] = group, owner, math.inf
        return key, group

    def is_of(self, key: str, owner: object) -> bool:
        """Say whether a session is still its owner's, and no other tab has taken it over."""
        return key in self._all and self._all[key][1] is owner

    def leave(self, key: str, owner: object) -> None:
        """Let a session wait for its page, and forget it when that does not come back in time."""
        if not self.is_of(key, owner):
            return
        self._all[key] = self._all[key][0], None, time.monotonic() + KEPT
        waiting = [key for key, (_, owner, _) in self._all.items() if owner is None]
        for oldest in waiting[:-CONNECTIONS]:
            del self._all[oldest]
        asyncio.get_running_loop().call_later(KEPT + 0.1, self._forget)

    def _forget(self) -> None:
        now = time.monotonic()
        self._all = {key: one for key, one in self._all.items() if one[2] > now}
