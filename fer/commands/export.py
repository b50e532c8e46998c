"""The command ``fer export CKPT --to model.onnx|model.ckpt``."""

from __future__ import annotations

import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from fer.commands import options as opt
from fer.commands.exit_codes import DONE
from fer.core.errors import UserError
from fer.core.pretrained import weights_path

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from fer.inference import CheckpointModel
    from fer.inference.parity import Parity

EPILOG: Final = """\
examples:
  fer export runs/cnn_lstm/TIME/checkpoints/best.ckpt --to model.onnx
  fer export best.ckpt --to half.onnx --half
  fer export best.ckpt --to small.ckpt
  fer export best.ckpt --to small.onnx --int8
  fer export best.ckpt --to small.onnx --int8 --data FOLDER
  python -c "import fer; print(fer.load('model.onnx').classes)"

exit codes: 0 written, 2 wrong use or bad input: nothing was written, 130 interrupted"""

#: Faces by which the ranges of activations are found.
_CALIBRATION: Final = 512

_Ckpt = Annotated[str, typer.Argument(metavar="CKPT", show_default=False, help="A checkpoint of "
    "fer train, or the name of a model that comes with fer.")]  # fmt: skip
_To = Annotated[Path, opt.file_option("--to", "The file to write: .onnx, or .ckpt for the network "
    "alone in half precision.")]  # fmt: skip
_Half = Annotated[bool, typer.Option("--half", help="Store the weights in half precision: half the "
    "size; computes in float32 as ever.")]  # fmt: skip
_Int8 = Annotated[bool, typer.Option("--int8", help="Compute in eight bits: smaller and faster; "
    "refused where macro-F1 falls by more than one point.")]  # fmt: skip
_Data = Annotated[Path | None, opt.file_option("--data", "For --int8: the data to find the ranges "
    "and measure the loss by; FER2013 in FER_DATA_ROOT if not given.", metavar="PATH")]  # fmt: skip


def export(
    ckpt: _Ckpt,
    *,
    to: _To,
    allow: opt.Allow = opt.NONE,
    half: _Half = False,
    int8: _Int8 = False,
    data: _Data = None,
) -> int:
    """Write a trained network as one ONNX file.

    It holds scaling, network, temperature and softmax, from grey faces to probabilities, with
    everything that one has to know to use it rightly. The file is compared with the network at
    several batch sizes before it is kept.

    To a file that ends in .ckpt goes the network alone, in half precision: a small checkpoint to
    use, to begin with (init_from=) or to learn from, but not to resume.
    """
    _check_installed()
    if half and int8:
        raise UserError("--half and --int8 don't go together: leave one out")
    if to.suffix not in (".onnx", ".ckpt"):
        raise UserError(f"--to must name a file that ends in .onnx or .ckpt, not {to}")
    if to.is_dir():
        raise UserError(f"--to {to} is a folder; name a file")
    if to.suffix == ".ckpt" and int8:
        raise UserError("--int8 is for .onnx files; a .ckpt file has half precision")
    path = weights_path(ckpt, ".pt")
    if to.exists() and path.exists() and to.samefile(path):
        raise UserError(f"--to {to} is the checkpoint itself; name another file")
    from fer.inference import load_checkpoint

    model = load_checkpoint(path, allow=allow)
    if int8 and model.frames is not None:
        raise UserError(
            "--int8 is for models of single faces, and this one reads clips: leave it out"
        )
    if to.suffix == ".onnx":
        lines = _to_onnx(model, to, data, half=half, int8=int8)
    else:
        from fer.inference.export import export_checkpoint

        lines = _rounding(export_checkpoint(path, to, allow=allow))
    if model.temperature is None:
        lines += (
            "no temperature was fitted in training: probabilities are those of the bare softmax\n"
        )
    if model.not_comparable:
        lines += f"NOT COMPARABLE: {model.not_comparable}\n"
    size = to.stat().st_size / 2**20
    sys.stdout.write(f"{lines}{to}: {size:.1f} MiB\n")
    return DONE


def _to_onnx(model: CheckpointModel, to: Path, data: Path | None, *, half: bool, int8: bool) -> str:
    """Write an ONNX file and return how far it is from the network, in words."""
    from fer.inference.export import export
    from fer.inference.half import with_fp16_weights
    from fer.inference.parity import compare

    recipe = {"model": dict(model.configuration), **model.made}
    if not int8:
        parity = export(model, to, recipe=recipe, half=half)
        lost = _rounding(compare(model, with_fp16_weights(model))) if half else ""
    else:
        # The data are looked for before the work rather than behind it.
        samples = _samples(data, model)
        with tempfile.TemporaryDirectory() as folder:
            exact = Path(folder) / "exact.onnx"
            parity = export(model, exact, recipe=recipe)
            lost = _quantize(exact, to, samples)
    return (
        f"same answers as the network: {_by_at_most(parity)} "
        f"(batches of {', '.join(map(str, parity.batches))}"
        + (f", clips of up to {', '.join(map(str, parity.frames))} frames" * bool(parity.frames))
        + f")\n{lost}"
    )


def _rounding(parity: Parity) -> str:
    return f"weights rounded to half precision: {_by_at_most(parity)}\n"


def _by_at_most(parity: Parity) -> str:
    return (
        f"probabilities differ by at most {parity.probabilities:.1e}, logits by {parity.logits:.1e}"
    )


def _quantize(exact: Path, path: Path, samples: tuple[npt.NDArray[Any], ...]) -> str:
    """Write the model in eight bits and return what that cost, in words."""
    from fer.inference.quantize import quantize

    calibration, faces, labels = samples
    found = quantize(exact, path, calibration=calibration, faces=faces, labels=labels)
    return (
        f"macro-F1 on the validation split: {100 * found.before:.2f} in float32, "
        f"{100 * found.after:.2f} in int8\n"
    )


def _samples(
    path: Path | None, model: CheckpointModel
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return training faces to calibrate by, and faces of the validation split with labels."""
    import numpy as np

    from fer.data.check.open_dataset import open_dataset
    from fer.data.scaling import scaled

    if path is None:
        root = os.environ.get("FER_DATA_ROOT")
        if not root:
            raise UserError(
                "--int8 needs faces to find the ranges of activations by: name the data that it "
                "was trained on by --data PATH, or set FER_DATA_ROOT"
            )
        path = Path(root)
    faces, _ = open_dataset(path, size=model.size, fit=model.fit, val_share=0.1)
    if faces.classes != model.classes:
        raise UserError(
            f"{faces.origin} has the classes {', '.join(faces.classes)}, but the model "
            f"{', '.join(model.classes)}: --data must be of the kind that it was trained on"
        )
    faces = scaled(faces, model.size, model.fit)
    train, val = (faces.splits.get(name) for name in ("train", "val"))
    if train is None or val is None or not len(train) or not len(val):
        raise UserError(f"{faces.origin} needs faces in train and in val for --int8")
    chosen = np.sort(np.random.default_rng(0).permutation(len(train))[:_CALIBRATION])
    return train.images[chosen], np.asarray(val.images), val.labels.astype(np.int64)


def _check_installed() -> None:
    missing = [name for name in ("torch", "onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise UserError(
            f"exporting needs {' and '.join(missing)}, not installed: pip install '.[train]'"
        )
