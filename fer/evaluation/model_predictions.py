"""Run a model on every face of a data set, with a progress bar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from fer.core.errors import UserError
from fer.data.source import DataError, Faces, Split
from fer.evaluation.predictions import Predictions
from fer.inference.model import Model
from fer.inference.views import views

#: What is looked at: the split that temperatures are fitted on, and the test.
_SPLITS = ("val", "test")
_VIEWS = 10
_SHOWN = 5
#: Between two steps of the progress bar.
_BATCHES = 8


def check_faces(faces: Faces, model: Model | None) -> None:
    """Refuse data without a test split or with other classes than the model, if there is one."""
    check_classes(faces.origin, faces.classes, model)
    if len(faces.splits.get("test", ())) == 0:
        raise DataError(
            f"{faces.origin} has no test split, so there is nothing to evaluate on",
            code="no_test_split",
            where=faces.origin,
        )


def check_classes(origin: str, found: tuple[str, ...], model: Model | None) -> None:
    """Refuse data with other classes than the model, if there is one."""
    if model is not None and found != model.classes:
        raise DataError(
            f"the model answers with the classes {', '.join(model.classes)}, but {origin} has "
            f"{', '.join(found)}: it can be evaluated only on its own classes, in their order",
            code="classes_differ",
            where=origin,
        )


def predict(
    model: Model,
    faces: Faces,
    names: Mapping[str, str],
    *,
    tta: bool,
    batch_size: int = 64,
    progress: bool = True,
) -> tuple[Predictions, npt.NDArray[np.float32] | None]:
    """Return a model's answers on val and test, and its logits for ten views of the test faces.

    Args:
        faces: of the model's size and classes.
        names: of the splits, by :data:`fer.data.source.SPLITS`.

    Returns:
        The answers, and float32 ``[10, N, C]`` (the first view is the single one) or None.

    Raises:
        UserError: the model answers with something that is no number.
    """
    splits = {name: faces.splits[name] for name in _SPLITS if name in faces.splits}
    total = sum(map(len, splits.values())) + (_VIEWS - 1) * len(splits["test"]) * tta
    with tqdm(total=total, desc="faces", unit="", mininterval=0.5, disable=not progress) as bar:

        def ask(
            images: npt.NDArray[np.uint8], beside: npt.NDArray[Any] | None
        ) -> npt.NDArray[np.float32]:
            found = []
            # Several batches at a time, which a model may work on side by side.
            for start in range(0, len(images), _BATCHES * batch_size):
                some = slice(start, start + _BATCHES * batch_size)
                known = None if beside is None else beside[some]
                found.append(model.logits(images[some], known, batch_size=batch_size))
                bar.update(len(found[-1]))
            return np.concatenate(found)

        beside = {name: encoded_metadata(model, split) for name, split in splits.items()}
        logits = {
            name: ask(split.images, beside[name]) for name, split in splits.items() if len(split)
        }
        broken = sum(int((~np.isfinite(found)).any(axis=1).sum()) for found in logits.values())
        if broken:
            raise UserError(
                f"the model answers {broken:,} face{'s' * (broken > 1)} with something that is no "
                "number: its training diverged, or its weights are damaged",
                code="answers_not_finite",
            )
        seen = None
        if tta:
            others = list(views(splits["test"].images))[1:]
            seen = np.stack([logits["test"], *(ask(view, beside["test"]) for view in others)])
    used = [splits[name] for name in logits]
    predictions = Predictions.from_logits(
        faces.classes,
        np.concatenate([split.rows for split in used]),
        np.concatenate([np.full(len(faces.splits[name]), names[name]) for name in logits]),
        np.concatenate([split.labels for split in used]),
        np.concatenate(list(logits.values())),
    )
    return predictions, seen


def unread_metadata(model: Model | None, split: Split) -> str:
    """Return which metadata the model reads but the data lacks, in words; empty if none."""
    if model is None or model.columns is None:
        return ""
    absent, strange = [], []
    for name, column in model.columns.items():
        values = split.metadata.get(name, np.array([], dtype=np.str_))
        known = values != "" if values.dtype.kind == "U" else ~np.isnan(values.astype(np.float64))
        if not known.any():
            absent.append(name)
        elif "values" in column and (
            unknown := sorted({*map(str, values[known])} - {*column["values"]})
        ):
            shown = ", ".join(map(repr, unknown[:_SHOWN])) + ", …" * (len(unknown) > _SHOWN)
            strange.append(f"{name} has values that it has not learnt from ({shown})")
    said = []
    if absent:
        said.append(f"it reads {', '.join(absent)} beside the face, which this data does not have")
    said += strange
    return f"{'; '.join(said)}: the model answered as where that is unknown" if said else ""


def encoded_metadata(model: Model, split: Split) -> npt.NDArray[Any] | None:
    """Return the metadata that a model reads, float32 ``[N, columns]``, if any.

    For clips that is their lengths, int64 ``[N]``. Raises DataError for words instead of numbers.
    """
    if split.lengths is not None:
        return split.lengths
    if model.columns is None:
        return None
    from fer.core.metadata import encode

    try:
        return encode(split.metadata, model.columns, len(split))
    except ValueError as error:
        raise DataError(
            f"the data does not fit the model: {error}", code="metadata_mismatch"
        ) from None
