"""Types and ranges: of the commands' own keys, and those that constructors say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf, nan
from typing import Any

import pytest
import yaml

from fer.config.compose import compose, conf_folder, leaves, to_plain
from fer.config.schema import SCHEMA, _annotations, _nodes, constructor_issues, value_issue
from tests.config.support import issues

#: A value that is refused, by key, with what the key needs.
WRONG: dict[str, tuple[str, ...]] = {
    "": (
        "seed=-1", "seed=1.5", "seed=-1x", "seed=true", "seed=null", "seed=4294967296",
        "++seed=-1", "test=maybe", "resume=yes", "ckpt_path=3", "init_from=''", "allow=a",
        "paths.runs=null", "optimizer.lr=abc", "optimizer.lr=nan", "optimizer.lr=0",
        "optimizer.betas=[0.9]", "optimizer.betas=[0.9,1]", "trainer.max_epochs=0",
        "trainer.max_epochs='3'", "trainer.devices=0", "trainer.devices=[]",
        "trainer.limit_val_batches=0", "trainer.limit_val_batches=1.5", "trainer.max_time=1",
        "trainer.max_time='00:00:00:00'", "trainer.precision=8", "trainer.deterministic=yes",
        "data.batch_size=0", "data.batch_size=null", "data.workers=-1", "data.resident=1",
        "data.clean.blank=none", "data.clean.duplicates=all", "data.clean.conflicts=across",
        "data.clean.defects=keep", "data.clean.fixes=3", "data.fit=cut", "data.only_classes=[a]",
        "data.fold=-1", "model.lstm.depth=0", "model.lstm.pooling=min",
        "model.backbone.widths=[4,0]", "model.backbone.widths=[]", "model.backbone.dropout=1",
        "model.backbone.pools=[min]", "model.preprocessing.crop=7", "model.preprocessing.std=0",
        "model.head.hidden=[0]", "augmentation.flip=2", "augmentation.rotation=181",
        "augmentation.erase_area=[0.1]", "augmentation.mixing.mixup=-1",
        "augmentation.mixing.probability=2", "scheduler.rise=1", "scheduler.start=0",
    ),
    "data=ferplus": ("data.target=mean", "data.classes=10", "data.votes=3"),
    "data=fer2013_votes": ("data.votes_weight=1.5",),
    "data=folder": ("data.val_share=1", "data.size=15"),
    "data=synthetic": ("data.source.train=0", "data.source.seed=-1"),
    "model=clip_lstm": ("data.frames=0", "data.source.shortest=7", "model.time.pooling=first"),
    "model=clip_frames": ("model.vote=both",),
    "model=convlstm": ("model.kernel=2", "model.widths=[]"),
    "metadata=dense": ("model.metadata.columns=[]", "model.metadata.drop=1"),
    "backbone=vit": ("model.backbone.heads=0", "model.backbone.stem=x", "model.backbone.pool=min"),
    "loss=focal": ("loss.gamma=-1",),
    "loss=weighted": ("loss.power=2", "loss.label_smoothing=1"),
    "optimizer=muon": ("optimizer.aux_rate=-1", "optimizer.momentum=1"),
    "scheduler=plateau": ("scheduler.factor=1", "scheduler.mode=up"),
    "scheduler=cosine": ("scheduler.warmup=1",),
    "callbacks=[default,ema]": ("callbacks.ema.decay=1", "callbacks.checkpoint.mode=up"),
    "callbacks=[default,distillation]": (
        "callbacks.distillation.weight=0", "callbacks.distillation.temperature=0",
        "callbacks.distillation.teachers=a",
    ),
    "callbacks=[default,progressive]": ("callbacks.progressive.pieces=0",),
    "callbacks=[default,consistency]": ("callbacks.consistency.zoom=1",),
    "logger=wandb": ("logger.mode=on", "logger.pictures=-1", "logger.tags=a"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "override"),
    [(choice, override) for choice, overrides in WRONG.items() for override in overrides],
)
def test_a_value_of_another_type_or_range_is_refused(choice: str, override: str) -> None:
    key = override.partition("=")[0].lstrip("+")
    ((code, where),) = issues(*filter(None, [choice]), override)
    assert where == key
    assert code in ("invalid_value", "out_of_range")


def test_what_is_fine_is_taken() -> None:
    config = compose(
        "train",
        [
            "++seed=4294967295", "optimizer.lr=1e-3", "trainer.devices=[0,1]", "name=null",
            "trainer.limit_train_batches=1", "trainer.limit_val_batches=0.5", "data.workers=null",
            "trainer.max_time='00:01:00:00'", "trainer.precision=16", "data.resident=false",
            "data.clean={blank: all, duplicates: both, conflicts: majority, defects: drop}",
        ],
    )  # fmt: skip
    assert (config.seed, config.trainer.devices, config.data.workers) == (2**32 - 1, [0, 1], None)


def test_nothing_takes_nan_or_infinity() -> None:
    for key in SCHEMA:
        for value in (nan, inf, -inf, [nan]):
            assert value_issue(key.replace("*", "a"), value, None) is not None, (key, value)


def _specs(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield node
        for value in node.values():
            yield from _specs(value)


def test_every_argument_that_a_file_sets_has_a_readable_type() -> None:
    """Otherwise its range would silently not be checked."""
    count = 0
    for file in conf_folder().rglob("*.yaml"):
        for spec in _specs(yaml.safe_load(file.read_text(encoding="utf-8"))):
            if str(spec["_target_"]).startswith("fer."):
                known = _annotations(spec["_target_"])
                own = {k for k, v in spec.items() if not isinstance(v, dict)}
                assert own - {"_target_", "defaults"} <= {*known}, (file, own - {*known})
                count += len(own)
    assert count > 100
    nodes = _nodes("", to_plain(compose("train", [])))
    built = {path for _, _, paths in nodes for path in paths if path.startswith("fer.")}
    assert {path for path in built if not _annotations(path)} == {
        f"fer.learning.callbacks.{name}" for name in ("StopOnNaN", "History")
    }


@pytest.mark.parametrize("choice", ["", *filter(None, WRONG)])
def test_the_defaults_are_within_their_ranges(choice: str) -> None:
    plain = to_plain(compose("train", [choice] if choice else []))
    assert constructor_issues(plain) == []
    assert all(value_issue(key, value, value) is None for key, value in leaves(plain).items())


def test_ranges_of_schema_and_constructors_are_one_list() -> None:
    found = issues("optimizer.lr=-1", "data.batch_size=0")
    assert found == [("out_of_range", "optimizer.lr"), ("out_of_range", "data.batch_size")]
    assert issues("optimizer.lr=abc", "data.batch_size=0") == [("invalid_value", "optimizer.lr")]
