"""Teachers that were each trained without a fold teach the faces that they have not seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fer.config.build import build_parts
from fer.config.compose import compose
from fer.config.issues import ConfigError
from fer.config.soft_targets import with_soft_targets
from fer.config.sources import cleaned_source
from fer.config.validate import check_training
from fer.core.errors import UserError
from fer.data.folds import fold_of_each
from fer.data.soft_targets import read_soft_targets
from fer.inference.checkpoint import load_checkpoint, softmax
from fer.inference.views import views
from tests.support.errors import raises
from tests.support.train_command import SMALL, child_environment, run_process

CHOSEN = "callbacks=[default,distillation]"


def out_of_fold(*teachers: str) -> tuple[str, ...]:
    keys = (f"teachers=[{','.join(teachers)}]", "out_of_fold=true")
    return CHOSEN, *(f"callbacks.distillation.{key}" for key in keys)


def test_distillation_needs_teachers(tmp_path: Path) -> None:
    config = compose("train", [CHOSEN], check=check_training)
    with pytest.raises(ConfigError, match="callbacks"):
        build_parts(config)
    for more in ((), ("callbacks.distillation.soft_targets=[a.npz]",)):
        config = compose("train", [*out_of_fold(*["a.ckpt"][: len(more)]), *more])
        with raises("out_of_fold_without_teachers", where="out_of_fold"):
            with_soft_targets(config, tmp_path)


@pytest.mark.slow
def test_each_face_is_taught_by_the_network_that_has_not_seen_it(tmp_path: Path) -> None:
    environment = child_environment(tmp_path)
    folds = (*SMALL[:-2], "trainer.max_epochs=1", "data.folds=2", "data.fold=0,1")
    answer = run_process(tmp_path, environment, "-m", *folds, "hydra.sweep.dir=folds")
    assert answer.code == 0, answer
    teachers = [f"folds/{n}/checkpoints/best.ckpt" for n in (0, 1)]
    assert all((tmp_path / path).is_file() for path in teachers), list(tmp_path.rglob("best.ckpt"))
    line = (*SMALL, *out_of_fold(*teachers), "resume=auto", "hydra.run.dir=whole")
    answer = run_process(tmp_path, environment, *line)
    assert answer.code == 0, answer
    assert "learns 50% from the answers of" in answer.out
    folder = tmp_path / "whole"
    weights = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert not any("teacher" in name for name in weights)
    # Prolonged: the answers are found again.
    targets = (folder / "soft_targets.npz").read_bytes()
    answer = run_process(tmp_path, environment, *line, "trainer.max_epochs=3")
    assert answer.code == 0, answer
    assert (folder / "soft_targets.npz").read_bytes() == targets
    assert len((folder / "history.csv").read_text().splitlines()) == 4
    taught = read_soft_targets([folder / "soft_targets.npz"])
    train = cleaned_source(compose("train", SMALL)).load().splits["train"]
    fold_of = fold_of_each(train, 2)
    for fold, path in enumerate(teachers):
        model = load_checkpoint(tmp_path / path)
        unseen = train.take(fold_of == fold)
        answers = [softmax(model.logits(view)) for view in views(unseen.images)]
        np.testing.assert_allclose(taught.of(unseen), np.mean(answers, axis=0), atol=2e-3)
    one = compose("train", [*SMALL, *out_of_fold(str(tmp_path / teachers[0]))])
    with pytest.raises(UserError, match="was trained without fold 1 of"):
        with_soft_targets(one, tmp_path)
