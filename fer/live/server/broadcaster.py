"""The server's own camera, stream or film, read once for all pages."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Final

from fer.live.server.channels import Sender
from fer.live.server.messages import Message
from fer.live.server.metrics import Metrics
from fer.live.server.sessions import LiveSession
from fer.live.server.worker import InferenceWorker
from fer.live.sources import Frame, Source, SourceError

_log = logging.getLogger("fer.serve")

#: Seconds for which frames of a film are left out at most, one after the other.
_LONGEST_GAP: Final = 0.5


class Broadcaster:
    """Reads the source in a thread of its own and tells all pages the same.

    Pictures stay here: pages get where the faces are, and what is told of the group.
    """

    def __init__(
        self, source: Source, session: LiveSession, worker: InferenceWorker, metrics: Metrics
    ) -> None:
        self._source, self._worker, self._metrics = source, worker, metrics
        self.session = session
        self._senders: set[Sender] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fer source", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        #: State of the source: ``running``, ``ended`` or ``lost``.
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
    def subscribed(self, sender: Sender) -> Iterator[None]:
        """Send a page the timeline so far and, until the block ends, what comes."""
        sender.put([{"type": "started", "key": ""}, *self.session.history])
        sender.put([{"type": "source", "state": self.state}])
        self._senders.add(sender)
        try:
            yield
        finally:
            self._senders.discard(sender)

    def _run(self) -> None:
        frames = paced(self._source, self._ended)
        state = "ended"
        try:
            for frame in frames:
                start = time.perf_counter()
                messages = self._worker.run_blocking(
                    lambda frame=frame: self.session.step(frame.image, frame.time)  # type: ignore[misc]
                )
                seconds = time.perf_counter() - start
                self._metrics.frame_answered(seconds)
                messages[0]["took"] = round(seconds, 3)
                self._send(messages)
            if self._source.is_lost:
                state = "lost"
        except SourceError as error:
            _log.warning("%s", error)
            state = "lost"
        except (RuntimeError, CancelledError):
            # The worker is closed: the server ends.
            if not self._ended.is_set():
                raise
        finally:
            frames.close()
            self.state = state
            self._send([{"type": "source", "state": state}])

    def _send(self, messages: list[Message]) -> None:
        def put() -> None:
            for sender in self._senders:
                sender.put([dict(message) for message in messages])

        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(put)


def paced(source: Source, ended: threading.Event) -> Generator[Frame, None, None]:
    """Yield frames when it is their time; of a film, those that are late are left out.

    Where even reading them takes too long, the film is shown more slowly than it was taken.
    """
    start = shown = time.monotonic()
    frames = source.frames()
    try:
        for frame in frames:
            if not source.is_live:
                now = time.monotonic()
                early = start + frame.time - now
                if early < -1 / source.rate and now - shown < _LONGEST_GAP:
                    continue
                if early > 0:
                    ended.wait(early)
                else:
                    start -= min(0.0, early + 1 / source.rate)
            if ended.is_set():
                break
            shown = time.monotonic()
            yield frame
    finally:
        frames.close()
