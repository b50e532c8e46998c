"""A small training from start to checkpoint: what is logged, kept and read back."""

from __future__ import annotations

import copy
import csv
import math
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from fer.data.datamodule import FaceDataModule
from fer.learning import FerModule
from fer.learning.callbacks import BestLastCheckpoint, History
from fer.learning.dry_run import network_summary
from fer.models import BuildError
from tests.support.learners import pattern_data, quiet_trainer, small_module
from tests.support.pattern_faces import CLASSES

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    # A resumed run has a folder of its own.
    pytest.mark.filterwarnings("ignore:The dirpath has changed"),
]

EPOCHS = 4
VAL = {
    "val/loss",
    "val/acc",
    "val/balanced_acc",
    *(f"val/macro_{name}" for name in ("precision", "recall", "f1")),
    *(f"val/{name}/{label}" for name in ("precision", "recall", "f1") for label in CLASSES),
}


@dataclass
class Witness(Callback):
    """Notes what happened by itself, to hold the module's own account against."""

    losses: list[list[tuple[float, int]]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    after_validation: list[dict[str, float]] = field(default_factory=list)
    weights: list[dict[str, torch.Tensor]] = field(default_factory=list)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self.losses.append([])
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.losses[-1].append((outputs["loss"].item(), len(batch["label"])))

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        numbers = {k: v.item() for k, v in trainer.callback_metrics.items() if "val/" in k}
        self.after_validation.append(numbers)
        self.weights.append(copy.deepcopy(pl_module.state_dict()))


@dataclass
class Run:
    folder: Path
    module: FerModule
    data: FaceDataModule
    trainer: lightning.Trainer
    history: History
    witness: Witness


def learner() -> FerModule:
    return small_module("optimizer.lr=0.01", "scheduler=plateau", "scheduler.patience=0")


def learner_data() -> FaceDataModule:
    return pattern_data(batch_size=8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    module, data = learner(), learner_data()
    history, witness = History(), Witness()
    trainer = quiet_trainer(folder, BestLastCheckpoint(), history, witness, max_epochs=EPOCHS)
    trainer.fit(module, datamodule=data, weights_only=True)
    return Run(folder, module, data, trainer, history, witness)


def load(run: Run, name: str) -> FerModule:
    path = run.folder / "checkpoints" / f"{name}.ckpt"
    return FerModule.load_from_checkpoint(path, weights_only=True, map_location="cpu").eval()


@torch.no_grad()
def accuracy(module: FerModule, data: FaceDataModule, split: str = "val") -> float:
    faces = data.faces.splits[split]
    logits = module.eval()(torch.from_numpy(faces.images)[:, None])
    return float(np.mean(logits.argmax(dim=1).numpy() == faces.labels))


def test_two_checkpoints_and_no_more(run: Run) -> None:
    assert sorted(p.name for p in (run.folder / "checkpoints").iterdir()) == [
        "best.ckpt",
        "last.ckpt",
    ]


@torch.no_grad()
def test_the_last_checkpoint_is_the_module(run: Run) -> None:
    loaded = load(run, "last")
    images = torch.from_numpy(run.data.faces.splits["test"].images)[:, None]
    assert torch.equal(loaded(images), run.module.eval()(images))
    assert loaded.classes == CLASSES
    assert loaded.optimizer_spec == run.module.optimizer_spec


def test_the_best_checkpoint_is_that_of_the_best_epoch(run: Run) -> None:
    accuracies = [epoch["val/acc"] for epoch in run.witness.after_validation]
    best = int(np.argmax(accuracies))
    loaded = load(run, "best").state_dict()
    assert loaded.keys() == run.witness.weights[best].keys()
    for name, tensor in run.witness.weights[best].items():
        if name.startswith("network."):
            assert torch.equal(loaded[name], tensor), name
    assert accuracy(load(run, "best"), run.data) == pytest.approx(accuracies[best])
    callback = run.trainer.checkpoint_callback
    assert isinstance(callback, BestLastCheckpoint)
    assert float(callback.best_model_score) == pytest.approx(max(accuracies))


def test_hyperparameters_are_plain(run: Run) -> None:
    def walk(node: Any) -> None:
        if isinstance(node, dict | list | tuple):
            for child in node.values() if isinstance(node, dict) else node:
                walk(child)
        else:
            assert type(node) in (str, int, float, bool, type(None)), type(node)

    path = run.folder / "checkpoints" / "best.ckpt"
    stored = torch.load(path, weights_only=True)["hyper_parameters"]
    made_of = {"model", "loss", "optimizer", "scheduler", "classes", "size"}
    assert set(stored) == made_of | {
        "fit",
        "frames",
        "invalid",
        "not_comparable",
        "mixing",
        "seed",
        "channels_last",
    }
    walk(dict(stored))


def test_validation_logs_what_it_promises(run: Run) -> None:
    for epoch in run.witness.after_validation:
        assert set(epoch) == VAL
    promised = run.module.logged_metrics
    assert len(promised) == len(set(promised))
    assert {name for name in promised if name.startswith("val/")} == VAL
    assert set(promised) <= set(run.trainer.callback_metrics)
    assert set(run.trainer.callback_metrics) - set(promised) == {"train/step_loss"}


def test_confusion_has_true_classes_in_its_rows(tmp_path: Path) -> None:
    """Of a network that has learned nothing, so that errors are many and not symmetric."""
    torch.manual_seed(3)
    module, data = small_module(), pattern_data()
    quiet_trainer(tmp_path).validate(module, datamodule=data, verbose=False)
    labels = data.faces.splits["val"].labels
    with torch.no_grad():
        logits = module.eval()(torch.from_numpy(data.faces.splits["val"].images)[:, None])
    expected = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
    np.add.at(expected, (labels, logits.argmax(dim=1).numpy()), 1)
    assert not np.array_equal(expected, expected.T)
    assert module.confusion["val"].dtype == torch.int64
    np.testing.assert_array_equal(module.confusion["val"].numpy(), expected)


def test_history_has_an_entry_an_epoch(run: Run) -> None:
    assert [epoch["epoch"] for epoch in run.history.epochs] == list(range(1, EPOCHS + 1))
    for epoch, seen in zip(run.history.epochs, run.witness.after_validation, strict=True):
        told = {k: v for k, v in seen.items() if not math.isnan(v)}
        assert {k: v for k, v in epoch.items() if k.startswith("val/")} == told
    assert [epoch["lr"] for epoch in run.history.epochs] == run.witness.rates


def test_history_has_the_training_of_its_own_epoch(run: Run) -> None:
    assert len(run.witness.losses) == EPOCHS
    for epoch, steps in zip(run.history.epochs, run.witness.losses, strict=True):
        mean = sum(loss * faces for loss, faces in steps) / sum(faces for _, faces in steps)
        assert epoch["train/loss"] == pytest.approx(mean, rel=1e-5)
        assert 0 <= epoch["train/acc"] <= 1


def test_history_file_is_the_history(run: Run) -> None:
    with (run.folder / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    read = [{name: float(value) for name, value in row.items() if value} for row in rows]
    assert read == run.history.epochs


def resume(
    path: Path, folder: Path, epochs: int = EPOCHS + 1
) -> tuple[History, BestLastCheckpoint]:
    history, best_and_last = History(), BestLastCheckpoint()
    trainer = quiet_trainer(folder, best_and_last, history, max_epochs=epochs)
    trainer.fit(learner(), datamodule=learner_data(), ckpt_path=path, weights_only=True)
    return history, best_and_last


def test_a_resumed_run_has_the_whole_history(run: Run, tmp_path: Path) -> None:
    history, _ = resume(run.folder / "checkpoints" / "last.ckpt", tmp_path)
    assert history.epochs[:EPOCHS] == run.history.epochs
    assert [epoch["epoch"] for epoch in history.epochs] == list(range(1, EPOCHS + 2))


class PowerCut(Callback):
    """Ends the training in the middle of an epoch, as a crash does."""

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (trainer.current_epoch, batch_idx) == (2, 1):
            raise RuntimeError("power cut")


def test_a_cut_run_resumes_as_if_nothing_had_been(tmp_path: Path) -> None:
    """Every epoch once, with the same numbers; without dropout, whose draws are another matter."""

    def start(name: str, *callbacks: Callback, ckpt_path: Path | None = None) -> History:
        history = History()
        trainer = quiet_trainer(
            tmp_path / name, BestLastCheckpoint(), history, *callbacks, max_epochs=EPOCHS
        )
        torch.manual_seed(0)
        module = small_module("optimizer.lr=0.01", "model.head.dropout=0")
        trainer.fit(module, datamodule=learner_data(), ckpt_path=ckpt_path, weights_only=True)
        return history

    whole = start("whole")
    with pytest.raises(RuntimeError, match="power cut"):
        start("cut", PowerCut())
    last = tmp_path / "cut" / "checkpoints" / "last.ckpt"
    kept = torch.load(last, weights_only=True)["callbacks"]["History"]["epochs"]
    assert kept == whole.epochs[:2]
    assert start("resumed", ckpt_path=last).epochs == whole.epochs


def test_a_resumed_run_knows_the_best_epoch_before_it(run: Run, tmp_path: Path) -> None:
    """Or it would report one epoch's accuracy beside the test scores of another's weights."""
    path = tmp_path / "good.ckpt"
    checkpoint = torch.load(run.folder / "checkpoints" / "last.ckpt", weights_only=True)
    states = checkpoint["callbacks"]
    (state,) = (states[name] for name in states if "BestLastCheckpoint" in name)
    # No later epoch can be better than this one.
    score = torch.tensor(2.0)
    state |= {"best_model_score": score, "kth_value": score}
    state["best_k_models"] = {state["best_model_path"]: score}
    states["History"]["epochs"][0]["val/acc"] = 2.0
    torch.save(checkpoint, path)

    history, best_and_last = resume(path, tmp_path / "resumed")
    assert max(epoch["val/acc"] for epoch in history.epochs) == 2.0
    assert float(best_and_last.best_model_score or 0) == 2.0
    best = torch.load(best_and_last.best_model_path, weights_only=True)["state_dict"]
    for name, tensor in load(run, "best").state_dict().items():
        assert torch.equal(best[name], tensor), name


def test_a_run_that_was_moved_resumes(run: Run, tmp_path: Path) -> None:
    """Its best checkpoint lies beside the last one, and no longer where its path says."""
    moved = shutil.copytree(run.folder / "checkpoints", tmp_path / "moved")
    checkpoint = torch.load(moved / "last.ckpt", weights_only=True)
    (state,) = (s for name, s in checkpoint["callbacks"].items() if "BestLastCheckpoint" in name)
    gone = str(tmp_path / "gone" / "best.ckpt")
    state |= {"dirpath": str(tmp_path / "gone"), "best_model_path": gone}
    state["best_k_models"] = {gone: state["best_model_score"]}
    torch.save(checkpoint, moved / "last.ckpt")

    history, best_and_last = resume(moved / "last.ckpt", tmp_path / "resumed")
    assert len(history.epochs) == EPOCHS + 1
    assert Path(best_and_last.best_model_path).is_file()
    assert float(best_and_last.best_model_score or 0) == max(e["val/acc"] for e in history.epochs)


PATIENT = {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 1, "gamma": 0.5}


def fit_with_rare_validation(folder: Path, scheduler: dict[str, Any]) -> History:
    module = FerModule(**(dict(learner().hparams) | {"scheduler": scheduler}))
    history = History()
    trainer = quiet_trainer(
        folder, BestLastCheckpoint(), history, max_epochs=4, check_val_every_n_epoch=2
    )
    trainer.fit(module, datamodule=pattern_data(train=16, val=8), weights_only=True)
    return history


def test_rare_validation_leaves_gaps_and_no_old_numbers(tmp_path: Path) -> None:
    history = fit_with_rare_validation(tmp_path, PATIENT)
    assert ["val/acc" in epoch for epoch in history.epochs] == [False, True, False, True]
    assert [epoch["lr"] for epoch in history.epochs] == [0.01, 0.005, 0.0025, 0.00125]


def test_a_plateau_is_looked_for_where_there_was_a_validation(tmp_path: Path) -> None:
    spec = learner().scheduler_spec
    assert spec["monitor"] == "val/acc"
    assert len(fit_with_rare_validation(tmp_path, dict(spec)).epochs) == 4


def test_test_scores_every_class(run: Run) -> None:
    module, data = load(run, "best"), pattern_data()
    trainer = quiet_trainer(run.folder)
    (numbers,) = trainer.test(module, datamodule=data, verbose=False)
    assert set(numbers) == {name.replace("val/", "test/") for name in VAL}
    assert all(math.isfinite(number) for number in numbers.values())
    assert numbers["test/acc"] == pytest.approx(accuracy(module, data, "test"))
    labels = data.faces.splits["test"].labels
    assert (
        module.confusion["test"].sum(dim=1).tolist()
        == np.bincount(labels, minlength=len(CLASSES)).tolist()
    )


def test_the_loss_is_a_mean_over_faces(run: Run) -> None:
    """The last batch is smaller and counts less."""
    module = load(run, "best")
    trainer = quiet_trainer(run.folder)
    (one,) = trainer.validate(module, datamodule=pattern_data(batch_size=22), verbose=False)
    (many,) = trainer.validate(module, datamodule=pattern_data(batch_size=16), verbose=False)
    assert many["val/loss"] == pytest.approx(one["val/loss"], rel=1e-4)


@pytest.mark.parametrize("loss", ["smoothed", "weighted", "focal"])
def test_the_loss_that_is_scored_is_cross_entropy_whatever_is_learned_by(
    tmp_path: Path, loss: str
) -> None:
    torch.manual_seed(0)
    module, data = small_module(f"loss={loss}"), pattern_data()
    (numbers,) = quiet_trainer(tmp_path).validate(module, datamodule=data, verbose=False)
    faces = data.faces.splits["val"]
    with torch.no_grad():
        logits = module.eval()(torch.from_numpy(faces.images)[:, None])
    expected = torch.nn.functional.cross_entropy(logits, torch.from_numpy(faces.labels))
    assert numbers["val/loss"] == pytest.approx(float(expected), rel=1e-5)


def test_the_learner_trains_what_can_be_trained() -> None:
    module = small_module("scheduler=plateau")
    module.network.backbone.requires_grad_(requires_grad=False)
    chosen: Any = module.configure_optimizers()
    held = {id(p) for group in chosen["optimizer"].param_groups for p in group["params"]}
    assert held == {id(p) for p in module.parameters() if p.requires_grad}
    assert chosen["lr_scheduler"]["monitor"] == "val/acc"


@pytest.mark.parametrize("part", ["model", "loss", "optimizer", "scheduler"])
def test_a_part_of_another_kind_is_refused(part: str) -> None:
    hyperparameters = dict(small_module().hparams)
    hyperparameters[part] = {"_target_": "os.system", "command": "exit 1"}
    with pytest.raises(BuildError, match=r"os\.system"):
        FerModule(**hyperparameters).configure_optimizers()


@pytest.mark.parametrize("choice", ["model=cnn_lstm", "model=clip_lstm"])
def test_the_table_of_the_network_leaves_the_mode(choice: str) -> None:
    module = small_module(choice, small=False).train()
    table = network_summary(module)
    assert module.training
    assert "network.head" in table
    assert f"[1, {len(CLASSES)}]" in table
