"""Networks that read a face as a picture: ``[B, 1, H, W]`` → ``[B, out_features]``."""

from fer.models.backbones.small import SmallCNN

__all__ = ["SmallCNN"]
