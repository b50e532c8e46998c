"""The models that come with the package, three files each in ``fer/weights``.

``NAME.onnx`` is for inference, ``NAME.pt`` has the tensors for fine-tuning, ``NAME.json`` says how
it was trained.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fer.core.errors import UserError
from fer.core.io import expand_user

WEIGHTS_FOLDER: Final = Path(__file__).resolve().parents[1] / "weights"


def is_pretrained_name(model: str | Path) -> bool:
    """Return True for text that is a bare name, as of models of the package, and no path.

    Example:
        >>> [is_pretrained_name(name) for name in ("default", "best.ckpt", "a/b")]
        [True, False, False]
    """
    path = Path(model)
    return isinstance(model, str) and path.name == model and not path.suffix


def weights_path(model: str | Path, suffix: str = ".onnx") -> Path:
    """Return the file of a model that comes with the package, or the path that was given.

    Args:
        model: a name, or a path, which need not exist.
        suffix: of a name's file: ``.onnx``, or ``.pt`` for its tensors.

    Raises:
        UserError: there is neither a model nor a file of that name.
    """
    if not is_pretrained_name(model):
        return Path(expand_user(str(model)))
    shipped = WEIGHTS_FOLDER / f"{model}{suffix}"
    if shipped.is_file():
        return shipped
    if Path(model).is_file():
        return Path(model)
    there = sorted(one.stem for one in WEIGHTS_FOLDER.glob(f"*{suffix}"))
    names = f"there are {', '.join(there)}" if there else "none ships with fer yet"
    paths = "of a .onnx file or of a checkpoint" if suffix == ".onnx" else "of a checkpoint"
    raise UserError(f"there is no model called {model!r}: {names}; or name the path {paths}")
