"""The folder that a table's answers go to: what it is for, which parts are there, what they say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

from fer.core.errors import UserError
from fer.core.io import atomic_write, why_not_writable
from fer.inference.detection import DETECT_SIZE
from fer.inference.recognizer import MIN_FACE
from fer.inference.scoring.job_file import JOB_FILE, agree
from fer.inference.scoring.parts import Part
from fer.inference.scoring.table import Table
from fer.pictures import shown

if TYPE_CHECKING:
    import pyarrow as pa

    from fer.inference.recognizer import Recognizer


@dataclass(frozen=True, slots=True)
class Asking:
    """How a table is asked about, as far as it changes the answers.

    Attributes:
        crops: the pictures that rows name are faces, in which none is looked for.
        tta: look at each face ten times.
        confidence: see :class:`fer.inference.Recognizer`.
        min_face: see there.
        detector: see :func:`fer.inference.load`.
        detect_size: see there.
    """

    crops: bool = False
    tta: bool = False
    confidence: float = 0.0
    min_face: int = MIN_FACE
    detector: str = "default"
    detect_size: int = DETECT_SIZE


@dataclass(frozen=True, slots=True)
class Job:
    """A table, a model, and the folder that gets the answers.

    Attributes:
        table: what is scored.
        folder: that gets a file a part.
        model: name or path.
        asking: how.
        threads: cores of one recognizer.
        allow: see :func:`fer.inference.load`.
    """

    table: Table
    folder: Path
    model: str
    asking: Asking
    threads: int
    allow: Sequence[str] = ()

    def recognizer(self) -> Recognizer:
        """Return what answers, ready to work.

        Raises:
            UserError: the model or the detector can't be used, or the model reads clips.
            OSError: the model can't be read.
        """
        import cv2

        from fer.inference import load

        cv2.setNumThreads(self.threads)
        asking = self.asking
        made = load(
            self.model,
            threads=self.threads,
            confidence=asking.confidence,
            min_face=asking.min_face,
            detector=asking.detector,
            detect_size=asking.detect_size,
            allow=self.allow,
        )
        if made.frames is not None:
            raise UserError(
                f"--model {self.model} reads clips, not the single faces of a table: fer video "
                "uses it"
            )
        if self.table.kind == "pictures" and not asking.crops:
            # A detector that can't be used is told before the work.
            _ = made.detector
        return made

    def file(self, part: Part) -> Path:
        """Return where the answers of a part lie when it is done."""
        return self.folder / f"part-{part.number:06}.parquet"

    def score(self, recognizer: Recognizer, parts: Sequence[Part]) -> Iterator[Part]:
        """Score parts and write their answers; yield each when it is done.

        Raises:
            UserError: the table is damaged.
            OSError: something can't be read or written.
        """
        import pyarrow.parquet as pq

        from fer.inference.scoring.scoring import score_part

        asking = self.asking
        for part, rows in self.table.read(parts):
            found = score_part(
                recognizer, self.table, part, rows, crops=asking.crops, tta=asking.tta
            )
            with atomic_write(self.file(part)) as beside:
                pq.write_table(found, beside)
            yield part


@dataclass(frozen=True, slots=True)
class Tally:
    """What the parts of a folder say.

    Attributes:
        rows: of the table that were done.
        faces: that were answered.
        problems: rows that could not be read.
        shown: the first of those: row, name and reason.
    """

    rows: int
    faces: int
    problems: int
    shown: tuple[str, ...]


@contextmanager
def begun(job: Job, shard: int = 0, shards: int = 1) -> Iterator[list[Part]]:
    """Claim one shard of a job, and give the parts of it that are not done yet.

    Every ``shards``-th part is of one shard. Shards may be worked on at once, by processes that see
    the same folder. Load the recognizer before: what can't be used must claim no folder, or the
    corrected command would be refused.

    Raises:
        UserError: the folder holds something else, or another process works on the shard.
        OSError: it can't be written to.
    """
    folder = job.folder
    if (why := why_not_writable(folder)) is not None:
        raise UserError(f"--to {shown(folder)}: {why}")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / JOB_FILE).is_file():
        strange = [p.name for p in folder.iterdir() if not p.name.startswith(".")]
        if strange:
            raise UserError(
                f"--to {shown(folder)} holds something else ({strange[0]}): name a folder that is "
                "empty or not there"
            )
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / f".shard-{shard}-of-{shards}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UserError(
            f"another process is writing shard {shard} of {shards} to {shown(folder)}"
        ) from None
    try:
        agree(job)
        mine = [part for part in job.table.parts if part.number % shards == shard]
        stems = {job.file(part).stem for part in mine}
        for leftover in folder.glob(".part-*-*.parquet"):
            # What a killed process had begun; of these parts, nobody else writes any.
            if leftover.name[1:].rpartition("-")[0] in stems:
                leftover.unlink(missing_ok=True)
        yield [part for part in mine if not job.file(part).is_file()]
    finally:
        lock.release()


def tally(job: Job, shard: int = 0, shards: int = 1, *, most: int = 10) -> Tally:
    """Count what the finished parts of a shard say.

    Args:
        job: what was done.
        shard: which.
        shards: of how many.
        most: problems that are shown.

    Raises:
        UserError: a part can't be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    counts = {"rows": 0, "faces": 0, "problems": 0}
    told = list[str]()
    for part in job.table.parts[shard::shards]:
        path = job.file(part)
        if not path.is_file():
            continue
        try:
            with pq.ParquetFile(path) as opened:
                known = opened.schema_arrow.metadata or {}
                for name in counts:
                    counts[name] += int(known[name.encode()])
                if int(known[b"problems"]) and len(told) < most:
                    told += _problems(opened.read())[: most - len(told)]
        except (pa.ArrowInvalid, KeyError, ValueError) as error:
            raise UserError(
                f"{shown(path)} is damaged ({error}): remove it, and start the command again"
            ) from None
    return Tally(counts["rows"], counts["faces"], counts["problems"], tuple(told))


def _problems(table: pa.Table) -> list[str]:
    import pyarrow.compute as pc

    rows = table.filter(pc.is_valid(table["problem"])).to_pylist()
    return [
        f"row {row['row']}{' ' + row['path'] if row.get('path') else ''}: {row['problem']}"
        for row in rows
    ]
