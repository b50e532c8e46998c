"""Parts that can be made and don't fit together."""

from __future__ import annotations

from collections.abc import Sequence

import lightning
from lightning.pytorch.callbacks import Callback, LearningRateMonitor
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import DDPStrategy
from omegaconf import DictConfig

from fer.config.problems import Problem, nearest
from fer.config.processes import torchrun_processes
from fer.learning import FerModule
from fer.learning.callbacks import BestLastCheckpoint, GradualUnfreezing, History


def unlogged_monitors(config: DictConfig, module: FerModule) -> list[Problem]:
    """Find settings that wait for a metric which is never logged, or too late for them."""
    nodes = {"scheduler": config.scheduler}
    nodes |= {f"callbacks.{name}": node for name, node in config.callbacks.items()}
    known = module.logged_metrics
    problems = []
    for where, node in nodes.items():
        name = node.get("monitor")
        if name is None:
            continue
        if name not in known:
            what = f"no metric {name!r} is logged{nearest(name, known)}"
            problems.append(Problem(f"{where}.monitor", what))
        elif where != "scheduler" and not name.startswith("val/"):
            what = f"{name!r} is not yet known when it is looked at: choose one that begins by val/"
            problems.append(Problem(f"{where}.monitor", what))
    return problems


def mixed_beside(module: FerModule) -> list[Problem]:
    """Find batches that are to be mixed, where more than pictures would have to be."""
    metadata = module.hparams["model"].get("metadata") is not None
    if module.mixing.is_identity or not (module.takes_clips or metadata):
        return []
    beside = "the lengths of clips" if module.takes_clips else "metadata"
    what = f"mixes pictures, not {beside}: set mixup and cutmix to 0" + (
        "" if module.takes_clips else ", or choose metadata=none"
    )
    return [Problem("augmentation.mixing", what)]


def lacking(callbacks: Sequence[Callback], logger: Logger | None) -> list[Problem]:
    """Find what callbacks need, or are needed for, and is not there."""
    problems = []
    kinds = {type(callback) for callback in callbacks}
    if not {BestLastCheckpoint, History} <= kinds:
        what = "a run needs those of default: choose 'callbacks=[default,…]'"
        problems.append(Problem("callbacks", what))
    if LearningRateMonitor in kinds and logger is None:
        what = "the rate is written to a logger: choose logger=csv, or leave out rate"
        problems.append(Problem("callbacks.rate", what))
    return problems


def wrong_count(trainer: lightning.Trainer) -> Problem | None:
    """Find another number of processes than torchrun has started."""
    started = torchrun_processes()
    if started is None or started == trainer.num_devices * trainer.num_nodes:
        return None
    what = (
        f"torchrun started {started} processes, but the trainer has {trainer.num_devices} devices "
        f"on {trainer.num_nodes} nodes: set trainer.devices and trainer.num_nodes to fit"
    )
    return Problem("trainer.devices", what)


def frozen_between_processes(trainer: lightning.Trainer) -> Problem | None:
    """Find several processes that would wait for gradients of what is frozen."""
    callbacks = getattr(trainer, "callbacks", ())
    strategy = trainer.strategy
    if not isinstance(strategy, DDPStrategy) or not any(
        isinstance(callback, GradualUnfreezing) for callback in callbacks
    ):
        return None
    if strategy._ddp_kwargs.get("find_unused_parameters"):
        return None
    what = (
        "processes would wait for gradients of what callbacks=[…,progressive] has frozen: choose "
        "trainer.strategy=ddp_find_unused_parameters_true"
    )
    return Problem("trainer.strategy", what)


def unshared_statistics(trainer: lightning.Trainer) -> Problem | None:
    """Find batch statistics that were to be shared between processes without GPUs."""
    strategy = trainer.strategy
    if not isinstance(strategy, DDPStrategy) or strategy._layer_sync is None:
        return None
    device = strategy.root_device.type
    if device == "cuda":
        return None
    what = f"GPUs alone can share batch statistics, and this training runs on {device}: set false"
    return Problem("trainer.sync_batchnorm", what)
