"""Networks that read a clip: a face over time, of any number of frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Final, Literal

import torch
from torch import Tensor, nn

from fer.models.build import BuildError, build
from fer.models.network import FusionNetwork, Spec
from fer.models.preprocessing import Preprocessing
from fer.models.time import TimeLSTM, is_real

#: What takes the place of parts that a frame's network is not to have of its own.
_PREPARED: Final[Spec] = {"_target_": "fer.models.preprocessing.Prepared"}
_NO_HEAD: Final[Spec] = {"_target_": "torch.nn.Identity"}

_VOTES: Final = ("probabilities", "logits")


class ClipNetwork(nn.Module, ABC):
    """What all networks of clips have in common: padding changes nothing.

    Frames behind a clip's length are never looked at: while training, batch statistics are those of
    real frames. Preprocessing treats a clip as one picture with its frames as channels, so that a
    random crop is the same for all of them.

    Args:
        size: height and width of the frames, in pixels.
        preprocessing: spec of a :class:`~fer.models.preprocessing.Preprocessing`.

    Shape:
        clips: uint8 or float ``[B, 1, T, size, size]`` in 0–255, with any T.
        lengths: int64 ``[B]``, how many frames of each are real, 1 to T; None where all are.
        returns: logits ``[B, classes]``.

    Raises:
        BuildError: a part can't be made or the parts don't fit.
    """

    #: Whether in training mode forward answers every real frame, ``[M, classes]``, clip by clip.
    answers_frames: ClassVar[bool] = False

    def __init__(self, *, size: int, preprocessing: Spec) -> None:
        super().__init__()
        self.preprocessing = build(preprocessing, expects=Preprocessing)
        try:
            self.side = self.preprocessing.output_size(size)
        except ValueError as error:
            raise BuildError(f"preprocessing: {error}") from error

    def forward(self, clips: Tensor, lengths: Tensor | None = None) -> Tensor:
        if lengths is None:
            lengths = torch.full((clips.shape[0],), clips.shape[2], device=clips.device)
        frames = self.preprocessing(clips.squeeze(1))
        return self.answer(frames, lengths)

    @abstractmethod
    def answer(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Return logits ``[B, classes]`` of frames made ready, ``[B, T, side, side]``."""


def each_frame(network: Callable[[Tensor], Tensor], frames: Tensor, lengths: Tensor) -> Tensor:
    """Return what a network of single faces makes of every real frame, and zeros behind them.

    Args:
        network: ``[M, 1, side, side]`` → ``[M, …]``.
        frames: ``[B, T, side, side]``.
        lengths: int64 ``[B]``.

    Returns:
        ``[B, T, …]``.
    """
    count, steps = frames.shape[:2]
    if torch.compiler.is_exporting() or frames.is_meta:
        # A graph can't leave frames out, nor can shapes alone; they change nothing, since their
        # answers are not used.
        every = network(frames.flatten(0, 1).unsqueeze(1))
        return every.view(count, steps, *every.shape[1:])
    real = is_real(lengths, steps)
    found = network(frames[real].unsqueeze(1))
    filled = found.new_zeros(count, steps, *found.shape[1:])
    filled[real] = found
    return filled


class ClipLSTM(ClipNetwork):
    """A network of single faces reads each frame, an LSTM reads what it saw over time.

    The "long-term recurrent convolutional network" of Donahue et al. (2015), which Fan et al.
    (2016) use for faces in films. Any network of single faces may read the frames: a CNN, the CNN
    and LSTM side by side, a transformer, or a :class:`~fer.models.crnn.CRNN`
    (``model.frame._target_``); its dense layers are left out.

    Args:
        classes: number of classes.
        size: height and width of the frames, in pixels.
        preprocessing: spec of a :class:`~fer.models.preprocessing.Preprocessing`.
        head: spec of the dense layers.
        frame: spec of the :class:`~fer.models.network.FusionNetwork` that reads a frame, without
            its parts.
        time: spec of a :class:`~fer.models.time.TimeLSTM`.
        **parts: of the frame's network: ``backbone``, ``lstm``, ``fusion``.

    Shape:
        as :class:`ClipNetwork`.
    """

    def __init__(
        self,
        *,
        classes: int,
        size: int,
        preprocessing: Spec,
        head: Spec,
        frame: Spec,
        time: Spec,
        **parts: Spec | None,
    ) -> None:
        super().__init__(size=size, preprocessing=preprocessing)
        self.frame = _frame_network(frame, parts, _NO_HEAD, classes, self.side)
        self.time = build(time, self.frame.out_features, expects=TimeLSTM)
        self.head = build(head, self.time.out_features, classes, expects=nn.Module)

    def answer(self, frames: Tensor, lengths: Tensor) -> Tensor:
        steps = each_frame(self.frame, frames, lengths)
        logits: Tensor = self.head(self.time(steps, lengths))
        return logits


class ClipFrames(ClipNetwork):
    """A network of single faces that answers each frame and votes: it knows nothing of time.

    The reference that models of clips are held against ("single-frame" in Karpathy et al. 2014). It
    learns from every real frame with the label of its clip; asked about a clip, it answers with the
    mean over the real frames.

    Args:
        classes: number of classes.
        size: height and width of the frames, in pixels.
        preprocessing: spec of a :class:`~fer.models.preprocessing.Preprocessing`.
        head: spec of the dense layers.
        frame: spec of the :class:`~fer.models.network.FusionNetwork` that reads a frame, without
            its parts.
        vote: what is averaged: ``probabilities``, whose logarithm is returned then, or ``logits``.
        **parts: of the frame's network: ``backbone``, ``lstm``, ``fusion``.

    Shape:
        as :class:`ClipNetwork`; while training, logits ``[M, classes]`` of the M real frames.

    Raises:
        ValueError: there is no such vote.
    """

    answers_frames = True

    def __init__(
        self,
        *,
        classes: int,
        size: int,
        preprocessing: Spec,
        head: Spec,
        frame: Spec,
        vote: Literal["probabilities", "logits"] = "probabilities",
        **parts: Spec | None,
    ) -> None:
        if vote not in _VOTES:
            raise ValueError(f"unknown vote {vote!r}; there are {', '.join(_VOTES)}")
        super().__init__(size=size, preprocessing=preprocessing)
        self.vote = vote
        self.frame = _frame_network(frame, parts, head, classes, self.side)

    def answer(self, frames: Tensor, lengths: Tensor) -> Tensor:
        real = is_real(lengths, frames.shape[1])
        if self.training:
            each: Tensor = self.frame(frames[real].unsqueeze(1))
            return each
        answers = each_frame(self.frame, frames, lengths).float()
        if self.vote == "probabilities":
            answers = answers.softmax(dim=2)
        # Not multiplied by the mask: what is no number stays none then.
        summed = torch.where(real.unsqueeze(2), answers, 0.0).sum(dim=1)
        mean = summed / lengths.unsqueeze(1)
        return mean.clamp_min(1e-12).log() if self.vote == "probabilities" else mean


def _frame_network(
    spec: Spec, parts: dict[str, Any], head: Spec, classes: int, side: int
) -> FusionNetwork:
    """Make the network that reads single frames, which are made ready before."""
    if parts.pop("metadata", None) is not None:
        raise BuildError("a network of clips reads nothing beside them: choose metadata=none")
    wiring = {"classes": classes, "size": side, "preprocessing": _PREPARED, "head": head}
    return build(spec, expects=FusionNetwork, **wiring, **parts)
