"""What is built of a configuration, and each combination that can't work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer.config.build import build_parts, build_trainer
from fer.config.compose import compose
from fer.config.issues import ConfigError
from fer.config.validate import check_training
from fer.core.labels import EMOTIONS
from fer.data.cleaning.fixes import Fix, Fixes, write_fixes
from fer.data.source import DataError, DataNotFoundError
from fer.data.synthetic import SyntheticFaces
from tests.support.fer2013_csv import make_faces, row_text, write_fer2013, write_lines
from tests.support.picture_folders import write_class_folders, write_picture
from tests.support.train_command import SMALL, Train, assert_refused, rows
from tests.support.votes import write_votes

TINY = ("trainer=cpu", "augmentation=none", "lstm=none", "fusion=none", "model=cnn",
        "model.backbone.widths=[4,4,4,4]", "data.size=16")  # fmt: skip

#: What is chosen; the keys of the issues, and a word of what a part of the model says.
MISMATCHES: dict[str, tuple[str, dict[str, str]]] = {
    "fusion with one branch": ("lstm=none", {"model": "choose fusion=none"}),
    "two branches without fusion": ("fusion=none", {"model": "need a fusion"}),
    "no branch": ("backbone=none lstm=none fusion=none", {"model": "has no branch"}),
    "patches that do not divide": ("lstm=patches model.lstm.view.patch=7", {"model": "Patches"}),
    "a side that does not divide": ("lstm=pixels model.lstm.view.side=20", {"model": "Pixels"}),
    "a size that does not divide": ("data.size=50 lstm=patches", {"model": "Patches"}),
    "heads that do not divide": (
        "fusion=attention model.fusion.width=10 model.fusion.heads=3", {"model": "3 heads"},
    ),
    "a size that is halved too often": (
        "data.size=16 model.backbone.widths=[4,4,4,4,4] "
        "model.backbone.kernels=[[3],[3],[3],[3],[3]] "
        "model.backbone.pools=[max,max,max,max,max]",
        {"model": "can't be halved by 5 stages"},
    ),
    "a CRNN without an LSTM": ("model=crnn lstm=none", {"model": "choose lstm=positions"}),
    "a CRNN without a backbone": ("model=crnn backbone=none", {"model": "choose backbone=small"}),
    "a map of a single place": ("model=crnn data.size=16", {"model": "1×1 places"}),
    "attention to steps that there are none of": (
        "model=cnn_lstm_attention lstm=none", {"model": "pooling=attention"},
    ),
    "a transformer with a fusion": (
        "model=transformer fusion=concat", {"model": "choose fusion=none"},
    ),
    "patches of a transformer that do not divide": (
        "model=transformer model.backbone.patch=7", {"model": "patches of 7"},
    ),
    "patches that convolutions can't make": (
        "model=transformer model.backbone.patch=6", {"model": "choose stem=patch"},
    ),
    "a crop that is larger than the face": (
        "model.preprocessing.crop=50", {"model": "can't be cropped"},
    ),
    "a crop that patches do not divide": (
        "model.preprocessing.crop=44 lstm=patches", {"model": "Patches"},
    ),
    "stages of two lengths": ("model.backbone.kernels=[[3],[3]]", {"model": "one entry a stage"}),
    "a class that is not there": (
        "model.lstm.view._target_=fer.models.Rowz", {"model": "did you mean 'Rows'?"},
    ),
    "a module that is not there": (
        "model.lstm.view._target_=nope.X", {"model": "can't import 'nope'"},
    ),
    "metrics that are not logged, or late": (
        "callbacks=[default,early_stopping] callbacks.checkpoint.monitor=val/f1 scheduler=plateau "
        "scheduler.monitor=test/acc callbacks.early_stopping.monitor=train/loss",
        {
            "scheduler.monitor": "",
            "callbacks.checkpoint.monitor": "",
            "callbacks.early_stopping.monitor": "",
        },
    ),
    "metadata that the data does not have": (
        "metadata=dense model.metadata.columns=[height]", {"model": "has no height"},
    ),
    "metadata beside a branch without a fusion": (
        "metadata=dense model=cnn lstm=none", {"model": "need a fusion"},
    ),
    "mixed faces and metadata that are not": (
        "metadata=dense augmentation.mixing.mixup=0.2", {"augmentation.mixing": ""},
    ),
    "clips of different lengths, mixed": (
        "model=clip_frames data=synthetic_clips augmentation.mixing.cutmix=1.0",
        {"augmentation.mixing": ""},
    ),
    "a pooling of steps that fusion reads before it": (
        "fusion=attention model.lstm.pooling=mean", {"model": "nothing reads"},
    ),
    "a pooling of places that an LSTM reads before it": (
        "model=crnn backbone=resnet model.backbone.pool=max", {"model": "nothing reads"},
    ),
    "Nesterov momentum without momentum": (
        "optimizer=sgd optimizer.momentum=0.0", {"optimizer": "Nesterov"},
    ),
    "a checkpoint that is not there": ("ckpt_path=missing.ckpt", {"ckpt_path": "no file"}),
    "a beginning that is not there": ("init_from=none.ckpt", {"init_from": "no file"}),
    "distillation without teachers": ("callbacks=[default,distillation]", {"callbacks": ""}),
    "a stage of no part": (
        "callbacks=[default,progressive] callbacks.progressive.stages=[{parts:[haed]}]",
        {"callbacks": "did you mean 'head'?"},
    ),
    "no first stage": (
        "callbacks=[default,progressive] callbacks.progressive.stages=[{parts:[head],epoch:1}]",
        {"callbacks": "epoch 0"},
    ),
    # All at once, and what is out of range is not built.
    "a range beside what does not fit": (
        "model.lstm.units=0 ckpt_path=missing.ckpt augmentation.flip=3",
        {"model.lstm.units": "", "augmentation.flip": "", "ckpt_path": ""},
    ),
}  # fmt: skip

#: What only the trainer's making finds.
TRAINER_MISMATCHES = {
    "callbacks=[ema]": "callbacks",
    "callbacks=[default,rate] logger=none": "callbacks.rate",
    "callbacks=[default,progressive] trainer.devices=2": "trainer.strategy",
    "trainer=cpu trainer.devices=[0,1]": "trainer",
}


def small(overrides: list[str]) -> list[str]:
    """Return overrides that make what is chosen small; what is left out has no keys."""
    gone = [text.partition("=")[0] for text in overrides if text.endswith("=none")]
    gone += ["backbone", "lstm"] if "model=transformer" in overrides else []
    gone += ["backbone", "lstm"] if "model=clip_frames" in overrides else []
    return [o for o in SMALL if not any(o.startswith(f"model.{part}.") for part in gone)]


@pytest.mark.parametrize("name", MISMATCHES)
def test_a_combination_that_does_not_fit_is_refused(name: str) -> None:
    line, expected = MISMATCHES[name]
    overrides = line.split()
    config = compose(
        "train", [*small(overrides), *overrides], check=check_training, constructors=False
    )
    with pytest.raises(ConfigError) as caught:
        build_parts(config)
    assert {issue.key for issue in caught.value.issues} == {*expected}
    for issue in caught.value.issues:
        assert expected[issue.key] in issue.message


@pytest.mark.parametrize("line", TRAINER_MISMATCHES)
def test_a_trainer_that_can_not_work_is_refused(line: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        build_trainer(compose("train", [*SMALL, *line.split()]), tmp_path)
    assert [issue.key for issue in caught.value.issues] == [TRAINER_MISMATCHES[line]]


def test_mismatches_are_told_together_and_leave_nothing(train: Train, elsewhere: Path) -> None:
    answer = train(*SMALL, "model.backbone.kernels=[[3]]", "ckpt_path=missing.ckpt")
    assert_refused(answer, elsewhere, "2 problems", "one entry a stage", "missing.ckpt")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_a_plateau_may_wait_for_a_metric_of_the_training(train: Train) -> None:
    plateau = ("scheduler=plateau", "scheduler.monitor=train/loss", "scheduler.mode=min")
    assert train(*SMALL, *plateau, "test=false").code == 0


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data=folder", *TINY], r"data=folder needs data\.root=FOLDER"),
        (["data=synthetic", "data.clean=nowhere.csv"], r"there are no fixes nowhere\.csv"),
    ],
)
def test_data_that_is_not_there_is_told_before_it_is_read(overrides: list[str], words: str) -> None:
    with pytest.raises(DataNotFoundError, match=words):
        build_parts(compose("train", ["trainer=cpu", *overrides]))


def test_a_table_of_metadata_that_is_not_there_is_told() -> None:
    with pytest.raises(DataError, match=r"people\.csv"):
        build_parts(compose("train", [*SMALL, "metadata=dense", "data.metadata=people.csv"]))


def test_a_folder_of_pictures_is_cleaned(tmp_path: Path) -> None:
    folders = {"train/cat": 9, "train/dog": 9, "val/cat": 2, "val/dog": 2}
    pictures = write_class_folders(tmp_path / "pictures", folders)
    write_picture(tmp_path / "pictures/train/cat/x.png", np.zeros((5, 5), dtype=np.uint8))
    write_picture(tmp_path / "pictures/train/cat/y.png", pictures["val/dog/001.png"])
    (tmp_path / "pictures/train/dog/z.png").write_bytes(b"broken")
    overrides = ["data=folder", f"data.root={tmp_path / 'pictures'}", f"paths.cache={tmp_path}"]
    overrides += ["data.clean.defects=drop", "data.clean.duplicates=across", "data.fit=stretch"]
    parts = build_parts(compose("train", [*overrides, *TINY]))
    assert parts.module.classes == ("cat", "dog")
    assert parts.data.fit == "stretch"
    faces = parts.data.faces
    assert {s: split.images.shape for s, split in faces.splits.items()} == {
        "train": (18, 16, 16), "val": (4, 16, 16),
    }  # fmt: skip
    dropped = [(f.what, faces.names[f.row]) for f in faces.findings if f.action == "dropped"]
    assert dropped == [
        ("defect", "train/dog/z.png"),
        ("blank", "train/cat/x.png"),
        ("spanning", "train/cat/y.png"),
        ("duplicate", "train/cat/y.png"),
    ]


def test_ferplus_is_built_with_its_classes(tmp_path: Path) -> None:
    images, labels, usages = make_faces()
    write_fer2013(tmp_path / "fer2013.csv", images, labels, usages)
    write_votes(tmp_path / "votes.csv", usages, [[0, 0, 0, 0, 0, 0, 2, 8, 0, 0]] * 60)
    overrides = ["data=ferplus", f"data.root={tmp_path}", f"data.votes={tmp_path / 'votes.csv'}"]
    overrides += ["data.classes=8", "data.target=distribution", f"paths.cache={tmp_path / 'c'}"]
    parts = build_parts(compose("train", [*overrides, *TINY]))
    assert parts.module.classes == (*EMOTIONS, "contempt")
    targets = parts.data.faces.splits["train"].targets
    np.testing.assert_allclose(targets, [[0, 0, 0.2, 0, 0, 0, 0, 0.8]] * 20)


def test_broken_rows_are_dropped_where_the_cleaning_says_so(tmp_path: Path) -> None:
    lines = ["emotion,pixels,Usage", *(row_text(*row) for row in zip(*make_faces(), strict=True))]
    write_lines(tmp_path / "fer2013.csv", [*lines, "7,1 2 3,Training"])
    overrides = [f"data.root={tmp_path}", f"paths.cache={tmp_path / 'c'}", *TINY]
    config = compose("train", ["data=fer2013", "data.clean.defects=drop", *overrides])
    (finding,) = build_parts(config).data.faces.findings
    assert (finding.row, finding.what, finding.action) == (60, "defect", "dropped")


@pytest.mark.slow
def test_a_training_applies_and_reports_fixes(train: Train, elsewhere: Path) -> None:
    source = SyntheticFaces(train=64, val=32, test=32, size=48, seed=0, noise_free=False)
    fixes = [Fix(0, "train", "drop"), Fix(1, "train", "relabel", "sad", "to see it")]
    write_fixes(Path("fixes.csv"), Fixes(source.load().fingerprint, fixes, "here"))
    write_fixes(Path("others.csv"), Fixes("abc", fixes, "here"))
    short = ("trainer.max_epochs=1", "test=false", "hydra.run.dir=run")
    answer = train(*SMALL, *short, "data.clean=others.csv")
    assert answer.code == 2
    assert "these fixes are for the data with the fingerprint abc, but" in answer.err
    answer = train(*SMALL, *short, "data.clean=fixes.csv")
    assert answer.code == 0, answer
    (line,) = [line for line in answer.out.splitlines() if line.startswith("named in the file")]
    assert line.split()[-3:] == ["2", "1", "1"]
    told = [row for row in rows(elsewhere / "run" / "cleaning.csv") if row["what"] == "fix"]
    assert [(row["row"], row["action"], row["detail"]) for row in told] == [
        ("0", "dropped", ""), ("1", "relabelled", "sad to see it"),
    ]  # fmt: skip
