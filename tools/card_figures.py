"""The figures of one shipped model that its card states: from a judgement, and from its files."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fer.evaluation.predictions import Predictions
from fer.evaluation.statistics import block
from fer.experiments.table.results import means_by_family, slug
from tools.ledger.claim import DIGITS

#: The splits of FER2013: what chose the epoch, and what scores.
PUBLIC: Final = "PublicTest"
PRIVATE: Final = "PrivateTest"

#: What a block of ``metrics.json`` holds, by the end of a figure's name.
_OF_A_BLOCK: Final[Mapping[str, tuple[str, str, str]]] = {
    "": ("accuracy", "accuracy", "%"),
    "-faces": ("n", "number of faces", "count"),
    "-macro-f1": ("macro_f1", "macro-F1", "%"),
    "-balanced": ("balanced_accuracy", "balanced accuracy", "%"),
    "-ece": ("ece", "calibration error before temperature scaling", "%"),
    "-ece-calibrated": ("ece_calibrated", "calibration error after temperature scaling", "%"),
    "-ece-null": (
        "ece_null",
        "calibration error that a perfectly calibrated model would show on as many faces",
        "%",
    ),
}

#: What follows from probabilities whose temperature was fitted on PublicTest.
_FITTED: Final = ("ece", "ece_calibrated", "ece_null")


@dataclass(frozen=True, slots=True)
class Stated:
    """One figure.

    Attributes:
        what: what it is, in words, without the model's name.
        value: a number in its unit, or a word.
        unit: one of :data:`fer.experiments.table.formatting.UNITS`.
        interval: of 95 %, by the bootstrap, if it has one.
        looked: PrivateTest was looked at for it.
    """

    what: str
    value: float | str
    unit: str = "%"
    interval: tuple[float, float] | None = None
    looked: bool = True


def figures_of(
    metrics: Mapping[str, Any], public: Mapping[str, Mapping[str, Any]]
) -> dict[str, Stated]:
    """Return all that a judgement on FER2013 says of a model, by the names of the figures.

    Args:
        metrics: of ``metrics.json``.
        public: the blocks of PublicTest, see :func:`public_blocks`.
    """
    found: dict[str, Stated] = {}
    for name, one in public.items():
        found |= _block(name, _where(name), one, looked=False)
    views = metrics.get("tta") or {}
    for name, one in {
        "private": metrics["official"],
        "private-deduplicated": metrics.get("deduplicated"),
        "tta-private": views.get("official"),
        "tta-private-deduplicated": views.get("deduplicated"),
    }.items():
        if one is not None:
            found |= _block(name, _where(name), one, looked=True)
    for name, stated in (
        *_memorisation(metrics),
        *_classes(metrics["official"]["per_class"]),
        *_slices(metrics.get("slices") or {}),
        *_robustness(metrics.get("robustness")),
        *_branches(metrics.get("branches")),
    ):
        found[name] = stated
    return found


def crowd_figures(metrics: Mapping[str, Any]) -> dict[str, Stated]:
    """Return how well the crowd's best guess answers PrivateTest, which is of no model."""
    crowd = metrics.get("crowd_accuracy") or {}
    names = {
        "crowd": ("overall", "all faces"),
        "crowd-clear": ("clear_overall", "faces with one winner among the votes"),
    }
    return {
        name: _share(
            f"accuracy on PrivateTest of the best guess of FER+'s crowd, {which}",
            crowd[key],
            looked=False,
        )
        for name, (key, which) in names.items()
        if crowd.get(key) is not None
    }


def public_blocks(
    predictions: Predictions, manifest: Path, *, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Return the blocks of PublicTest: ``public``, and ``public-deduplicated`` without copies.

    Calibration is left out, since the temperature was fitted on these faces.

    Args:
        predictions: of the judgement; PublicTest may be missing.
        manifest: which rows of FER2013 are copies of which.
        seed: of the bootstrap.
    """
    some = predictions.of(PUBLIC)
    if len(some) == 0:
        return {}
    alone = ~copies_of_training(some.row, manifest)
    found = {}
    for name, chosen in (("public", some), ("public-deduplicated", some.take(alone))):
        whole = block(
            chosen.label,
            chosen.answer,
            chosen.classes,
            probabilities=None,
            calibrated=None,
            seed=seed,
        )
        found[name] = {key: value for key, value in whole.items() if key not in _FITTED}
    return found


def copies_of_training(rows: npt.NDArray[np.int64], manifest: Path) -> npt.NDArray[np.bool_]:
    """Say which rows of FER2013 have exactly the pixels of a row of Training, bool ``[N]``."""
    with gzip.open(manifest, "rt", encoding="utf-8", newline="") as file:
        known = {int(one["row"]): (one["group"], one["split"]) for one in csv.DictReader(file)}
    trained = {group for group, split in known.values() if group and split == "Training"}
    return np.fromiter((known[int(row)][0] in trained for row in rows), np.bool_, len(rows))


def file_figures(checkpoint: Path, onnx: Path, temperature: float | None) -> dict[str, Stated]:
    """Return what a model's files weigh and what its network costs."""
    from fer.experiments.table.cost import cost_of
    from fer.inference import load_checkpoint

    model = load_checkpoint(checkpoint)
    cost = cost_of(model.network, model.size, model.frames)
    counts = {
        "parameters": ("numbers that it has learnt", cost.parameters),
        "multiply-adds": (
            "multiply-adds a face, in convolutions and matrix products",
            cost.multiply_adds,
        ),
        "bytes-onnx": ("bytes of the exported model", onnx.stat().st_size),
        "bytes-ckpt": ("bytes of its tensors", checkpoint.stat().st_size),
    }
    found = {
        name: Stated(what, value, "count", looked=False) for name, (what, value) in counts.items()
    }
    if temperature is not None:
        found["temperature"] = Stated(
            "temperature, fitted on PublicTest", round(temperature, DIGITS), "number", looked=False
        )
    return found


def _where(name: str) -> str:
    split = PUBLIC if name.startswith("public") else PRIVATE
    views = ", mean of ten views" if name.startswith("tta") else ", single view"
    if not name.endswith("deduplicated"):
        return f"on {split}{views}"
    earlier = "Training" if split == PUBLIC else "Training or PublicTest"
    return f"on {split} without exact copies of {earlier}{views}"


def _block(name: str, where: str, one: Mapping[str, Any], *, looked: bool) -> dict[str, Stated]:
    found = {}
    for end, (key, what, unit) in _OF_A_BLOCK.items():
        if one.get(key) is None:
            continue
        if unit == "count":
            found[name + end] = Stated(f"{what} {where}", one[key], unit, looked=False)
        else:
            ends = one.get(f"{key}_ci95")
            found[name + end] = _share(f"{what} {where}", one[key], ends, looked=looked)
    return found


def _memorisation(metrics: Mapping[str, Any]) -> Iterator[tuple[str, Stated]]:
    if metrics.get("memorisation_rate") is not None:
        n = metrics["memorisation_n"]
        what = f"share of {n:,} labels that the votes of FER+ contradict which it repeats"
        yield "memorisation-rate", _share(what, metrics["memorisation_rate"])
    if metrics.get("memorisation_ratio") is not None:
        yield (
            "memorisation-ratio",
            Stated(
                "memorisation ratio",
                round(metrics["memorisation_ratio"], DIGITS),
                "number",
                _rounded(metrics.get("memorisation_ratio_ci95")),
            ),
        )
    if metrics.get("verdict") is not None:
        yield "verdict", Stated("verdict of the memorisation check", metrics["verdict"], "word")
    if metrics.get("agreement_with_crowd") is not None:
        what = "share of PrivateTest on which it answers as most of FER+'s ten people"
        yield "agreement", _share(what, metrics["agreement_with_crowd"])


def _classes(per_class: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Stated]]:
    for name, row in per_class.items():
        for key in ("precision", "recall", "f1"):
            if row[key] is not None:
                said = "F1" if key == "f1" else key
                what = f"{said} of {name} on PrivateTest, single view"
                yield f"{key}-{slug(name)}", _share(what, row[key])
        what = f"faces of PrivateTest labelled {name}"
        yield f"faces-{slug(name)}", Stated(what, row["support"], "count", looked=False)


def _slices(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[tuple[str, Stated]]:
    for name, parts in found.items():
        for part in parts:
            ends = f", {part['from']:.0f} to {part['to']:.0f}" if "from" in part else ""
            what = f"accuracy on the {part['n']:,} faces of PrivateTest with {name} {part['name']}"
            stated = _share(what + ends, part["accuracy"], part["accuracy_ci95"])
            yield f"slice-{slug(name)}-{slug(part['name'])}", stated


def _robustness(found: Mapping[str, Any] | None) -> Iterator[tuple[str, Stated]]:
    # The card states robustness on PublicTest alone.
    if not found or found["split"] != PUBLIC:
        return
    on = f"{found['n']:,} faces of {found['split']}"
    yield "under-faces", Stated("faces that were corrupted", found["n"], "count", looked=False)
    yield "under-nothing", _share(f"accuracy on {on}, as they are", found["clean"], looked=False)
    for name, value in {**means_by_family(found), "all": found["mean"]}.items():
        what = f"accuracy on {on}, mean over corruptions ({name}) in 5 severities"
        yield f"under-{slug(name)}", _share(what, value, looked=False)
    if found["ratio"] is not None:
        what = f"accuracy on {on}, corrupted, divided by that without"
        value = round(found["ratio"], DIGITS)
        yield "under-ratio", Stated(what, value, "number", looked=False)


def _branches(found: Mapping[str, Any] | None) -> Iterator[tuple[str, Stated]]:
    for name, one in (found or {}).get("branches", {}).items():
        low, high = one["drop_ci95"]
        yield (
            f"without-{slug(name)}",
            Stated(
                f"accuracy on PrivateTest where its branch {name} says the same of every face, "
                "less that of the whole network",
                round(-one["drop"], DIGITS),
                "points",
                _rounded((-high, -low)),
            ),
        )


def _share(
    what: str, value: float, interval: Sequence[float] | None = None, *, looked: bool = True
) -> Stated:
    return Stated(what, round(value, DIGITS), "%", _rounded(interval), looked)


def _rounded(interval: Sequence[float] | None) -> tuple[float, float] | None:
    if interval is None:
        return None
    low, high = interval
    return round(low, DIGITS), round(high, DIGITS)
