"""Networks that read a face as a picture: ``[B, 1, H, W]`` → ``[B, out_features]``."""

from fer.models.backbones.resnet import ResNet
from fer.models.backbones.small import SmallCNN
from fer.models.backbones.vgg import VGG

__all__ = ["VGG", "ResNet", "SmallCNN"]
