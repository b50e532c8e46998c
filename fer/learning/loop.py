"""The steps of a training run: seed, check the data, fit, test, write metrics and figures."""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from lightning import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback
from torch.utils.data import get_worker_info

from fer.core.errors import UserError
from fer.core.io import DISK_ERRORS, write_json, write_text
from fer.data.cleaning.protocols import ValidityMark
from fer.data.datamodule import FaceDataModule
from fer.data.source import DataError, Faces
from fer.learning.callbacks import (
    BestLastCheckpoint,
    EndOtherRanks,
    History,
    RankDiedError,
    Throughput,
    TimeLimit,
)
from fer.learning.figures import plot_confusion, plot_curves
from fer.learning.losses import SoftTargetLoss
from fer.learning.module import FerModule

T = TypeVar("T", bound=Callback)


class LoaderProcessDiedError(UserError):
    """A process that loads faces died; the checkpoints of finished epochs are kept."""

    def __init__(self, error: BaseException) -> None:
        why = str(error).strip().splitlines()[0]
        super().__init__(
            f"a process that loads faces died ({why}). Give it memory, shared memory in particular "
            "(/dev/shm; docker run --shm-size=1g), or load without such processes by "
            "data.workers=0. The epochs before are kept: the same command with resume=auto resumes",
            code="loader_process_died",
            where="data.workers",
        )


class EarlyEnd(NamedTuple):
    """That a training ended before its last epoch: whether by its time limit, and a message."""

    by_time: bool
    message: str


def seed_everything_quietly(seed: int) -> None:
    """Seed Python, NumPy and torch, here and in loader workers, and silence what only distracts."""
    seed_everything(seed, workers=True, verbose=False)
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _end_of_thread
    # Advertisements and a list of absent devices.
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It says which process it ends all others for.
    observer = "lightning.fabric.strategies.launchers.subprocess_script"
    logging.getLogger(observer).setLevel(logging.INFO)
    # Lightning 2.6 with torch 2.14: nothing that a user could mend.
    warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
    # A resumed run uses its own folder again.
    warnings.filterwarnings("ignore", message=".* exists and is not empty.*")
    # Plain faces are a memory copy: a loader process would cost more than it saves.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")


def _end_of_thread(ended: threading.ExceptHookArgs) -> None:
    # The main thread meets a full disk too, and reports it.
    if not (isinstance(ended.exc_value, OSError) and ended.exc_value.errno in DISK_ERRORS):
        threading.__excepthook__(ended)


def validate_data(faces: Faces, module: FerModule, *, test: bool, processes: int = 1) -> None:
    """Check the data against the module that was built for it.

    Args:
        faces: the data.
        module: to be trained.
        test: whether the test split is to be scored.
        processes: how many share the faces of each split.

    Raises:
        DataError: other classes than the network's, no distributions of votes for a loss that
            needs them, no test split to score, or fewer faces than processes.
    """
    if faces.classes != module.classes:
        raise DataError(
            f"{faces.origin} has the classes {', '.join(faces.classes)}, but the network was made "
            f"for {', '.join(module.classes)}",
            code="other_classes",
        )
    # With labels alone it would be plain cross-entropy, which is hardly what was meant.
    if isinstance(module.loss, SoftTargetLoss) and faces.splits["train"].targets is None:
        raise DataError(
            f"{faces.origin} has labels alone, but {type(module.loss).__name__} learns from "
            "distributions of votes: choose data=ferplus data.target=distribution, or another loss",
            code="no_distributions",
            where="loss",
        )
    if test and len(faces.splits.get("test", ())) == 0:
        raise DataError(
            f"{faces.origin} has no test split: leave out test=true", code="no_test", where="test"
        )
    for name, split in faces.splits.items():
        if len(split) < processes and (test or name != "test"):
            raise DataError(
                f"{faces.origin} has {len(split)} faces in its split {name!r}, too few for "
                f"{processes} processes: choose trainer.devices=1",
                code="too_few_faces",
                where="trainer.devices",
            )


def fit(trainer: Trainer, module: FerModule, data: FaceDataModule, ckpt_path: str | None) -> None:
    """Train, from the start or from a checkpoint.

    Raises:
        KeyboardInterrupt: the user stopped it; the checkpoints of finished epochs are kept.
        LoaderProcessDiedError: a process that loads faces died; they are kept too.
        RankDiedError: another process of the training died; they are kept too.
    """
    with _interruptible(trainer), _reporting_dead_ranks(trainer), reporting_dead_loaders():
        trainer.fit(module, datamodule=data, ckpt_path=ckpt_path, weights_only=True)


@contextmanager
def _interruptible(trainer: Trainer) -> Iterator[None]:
    """Raise KeyboardInterrupt for an interrupt, which Lightning ends with exit code 1."""
    try:
        yield
    except SystemExit:
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise


@contextmanager
def _reporting_dead_ranks(trainer: Trainer) -> Iterator[None]:
    """Report that a process died, instead of the failed exchange that follows."""
    try:
        yield
    except RuntimeError as error:
        ends = _callback(trainer, EndOtherRanks)
        if ends is None or not ends.rank_died:
            raise
        raise RankDiedError from error


@contextmanager
def reporting_dead_loaders() -> Iterator[None]:
    """Raise a :class:`LoaderProcessDiedError` where a loader process died."""
    queue: Any = Queue  # Its hook is in nobody's stubs.
    hook = queue._on_queue_feeder_error

    def end(error: Exception, item: Any) -> None:
        # A batch that found no shared memory would be lost silently, and the training would wait
        # for it for ever. The end of its process is noticed.
        if get_worker_info() is not None:
            os._exit(1)
        hook(error, item)

    queue._on_queue_feeder_error = staticmethod(end)
    try:
        yield
    except RuntimeError as error:
        cause: BaseException | None = error
        # Lightning fails once more on its way out.
        while cause is not None and "DataLoader worker" not in str(cause):
            cause = cause.__context__
        if cause is None:
            raise
        raise LoaderProcessDiedError(cause) from error
    finally:
        queue._on_queue_feeder_error = staticmethod(hook)


def test_and_write_metrics(
    trainer: Trainer,
    module: FerModule,
    data: FaceDataModule,
    folder: Path,
    *,
    test: bool,
    test_accesses: str,
    finalize: Callable[[Mapping[str, float]], None],
) -> float:
    """Score the best checkpoint, write figures and ``metrics.json``, and print the result.

    Args:
        trainer: after its training.
        module: that was trained.
        data: of the training.
        folder: of the run.
        test: whether to score the test split.
        test_accesses: a line about how often the test split was scored.
        finalize: called with the metrics before ``metrics.json`` is written, since that file marks
            a run as finished.

    Returns:
        The best value of the monitored metric; NaN where no epoch was validated, in which case the
        weights as they are have been scored.
    """
    # Before the test: it restores the callbacks from the best checkpoint.
    epochs = list(History.of(trainer))
    checkpoint = next(c for c in trainer.checkpoint_callbacks if isinstance(c, BestLastCheckpoint))
    score = checkpoint.best_model_score
    metrics = _best_epoch(checkpoint, epochs, module)
    weights = "best" if metrics else None
    throughput = _callback(trainer, Throughput)
    if throughput is not None and throughput.rate is not None:
        metrics["train/faces_per_second"] = throughput.rate
    early = early_end(trainer)
    if test:
        with _interruptible(trainer):
            trainer.test(
                module, datamodule=data, ckpt_path=weights, verbose=False, weights_only=True
            )
        scores = trainer.callback_metrics.items()
        metrics |= {name: float(value) for name, value in scores if name.startswith("test/")}
    if trainer.is_global_zero:
        _draw(folder, module, epochs, test=test)
        finalize(metrics)
        _write(folder, module, metrics, early)
        sys.stdout.write(_summary(module, metrics, folder, early, test_accesses))
    return float("nan") if score is None else float(score)


def early_end(trainer: Trainer) -> EarlyEnd | None:
    """Return what ended a training before its last epoch, and how high a planned rate was left."""
    done, planned = trainer.current_epoch, trainer.max_epochs or -1
    if not 0 <= done < planned or 0 < trainer.max_steps <= trainer.global_step:
        return None
    limit = _callback(trainer, TimeLimit)
    by_time = limit is not None and limit.is_up
    cause = "trainer.max_time" if by_time else "an early stop"
    message = f"ended by {cause} after epoch {done} of {planned}"
    schedule: Any = next((c.scheduler for c in trainer.lr_scheduler_configs), None)
    if schedule is not None and schedule.last_epoch < getattr(schedule, "total_steps", 0):
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        message += (
            f": the rate, planned over {planned}, was left at {rate:.2g}; "
            f"trainer.max_epochs={done} plans it to its end"
        )
    resumes = "; the same command with resume=auto resumes" if by_time else ""
    return EarlyEnd(by_time, message + resumes)


def _callback(trainer: Trainer, kind: type[T]) -> T | None:
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return next((c for c in callbacks if isinstance(c, kind)), None)


def _best_epoch(
    checkpoint: BestLastCheckpoint, epochs: list[dict[str, float]], module: FerModule
) -> dict[str, float]:
    """Return the validation numbers of the epoch whose checkpoint is the best."""
    validated = [epoch for epoch in epochs if "val/acc" in epoch]
    if not validated:
        return {}
    pick, worst = (max, -math.inf) if checkpoint.mode == "max" else (min, math.inf)
    # The first of equals, like the checkpoint, for which a missing number is the worst.
    best = pick(validated, key=lambda epoch: epoch.get(str(checkpoint.monitor), worst))
    # A class that is absent or never answered has no number.
    names = [name for name in module.logged_metrics if name.startswith("val/")]
    numbers = {name: best.get(name, math.nan) for name in names}
    return {"val/best_acc": best["val/acc"], "val/best_epoch": best["epoch"], **numbers}


def _write(
    folder: Path, module: FerModule, metrics: Mapping[str, float], early: EarlyEnd | None = None
) -> None:
    # A class that is absent or never answered has no number: null.
    finite = {name: v if math.isfinite(v) else None for name, v in metrics.items()}
    mark = _mark(module)
    texts = {mark.key: mark.why} if mark else {}
    # So that it can be resumed.
    texts |= {"ended_by": "trainer.max_time"} if early and early.by_time else {}
    write_json(folder / "metrics.json", {**texts, **finite})


def _draw(folder: Path, module: FerModule, epochs: list[dict[str, float]], *, test: bool) -> None:
    mark = _mark(module)
    above = f"{mark.title}\n" if mark else ""
    plot_curves(epochs, above + folder.name, folder / "figures" / "curves.png")
    split = "test" if test else "val"
    if split not in module.confusion:
        return
    counts = module.confusion[split].numpy()
    name = {"test": "test, best checkpoint", "val": "validation, last epoch"}[split]
    title = f"{above}{name}: accuracy {counts.trace() / counts.sum():.1%}"
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
    test_accesses: str = "",
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
        lines.append("no epoch was validated: these are the weights as they were left")
    lines += [early.message] if early else []
    lines += [test_accesses] if test_accesses else []
    if mark := _mark(module):
        # Last, so that nobody who reads the numbers misses it.
        lines.append(f"{mark.word}: {mark.why}")
    lines += [f"run folder: {folder}", ""]
    return "\n".join(lines)


def _mark(module: FerModule) -> ValidityMark | None:
    if module.invalid:
        return ValidityMark("INVALID", module.invalid)
    return ValidityMark("NOT COMPARABLE", module.not_comparable) if module.not_comparable else None
