"""The data that a command names."""

from __future__ import annotations

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from fer.config.overrides import key_of
from fer.config.renamed import with_current_targets
from fer.data.cleaning.clean import Cleaned, Cleaning
from fer.data.cleaning.fixes import read_fixes
from fer.data.metadata_table import WithMetadata
from fer.data.source import Source


def instantiate_source(data: DictConfig) -> Source:
    """Make the source that a configuration of data names, by its path of this version or before."""
    plain = OmegaConf.to_container(data.source, resolve=True)
    source: Source = instantiate(with_current_targets(plain), _convert_="all")
    return source


def cleaned_source(config: DictConfig) -> Source:
    """Make the source of the data with its metadata, cleaned and not yet divided.

    Raises:
        DataError: a file of fixes or metadata can't be used.
        OSError: it can't be read.
    """
    source = instantiate_source(config.data)
    clean = config.data.clean
    # What is structurally broken is the source's to deal with: nobody else sees it.
    cleaning = Cleaning(clean.blank, clean.duplicates, clean.conflicts)
    fixes = read_fixes(Path(clean.fixes).expanduser()) if clean.fixes else None
    source = Cleaned(source, cleaning, fixes)
    if config.data.metadata is not None:
        source = WithMetadata(source, config.data.metadata)
    return source


def chosen_data() -> str:
    """Return which choice of ``data=`` is evaluated on."""
    return str(HydraConfig.get().runtime.choices["data"])


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
    data = config.copy().data
    if scaling is not None:
        data.size, data.fit = scaling
    if frames is not None and "data.frames" not in map(key_of, HydraConfig.get().overrides.task):
        data.frames = frames
    source = instantiate_source(data)
    if data.get("manifest") is not None:
        from fer.data.fer2013_reference import WithOfficialRows

        source = WithOfficialRows(source)
    return source if data.get("metadata") is None else WithMetadata(source, data.metadata)
