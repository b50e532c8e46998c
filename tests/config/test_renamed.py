"""Class paths of earlier versions, as run folders and users' own files name them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.utils import get_class
from omegaconf import OmegaConf

from fer.config.compose import compose
from fer.config.renamed import RENAMED
from fer.config.resume import differences
from fer.config.sources import instantiate_source
from fer.data.sources import ImageFolder


@pytest.mark.parametrize("old", RENAMED)
def test_what_took_their_place_is_there(old: str) -> None:
    assert get_class(RENAMED[old]).__name__ == old.rpartition(".")[2]


def test_sources_of_earlier_versions_are_made(tmp_path: Path) -> None:
    data = {"source": {"_target_": "fer.data.folder.ImageFolder", "root": str(tmp_path)}}
    assert isinstance(instantiate_source(OmegaConf.create(data)), ImageFolder)


def test_runs_of_earlier_versions_are_the_same_runs(tmp_path: Path) -> None:
    config = compose("train", ["data=folder", f"data.root={tmp_path}"])
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    text = OmegaConf.to_yaml(own, resolve=True)
    assert "fer.data.sources.ImageFolder" in text
    (tmp_path / "config.yaml").write_text(
        text.replace("fer.data.sources.ImageFolder", "fer.data.folder.ImageFolder")
    )
    assert differences(tmp_path, config) == []
