"""Score a table in this process, part after part."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fer.inference.recognizer import Recognizer
from fer.inference.scoring.folder import Job
from fer.inference.scoring.parts import Part


def score_here(
    job: Job,
    parts: Sequence[Part],
    advance: Callable[[int], object],
    recognizer: Recognizer | None = None,
) -> None:
    """Score parts.

    Args:
        job: what they are of.
        parts: which.
        advance: called with the number of rows that were done since.
        recognizer: what answers, if it is ready; None: that of the job is loaded.

    Raises:
        UserError: the model can't be used or the table is damaged.
        OSError: something can't be read or written.
    """
    for part in job.score(recognizer or job.recognizer(), parts):
        advance(part.rows)
