"""The data that a training names, cleaned as it says."""

from __future__ import annotations

from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

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
