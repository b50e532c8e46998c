"""Callbacks of a training: checkpoints, history, regularisation, W&B."""

from fer.learning.callbacks.checkpoint import BestLastCheckpoint
from fer.learning.callbacks.consistency import ConsistencyRegularization
from fer.learning.callbacks.distillation import Distillation
from fer.learning.callbacks.ema import EMAWeights
from fer.learning.callbacks.gradual_unfreezing import GradualUnfreezing
from fer.learning.callbacks.nan_guard import DivergedError, StopOnNaN
from fer.learning.callbacks.processes import EndOtherRanks, RankDiedError
from fer.learning.callbacks.progress import (
    EpochLogLines,
    History,
    ProgressBar,
    Throughput,
    TimeLimit,
)
from fer.learning.callbacks.wandb import (
    OBJECTIVE,
    LogMisclassified,
    WandbTracking,
    finish_run_on_exit,
    log_artifacts,
)

__all__ = [
    "OBJECTIVE",
    "BestLastCheckpoint",
    "ConsistencyRegularization",
    "Distillation",
    "DivergedError",
    "EMAWeights",
    "EndOtherRanks",
    "EpochLogLines",
    "GradualUnfreezing",
    "History",
    "LogMisclassified",
    "ProgressBar",
    "RankDiedError",
    "StopOnNaN",
    "Throughput",
    "TimeLimit",
    "WandbTracking",
    "finish_run_on_exit",
    "log_artifacts",
]
