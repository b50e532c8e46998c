"""Score a table into a folder, one file a part, so that finished parts are not repeated."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import filelock
import numpy as np

from fer import __version__
from fer.core.defaults import DETECT_SIZE, MIN_FACE
from fer.core.errors import UserError
from fer.core.io import atomic_write, why_not_writable, write_json
from fer.core.pretrained import weights_path
from fer.inference.recognizer import Recognizer
from fer.inference.scoring.table import Part, Rows, Table
from fer.pictures import shown
from fer.pixels import square_grey

if TYPE_CHECKING:
    import pyarrow as pa

#: Describes the folder's job; readers of parquet folders ignore it.
JOB_FILE: Final = "_job.json"
_FORMAT: Final = 1
_EXAMPLES: Final = 10


@dataclass(frozen=True, slots=True)
class ScoringOptions:
    """The options that change the answers; for the others see :func:`fer.inference.load`.

    Attributes:
        crops: the pictures that rows name are faces, so no detector is used.
        tta: average ten views of each face.
    """

    crops: bool = False
    tta: bool = False
    confidence: float = 0.0
    min_face: int = MIN_FACE
    detector: str = "default"
    detect_size: int = DETECT_SIZE


@dataclass(frozen=True, slots=True)
class ScoringJob:
    """A table, a model, and the folder for the answers.

    Attributes:
        folder: gets a file a part.
        model: name or path.
        threads: cores of one recognizer.
        allow: see :func:`fer.inference.load`.
    """

    table: Table
    folder: Path
    model: str
    options: ScoringOptions
    threads: int
    allow: Sequence[str] = ()

    @property
    def detects(self) -> bool:
        """Whether faces are detected in the pictures."""
        return self.table.kind == "pictures" and not self.options.crops

    def recognizer(self) -> Recognizer:
        """Return the recognizer, with its detector loaded.

        Raises:
            UserError: the model or the detector can't be used, or the model reads clips.
        """
        import cv2

        from fer.inference import load

        cv2.setNumThreads(self.threads)
        options = self.options
        recognizer = load(
            self.model,
            threads=self.threads,
            confidence=options.confidence,
            min_face=options.min_face,
            detector=options.detector,
            detect_size=options.detect_size,
            allow=self.allow,
        )
        if recognizer.frames is not None:
            raise UserError(
                f"--model {self.model} reads clips, not the single faces of a table: fer video "
                "uses it",
                code="clip_model",
                where="--model",
            )
        if self.detects:
            # Loaded now, so that errors are reported before the work.
            _ = recognizer.detector
        return recognizer

    def file(self, part: Part) -> Path:
        """Return the file of a part's answers."""
        return self.folder / f"part-{part.number:06}.parquet"

    def score(self, recognizer: Recognizer, parts: Sequence[Part]) -> Iterator[Part]:
        """Score parts and write their answers; yield each when it is done.

        Raises:
            UserError: the table is damaged.
        """
        import pyarrow.parquet as pq

        for part, rows in self.table.read(parts):
            answers = score_part(recognizer, part, rows, detect=self.detects, tta=self.options.tta)
            with atomic_write(self.file(part)) as path:
                pq.write_table(answers, path)
            yield part


def score_locally(
    job: ScoringJob,
    parts: Sequence[Part],
    advance: Callable[[int], object],
    recognizer: Recognizer | None = None,
) -> None:
    """Score parts of a job in this process.

    Args:
        advance: called with the number of rows of each finished part.
        recognizer: that of the job, if it is loaded already.

    Raises:
        UserError: the model can't be used or the table is damaged.
    """
    for part in job.score(recognizer or job.recognizer(), parts):
        advance(part.rows)


def score_part(
    recognizer: Recognizer, part: Part, rows: Rows, *, detect: bool, tta: bool
) -> pa.Table:
    """Return the answers about a part: a row for each face, and one with nulls where there is none.

    Without ``detect``, each picture is a face. The columns are ``row``, ``path`` (if the table has
    names), ``face``, ``x``, ``y``, ``w``, ``h``, ``score`` (if faces were detected), ``label``,
    ``p_CLASS``, ``problem``. The metadata count ``rows``, ``faces`` and ``problems``.
    """
    import pyarrow as pa

    size, fit = recognizer.model.size, recognizer.model.fit
    problems = dict[int, str]()
    boxes = list[tuple[float, ...]]()
    labels = list[str]()
    probabilities: Any = []
    crops = np.empty((0 if detect else part.rows, size, size), dtype=np.uint8)
    good = 0
    # For each row of the answers: its row of the part and its face, -1 for none.
    index, answer = list[int](), list[int]()
    for i in range(part.rows):
        try:
            picture = rows.picture(i)
            if not detect:
                crops[good] = square_grey(picture, size, fit)
        except (ValueError, OSError) as error:
            problems[i] = (isinstance(error, OSError) and error.strerror) or str(error)
            index.append(i)
            answer.append(-1)
            continue
        if not detect:
            index.append(i)
            answer.append(good)
            good += 1
            continue
        faces = recognizer.analyze(picture, tta=tta)
        index += [i] * max(1, len(faces))
        answer += range(len(labels), len(labels) + len(faces)) if faces else [-1]
        boxes += [(number, *face.box, face.score) for number, face in enumerate(faces, 1)]
        labels += [face.label for face in faces]
        probabilities += [face.probabilities for face in faces]
    if not detect:
        prediction = recognizer.classify(crops[:good], tta=tta)
        labels, probabilities = list(prediction.labels), prediction.probabilities
    pick = pa.array([None if n < 0 else n for n in answer], pa.int64())
    columns: dict[str, Any] = {"row": pa.array([part.first + i for i in index], pa.int64())}
    if rows.names is not None:
        names = [rows.names[i] for i in index]
        columns["path"] = pa.array([shown(name) if name else None for name in names], pa.string())
    if detect:
        kinds = {**dict.fromkeys(("face", *"xywh"), pa.int32()), "score": pa.float32()}
        for n, (name, kind) in enumerate(kinds.items()):
            columns[name] = pa.array([box[n] for box in boxes], kind).take(pick)
    columns["label"] = pa.array(labels, pa.string()).take(pick)
    table = np.reshape(probabilities, (len(labels), len(recognizer.classes))).astype(np.float32)
    for n, name in enumerate(recognizer.classes):
        columns[f"p_{name}"] = pa.array(np.ascontiguousarray(table[:, n])).take(pick)
    columns["problem"] = pa.array([problems.get(i) for i in index], pa.string())
    counts = {"rows": part.rows, "faces": len(labels), "problems": len(problems)}
    return pa.table(columns).replace_schema_metadata({k: str(v) for k, v in counts.items()})


# --- the folder ----------------------------------------------------------------------------------


@contextmanager
def claim_output_dir(job: ScoringJob, shard: int = 0, shards: int = 1) -> Iterator[list[Part]]:
    """Claim one shard of a job (every ``shards``-th part), and yield its unfinished parts.

    Several processes may work on different shards at once. Load the recognizer before: if it fails
    after the folder is claimed, the corrected command is refused.

    Raises:
        UserError: the folder holds something else, or another process works on the shard.
    """
    folder, where = job.folder, "--to"
    if (why := why_not_writable(folder)) is not None:
        raise UserError(f"--to {shown(folder)}: {why}", code="not_writable", where=where)
    if folder.is_dir() and not (folder / JOB_FILE).is_file():
        others = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        if others:
            raise UserError(
                f"--to {shown(folder)} holds something else ({others[0]}): name a folder that is "
                "empty or not there",
                code="folder_in_use",
                where=where,
            )
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / f".shard-{shard}-of-{shards}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UserError(
            f"another process is writing shard {shard} of {shards} to {shown(folder)}",
            code="folder_locked",
            where=where,
        ) from None
    try:
        write_or_check_job_file(job)
        yield [part for part in job.table.parts[shard::shards] if not job.file(part).is_file()]
    finally:
        lock.release()


def write_or_check_job_file(job: ScoringJob) -> None:
    """Write the job file of the folder, or check that it is of this job.

    Raises:
        UserError: it is of another job or damaged, or there is no such model.
    """
    wanted, path = _description(job), job.folder / JOB_FILE
    # Shards may start at the same moment.
    with filelock.FileLock(job.folder / ".job.lock"):
        if not path.is_file():
            write_json(path, wanted)
            return
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        different = [key for key in wanted if stored.get(key) != wanted[key]]
    except (ValueError, AttributeError) as error:
        raise UserError(
            f"{shown(path)} can't be read ({error}): name another folder",
            code="job_file_damaged",
            where=shown(path),
        ) from None
    if not different:
        return
    changes = [
        f"{key} is another"
        if key in ("table", "model")
        else f"{key} was {stored.get(key)!r} and is {wanted[key]!r}"
        for key in different
    ]
    raise UserError(
        f"--to {shown(job.folder)} holds the answers of another job: {', '.join(changes)}. Name "
        "another folder, or remove it",
        code="another_job",
        where=", ".join(different),
    )


def _description(job: ScoringJob) -> dict[str, Any]:
    path = weights_path(job.model)
    if not path.is_file():
        raise UserError(
            f"there is no model file {shown(path)}", code="no_such_file", where=shown(path)
        )
    with path.open("rb") as file:
        model = hashlib.file_digest(file, "sha256").hexdigest()
    table = job.table
    described = {
        "format": _FORMAT,
        "version": __version__,
        "table": table.sha256,
        "kind": table.kind,
        "column": table.column,
        "rows": table.rows,
        "parts": len(table.parts),
        "part": max(part.rows for part in table.parts),
        "model": model,
        **asdict(job.options),
    }
    if table.kind == "pictures":
        # Where relative paths begin: the same names in another folder are other pictures.
        described["root"] = shown(table.files[0].parent.resolve())
    return described


@dataclass(frozen=True, slots=True)
class ScoringSummary:
    """Counts over the finished parts of a folder.

    Attributes:
        problems: rows that could not be read.
        examples: the first of those: row, name and reason.
    """

    rows: int
    faces: int
    problems: int
    examples: tuple[str, ...]


def summarize(job: ScoringJob, shard: int = 0, shards: int = 1) -> ScoringSummary:
    """Count over the finished parts of a shard, with at most ten examples of problems.

    Raises:
        UserError: a part is damaged.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    counts = {"rows": 0, "faces": 0, "problems": 0}
    examples = list[str]()
    for path in filter(Path.is_file, map(job.file, job.table.parts[shard::shards])):
        try:
            with pq.ParquetFile(path) as opened:
                stored = opened.schema_arrow.metadata or {}
                for name in counts:
                    counts[name] += int(stored[name.encode()])
                if int(stored[b"problems"]) and len(examples) < _EXAMPLES:
                    answers = opened.read()
                    for row in answers.filter(pc.is_valid(answers["problem"])).to_pylist():
                        name = f" {row['path']}" if row.get("path") else ""
                        examples.append(f"row {row['row']}{name}: {row['problem']}")
        except (pa.ArrowInvalid, KeyError, ValueError) as error:
            raise UserError(
                f"{shown(path)} is damaged ({error}): remove it, and start the command again",
                code="part_damaged",
                where=shown(path),
            ) from None
    return ScoringSummary(**counts, examples=tuple(examples[:_EXAMPLES]))
