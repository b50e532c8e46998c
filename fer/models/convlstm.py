"""Convolution inside the recurrence: what is remembered stays where in the face it was seen."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, cast

import torch
from annotated_types import Ge, Predicate
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

from fer.core.ranges import Widths, is_odd
from fer.models.branch import map_shape
from fer.models.build import BuildError, build
from fer.models.clips import ClipNetwork, each_frame
from fer.models.network import Spec, check_pooling
from fer.models.time import is_real


class ConvLSTMLayer(nn.Module):
    """One layer of a convolutional LSTM (Shi et al. 2015, equation 3).

    The products of an LSTM are convolutions, so that its state is a map of the face. The peephole
    connections are left out: their weights would belong to places of the map, and later work does
    without. The forget gate begins open (Jozefowicz et al. 2015).

    Args:
        channels: of the input.
        width: channels of the state.
        kernel: odd side of the filters.

    Shape:
        maps ``[B, T, channels, h, w]`` and lengths int64 ``[B]`` → states ``[B, T, width, h, w]``;
        behind its last real step a clip keeps its state.

    Raises:
        ValueError: the side is even, or a number below 1.
    """

    def __init__(self, channels: int, width: int, *, kernel: int = 3) -> None:
        if width < 1 or kernel < 1 or kernel % 2 == 0:
            raise ValueError(
                f"a convolutional LSTM has at least one channel and odd filters, not {width} and "
                f"{kernel}"
            )
        super().__init__()
        self.width = width
        self.from_input = nn.Conv2d(channels, 4 * width, kernel, padding=kernel // 2)
        self.from_state = nn.Conv2d(width, 4 * width, kernel, padding=kernel // 2, bias=False)
        with torch.no_grad():
            cast("Tensor", self.from_input.bias)[width : 2 * width] = 1.0

    def forward(self, maps: Tensor, lengths: Tensor) -> Tensor:
        count, steps = maps.shape[:2]
        real = is_real(lengths, steps).transpose(0, 1)[:, :, None, None, None]
        # What the input adds to the gates needs no recurrence: all steps at once.
        added = self.from_input(maps.flatten(0, 1)).unflatten(0, (count, steps)).transpose(0, 1)
        start = added.new_zeros(count, self.width, *maps.shape[3:])
        if torch.compiler.is_exporting():
            # A loop over any number of steps, which the graph has as one node.
            _, states = scan(self._scanned, [start, start.clone()], [added, real])
            exported: Tensor = states[0].transpose(0, 1)
            return exported
        state, cell, found = start, start, []
        for one, is_there in zip(added, real, strict=True):
            state, cell = self._step(state, cell, one, is_there)
            found.append(state)
        return torch.stack(found, dim=1)

    def _step(
        self, state: Tensor, cell: Tensor, added: Tensor, real: Tensor
    ) -> tuple[Tensor, Tensor]:
        gates = added + self.from_state(state)
        enter, keep, leave, new = gates.chunk(4, dim=1)
        kept = keep.sigmoid() * cell + enter.sigmoid() * new.tanh()
        seen = leave.sigmoid() * kept.tanh()
        return torch.where(real, seen, state), torch.where(real, kept, cell)

    def _scanned(
        self, carried: list[Tensor], inputs: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        state, cell = self._step(*carried, *inputs)
        return [state, cell], [state.clone()]


class ConvLSTM(ClipNetwork):
    """A CNN makes a map of each frame, convolutional LSTM layers read the maps over time.

    The state after the last real frame is averaged and maximised over its places, and dense layers
    answer. Shi et al. (2015) read maps of rain from pixels; the first stages of a CNN before it are
    what keeps the recurrence small enough for faces.

    Args:
        classes: number of classes.
        size: height and width of the frames, in pixels.
        preprocessing: spec of a :class:`~fer.models.preprocessing.Preprocessing`.
        head: spec of the dense layers.
        backbone: spec of a backbone with a ``feature_map``.
        widths: channels of each layer's state.
        kernel: odd side of the recurrent filters.
        **parts: must be None: nothing else is read.

    Shape:
        as :class:`~fer.models.clips.ClipNetwork`.

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
        widths: Widths = (32,),
        kernel: Annotated[int, Ge(1), Predicate(is_odd)] = 3,
        **parts: Spec | None,
    ) -> None:
        super().__init__(size=size, preprocessing=preprocessing)
        if given := [name for name, spec in parts.items() if spec is not None]:
            raise BuildError(
                f"a convolutional LSTM reads a backbone's maps alone: choose "
                f"{' and '.join(f'{name}=none' for name in given)}"
            )
        if backbone is None:
            raise BuildError(
                "a convolutional LSTM reads a backbone's maps: choose backbone=shallow"
            )
        check_pooling("backbone", backbone, "the recurrence reads the map before it")
        self.backbone = build(backbone, self.side, expects=nn.Module)
        channels = [map_shape(self.backbone, self.side, "a convolutional LSTM")[0], *widths]
        if not widths:
            raise BuildError("widths: a convolutional LSTM has at least one layer")
        try:
            self.layers = nn.ModuleList(
                ConvLSTMLayer(a, b, kernel=kernel) for a, b in pairwise(channels)
            )
        except ValueError as error:
            raise BuildError(str(error)) from error
        self.head = build(head, 2 * channels[-1], classes, expects=nn.Module)

    def answer(self, frames: Tensor, lengths: Tensor) -> Tensor:
        maps = each_frame(cast("Any", self.backbone).feature_map, frames, lengths)
        for layer in self.layers:
            maps = layer(maps, lengths)
        # Behind its last frame a clip keeps its state.
        last = maps[:, -1].flatten(2)
        logits: Tensor = self.head(torch.cat([last.mean(dim=2), last.amax(dim=2)], dim=1))
        return logits
