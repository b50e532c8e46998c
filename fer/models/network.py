"""The paper's network: branches side by side, joined by a fusion head, dense layers, N logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from fer.models.branch import Branch
from fer.models.build import BuildError, build, locate
from fer.models.fusion import Fusion
from fer.models.preprocessing import Preprocessing

Spec = Mapping[str, Any]


class FusionNetwork(nn.Module):
    """A CNN and an LSTM look at the same face side by side (Daniyal et al. 2024, Figure 3).

    Either branch may be left out; then there is nothing to join and ``fusion`` is left out too.

    Args:
        classes: number of classes.
        size: height and width of the input, in pixels.
        preprocessing: spec of a :class:`~fer.models.preprocessing.Preprocessing`.
        backbone: spec of the branch that reads the face as a picture, or None.
        lstm: spec of the branch that reads it as a sequence, or None.
        fusion: spec of a :class:`~fer.models.fusion.Fusion`, or None with a single branch.
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
        head: Spec,
        backbone: Spec | None = None,
        lstm: Spec | None = None,
        fusion: Spec | None = None,
    ) -> None:
        super().__init__()
        self.preprocessing = build(preprocessing, expects=Preprocessing)
        self.backbone = None if backbone is None else build(backbone, size, expects=nn.Module)
        self.lstm = None if lstm is None else build(lstm, size, expects=nn.Module)
        self.fusion = self._join(fusion)
        last = self.fusion if self.fusion is not None else next(iter(self.branches.values()))
        self.head = build(head, _width(last), classes, expects=nn.Module)

    @property
    def branches(self) -> dict[str, nn.Module]:
        """The branches that there are, by name, in the order in which they are joined."""
        parts = {"backbone": self.backbone, "lstm": self.lstm}
        return {name: part for name, part in parts.items() if part is not None}

    def forward(self, images: Tensor) -> Tensor:
        x = self.preprocessing(images)
        branches = list(self.branches.values())
        if self.fusion is None:
            features = branches[0](x)
        elif self.fusion.reads_tokens:
            features = self.fusion([cast("Branch", branch).tokens(x) for branch in branches])
        else:
            features = self.fusion([branch(x) for branch in branches])
        logits: Tensor = self.head(features)
        return logits

    def _join(self, spec: Spec | None) -> Fusion | None:
        names = list(self.branches)
        if not names:
            raise BuildError("the model has no branch: choose a backbone, an lstm, or both")
        if spec is None:
            if len(names) > 1:
                raise BuildError(
                    f"{' and '.join(names)} need a fusion to join them, but it is none"
                )
            return None
        if len(names) == 1:
            raise BuildError(
                f"fusion joins two branches, but the model has only its {names[0]}: choose "
                "fusion=none, or both a backbone and an lstm"
            )
        target = spec.get("_target_")
        reads_tokens = isinstance(target, str) and getattr(locate(target), "reads_tokens", False)
        name = "token_features" if reads_tokens else "out_features"
        return build(spec, [_width(part, name) for part in self.branches.values()], expects=Fusion)


def _width(part: nn.Module, name: str = "out_features") -> int:
    width = getattr(part, name, None)
    if not isinstance(width, int):
        raise BuildError(f"{type(part).__name__} declares no {name}, the width of its output")
    return width
