"""The paper's network: branches side by side, joined by a fusion head, dense layers, N logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from fer.models.build import BuildError, build
from fer.models.fusion import Fusion
from fer.models.preprocessing import Preprocessing

Spec = Mapping[str, Any]


class FusionNetwork(nn.Module):
    """A CNN and an LSTM look at the same face side by side (Daniyal et al. 2024, Figure 3).

    Args:
        classes: number of classes.
        size: height and width of the input, in pixels.
        preprocessing: spec of a :class:`~fer.models.preprocessing.Preprocessing`.
        backbone: spec of the branch that reads the face as a picture.
        lstm: spec of the branch that reads it as a sequence.
        fusion: spec of a :class:`~fer.models.fusion.Fusion`.
        head: spec of the dense layers.

    Shape:
        uint8 or float ``[B, 1, size, size]`` in 0–255 → logits ``[B, classes]``.

    Raises:
        BuildError: a part can't be made or the parts don't fit.
    """

    def __init__(
        self,
        *,
        classes: int,
        size: int,
        preprocessing: Spec,
        backbone: Spec,
        lstm: Spec,
        fusion: Spec,
        head: Spec,
    ) -> None:
        super().__init__()
        self.preprocessing = build(preprocessing, expects=Preprocessing)
        self.backbone = build(backbone, size, expects=nn.Module)
        self.lstm = build(lstm, size, expects=nn.Module)
        widths = [_width(self.backbone), _width(self.lstm)]
        self.fusion = build(fusion, widths, expects=Fusion)
        self.head = build(head, _width(self.fusion), classes, expects=nn.Module)

    def forward(self, images: Tensor) -> Tensor:
        x = self.preprocessing(images)
        logits: Tensor = self.head(self.fusion([self.backbone(x), self.lstm(x)]))
        return logits


def _width(part: nn.Module) -> int:
    width = getattr(part, "out_features", None)
    if not isinstance(width, int):
        raise BuildError(f"{type(part).__name__} declares no out_features, the width of its output")
    return width
