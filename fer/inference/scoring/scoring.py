"""One part of a table: asked, and as a table of answers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fer.inference.recognizer import Recognizer
from fer.inference.scoring.crops import face_at
from fer.inference.scoring.parts import Part, Rows
from fer.inference.scoring.table import Table
from fer.pictures import PictureError, read_picture, shown
from fer.pixels import square_grey

if TYPE_CHECKING:
    import pyarrow as pa


def score_part(
    recognizer: Recognizer, table: Table, part: Part, rows: Rows, *, crops: bool, tta: bool
) -> pa.Table:
    """Return the answers about the rows of a part.

    Args:
        recognizer: what is asked.
        table: that the part is of.
        part: which rows.
        rows: what they hold.
        crops: the pictures that rows name are faces, in which none is looked for.
        tta: look at each face ten times.

    Returns:
        The columns ``row``, ``path`` (where the table has names), ``face``, ``x``, ``y``, ``w``,
        ``h``, ``score`` (where faces were looked for), ``label``, ``p_CLASS``, ``problem``. A row
        a face, and one with nulls for a row of the table without any. Its metadata count ``rows``,
        ``faces`` and ``problems``.
    """
    answers = _Answers(recognizer.classes, rows.paths, found=table.kind == "pictures" and not crops)
    if answers.found:
        _find(recognizer, table.files[part.file].parent, part, rows, answers, tta=tta)
    else:
        _classify(recognizer, table.files[part.file].parent, part, rows, answers, tta=tta)
    return answers.table(part.rows)


def _find(
    recognizer: Recognizer, root: Path, part: Part, rows: Rows, answers: _Answers, *, tta: bool
) -> None:
    for i in range(part.rows):
        try:
            if (why := rows.problems.get(i)) is not None:
                raise ValueError(why)
            image = read_picture(root / str((rows.paths or [])[i]))
        except (ValueError, PictureError, OSError) as error:
            answers.add_problem(part.first + i, i, _why(error))
            continue
        faces = recognizer.analyze(image, tta=tta)
        if not faces:
            answers.add(part.first + i, i)
        for number, face in enumerate(faces, 1):
            answers.add(
                part.first + i,
                i,
                label=face.label,
                probabilities=face.probabilities,
                where=(number, *face.box, face.score),
            )


def _classify(
    recognizer: Recognizer, root: Path, part: Part, rows: Rows, answers: _Answers, *, tta: bool
) -> None:
    size, fit = recognizer.model.size, recognizer.model.fit
    faces = np.empty((part.rows, size, size), dtype=np.uint8)
    problems = dict(rows.problems)
    good = list[int]()
    for i in range(part.rows):
        if i in problems:
            continue
        try:
            if rows.faces is not None:
                picture = face_at(rows.faces, i)
            else:
                picture = read_picture(root / str((rows.paths or [])[i]))
            faces[len(good)] = square_grey(picture, size, fit)
        except (ValueError, PictureError, OSError) as error:
            problems[i] = _why(error)
        else:
            good.append(i)
    found = recognizer.classify(faces[: len(good)], tta=tta)
    place = {i: n for n, i in enumerate(good)}
    for i in range(part.rows):
        if i in problems:
            answers.add_problem(part.first + i, i, problems[i])
        else:
            n = place[i]
            answers.add(
                part.first + i, i, label=found.labels[n], probabilities=found.probabilities[n]
            )


def _why(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


class _Answers:
    """Columns that grow."""

    def __init__(
        self, classes: Sequence[str], paths: Sequence[str | None] | None, *, found: bool
    ) -> None:
        self.found = found
        self._classes = classes
        self._paths = paths
        self._rows: list[int] = []
        self._names: list[str | None] = []
        self._where: list[Sequence[float] | None] = []
        self._labels: list[str | None] = []
        self._chances: list[Any] = []
        self._problems: list[str | None] = []

    def add(
        self,
        row: int,
        i: int,
        *,
        label: str | None = None,
        probabilities: Any = None,
        where: Sequence[float] | None = None,
        problem: str | None = None,
    ) -> None:
        name = self._paths[i] if self._paths is not None else None
        self._rows.append(row)
        self._names.append(None if name is None else shown(os.fspath(name)))
        self._where.append(where)
        self._labels.append(label)
        self._chances.append(probabilities)
        self._problems.append(problem)

    def add_problem(self, row: int, i: int, problem: str) -> None:
        self.add(row, i, problem=problem)

    def table(self, rows: int) -> pa.Table:
        import pyarrow as pa

        columns: dict[str, Any] = {"row": pa.array(self._rows, pa.int64())}
        if self._paths is not None:
            columns["path"] = pa.array(self._names, pa.string())
        if self.found:
            kinds = [*[pa.int32()] * 5, pa.float32()]
            for n, name in enumerate(("face", "x", "y", "w", "h", "score")):
                cells = [None if where is None else where[n] for where in self._where]
                columns[name] = pa.array(cells, kinds[n])
        columns["label"] = pa.array(self._labels, pa.string())
        for n, name in enumerate(self._classes):
            cells = [None if some is None else float(some[n]) for some in self._chances]
            columns[f"p_{name}"] = pa.array(cells, pa.float32())
        columns["problem"] = pa.array(self._problems, pa.string())
        counts = {
            "rows": rows,
            "faces": sum(label is not None for label in self._labels),
            "problems": sum(problem is not None for problem in self._problems),
        }
        return pa.table(columns).replace_schema_metadata({k: str(v) for k, v in counts.items()})
