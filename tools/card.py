"""Write what a shipped model was judged to be worth into the ledger and the model card.

    python -m tools.ship default RUN/checkpoints/best.ckpt
    git add fer/weights && git commit
    python -m fer.evaluate ckpt=default robustness=true robustness_faces=900 hydra.run.dir=FOLDER
    python -m tools.card default FOLDER

Every figure of the judgement becomes a record ``release-NAME-…`` of ``results/claims.json``, in the
place of the model's older ones, and the tables of MODEL_CARD.md are filled. Which rows these have
is said in the ledger, under ``tables``.
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

from fer.core.errors import UserError
from fer.evaluation.predictions import read_predictions
from tools.card_figures import (
    PRIVATE,
    Stated,
    crowd_figures,
    figures_of,
    file_figures,
    public_blocks,
)
from tools.ledger.claim import Claim
from tools.ledger.documents import differences, write_documents
from tools.ledger.runs import DIRTY, Run
from tools.ledger.store import put, read_ledger
from tools.ship import check_portable, files_of, judged_file, without_places

_ROOT: Final = Path(__file__).resolve().parents[1]
#: The models that the card describes.
MODELS: Final = ("default", "fast")

#: Figures that no judgement measures; ``python -m tools.ledger add`` puts them beside the others.
BY_HAND: Final = ("one-face", "batch-64")

_MANIFEST: Final = Path("results") / "manifest.csv.gz"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.card",
        description=__doc__,
        epilog="Exit codes: 0 done, 1 documents differ from the ledger, 2 wrong use or input.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=MODELS, help="of the shipped model")
    parser.add_argument("folder", type=Path, help="of python -m fer.evaluate ckpt=NAME")
    parser.add_argument("--looks", type=int, default=1, help="how often PrivateTest was looked at "
                        "with this model, this judgement included (1)")  # fmt: skip
    parser.add_argument("--allow-dirty", action="store_true", help="take a judgement from a "
                        "checkout with uncommitted changes, and say so")  # fmt: skip
    parser.add_argument("--root", type=Path, default=_ROOT, help="of the checkout")
    options = parser.parse_args(arguments)
    try:
        if options.looks < 1:
            raise UserError(f"--looks {options.looks}: the judgement itself is one")
        judgement = read_judgement(options.name, options.folder)
        if judgement.dirty and not options.allow_dirty:
            raise UserError(
                f"{options.folder} was judged, or the model trained, with uncommitted changes: "
                "commit, and judge again (or --allow-dirty where the changes don't matter)"
            )
        claims = claims_of(judgement, options.root, looks=options.looks)
        fill(options.root, claims, options.name)
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
        run: the judgement.
        sidecar: of the model's ``NAME.json``.
    """

    name: str
    run: Run
    sidecar: Mapping[str, Any]

    @property
    def dirty(self) -> bool:
        """Whether training or judgement ran with changes that no commit holds."""
        return self.run.dirty or bool(self.sidecar["recipe"].get("dirty"))

    @property
    def command(self) -> str:
        """What trains the model and judges it, on any machine."""
        words = shlex.split(without_places(self.run.command))
        words = [f"ckpt={self.name}" if word.startswith("ckpt=") else word for word in words]
        return f"{self.sidecar['recipe']['command']} && {shlex.join(words)}"


def read_judgement(name: str, folder: Path) -> Judgement:
    """Read the folder of a judgement and the sidecar of the model that it is about.

    Raises:
        UserError: a file is missing or broken, the judgement is of another model or of no FER2013,
            no commit holds the code that made it, or its command names places of a machine.
    """
    run = Run(folder)
    try:
        sidecar = json.loads(files_of(name)[2].read_text(encoding="utf-8"))
        judged = judged_file(sidecar, run.metrics, folder)
        split = run.metrics["split"]
    except FileNotFoundError as error:
        raise UserError(f"there is no {error.filename}: ship {name}, then judge it") from error
    except UserError:
        raise
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(f"{folder} can't be read as a judgement ({error!r})") from error
    if split != PRIVATE:
        raise UserError(f"{folder} is a judgement on {split}: the card states FER2013's {PRIVATE}")
    if sidecar["precision"] != "float32" and judged != f"{name}.onnx":
        raise UserError(
            f"{folder} judges {judged}, but {name}.onnx computes in {sidecar['precision']} and "
            f"answers otherwise: python -m fer.evaluate ckpt={name}"
        )
    run.origin()
    judgement = Judgement(name, run, sidecar)
    check_portable(judgement.command)
    return judgement


def claims_of(judgement: Judgement, root: Path, *, looks: int = 1) -> list[Claim]:
    """Return all figures of a judgement as claims.

    Args:
        judgement: the judgement.
        root: of the checkout, whose manifest tells the copies among FER2013's faces.
        looks: how often PrivateTest was looked at; every claim for which it was says so.
    """
    onnx, checkpoint, _ = files_of(judgement.name)
    metrics, folder = judgement.run.metrics, judgement.run.folder
    public = public_blocks(read_predictions(folder), root / _MANIFEST, seed=metrics["seed"])
    stated = {
        **figures_of(metrics, public),
        **file_figures(checkpoint, onnx, metrics["temperature"]),
        "looks": Stated("how often PrivateTest was looked at", looks, "count"),
    }
    named = {id_of(judgement.name, figure): one for figure, one in stated.items()}
    crowd = {f"release-{figure}": one for figure, one in crowd_figures(metrics).items()}
    return [
        *(
            _claim(name, one, judgement, f"{judgement.name}: ", looks)
            for name, one in named.items()
        ),
        *(_claim(name, one, judgement, "", looks) for name, one in crowd.items()),
    ]


def _claim(name: str, stated: Stated, judgement: Judgement, subject: str, looks: int) -> Claim:
    run = judgement.run
    return Claim(
        id=name,
        what=subject + stated.what + DIRTY * judgement.dirty,
        value=stated.value,
        unit=stated.unit,
        interval=stated.interval,
        interval_method=None if stated.interval is None else "bootstrap",
        command=judgement.command,
        seeds=(judgement.sidecar["recipe"]["seed"],),
        private_test_looks=looks if stated.looked else 0,
        mark=run.mark,
        **run.origin(),
    )


def fill(root: Path, claims: Sequence[Claim], name: str) -> None:
    """Put a model's claims into the ledger in the place of its older ones, and fill the documents.

    What is put there by hand is left to the hand.

    Raises:
        UserError: the ledger is not valid.
        OSError: a file cannot be read or written.
    """
    by_hand = {id_of(name, figure) for figure in BY_HAND}
    known = [one for one in read_ledger(root).claims if one.startswith(id_of(name, ""))]
    gone = {*known} - {claim.id for claim in claims} - by_hand
    put(root, claims, drop=gone)
    said = [f"{len(claims)} claims, {len(gone)} older ones taken out"]
    said += [f"written: {path}" for path in write_documents(root)]
    said += [f"kept as it was, measure it again: {one}" for one in known if one in by_hand]
    sys.stdout.writelines(f"{line}\n" for line in said)


def id_of(model: str, figure: str) -> str:
    """Return the ID of a figure's claim.

    Example:
        >>> id_of("fast", "private-macro-f1")
        'release-fast-private-macro-f1'
    """
    return f"release-{model}-{figure}"


if __name__ == "__main__":
    sys.exit(main())
