"""From a checked configuration to the objects of a training, with every misfit said at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import lightning
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from hydra.utils import instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from fer.config.columns import chosen_columns, metadata_columns
from fer.config.hardware import missing_hardware
from fer.config.misfits import (
    frozen_between_processes,
    lacking,
    mixed_beside,
    unlogged_monitors,
    unshared_statistics,
    wrong_count,
)
from fer.config.problems import ConfigError, Problem
from fer.config.resume import check_its_run
from fer.config.sources import cleaned_source
from fer.config.training import misfit_of_clips, reads_clips
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
    EndTogether,
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
            them: the run of ``ckpt_path`` is held against it.

    Raises:
        ConfigError: with every part that can't be made and every pair that doesn't fit.
    """
    problems: list[Problem] = []
    augmentation = _attempt(problems, "augmentation", lambda: _build_augmentation(config))
    source = _attempt(problems, "data.source", lambda: _build_source(config, augmentation))
    module = _attempt(problems, "model", lambda: _build_module(config, source))
    if module is not None:
        problems += unlogged_monitors(config, module) + mixed_beside(module)
        _attempt(problems, "callbacks", lambda: _plan_stages(config, module))
        _attempt(problems, "optimizer", module.configure_optimizers)
        _attempt(problems, "model", lambda: try_forward(module))
    beginning = None
    if config.ckpt_path is not None:
        # It brings its weights, whatever it began with itself.
        _attempt(problems, "ckpt_path", lambda: _check_resumption(recorded or config, module))
    elif config.init_from is not None and module is not None:
        path = Path(config.init_from).expanduser()
        beginning = _attempt(problems, "init_from", lambda: load_initial_weights(path, module))
    if problems or source is None or augmentation is None or module is None:
        raise ConfigError(problems)
    data = FaceDataModule(
        source,
        augmentation,
        size=config.data.size,
        fit=config.data.fit,
        batch_size=config.data.batch_size,
        resident=config.data.resident,
        workers=config.data.workers,
        columns=metadata_columns(module),
        seed=config.seed,
    )
    return Parts(data, module, beginning or "")


def _check_resumption(config: DictConfig, module: FerModule | None) -> None:
    check_resumable(Path(config.ckpt_path), module)
    check_its_run(config)


def build_trainer(config: DictConfig, folder: Path) -> lightning.Trainer:
    """Make the trainer with its logger and the callbacks of the configuration.

    Args:
        config: the whole configuration.
        folder: of the run.

    Raises:
        ConfigError: hardware is missing, or the trainer or a callback refuses its settings.
    """
    if (missing := missing_hardware(config)) is not None:
        raise ConfigError([Problem("trainer", f"{missing} on this machine; choose trainer=cpu")])
    problems: list[Problem] = []
    precision = config.trainer.precision
    if precision == "auto":
        precision = auto_precision(config.trainer.accelerator)
    callbacks = _attempt(problems, "callbacks", lambda: _build_callbacks(config))
    logger = _attempt(problems, "logger", lambda: _build_logger(config, folder))
    if not problems:
        problems += lacking(callbacks or [], logger)
    trainer = None
    if not problems:
        trainer = _attempt(
            problems,
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
        raise ConfigError(problems)
    built: lightning.Trainer = trainer
    for misfit in (wrong_count, frozen_between_processes, unshared_statistics):
        if (problem := misfit(built)) is not None:
            raise ConfigError([problem])
    return built


def plain(node: Any) -> Any:
    """Return a configuration node as plain containers, as checkpoints must store it."""
    return OmegaConf.to_container(node, resolve=True)


def _attempt(problems: list[Problem], where: str, make: Callable[[], T]) -> T | None:
    """Call ``make``; what it finds wrong becomes a problem of ``where``."""
    try:
        return make()
    except DataError:
        raise  # The data's own message is complete as it is.
    except (BuildError, InstantiationException, MisconfigurationException, ValueError) as error:
        # Hydra's own wrapping adds a second line; the cause says what is wrong.
        cause = error.__cause__ if isinstance(error, InstantiationException) else None
        problems.append(Problem(where, str(cause or error).strip().split("\n")[0]))
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
    model = plain(config.model)
    if model.get("metadata") is not None and source is not None:
        model["metadata"]["columns"] = chosen_columns(config, source)
    mark = mark_of(config.data.protocol)
    module = FerModule(
        model=model,
        loss=plain(config.loss),
        optimizer=plain(config.optimizer),
        scheduler=plain(config.scheduler),
        classes=list(classes),
        size=config.data.size,
        fit=config.data.fit,
        frames=config.data.get("frames"),
        mixing=plain(config.augmentation.mixing),
        seed=config.seed,
        channels_last=config.channels_last,
        **({mark.key: mark.why} if mark else {}),
    )
    if misfit := misfit_of_clips(module.takes_clips, data=reads_clips(config)):
        raise BuildError(f"{type(module.network).__name__} {misfit}")
    return module


def _plan_stages(config: DictConfig, module: FerModule) -> None:
    """Tell the learner which parts will have rates of their own, and what it learns from."""
    for callback in _build_callbacks(config):
        if isinstance(callback, GradualUnfreezing | Distillation | ConsistencyRegularization):
            callback.plan(module)


def _build_callbacks(config: DictConfig) -> list[Callback]:
    callbacks: list[Callback] = [
        instantiate(node, _convert_="all") for node in config.callbacks.values()
    ]
    callbacks += [EndTogether(), Throughput(), WandbTracking()]
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
