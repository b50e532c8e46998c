"""The options that several commands share, each written once."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from fer.core.defaults import LEAST_GROUP, MIN_GROUP, WINDOW_SECONDS

if TYPE_CHECKING:
    from fer.inference import Recognizer


def _not_nan(value: float | None) -> float | None:
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is not a number")
    return value


def _available(threads: int | None) -> int | None:
    cores = os.cpu_count() or 1
    # Thousands of them would never come to work. A few more than cores do no harm.
    if threads is not None and threads > 4 * cores:
        raise typer.BadParameter(
            f"must be at most {4 * cores}, not {threads}: this machine has {cores} cores"
        )
    return threads


def number(*names: str, **settings: Any) -> Any:
    """Return an option for a number in a range; NaN, which passes comparisons, is refused."""
    return typer.Option(*names, callback=_not_nan, **settings)


def file_option(name: str, description: str, *, metavar: str = "FILE") -> Any:
    """Return an option for a path."""
    return typer.Option(name, metavar=metavar, help=description)


#: Which model, and how it is used.
Model = Annotated[str, typer.Option("--model", metavar="default|fast|PATH", help="A model that "
    "comes with the package, an exported one or a checkpoint.",
    autocompletion=lambda: ["default", "fast"])]  # fmt: skip
Allow = Annotated[list[str], typer.Option("--allow", metavar="MODULE", show_default=False,
    help="A module of your own that the checkpoint may take parts from, such as product; it is "
    "imported, so its code runs. May be given again.")]  # fmt: skip
Threads = Annotated[int | None, typer.Option("--threads", min=1, metavar="N", callback=_available,
    help="Cores to use; all that this process may if not given.")]  # fmt: skip
Confidence = Annotated[float, number("--confidence", min=0, max=1, metavar="P", help="Faces whose "
    "likeliest class has a lower probability are uncertain.")]  # fmt: skip
MinFace = Annotated[int, typer.Option("--min-face", min=0, metavar="N", help="Faces of fewer "
    "pixels on the shorter side are uncertain.")]  # fmt: skip
DetectorName = Annotated[str, typer.Option("--detector", metavar="default|yunet:PATH", help="What "
    "finds the faces; yunet needs the file of its weights.")]  # fmt: skip
DetectSize = Annotated[int, typer.Option("--detect-size", min=32, metavar="N", help="Pixels of the "
    "long side on which faces are looked for; more finds smaller faces and takes "
    "longer.")]  # fmt: skip

#: What is told of a group, and from how many faces on; None where it is not given.
MinGroup = Annotated[int | None, typer.Option("--min-group", min=LEAST_GROUP, metavar="N",
    help=f"Emotions of fewer faces are withheld; {MIN_GROUP} if not given.")]  # fmt: skip
WindowSeconds = Annotated[float | None, number("--window", min=1, max=60, metavar="SECONDS",
    help="How long the times are that the group is told of; "
    f"{WINDOW_SECONDS:g} if not given.")]  # fmt: skip
IndexName = Literal["sharma2019"]
GroupIndex = Annotated[IndexName | None, typer.Option("--index", help="An index that others made "
    "of emotions, told with its formula, source and evidence.")]  # fmt: skip

#: How ``data.fit`` and ``--fit`` make pictures square.
Fit = Literal["pad", "stretch"]

#: Mutable defaults of options that may be given again; nobody changes them.
NONE: Final[list[str]] = []


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Which model is used, and how: what the options of that name hold."""

    model: str
    allow: list[str]
    threads: int | None
    confidence: float
    min_face: int
    detector: str
    detect_size: int

    @property
    def model_name(self) -> str:
        """The model's name without folders."""
        return Path(self.model).name


def load_recognizer(using: ModelOptions) -> Recognizer:
    """Return the recognizer that is asked for, ready to work.

    Raises:
        UserError: the model or the detector can't be used.
        OSError: the model can't be read.
    """
    import cv2

    from fer.inference import load
    from fer.inference.onnx_model import usable_threads

    threads = usable_threads() if using.threads is None else using.threads
    cv2.setNumThreads(threads)
    recognizer = load(
        using.model,
        threads=threads,
        confidence=using.confidence,
        min_face=using.min_face,
        detector=using.detector,
        detect_size=using.detect_size,
        allow=using.allow,
    )
    # A detector that can't be used is reported before the work.
    _ = recognizer.detector
    return recognizer
