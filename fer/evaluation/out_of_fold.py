"""Out-of-fold answers: those of each network for the faces that it was not trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fer.core.errors import UserError
from fer.data.folds import fold_fingerprint, fold_of_each
from fer.data.soft_targets import SoftTargets, checksums_of
from fer.data.source import Faces
from fer.inference.checkpoint import CheckpointModel, load_checkpoint, softmax
from fer.inference.views import views

_VIEWS = 10


def out_of_fold_targets(
    checkpoints: Sequence[Path], faces: Faces, *, progress: bool = True
) -> SoftTargets:
    """Return the soft targets of the training faces that some networks have not seen.

    A network repeats the label of a face that it was trained on, so its answer there says little
    (stacked generalisation, Wolpert 1992). Here each face gets the mean of ten views
    (:func:`fer.inference.views.views`) of the networks that were trained without its fold.

    Args:
        checkpoints: of trainings with ``data.folds`` and ``data.fold``, at least one without each
            fold; several without the same one are averaged.
        faces: the whole data set, at the size of the networks.

    Raises:
        UserError: a checkpoint can't be read, has other classes, or left out no fold of these data;
            or a fold was left out by none.
    """
    train = faces.splits["train"]
    models: list[CheckpointModel] = []
    left_out: list[tuple[int, int]] = []
    for path in checkpoints:
        model = load_checkpoint(path)
        if model.classes != faces.classes or model.size != train.images.shape[-1]:
            raise UserError(f"{path} reads other faces or has other classes than {faces.origin}")
        folds, fold = (model.made.get(key) for key in ("folds", "fold"))
        if folds is None or fold is None:
            raise UserError(
                f"{path} was not trained without a fold, so it has no out-of-fold answers: train "
                "it with data.folds and data.fold"
            )
        if model.made.get("fingerprint") != fold_fingerprint(faces.fingerprint, folds, fold):
            raise UserError(f"{path} was trained on other data than {faces.origin}")
        models.append(model)
        left_out.append((folds, fold))
    if len({folds for folds, _ in left_out}) > 1:
        raise UserError("the networks were trained with different data.folds")
    every = left_out[0][0]
    if seen := sorted({*range(every)} - {fold for _, fold in left_out}):
        which = ", ".join(map(str, seen))
        raise UserError(
            f"no network was trained without fold {which} of data.folds={every}, so none can "
            "answer for its faces: name one for each data.fold"
        )
    fold_of = fold_of_each(train, every)
    total = np.zeros((len(train), len(faces.classes)), dtype=np.float64)
    count = np.zeros(len(train), dtype=np.int64)
    with tqdm(
        total=sum(int((fold_of == fold).sum()) * _VIEWS for _, fold in left_out),
        desc="out of fold", unit="", disable=not progress,
    ) as bar:  # fmt: skip
        for model, (_, fold) in zip(models, left_out, strict=True):
            members = np.flatnonzero(fold_of == fold)
            for view in views(train.images[members]):
                total[members] += softmax(model.logits(view)) / _VIEWS
                bar.update(len(members))
            count[members] += 1
    known = np.flatnonzero(count)
    order = known[np.argsort(train.rows[known], kind="stable")]
    return SoftTargets(
        faces.classes,
        train.rows[order],
        (total[order] / count[order, None]).astype(np.float32),
        checksums_of(train.take(order)),
        {
            "method": f"mean of {_VIEWS} views, out of fold",
            "folds": every,
            "networks": [
                {
                    "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                    **{key: model.made.get(key) for key in ("fold", "commit", "seed", "metrics")},
                }
                for path, model in zip(checkpoints, models, strict=True)
            ],
        },
    )
