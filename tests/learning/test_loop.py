"""A loader process that dies, or can't begin, is told in one message, and nobody waits for ever."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from typing import Any

import pytest
from torch.utils.data import DataLoader, Dataset

from fer.learning.loop import LoaderProcessDiedError, reporting_dead_loaders
from tests.support.train_command import SMALL, Train

pytestmark = pytest.mark.skipif(os.name == "nt", reason="loader processes are forks")


class Doomed(Dataset[Any]):
    """Ends the process that reads it, or gives what can't be handed over."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        if self.how == "killed":
            os.kill(os.getpid(), signal.SIGBUS)
        return Unsendable()


class Unsendable:
    def __reduce__(self) -> Any:
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1>")


@pytest.mark.parametrize("how", ["killed", "no room for a batch"])
def test_a_dead_loader_process_is_named(how: str) -> None:
    loader: Any = DataLoader(
        Doomed(how), num_workers=1, multiprocessing_context="fork", collate_fn=lambda x: x
    )
    told = pytest.raises(LoaderProcessDiedError, match=r"DataLoader worker.*data\.workers=0")
    with told, reporting_dead_loaders():
        list(loader)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="something else"), reporting_dead_loaders():
        raise RuntimeError("something else")


def test_a_training_without_shared_memory_is_told_so(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(multiprocessing, "Event", full)
    answer = train(*SMALL, "data.resident=false", "data.workers=1", "augmentation=paper")
    assert answer.code == 2
    assert "make room in /dev/shm" in answer.err
    assert "Traceback" not in answer.err
