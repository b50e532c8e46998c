"""Choices of a training or an evaluation that don't go together, checked without torch.

What would be asked for and read by nothing is refused: nobody would miss it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from omegaconf import DictConfig, OmegaConf

from fer.config.issues import ConfigError, ConfigIssue
from fer.config.overrides import key_of
from fer.config.schema import value_issue
from fer.core.errors import UserError
from fer.core.pretrained import is_pretrained_name, weights_path

#: Sources that have labels only, whatever their other keys.
_LABELS_ALONE: Final = (
    "fer.data.sources.Fer2013",
    "fer.data.sources.ImageFolder",
    "fer.data.sources.FaceTable",
    "fer.data.synthetic.SyntheticFaces",
    "fer.data.synthetic.SyntheticClips",
    "fer.data.sources.ClipFolder",
)
_FER_PLUS: Final = "fer.data.sources.FerPlus"
_SOFT: Final = "fer.learning.losses.SoftTargetLoss"
#: Models of clips and of faces; others are told apart once they are built.
_OF_CLIPS: Final = ("fer.models.ClipLSTM", "fer.models.ClipFrames", "fer.models.ConvLSTM")
_OF_FACES: Final = ("fer.models.FusionNetwork", "fer.models.CRNN")

#: Keys of the data that only training reads, and what an evaluation does instead.
OF_TRAINING: Final[Mapping[str, str]] = {
    "data.clean.blank": "an evaluation takes the faces as they are",
    "data.clean.duplicates": "an evaluation states the score without copies beside the official",
    "data.clean.conflicts": "an evaluation takes the faces as they are",
    "data.batch_size": "write batch_size",
    "data.workers": "an evaluation has no loader processes",
    "data.resident": "an evaluation has no loaders",
    "data.protocol": "an evaluation takes the official split",
    "data.only_classes": "an evaluation takes all classes",
    "data.folds": "an evaluation does not read the training faces",
    "data.fold": "an evaluation does not read the training faces",
}
#: Keys of the data that a checkpoint decides.
OF_MODEL: Final = ("data.size", "data.fit")
#: What is evaluated: one of these keys names it, here with what a run's or evaluation's folder has.
_SUBJECTS: Final = {
    "ckpt": "checkpoints/best.ckpt", "predictions": "predictions.parquet", "compare": "",
}  # fmt: skip


def check_training(config: DictConfig, _overrides: Sequence[str]) -> list[ConfigIssue]:
    """Return which choices of a training do not go together."""
    issues = _clip_issues(config)
    source = OmegaConf.select(config, "data.source._target_")
    has_metadata = config.data.get("metadata") is not None
    if has_metadata and config.model.get("metadata") is None and not reads_clips(config):
        what = "nothing reads it with metadata=none: choose metadata=dense"
        issues.append(ConfigIssue("unread", "data.metadata", what))
    if source == _LABELS_ALONE[0] and config.data.get("manifest") is not None:
        what = "FER2013's own labels need no rows: leave it out (data=ferplus and evaluate read it)"
        issues.append(ConfigIssue("unread", "data.manifest", what))
    votes = source == _FER_PLUS and config.data.get("target") == "distribution"
    known = source in (*_LABELS_ALONE, _FER_PLUS)
    if OmegaConf.select(config, "loss._target_") == _SOFT and known and not votes:
        what = (
            "SoftTargetLoss learns from distributions of votes: choose data=ferplus "
            "data.target=distribution, or another loss"
        )
        issues.append(ConfigIssue("needs_votes", "loss=soft", what))
    for key, name in named_checkpoints(config):
        issues += _missing_model(key, name, ".pt")
    return issues


def named_checkpoints(config: DictConfig) -> list[tuple[str, str]]:
    """Return the keys that name checkpoints to begin with or to learn from, and what they name."""
    teachers = OmegaConf.select(config, "callbacks.distillation.teachers") or ()
    keys: list[tuple[str, Any]] = [("init_from", config.get("init_from"))]
    keys += [(f"callbacks.distillation.teachers[{i}]", t) for i, t in enumerate(teachers)]
    return [(key, value) for key, value in keys if isinstance(value, str)]


def with_pretrained_paths(config: DictConfig) -> DictConfig:
    """Return a copy with paths in place of the names of models that come with the package."""
    used = config.copy()
    for key, name in named_checkpoints(used):
        if is_pretrained_name(name):
            OmegaConf.update(used, key, str(weights_path(name, ".pt")))
    return used


def reads_clips(config: DictConfig) -> bool:
    """Return True if a configuration's data are clips."""
    return config.data.get("frames") is not None


def clips_mismatch(of_clips: bool, *, data: bool) -> str:
    """Return why a model and data don't go together, and what to choose; empty where they do."""
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


def _clip_issues(config: DictConfig) -> list[ConfigIssue]:
    """Find a model of clips with single faces, or the reverse, and what clips can't have."""
    target, data = config.model.get("_target_"), reads_clips(config)
    issues = []
    mismatch = clips_mismatch(target in _OF_CLIPS, data=data)
    if target in (*_OF_CLIPS, *_OF_FACES) and mismatch:
        what = f"{target.rpartition('.')[2]} {mismatch}"
        issues.append(ConfigIssue("clips_or_faces", "model", what))
    if data and config.data.get("protocol") != "official":
        what = "is made for single faces: leave it at official"
        issues.append(ConfigIssue("not_for_clips", "data.protocol", what))
    metadata = (config.model.get("metadata"), config.data.get("metadata"))
    if data and metadata != (None, None):
        what = "nothing is read beside clips: choose metadata=none, and no data.metadata"
        issues.append(ConfigIssue("not_for_clips", "metadata", what))
    return issues


def check_evaluation(config: DictConfig, overrides: Sequence[str]) -> list[ConfigIssue]:
    """Return what is wrong with the choice of what is evaluated."""
    issues = []
    given = [name for name in _SUBJECTS if config[name] is not None]
    if len(given) != 1:
        said = f"not {' and '.join(given)} together" if given else "there is none of them"
        what = f"name one thing to judge, ckpt=PATH, predictions=FILE or compare=[A,B]: {said}"
        issues.append(ConfigIssue("one_subject", "ckpt", what))
    issues += _missing_model("ckpt", config.ckpt)
    issues += _missing_model("predictions", config.predictions)
    compared = _plain(config.compare)
    if compared is not None and value_issue("compare", compared, None) is None:
        issues += _comparison_issues(contenders(config))
    if config.robustness is not False and config.predictions is not None:
        what = "needs a model to ask again: ckpt=PATH"
        issues.append(ConfigIssue("needs_model", "robustness", what))
    set_keys = {*map(key_of, overrides)}
    issues += [
        ConfigIssue("unread", key, why) for key, why in OF_TRAINING.items() if key in set_keys
    ]
    if config.ckpt is not None:
        what = "the checkpoint says how faces are scaled: leave it out"
        issues += [ConfigIssue("unread", key, what) for key in OF_MODEL if key in set_keys]
    return issues


def _missing_model(key: str, text: Any, suffix: str = "") -> list[ConfigIssue]:
    """Report a file that is not there, or a name of no model that comes with the package.

    Args:
        key: that names it.
        text: a path or a name.
        suffix: of a model that comes with the package, where it is to be a checkpoint: its file is
            looked for when it is read.
    """
    path = Path(text) if isinstance(text, str) else None
    if path is None or path.is_file():
        return []
    if suffix or (key == "ckpt" and is_pretrained_name(text) and not path.is_dir()):
        try:
            weights_path(text, suffix) if suffix else weights_path(text)
        except UserError as error:
            return [ConfigIssue("missing_model", key, str(error))]
        return []
    hint = f": it is a folder; name the file in it, such as {text}/{_SUBJECTS[key]}"
    what = f"there is no file {text!r}{hint if path.is_dir() else ''}"
    return [ConfigIssue("missing_file", key, what)]


def check_form(config: DictConfig, model: object) -> None:
    """Check that the data are of the form that a model reads, before any of it is read.

    Raises:
        ConfigError: the model reads clips and the data are single faces, or the other way round.
    """
    of_clips = getattr(model, "frames", None) is not None
    if clips_mismatch(of_clips, data=reads_clips(config)):
        what = (
            "the model reads clips, and this data are single faces: choose data=synthetic_clips "
            "or data=clips"
            if of_clips
            else "the model reads single faces, and this data are clips: choose data of single "
            "faces, such as data=fer2013"
        )
        raise ConfigError([ConfigIssue("clips_or_faces", "data", what)])


def contenders(config: DictConfig) -> dict[str, list[Path]]:
    """Return the files and folders to compare: by name, one for each seed."""
    found = _plain(config.compare)
    named: dict[str, list[Path]] = {}
    items = found.items() if isinstance(found, dict) else [("", value) for value in found or []]
    for name, value in items:
        paths = [Path(text) for text in ([value] if isinstance(value, str) else value)]
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        named.setdefault(str(name) or f"{paths[0]}{more}", []).extend(paths)
    return named


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def _comparison_issues(named: Mapping[str, Sequence[Path]]) -> list[ConfigIssue]:
    if len(named) < 2:
        return [ConfigIssue("too_few", "compare", "needs two models or more")]
    every = [path for paths in named.values() for path in paths]
    missing = [f"there is no file or folder {str(path)!r}" for path in every if not path.exists()]
    twice = sorted({str(path) for path in every if every.count(path) > 1})
    return [
        *(ConfigIssue("missing_file", "compare", what) for what in missing),
        *(ConfigIssue("named_twice", "compare", f"{path!r} is named twice") for path in twice),
    ]
