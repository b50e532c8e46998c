"""What is measured: accuracy, precision, recall, F1, balanced accuracy and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassPrecision,
    MulticlassRecall,
)

#: What is reported for each class, and as a mean over classes.
PER_CLASS: Final = {
    "precision": MulticlassPrecision,
    "recall": MulticlassRecall,
    "f1": MulticlassF1Score,
}


class Scores(nn.Module):
    """What is counted over an epoch of one split: the metrics and the mean loss."""

    def __init__(self, metrics: MetricCollection) -> None:
        super().__init__()
        self.metrics = metrics
        self.loss = MeanMetric()

    def update(self, logits: Tensor, label: Tensor, loss: Tensor) -> None:
        """Count a batch: logits ``[B, C]``, classes ``[B]`` and the loss, a scalar."""
        self.metrics.update(logits.detach(), label)
        self.loss.update(loss.detach(), len(logits))


class BalancedAccuracy(MulticlassConfusionMatrix):
    """The mean recall of the classes that occur, as scikit-learn's ``balanced_accuracy_score``.

    Macro recall differs where a class is predicted but never occurs: it counts that class as zero.

    Example:
        >>> import torch
        >>> metric = BalancedAccuracy(3)
        >>> metric(torch.tensor([0, 1, 2]), torch.tensor([0, 0, 1])).item()
        0.25
    """

    def compute(self) -> Tensor:
        matrix = super().compute().double()
        occurs = matrix.sum(dim=1) > 0
        recall = matrix.diagonal()[occurs] / matrix.sum(dim=1)[occurs]
        return recall.mean().float()

    def plot(self, *args: Any, **kwargs: Any) -> Any:
        """Plot one value, or several over steps, as torchmetrics' scalar metrics do."""
        return self._plot(*args, **kwargs)


def classification_metrics(classes: int) -> MetricCollection:
    """Return the metrics of one split.

    Each takes int64 or float predictions ``[B]`` or ``[B, classes]`` and int64 labels ``[B]``.
    Macro means are over the classes that occur or are predicted, as in scikit-learn.

    Args:
        classes: number of classes.

    Returns:
        Scalars ``acc``, ``balanced_acc``, ``macro_precision``, ``macro_recall``, ``macro_f1``;
        vectors ``[classes]`` ``precision``, ``recall``, ``f1``; the confusion matrix
        ``[classes, classes]`` ``confusion``, whose rows are the true classes.
    """
    common: dict[str, Any] = {"num_classes": classes, "validate_args": False}
    return MetricCollection(
        {
            "acc": MulticlassAccuracy(average="micro", **common),
            "balanced_acc": BalancedAccuracy(**common),
            "confusion": MulticlassConfusionMatrix(**common),
            **{f"macro_{k}": make(average="macro", **common) for k, make in PER_CLASS.items()},
            **{k: make(average="none", **common) for k, make in PER_CLASS.items()},
        },
    )


def flatten(values: dict[str, Tensor], classes: Sequence[str], prefix: str) -> dict[str, Tensor]:
    """Give every number a flat name: ``prefix/macro_f1``, ``prefix/f1/happy``.

    The confusion matrix is no number and is left out.

    Example:
        >>> import torch
        >>> flatten({"f1": torch.tensor([0.5, 1.0])}, ["cat", "dog"], "test")
        {'test/f1/cat': tensor(0.5000), 'test/f1/dog': tensor(1.)}
    """
    flat: dict[str, Tensor] = {}
    for name, value in values.items():
        if value.ndim == 0:
            flat[f"{prefix}/{name}"] = value
        elif value.ndim == 1:
            flat |= {f"{prefix}/{name}/{c}": v for c, v in zip(classes, value, strict=True)}
    return flat
