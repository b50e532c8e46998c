"""Load a model by name or path."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np

from fer.core.defaults import DETECT_SIZE, MIN_FACE
from fer.core.errors import UserError
from fer.core.pretrained import WEIGHTS_FOLDER, weights_path
from fer.inference.description import ModelFileError
from fer.inference.detection import Detector, make_detector
from fer.inference.model import Model
from fer.inference.onnx_check import check_in_child
from fer.inference.onnx_model import OnnxModel, usable_threads
from fer.inference.recognizer import Recognizer
from fer.pictures import shown


def load(
    model: str | Path = "default",
    *,
    threads: int | None = None,
    confidence: float = 0.0,
    min_face: int = MIN_FACE,
    detector: str | Detector = "default",
    detect_size: int = DETECT_SIZE,
    allow: Iterable[str] = (),
) -> Recognizer:
    """Return a recognizer.

    Args:
        model: the name of a model that comes with the package (``default``, ``fast``), or the path
            of an exported model (``.onnx``) or of a checkpoint, which needs the extra ``train``.
        threads: cores it may use; None: all that this process may use.
        confidence: probability of the likeliest class below which a face is ``uncertain``.
        min_face: pixels of the shorter side of a found face below which it is ``uncertain``.
        detector: of faces in whole pictures: ``default``, ``yunet:PATH``, or an object with a
            method ``detect``. It is loaded with the first picture.
        detect_size: pixels of the long side that pictures are scaled down to for detection; larger
            finds smaller faces and takes longer.
        allow: modules of your own that a checkpoint may use. They are imported, so their code runs;
            nothing else of a file is executed.

    Raises:
        ModelFileError: there is no such model, the file is no model, or it is damaged.
        CheckpointError: the file is no readable checkpoint, or names code that is not allowed.
        UserError: a package that a checkpoint needs is not installed.

    Example:
        >>> import fer
        >>> recognizer = fer.load()                           # doctest: +SKIP
        >>> recognizer.classify(faces).labels                 # doctest: +SKIP
        ('happy', 'neutral')
        >>> [(f.box, f.label) for f in recognizer.analyze(photo)]  # doctest: +SKIP
        [((178, 63, 89, 112), 'happy')]
    """
    cores = usable_threads() if threads is None else threads
    finder: Detector | Callable[[], Detector]
    if isinstance(detector, str):
        finder = partial(make_detector, detector, threads=cores, detect_size=detect_size)
    else:
        finder = detector
    recognizer = Recognizer(
        load_model(model, threads=threads, allow=allow),
        confidence=confidence,
        min_face=min_face,
        detector=finder,
    )
    _try_out(recognizer, model)
    return recognizer


def _try_out(recognizer: Recognizer, model: str | Path) -> None:
    """Classify a grey face, so that weights with NaN are reported before the work."""
    side = recognizer.model.size
    face = np.full((1, side, side), 127, dtype=np.uint8)
    try:
        if recognizer.frames is None:
            recognizer.classify(face)
        else:
            recognizer.classify_clips([face])
    except UserError as error:
        path = shown(weights_path(model))
        raise ModelFileError(f"{path}: {error}", code=error.code, where=path) from None


def load_model(
    model: str | Path,
    *,
    threads: int | None = None,
    device: str = "cpu",
    allow: Iterable[str] = (),
) -> Model:
    """Return a model by name or path, see :func:`load`.

    ``device`` is torch's name of it, for a checkpoint; exported models compute on the CPU.
    """
    path = weights_path(model)
    if path.suffix != ".onnx":
        from fer.inference.checkpoint import load_checkpoint

        _check_torch(path)
        cores = usable_threads() if threads is None else threads
        return load_checkpoint(path, device=device, threads=cores, allow=allow)
    if device != "cpu":
        raise UserError(
            f"{path} is an exported model, which computes on the CPU: leave device out",
            code="no_such_device",
            where=device,
        )
    if path.is_file() and path.parent != WEIGHTS_FOLDER:
        check_in_child(path, max(1, usable_threads() if threads is None else threads))
    return OnnxModel(path, threads=threads)


def _check_torch(path: Path) -> None:
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise UserError(
            f"{path} is a checkpoint, which needs torch: pip install '.[train]', or "
            "export it where it was trained (fer export CKPT --to model.onnx) and use that",
            code="extra_missing",
            where="train",
        )
