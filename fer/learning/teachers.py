"""Networks that have learnt already, and answer for the faces that another one learns from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from fer.errors import UserError
from fer.learning.checkpoint_io import read_checkpoint
from fer.learning.losses import distillation_loss
from fer.learning.module import FerModule
from fer.models import build

_PREFIX = "network."


class Teachers:
    """What teachers answer for the faces of a batch (knowledge distillation, Hinton et al. 2015).

    They look at the very pictures that the student looks at, augmented and mixed ("consistent
    teaching", Beyer et al. 2022), so nothing they say is of another picture. Their answers are
    averaged: the teacher is an ensemble.

    Not a module: a student's checkpoint holds nothing of its teachers.

    Args:
        networks: frozen, in evaluation mode; images ``[B, 1, H, W]`` → logits ``[B, C]``.
        weight: of the loss against their answers; the labels' loss has the rest.
        temperature: that their logits and the student's are divided by before the softmax, in the
            loss against their answers; above 1 their doubts count more.

    Raises:
        ValueError: no networks, or a number is out of range.
    """

    def __init__(
        self, networks: Sequence[nn.Module], *, weight: float = 0.5, temperature: float = 1.0
    ) -> None:
        if not networks:
            raise ValueError("distillation needs teachers: callbacks.distillation.teachers=[PATH]")
        if not 0 < weight <= 1 or temperature <= 0:
            raise ValueError(
                "weight must be above 0 and at most 1 and temperature above 0, not "
                f"{weight} and {temperature}"
            )
        self.networks = list(networks)
        self.weight = weight
        self.temperature = temperature

    def to(self, device: torch.device) -> None:
        """Bring them to the device of the student."""
        for network in self.networks:
            network.to(device)

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> Tensor:
        """Return the mean of their softened answers, ``[B, C]``.

        Args:
            images: ``[B, 1, H, W]``.
        """
        answers = [
            (network(images).float() / self.temperature).softmax(dim=1) for network in self.networks
        ]
        return torch.stack(answers).mean(dim=0)

    def loss(self, logits: Tensor, taught: Tensor, labelled: Tensor) -> Tensor:
        """Return what a student minimises, a scalar.

        Args:
            logits: of the student, ``[B, C]``.
            taught: what :meth:`probabilities` gives for the pictures that it saw, ``[B, C]``.
            labelled: its loss against the labels, a scalar.
        """
        return (
            self.weight * distillation_loss(logits, taught, self.temperature)
            + (1 - self.weight) * labelled
        )


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
        network = build(spec, expects=nn.Module, classes=len(classes), size=module.size)
        weights = {
            name.removeprefix(_PREFIX): tensor
            for name, tensor in stored["state_dict"].items()
            if name.startswith(_PREFIX)
        }
        if getattr(network, "reads_clips", False):
            raise UserError(f"{path} reads clips, and the student single faces: choose another")
        network.load_state_dict(weights)
        network.eval().requires_grad_(requires_grad=False)
        networks.append(network.to(memory_format=module.memory_format))
    return networks
