"""The dense layers between the joined features and the logits."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from fer.core.ranges import PositiveInt, ShareBelowOne


class DenseHead(nn.Module):
    """Fully connected layers with ReLU and dropout, then one logit a class.

    Args:
        in_features: width of the input.
        classes: number of classes.
        hidden: width of each hidden layer; empty for a linear classifier.
        dropout: share of the features that are dropped before the last layer, and before each of
            the others but the first.

    Shape:
        ``[B, in_features]`` → ``[B, classes]`` logits. The softmax belongs to the loss while
        training and to the exported graph in use.
    """

    def __init__(
        self,
        in_features: int,
        classes: int,
        *,
        hidden: Sequence[PositiveInt] = (256,),
        dropout: ShareBelowOne = 0.5,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        # Apart, so that the names of the weights are those of networks without it.
        self.dropout = nn.Dropout(0.0 if hidden else dropout)
        for width in hidden:
            layers += [nn.Linear(in_features, width), nn.ReLU(), nn.Dropout(dropout)]
            in_features = width
        layers.append(nn.Linear(in_features, classes))
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.layers(self.dropout(features))
        return logits
