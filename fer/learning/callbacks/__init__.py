"""What happens beside the learning: checkpoints, history, pictures."""

from fer.learning.callbacks.averaging import ExponentialAverage
from fer.learning.callbacks.bar import Bar
from fer.learning.callbacks.checkpoint import BestAndLast
from fer.learning.callbacks.consistent import Consistent
from fer.learning.callbacks.distillation import Distillation
from fer.learning.callbacks.epoch_lines import EpochLines
from fer.learning.callbacks.history import History
from fer.learning.callbacks.nan_guard import DivergedError, StopOnNaN
from fer.learning.callbacks.processes import EndTogether, ProcessDiedError
from fer.learning.callbacks.progressive import Progressive
from fer.learning.callbacks.throughput import Throughput
from fer.learning.callbacks.time_limit import TimeLimit
from fer.learning.callbacks.wandb_pictures import MisreadPictures
from fer.learning.callbacks.wandb_run import begin, closing_run
from fer.learning.callbacks.wandb_tracking import OBJECTIVE, Tracking, hand_in

__all__ = [
    "OBJECTIVE",
    "Bar",
    "BestAndLast",
    "Consistent",
    "Distillation",
    "DivergedError",
    "EndTogether",
    "EpochLines",
    "ExponentialAverage",
    "History",
    "MisreadPictures",
    "ProcessDiedError",
    "Progressive",
    "StopOnNaN",
    "Throughput",
    "TimeLimit",
    "Tracking",
    "begin",
    "closing_run",
    "hand_in",
]
