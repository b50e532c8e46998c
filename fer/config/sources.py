"""The data that a training names, cleaned as it says."""

from __future__ import annotations

from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig

from fer.data.cleaning.clean import Cleaned, Cleaning
from fer.data.cleaning.fixes import read_fixes
from fer.data.metadata_table import WithMetadata
from fer.data.source import Source


def cleaned_source(config: DictConfig) -> Source:
    """Make the source of the data with its metadata, cleaned and not yet divided.

    Raises:
        DataError: a file of fixes or metadata can't be used.
        OSError: it can't be read.
    """
    source: Source = instantiate(config.data.source, _convert_="all")
    clean = config.data.clean
    # What is structurally broken is the source's to deal with: nobody else sees it.
    cleaning = Cleaning(clean.blank, clean.duplicates, clean.conflicts)
    fixes = read_fixes(Path(clean.fixes).expanduser()) if clean.fixes else None
    source = Cleaned(source, cleaning, fixes)
    if config.data.metadata is not None:
        source = WithMetadata(source, config.data.metadata)
    return source
