"""From a checked configuration to the objects of a training, with every issue reported at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import lightning
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from hydra.utils import instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from fer.config.compatibility import callback_issues, module_issues, trainer_issues
from fer.config.compose import range_issues, to_plain
from fer.config.issues import ConfigError, ConfigIssue
from fer.config.resume import check_its_run
from fer.config.sources import cleaned_source
from fer.config.validate import clips_mismatch, reads_clips
from fer.core.labels import EMOTIONS
from fer.data.augmentation import Augmentation
from fer.data.cleaning.protocols import ProtocolSource, mark_of
from fer.data.datamodule import FaceDataModule
from fer.data.folds import WithoutFold
from fer.data.source import DataError, Source
from fer.learning import FerModule
from fer.learning.callbacks import (
    ConsistencyRegularization,
    Distillation,
    EndOtherRanks,
    EpochLogLines,
    GradualUnfreezing,
    LogMisclassified,
    ProgressBar,
    Throughput,
    TimeLimit,
    WandbTracking,
)
from fer.learning.checkpoint_io import AtomicCheckpointIO
from fer.learning.dry_run import try_forward
from fer.learning.initial_state import check_resumable, load_initial_weights
from fer.learning.precision import auto_precision
from fer.models import BuildError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a training is made of, before any data is read.

    Attributes:
        data: the data module.
        module: the learner.
        beginning: which weights it begins with, in a line; empty where they are drawn at random or
            come with the checkpoint to resume from.
    """

    data: FaceDataModule
    module: FerModule
    beginning: str = ""


def build_parts(config: DictConfig, recorded: DictConfig | None = None) -> Parts:
    """Make the data module and the learner, and try the optimiser on the learner.

    Args:
        config: the whole configuration.
        recorded: as the run folder keeps it, where that says names and ``config`` what is used for
            them: the run of ``ckpt_path`` is compared with it.

    Raises:
        ConfigError: with every value out of range, every part that can't be made and every pair
            that doesn't fit.
    """
    issues = range_issues(config)
    wrong = {issue.key.split(".")[0] for issue in issues}

    def attempt(key: str, make: Callable[[], T], *groups: str) -> T | None:
        # What has a value out of range would only say so again.
        return (
            None
            if wrong & {key.split(".", maxsplit=1)[0], *groups}
            else _attempt(issues, key, make)
        )

    augmentation = attempt("augmentation", lambda: _build_augmentation(config))
    source = attempt("data.source", lambda: _build_source(config, augmentation))
    learner = ("augmentation", "data", "loss", "optimizer", "scheduler")
    module = attempt("model", lambda: _build_module(config, source), *learner)
    if module is not None:
        issues += module_issues(config, module)
        attempt("callbacks", lambda: _plan_stages(config, module))
        attempt("optimizer", module.configure_optimizers)
        attempt("model", lambda: try_forward(module))
    beginning = None
    if config.ckpt_path is not None:
        # It brings its weights, whatever it began with itself.
        attempt("ckpt_path", lambda: _check_resumption(recorded or config, module))
    elif config.init_from is not None and module is not None:
        path = Path(config.init_from).expanduser()
        beginning = attempt("init_from", lambda: load_initial_weights(path, module))
    if issues or source is None or augmentation is None or module is None:
        raise ConfigError(issues)
    branch = module.hparams["model"].get("metadata")
    data = FaceDataModule(
        source,
        augmentation,
        size=config.data.size,
        fit=config.data.fit,
        batch_size=config.data.batch_size,
        resident=config.data.resident,
        workers=config.data.workers,
        columns=None if branch is None else dict(branch["columns"]),
        seed=config.seed,
    )
    return Parts(data, module, beginning or "")


def _check_resumption(config: DictConfig, module: FerModule | None) -> None:
    check_resumable(Path(config.ckpt_path), module)
    check_its_run(config)


def build_trainer(config: DictConfig, folder: Path) -> lightning.Trainer:
    """Make the trainer with its logger and the callbacks of the configuration.

    Raises:
        ConfigError: hardware is missing, or the trainer or a callback refuses its settings.
    """
    if (missing := missing_hardware(config)) is not None:
        raise ConfigError(
            [
                ConfigIssue(
                    "missing_hardware", "trainer", f"{missing} on this machine; choose trainer=cpu"
                )
            ]
        )
    issues: list[ConfigIssue] = []
    precision = config.trainer.precision
    if precision == "auto":
        precision = auto_precision(config.trainer.accelerator)
    callbacks = _attempt(issues, "callbacks", lambda: _build_callbacks(config))
    logger = _attempt(issues, "logger", lambda: _build_logger(config, folder))
    if not issues:
        issues += callback_issues(callbacks or [], logger)
    trainer = None
    if not issues:
        trainer = _attempt(
            issues,
            "trainer",
            lambda: instantiate(
                config.trainer,
                precision=precision,
                # A file would get every step of a bar.
                enable_progress_bar=config.trainer.enable_progress_bar and sys.stdout.isatty(),
                # False, since None would be Lightning's own default.
                logger=logger or False,
                callbacks=callbacks,
                # TimeLimit is that of this project.
                max_time=None,
                default_root_dir=str(folder),
                plugins=[AtomicCheckpointIO()],
                # The data module brings samplers that count each face once.
                use_distributed_sampler=False,
                _convert_="all",
            ),
        )
    if trainer is None:
        raise ConfigError(issues)
    built: lightning.Trainer = trainer
    if issues := [*trainer_issues(built)]:
        raise ConfigError(issues)
    return built


def _attempt(issues: list[ConfigIssue], key: str, make: Callable[[], T]) -> T | None:
    """Call ``make``; what it finds wrong becomes an issue of ``key``."""
    try:
        return make()
    except DataError:
        raise  # The data's own message is complete as it is.
    except (BuildError, InstantiationException, MisconfigurationException, ValueError) as error:
        # Hydra's own wrapping adds a second line; the cause says what is wrong.
        cause = error.__cause__ if isinstance(error, InstantiationException) else None
        issues.append(ConfigIssue("cannot_build", key, str(cause or error).strip().split("\n")[0]))
        return None


def _build_source(config: DictConfig, augmentation: Augmentation | None) -> Source:
    only = config.data.only_classes
    source = cleaned_source(config)
    if config.data.folds is not None or config.data.fold is not None:
        source = WithoutFold(source, folds=config.data.folds, fold=config.data.fold)
    # Divided last: what is found is said of the faces as they came.
    return ProtocolSource(
        source,
        config.data.protocol,
        seed=config.seed,
        augmentation=augmentation,
        only_classes=None if only is None else list(only),
    )


def _build_augmentation(config: DictConfig) -> Augmentation:
    augmentation: Augmentation = instantiate(
        {name: value for name, value in config.augmentation.items() if name != "mixing"},
        _convert_="all",
    )
    return augmentation


def _build_module(config: DictConfig, source: Source | None) -> FerModule:
    classes = source.class_names() if source is not None else EMOTIONS
    parts = to_plain(config)
    model = parts["model"]
    if model.get("metadata") is not None and source is not None:
        model["metadata"]["columns"] = _chosen_columns(config, source)
    mark = mark_of(config.data.protocol)
    module = FerModule(
        model=model,
        loss=parts["loss"],
        optimizer=parts["optimizer"],
        scheduler=parts["scheduler"],
        classes=list(classes),
        size=config.data.size,
        fit=config.data.fit,
        frames=config.data.get("frames"),
        mixing=parts["augmentation"]["mixing"],
        seed=config.seed,
        channels_last=config.channels_last,
        **({mark.key: mark.why} if mark else {}),
    )
    if mismatch := clips_mismatch(module.takes_clips, data=reads_clips(config)):
        raise BuildError(f"{type(module.network).__name__} {mismatch}")
    return module


def _chosen_columns(config: DictConfig, source: Source) -> dict[str, Any]:
    """Describe the metadata that the model is to read, as its checkpoint will hold it.

    Raises:
        BuildError: the data has no metadata, or not the columns that were asked for.
    """
    there = source.metadata_columns()
    wanted = config.model.metadata.columns
    if not there:
        raise BuildError(
            "the metadata branch needs columns (age, gender, context), but this data has none: "
            "choose metadata=none, or name a table by data.metadata=FILE (for data=folder, "
            "metadata.csv in its root serves too)"
        )
    if unknown := [name for name in wanted or () if name not in there]:
        raise BuildError(
            f"model.metadata.columns: the data has no {', '.join(unknown)}; it has "
            f"{', '.join(there)}"
        )
    return {name: dict(there[name]) for name in wanted or there}


def _plan_stages(config: DictConfig, module: FerModule) -> None:
    """Tell the learner which parts will have rates of their own, and what it learns from."""
    for callback in _build_callbacks(config):
        if isinstance(callback, GradualUnfreezing | Distillation | ConsistencyRegularization):
            callback.plan(module)


def _build_callbacks(config: DictConfig) -> list[Callback]:
    callbacks: list[Callback] = [
        instantiate(node, _convert_="all") for node in config.callbacks.values()
    ]
    callbacks += [EndOtherRanks(), Throughput(), WandbTracking()]
    if config.trainer.max_time is not None:
        callbacks.append(TimeLimit(config.trainer.max_time))
    if config.trainer.enable_progress_bar:
        callbacks.append(ProgressBar() if sys.stdout.isatty() else EpochLogLines())
    if pictures := config.logger.get("pictures", 0):
        callbacks.append(LogMisclassified(pictures))
    return callbacks


def _build_logger(config: DictConfig, folder: Path) -> Logger | None:
    options = {}
    hydra = HydraConfig.get() if HydraConfig.initialized() else None
    if config.logger.get("group", "") is None and hydra and hydra.mode == RunMode.MULTIRUN:
        options["group"] = Path(hydra.sweep.dir).name
    logger: Logger | None = instantiate(
        config.logger, folder=folder, name=config.name or folder.name, **options, _convert_="all"
    )
    return logger


def missing_hardware(config: DictConfig) -> str | None:
    """Return which hardware the configuration asks for and this machine lacks, if any."""
    trainer = config.trainer
    wanted = trainer.accelerator
    if wanted == "mps" and not torch.backends.mps.is_available():
        return "trainer.accelerator=mps: no Apple GPU"
    if wanted in ("gpu", "cuda"):
        if wanted == "gpu" and torch.backends.mps.is_available():
            return None
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if found == 0:
            return (
                f"trainer.accelerator={wanted}: no CUDA GPU that torch {torch.__version__} can use"
            )
        devices = trainer.devices
        needed = (
            max(devices) + 1 if OmegaConf.is_list(devices) else devices if devices != "auto" else 1
        )
        if needed > found:
            return f"trainer.devices={devices}: only {found} CUDA GPU(s)"
    if wanted == "tpu":
        from lightning.pytorch.accelerators import XLAAccelerator

        if not XLAAccelerator.is_available():
            return "trainer.accelerator=tpu: no TPU"
    return None
