"""Evaluate predictions or a model: everything that ``metrics.json`` holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer.data.disk_images import in_memory
from fer.data.fer2013_reference import (
    AnnotatorVotes,
    annotator_votes_or_reason,
    has_earlier_copy,
    split_names,
)
from fer.data.scaling import scaled
from fer.data.source import Faces, Source
from fer.evaluation.branches import branch_contributions, why_no_branches
from fer.evaluation.calibration import fit_temperature, log_probabilities, tempered
from fer.evaluation.corruptions import measure_robustness
from fer.evaluation.memorisation import agreement_with_crowd, crowd_accuracy, memorisation
from fer.evaluation.model_predictions import encoded_metadata, predict, unread_metadata
from fer.evaluation.predictions import MARKS, Predictions
from fer.evaluation.slices import MOST_VALUES, slices
from fer.evaluation.statistics import RESAMPLES, block
from fer.inference.model import Model

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LABELS_ALONE: Final = "the answers are labels without probabilities"


@dataclass(frozen=True, slots=True)
class EvaluationInput:
    """What an evaluation is made from.

    Attributes:
        predictions: for test faces, each once, and perhaps others.
        names: what its splits are called, by :data:`fer.data.source.SPLITS`.
        copied: bool ``[N]``: which test faces have an exact copy in train or val.
        views: float32 ``[V, N, C]``: logits of V views of the test faces; None without test-time
            augmentation.
        crowd: FER+'s votes; None where there are none.
        temperature: of the model, if it brings one; otherwise it is fitted on val.
        why_not: reasons by name for what is left out: ``tta``, ``crowd``, and ``metadata`` that the
            model reads and the data lacks.
        marks: why no number should come of the model, by what it is: ``invalid``,
            ``not_comparable``.
    """

    predictions: Predictions
    faces: Faces
    names: Mapping[str, str]
    copied: Bools
    views: npt.NDArray[np.float32] | None = None
    crowd: AnnotatorVotes | None = None
    temperature: float | None = None
    why_not: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, str | None] = field(default_factory=dict)
    seed: int = 0
    marks: Mapping[str, str] = field(default_factory=dict)

    def test(self) -> Predictions:
        """Return the answers for the test faces, in the order of the faces."""
        rows, name = self.faces.splits["test"].rows, self.names["test"]
        test = self.predictions.of(name)
        order = np.argsort(test.row)
        if not np.array_equal(test.row[order], np.sort(rows)):
            raise ValueError(
                f"the predictions are not of the {len(rows)} faces of {name}, each once"
            )
        return test.take(order[np.searchsorted(test.row[order], rows)])


def evaluate_predictions(case: EvaluationInput) -> dict[str, Any]:
    """Return all metrics as plain containers, ready for ``metrics.json``.

    ``official`` is all of the test split, ``deduplicated`` without the faces that have an exact
    copy in train or val; both single-view, and again under ``tta``. What cannot be known is None,
    and ``unavailable`` has the reason under its name.

    Returns:
        - ``invalid``, ``not_comparable``: why, where the model is marked so;
        - ``classes``, ``split`` (the name of the test split), ``seed``, ``resamples``;
        - ``official``, ``deduplicated``: see :func:`fer.evaluation.statistics.block`;
        - ``tta``: both again, the probabilities being the mean over the views (of the calibrated
          ones, by which the network in use answers), or None;
        - ``memorisation_rate``, ``memorisation_ratio``, ``memorisation_n``, ``verdict``,
          ``verdict_reason``: see :func:`fer.evaluation.memorisation.memorisation`;
        - ``temperature``, ``agreement_with_crowd``, ``crowd_accuracy``;
        - ``slices``: see :func:`fer.evaluation.slices.slices`;
        - ``unavailable``: reasons by name; ``fingerprints``.
    """
    faces = case.faces.splits["test"]
    test = case.test()
    unavailable: dict[str, str] = {}
    temperature = _temperature(case, unavailable)
    p = test.probabilities
    calibrated = calibrated_probabilities(test, temperature)
    tta = None
    if case.views is None:
        unavailable["tta"] = case.why_not.get("tta", "the model looked at each face once")
    else:
        mean = tempered(case.views, 1.0).mean(axis=0)
        mean_calibrated = None
        if temperature is not None:
            mean_calibrated = tempered(case.views, temperature).mean(axis=0)
        # As in use: the answer of a mean over views depends on the temperature.
        answering = mean if mean_calibrated is None else mean_calibrated
        tta = _blocks(case, answering.argmax(axis=1), mean, mean_calibrated, unavailable)
    parts = slices(faces.images, faces.metadata, test.correct, seed=case.seed)
    for name in faces.metadata:
        if f"metadata.{name}" not in parts:
            unavailable[f"slices.metadata.{name}"] = (
                f"a text with more than {MOST_VALUES} values tells faces rather than groups"
            )
    if "metadata" in case.why_not:
        unavailable["metadata"] = case.why_not["metadata"]
    return {
        # First, so that nobody who reads the numbers misses it.
        **case.marks,
        "classes": list(test.classes),
        "split": case.names["test"],
        "seed": case.seed,
        "resamples": RESAMPLES,
        **_blocks(case, test.answer, p, calibrated, unavailable),
        "tta": tta,
        "temperature": temperature,
        **_crowd(case, test, unavailable),
        "slices": parts,
        "unavailable": unavailable,
        "fingerprints": dict(case.fingerprints),
    }


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What an evaluation measures besides a single view of each face.

    Attributes:
        tta: whether to ask about ten views of each test face, too.
        batch_size: faces at a time; changes nothing but time and memory.
        robustness: whether to measure accuracy under corruption, on the validation split or, if
            ``test``, on the test split.
        robustness_faces: at most so many faces for that; None: all.
        report_pictures: whether that page shows faces.
    """

    tta: bool = True
    seed: int = 0
    batch_size: int = 64
    robustness: bool | str = False
    robustness_faces: int | None = None
    report: bool = True
    report_pictures: bool = True


def evaluate_source(
    source: Source,
    original: Faces,
    model: Model | None,
    options: EvaluationOptions,
    *,
    predictions: Predictions | None = None,
    fingerprints: Mapping[str, str | None] | None = None,
) -> tuple[EvaluationInput, dict[str, Any]]:
    """Evaluate a model, or the predictions of any system, on a data set.

    Args:
        original: the faces that the source loads.
        predictions: of a system that can't be run.
        fingerprints: of checkpoint, predictions or manifest, to be recorded.

    Returns:
        What was evaluated, and its metrics: those of :func:`evaluate_predictions`, ``branches``,
        and ``robustness`` where it was asked for.
    """
    names = split_names(source)
    # The test faces are read several times.
    faces = in_memory(original, "test")
    views, no_views, missing_metadata = None, "ten views need the model itself", ""
    if model is not None:
        faces = scaled(faces, model.size, model.fit)
        predictions, views = predict(
            model, faces, names, tta=options.tta, batch_size=options.batch_size
        )
        no_views = "tta=false"
        missing_metadata = unread_metadata(model, faces.splits["test"])
    if predictions is None:
        raise ValueError("there is neither a model nor predictions")
    votes, no_votes = annotator_votes_or_reason(source, original)
    case = EvaluationInput(
        predictions,
        faces,
        names,
        has_earlier_copy(original),
        views=views,
        crowd=votes,
        temperature=model.temperature if model else None,
        why_not={
            "crowd": no_votes,
            "tta": no_views,
            **({"metadata": missing_metadata} if missing_metadata else {}),
        },
        fingerprints={
            "data": original.fingerprint,
            "votes": votes.sha256 if votes else None,
            **(fingerprints or {}),
        },
        seed=options.seed,
        marks={name: why for name in MARKS if (why := getattr(model, name, ""))},
    )
    metrics = evaluate_predictions(case)
    if model is not None and options.robustness is not False:
        split = "test" if options.robustness == "test" else "val"
        some = faces.splits[split]
        found = measure_robustness(
            model, some.images, some.labels, metadata=encoded_metadata(model, some),
            seed=options.seed, at_most=options.robustness_faces,
        )  # fmt: skip
        metrics["robustness"] = {"split": names[split], **found}
    why = why_no_branches(model)
    metrics["branches"] = None
    if model is None or why:
        metrics["unavailable"]["branches"] = why or ""
    else:
        test = faces.splits["test"]
        metrics["branches"] = branch_contributions(
            model, test.images, test.labels, encoded_metadata(model, test),
            seed=options.seed, batch_size=options.batch_size,
        )  # fmt: skip
    return case, metrics


def calibrated_probabilities(predictions: Predictions, temperature: float | None) -> Floats | None:
    """Return float64 ``[N, C]`` after temperature scaling; None where either is not there."""
    if predictions.probabilities is None or temperature is None:
        return None
    return tempered(_logits(predictions), temperature)


def _temperature(case: EvaluationInput, unavailable: dict[str, str]) -> float | None:
    """Return the model's own temperature, or fit one on the validation split; never on the test."""
    if case.temperature is not None:
        return case.temperature
    name, n = case.names["val"], len(case.faces.splits.get("val", ()))
    val = case.predictions.of(name)
    reason = None
    if case.predictions.probabilities is None:
        reason = _LABELS_ALONE
    elif n == 0 or len(val) < n:
        reason = f"a temperature is fitted on {name}: {len(val):,} of its {n:,} faces have answers"
    if reason is not None:
        unavailable["temperature"] = unavailable["ece_calibrated"] = reason
        return None
    return fit_temperature(_logits(val), val.label)


def _logits(predictions: Predictions) -> npt.NDArray[np.floating[Any]]:
    if predictions.logits is not None:
        return predictions.logits
    assert predictions.probabilities is not None  # noqa: S101 - asked for by both callers
    return log_probabilities(predictions.probabilities)


def _blocks(
    case: EvaluationInput,
    answer: Ints,
    probabilities: Floats | None,
    calibrated: Floats | None,
    unavailable: dict[str, str],
) -> dict[str, Any]:
    label = case.faces.splits["test"].labels
    if probabilities is None:
        unavailable |= dict.fromkeys(("ece", "ece_calibrated", "ece_null", "nll"), _LABELS_ALONE)

    def of(chosen: Bools) -> dict[str, Any]:
        return block(
            label[chosen],
            answer[chosen],
            case.faces.classes,
            probabilities=None if probabilities is None else probabilities[chosen],
            calibrated=None if calibrated is None else calibrated[chosen],
            seed=case.seed,
        )

    alone = ~case.copied
    if not alone.any():
        unavailable["deduplicated"] = "every test face has an exact copy in train or val"
    return {
        "official": of(np.ones_like(alone)),
        "deduplicated": of(alone) if alone.any() else None,
    }


def _crowd(case: EvaluationInput, test: Predictions, unavailable: dict[str, str]) -> dict[str, Any]:
    names = (
        "memorisation_rate", "memorisation_ratio", "memorisation_ratio_ci95", "memorisation_n",
        "verdict",
    )  # fmt: skip
    if case.crowd is None:
        why = case.why_not.get("crowd", "there are no votes")
        every = (*names, "agreement_with_crowd", "crowd_accuracy")
        unavailable |= dict.fromkeys(every, why)
        return {**dict.fromkeys(every), "verdict_reason": f"not judged: {why}"}
    winner = case.crowd.winner[test.row]
    found = memorisation(test.label, test.answer, winner, seed=case.seed)
    if found.ratio is None:
        unavailable["memorisation_ratio"] = found.reason
        unavailable["memorisation_ratio_ci95"] = found.reason
    return {
        "memorisation_rate": found.rate,
        "memorisation_ratio": found.ratio,
        "memorisation_ratio_ci95": None if found.ratio_ci95 is None else list(found.ratio_ci95),
        "memorisation_n": found.n,
        "verdict": found.verdict,
        "verdict_reason": found.reason,
        "agreement_with_crowd": agreement_with_crowd(test.answer, winner),
        "crowd_accuracy": crowd_accuracy(
            test.label, case.crowd.guess[test.row], winner, test.classes
        ),
    }
