"""Trainings that come before another one: checked, run, named, and found again."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from fer.config.before import with_paths, with_soft_targets
from fer.config.building import build_parts
from fer.config.compose import compose
from fer.config.problems import ConfigError
from fer.config.sources import cleaned_source
from fer.config.training import check_training
from fer.core.errors import UserError
from fer.data.folds import fold_of_each
from fer.data.soft_targets import read_soft_targets
from fer.inference.checkpoint import load_checkpoint, softmax
from fer.inference.views import views
from tests.support.train_command import SMALL, child_environment, run_process

STUDENT = (
    "callbacks=[default,distillation]",
    "callbacks.distillation.teachers=[before/0,before/1]",
)


DISTILLATION = "callbacks.distillation"


def first(*overrides: str) -> str:
    """Return a training that comes first as the list in ``before``."""
    return "[" + ",".join(f'"{text}"' for text in overrides) + "]"


def test_names_stand_for_checkpoints_in_the_run_folder(tmp_path: Path) -> None:
    before = f"before=[{first('seed=1')},{first('seed=2')}]"
    config = compose("train", [before, *STUDENT, "init_from=before/1"], check=check_training)
    used = with_paths(config, tmp_path)
    best = Path("checkpoints", "best.ckpt")
    assert list(used.callbacks.distillation.teachers) == [
        str(tmp_path / "before" / str(number) / best) for number in (0, 1)
    ]
    assert used.init_from == str(tmp_path / "before" / "1" / best)
    # What the run folder keeps, and a resumed run is held against, says the names.
    assert config.init_from == "before/1"
    # Nothing is run by a check, so what is not there yet is left out of it.
    config.check_only = True
    used = with_paths(config, tmp_path)
    assert used.init_from is None
    assert "distillation" not in used.callbacks


def test_mistakes_in_them_are_told_before_anything_is_run() -> None:
    wrong = [first("seed=-1"), first("optimizer.rate=1"), first("before=[['seed=1']]")]
    overrides = [
        f"before=[{','.join(wrong)}]",
        *STUDENT[:1],
        "callbacks.distillation.teachers=[before/3]",
    ]
    with pytest.raises(ConfigError) as caught:
        compose("train", overrides, check=check_training)
    told = str(caught.value)
    assert "before/0: seed" in told
    assert "before/1: optimizer.rate" in told
    assert re.search(r"before/2 +has trainings that come before itself", told)
    assert "there is no before/3: there are 3 trainings in before, counted from 0" in told


def test_distillation_needs_teachers() -> None:
    config = compose("train", STUDENT[:1], check=check_training)
    with pytest.raises(ConfigError, match="callbacks"):
        build_parts(config)


@pytest.mark.slow
def test_teachers_are_made_by_the_same_command_and_kept(tmp_path: Path) -> None:
    teachers = [first(*SMALL[:-2], "trainer.max_epochs=1", f"seed={n}") for n in (1, 2)]
    line = (
        *SMALL,
        "test=false",
        f"before=[{','.join(teachers)}]",
        *STUDENT,
        "resume=auto",
        "hydra.run.dir=whole",
    )
    environment = child_environment(tmp_path)
    answer = run_process(tmp_path, environment, *line)
    assert answer.code == 0, answer
    assert "before/0 seed 1: training done in" in answer.out
    assert "learns 50% from the answers of" in answer.out
    folder = tmp_path / "whole"
    made = {path: path.read_bytes() for path in folder.glob("before/*/checkpoints/best.ckpt")}
    assert len(made) == 2
    weights = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert not any("teacher" in name for name in weights)
    # Prolonged: the teachers are found again.
    answer = run_process(tmp_path, environment, *line, "trainer.max_epochs=3")
    assert answer.code == 0, answer
    assert "training done in" not in answer.out
    assert {path: path.read_bytes() for path in made} == made
    assert len((folder / "history.csv").read_text().splitlines()) == 4


@pytest.mark.slow
def test_each_face_is_taught_by_the_network_that_has_not_seen_it(tmp_path: Path) -> None:
    small = (*SMALL[:-2], "trainer.max_epochs=1", "data.folds=2")
    folds = ",".join(first(*small, f"data.fold={fold}") for fold in (0, 1))
    line = (*SMALL, f"before=[{folds}]", *STUDENT, "callbacks.distillation.out_of_fold=true")
    answer = run_process(tmp_path, child_environment(tmp_path), *line, "hydra.run.dir=whole")
    assert answer.code == 0, answer
    folder = tmp_path / "whole"
    longer = ("resume=auto", "trainer.max_epochs=3", "hydra.run.dir=whole")
    answer = run_process(tmp_path, child_environment(tmp_path), *line, *longer)
    assert answer.code == 0, answer
    assert "going on with whole" in answer.err
    targets = read_soft_targets([folder / "soft_targets.npz"])
    train = cleaned_source(compose("train", SMALL)).load().splits["train"]
    fold_of = fold_of_each(train, 2)
    for fold in (0, 1):
        model = load_checkpoint(folder / "before" / str(fold) / "checkpoints" / "best.ckpt")
        unseen = train.take(fold_of == fold)
        answers = [softmax(model.logits(view)) for view in views(unseen.images)]
        np.testing.assert_allclose(targets.of(unseen), np.mean(answers, axis=0), atol=2e-3)
    for given, message in (
        ([f"teachers=[{folder}/before/0/checkpoints/best.ckpt]"], "was trained without fold 1 of"),
        ([f"soft_targets=[{folder}/soft_targets.npz]"], "out_of_fold=true has "),
        ([], "out_of_fold=true has "),
    ):
        keys = ["out_of_fold=true", *given]
        config = compose("train", [*SMALL, STUDENT[0], *(f"{DISTILLATION}.{k}" for k in keys)])
        with pytest.raises(UserError, match=message):
            with_soft_targets(config, tmp_path)
