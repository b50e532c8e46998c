"""The paper's network: branches side by side, joined by a fusion head, dense layers, N logits."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from fer.models.branch import Branch
from fer.models.build import BuildError, build, locate
from fer.models.fusion import Fusion
from fer.models.metadata import MetadataBranch
from fer.models.preprocessing import Preprocessing

Spec = Mapping[str, Any]


class FusionNetwork(nn.Module):
    """A CNN and an LSTM look at the same face side by side (Daniyal et al. 2024, Figure 3).

    What is known beside the face may be a third branch. Any branch may be left out; with one alone
    there is nothing to join and ``fusion`` is left out too.

    Args:
        classes: number of classes.
        size: height and width of the input, in pixels.
        preprocessing: spec of a :class:`~fer.models.preprocessing.Preprocessing`.
        backbone: spec of the branch that reads the face as a picture, or None.
        lstm: spec of the branch that reads it as a sequence, or None.
        metadata: spec of a :class:`~fer.models.metadata.MetadataBranch`, or None.
        fusion: spec of a :class:`~fer.models.fusion.Fusion`, or None with a single branch.
        head: spec of the dense layers.

    Shape:
        images: uint8 or float ``[B, 1, size, size]`` in 0–255.
        metadata: float32 ``[B, columns]`` as :func:`fer.core.metadata.encode` gives it, NaN where
        nothing is known; None where nothing is known of any.
        returns: logits ``[B, classes]``.

    Attributes:
        out_features: width of what the head reads.

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
        metadata: Spec | None = None,
        fusion: Spec | None = None,
    ) -> None:
        super().__init__()
        for name, spec in (("backbone", backbone), ("lstm", lstm)):
            _check_chosen(name, spec)
        self.preprocessing = build(preprocessing, expects=Preprocessing)
        try:
            side = self.preprocessing.output_size(size)
        except ValueError as error:
            raise BuildError(f"preprocessing: {error}") from error
        self.backbone = None if backbone is None else build(backbone, side, expects=nn.Module)
        self.lstm = None if lstm is None else self._make_lstm(lstm, side)
        self.metadata = None if metadata is None else build(metadata, expects=MetadataBranch)
        self.fusion = self._join(fusion, {"backbone": backbone, "lstm": lstm})
        last = self.fusion if self.fusion is not None else next(iter(self.branches.values()))
        self.out_features = _width(last)
        self.head = build(head, self.out_features, classes, expects=nn.Module)

    @property
    def branches(self) -> dict[str, nn.Module]:
        """The branches that there are, by name, in the order in which they are joined."""
        parts = {"backbone": self.backbone, "lstm": self.lstm, "metadata": self.metadata}
        return {name: part for name, part in parts.items() if part is not None}

    def forward(self, images: Tensor, metadata: Tensor | None = None) -> Tensor:
        return self.classify(self.features(images, metadata))

    def features(self, images: Tensor, metadata: Tensor | None = None) -> dict[str, Tensor]:
        """Return what each branch saw.

        That is ``[B, out_features]``, or its tokens ``[B, T, F]`` where the fusion reads those.
        """
        inputs: dict[str, Tensor | None] = {**self._inputs(self.preprocessing(images))}
        if self.metadata is not None and metadata is None:
            metadata = self.metadata.unknown(images)
        inputs["metadata"] = metadata
        if self.fusion is not None and self.fusion.reads_tokens:
            return {
                name: cast("Branch", branch).tokens(cast("Tensor", inputs[name]))
                for name, branch in self.branches.items()
            }
        return {name: branch(inputs[name]) for name, branch in self.branches.items()}

    def classify(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return logits ``[B, classes]`` of what :meth:`features` returned."""
        seen = list(features.values())
        logits: Tensor = self.head(seen[0] if self.fusion is None else self.fusion(seen))
        return logits

    def _make_lstm(self, spec: Spec, size: int) -> nn.Module:
        """Make the branch that reads the face as a sequence."""
        return build(spec, size, expects=nn.Module)

    def _inputs(self, x: Tensor) -> dict[str, Tensor]:
        """Return what each branch reads, of faces ``[B, 1, size, size]`` made ready."""
        return {"backbone": x, "lstm": x}

    def _join(self, spec: Spec | None, read: Mapping[str, Spec | None]) -> Fusion | None:
        names = list(self.branches)
        if not names:
            raise BuildError("the model has no branch: choose a backbone, an lstm, or both")
        if spec is None:
            if len(names) > 1:
                raise BuildError(
                    f"{' and '.join(names)} need a fusion to join them, but it is none: choose "
                    "fusion=concat or another"
                )
            return None
        if len(names) == 1:
            raise BuildError(
                f"fusion joins branches, but the model has only its {names[0]}: choose "
                "fusion=none, or both a backbone and an lstm"
            )
        kind = locate(str(spec.get("_target_")))
        reads_tokens = isinstance(kind, type) and issubclass(kind, Fusion) and kind.reads_tokens
        if reads_tokens:
            for name in names:
                check_pooling(name, read.get(name), "the fusion reads what is before it")
        width = "token_features" if reads_tokens else "out_features"
        widths = [_width(part, width) for part in self.branches.values()]
        return build(spec, widths, expects=Fusion)


def check_pooling(name: str, spec: Spec | None, why: str) -> None:
    """Refuse a pooling that was chosen for a branch whose places or steps are read before it.

    Args:
        name: of the branch.
        spec: of it.
        why: nothing reads its pooling.

    Raises:
        BuildError: it is not the default one.
    """
    for key in ("pool", "pooling"):
        if spec is not None and key in spec:
            usual = inspect.signature(locate(spec["_target_"])).parameters[key].default
            if spec[key] != usual:
                raise BuildError(
                    f"nothing reads model.{name}.{key}={spec[key]}: {why}; leave it at {usual}"
                )


def _width(part: nn.Module, name: str = "out_features") -> int:
    width = getattr(part, name, None)
    if not isinstance(width, int):
        raise BuildError(f"{type(part).__name__} declares no {name}, the width of its output")
    return width


def _check_chosen(name: str, spec: Spec | None) -> None:
    """Refuse options of a branch that is left out: a model may set some of its own."""
    if spec is not None and "_target_" not in spec:
        options = ", ".join(f"{key}={value}" for key, value in spec.items()) or "nothing"
        raise BuildError(
            f"the model sets {options} of its {name}, which is none: choose one by {name}=CHOICE, "
            "or another model (a part needs the import path of its class under '_target_')"
        )
