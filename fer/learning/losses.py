"""What is minimised: logits ``[B, C]`` against labels ``[B]`` or distributions ``[B, C]``.

Distributions come from mixed pictures (mixup, cutmix) and from votes (FER+).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer.core.ranges import NonNegativeFloat, Share, ShareBelowOne


def as_distribution(target: Tensor, classes: int) -> Tensor:
    """Return labels ``[B]`` as one-hot rows ``[B, C]``; distributions are returned as they are.

    Example:
        >>> as_distribution(torch.tensor([1]), 3)
        tensor([[0., 1., 0.]])
    """
    if target.ndim == 2:
        return target
    return F.one_hot(target, classes).float()


def distillation_loss(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """Return how far a student's softened answer is from its teachers', times ``temperature²``.

    Cross-entropy between ``taught`` and ``softmax(logits / temperature)``. Its gradient shrinks by
    ``temperature²``, so the factor keeps its weight beside the labels' loss the same at every
    temperature (Hinton et al. 2015, section 2.1).

    Args:
        logits: of the student, ``[B, C]``.
        taught: the teachers' answers, softened by the same temperature, distributions ``[B, C]``.
        temperature: above 0; at 1 this is plain cross-entropy.
    """
    return F.cross_entropy(logits / temperature, taught) * temperature**2


class WeightedCrossEntropy(nn.Module):
    """Cross-entropy with a weight a class, so that rare classes count as much as common ones.

    The weight is ``(mean count / count) ** power``, from the training labels' counts, and the loss
    is the weighted mean as in ``torch.nn.CrossEntropyLoss``. The module passes the counts.

    Args:
        power: 1 balances the classes in full, 0 not at all, 0.5 is a usual compromise.
        label_smoothing: share of the target spread over all classes.

    Raises:
        RuntimeError: called before :meth:`set_counts`.
    """

    weight: Tensor | None

    def __init__(self, *, power: Share = 0.5, label_smoothing: ShareBelowOne = 0.0) -> None:
        super().__init__()
        self.power = power
        self.label_smoothing = label_smoothing
        self.weight = None

    def set_counts(self, counts: Sequence[int]) -> None:
        """Take the number of training faces of each class; a class without any weighs nothing."""
        numbers = torch.tensor(counts, dtype=torch.float32)
        present = numbers > 0
        weight = torch.zeros_like(numbers)
        weight[present] = (numbers[present].mean() / numbers[present]) ** self.power
        self.weight = weight

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        if self.weight is None:
            raise RuntimeError("set_counts must be called before the first loss")
        # Moved once: a copy at every step would make a GPU wait.
        self.weight = self.weight.to(logits)
        return F.cross_entropy(logits, target, self.weight, label_smoothing=self.label_smoothing)


class FocalLoss(nn.Module):
    """Focal loss (Lin et al. 2017): easy faces count less.

    ``sum_c -t_c (1 - p_c)^gamma log p_c``, the mean over the batch.

    Args:
        gamma: 0 is plain cross-entropy.

    Example:
        >>> logits = torch.tensor([[2.0, 0.0]])
        >>> label = torch.tensor([0])
        >>> bool(FocalLoss(gamma=2.0)(logits, label) < FocalLoss(gamma=0.0)(logits, label))
        True
    """

    def __init__(self, *, gamma: NonNegativeFloat = 2.0) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        log_p = logits.log_softmax(dim=1)
        easy = (1 - log_p.exp()).clamp(min=0) ** self.gamma
        share = as_distribution(target, logits.shape[1])
        return -(share * easy * log_p).sum(dim=1).mean()


class SoftTargetLoss(nn.Module):
    """Kullback–Leibler divergence from the target distribution to the answer.

    It differs from cross-entropy by the target's own entropy, so it is zero where the answer equals
    the votes, and its gradient is the same (Barsoum et al. 2016 train FER+ by it).

    Shape:
        logits ``[B, C]``, distribution ``[B, C]`` (or labels ``[B]``) → scalar.
    """

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        share = as_distribution(target, logits.shape[1])
        return F.kl_div(logits.log_softmax(dim=1), share, reduction="batchmean")
