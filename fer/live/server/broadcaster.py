"""The server's own camera, stream or film, watched once for all pages."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any, Final

from fer.live.frames import Frame, Source, SourceError
from fer.live.server.metrics import Metrics
from fer.live.server.outbox import Outbox
from fer.live.server.sessions import LiveSession
from fer.live.server.worker import InferenceWorker

_log = logging.getLogger("fer.serve")

#: Seconds for which frames of a film are left out at most, one after the other.
_LONGEST_GAP: Final = 0.5


class Broadcaster:
    """Reads the source in a thread of its own and tells all pages the same.

    Pictures stay here: pages get where the faces are, and what is told of the group.

    Args:
        source: of frames.
        group: the session.
        workshop: where frames are read.
        metrics: where they are counted.
    """

    def __init__(
        self, source: Source, group: LiveSession, workshop: InferenceWorker, metrics: Metrics
    ) -> None:
        self._source = source
        self.group = group
        self._workshop = workshop
        self._metrics = metrics
        self._outboxes: set[Outbox] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fer source", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        #: What became of the source: ``running``, ``ended`` or ``lost``.
        self.state = "running"

    def start(self) -> None:
        """Begin, from within the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def close(self) -> None:
        """End, and wait for the frame that is in work."""
        self._ended.set()
        self._thread.join(timeout=5)

    @contextmanager
    def told_to(self, outbox: Outbox) -> Iterator[None]:
        """Tell a page, from the timeline so far to what comes."""
        outbox.put([{"type": "started", "key": ""}, *self.group.history])
        outbox.put([{"type": "source", "state": self.state}])
        self._outboxes.add(outbox)
        try:
            yield
        finally:
            self._outboxes.discard(outbox)

    def _run(self) -> None:
        frames = paced(self._source, self._ended)
        state = "ended"
        try:
            for frame in frames:
                start = time.perf_counter()
                messages = self._workshop.work_here(
                    lambda frame=frame: self.group.step(frame.image, frame.time)  # type: ignore[misc]
                )
                seconds = time.perf_counter() - start
                self._metrics.took(seconds)
                messages[0]["took"] = round(seconds, 3)
                self._tell(messages)
            if self._source.is_lost:
                state = "lost"
        except SourceError as error:
            _log.warning("%s", error)
            state = "lost"
        except (RuntimeError, CancelledError):
            # The workshop is closed: the server ends.
            if not self._ended.is_set():
                raise
        finally:
            frames.close()
            self.state = state
            self._tell([{"type": "source", "state": state}])

    def _tell(self, messages: list[dict[str, Any]]) -> None:
        def put() -> None:
            for outbox in self._outboxes:
                outbox.put([dict(one) for one in messages])

        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(put)


def paced(source: Source, ended: threading.Event) -> Generator[Frame, None, None]:
    """Yield frames when it is their time; of a film, those that are late are left out.

    Where even reading them takes too long, the film is shown more slowly than it was taken.

    Args:
        source: of frames.
        ended: set when no more are wanted.
    """
    start = shown = time.monotonic()
    frames = source.frames()
    try:
        for frame in frames:
            now = time.monotonic()
            early = start + frame.time - now
            if source.is_live or early > 0:
                pass
            elif early < -1 / source.rate and now - shown < _LONGEST_GAP:
                continue
            else:
                start -= min(0.0, early + 1 / source.rate)
            if not source.is_live and early > 0 and ended.wait(early):
                break
            if ended.is_set():
                break
            shown = time.monotonic()
            yield frame
    finally:
        frames.close()
