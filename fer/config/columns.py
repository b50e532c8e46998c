"""Which columns of metadata a network reads."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig

from fer.data.source import Source
from fer.learning import FerModule
from fer.models import BuildError


def chosen_columns(config: DictConfig, source: Source) -> dict[str, Any]:
    """Describe the metadata that the model is to read, as its checkpoint will hold it.

    Raises:
        BuildError: the data has no metadata, or not the columns that were asked for.
    """
    there = source.metadata_columns()
    wanted = config.model.metadata.columns
    if not there:
        raise BuildError(
            "the metadata branch needs columns (age, gender, context), but this data has none: "
            "choose metadata=none, or name a table by data.metadata=FILE (for data=folder, "
            "metadata.csv in its root serves too)"
        )
    if unknown := [name for name in wanted or () if name not in there]:
        raise BuildError(
            f"model.metadata.columns: the data has no {', '.join(unknown)}; it has "
            f"{', '.join(there)}"
        )
    return {name: dict(there[name]) for name in wanted or there}


def metadata_columns(module: FerModule) -> dict[str, Any] | None:
    """Return the description of the metadata that a module's network reads, if it does."""
    branch = module.hparams["model"].get("metadata")
    return None if branch is None else dict(branch["columns"])
