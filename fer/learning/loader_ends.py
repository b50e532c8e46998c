"""The end of a process that loads faces, which is no defect of this package."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.queues import Queue
from typing import Any

from torch.utils.data import get_worker_info

from fer.core.errors import UserError


class LoaderError(UserError):
    """A process that loads faces died; finished epochs are kept."""

    def __init__(self, error: BaseException) -> None:
        why = str(error).strip().splitlines()[0]
        super().__init__(
            f"a process that loads faces died ({why}). Give it memory, shared memory in particular "
            "(/dev/shm; docker run --shm-size=1g), or load without such processes by "
            "data.workers=0. The epochs before are kept: the same with resume=auto goes on"
        )


@contextmanager
def naming_dead_loaders() -> Iterator[None]:
    """Raise a :class:`LoaderError` in place of what the end of a loader process raises."""
    queue: Any = Queue  # Its hook is in nobody's stubs.
    hook = queue._on_queue_feeder_error

    def end(error: Exception, what: Any) -> None:
        # Nobody would hear of a batch that found no shared memory, and the training would wait for
        # it for ever. The end of its process is heard of.
        if get_worker_info() is not None:
            os._exit(1)
        hook(error, what)

    queue._on_queue_feeder_error = staticmethod(end)
    try:
        yield
    except RuntimeError as error:
        cause: BaseException | None = error
        # Lightning fails once more on its way out.
        while cause is not None and "DataLoader worker" not in str(cause):
            cause = cause.__context__
        if cause is None:
            raise
        raise LoaderError(cause) from error
    finally:
        queue._on_queue_feeder_error = staticmethod(hook)
