"""How a network learns: the LightningModule, metrics, callbacks, loggers."""

from fer.learning.module import FerModule

__all__ = ["FerModule"]
