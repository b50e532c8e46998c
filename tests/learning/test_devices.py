"""What a GPU would wait for and what Apple's can't do, found without either.

Tensors of the ``meta`` device have no numbers: whatever asks for one fails, as on a GPU it would
wait. What an Apple GPU lacks is refused to a training on the processor.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from fer.data.augmentation import Augmentation
from fer.data.datamodule import FaceDataModule
from fer.learning.batch_mixing import BatchMixing
from fer.learning.callbacks import (
    BestLastCheckpoint,
    ConsistencyRegularization,
    EMAWeights,
    History,
    ProgressBar,
    StopOnNaN,
    Throughput,
)
from fer.learning.consistency import Consistency
from fer.learning.distillation import TeacherNetworks
from tests.support.learners import pattern_data, quiet_trainer, small_module
from tests.support.pattern_faces import PatternFaces

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:You are trying to `self.log", "ignore:.*lr_sched"
)


class Copies(TorchDispatchMode):
    """Notes each copy between the processor and the device that a step would wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        found = func(*args, **kwargs)
        if func.overloadpacket.__name__ in ("_to_copy", "copy_"):
            given = [value for value in args if isinstance(value, Tensor)]
            crosses = len({tensor.device.type for tensor in [*given, found]}) > 1
            if crosses and not (kwargs.get("non_blocking") or args[-1] is True):
                self.waited.append(f"{func} of {list(given[-1].shape)}")
        return found


@pytest.mark.parametrize(
    ("optimizer", "loss", "more"),
    [("sgd", "smoothed", "mixing"), ("adamw", "focal", "pairs"), ("muon", "weighted", "teacher")],
)
def test_no_step_waits_for_the_device(optimizer: str, loss: str, more: str) -> None:
    device = torch.device("meta")
    trainer: Any = SimpleNamespace(
        strategy=SimpleNamespace(root_device=device), global_step=0, world_size=1,
        state=SimpleNamespace(fn=TrainerFn.FITTING),
    )  # fmt: skip
    # A recurrence would take seconds there.
    cnn = ("model=cnn", "model.backbone.widths=[6,6,8,8]", "scheduler=none")
    module = small_module(*cnn, f"optimizer={optimizer}", f"loss={loss}", small=False)
    average, guard = EMAWeights(), StopOnNaN()
    # Lightning has callbacks set up before it moves the module.
    average.setup(trainer, module, "fit")
    module.to(device).train()
    if more == "mixing":
        module.mixing = BatchMixing(mixup=0.5, cutmix=0.5)
    elif more == "pairs":
        module.consistency = Consistency()
    else:
        module.teacher = TeacherNetworks(
            [small_module(*cnn, small=False).network.to(device).eval()]
        )
    if hasattr(module.loss, "set_counts"):
        module.loss.set_counts([4, 3, 2, 1])
    chosen: Any = module.configure_optimizers()
    batch: Any = {
        "image": torch.zeros(8, 1, 48, 48, dtype=torch.uint8, device=device),
        **{name: torch.zeros(8, dtype=torch.int64, device=device) for name in ("label", "row")},
    }
    for step in range(2):
        trainer.global_step = step + 1
        with Copies() as copies:
            output = module.training_step(batch, step)
            output.backward()
            chosen["optimizer"].step()
            for callback in (average, guard):
                callback.on_train_batch_end(trainer, module, {"loss": output}, batch, step)
    assert copies.waited == []
    assert average._average_model is not None
    averaged = average._average_model.module
    assert {tensor.device for tensor in averaged.state_dict().values()} == {device}


def test_the_check_of_copies_bites() -> None:
    with Copies() as copies:
        torch.zeros(3).to("meta")
        torch.zeros(4).to("meta", non_blocking=True)
        torch.zeros(5).to(torch.float64)
    assert copies.waited == ["aten._to_copy.default of [3]"]


class Numbers(TorchDispatchMode):
    """Counts how often Python asks a tensor for its number."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.asked += func.overloadpacket.__name__ == "_local_scalar_dense"
        return func(*args, **(kwargs or {}))


class AskedPerStep(Callback):
    """Notes how many numbers the steps have asked for, from one's start to the next one's."""

    def __init__(self, numbers: Numbers) -> None:
        self.numbers = numbers
        self.before: list[int] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.before.append(self.numbers.asked)


def test_the_loop_around_a_step_asks_for_no_number(tmp_path: Path) -> None:
    with Numbers() as numbers:
        steps = AskedPerStep(numbers)
        callbacks = [
            BestLastCheckpoint(),
            History(),
            StopOnNaN(),
            Throughput(),
            ProgressBar(),
            steps,
        ]
        trainer = quiet_trainer(tmp_path, *callbacks, max_epochs=1, enable_progress_bar=True)
        module = small_module("optimizer=sgd", "scheduler=onecycle")
        trainer.fit(module, datamodule=pattern_data(train=64), weights_only=True)
    assert len(steps.before) == 4
    assert len(set(steps.before)) == 1
    assert numbers.asked > steps.before[-1], "the bar and the guard ask in the end"
    assert "train/step_loss" in ProgressBar().get_metrics(trainer, module)


class AppleGPU(TorchDispatchMode):
    """Refuses what an Apple GPU has not, or has not before torch 2.13."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ == "grid_sampler_2d" and args[3] == 1:
            raise NotImplementedError('grid_sampler_2d with padding_mode="border"')
        found = func(*args, **(kwargs or {}))
        if isinstance(found, Tensor) and found.dtype == torch.float64:
            raise TypeError(f"float64 of {func}")
        return found


class OnAppleGPU(Callback):
    """Puts everything between the start and the end of a fit or a test on one."""

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._gpu = AppleGPU()
        self._gpu.__enter__()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._gpu.__exit__(None, None, None)


def test_an_apple_gpu_can_train_and_score(tmp_path: Path) -> None:
    """Resident faces are augmented on the device; two views, averages, metrics."""
    callbacks = [
        BestLastCheckpoint(),
        StopOnNaN(),
        EMAWeights(),
        ConsistencyRegularization(),
        OnAppleGPU(),
    ]
    trainer = quiet_trainer(tmp_path, *callbacks, max_epochs=1)
    source = PatternFaces({"train": 16, "val": 8, "test": 8})
    moves = Augmentation(rotation=10.0, shift=0.1, flip=0.5, brightness=0.1, erase=0.5)
    data = FaceDataModule(source, moves, size=48, batch_size=8, resident=True, workers=0, seed=0)
    module = small_module("optimizer=muon")
    trainer.fit(module, datamodule=data, weights_only=True)
    trainer.test(module, datamodule=data, verbose=False, weights_only=True)
    assert trainer.callback_metrics["test/balanced_acc"].dtype == torch.float32


def test_the_stand_in_for_an_apple_gpu_bites() -> None:
    with AppleGPU():
        with pytest.raises(TypeError, match="float64"):
            torch.ones(2).double()
        with pytest.raises(NotImplementedError, match="border"):
            torch.nn.functional.grid_sample(
                torch.ones(1, 1, 2, 2), torch.ones(1, 2, 2, 2), padding_mode="border",
                align_corners=False,
            )  # fmt: skip
