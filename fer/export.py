"""The command ``fer export CKPT --to model.onnx|model.ckpt``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fer.core.errors import UserError
from fer.core.pretrained import weights_path
from fer.options import add_allow

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from fer.inference import CheckpointModel
    from fer.inference.parity import Parity

_DESCRIPTION: Final = """\
Write a trained network as one ONNX file: scaling, network, temperature and softmax, from grey faces
to probabilities, with everything that one has to know to use it rightly. The file is held against
the network at several batch sizes before it is kept.

To a file that ends in .ckpt goes the network alone, in half precision: a small checkpoint to use,
to begin with (init_from=) or to learn from, but not to resume."""

_EPILOG: Final = """\
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


def main(arguments: Sequence[str]) -> int:
    """Run ``fer export`` and return its exit code.

    Args:
        arguments: what follows ``fer export``.
    """
    options = _parser().parse_args(arguments)
    try:
        _export(options)
    except KeyboardInterrupt:
        sys.stderr.write("fer export: interrupted; nothing was written\n")
        return 130
    except (UserError, OSError) as error:
        sys.stderr.write(f"fer export: {error}\n")
        return 2
    return 0


def _export(options: argparse.Namespace) -> None:
    _check_installed()
    if options.to.suffix not in (".onnx", ".ckpt"):
        raise UserError(f"--to must name a file that ends in .onnx or .ckpt, not {options.to}")
    if options.to.is_dir():
        raise UserError(f"--to {options.to} is a folder; name a file")
    if options.to.suffix == ".ckpt" and options.int8:
        raise UserError("--int8 is for .onnx files; a .ckpt file has half precision")
    options.ckpt = weights_path(options.ckpt, ".pt")
    if options.to.exists() and options.ckpt.exists() and options.to.samefile(options.ckpt):
        raise UserError(f"--to {options.to} is the checkpoint itself; name another file")
    from fer.inference import load_checkpoint

    model = load_checkpoint(options.ckpt, allow=options.allow)
    if options.int8 and model.frames is not None:
        raise UserError(
            "--int8 is for models of single faces, and this one reads clips: leave it out"
        )
    told = _to_onnx(options, model) if options.to.suffix == ".onnx" else _to_checkpoint(options)
    if model.temperature is None:
        told += (
            "no temperature was fitted in training: probabilities are those of the bare softmax\n"
        )
    if model.not_comparable:
        told += f"NOT COMPARABLE: {model.not_comparable}\n"
    size = options.to.stat().st_size / 2**20
    sys.stdout.write(f"{told}{options.to}: {size:.1f} MiB\n")


def _to_onnx(options: argparse.Namespace, model: CheckpointModel) -> str:
    """Write an ONNX file and return how far it is from the network, in words."""
    from fer.inference.export import export
    from fer.inference.half import with_fp16_weights
    from fer.inference.parity import compare

    recipe = {"model": dict(model.configuration), **model.made}
    if not options.int8:
        parity = export(model, options.to, recipe=recipe, half=options.half)
        lost = _rounding(compare(model, with_fp16_weights(model))) if options.half else ""
    else:
        # The data are looked for before the work rather than behind it.
        samples = _samples(options.data, model)
        with tempfile.TemporaryDirectory() as folder:
            exact = Path(folder) / "exact.onnx"
            parity = export(model, exact, recipe=recipe)
            lost = _quantize(exact, options.to, samples)
    return (
        f"same answers as the network: {_by_at_most(parity)} "
        f"(batches of {', '.join(map(str, parity.batches))}"
        + (f", clips of up to {', '.join(map(str, parity.frames))} frames" * bool(parity.frames))
        + f")\n{lost}"
    )


def _to_checkpoint(options: argparse.Namespace) -> str:
    """Write a checkpoint of the network alone and return how far it is from it, in words."""
    from fer.inference.export import export_checkpoint

    return _rounding(export_checkpoint(options.ckpt, options.to, allow=options.allow))


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fer export",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("ckpt", metavar="CKPT", help="a checkpoint of fer train, or the name of a model that comes "
        "with fer")  # fmt: skip
    add("--to", metavar="FILE", type=Path, required=True, help="the file to write: .onnx, or .ckpt "
        "for the network alone in half precision")  # fmt: skip
    add_allow(parser)
    small = parser.add_mutually_exclusive_group()
    small.add_argument("--half", action="store_true", help="store the weights in half precision: "
        "half the size; computes in float32 as ever")  # fmt: skip
    small.add_argument("--int8", action="store_true", help="compute in eight bits: smaller and "
        "faster; refused where macro-F1 falls by more than one point")  # fmt: skip
    add("--data", metavar="PATH", type=Path, help="for --int8: the data to find the ranges and "
        "measure the loss by (default: FER2013 in FER_DATA_ROOT)")  # fmt: skip
    return parser
