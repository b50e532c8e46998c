"""Choices that do not go together, told before torch is loaded; and the audit's experiments."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fer.baseline import check_baseline
from fer.config.compose import compose
from fer.config.validate import check_evaluation, check_form, check_training
from fer.data.cleaning.protocols import PROTOCOLS
from tests.config.support import issues
from tests.support.errors import raises
from tests.support.train_command import Train

#: Protocol and faces in the training split of the real FER2013 of each row of the audit.
AUDIT = {
    "official": ("official", 28698),
    "resplit": ("resplit", 28702),
    "augment_first": ("augment_first", 50330),
    "train_as_test": ("train_as_test", 28698),
    "train_on_test": ("train_on_test", 35876),
    "ferplus": ("other_labels", 26778),
    "fewer_classes": ("fewer_classes", 15348),
}


@pytest.mark.parametrize(
    ("overrides", "code", "key"),
    [
        ("data.metadata=a.csv", "unread", "data.metadata"),
        ("data.manifest=m.csv", "unread", "data.manifest"),
        ("loss=soft", "needs_votes", "loss=soft"),
        ("loss=soft data=synthetic", "needs_votes", "loss=soft"),
        ("loss=soft data=ferplus", "needs_votes", "loss=soft"),
        ("model=clip_lstm data=fer2013", "clips_or_faces", "model"),
        ("model=convlstm data=synthetic", "clips_or_faces", "model"),
        ("model=cnn data=clips", "clips_or_faces", "model"),
        ("model=crnn data=synthetic_clips", "clips_or_faces", "model"),
        ("model=clip_lstm metadata=dense fusion=concat", "not_for_clips", "metadata"),
        ("model=clip_lstm data.metadata=f.csv", "not_for_clips", "metadata"),
        ("model=clip_lstm data.protocol=resplit", "not_for_clips", "data.protocol"),
        ("init_from=fats", "missing_model", "init_from"),
    ],
)
def test_a_training_that_nothing_would_come_of_is_refused(
    overrides: str, code: str, key: str
) -> None:
    assert (code, key) in issues(*overrides.split(), check=check_training)


@pytest.mark.parametrize(
    "overrides",
    [
        "",
        "metadata=dense data.metadata=a.csv",
        "data=ferplus data.manifest=m.csv",
        "data=ferplus data.target=distribution loss=soft",
        "data=fer2013_votes data.manifest=m.csv loss=soft",
        # Whether a source of one's own has votes, it says itself when it is read.
        "loss=soft data.source._target_=mine.Votes",
        "model=clip_lstm data=clips",
    ],
)
def test_what_goes_together_is_taken(overrides: str) -> None:
    compose("train", overrides.split(), check=check_training)


@pytest.mark.parametrize("model", ["clip_lstm", "clip_frames", "convlstm"])
def test_a_model_of_clips_brings_its_data(model: str) -> None:
    config = compose("train", [f"model={model}"], check=check_training)
    assert config.hydra.runtime.choices.data == "synthetic_clips"


def test_a_mismatch_ends_with_code_2(train: Train) -> None:
    answer = train("model=clip_lstm", "data=fer2013")
    assert answer.code == 2
    assert "1 problem in the configuration, nothing was run" in answer.err


@pytest.mark.parametrize(
    ("overrides", "code", "key"),
    [
        ("", "one_subject", "ckpt"),
        ("ckpt=a compare=[a,b]", "one_subject", "ckpt"),
        ("ckpt=nothing.ckpt", "missing_file", "ckpt"),
        ("ckpt=fats", "missing_model", "ckpt"),
        ("ckpt=.", "missing_file", "ckpt"),
        ("predictions=nothing.csv", "missing_file", "predictions"),
        ("predictions=a.csv robustness=true", "needs_model", "robustness"),
        ("compare=[a]", "too_few", "compare"),
        ("compare=[a,b]", "missing_file", "compare"),
        ("compare={a:.,b:.}", "named_twice", "compare"),
        ("compare=3", "invalid_value", "compare"),
        ("ckpt=a data.batch_size=3", "unread", "data.batch_size"),
        ("ckpt=a data.size=64", "unread", "data.size"),
        ("ckpt=a robustness=maybe", "invalid_value", "robustness"),
    ],
)
def test_an_evaluation_of_nothing_is_refused(overrides: str, code: str, key: str) -> None:
    assert (code, key) in issues(*overrides.split(), name="evaluate", check=check_evaluation)


@pytest.mark.parametrize(("frames", "data"), [(8, "fer2013"), (None, "synthetic_clips")])
def test_an_evaluation_reads_what_the_model_reads(frames: int | None, data: str) -> None:
    config = compose("evaluate", [f"data={data}", "ckpt=x"])
    with raises("clips_or_faces", "data"):
        check_form(config, SimpleNamespace(frames=frames))
    check_form(config, SimpleNamespace(frames=None if frames else 8))


def test_a_baseline_reads_single_faces() -> None:
    found = issues("data=synthetic_clips", name="baseline", check=check_baseline)
    assert ("clips_or_faces", "data") in found


@pytest.mark.parametrize("name", AUDIT)
def test_a_row_of_the_audit_has_the_official_network_and_budget(name: str) -> None:
    config = compose("train", [f"experiment=audit/{name}"])
    protocol, faces = AUDIT[name]
    assert config.data.protocol == protocol
    steps = faces // config.data.batch_size * config.trainer.max_epochs
    assert 4400 < steps < 4750, "budgets are equal"
    official = compose("train", ["experiment=audit/official"])
    for part in ("model", "loss", "optimizer", "scheduler", "augmentation", "seed", "callbacks"):
        assert config[part] == official[part], part
    assert config.model.lstm is None


def test_every_protocol_has_a_row() -> None:
    assert {protocol for protocol, _ in AUDIT.values()} == {*PROTOCOLS}
