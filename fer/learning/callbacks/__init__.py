"""What happens beside the learning: checkpoints, history, pictures."""

from fer.learning.callbacks.averaging import ExponentialAverage
from fer.learning.callbacks.checkpoint import BestAndLast
from fer.learning.callbacks.history import History
from fer.learning.callbacks.nan_guard import DivergedError, StopOnNaN
from fer.learning.callbacks.processes import EndTogether, ProcessDiedError
from fer.learning.callbacks.progressive import Progressive
from fer.learning.callbacks.throughput import Throughput
from fer.learning.callbacks.wandb_pictures import MisreadPictures
from fer.learning.callbacks.wandb_run import begin, closing_run

__all__ = [
    "BestAndLast",
    "DivergedError",
    "EndTogether",
    "ExponentialAverage",
    "History",
    "MisreadPictures",
    "ProcessDiedError",
    "Progressive",
    "StopOnNaN",
    "Throughput",
    "begin",
    "closing_run",
]
