"""What the commands that use a model have in common on their command lines."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fer.inference import Recognizer

#: As in fer.inference.recognizer and fer.inference.detection, which a test holds: importing them
#: for a --help would take longer than all else.
MIN_FACE: Final = 24
DETECT_SIZE: Final = 640
#: As in fer.live.aggregation, likewise.
MIN_GROUP: Final = 5
LEAST_GROUP: Final = 3
WINDOW: Final = 2.0
INDICES: Final = ("sharma2019",)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add which model is used, and how, to a command."""
    add = parser.add_argument
    add("--model", default="default", metavar="default|fast|PATH", help="a model that comes with "
        "the package, an exported one or a checkpoint (default: default)")  # fmt: skip
    add_allow(parser)
    add("--threads", type=_threads, metavar="N", help="cores to use (default: all that this "
        "process may)")  # fmt: skip
    add("--confidence", type=_probability, default=0.0, metavar="P", help="faces whose likeliest "
        "class has a lower probability are uncertain (default: 0)")  # fmt: skip
    add("--min-face", type=whole(0), default=MIN_FACE, metavar="N", help="faces of fewer pixels "
        f"on the shorter side are uncertain (default: {MIN_FACE})")  # fmt: skip
    add("--detector", default="default", metavar="default|yunet:PATH", help="what finds the faces; "
        "yunet needs the file of its weights (default: default)")  # fmt: skip
    add("--detect-size", type=whole(32), default=DETECT_SIZE, metavar="N", help="pixels of the "
        "long side on which faces are looked for; more finds smaller faces and takes longer "
        f"(default: {DETECT_SIZE})")  # fmt: skip


def add_allow(parser: argparse.ArgumentParser) -> None:
    """Add which code of the user's own a checkpoint may name to a command."""
    parser.add_argument("--allow", action="append", default=[], metavar="MODULE",
        help="a module of your own that the checkpoint may take parts from, such as product; it "
        "is imported, so its code runs. May be given again")  # fmt: skip


def add_group_options(parser: argparse.ArgumentParser) -> None:
    """Add what is told of a group, and from how many faces on; None where it is not given."""
    add = parser.add_argument
    add("--min-group", type=whole(LEAST_GROUP), metavar="N", help="emotions of fewer faces are "
        f"withheld; at least {LEAST_GROUP} (default: {MIN_GROUP})")  # fmt: skip
    add("--window", type=_seconds, metavar="SECONDS", help="how long the times are that the group "
        f"is told of, 1 to 60 (default: {WINDOW:g})")  # fmt: skip
    add("--index", choices=INDICES, help="an index that others made of emotions, told with its "
        "formula, source and evidence (default: none)")  # fmt: skip


def recognizer_of(options: argparse.Namespace) -> Recognizer:
    """Return the recognizer that the options of :func:`add_model_options` ask for, ready to work.

    Raises:
        UserError: the model or the detector can't be used.
        OSError: the model can't be read.
    """
    import cv2

    from fer.inference import load
    from fer.inference.onnx_model import usable_threads

    threads = usable_threads() if options.threads is None else options.threads
    cv2.setNumThreads(threads)
    recognizer = load(
        options.model,
        threads=threads,
        confidence=options.confidence,
        min_face=options.min_face,
        detector=options.detector,
        detect_size=options.detect_size,
        allow=options.allow,
    )
    # A detector that can't be used is told before the work.
    _ = recognizer.detector
    return recognizer


def whole(lowest: int) -> Callable[[str], int]:
    """Return what reads a whole number from some lowest one, for argparse."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = lowest - 1
        if number < lowest:
            raise argparse.ArgumentTypeError(
                f"must be a whole number of at least {lowest}, not {text!r}"
            )
        return number

    return read


def _threads(text: str) -> int:
    number = whole(1)(text)
    cores = os.cpu_count() or 1
    # Thousands of them would never come to work. A few more than cores do no harm.
    if number > 4 * cores:
        raise argparse.ArgumentTypeError(
            f"must be at most {4 * cores}, not {number}: this machine has {cores} cores"
        )
    return number


def _probability(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, not {text!r}")
    return number


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 1 <= number <= 60:
        raise argparse.ArgumentTypeError(f"must be from 1 to 60 seconds, not {text!r}")
    return number
