"""The sessions of pages and of the server's source, and what they have sent so far."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import deque

from fer.inference import Recognizer
from fer.live.aggregation import ShiftDetector
from fer.live.pipeline import FacePipeline
from fer.live.server.messages import Message, group_faces, own_face, shift_message, window_message
from fer.live.server.metrics import Metrics
from fer.live.server.settings import HISTORY, MAX_PAGES, SESSION_KEPT, Settings
from fer.live.session import Session
from fer.live.sources import Frame
from fer.pixels import Image

_now = time.monotonic


class LiveSession:
    """A session and its rolling timeline; in the individual view there is no timeline."""

    def __init__(self, recognizer: Recognizer, settings: Settings, metrics: Metrics) -> None:
        self._is_class = settings.view == "class"
        self._session = Session(
            recognizer,
            seconds=settings.seconds,
            min_group=settings.min_group,
            index=settings.index,
            pipeline=None if self._is_class else FacePipeline(recognizer, largest_only=True),
        )
        self._classes = recognizer.classes
        self._metrics = metrics
        self._shifts = ShiftDetector(settings.seconds)
        self._start = _now()
        self._frames = 0
        #: What was told, the oldest first.
        self.history: deque[Message] = deque(maxlen=HISTORY)

    def step(self, image: Image, time: float | None = None) -> list[Message]:
        """Return the messages for a frame, uint8 ``[H, W, 3]`` RGB, at ``time`` seconds, or now."""
        frame = Frame(image, _now() - self._start if time is None else time, self._frames)
        self._frames += 1
        if not self._is_class:
            pipeline = self._session.pipeline
            own = next(iter(pipeline.step(frame)), None)
            return [own_face(image, pipeline.boxes, own, self._classes)]
        step = self._session.step(frame)
        messages = [group_faces(image, [tracked.face.box for tracked in step.faces])]
        if step.window is not None:
            shift = self._shifts.add(step.window)
            messages.append(window_message(step.window, self._shifts.threshold))
            if shift is not None:
                messages.append(shift_message(shift))
            (self._metrics.withheld if step.window.withheld else self._metrics.told).inc()
            self.history.extend(messages[1:])
        return messages


class SessionStore:
    """The sessions of all pages, and of those that may come back soon.

    A page that reconnects, or another tab of its browser, resumes the same session: the group that
    is counted stays the same, and two sessions can't be compared with each other.
    """

    def __init__(self, recognizer: Recognizer, settings: Settings, metrics: Metrics) -> None:
        self._arguments = (recognizer, settings, metrics)
        #: Each session, whose it is, and until when it is kept without anybody.
        self._sessions: dict[str, tuple[LiveSession, object | None, float]] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def acquire(self, key: str, owner: object) -> tuple[str, LiveSession]:
        """Return the session under a key, or a new one, and its key; it is the owner's now."""
        self._forget()
        if key in self._sessions:
            session = self._sessions[key][0]
        else:
            key, session = secrets.token_urlsafe(18), LiveSession(*self._arguments)
        self._sessions[key] = session, owner, math.inf
        return key, session

    def is_owned(self, key: str, owner: object) -> bool:
        """Return True if a session is still its owner's, and no other tab has taken it over."""
        return key in self._sessions and self._sessions[key][1] is owner

    def release(self, key: str, owner: object) -> None:
        """Let a session wait for its page, and forget it when that does not come back in time."""
        if not self.is_owned(key, owner):
            return
        self._sessions[key] = self._sessions[key][0], None, time.monotonic() + SESSION_KEPT
        waiting = [key for key, (_, owner, _) in self._sessions.items() if owner is None]
        for oldest in waiting[:-MAX_PAGES]:
            del self._sessions[oldest]
        asyncio.get_running_loop().call_later(SESSION_KEPT + 0.1, self._forget)

    def _forget(self) -> None:
        now = time.monotonic()
        self._sessions = {key: entry for key, entry in self._sessions.items() if entry[2] > now}
