"""What is measured: accuracy, precision, recall, F1, balanced accuracy and the confusion matrix."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric, MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassPrecision,
    MulticlassRecall,
)

#: What is reported for each class, and as a mean over classes.
PER_CLASS: Final[Mapping[str, type[Metric]]] = {
    "precision": MulticlassPrecision,
    "recall": MulticlassRecall,
    "f1": MulticlassF1Score,
}


class Scores(nn.Module):
    """What is counted over an epoch of one split: the metrics and the mean loss."""

    def __init__(self, metrics: MetricCollection) -> None:
        super().__init__()
        self.metrics = metrics
        # The others look for numbers that are none, which keeps a GPU waiting: StopOnNaN does that.
        self.loss = MeanMetric(nan_strategy="disable")

    def update(self, logits: Tensor, label: Tensor, loss: Tensor) -> None:
        """Count a batch: logits ``[B, C]``, classes ``[B]`` and the loss, a scalar."""
        self.metrics.update(logits.detach(), label)
        # One loss a face: without the search for NaN, torchmetrics reads no weights.
        self.loss.update(loss.detach().expand(len(logits)))


def _over_classes(per_class: type[Metric]) -> type[Metric]:
    """Return the metric that is the mean of another one over the classes that have it."""

    class MeanOverClasses(per_class):  # type: ignore[valid-type, misc]
        def compute(self) -> Tensor:
            values: Tensor = super().compute()
            return values.nanmean()

        def plot(self, *args: Any, **kwargs: Any) -> Any:
            """Plot one value, or several over steps, as torchmetrics' scalar metrics do."""
            return self._plot(*args, **kwargs)

    return MeanOverClasses


def classification_metrics(classes: int) -> MetricCollection:
    """Return the metrics of one split.

    Each takes int64 or float predictions ``[B]`` or ``[B, classes]`` and int64 labels ``[B]``.
    A class has no precision where it is never predicted, no recall where it has no faces, and no F1
    where neither is: NaN, as with ``zero_division=nan`` in scikit-learn. Means are over the classes
    that have the figure, so macro recall is the balanced accuracy.
    :func:`fer.evaluation.statistics.scores` names and means them alike.

    Args:
        classes: number of classes.

    Returns:
        Scalars ``acc``, ``balanced_acc``, ``macro_precision``, ``macro_recall``, ``macro_f1``;
        vectors ``[classes]`` ``precision``, ``recall``, ``f1``; the confusion matrix
        ``[classes, classes]`` ``confusion``, whose rows are the true classes.
    """
    common: dict[str, Any] = {"num_classes": classes, "validate_args": False}
    each: dict[str, Any] = {"average": "none", "zero_division": math.nan, **common}
    return MetricCollection(
        {
            "acc": MulticlassAccuracy(average="micro", **common),
            "balanced_acc": _over_classes(MulticlassRecall)(**each),
            "confusion": MulticlassConfusionMatrix(**common),
            **{f"macro_{k}": _over_classes(make)(**each) for k, make in PER_CLASS.items()},
            **{k: make(**each) for k, make in PER_CLASS.items()},
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
