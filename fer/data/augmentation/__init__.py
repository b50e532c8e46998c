"""What may happen to a training face."""

from fer.data.augmentation.batch import Augmentation

__all__ = ["Augmentation"]
