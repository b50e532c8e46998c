"""What happens beside the learning: checkpoints, history, pictures."""

from fer.learning.callbacks.checkpoint import BestAndLast
from fer.learning.callbacks.history import History
from fer.learning.callbacks.wandb_pictures import MisreadPictures

__all__ = ["BestAndLast", "History", "MisreadPictures"]
