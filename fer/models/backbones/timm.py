"""Any network of the timm library (Wightman 2019) as a backbone for grey faces."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor

from fer.core.ranges import PictureSide
from fer.models.branch import Branch


class Timm(Branch):
    """A timm network without its classifier, reading one grey channel.

    Args:
        size: height and width of the input, in pixels.
        name: of the network, as ``timm.list_models()`` gives it.
        pretrained: load timm's own weights, fetched over the network once.
        weights: a local file of weights instead (``.safetensors`` or a plain state dict).
        resize: scale faces to this many pixels first; null leaves them. Networks that shrink by 32
            see a 48-pixel face as a single place.

    Shape:
        ``[B, 1, size, size]`` → ``[B, out_features]``.

    Raises:
        ValueError: unknown name, weights that are missing, don't fit or can't be fetched, or an
            input size that the network can't take.
    """

    def __init__(
        self,
        size: int,
        *,
        name: str,
        pretrained: bool = False,
        weights: str | None = None,
        resize: PictureSide | None = None,
    ) -> None:
        super().__init__()
        if not timm.is_model(name):
            near = get_close_matches(name, timm.list_models(), n=3)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise ValueError(f"timm has no network {name!r}{hint}")
        if weights is not None and not Path(weights).is_file():
            raise ValueError(f"there is no file of weights {weights!r}")
        self.resize = resize
        self.name = name
        # timm's own classes share no base: what they have in common is duck-typed.
        self.network: Any = _create(name, resize or size, pretrained=pretrained, weights=weights)
        self.token_features, self.out_features = self._widths(size)

    def forward(self, x: Tensor) -> Tensor:
        # The network's own pooling and whatever follows it: its weights were trained with that.
        features = self.network.forward_features(self._resized(x))
        pooled: Tensor = self.network.forward_head(features, pre_logits=True)
        return pooled

    def tokens(self, x: Tensor) -> Tensor:
        features: Tensor = self.network.forward_features(self._resized(x))
        if features.ndim == 3:
            return features
        return self._channels_first(features).flatten(2).transpose(1, 2)

    def feature_map(self, x: Tensor) -> Tensor:
        """Return ``[B, token_features, h, w]``.

        Raises:
            ValueError: the network keeps no map: a transformer has a list of tokens.
        """
        features: Tensor = self.network.forward_features(self._resized(x))
        if features.ndim != 4:
            raise ValueError(f"timm network {self.name!r} has tokens and keeps no feature map")
        return self._channels_first(features)

    def pool(self, tokens: Tensor) -> Tensor:
        return tokens.mean(dim=1)

    def _channels_first(self, features: Tensor) -> Tensor:
        if getattr(self.network, "output_fmt", "NCHW") == "NHWC":
            return features.permute(0, 3, 1, 2)
        return features

    def _resized(self, x: Tensor) -> Tensor:
        if self.resize is None or x.shape[-1] == self.resize:
            return x
        side = (self.resize, self.resize)
        return F.interpolate(x, side, mode="bilinear", align_corners=False)

    @torch.no_grad()
    def _widths(self, size: int) -> tuple[int, int]:
        """Measure the widths: the attributes that timm gives are not the same for all networks."""
        was_training = self.training
        self.eval()
        face = torch.zeros(1, 1, size, size)
        try:
            return self.tokens(face).shape[2], self(face).shape[1]
        except (RuntimeError, AssertionError) as error:
            raise ValueError(
                f"timm network {self.name!r} can't read {size} "
                f"pixels ({_first_line(error)}); set model.backbone.resize"
            ) from error
        finally:
            self.train(was_training)


def _create(name: str, pixels: int, *, pretrained: bool, weights: str | None) -> torch.nn.Module:
    options: dict[str, Any] = {"in_chans": 1, "num_classes": 0}
    if weights is not None:
        pretrained = True
        options["pretrained_cfg_overlay"] = {"file": weights}
    try:
        try:
            # Transformers must know the size of their input, others have no such argument.
            return timm.create_model(name, pretrained=pretrained, img_size=pixels, **options)
        except TypeError as error:
            if "img_size" not in str(error):
                raise
            return timm.create_model(name, pretrained=pretrained, **options)
    except Exception as error:
        # timm, its hub client and torch raise many kinds here, which mean one thing to the user.
        if not pretrained:
            raise ValueError(f"timm network {name!r}: {_first_line(error)}") from error
        source = weights or "the network"
        raise ValueError(
            f"timm network {name!r}: its weights can't be loaded from {source} "
            f"({_first_line(error)}); name a local file by model.backbone.weights=FILE, or set "
            "model.backbone.pretrained=false"
        ) from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]
