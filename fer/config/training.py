"""What the configuration of a training must be beyond its types, readable without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from omegaconf import DictConfig, OmegaConf

from fer.config.named import check_names
from fer.config.problems import Problem

#: Sources that have labels alone, whatever their other keys.
_LABELS_ALONE: Final = (
    "fer.data.sources.Fer2013",
    "fer.data.sources.ImageFolder",
    "fer.data.sources.FaceTable",
    "fer.data.synthetic.SyntheticFaces",
    "fer.data.synthetic.SyntheticClips",
    "fer.data.sources.ClipFolder",
)
#: Models of clips; others are told apart once they are made.
_OF_CLIPS: Final = ("fer.models.ClipLSTM", "fer.models.ClipFrames", "fer.models.ConvLSTM")
_OF_FACES: Final = ("fer.models.FusionNetwork", "fer.models.CRNN")
_FER_PLUS: Final = "fer.data.sources.FerPlus"
_SOFT: Final = "fer.learning.losses.SoftTargetLoss"


def check_training(config: DictConfig, _overrides: Sequence[str]) -> list[Problem]:
    """Return which choices of a training do not go together, before anything heavy is loaded.

    What would be asked for and read by nothing is refused: nobody would miss it.

    Args:
        config: the composed configuration.
    """
    problems = _clips(config)
    source = OmegaConf.select(config, "data.source._target_")
    without = config.model.get("metadata") is None and not reads_clips(config)
    if config.data.get("metadata") is not None and without:
        problems.append(
            Problem("data.metadata", "nothing reads it with metadata=none: choose metadata=dense")
        )
    if source == _LABELS_ALONE[0] and config.data.get("manifest") is not None:
        what = "FER2013's own labels need no rows: leave it out (data=ferplus and evaluate read it)"
        problems.append(Problem("data.manifest", what))
    votes = source == _FER_PLUS and config.data.get("target") == "distribution"
    known = source in (*_LABELS_ALONE, _FER_PLUS)
    if OmegaConf.select(config, "loss._target_") == _SOFT and known and not votes:
        what = "learns from distributions of votes: choose data=ferplus data.target=distribution"
        problems.append(Problem("loss=soft", f"SoftTargetLoss {what}, or another loss"))
    return problems + check_names(config)


def reads_clips(config: DictConfig) -> bool:
    """Say whether a configuration's data are clips."""
    return config.data.get("frames") is not None


def misfit_of_clips(of_clips: bool, *, data: bool) -> str:
    """Return why a model and data don't go together, and what to choose.

    Args:
        of_clips: the model reads clips.
        data: the data are clips.
    """
    if of_clips == data:
        return ""
    if of_clips:
        return (
            "reads clips, and this data are single faces: choose data=synthetic_clips or "
            "data=clips, or a model of single faces, such as model=cnn_lstm"
        )
    return (
        "reads single faces, and this data are clips: choose model=clip_lstm, convlstm or "
        "clip_frames, or data of single faces, such as data=fer2013"
    )


def _clips(config: DictConfig) -> list[Problem]:
    """Find a model of clips with single faces, or the reverse, and what clips can't have."""
    target, data = config.model.get("_target_"), reads_clips(config)
    problems = []
    if target in (*_OF_CLIPS, *_OF_FACES):
        misfit = misfit_of_clips(target in _OF_CLIPS, data=data)
        problems += [Problem("model", f"{target.rpartition('.')[2]} {misfit}")] if misfit else []
    if not data:
        return problems
    if config.data.get("protocol") != "official":
        what = "is made for single faces: leave it at official"
        problems.append(Problem("data.protocol", what))
    if config.model.get("metadata") is not None or config.data.get("metadata") is not None:
        what = "nothing is read beside clips: choose metadata=none, and no data.metadata"
        problems.append(Problem("metadata", what))
    return problems
