"""What the configuration of an evaluation must be beyond its types, and the data that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from omegaconf import DictConfig, OmegaConf

from fer.config.problems import ConfigError, Problem
from fer.config.rules import rule_for
from fer.config.training import misfit_of_clips, reads_clips
from fer.core.errors import UserError
from fer.core.pretrained import is_pretrained_name, weights_path
from fer.data.source import Source

_SUBJECTS: Final = ("ckpt", "predictions", "compare")

#: Keys of the data that training alone reads, and what an evaluation does instead.
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
#: What the folder of a run or of a judgement holds.
_FILES: Final = {"ckpt": "checkpoints/best.ckpt", "predictions": "predictions.parquet"}
#: Keys of the data that a checkpoint decides.
OF_MODEL: Final = ("data.size", "data.fit")


def check_evaluation(config: DictConfig, overrides: Sequence[str]) -> list[Problem]:
    """Return what is wrong with the choice of what is judged, before anything heavy is loaded.

    Args:
        config: the composed configuration.
        overrides: of the command line.
    """
    problems = []
    given = [name for name in _SUBJECTS if config[name] is not None]
    if len(given) != 1:
        said = f"not {' and '.join(given)} together" if given else "there is none of them"
        what = f"name one thing to judge, ckpt=PATH, predictions=FILE or compare=[A,B]: {said}"
        problems.append(Problem("ckpt", what))
    problems += [p for name in ("ckpt", "predictions") for p in _missing(name, config[name])]
    if config.compare is not None and rule_for("compare", None).complaint(_plain(config)) is None:
        problems += _check_comparison(contenders(config))
    if config.robustness is not False and config.predictions is not None:
        problems.append(Problem("robustness", "needs a model to ask again: ckpt=PATH"))
    set_keys = {text.partition("=")[0].lstrip("+") for text in overrides}
    problems += [Problem(key, why) for key, why in OF_TRAINING.items() if key in set_keys]
    if config.ckpt is not None:
        problems += [
            Problem(key, "the checkpoint says how faces are scaled: leave it out")
            for key in OF_MODEL
            if key in set_keys
        ]
    return problems


def _missing(name: str, text: Any) -> list[Problem]:
    """Say what is wrong with the name of a model or of a file."""
    if not isinstance(text, str) or Path(text).is_file():
        return []
    if Path(text).is_dir():
        hint = f"it is a folder; name the file in it, such as {text}/{_FILES[name]}"
        return [Problem(name, f"there is no file {text!r}: {hint}")]
    if name == "ckpt" and is_pretrained_name(text):
        try:
            weights_path(text)
        except UserError as error:
            return [Problem(name, str(error))]
        return []
    return [Problem(name, f"there is no file {text!r}")]


def check_form(config: DictConfig, model: object) -> None:
    """Hold the data against what a model reads, before any of it is read.

    Raises:
        ConfigError: the model reads clips and the data are single faces, or the other way round.
    """
    of_clips = getattr(model, "frames", None) is not None
    if misfit := misfit_of_clips(of_clips, data=reads_clips(config)):
        way = misfit.partition(", or a model")[0].partition("choose model=")
        choose = "choose data of single faces, such as data=fer2013" if way[1] else ""
        raise ConfigError([Problem("data", f"the model {way[0]}{choose}")])


def contenders(config: DictConfig) -> dict[str, list[Path]]:
    """Return the files and folders to compare: by name, one for each seed."""
    found = _plain(config)
    named: dict[str, list[Path]] = {}
    if isinstance(found, dict):
        items = [(str(name), value) for name, value in found.items()]
    else:
        items = [("", value) for value in found or []]
    for name, value in items:
        paths = [Path(text) for text in ([value] if isinstance(value, str) else value)]
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        named.setdefault(name or f"{paths[0]}{more}", []).extend(paths)
    return named


def _plain(config: DictConfig) -> Any:
    """Return what is to be compared as plain containers."""
    value = config.compare
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _check_comparison(named: Mapping[str, Sequence[Path]]) -> list[Problem]:
    if len(named) < 2:
        return [Problem("compare", "needs two models or more")]
    every = [path for paths in named.values() for path in paths]
    problems = [
        Problem("compare", f"there is no file or folder {str(path)!r}")
        for path in every
        if not path.exists()
    ]
    twice = sorted({str(path) for path in every if every.count(path) > 1})
    return problems + [Problem("compare", f"{path!r} is named twice") for path in twice]


def chosen_data() -> str:
    """Return which choice of ``data=`` is evaluated on."""
    from hydra.core.hydra_config import HydraConfig

    return str(HydraConfig.get().runtime.choices["data"])


def _is_given(key: str) -> bool:
    from hydra.core.hydra_config import HydraConfig

    given = HydraConfig.get().overrides.task
    return any(text.lstrip("+").startswith(f"{key}=") for text in given)


def evaluation_source(
    config: DictConfig, scaling: tuple[int, str] | None, frames: int | None = None
) -> Source:
    """Make the source of the data, as it is: neither cleaned nor augmented.

    Args:
        config: the composed configuration.
        scaling: size and fit of the model's faces; None: as configured.
        frames: the most frames of the clips that the model learnt from, which those of the data
            have too unless data.frames was given; None: as configured.
    """
    from fer.config.sources import instantiate_source

    data = config.copy().data
    if scaling is not None:
        data.size, data.fit = scaling
    if frames is not None and not _is_given("data.frames"):
        data.frames = frames
    source = instantiate_source(data)
    if data.get("manifest") is not None:
        from fer.data.fer2013_reference import WithOfficialRows

        source = WithOfficialRows(source)
    if data.get("metadata") is not None:
        from fer.data.metadata_table import WithMetadata

        source = WithMetadata(source, data.metadata)
    return source
