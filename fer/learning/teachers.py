"""Networks that have learnt already, and answer for the faces that another one learns from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from fer.core.errors import UserError
from fer.learning.checkpoint_io import read_checkpoint
from fer.learning.losses import distillation_loss
from fer.learning.module import FerModule
from fer.models import BuildError, rebuild

_PREFIX = "network."


class Teacher(ABC):
    """What a student learns from beside the labels (knowledge distillation, Hinton et al. 2015).

    Not a module: a student's checkpoint holds nothing of its teacher.

    Args:
        weight: of the loss against the teacher's answers; the labels' loss has the rest.
        temperature: that the logits of both are divided by before the softmax, in the loss against
            the answers; above 1 the teacher's doubts count more.

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
    def probabilities(self, images: Tensor, rows: Tensor) -> Tensor:
        """Return the softened answers for the faces of a batch, ``[B, C]``.

        Args:
            images: ``[B, 1, H, W]``, as the student sees them.
            rows: int64 ``[B]``, the row of each face in its data set.
        """

    def loss(self, logits: Tensor, taught: Tensor, labelled: Tensor) -> Tensor:
        """Return what a student minimises, a scalar.

        Args:
            logits: of the student, ``[B, C]``.
            taught: what :meth:`probabilities` gives for the same faces, ``[B, C]``.
            labelled: its loss against the labels, a scalar.
        """
        return (
            self.weight * distillation_loss(logits, taught, self.temperature)
            + (1 - self.weight) * labelled
        )


class Teachers(Teacher):
    """Networks that look at the very pictures that the student looks at, augmented and mixed.

    So nothing they answer is of another picture ("consistent teaching", Beyer et al. 2022). Their
    answers are averaged: the teacher is an ensemble.

    Args:
        networks: frozen, in evaluation mode; images ``[B, 1, H, W]`` → logits ``[B, C]``.
        weight: see :class:`Teacher`.
        temperature: see :class:`Teacher`.

    Raises:
        ValueError: no networks, or a number is out of range.
    """

    def __init__(
        self, networks: Sequence[nn.Module], *, weight: float = 0.5, temperature: float = 1.0
    ) -> None:
        super().__init__(weight=weight, temperature=temperature)
        if not networks:
            raise ValueError("distillation needs teachers: callbacks.distillation.teachers=[PATH]")
        self.networks = list(networks)

    def to(self, device: torch.device) -> None:
        for network in self.networks:
            network.to(device)

    @torch.no_grad()
    def probabilities(self, images: Tensor, rows: Tensor) -> Tensor:
        answers = [
            (network(images).float() / self.temperature).softmax(dim=1) for network in self.networks
        ]
        return torch.stack(answers).mean(dim=0)


class StoredAnswers(Teacher):
    """Soft targets that were made before, one for each training face however it is augmented.

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
        # Softening probabilities is softening logits: p ** (1 / T), made to sum to one again.
        softened = probabilities.clamp(min=1e-6) ** (1 / temperature)
        self._table = torch.zeros(int(rows.max()) + 1, probabilities.shape[1])
        self._table[rows] = softened / softened.sum(dim=1, keepdim=True)

    def to(self, device: torch.device) -> None:
        self._table = self._table.to(device)

    def probabilities(self, images: Tensor, rows: Tensor) -> Tensor:
        return self._table[rows]


def read_teachers(paths: Sequence[Path], module: FerModule) -> list[nn.Module]:
    """Read the networks of checkpoints that may teach a learner.

    Args:
        paths: of checkpoints of ``python -m fer.train``.
        module: the student.

    Raises:
        UserError: a file is no such checkpoint, its network answers with other classes or reads
            clips, faces of another size or with metadata, or it has seen faces that the student
            must not have seen.
    """
    networks = []
    for path in paths:
        stored = read_checkpoint(path)
        options = stored.get("hyper_parameters", {})
        spec, classes = options.get("model", {}), tuple(options.get("classes", ()))
        if (invalid := options.get("invalid", "")) and invalid != module.invalid:
            raise UserError(f"{path} can't teach under another protocol. INVALID: {invalid}")
        if classes != module.classes:
            raise UserError(
                f"{path} answers with the classes {', '.join(classes)}, and the student with "
                f"{', '.join(module.classes)}: a teacher must know the same, in their order"
            )
        if options.get("size") != module.size or spec.get("metadata") is not None:
            raise UserError(
                f"{path} reads faces of {options.get('size')} pixels"
                + (" and metadata" if spec.get("metadata") is not None else "")
                + f", and the student those of {module.size} pixels alone: choose another teacher"
            )
        weights = {
            name.removeprefix(_PREFIX): tensor
            for name, tensor in stored["state_dict"].items()
            if name.startswith(_PREFIX)
        }
        try:
            network, _ = rebuild(spec, weights, classes=len(classes), size=module.size)
        except BuildError as error:
            raise UserError(f"{path}: {error}") from error
        if getattr(network, "reads_clips", False):
            raise UserError(f"{path} reads clips, and the student single faces: choose another")
        networks.append(network.to(memory_format=module.memory_format))
    return networks
