"""The faces found in pictures as a JSON or CSV file, written completely or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from fer.core.io import atomic_write
from fer.inference.prediction import Face


class AnswerFile(Protocol):
    """Writes the answers about pictures one by one."""

    def add(self, picture: str, faces: Sequence[Face], problem: str = "") -> None:
        """Write the faces of a picture, or why it could not be read."""
        ...


@contextmanager
def json_file(path: Path, classes: Sequence[str], model: str) -> Iterator[AnswerFile]:
    """Write an object with ``model``, ``classes`` and ``pictures``, one a line."""
    with atomic_write(path) as beside, beside.open("w", encoding="utf-8", newline="\n") as file:
        head = json.dumps({"model": model, "classes": list(classes)})
        file.write(head.removesuffix("}") + ', "pictures": [')
        writer = _Json(file, classes)
        yield writer
        file.write("\n]}\n")


class _Json:
    def __init__(self, file: IO[str], classes: Sequence[str]) -> None:
        self._file = file
        self._classes = classes
        self._start = "\n"

    def add(self, picture: str, faces: Sequence[Face], problem: str = "") -> None:
        told: dict[str, Any] = {"picture": picture}
        if problem:
            told["problem"] = problem
        else:
            told["faces"] = [
                {
                    "box": list(face.box),
                    "score": round(face.score, 4),
                    "label": face.label,
                    "probabilities": dict(zip(self._classes, _rounded(face), strict=True)),
                }
                for face in faces
            ]
        self._file.write(self._start + json.dumps(told, allow_nan=False))
        self._start = ",\n"


@contextmanager
def csv_file(path: Path, classes: Sequence[str]) -> Iterator[AnswerFile]:
    """Write one row a face, and one for each picture without any."""
    with atomic_write(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        columns = ["picture", "face", "x", "y", "w", "h", "score", "label"]
        writer.writerow([*columns, *(f"p_{name}" for name in classes), "problem"])
        yield _Csv(writer, len(classes))


class _Csv:
    def __init__(self, writer: Any, classes: int) -> None:
        self._writer = writer
        self._nothing = [""] * (7 + classes)

    def add(self, picture: str, faces: Sequence[Face], problem: str = "") -> None:
        for number, face in enumerate(faces, 1):
            row = [number, *face.box, round(face.score, 4), face.label, *_rounded(face)]
            self._writer.writerow([picture, *row, ""])
        if not faces:
            self._writer.writerow([picture, *self._nothing, problem])


def _rounded(face: Face) -> list[float]:
    return [round(float(one), 6) for one in face.probabilities]
