"""What each branch of a network adds: the accuracy lost when one branch is made constant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from fer.evaluation.comparison import difference_interval
from fer.inference.checkpoint import one_thread_a_batch
from fer.inference.model import Model, network_of

if TYPE_CHECKING:
    from torch import Tensor, nn

Bools = npt.NDArray[np.bool_]

#: Faces that are looked at, since what the branches saw of all of them is kept in memory.
MOST_FACES: Final = 10_000


@runtime_checkable
class Branched(Protocol):
    """A network in two steps: what each branch saw, and what is made of that."""

    def features(self, images: Tensor, metadata: Tensor | None = None) -> dict[str, Tensor]:
        """Return what each branch saw, ``[B, …]`` by name."""
        ...

    def classify(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return logits ``[B, C]``."""
        ...


def why_no_branches(model: Model | None) -> str | None:
    """Return why branches can't be told apart, None where they can."""
    if model is None:
        return "answers from a file have no branches to replace"
    # torch's modules have any attribute in the eyes of a type checker.
    network: Any = network_of(model)
    if network is None:
        return "an exported model has no branches that can be replaced"
    if not isinstance(network, Branched):
        return f"{type(network).__name__} is not made of branches"
    names = list(getattr(network, "branches", ()))
    if len(names) < 2:
        return f"the network has a single branch, {', '.join(names)}"
    return None


def branch_contributions(
    model: Model,
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    metadata: npt.NDArray[np.float32] | None = None,
    *,
    seed: int = 0,
    batch_size: int = 64,
) -> dict[str, Any]:
    """Return the accuracy lost if a branch's features are replaced by their mean over the faces.

    The rest of the network stays as trained (mean ablation). A branch that only repeats what others
    see loses nothing, however good it would be alone.

    Args:
        model: for which :func:`why_no_branches` returns None.
        images: uint8 ``[N, size, size]``; of more than 10,000 some are drawn.
        labels: int64 ``[N]``.
        metadata: float32 ``[N, columns]``, for a network that reads it.
        batch_size: faces at a time; changes nothing but time and memory.

    Returns:
        ``n``, ``accuracy`` of the whole network on these faces, and ``branches``: by name
        ``accuracy`` without it, the ``drop`` and its ``drop_ci95`` (paired, over faces).
    """
    network: Any = network_of(model)
    if not isinstance(network, Branched) or len(images) == 0:
        raise ValueError(why_no_branches(model) or "there are no faces")
    if len(images) > MOST_FACES:
        drawn = np.random.default_rng(seed).choice(len(images), MOST_FACES, replace=False)
        drawn.sort()
        images, labels = images[drawn], labels[drawn]
        metadata = None if metadata is None else metadata[drawn]
    with one_thread_a_batch(_device(network)) as workers:

        def every(work: Callable[[int], Any]) -> list[Any]:
            return list(workers.map(work, range(0, len(images), batch_size)))

        seen = every(lambda at: _features(network, images, metadata, slice(at, at + batch_size)))
        whole = labels == np.concatenate([_answers(network, some) for some in seen])
        found = {}
        for name in seen[0]:
            # In float64, which Apple's GPUs lack: a sum over many faces.
            mean = sum(some[name].cpu().double().sum(dim=0) for some in seen) / len(images)
            told = [{**some, name: _repeated(mean, some[name])} for some in seen]
            right = labels == np.concatenate(
                list(workers.map(lambda some: _answers(network, some), told))
            )
            low, high = difference_interval(whole[None], right[None])
            found[name] = {
                "accuracy": float(right.mean()),
                "drop": float(whole.mean() - right.mean()),
                "drop_ci95": [low, high],
            }
    return {"n": len(images), "accuracy": float(whole.mean()), "branches": found}


def _features(
    network: Branched,
    images: npt.NDArray[np.uint8],
    metadata: npt.NDArray[np.float32] | None,
    some: slice,
) -> dict[str, Tensor]:
    import torch

    device = _device(network)
    inputs = [torch.from_numpy(np.array(images[some])).unsqueeze(1).to(device)]
    if metadata is not None:
        inputs.append(torch.from_numpy(np.array(metadata[some])).to(device))
    with torch.inference_mode():
        return network.features(*inputs)


def _answers(network: Branched, features: Mapping[str, Tensor]) -> npt.NDArray[np.int64]:
    import torch

    with torch.inference_mode():
        answers: npt.NDArray[np.int64] = network.classify(features).argmax(dim=1).cpu().numpy()
    return answers


def _repeated(mean: Any, like: Tensor) -> Tensor:
    import torch

    with torch.inference_mode():
        repeated: Tensor = mean.to(like).expand_as(like)
    return repeated


def _device(network: Any) -> str:
    module: nn.Module = network
    return next(module.parameters()).device.type
