"""One after the other: a CNN makes a map of the face, an LSTM reads the map."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn

from fer.models.branch import map_shape
from fer.models.build import BuildError, build
from fer.models.network import FusionNetwork, Spec, check_pooling


class CRNN(FusionNetwork):
    """The CNN's feature map read as a sequence by a deep LSTM (Shi et al. 2017, "CRNN").

    The hybrids that Daniyal et al. (2024) compare themselves with put the two networks in a line,
    where the paper's own has them side by side. How the map becomes steps is the choice of the
    LSTM's view, which looks at the map here and not at the face: its positions in raster order, as
    a reshape of the map gives them, its rows from top to bottom, its columns from left to right, or
    patches of it.

    The arguments are those of :class:`~fer.models.network.FusionNetwork`, but the backbone is no
    branch of its own: the LSTM alone sees what it made, so there is nothing to join unless metadata
    are a second branch. The backbone gives a ``feature_map`` ``[B, C, h, h]``.

    Shape:
        as :class:`~fer.models.network.FusionNetwork`.

    Raises:
        BuildError: a part can't be made, the backbone or the LSTM is left out, or the backbone
            keeps no map of at least two places or is to pool it.
    """

    def __init__(
        self, *, backbone: Spec | None = None, lstm: Spec | None = None, **others: Any
    ) -> None:
        for name, spec, choices in (
            ("backbone", backbone, "small, vgg, resnet or timm"),
            ("lstm", lstm, "positions, rows or columns"),
        ):
            if spec is None:
                raise BuildError(
                    f"an LSTM reads the map of a backbone here, so that both are needed: choose "
                    f"{name}={choices}, or model=cnn or lstm for one alone"
                )
        check_pooling("backbone", backbone, "the LSTM reads the map before it")
        super().__init__(backbone=backbone, lstm=lstm, **others)

    @property
    def branches(self) -> dict[str, nn.Module]:
        """What is joined: the LSTM, and the metadata if they are read."""
        return {name: part for name, part in super().branches.items() if name != "backbone"}

    def _make_lstm(self, spec: Spec, size: int) -> nn.Module:
        channels, side = self._map_shape(size)
        return build(spec, side, expects=nn.Module, channels=channels)

    def _inputs(self, x: Tensor) -> dict[str, Tensor]:
        return {"lstm": cast("Any", self.backbone).feature_map(x)}

    def _map_shape(self, size: int) -> tuple[int, int]:
        """Return channels and side of the map of a face."""
        backbone = cast("nn.Module", self.backbone)
        channels, height, width = map_shape(backbone, size, "an LSTM")
        if height != width or height < 2:
            raise BuildError(
                f"the map that {type(backbone).__name__} makes of {size} pixels has "
                f"{height}×{width} places, and a sequence needs more: choose fewer stages, or "
                "larger faces by data.size"
            )
        return channels, height
