"""Score a table on Ray Data: the same parts by the same code, on all cores or a cluster.

Ray deals out which parts are to be done; each is read, scored and written as without it, so that
the answers are the same byte for byte, and what was finished is kept whatever dies.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from typing import Any, Final

from fer.core.errors import UserError
from fer.inference.scoring.folder import Job
from fer.inference.scoring.parts import Part

#: Parts of one row group that a worker does in a row: it reads that group from its start.
_RUN: Final = 16


class _Scorer:
    """An actor: it loads the model once and scores what comes."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._recognizer = job.recognizer()

    def __call__(self, row: Mapping[str, Any]) -> dict[str, int]:
        parts = [self._job.table.parts[int(number)] for number in row["parts"]]
        return {"rows": sum(part.rows for part in self._job.score(self._recognizer, parts))}


@contextmanager
def _asking_nobody() -> Iterator[None]:
    """Let what Ray starts find no cloud to ask about itself.

    It looks for one on behalf of its usage statistics, switched off or not (2.60), and for TPUs.
    Its own processes speak by gRPC, which heeds no proxy there.
    """
    name = "http_proxy"
    before = os.environ.get(name)
    os.environ[name] = "http://127.0.0.1:9"  # Where nobody answers.
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def score_on_ray(job: Job, parts: Sequence[Part], advance: Callable[[int], object]) -> None:
    """Score parts by actors of one recognizer each; see :func:`fer.inference.scoring.score_here`.

    A cluster that ``RAY_ADDRESS`` names is used; it must see the table, the model and the folder at
    the same places. Else Ray starts on this machine, and stops in the end.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext
    from ray.exceptions import RayError

    if not parts:
        return
    # It tells of its plans at length.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # Actors of a cluster work elsewhere; paths that begin here mean nothing there.
    job = replace(
        job,
        folder=job.folder.absolute(),
        table=replace(job.table, files=tuple(f.absolute() for f in job.table.files)),
        model=os.path.abspath(job.model) if os.path.exists(job.model) else job.model,  # noqa: PTH100, PTH110
    )
    began = not ray.is_initialized()
    if began:
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        try:
            with _asking_nobody():
                ray.init(log_to_driver=False, include_dashboard=False, logging_level="ERROR")
        except Exception as error:  # What it raises here has no other class.
            why = str(error).strip().splitlines()[0]
            raise UserError(f"Ray did not start: {why}") from error
    try:
        DataContext.get_current().enable_progress_bars = False
        cores = int(ray.cluster_resources().get("CPU", 1))
        runs = _runs(parts)
        actors = max(1, min(cores // job.threads, len(runs)))
        items = ray.data.from_items(runs, override_num_blocks=len(runs))
        done = items.map(
            _Scorer,
            fn_constructor_args=(job,),
            compute=ActorPoolStrategy(size=actors),
            num_cpus=min(job.threads, cores),
        )
        for row in done.iter_rows():
            advance(row["rows"])
    except RayError as error:
        cause = error.__cause__ or getattr(error, "cause", None)
        if isinstance(cause, UserError | OSError):
            raise cause from None
        last = str(error).strip().splitlines()[-1]
        raise UserError(f"Ray could not do the work: {last}") from error
    finally:
        if began:
            ray.shutdown()


def _runs(parts: Sequence[Part]) -> list[dict[str, list[int]]]:
    """Return the numbers of parts that are done in a row."""
    found = []
    for _, some in groupby(parts, key=lambda part: (part.file, part.place)):
        numbers = [part.number for part in some]
        found += [{"parts": numbers[i : i + _RUN]} for i in range(0, len(numbers), _RUN)]
    return found
