"""Parts that can be built and don't fit together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import lightning
from lightning.pytorch.callbacks import Callback, LearningRateMonitor
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import DDPStrategy
from omegaconf import DictConfig

from fer.config.distributed import torchrun_world_size
from fer.config.issues import ConfigIssue, nearest
from fer.learning import FerModule
from fer.learning.callbacks import BestLastCheckpoint, GradualUnfreezing, History


def module_issues(config: DictConfig, module: FerModule) -> Iterator[ConfigIssue]:
    """Find settings that wait for a metric which is never logged or too late, and wrong mixing."""
    nodes = {"scheduler": config.scheduler}
    nodes |= {f"callbacks.{name}": node for name, node in config.callbacks.items()}
    known = module.logged_metrics
    for where, node in nodes.items():
        name, key = node.get("monitor"), f"{where}.monitor"
        if name is not None and name not in known:
            what = f"no metric {name!r} is logged{nearest(name, known)}"
            yield ConfigIssue("unknown_metric", key, what)
        elif name is not None and where != "scheduler" and not name.startswith("val/"):
            what = f"{name!r} is not yet known when it is looked at: choose one that begins by val/"
            yield ConfigIssue("late_metric", key, what)
    metadata = module.hparams["model"].get("metadata") is not None
    if not module.mixing.is_identity and (module.takes_clips or metadata):
        beside = "the lengths of clips" if module.takes_clips else "metadata"
        choose = "" if module.takes_clips else ", or choose metadata=none"
        what = f"mixes pictures, not {beside}: set mixup and cutmix to 0{choose}"
        yield ConfigIssue("mixes_pictures_only", "augmentation.mixing", what)


def callback_issues(callbacks: Sequence[Callback], logger: Logger | None) -> Iterator[ConfigIssue]:
    """Find what callbacks need, or are needed for, and is missing."""
    kinds = {type(callback) for callback in callbacks}
    if not {BestLastCheckpoint, History} <= kinds:
        what = "a run needs those of default: choose 'callbacks=[default,…]'"
        yield ConfigIssue("needs_default_callbacks", "callbacks", what)
    if LearningRateMonitor in kinds and logger is None:
        what = "the rate is written to a logger: choose logger=csv, or leave out rate"
        yield ConfigIssue("needs_logger", "callbacks.rate", what)


def trainer_issues(trainer: lightning.Trainer) -> Iterator[ConfigIssue]:
    """Find what several processes, or a device, can't do."""
    started, wanted = torchrun_world_size(), trainer.num_devices * trainer.num_nodes
    if started not in (None, wanted):
        what = (
            f"torchrun started {started} processes, but the trainer has {trainer.num_devices} "
            f"devices on {trainer.num_nodes} nodes: set these to fit"
        )
        yield ConfigIssue("wrong_process_count", "trainer.devices", what)
    strategy = trainer.strategy
    if not isinstance(strategy, DDPStrategy):
        return
    freezes = any(isinstance(c, GradualUnfreezing) for c in getattr(trainer, "callbacks", ()))
    if freezes and not strategy._ddp_kwargs.get("find_unused_parameters"):
        what = (
            "processes would wait for gradients of what callbacks=[…,progressive] has frozen: "
            "choose trainer.strategy=ddp_find_unused_parameters_true"
        )
        yield ConfigIssue("frozen_parameters", "trainer.strategy", what)
    device = strategy.root_device.type
    if strategy._layer_sync is not None and device != "cuda":
        what = f"GPUs alone can share batch statistics, not {device}: set false"
        yield ConfigIssue("needs_gpus", "trainer.sync_batchnorm", what)
