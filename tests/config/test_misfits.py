"""Each combination that can't work is told in one message before anything is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.train_command import SMALL, Train, assert_refused

#: What is chosen, and what is said about it.
MISFITS: dict[str, tuple[list[str], list[str]]] = {
    "fusion with one branch": (
        ["lstm=none"], ["the model has only its backbone", "choose fusion=none"],
    ),
    "two branches without fusion": (["fusion=none"], ["backbone and lstm need a fusion"]),
    "no branch": (
        ["backbone=none", "lstm=none", "fusion=none"],
        ["the model has no branch: choose a backbone, an lstm, or both"],
    ),
    "patches that do not divide": (
        ["lstm=patches", "model.lstm.view.patch=7"], ["Patches", "7", "48"],
    ),
    "a side that does not divide": (
        ["lstm=pixels", "model.lstm.view.side=20"], ["Pixels", "20", "48"],
    ),
    "a size that does not divide": (
        ["data.size=50", "lstm=patches"], ["Patches", "8", "50"],
    ),
    "heads that do not divide": (
        ["fusion=attention", "model.fusion.width=10", "model.fusion.heads=3"],
        ["Attention", "3 heads can't share a width of 10"],
    ),
    "a size that is halved too often": (
        ["data.size=16", "model.backbone.widths=[4,4,4,4,4]",
         "model.backbone.kernels=[[3],[3],[3],[3],[3]]",
         "model.backbone.pools=[max,max,max,max,max]"],
        ["16 pixels can't be halved by 5 stages"],
    ),
    "a CRNN without an LSTM": (
        ["model=crnn", "lstm=none"], ["both are needed", "choose lstm=positions"],
    ),
    "a CRNN without a backbone": (
        ["model=crnn", "backbone=none"], ["both are needed", "choose backbone=small"],
    ),
    "a map of a single place": (
        ["model=crnn", "data.size=16"], ["SmallCNN makes of 16 pixels has 1×1 places"],
    ),
    "attention to steps that there are none of": (
        ["model=cnn_lstm_attention", "lstm=none"], ["pooling=attention of its lstm"],
    ),
    "a transformer with a fusion": (
        ["model=transformer", "fusion=concat"], ["choose fusion=none"],
    ),
    "patches of a transformer that do not divide": (
        ["model=transformer", "model.backbone.patch=7"], ["patches of 7 don't divide 48 pixels"],
    ),
    "patches that convolutions can't make": (
        ["model=transformer", "model.backbone.patch=6"], ["choose stem=patch"],
    ),
    "a crop that is larger than the face": (
        ["model.preprocessing.crop=50"], ["50 pixels can't be cropped from faces of 48"],
    ),
    "a crop that patches do not divide": (
        ["model.preprocessing.crop=44", "lstm=patches"], ["Patches", "8", "44"],
    ),
    "a checkpoint by a metric that is not logged": (
        ["callbacks.checkpoint.monitor=val/f1"],
        ["callbacks.checkpoint.monitor", "no metric 'val/f1' is logged"],
    ),
    "a schedule by a metric that is not logged": (
        ["scheduler=plateau", "scheduler.monitor=test/acc"],
        ["scheduler.monitor", "no metric 'test/acc' is logged"],
    ),
    "an early stop by a metric of the training": (
        ["callbacks=[default,early_stopping]", "callbacks.early_stopping.monitor=train/loss"],
        ["callbacks.early_stopping.monitor", "begins by val/"],
    ),
    "a checkpoint by a metric of the training": (
        ["callbacks.checkpoint.monitor=train/acc"],
        ["callbacks.checkpoint.monitor", "begins by val/"],
    ),
    "callbacks without the default ones": (["callbacks=[ema]"], ["callbacks=[default,…]"]),
    "a log of the rate without a logger": (
        ["callbacks=[default,rate]", "logger=none"], ["callbacks.rate", "logger=csv"],
    ),
    "metadata that the data does not have": (
        ["metadata=dense", "model.metadata.columns=[height]"],
        ["model.metadata.columns", "has no height; it has age, gender, context"],
    ),
    "a table of metadata that is not there": (
        ["metadata=dense", "data.metadata=people.csv"], ["people.csv", "there is no such file"],
    ),
    "metadata beside a branch without a fusion": (
        ["metadata=dense", "model=cnn", "lstm=none"], ["backbone and metadata need a fusion"],
    ),
    "votes to learn from where there are labels": (
        ["loss=soft"], ["SoftTargetLoss", "data=ferplus data.target=distribution"],
    ),
    "mixed faces and metadata that are not": (
        ["metadata=dense", "augmentation.mixing.mixup=0.2"],
        ["augmentation.mixing", "not metadata", "metadata=none"],
    ),
    "a pooling of steps that fusion reads before it": (
        ["fusion=attention", "model.lstm.pooling=mean"],
        ["nothing reads model.lstm.pooling=mean", "leave it at last"],
    ),
    "a pooling of places that an LSTM reads before it": (
        ["model=crnn", "backbone=resnet", "model.backbone.pool=max"],
        ["nothing reads model.backbone.pool=max", "leave it at mean"],
    ),
    "Nesterov momentum without momentum": (
        ["optimizer=sgd", "optimizer.momentum=0.0"], ["optimizer", "Nesterov momentum requires"],
    ),
    "batch statistics shared on a processor": (
        ["trainer.sync_batchnorm=true"], ["trainer.sync_batchnorm", "GPUs alone"],
    ),
    "several machines without torchrun": (
        ["trainer.num_nodes=2"], ["trainer.num_nodes", "torchrun"],
    ),
    "a checkpoint beside one that is looked for": (
        ["resume=auto", "ckpt_path=a.ckpt"], ["resume=auto", "leave out ckpt_path"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISFITS)
def test_a_combination_that_does_not_fit_is_refused(
    train: Train, elsewhere: Path, name: str
) -> None:
    overrides, words = MISFITS[name]
    # A part that is left out has no keys to make it small by.
    gone = [text.partition("=")[0] for text in overrides if text.endswith("=none")]
    if "model=transformer" in overrides:
        gone = ["backbone", "lstm"]
    small = [o for o in SMALL if not any(o.startswith(f"model.{part}.") for part in gone)]
    assert_refused(train(*small, *overrides), elsewhere, *words)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_a_plateau_may_wait_for_a_metric_of_the_training(train: Train, elsewhere: Path) -> None:
    answer = train(
        *SMALL,
        "scheduler=plateau",
        "scheduler.monitor=train/loss",
        "scheduler.mode=min",
        "test=false",
    )
    assert answer.code == 0, answer


def test_clips_of_different_lengths_are_not_mixed(train: Train, elsewhere: Path) -> None:
    answer = train("model=clip_frames", "augmentation.mixing.cutmix=1.0", "trainer=cpu")
    assert_refused(answer, elsewhere, "augmentation.mixing", "not the lengths of clips")


def test_a_metadata_branch_needs_data_with_columns(train: Train, elsewhere: Path) -> None:
    answer = train("metadata=dense", "data=fer2013", "trainer=cpu")
    words = ("the metadata branch needs columns", "metadata=none", "data.metadata=FILE")
    assert_refused(answer, elsewhere, *words)
