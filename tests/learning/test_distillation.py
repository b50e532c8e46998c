"""A student learns from what teachers say of the very pictures that it sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer.data.soft_targets import SoftTargets, checksums_of
from fer.learning import FerModule
from fer.learning.callbacks import ConsistencyRegularization, Distillation
from fer.learning.callbacks.distillation import read_teachers
from fer.learning.distillation import StoredAnswers, TeacherNetworks
from fer.learning.losses import distillation_loss
from tests.support.errors import raises
from tests.support.learners import pattern_data, quiet_trainer, small_module


class Fixed(nn.Module):
    """Answers with the same logits, and keeps what it was shown."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = torch.tensor(logits)
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images)
        return self.logits.expand(len(images), -1)


def stored(folder: Path, module: FerModule, name: str = "best.ckpt", **changes: Any) -> Path:
    path = folder / name
    options = dict(module.hparams) | changes
    torch.save({"state_dict": module.state_dict(), "hyper_parameters": options}, path)
    return path


def test_teachers_answer_together_and_softened() -> None:
    teachers = TeacherNetworks([Fixed(0.0, 2.0), Fixed(1.0, 0.0)], temperature=2.0)
    expected = (F.softmax(torch.tensor([0.0, 1.0]), 0) + F.softmax(torch.tensor([0.5, 0.0]), 0)) / 2
    answers = teachers.soft_targets(torch.zeros(2, 1, 8, 8), torch.arange(2))
    torch.testing.assert_close(answers, expected.expand(2, -1))


def test_both_sides_are_softened_and_the_gradient_keeps_its_size() -> None:
    """Hinton et al. 2015, equations 2 to 4: in the limit, (z - v) / C whatever the temperature."""
    student, teacher = torch.randn(2, 3, 4, dtype=torch.float64)
    student, teacher = (x - x.mean(dim=1, keepdim=True) for x in (student, teacher))
    student.requires_grad_()
    for temperature in (1.0, 4.0, 1000.0):
        taught = F.softmax(teacher / temperature, dim=1)
        (found,) = torch.autograd.grad(distillation_loss(student, taught, temperature), student)
        p = F.softmax(student.detach() / temperature, dim=1)
        torch.testing.assert_close(found, temperature * (p - taught) / len(student))
    torch.testing.assert_close(
        found, (student.detach() - teacher) / 4 / len(student), rtol=0, atol=1e-2
    )
    # A student that answers as its teacher has nothing to learn, at any temperature.
    same = teacher.clone().requires_grad_()
    (found,) = torch.autograd.grad(
        distillation_loss(same, F.softmax(teacher / 4.0, dim=1), 4.0), same
    )
    torch.testing.assert_close(found, torch.zeros_like(found))


@pytest.mark.parametrize("numbers", [{"weight": 0.0}, {"weight": 1.1}, {"temperature": 0.0}])
def test_numbers_out_of_range_are_refused(numbers: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="weight must be above 0"):
        TeacherNetworks([Fixed(0.0)], **numbers)


def test_a_step_is_taught_by_what_the_student_sees() -> None:
    module = small_module("augmentation.mixing.mixup=1.0")
    classes = len(module.classes)
    teacher = Fixed(*range(classes))
    module.teacher = TeacherNetworks([teacher], weight=0.25, temperature=2.0)
    seen: list[tuple[Tensor, Tensor]] = []
    module.network.register_forward_hook(lambda _, given, said: seen.append((given[0], said)))
    labels = torch.tensor([0, 1, 2, 3])
    images = torch.randint(0, 256, (4, 1, 48, 48)).byte()
    batch: Any = {"image": images, "label": labels, "row": labels}
    loss = module._step(module.train_scores, module._taught(batch, module.teacher))
    ((pictures, logits),) = seen
    assert torch.equal(teacher.seen[0], pictures)
    taught = torch.softmax(torch.arange(classes) / 2.0, 0).expand(4, -1)
    expected = 0.25 * 4 * F.cross_entropy(logits / 2, taught) + 0.75 * module.loss(logits, labels)
    torch.testing.assert_close(loss, expected)
    # What is validated is the loss against the labels alone.
    logits = module._score(module.val_scores, batch)
    torch.testing.assert_close(module.val_scores.loss.compute(), module.loss(logits, labels))


def test_stored_answers_are_looked_up_by_row_and_softened() -> None:
    logits = torch.randn(3, 4)
    teacher = StoredAnswers(torch.tensor([7, 2, 5]), logits.softmax(dim=1), temperature=3.0)
    answers = teacher.soft_targets(torch.empty(2, 1, 8, 8), torch.tensor([5, 7]))
    torch.testing.assert_close(answers, (logits[[2, 0]] / 3.0).softmax(dim=1))


def test_soft_targets_go_through_a_whole_training(tmp_path: Path) -> None:
    module = small_module("optimizer.lr=0.01")
    data = pattern_data()
    split = data.faces.splits["train"]
    third = np.tile(np.float32([0, 0, 1, 0]), (len(split), 1))
    path = tmp_path / "targets.npz"
    SoftTargets(data.faces.classes, split.rows, third, checksums_of(split)).write(path)
    callback = Distillation(soft_targets=[str(path)], weight=1.0)
    trainer = quiet_trainer(tmp_path, callback, max_epochs=3, enable_checkpointing=False)
    trainer.fit(module, datamodule=data)
    images = torch.from_numpy(data.faces.splits["val"].images.copy()).unsqueeze(1)
    assert (module.eval()(images).argmax(dim=1) == 2).all()


def test_teaching_goes_through_a_whole_training(tmp_path: Path) -> None:
    """A student that is taught by one class alone answers with it, whatever the labels."""
    module = small_module("optimizer.lr=0.01")
    teacher = small_module()
    with torch.no_grad():
        last = teacher.network.head.layers[-1]
        last.weight.zero_()
        last.bias.copy_(torch.tensor([0.0, 0.0, 20.0, 0.0][: len(module.classes)]))
    path = stored(tmp_path, teacher)
    callback = Distillation(teachers=[str(path)], weight=1.0)
    trainer = quiet_trainer(tmp_path, callback, max_epochs=3, enable_checkpointing=False)
    data = pattern_data()
    trainer.fit(module, datamodule=data)
    images = torch.from_numpy(data.faces.splits["val"].images.copy()).unsqueeze(1)
    answers = module.eval()(images).argmax(dim=1)
    assert (answers == 2).all()
    assert not any("teacher" in name for name in module.state_dict())


def test_teachers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    module = small_module()
    other = stored(tmp_path, small_module(), "other.ckpt", classes=list("dcba"))
    # Of four classes, too.
    with raises("other_classes", "other.ckpt"):
        read_teachers([other], module)
    larger = stored(tmp_path, small_module(), "larger.ckpt", size=64)
    with raises("other_inputs", "larger.ckpt"):
        read_teachers([larger], module)
    seen = stored(tmp_path, small_module(), "seen.ckpt", invalid="test faces were trained on")
    with raises("other_protocol", "seen.ckpt"):
        read_teachers([seen], module)
    with raises("no_file", "absent.ckpt"):
        read_teachers([tmp_path / "absent.ckpt"], module)
    module.takes_clips = True
    for callback in (Distillation(teachers=[str(other)]), ConsistencyRegularization()):
        with raises("not_for_clips"):
            callback.plan(module)
    for both in ([], [str(other)]):
        with pytest.raises(ValueError, match="one of them alone"):
            Distillation(teachers=both, soft_targets=both)
