"""What a value may be: the table of types, ranges and choices, readable without torch.

A key that has no rule here must keep the type of its value in the YAML file, so a new part with
new keys needs no entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Final

from fer.config.kinds import Rule, choice, either, integer, is_int, like, listing, number, text


def _are_contenders(value: Any) -> bool:
    one = either(text(), listing(text(), least=1))
    return (
        not isinstance(value, str) and isinstance(value, Iterable) and all(map(one.accepts, value))
    )


_SHARE: Final = number(0, 1)
_DROPOUT: Final = number(0, 1, below=True)
_BATCHES: Final = Rule(
    "a whole number of batches of at least 1, or a share above 0.0 and at most 1.0",
    lambda v: (is_int(v) and v >= 1) or (isinstance(v, float) and 0 < v <= 1),
)
_TIME: Final = r"(?=.*[1-9])\d+:\d\d:\d\d:\d\d"
_PRECISIONS: Final = (
    "auto", "64-true", "32-true", "16-mixed", "bf16-mixed", "bf16-true", "16-true",
    64, 32, 16, "bf16",
)  # fmt: skip

_SOURCE: Final[dict[str, Rule]] = {
    "root": text(optional=True),
    "size": integer(16, 1024),
    "fit": choice("pad", "stretch"),
    "votes": text(optional=True),
    "votes_weight": _SHARE,
    "target": choice("majority", "distribution"),
    "classes": choice(7, 8),
    "manifest": text(optional=True),
    "val_share": number(0, 1, below=True),
    "defects": choice("fatal", "drop"),
    "frames": integer(1, 1024),
    "labels": text(optional=True),
}

#: Rules by dotted key; ``*`` stands for any part. The first that fits counts.
RULES: Final[dict[str, Rule]] = {
    "seed": integer(0, 2**32 - 1),
    "name": text(optional=True),
    "ckpt_path": text(optional=True),
    "init_from": text(optional=True),
    "resume": choice("auto", optional=True),
    "ckpt": text(optional=True),
    "allow": listing(text()),
    "predictions": text(optional=True),
    "compare": Rule(
        "a list of files or folders, or of lists of them, or a mapping of names to those",
        lambda v: _are_contenders(v.values() if isinstance(v, dict) else v),
        optional=True,
    ),
    "robustness": choice(False, True, "test"),
    "robustness_faces": integer(1, optional=True),
    "seeds": listing(integer(0, 2**32 - 1), least=1),
    "kind": choice("families", "ablations", "clips", "all"),
    "only": either(listing(text(), least=1), optional=True),
    "jobs": integer(1),
    "overrides": listing(text()),
    "search.trials": integer(1),
    "search.jobs": integer(1),
    "search.gpus": integer(1, optional=True),
    "search.sampler": choice("tpe", "random"),
    "search.pruning": choice("median", "halving", "none"),
    **{f"search.{key}": integer(0) for key in ("startup", "finished", "warmup", "restarts")},
    "search.seed": integer(0, 2**32 - 1),
    "search.space.*.low": number(),
    "search.space.*.high": number(),
    "search.space.*.step": number(0, above=True, optional=True),
    "method": choice("logistic", "linear_svm"),
    "hog.*": integer(1),
    "C": listing(number(0, above=True), least=1),
    "max_iter": integer(1),
    "batch_size": integer(1),
    "device": choice("cpu", "cuda", "mps"),
    "paths.cache": text(optional=True),
    "data.batch_size": integer(1),
    "data.clean.fixes": text(optional=True),
    "data.clean.blank": choice("train", "all", "keep"),
    "data.clean.duplicates": choice("keep", "within", "across", "both"),
    "data.clean.conflicts": choice("keep", "drop", "majority"),
    "data.clean.defects": choice("fatal", "drop"),
    "data.resident": choice("auto", True, False),
    "data.metadata": text(optional=True),
    "data.protocol": choice(
        "official", "resplit", "augment_first", "train_as_test", "train_on_test", "other_labels",
        "fewer_classes",
    ),
    "data.only_classes": either(listing(text(), least=2), optional=True),
    "data.folds": integer(2, optional=True),
    "data.fold": integer(0, optional=True),
    "data.workers": integer(0, 256, optional=True),
    # What people set as data.KEY is handed to the source as data.source.KEY.
    **{f"data.{inside}{key}": rule for key, rule in _SOURCE.items() for inside in ("", "source.")},
    "data.source.cache": text(optional=True),
    "data.source.seed": integer(0),
    "data.source.train": integer(1),
    "data.source.val": integer(1),
    "data.source.test": integer(1),
    "data.source.shortest": integer(8, 1024),
    "data.source.carried": _SHARE,
    "augmentation.rotation": number(0, 180),
    "augmentation.zoom": number(0, 1, below=True),
    "augmentation.shift": number(0, 1, below=True),
    "augmentation.flip": _SHARE,
    "augmentation.brightness": number(0, 1, below=True),
    "augmentation.contrast": number(0, 1, below=True),
    "augmentation.erase": _SHARE,
    "augmentation.erase_area": listing(number(0, 0.3, above=True), length=2),
    "model.*.dropout": _DROPOUT,
    "model.preprocessing.std": number(0, above=True),
    "model.backbone.widths": listing(integer(1), least=1),
    "model.backbone.pools": listing(choice("max", "avg", "none"), least=1),
    "model.widths": listing(integer(1), least=1),
    "model.kernel": Rule("an odd whole number of at least 1", lambda v: is_int(v) and v % 2 == 1),
    "model.vote": choice("probabilities", "logits"),
    "model.time.units": integer(1),
    "model.time.depth": integer(1),
    "model.time.pooling": choice("last", "mean", "max", "attention"),
    "model.lstm.units": integer(1),
    "model.lstm.depth": integer(1),
    "model.lstm.pooling": choice("last", "mean", "max", "attention"),
    "model.preprocessing.crop": integer(8, optional=True),
    "model.preprocessing.resize": integer(16, 1024, optional=True),
    "model.metadata.columns": either(listing(text(), least=1), optional=True),
    "model.metadata.units": integer(1),
    "model.metadata.drop": _DROPOUT,
    "model.head.hidden": listing(integer(1)),
    "augmentation.mixing.probability": _SHARE,
    "augmentation.mixing.*": number(0),
    "model.backbone.blocks": listing(integer(0), least=1),
    "model.backbone.convs": listing(integer(1), least=1),
    "model.backbone.attention": choice("none", "channel", "spatial", "both"),
    "model.backbone.pool": choice("mean", "max", "both"),
    "model.backbone.stem": choice("space_to_depth", "conv", "patch"),
    **{f"model.backbone.{key}": integer(1) for key in ("patch", "width", "depth", "heads")},
    "model.backbone.drop_path": _DROPOUT,
    "model.backbone.weights": text(optional=True),
    "model.backbone.resize": integer(16, 1024, optional=True),
    "model.lstm.view.side": integer(1, optional=True),
    "model.lstm.view.*": integer(1),
    "model.fusion.width": integer(1),
    "model.fusion.rank": integer(1),
    "model.fusion.heads": integer(1),
    "loss.gamma": number(0),
    "loss.power": number(0, 1),
    "optimizer.momentum": number(0, 1, below=True),
    "scheduler.warmup": number(0, 1, below=True),
    "scheduler.rise": number(0, 1, above=True, below=True),
    "scheduler.start": number(0, 1, above=True),
    "loss.label_smoothing": number(0, 1, below=True),
    "optimizer.lr": number(0, above=True),
    "optimizer.weight_decay": number(0),
    "optimizer.aux_rate": number(0),
    "optimizer.betas": listing(number(0, 1, below=True), length=2),
    "scheduler.factor": number(0, 1, above=True, below=True),
    "scheduler.patience": integer(0),
    "scheduler.min_lr": number(0),
    "scheduler.mode": choice("min", "max"),
    "callbacks.ema.decay": number(0, 1, below=True),
    "callbacks.consistency.weight": number(0),
    "callbacks.consistency.zoom": number(0, 1, below=True),
    "callbacks.consistency.shift": number(0, 1, below=True),
    "callbacks.distillation.teachers": listing(text()),
    "callbacks.distillation.soft_targets": listing(text()),
    "callbacks.distillation.weight": number(0, 1, above=True),
    "callbacks.distillation.temperature": number(0, above=True),
    "callbacks.progressive.pieces": integer(1),
    "callbacks.progressive.every": integer(1),
    "callbacks.progressive.decay": number(0, 1, above=True),
    "callbacks.*.patience": integer(1),
    "callbacks.*.min_delta": number(0),
    "callbacks.*.logging_interval": choice("step", "epoch"),
    "callbacks.*.mode": choice("min", "max"),
    "trainer.accelerator": choice("auto", "cpu", "gpu", "cuda", "mps", "tpu"),
    "trainer.devices": either(
        integer(1), choice("auto", -1), listing(integer(0), least=1),
    ),
    "trainer.num_nodes": integer(1),
    "trainer.strategy": choice(
        "auto", "ddp", "ddp_find_unused_parameters_true",
    ),
    "trainer.precision": choice(*_PRECISIONS),
    "trainer.max_epochs": integer(1),
    "trainer.min_epochs": integer(1, optional=True),
    "trainer.max_steps": integer(-1),
    "trainer.max_time": Rule(
        "a time above none as DD:HH:MM:SS",
        lambda v: isinstance(v, str) and re.fullmatch(_TIME, v) is not None,
        optional=True,
    ),
    "trainer.limit_*_batches": _BATCHES,
    "trainer.check_val_every_n_epoch": integer(1),
    "trainer.num_sanity_val_steps": integer(-1),
    "trainer.accumulate_grad_batches": integer(1),
    "trainer.gradient_clip_val": number(0, optional=True),
    "trainer.gradient_clip_algorithm": choice("norm", "value", optional=True),
    "trainer.deterministic": choice(True, False, "warn"),
    "trainer.benchmark": choice(True, False, optional=True),
    "trainer.log_every_n_steps": integer(0),
    "trainer.profiler": choice("simple", "advanced", "pytorch", optional=True),
    "logger.mode": choice("online", "offline", "disabled", optional=True),
    "logger.pictures": integer(0),
    "logger.tags": listing(text()),
    "logger.entity": text(optional=True),
    "logger.group": text(optional=True),
    "logger.job_type": text(optional=True),
    "logger.notes": text(optional=True),
}  # fmt: skip


def rule_for(key: str, default: Any) -> Rule:
    """Return the rule of a dotted key whose value in the YAML file is ``default``."""
    if key.rpartition(".")[2] == "_target_":
        return like(default)
    for pattern, rule in RULES.items():
        if key == pattern or ("*" in pattern and fnmatchcase(key, pattern)):
            return rule
    return like(default)
