"""Single faces for the page: the most confident errors, and where the network looked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer.core.labels import FERPLUS
from fer.data.fer2013_reference import AnnotatorVotes
from fer.data.source import Faces, Split
from fer.evaluation.evaluate import EvaluationInput
from fer.evaluation.gradcam import grad_cam
from fer.evaluation.model_predictions import encoded_metadata
from fer.evaluation.predictions import Predictions
from fer.inference.model import Model
from fer.reporting.evaluation.face_images import clip_uri, face_uri, overlay_uri

Ints = npt.NDArray[np.intp]

#: How many faces are shown of each kind.
ERRORS: Final = 24
LOOKED_AT: Final = 8

#: What FER+'s columns are called in the page, where that is not our own name.
_VOTED: Final = {"unknown": "unknown", "NF": "no face"}


@dataclass(frozen=True, slots=True)
class Example:
    """One face of the test split.

    Attributes:
        face: its row in the source, or its file.
        votes: FER+'s votes in words, highest first; empty where there are none.
        sides_with: whether the crowd's winner is the ``answer``, the ``label``, ``neither`` of
            them, or empty where it has none.
        pictures: what each shows, in words, and its data URI.
    """

    face: str
    label: str
    answer: str
    p_answer: float | None
    p_label: float | None
    votes: str
    sides_with: str
    pictures: list[tuple[str, str]]


def confident_errors(case: EvaluationInput, test: Predictions, *, pictures: bool) -> list[Example]:
    """Return the wrong answers that were given with the highest probability, highest first."""
    p = test.probabilities
    if p is None:
        return []
    wrong = np.flatnonzero(~test.correct)
    confidence = p[wrong, test.answer[wrong]]
    chosen = wrong[np.argsort(-confidence, kind="stable")[:ERRORS]]
    split = case.faces.splits["test"]
    return [_example(case, test, i, [_picture(split, i)] if pictures else []) for i in chosen]


def _picture(split: Split, i: int) -> tuple[str, str]:
    """Return what a picture of a face, or of nine frames of a clip, shows, and the picture."""
    if split.lengths is None:
        return "the face", face_uri(split.images[i])
    length = int(split.lengths[i])
    return f"the clip, {length} frames", clip_uri(split.images[i][:length])


def gradcam_examples(
    case: EvaluationInput, test: Predictions, model: Model
) -> tuple[list[Example], list[Example]]:
    """Return right and wrong examples under their Grad-CAM maps, drawn at random.

    As many classes as possible are among them. A right example has a map of its answer, a wrong one
    a map of its answer and one of its label.
    """
    rng = np.random.default_rng(case.seed)
    right = _spread(np.flatnonzero(test.correct), test.label, rng)
    wrong = _spread(np.flatnonzero(~test.correct), test.label, rng)
    split = case.faces.splits["test"]
    # One call for all maps: right by answer, wrong by answer, wrong by label.
    faces = np.concatenate([right, wrong, wrong])
    if len(faces) == 0:
        return [], []
    targets = np.concatenate([test.answer[right], test.answer[wrong], test.label[wrong]])
    beside = encoded_metadata(model, split.take(faces))
    maps = grad_cam(model, split.images[faces], targets, beside)
    shown = [
        (_caption(test.classes[target], heat), overlay_uri(split.images[i], heat))
        for i, target, heat in zip(faces, targets, maps, strict=True)
    ]
    n, m = len(right), len(wrong)

    def example(i: int, *found: tuple[str, str]) -> Example:
        return _example(case, test, i, [("the face", face_uri(split.images[i])), *found])

    return (
        [example(i, one) for i, one in zip(right, shown[:n], strict=True)],
        [
            example(i, *pair)
            for i, *pair in zip(wrong, shown[n : n + m], shown[n + m :], strict=True)
        ],
    )


def _caption(name: str, heat: npt.NDArray[np.float32]) -> str:
    return f"for “{name}”" if heat.any() else f"nothing speaks for “{name}”"


def _spread(among: Ints, label: npt.NDArray[np.int64], rng: np.random.Generator) -> Ints:
    """Draw faces class by class: one of each first, then a second of each, and so on."""
    drawn = rng.permutation(among)
    turn = np.empty(len(drawn), dtype=np.int64)
    for name in np.unique(label[drawn]):
        mine = label[drawn] == name
        turn[mine] = np.arange(mine.sum())
    first: Ints = drawn[np.argsort(turn, kind="stable")[:LOOKED_AT]]
    return first[np.argsort(label[first], kind="stable")]


def _example(
    case: EvaluationInput, test: Predictions, i: int, pictures: list[tuple[str, str]]
) -> Example:
    label, answer, row = int(test.label[i]), int(test.answer[i]), int(test.row[i])
    p = test.probabilities
    return Example(
        _name(case.faces, row),
        test.classes[label],
        test.classes[answer],
        None if p is None else float(p[i, answer]),
        None if p is None else float(p[i, label]),
        _votes(case.crowd, row),
        _side(case.crowd, row, label, answer),
        pictures,
    )


def _name(faces: Faces, row: int) -> str:
    return faces.names[row] if row < len(faces.names) else f"row {row}"


def _votes(crowd: AnnotatorVotes | None, row: int) -> str:
    """Return the votes in words: ``happy 8, neutral 2``."""
    if crowd is None:
        return ""
    counts: list[tuple[str, Any]] = list(zip(FERPLUS, crowd.counts[row].tolist(), strict=True))
    some = sorted((pair for pair in counts if pair[1]), key=lambda pair: -pair[1])
    named = [f"{_VOTED.get(name) or FERPLUS[name]} {count}" for name, count in some]
    return ", ".join(named) or "left out of FER+"


def _side(crowd: AnnotatorVotes | None, row: int, label: int, answer: int) -> str:
    if crowd is None or crowd.winner[row] < 0:
        return ""
    winner = int(crowd.winner[row])
    return "answer" if winner == answer else "label" if winner == label else "neither"
