"""The optimiser Muon: momentum whose matrices are made orthogonal before a step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final, cast

import torch
from torch import Tensor
from torch.optim import Optimizer

from fer.core.ranges import NonNegativeFloat, PositiveFloat, ShareBelowOne
from fer.learning.precision import cpu_flags, fast_bf16

#: Of the quintic iteration, tuned by Jordan et al. to raise small singular values fast: they end
#: near 1, not at it, which training does not mind.
_COEFFICIENTS: Final = (3.4445, -4.7750, 2.0315)
_ITERATIONS: Final = 5
#: A gradient of zeros stays one.
_TINY: Final = 1e-7


class Muon(Optimizer):
    """Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks").

    Matrices step along their Nesterov momentum made nearly orthogonal
    (:func:`orthogonalize`), times ``sqrt(max(1, rows / columns))``. A matrix is every parameter of
    two or more dimensions, flattened to ``[out, everything else]`` (the filters of a convolution),
    which has more than one row and one column: the first and the last layer too. All else (biases,
    gains of norms, a token) steps by SGD with Nesterov momentum.

    Both follow the one rate of their group, so a schedule keeps them in proportion.

    Args:
        params: parameters, or groups of them.
        lr: rate of the matrices.
        momentum: share of the momentum that is kept from step to step, for both.
        weight_decay: decoupled (Loshchilov & Hutter 2019): share of a matrix that a step at the
            rate 1 takes away. Nothing is taken from all else.
        aux_rate: what the rate is multiplied by for all else.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: PositiveFloat = 0.02,
        *,
        momentum: ShareBelowOne = 0.95,
        weight_decay: NonNegativeFloat = 0.0,
        aux_rate: NonNegativeFloat = 1.0,
    ) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be at least 0 and below 1, not {momentum}")
        least = {"lr": lr, "weight_decay": weight_decay, "aux_rate": aux_rate}
        for name, value in least.items():
            if not value >= 0:
                raise ValueError(f"{name} must be at least 0, not {value}")
        super().__init__(params, {"momentum": momentum, **least})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step.

        Args:
            closure: computes the gradients anew.

        Returns:
            What the closure returns, ``None`` without one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            learning = [p for p in group["params"] if p.grad is not None]
            if matrices := [p for p in learning if _is_matrix(p)]:
                self._step_matrices(matrices, group)
            if others := [p for p in learning if not _is_matrix(p)]:
                self._step_others(others, group)
        return loss

    def _step_matrices(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        momentum, rate = group["momentum"], group["lr"]
        # Making orthogonal scales everything alike, so that it matters not that this is a mean of
        # gradients where SGD has a sum.
        gradients = [cast("Tensor", p.grad) for p in parameters]
        buffers = [self._buffer(p) for p in parameters]
        torch._foreach_lerp_(buffers, gradients, 1 - momentum)
        ahead = torch._foreach_lerp(gradients, buffers, momentum)
        if group["weight_decay"]:
            torch._foreach_mul_(parameters, 1 - rate * group["weight_decay"])
        alike = defaultdict[tuple[Any, ...], list[int]](list)
        for i, p in enumerate(parameters):
            alike[len(p), p.numel() // len(p), p.device, p.dtype].append(i)
        for (rows, columns, *_), members in alike.items():
            # All of one shape at once: many small products keep a GPU waiting.
            stack = torch.stack([ahead[i].reshape(rows, columns) for i in members])
            steps = orthogonalize(stack).unbind()
            moves = [step.view_as(parameters[i]) for i, step in zip(members, steps, strict=True)]
            scale = max(1, rows / columns) ** 0.5
            torch._foreach_add_([parameters[i] for i in members], moves, alpha=-rate * scale)

    def _step_others(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        momentum = group["momentum"]
        gradients = [cast("Tensor", p.grad) for p in parameters]
        buffers = [self._buffer(p) for p in parameters]
        torch._foreach_mul_(buffers, momentum)
        torch._foreach_add_(buffers, gradients)
        ahead = torch._foreach_add(gradients, buffers, alpha=momentum)
        torch._foreach_add_(parameters, ahead, alpha=-group["lr"] * group["aux_rate"])

    def _buffer(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        return cast("Tensor", state["momentum_buffer"])


def orthogonalize(matrices: Tensor) -> Tensor:
    """Return nearly orthogonal matrices with the singular vectors of others.

    Five quintic Newton–Schulz iterations bring singular values to about 0.7–1.2 (the smallest, far
    below the largest, less near). They are counted in bfloat16 where that is quick, on CUDA and on
    CPUs that multiply in it, and in float32 elsewhere.

    Args:
        matrices: ``[N, rows, columns]``.

    Returns:
        ``[N, rows, columns]``, of the same type.

    Example:
        >>> turned = orthogonalize(torch.tensor([[[0.0, 9.0], [-3.0, 0.0]]]))
        >>> torch.allclose(turned.abs(), torch.tensor([[0.0, 1.0], [1.0, 0.0]]), atol=0.3)
        True
    """
    # The product with its own transpose is the smaller the fewer rows there are.
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.mT if tall else matrices).float()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + _TINY)
    if x.is_cuda or (x.device.type == "cpu" and _cpu_has_bf16()):
        x = x.bfloat16()
    a, b, c = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype).contiguous()


@cache
def _cpu_has_bf16() -> bool:
    return fast_bf16(cpu_flags())


def _is_matrix(parameter: Tensor) -> bool:
    return parameter.ndim >= 2 and 1 < len(parameter) < parameter.numel()
