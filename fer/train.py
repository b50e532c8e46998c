"""Train a network: ``python -m fer.train [GROUP=CHOICE …] [KEY=VALUE …]``.

A run ends with its folder: ``config.yaml``, ``provenance.json``, ``checkpoints/best.ckpt`` and
``last.ckpt``, ``history.csv``, ``metrics.json`` and ``figures/``.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from fer.config.start import run_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from omegaconf import DictConfig

    from fer.config.issues import ConfigIssue
    from fer.data.datamodule import FaceDataModule
    from fer.data.source import Split

EXAMPLES = """
python -m fer.train model=cnn_lstm trainer=gpu            # the paper's network on FER2013
python -m fer.train data=synthetic trainer=cpu            # built-in faces, no files needed
python -m fer.train trainer.max_epochs=10 optimizer.lr=0.0005 data.root=FOLDER
python -m fer.train model.lstm.depth=1 model.lstm.units=128 augmentation=none
python -m fer.train logger=wandb logger.mode=offline logger.project=faces
python -m fer.train -m seed=0,1,2                         # three runs
python -m fer.train data=synthetic test=true              # score the test split too, in the end
python -m fer.train -m seed=0,1,2 hydra.sweep.dir=FOLDER resume=auto   # what is missing of them
python -m fer.train resume=auto                           # go on with the same command's last run
python -m fer.train init_from=RUN/checkpoints/best.ckpt 'callbacks=[default,progressive]'
python -m fer.train init_from=default data=folder data.root=FOLDER   # tune what comes with fer
python -m fer.train hydra.run.dir=FOLDER                  # name the run folder
python -m fer.train trainer=gpu check_only=true           # check, print the network, stop
"""

#: What shows that a folder holds a run.
RUN_FILES = ("metrics.json", "checkpoints", "history.csv")


def train(config: DictConfig) -> float | None:
    """Run one training and return the best value of the monitored metric, for searches."""
    from fer.config.build import build_parts, build_trainer, missing_hardware
    from fer.config.compose import to_plain
    from fer.config.resume import resume_sweep_job
    from fer.config.run_folder import record, run_folder
    from fer.config.soft_targets import with_soft_targets
    from fer.config.validate import with_pretrained_paths
    from fer.data.issues import findings_table
    from fer.learning import loop
    from fer.learning.callbacks import finish_run_on_exit, log_artifacts
    from fer.learning.dry_run import network_summary
    from fer.models.build import allowing, targets

    # What the user configured, the user trusts.
    named = targets(to_plain(config))
    with allowing([*named, *config.allow]), run_folder() as folder:
        if (score := resume_sweep_job(config, folder)) is not None:
            sys.stdout.write(f"done before: {folder}\n")
            return score
        loop.seed_everything_quietly(config.seed)
        used = with_soft_targets(with_pretrained_paths(config), folder)
        parts = build_parts(used, config)
        sys.stdout.write(network_summary(parts.module) + parts.beginning)
        if config.check_only:
            lacking = missing_hardware(config)
            sys.stdout.write(f"not available on this machine: {lacking}\n" if lacking else "")
            sys.stdout.write("configuration checked, nothing was run\n")
            return None
        trainer = build_trainer(used, folder)
        with finish_run_on_exit(trainer):
            faces = parts.data.faces
            sys.stdout.write(findings_table(faces.findings))
            loop.validate_data(faces, parts.module, test=config.test, processes=trainer.world_size)
            record(config, folder, faces, precision=str(trainer.precision))
            loop.fit(trainer, parts.module, parts.data, config.ckpt_path)
            looks = about_test(config, folder, parts.data) if trainer.is_global_zero else ""
            score = loop.test_and_write_metrics(
                trainer, parts.module, parts.data, folder, test=config.test, test_accesses=looks,
                finalize=partial(finalize_checkpoint, folder, faces.splits["val"]),
            )  # fmt: skip
            if config.logger.get("artifacts", False):
                log_artifacts(trainer, folder)
            return score


def about_test(config: DictConfig, folder: Path, data: FaceDataModule) -> str:
    """Count a look at the test split that is about to be taken, or say how one is taken later."""
    from fer.config.run_folder import scoring_command
    from fer.core.holdout_access import describe_test_accesses, record_test_access
    from fer.data.fer2013_reference import split_names

    split = split_names(data.source)["test"]
    if config.data.protocol != "official":
        split = f"test ({config.data.protocol})"
    if config.test:
        return describe_test_accesses(
            split, record_test_access(folder, split, data.faces.fingerprint)
        )
    if len(data.faces.splits.get("test", ())) == 0:
        return ""
    command = scoring_command(config, folder)
    return f"{split} was left alone; to score it, once all is decided:\n  {command}"


def finalize_checkpoint(folder: Path, val: Split, metrics: Mapping[str, float]) -> None:
    """Put into the best checkpoint what its users need beside the weights.

    That is the temperature of its probabilities, fitted here, and how it was made.

    Args:
        folder: of the run.
        val: on which the temperature is fitted.
        metrics: of the run.
    """
    import numpy as np

    from fer.config.run_folder import making
    from fer.evaluation.calibration import fit_temperature
    from fer.evaluation.model_predictions import encoded_metadata
    from fer.inference import load_checkpoint
    from fer.inference.checkpoint import MAKING, TEMPERATURE
    from fer.learning.checkpoint_io import add_to_checkpoint

    path = folder / "checkpoints" / "best.ckpt"
    if not path.is_file():
        return  # No epoch was validated.
    # What it names beyond fer's own is allowed here already, by the configuration.
    model = load_checkpoint(path)
    logits = model.logits(val.images, encoded_metadata(model, val))
    found: dict[str, Any] = {MAKING: making(folder, metrics)}
    if np.isfinite(logits).all():
        found[TEMPERATURE] = fit_temperature(logits, val.labels)
    add_to_checkpoint(path, **found)


def main() -> int:
    """Start the command."""
    return run_command("train", train, examples=EXAMPLES, holds=RUN_FILES, check=_check)


def _check(config: DictConfig, overrides: Sequence[str]) -> list[ConfigIssue]:
    # Where the extra is missing, what this imports is too: run() says so first.
    from fer.config.validate import check_training

    return check_training(config, overrides)


if __name__ == "__main__":
    sys.exit(main())
