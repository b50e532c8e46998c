"""What a run under another protocol leaves behind says so, wherever one looks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import matplotlib
import pytest
import torch

from fer.config.build import build_parts
from fer.config.compose import compose
from fer.config.issues import ConfigError
from fer.data.cleaning.protocols import mark_of
from fer.learning import FerModule, loop
from tests.support.train_command import SMALL, Answer, run_process

CNN = (
    *(text for text in SMALL if not text.startswith(("model.lstm", "trainer.max_epochs"))),
    "model=cnn",
    "augmentation=none",
    "trainer.max_epochs=1",
)
WHY = "data.protocol=resplit: all faces were divided anew at random"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("protocol")


@pytest.fixture(scope="module")
def answer(folder: Path) -> Answer:
    """What a run under data.protocol=resplit printed; its files are in ``folder / "run"``."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLCONFIGDIR": matplotlib.get_cachedir()}
    done = run_process(folder, environment, *CNN, "data.protocol=resplit", "hydra.run.dir=run")
    assert done.code == 0, done
    return done


def test_the_summary_ends_with_it(answer: Answer) -> None:
    assert answer.out.splitlines()[-2].startswith(f"INVALID: {WHY}")


def test_the_folder_and_the_metrics_are_marked(answer: Answer, folder: Path) -> None:
    assert (folder / "run" / "INVALID").read_text(encoding="utf-8").startswith(f"INVALID: {WHY}")
    metrics = json.loads((folder / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert next(iter(metrics)) == "invalid"
    assert metrics["invalid"].startswith(WHY)
    provenance = json.loads((folder / "run" / "provenance.json").read_text(encoding="utf-8"))
    assert "under data.protocol=resplit seed 0" in provenance["data"]["origin"]


def test_the_checkpoint_carries_it(answer: Answer, folder: Path) -> None:
    for name in ("best", "last"):
        path = folder / "run" / "checkpoints" / f"{name}.ckpt"
        stored = torch.load(path, weights_only=True)["hyper_parameters"]
        assert stored["invalid"].startswith(WHY)
        assert stored["not_comparable"] == ""


def test_an_honest_training_cannot_go_on_with_it(answer: Answer, folder: Path) -> None:
    """Its weights have seen test faces, whatever protocol the rest of the training follows."""
    last = f"ckpt_path={folder / 'run' / 'checkpoints' / 'last.ckpt'}"
    with pytest.raises(ConfigError, match=f"last.ckpt can't be .* INVALID: {WHY}"):
        build_parts(compose("train", [*CNN, last]))
    build_parts(compose("train", [*CNN, last, "data.protocol=resplit"]))


@pytest.mark.parametrize(
    ("overrides", "titles"),
    [
        ([], []),
        (["data.protocol=train_as_test"], ["INVALID (data.protocol=train_as_test)"]),
        (
            ["data.protocol=fewer_classes", "data.only_classes=[happy,sad]"],
            ["NOT COMPARABLE (data.protocol=fewer_classes)"],
        ),
    ],
    ids=["official", "train_as_test", "fewer_classes"],
)
def test_figures_and_metrics_say_it_where_it_is_so_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: list[str], titles: list[str]
) -> None:
    module = build_parts(compose("train", [*CNN, *overrides])).module
    module.confusion["test"] = torch.eye(7, dtype=torch.int64)
    drawn: list[str] = []
    monkeypatch.setattr(loop, "plot_curves", lambda epochs, title, path: drawn.append(title))
    monkeypatch.setattr(loop, "plot_confusion", lambda n, names, title, path: drawn.append(title))
    loop._draw(tmp_path, module, [], test=True)
    loop._write(tmp_path, module, {"test/acc": 1.0})
    assert len(drawn) == 2
    for title in drawn:
        assert title.split("\n")[:-1] == titles
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    marked = {"invalid", "not_comparable"} & set(metrics)
    assert len(marked) == len(titles)
    assert _summary_words(module) == [title.partition(" (")[0] for title in titles]


def _summary_words(module: FerModule) -> list[str]:
    lines = loop._summary(module, {"val/best_acc": 1.0, "val/best_epoch": 1.0}, Path("run"))
    return [word for word in ("INVALID", "NOT COMPARABLE") if f"\n{word}: data.protocol=" in lines]


def test_the_options_that_do_not_fit_are_told() -> None:
    for wrong in (["data.protocol=fewer_classes"], ["data.only_classes=[happy,sad]"]):
        with pytest.raises(ConfigError, match="go together"):
            build_parts(compose("train", [*CNN, *wrong]))
    assert mark_of("official") is None
