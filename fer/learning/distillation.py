"""Teachers: trained networks, or their stored answers, that another network learns from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fer.learning.losses import distillation_loss


class Teacher(ABC):
    """Knowledge distillation (Hinton et al. 2015): part of the loss is against a teacher's answers.

    Not a module: a student's checkpoint holds nothing of its teacher.

    Args:
        weight: of the loss against the teacher's answers; the labels' loss has the rest.
        temperature: the logits of both are divided by it before the softmax in that loss; above 1
            the teacher's doubts count more.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, *, weight: float = 0.5, temperature: float = 1.0) -> None:
        if not 0 < weight <= 1 or temperature <= 0:
            raise ValueError(
                "weight must be above 0 and at most 1 and temperature above 0, not "
                f"{weight} and {temperature}"
            )
        self.weight = weight
        self.temperature = temperature

    @abstractmethod
    def to(self, device: torch.device) -> None:
        """Move what it holds to the device of the student."""

    @abstractmethod
    def soft_targets(self, images: Tensor, rows: Tensor) -> Tensor:
        """Return the softened answers for the faces of a batch, ``[B, C]``.

        Args:
            images: ``[B, 1, H, W]``, as the student sees them.
            rows: int64 ``[B]``, the row of each face in its data set.
        """

    def loss(self, logits: Tensor, soft_targets: Tensor, label_loss: Tensor) -> Tensor:
        """Return what a student minimises, a scalar.

        Args:
            logits: of the student, ``[B, C]``.
            soft_targets: of :meth:`soft_targets` for the same faces, ``[B, C]``.
            label_loss: its loss against the labels, a scalar.
        """
        taught = distillation_loss(logits, soft_targets, self.temperature)
        return self.weight * taught + (1 - self.weight) * label_loss


class TeacherNetworks(Teacher):
    """Networks that look at the very pictures that the student sees, augmented and mixed.

    This is "consistent teaching" (Beyer et al. 2022). Their answers are averaged: the teacher is an
    ensemble.

    Args:
        networks: frozen, in evaluation mode; images ``[B, 1, H, W]`` → logits ``[B, C]``.
        weight: see :class:`Teacher`.
        temperature: see :class:`Teacher`.
    """

    def __init__(
        self, networks: Sequence[nn.Module], *, weight: float = 0.5, temperature: float = 1.0
    ) -> None:
        super().__init__(weight=weight, temperature=temperature)
        self.networks = list(networks)

    def to(self, device: torch.device) -> None:
        for network in self.networks:
            network.to(device)

    @torch.no_grad()
    def soft_targets(self, images: Tensor, rows: Tensor) -> Tensor:
        answers = [
            (network(images).float() / self.temperature).softmax(dim=1) for network in self.networks
        ]
        return torch.stack(answers).mean(dim=0)


class StoredAnswers(Teacher):
    """Soft targets from a file, one for each training face however it is augmented.

    Args:
        rows: int64 ``[N]``, the rows of the faces.
        probabilities: float32 ``[N, C]``, their soft targets.
        weight: see :class:`Teacher`.
        temperature: see :class:`Teacher`.
    """

    def __init__(
        self, rows: Tensor, probabilities: Tensor, *, weight: float = 0.5, temperature: float = 1.0
    ) -> None:
        super().__init__(weight=weight, temperature=temperature)
        # Softening probabilities is softening logits: p ** (1 / T), normalised again.
        softened = probabilities.clamp(min=1e-6) ** (1 / temperature)
        self._table = torch.zeros(int(rows.max()) + 1, probabilities.shape[1])
        self._table[rows] = softened / softened.sum(dim=1, keepdim=True)

    def to(self, device: torch.device) -> None:
        self._table = self._table.to(device)

    def soft_targets(self, images: Tensor, rows: Tensor) -> Tensor:
        return self._table[rows]
