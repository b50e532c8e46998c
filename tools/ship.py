"""Put a trained network among the models that come with fer, for maintainers.

    python -m tools.ship NAME RUN/checkpoints/best.ckpt
    python -m fer.evaluate ckpt=NAME hydra.run.dir=FOLDER
    python -m tools.ship NAME --evaluation FOLDER

The first writes ``fer/weights/NAME.onnx``, ``NAME.pt`` and ``NAME.json``; the last puts into
``NAME.json`` what the model was judged to be worth, and both may be one command where the run's own
checkpoint was judged. The same network in both files: its weights are rounded to half precision.
With ``--onnx FILE`` an export of the checkpoint takes the place of that in half precision: one in
eight bits, by ``fer export CKPT --to FILE --int8``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fer.core import pretrained
from fer.core.errors import UserError
from fer.core.io import atomic_write, write_json
from fer.inference import CheckpointModel, OnnxModel, load_checkpoint
from fer.inference.export import export, export_checkpoint

#: Bytes of a file, and of all files of the folder.
LARGEST: Final = 8_000_000
LARGEST_TOGETHER: Final = 24_000_000

#: What a recipe need not say: where things lay on the machine that trained, and how it reported.
_OF_A_MACHINE: Final = (
    "paths.", "hydra.run.dir=", "data.root=", "data.source.root=", "data.source.votes=", "resume=",
    "trainer.enable_progress_bar=", "logger", "test=", "name=",
)  # fmt: skip
#: What a sidecar repeats of a judgement.
_SCORES: Final = (
    "n", "accuracy", "accuracy_ci95", "macro_f1", "balanced_accuracy", "ece", "ece_calibrated",
    "nll",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.ship",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", help="of the model: default, fast, …")
    parser.add_argument("ckpt", nargs="?", type=Path, help="a checkpoint of a finished training")
    parser.add_argument("--recipe", help="the command that trained it, where the run folder has "
                        "none that can be run elsewhere")  # fmt: skip
    parser.add_argument("--onnx", type=Path, metavar="FILE", help="an export of the checkpoint")
    parser.add_argument("--evaluation", type=Path, metavar="FOLDER", help="of fer.evaluate")
    options = parser.parse_args(arguments)
    try:
        if not pretrained.is_pretrained_name(options.name) or not options.name.isidentifier():
            raise UserError(f"{options.name!r} is no name: letters, digits and _ alone")
        if options.ckpt is None and options.evaluation is None:
            raise UserError("name a checkpoint, or --evaluation of a model that is there")
        if options.ckpt is not None:
            ship(options.name, options.ckpt, recipe=options.recipe, exported=options.onnx)
        if options.evaluation is not None:
            add_evaluation(options.name, options.evaluation)
    except (UserError, OSError) as error:
        sys.stderr.write(f"tools.ship: {error}\n")
        return 2
    for path in files_of(options.name):
        sys.stdout.write(f"{path}: {path.stat().st_size:,} bytes\n")
    return 0


def ship(
    name: str, checkpoint: Path, *, recipe: str | None = None, exported: Path | None = None
) -> None:
    """Write the three files of a model, in place of older ones, when all is well.

    Args:
        name: of the model.
        checkpoint: of a finished training.
        recipe: the command that trained it; by default what its run folder says.
        exported: an export of the checkpoint to take; by default one in half precision is made.

    Raises:
        UserError: it is no checkpoint of a finished training, its answers change, a file is too
            large, or its recipe names places of this machine.
    """
    model = load_checkpoint(checkpoint)
    if model.temperature is None or not model.made:
        raise UserError(f"{checkpoint} is of no finished training: it lacks temperature or origin")
    command = recipe or recorded_command(checkpoint)
    check_portable(command)
    with tempfile.TemporaryDirectory() as place:
        new = [Path(place) / f"{name}{suffix}" for suffix in (".onnx", ".pt", ".json")]
        told = {"model": dict(model.configuration), **model.made}
        if exported is None:
            export(model, new[0], recipe=told, half=True)
        else:
            check_export(exported, model, told)
            new[0].write_bytes(exported.read_bytes())
        export_checkpoint(checkpoint, new[1])
        write_json(new[2], sidecar(name, new[:2], checkpoint, command))
        check_sizes(new)
        for path in new:
            with atomic_write(pretrained.WEIGHTS_FOLDER / path.name) as beside:
                beside.write_bytes(path.read_bytes())


def check_export(path: Path, model: CheckpointModel, told: Mapping[str, Any]) -> None:
    """Hold that an exported model was made of a checkpoint.

    Raises:
        UserError: it says otherwise of itself, or is none.
    """
    known = OnnxModel(path, threads=1).description
    if (known.classes, known.size, known.temperature) != (
        model.classes, model.size, model.temperature
    ) or json.loads(json.dumps(told)) != known.recipe:  # fmt: skip
        raise UserError(f"{path} was not exported from this checkpoint")


def sidecar(name: str, files: Sequence[Path], checkpoint: Path, command: str) -> dict[str, Any]:
    """Return what a person or a tool should know of a model without opening it.

    Args:
        name: of the model.
        files: the exported model and its tensors.
        checkpoint: what they were made of.
        command: that trained it.
    """
    known = OnnxModel(files[0], threads=1).description
    made = dict(known.recipe)
    model = made.pop("model")
    return {
        "name": name,
        "classes": list(known.classes),
        "size": known.size,
        "fit": known.fit,
        "frames": known.frames,
        "columns": known.columns,
        "preprocessing": {
            "input": "grey faces, uint8; scaling and normalising are part of the model",
            **model.get("preprocessing", {}),
        },
        "temperature": known.temperature,
        "precision": known.precision,
        "storage": known.storage,
        "not_comparable": known.not_comparable,
        "files": {
            path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in files
        },
        "data": {key: made.pop(key, None) for key in ("data", "fingerprint", "protocol")},
        "recipe": {
            "command": command,
            **{key: made.get(key) for key in ("commit", "dirty", "seed", "time", "version")},
            "precision": made.get("precision"),
            "checkpoint": sha256(checkpoint),
        },
        "model": model,
        "metrics": {"validation": made.get("metrics", {}), "evaluation": None},
    }


def add_evaluation(name: str, folder: Path) -> None:
    """Put what a model was judged to be worth into its sidecar.

    Raises:
        UserError: there is no such model, or the judgement is of another.
    """
    path = pretrained.WEIGHTS_FOLDER / f"{name}.json"
    if not path.is_file() or not (folder / "metrics.json").is_file():
        raise UserError(f"there is no {path}, or no metrics.json in {folder}")
    known = json.loads(path.read_text(encoding="utf-8"))
    found = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    judged = judged_file(known, found, folder)
    known["metrics"]["evaluation"] = {
        "judged": judged,
        "split": found["split"],
        "data": found["fingerprints"]["data"],
        **{part: _scores(found[part]) for part in ("official", "deduplicated") if found.get(part)},
        "tta": {part: _scores(one) for part, one in (found.get("tta") or {}).items() if one},
        **{key: found[key] for key in ("verdict", "agreement_with_crowd") if found.get(key)},
    }
    if found.get("robustness"):
        kept = {key: found["robustness"][key] for key in ("split", "n", "clean", "mean", "ratio")}
        known["metrics"]["evaluation"]["robustness"] = kept
    write_json(path, known)


def judged_file(known: Mapping[str, Any], found: Mapping[str, Any], folder: Path) -> str:
    """Return which of a model's files was judged.

    Args:
        known: the model's sidecar.
        found: the judgement.
        folder: of the judgement, for the message.

    Raises:
        UserError: the judgement is of another model.
    """
    ours: dict[str, str] = {one["sha256"]: file for file, one in known["files"].items()}
    ours[known["recipe"]["checkpoint"]] = "the training's checkpoint"
    judged = found["fingerprints"]["checkpoint"]
    if judged not in ours:
        raise UserError(f"{folder} judges another model: the fingerprint of its file is {judged}")
    return ours[judged]


def _scores(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: found[key] for key in _SCORES if key in found}


def recorded_command(checkpoint: Path) -> str:
    """Return the command that trained a checkpoint, without what is of the machine alone.

    Raises:
        UserError: the run folder does not have it.
    """
    path = checkpoint.resolve().parents[1] / "provenance.json"
    if not path.is_file():
        raise UserError(f"there is no {path}: say by --recipe what command trained {checkpoint}")
    return without_places(json.loads(path.read_text(encoding="utf-8"))["command"])


def without_places(command: str) -> str:
    """Return a command without what is of the machine alone that ran it."""
    words = shlex.split(command)
    return shlex.join(word for word in words if not word.startswith(_OF_A_MACHINE))


def check_portable(command: str) -> None:
    """Hold that a command names no places of a machine.

    Raises:
        UserError: it does.
    """
    places = [word for word in shlex.split(command) if any(p in word for p in ("=/", "[/", ",/",
              '"/', "'/", "~", ":\\"))]  # fmt: skip
    if places:
        raise UserError(
            f"the recipe names places of this machine: {' '.join(places)}; give one by --recipe "
            "that can be run elsewhere"
        )


def check_sizes(new: Sequence[Path]) -> None:
    """Hold files against the limits, together with those of other models.

    Raises:
        UserError: one is too large, or all together.
    """
    for path in new:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path.name} has {path.stat().st_size:,} bytes, more than {LARGEST:,}")
    replaced = {path.name for path in new}
    others = [path for path in pretrained.WEIGHTS_FOLDER.glob("*") if path.name not in replaced]
    together = sum(path.stat().st_size for path in (*others, *new))
    if together > LARGEST_TOGETHER:
        raise UserError(f"all models have {together:,} bytes, more than {LARGEST_TOGETHER:,}")


def files_of(name: str) -> list[Path]:
    """Return the files of a model that comes with the package."""
    return [pretrained.WEIGHTS_FOLDER / f"{name}{suffix}" for suffix in (".onnx", ".pt", ".json")]


def sha256(path: Path) -> str:
    """Return a file's fingerprint, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
