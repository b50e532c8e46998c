"""Score a table with Ray Data on all cores or a cluster.

Ray only distributes the parts: the files are the same byte for byte as without it.
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
from fer.inference.scoring.job import ScoringJob
from fer.inference.scoring.table import Part

#: Consecutive parts of one row group for a worker, which reads that group from its start.
_RUN: Final = 16


class _Scorer:
    """An actor that loads the model once and scores parts."""

    def __init__(self, job: ScoringJob) -> None:
        self._job = job
        self._recognizer = job.recognizer()

    def __call__(self, row: Mapping[str, Any]) -> dict[str, int]:
        parts = [self._job.table.parts[int(number)] for number in row["parts"]]
        return {"rows": sum(part.rows for part in self._job.score(self._recognizer, parts))}


def score_on_ray(job: ScoringJob, parts: Sequence[Part], advance: Callable[[int], object]) -> None:
    """Score parts like ``score_locally``, by actors with a recognizer each.

    The cluster of ``RAY_ADDRESS`` must see the table, the model and the folder at the same paths.
    Without one, Ray is started on this machine and stopped in the end.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext
    from ray.exceptions import RayError

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # Actors have other working folders, so paths must be absolute.
    job = replace(
        job,
        folder=job.folder.absolute(),
        table=replace(job.table, files=tuple(file.absolute() for file in job.table.files)),
        model=os.path.abspath(job.model) if os.path.exists(job.model) else job.model,  # noqa: PTH100, PTH110
    )
    runs = list[dict[str, list[int]]]()
    for _, members in groupby(parts, key=lambda part: (part.file, part.group)):
        numbers = [part.number for part in members]
        runs += [{"parts": numbers[i : i + _RUN]} for i in range(0, len(numbers), _RUN)]
    try:
        with _started():
            DataContext.get_current().enable_progress_bars = False
            cores = int(ray.cluster_resources().get("CPU", 1))
            scored = ray.data.from_items(runs, override_num_blocks=len(runs)).map(
                _Scorer,
                fn_constructor_args=(job,),
                compute=ActorPoolStrategy(size=max(1, min(cores // job.threads, len(runs)))),
                num_cpus=min(job.threads, cores),
            )
            for row in scored.iter_rows():
                advance(row["rows"])
    except RayError as error:
        cause = error.__cause__ or getattr(error, "cause", None)
        if isinstance(cause, UserError | OSError):
            raise cause from None
        last = str(error).strip().splitlines()[-1]
        raise UserError(f"Ray could not do the work: {last}", code="ray_failed") from error


@contextmanager
def _started() -> Iterator[None]:
    """Start Ray unless it runs, and stop it in the end.

    A dead proxy keeps it from querying cloud metadata at its start, which it does for usage
    statistics, even if switched off (2.60), and for TPUs. Its own gRPC ignores the proxy.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    proxy = os.environ.get("http_proxy")
    os.environ["http_proxy"] = "http://127.0.0.1:9"  # Where nobody answers.
    try:
        ray.init(log_to_driver=False, include_dashboard=False, logging_level="ERROR")
    except Exception as error:  # What it raises here has no other class.
        why = str(error).strip().splitlines()[0]
        raise UserError(f"Ray did not start: {why}", code="ray_not_started") from error
    finally:
        if proxy is None:
            del os.environ["http_proxy"]
        else:
            os.environ["http_proxy"] = proxy
    try:
        yield
    finally:
        ray.shutdown()
