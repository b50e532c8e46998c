"""The run folder: made by Hydra, described here, and gone again where nothing was run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from fer.data.findings import findings_csv
from fer.data.source import Faces
from fer.files import write_json, write_text
from fer.provenance import describe


@contextmanager
def run_folder() -> Iterator[Path]:
    """Yield the folder of this run; where a run never came to its data, no folder is left."""
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    try:
        yield folder
    finally:
        # A folder that the user named is theirs.
        named = any(text.startswith("hydra.run.dir=") for text in hydra.overrides.hydra)
        if not named and not (folder / "config.yaml").exists():
            shutil.rmtree(folder, ignore_errors=True)
            # The folder of the model's runs, where this was to be the first.
            with suppress(OSError):
                folder.parent.rmdir()


def record(config: DictConfig, folder: Path, faces: Faces, *, precision: str) -> None:
    """Write the resolved configuration, where everything came from and what was wrong with it."""
    write_text(folder / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
    origin = describe(
        seed=config.seed, data_fingerprint=faces.fingerprint, data_origin=faces.origin
    )
    path = folder / "provenance.json"
    # A resumed run has more than one beginning.
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    write_json(path, {**origin, "precision": precision, "resumed_from": earlier})
    write_text(folder / "cleaning.csv", findings_csv(faces.findings))


def record_evaluation(
    config: DictConfig,
    folder: Path,
    *,
    fingerprint: str,
    origin: str,
    marks: Mapping[str, str] | None = None,
) -> None:
    """Write the resolved configuration of an evaluation, and where what it judged came from.

    Args:
        config: the composed configuration.
        folder: of the evaluation.
        fingerprint: of the data.
        origin: of the data, for people to read.
        marks: why no number should come of the model, by what it is: ``invalid``,
            ``not_comparable``; each gets a file that says so in its name.
    """
    for name, why in (marks or {}).items():
        write_text(folder / name.upper(), f"{name.upper().replace('_', ' ')}: {why}\n")
    write_text(folder / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
    provenance = describe(seed=config.seed, data_fingerprint=fingerprint, data_origin=origin)
    write_json(folder / "provenance.json", provenance)
