"""What may happen to a training face."""

from fer.data.augmentation.parameters import Augmentation

__all__ = ["Augmentation"]
