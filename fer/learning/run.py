"""The steps of a training run, from seed to report."""

from __future__ import annotations

import logging
import math
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import lightning

from fer.core.io import DISK_ERRORS, write_json, write_text
from fer.data.cleaning.protocols import ValidityMark
from fer.data.datamodule import FaceDataModule
from fer.data.source import DataError, Faces
from fer.learning.callbacks import (
    BestAndLast,
    EndTogether,
    History,
    ProcessDiedError,
    Throughput,
)
from fer.learning.early_end import EarlyEnd, early_end
from fer.learning.figures import plot_confusion, plot_curves
from fer.learning.loader_ends import naming_dead_loaders
from fer.learning.module import FerModule


def prepare(seed: int) -> None:
    """Seed Python, NumPy and torch, here and in loader workers, and quieten what only distracts."""
    lightning.seed_everything(seed, workers=True, verbose=False)
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _end_of_thread
    # Advertisements and a list of the devices that are not there.
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Lightning 2.6 with torch 2.14: nothing that a user could mend.
    warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
    # A resumed run goes on in its own folder.
    warnings.filterwarnings("ignore", message=".* exists and is not empty.*")
    # Plain faces are a memory copy: a loader process would cost more than it saves.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")


def _end_of_thread(ended: threading.ExceptHookArgs) -> None:
    # The main thread meets a full disk too, and says so.
    if not (isinstance(ended.exc_value, OSError) and ended.exc_value.errno in DISK_ERRORS):
        threading.__excepthook__(ended)


def check_faces(faces: Faces, module: FerModule, *, test: bool, processes: int = 1) -> None:
    """Hold the data against what was built for it.

    Args:
        faces: the data.
        module: the learner.
        test: whether the test split is to be scored.
        processes: how many share the faces of each split.

    Raises:
        DataError: other classes than the network's, no distributions of votes for a loss that
            learns from them, no test split to score, or not a face for each process.
    """
    if faces.classes != module.classes:
        raise DataError(
            f"{faces.origin} has the classes {', '.join(faces.classes)}, but the network was made "
            f"for {', '.join(module.classes)}"
        )
    if getattr(module.loss, "needs_targets", False) and faces.splits["train"].targets is None:
        raise DataError(
            f"{faces.origin} has labels alone, but {type(module.loss).__name__} learns from "
            "distributions of votes: choose data=ferplus data.target=distribution, or another loss"
        )
    if test and len(faces.splits.get("test", ())) == 0:
        raise DataError(f"{faces.origin} has no test split: leave out test=true")
    for name, split in faces.splits.items():
        if len(split) < processes and (test or name != "test"):
            raise DataError(
                f"{faces.origin} has {len(split)} faces in its split {name!r}, too few for "
                f"{processes} processes: choose trainer.devices=1"
            )


def fit(
    trainer: lightning.Trainer, module: FerModule, data: FaceDataModule, ckpt_path: str | None
) -> None:
    """Train, from the start or from a checkpoint.

    Raises:
        KeyboardInterrupt: the user stopped it; the checkpoints of finished epochs are kept.
        LoaderError: a process that loads faces died; they are kept too.
        ProcessDiedError: another process of the training died; they are kept too.
    """
    with _interruptible(trainer), _naming_the_dead(trainer), naming_dead_loaders():
        trainer.fit(module, datamodule=data, ckpt_path=ckpt_path, weights_only=True)


@contextmanager
def _interruptible(trainer: lightning.Trainer) -> Iterator[None]:
    """Let an interrupt be one: Lightning ends it with code 1, which means something else here."""
    try:
        yield
    except SystemExit:
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise


@contextmanager
def _naming_the_dead(trainer: lightning.Trainer) -> Iterator[None]:
    """Say which process died, instead of what its end did to an exchange."""
    try:
        yield
    except RuntimeError as error:
        callbacks = getattr(trainer, "callbacks", ())
        died = next((c.died for c in callbacks if isinstance(c, EndTogether)), None)
        if died is None:
            raise
        raise ProcessDiedError(died) from error


def report(
    trainer: lightning.Trainer,
    module: FerModule,
    data: FaceDataModule,
    folder: Path,
    *,
    test: bool,
    looks: str = "",
    complete: Callable[[Mapping[str, float]], None],
) -> float:
    """Score the best checkpoint, write figures and ``metrics.json``, and print the result.

    Args:
        trainer: that has trained.
        module: what it trained.
        data: of the training.
        folder: of the run.
        test: whether to score the test split.
        looks: what is said of looks at it.
        complete: what else the run needs, given its metrics; ``metrics.json`` is written after it,
            since that file says that the run has ended.

    Returns:
        The best value of the monitored metric; NaN where no epoch came to its validation, in which
        case the weights as they are have been scored.
    """
    # Before the test: it restores the callbacks from the best checkpoint, past included.
    epochs = list(_epochs(trainer))
    score = _checkpoint(trainer).best_model_score
    metrics = _best_epoch(trainer, module)
    checkpoint = "best" if metrics else None
    metrics |= _speed(trainer)
    early = early_end(trainer)
    if test:
        with _interruptible(trainer):
            trainer.test(
                module, datamodule=data, ckpt_path=checkpoint, verbose=False, weights_only=True
            )
        metrics |= {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("test/")
        }
    if trainer.is_global_zero:
        _draw(folder, module, epochs, test=test)
        complete(metrics)
        _write(folder, module, metrics, early)
        sys.stdout.write(_summary(module, metrics, folder, early, looks))
    return float("nan") if score is None else float(score)


def _checkpoint(trainer: lightning.Trainer) -> BestAndLast:
    return next(c for c in trainer.checkpoint_callbacks if isinstance(c, BestAndLast))


def _epochs(trainer: lightning.Trainer) -> list[dict[str, float]]:
    histories = (c for c in getattr(trainer, "callbacks", ()) if isinstance(c, History))
    return next(histories).epochs


def _speed(trainer: lightning.Trainer) -> dict[str, float]:
    """Return faces a second while training, in this run and what it goes on from."""
    meters = (c for c in getattr(trainer, "callbacks", ()) if isinstance(c, Throughput))
    rate = next((meter.rate for meter in meters), None)
    return {} if rate is None else {"train/faces_per_second": rate}


def _best_epoch(trainer: lightning.Trainer, module: FerModule) -> dict[str, float]:
    """Return the validation numbers of the epoch whose checkpoint is the best."""
    checkpoint = _checkpoint(trainer)
    pick = max if checkpoint.mode == "max" else min
    monitor, worst = str(checkpoint.monitor), -math.inf if checkpoint.mode == "max" else math.inf
    validated = [epoch for epoch in _epochs(trainer) if "val/acc" in epoch]
    if not validated:
        return {}
    # The first of equals, as the checkpoint keeps it, for which no number is the worst one.
    best = pick(validated, key=lambda epoch: epoch.get(monitor, worst))
    # A class that is absent or never answered has no number.
    names = [name for name in module.logged_metrics if name.startswith("val/")]
    numbers = {name: best.get(name, math.nan) for name in names}
    return {"val/best_acc": best["val/acc"], "val/best_epoch": best["epoch"], **numbers}


def _write(
    folder: Path,
    module: FerModule,
    metrics: Mapping[str, float],
    early: EarlyEnd | None = None,
) -> None:
    # A class that is absent or never answered has no number: null rather than a made-up one.
    finite = {name: v if math.isfinite(v) else None for name, v in metrics.items()}
    mark = _mark(module)
    words = {mark.key: mark.why} if mark else {}
    # Not whole: it can go on.
    words |= {"ended_by": "trainer.max_time"} if early and early.by_time else {}
    write_json(folder / "metrics.json", {**words, **finite})


def _draw(folder: Path, module: FerModule, epochs: list[dict[str, float]], *, test: bool) -> None:
    mark = _mark(module)
    above = f"{mark.title}\n" if mark else ""
    plot_curves(epochs, above + folder.name, folder / "figures" / "curves.png")
    split = "test" if test else "val"
    if split not in module.confusion:
        return
    counts = module.confusion[split].numpy()
    words = {"test": "test, best checkpoint", "val": "validation, last epoch"}[split]
    title = f"{above}{words}: accuracy {counts.trace() / counts.sum():.1%}"
    plot_confusion(counts, module.classes, title, folder / "figures" / "confusion_matrix.png")
    header = ["true\\answer", *module.classes]
    rows = [[name, *map(str, row)] for name, row in zip(module.classes, counts, strict=True)]
    table = "\n".join(",".join(row) for row in [header, *rows])
    write_text(folder / "figures" / "confusion_matrix.csv", table + "\n")


def _summary(
    module: FerModule,
    metrics: dict[str, float],
    folder: Path,
    early: EarlyEnd | None = None,
    looks: str = "",
) -> str:
    lines = [""]
    if "test/acc" in metrics:
        width = max(len(name) for name in module.classes)
        lines.append(f"{'test':<{width}}  precision  recall     F1")
        for name in module.classes:
            values = [metrics[f"test/{figure}/{name}"] for figure in ("precision", "recall", "f1")]
            shown = ["–" if math.isnan(value) else f"{value:.3f}" for value in values]
            lines.append(f"{name:<{width}}  {shown[0]:>9}  {shown[1]:>6}  {shown[2]:>5}")
        lines.append(
            f"test accuracy {metrics['test/acc']:.4f}, macro-F1 {metrics['test/macro_f1']:.4f}, "
            f"balanced accuracy {metrics['test/balanced_acc']:.4f}"
        )
    if "val/best_acc" in metrics:
        lines.append(
            f"best validation accuracy {metrics['val/best_acc']:.4f} "
            f"after epoch {metrics['val/best_epoch']:.0f}"
        )
    else:
        lines.append("no epoch came to its validation: these are the weights as they were left")
    if early is not None:
        lines.append(early.said)
    lines += [looks] if looks else []
    if mark := _mark(module):
        # Last, so that nobody who reads the numbers misses it.
        lines.append(f"{mark.word}: {mark.why}")
    lines += [f"run folder: {folder}", ""]
    return "\n".join(lines)


def _mark(module: FerModule) -> ValidityMark | None:
    if module.invalid:
        return ValidityMark("INVALID", module.invalid)
    return ValidityMark("NOT COMPARABLE", module.not_comparable) if module.not_comparable else None
