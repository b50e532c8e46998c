"""Write what a shipped model was judged to be worth into the ledger and the model card.

    python -m tools.ship default RUN/checkpoints/best.ckpt
    git add fer/weights && git commit
    python -m fer.evaluate ckpt=default robustness=true robustness_faces=900 hydra.run.dir=FOLDER
    python -m tools.card default FOLDER

Every figure of the judgement becomes a record ``release-NAME-…`` of ``results/claims.json``, in the
place of the model's older ones, and the tables of MODEL_CARD.md are filled. Without arguments the
tables alone are written anew, from what the ledger holds.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from fer.errors import UserError
from fer.evaluation.claim_records import configuration_hash
from fer.evaluation.claim_words import wording
from fer.evaluation.claims import differences, put, read_ledger, write_documents
from fer.evaluation.judgement import MARKS
from fer.evaluation.predictions import read_predictions
from tools.card_figures import (
    PRIVATE,
    Stated,
    crowd_figures,
    figures_of,
    file_figures,
    public_blocks,
)
from tools.card_tables import BY_HAND, MODELS, id_of, stale, tables
from tools.ship import check_portable, files_of, judged_file, without_places

_ROOT: Final = Path(__file__).resolve().parents[1]
_MANIFEST: Final = Path("results") / "manifest.csv.gz"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.card",
        description=__doc__,
        epilog="Exit codes: 0 done, 1 documents differ from the ledger, 2 wrong use or input.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", choices=MODELS, help="of the shipped model")
    parser.add_argument("folder", nargs="?", type=Path, help="of python -m fer.evaluate ckpt=NAME")
    parser.add_argument("--looks", type=int, default=1, help="how often PrivateTest was looked at "
                        "with this model, this judgement included (1)")  # fmt: skip
    parser.add_argument("--allow-dirty", action="store_true", help="take a judgement from a "
                        "checkout with uncommitted changes, and say so")  # fmt: skip
    parser.add_argument("--root", type=Path, default=_ROOT, help="of the checkout")
    options = parser.parse_args(arguments)
    try:
        if (options.name is None) != (options.folder is None) or options.looks < 1:
            raise UserError("name a model, the folder of its judgement, and at least one look")
        records = []
        if options.name is not None:
            judgement = read_judgement(options.name, options.folder)
            if judgement.dirty and not options.allow_dirty:
                raise UserError(
                    f"{options.folder} was judged, or the model trained, with uncommitted changes: "
                    "commit, and judge again (or --allow-dirty where the changes don't matter)"
                )
            records = records_of(judgement, options.root, looks=options.looks)
        fill(options.root, records, options.name)
    except (UserError, OSError) as error:
        sys.stderr.write(f"tools.card: {error}\n")
        return 2
    found = differences(options.root)
    sys.stdout.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judgement on a shipped model, and where it comes from.

    Attributes:
        name: of the model.
        folder: of the judgement.
        metrics: of its ``metrics.json``.
        sidecar: of the model's ``NAME.json``.
        config: of the judgement's ``config.yaml``.
        origin: of its ``provenance.json``.
        judged: which of the model's files.
    """

    name: str
    folder: Path
    metrics: Mapping[str, Any]
    sidecar: Mapping[str, Any]
    config: Mapping[str, Any]
    origin: Mapping[str, Any]
    judged: str

    @property
    def dirty(self) -> bool:
        """Whether training or judgement ran with changes that no commit holds."""
        return bool(self.origin["dirty"]) or bool(self.sidecar["recipe"].get("dirty"))

    @property
    def command(self) -> str:
        """What trains the model and judges it, on any machine."""
        words = shlex.split(without_places(self.origin["command"]))
        words = [f"ckpt={self.name}" if word.startswith("ckpt=") else word for word in words]
        return f"{self.sidecar['recipe']['command']} && {shlex.join(words)}"


def read_judgement(name: str, folder: Path) -> Judgement:
    """Read the folder of a judgement and the sidecar of the model that it is about.

    Raises:
        UserError: a file is missing or broken, the judgement is of another model or of no FER2013,
            no commit holds the code that made it, or its command names places of a machine.
    """
    sidecar = files_of(name)[2]
    paths = [folder / "metrics.json", folder / "provenance.json", sidecar]
    try:
        metrics, origin, known = (json.loads(path.read_text(encoding="utf-8")) for path in paths)
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        judged = judged_file(known, metrics, folder)
        split, commit = metrics["split"], origin["commit"]
    except FileNotFoundError as error:
        raise UserError(f"there is no {error.filename}: ship {name}, then judge it") from error
    except UserError:
        raise
    except (ValueError, LookupError, TypeError, yaml.YAMLError) as error:
        raise UserError(f"{folder} can't be read as a judgement ({error!r})") from error
    if split != PRIVATE:
        raise UserError(f"{folder} is a judgement on {split}: the card states FER2013's {PRIVATE}")
    if known["precision"] != "float32" and judged != f"{name}.onnx":
        raise UserError(
            f"{folder} judges {judged}, but {name}.onnx computes in {known['precision']} and "
            f"answers otherwise: python -m fer.evaluate ckpt={name}"
        )
    if commit is None:
        raise UserError(f"{folder} was made by code that no commit holds")
    found = Judgement(name, folder, metrics, known, config, origin, judged)
    check_portable(found.command)
    return found


def records_of(judgement: Judgement, root: Path, *, looks: int = 1) -> list[dict[str, Any]]:
    """Return all figures of a judgement as records of the ledger.

    Args:
        judgement: the judgement.
        root: of the checkout, whose manifest tells the copies among FER2013's faces.
        looks: how often PrivateTest was looked at; every record for which it was says so.
    """
    onnx, checkpoint, _ = files_of(judgement.name)
    metrics = judgement.metrics
    public = public_blocks(
        read_predictions(judgement.folder), root / _MANIFEST, seed=metrics["seed"]
    )
    stated = {
        **figures_of(metrics, public),
        **file_figures(checkpoint, onnx, metrics["temperature"]),
        "looks": Stated("how often PrivateTest was looked at", looks, "count"),
    }
    named = {id_of(judgement.name, figure): one for figure, one in stated.items()}
    crowd = {f"release-{figure}": one for figure, one in crowd_figures(metrics).items()}
    return [
        *(_record(name, one, judgement, judgement.name, looks) for name, one in named.items()),
        *(_record(name, one, judgement, "", looks) for name, one in crowd.items()),
    ]


def _record(
    name: str, stated: Stated, judgement: Judgement, model: str, looks: int
) -> dict[str, Any]:
    marks = [
        f"{mark.upper().replace('_', ' ')}: {judgement.metrics[mark]}"
        for mark in MARKS
        if judgement.metrics.get(mark)
    ]
    subject = f"{model}: " if model else ""
    changed = " (with uncommitted changes)" if judgement.dirty else ""
    return {
        "id": name,
        "what": subject + stated.what + changed,
        "value": stated.value,
        "unit": stated.unit,
        "text": wording(stated.value, stated.unit, stated.interval),
        "interval": None if stated.interval is None else list(stated.interval),
        "interval_method": None if stated.interval is None else "bootstrap",
        "command": judgement.command,
        "commit": judgement.origin["commit"],
        "configuration": configuration_hash(judgement.config),
        "data": judgement.origin["data"]["fingerprint"],
        "seeds": [judgement.sidecar["recipe"]["seed"]],
        "private_test_looks": looks if stated.looked else 0,
        "mark": marks[0] if marks else None,
    }


def fill(root: Path, records: Sequence[Mapping[str, Any]], name: str | None = None) -> None:
    """Put records and the card's tables into the ledger, and fill the documents.

    Args:
        root: of the checkout.
        records: of one model; none writes the tables alone.
        name: of the model, whose older records are taken out.

    Raises:
        UserError: the ledger is none, or a record is not what it should be.
        OSError: a file cannot be read or written.
    """
    known, new = read_ledger(root).claims, {record["id"] for record in records}
    gone = set() if name is None else set(stale(known, name, new))
    put(root, records, tables((known.keys() - gone) | new), drop=gone)
    said = [f"{len(records)} records, {len(gone)} older ones taken out"] if records else []
    said += [f"written: {path}" for path in write_documents(root)]
    if name is not None:
        kept = [one for one in (id_of(name, figure) for figure in BY_HAND) if one in known]
        said += [f"kept as it was, measure it again: {one}" for one in kept]
    sys.stdout.writelines(f"{line}\n" for line in said)


if __name__ == "__main__":
    sys.exit(main())
