"""Every figure against scikit-learn, in one process and in two."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn import metrics as sk
from torch import distributed
from torch.multiprocessing.spawn import spawn

from fer.evaluation.statistics import scores
from fer.learning.metrics import PER_CLASS, classification_metrics, flatten

Labels = npt.NDArray[np.int64]

CLASSES = 7
#: Which classes occur and which are predicted.
CASES = {
    "all": (range(7), range(7)),
    "absent": ([0, 2, 3, 6], range(7)),
    "never predicted": (range(7), [1, 2, 4]),
    "absent and never predicted": ([0, 1, 2], [0, 1]),
    "apart": ([0, 1, 2], [3, 4]),
    "one class": ([4], [4]),
    "one class, many answers": ([4], range(7)),
    "many classes, one answer": (range(7), [4]),
}


def draw(case: str, count: int = 103, seed: int = 0) -> tuple[Labels, Labels]:
    """Return answers and labels; about half of the answers are right where they can be."""
    rng = np.random.default_rng(seed)
    occurring, predicted = (np.array(list(part)) for part in CASES[case])
    labels = rng.choice(occurring, count)
    answers = rng.choice(predicted, count)
    right = (rng.random(count) < 0.5) & np.isin(labels, predicted)
    return np.where(right, labels, answers), labels


def expected(answers: Labels, labels: Labels) -> dict[str, Any]:
    """Return what scikit-learn says."""
    every = {"labels": list(range(CLASSES)), "average": None, "zero_division": np.nan}
    table = dict(
        zip(PER_CLASS, sk.precision_recall_fscore_support(labels, answers, **every), strict=False)
    )
    with warnings.catch_warnings():
        # That a class is predicted but never occurs is the case under test.
        warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")
        return {
            "acc": sk.accuracy_score(labels, answers),
            "balanced_acc": sk.balanced_accuracy_score(labels, answers),
            "confusion": sk.confusion_matrix(labels, answers, labels=list(range(CLASSES))),
            **table,
            **{f"macro_{name}": np.nanmean(values) for name, values in table.items()},
        }


def check(values: dict[str, torch.Tensor], answers: Labels, labels: Labels) -> None:
    wanted = expected(answers, labels)
    assert set(values) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(values[name].numpy(), value, rtol=0, atol=1e-6, err_msg=name)


def batches(values: Labels, size: int = 10) -> list[torch.Tensor]:
    return list(torch.from_numpy(values).split(size))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [10, 103, 1])
def test_against_scikit_learn(case: str, size: int) -> None:
    answers, labels = draw(case)
    metrics = classification_metrics(CLASSES)
    for guess, truth in zip(batches(answers, size), batches(labels, size), strict=True):
        metrics.update(guess, truth)
    check(metrics.compute(), answers, labels)


def test_logits_count_by_their_largest() -> None:
    logits = torch.randn(53, CLASSES, generator=torch.Generator().manual_seed(0))
    labels = draw("all", 53)[1]
    metrics = classification_metrics(CLASSES)
    for part, truth in zip(logits.split(10), batches(labels), strict=True):
        metrics.update(part, truth)
    check(metrics.compute(), logits.argmax(dim=1).numpy(), labels)


@pytest.mark.parametrize("case", CASES)
def test_a_training_and_a_judgement_mean_the_same(case: str) -> None:
    answers, labels = draw(case)
    names = tuple("abcdefg")
    logits = np.eye(CLASSES, dtype=np.float32)[answers]
    metrics = classification_metrics(CLASSES)
    metrics.update(torch.from_numpy(answers), torch.from_numpy(labels))
    ours = flatten(metrics.compute(), names, "test")
    theirs = scores(labels, logits, names, "test")
    del theirs["test/loss"]
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        wanted = np.nan if value is None else value
        assert ours[name].item() == pytest.approx(wanted, abs=1e-6, nan_ok=True), name


#: How many faces each process has.
SHARES = ((10, 7), (3, 14))


def measure(rank: int, folder: str) -> None:
    """Measure one process's share of each case and save what the processes agree on."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    results = {}
    for case in CASES:
        for shares in SHARES:
            answers, labels = (torch.from_numpy(v) for v in draw(case, sum(shares)))
            mine = slice(shares[0]) if rank == 0 else slice(shares[0], None)
            metrics = classification_metrics(CLASSES)
            # Another number of batches in each process, with a last one that is smaller.
            for guess, truth in zip(answers[mine].split(4), labels[mine].split(4), strict=True):
                metrics.update(guess, truth)
            results[case, shares] = metrics.compute()
    torch.save(results, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_agree_with_one(tmp_path: Path) -> None:
    spawn(measure, args=(str(tmp_path),), nprocs=2)
    for rank in range(2):
        results = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert len(results) == len(CASES) * len(SHARES)
        for (case, shares), values in results.items():
            check(values, *draw(case, sum(shares)))
