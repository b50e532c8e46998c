"""Where a network looks: Grad-CAM at its last feature map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from fer.inference.checkpoint import one_thread_a_batch
from fer.inference.model import Model, frames_of, network_of

if TYPE_CHECKING:
    from torch import Tensor, nn

_NO_GRADIENTS: Final = "Grad-CAM needs the network's gradients, which {} does not give"


def why_no_cam(model: Model | None) -> str | None:
    """Return why no maps can be made of a model, None where they can."""
    if model is None:
        return _NO_GRADIENTS.format("a file of answers")
    network = network_of(model)
    if network is None:
        return _NO_GRADIENTS.format("an exported model")
    if frames_of(model) is not None:
        return "Grad-CAM shows where in a face a network looks, and this one reads whole clips"
    if last_map(network, model.size) is None:
        return "Grad-CAM needs a convolution that keeps a map of the face: the network has none"
    return None


def last_map(network: nn.Module, size: int) -> tuple[str, nn.Module] | None:
    """Return the name of the part whose output is the network's last feature map, and the part.

    That is the last convolution, or what follows it at its resolution (normalisation, a rectifier,
    the end of a residual block), in the network's ``backbone`` if that has one. The paper's maps
    are rectified, too. An output of a single place, as of squeeze-and-excitation, is no map.
    """
    import torch
    from torch import nn

    every = {part: name for name, part in network.named_modules() if name}
    inside = {part: name for part, name in every.items() if name.startswith("backbone.")}
    if any(isinstance(part, nn.Conv2d) for part in inside):
        every = inside
    ran: list[tuple[nn.Module, torch.Size]] = []

    def note(part: nn.Module, _: object, output: object) -> None:
        if isinstance(output, torch.Tensor) and output.ndim == 4 and output[0, 0].numel() > 1:
            ran.append((part, output.shape[-2:]))

    handles = [part.register_forward_hook(note) for part in every]
    device = next(network.parameters()).device
    try:
        with torch.inference_mode(), one_thread_a_batch(device.type):
            network(torch.zeros(1, 1, size, size, dtype=torch.uint8, device=device))
    finally:
        for handle in handles:
            handle.remove()
    last: tuple[nn.Module, torch.Size] | None = None
    for part, shape in ran:
        if isinstance(part, nn.Conv2d) or (last is not None and shape == last[1]):
            last = (part, shape)
    return None if last is None else (every[last[0]], last[0])


def grad_cam(
    model: Model,
    images: npt.NDArray[np.uint8],
    targets: npt.NDArray[np.int64],
    metadata: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.float32]:
    """Return which places of each face speak for a class (Grad-CAM, Selvaraju et al. 2017).

    Args:
        model: for which :func:`why_no_cam` returns None.
        images: uint8 ``[N, size, size]``.
        targets: int64 ``[N]``, a class for each face.
        metadata: float32 ``[N, columns]``, for a network that reads it.

    Returns:
        float32 ``[N, size, size]`` from 0 to 1, the highest of each face being 1; all 0 where
        nothing speaks for the class.
    """
    import torch
    from captum.attr import LayerGradCam

    network = network_of(model)
    found = None if network is None else last_map(network, model.size)
    if network is None or found is None:
        raise ValueError(why_no_cam(model))
    device = next(network.parameters()).device
    # The weights are frozen: what the gradients begin with are the pixels.
    inputs = torch.from_numpy(np.array(images, dtype=np.float32)).unsqueeze(1).to(device)
    inputs.requires_grad_()
    beside = None if metadata is None else torch.from_numpy(np.array(metadata)).to(device)
    # cuDNN's recurrent layers have no backward pass outside training.
    without_cudnn = torch.backends.cudnn.flags(enabled=False)
    with torch.enable_grad(), without_cudnn, one_thread_a_batch(device.type):
        maps = LayerGradCam(network, found[1]).attribute(
            inputs,
            target=torch.from_numpy(np.array(targets)).to(device),
            additional_forward_args=None if beside is None else (beside,),
            relu_attributions=True,
        )
    maps = _on_faces(maps.detach(), network, model.size).squeeze(1)
    highest = maps.amax(dim=(1, 2), keepdim=True)
    scaled: npt.NDArray[np.float32] = (maps / highest.clamp_min(1e-12)).cpu().numpy()
    return scaled


def _on_faces(maps: Tensor, network: nn.Module, size: int) -> Tensor:
    """Enlarge maps ``[N, 1, h, w]`` to the faces, or to the part of them that the network reads."""
    from captum.attr import LayerAttribution
    from torch.nn.functional import pad

    crop = getattr(getattr(network, "preprocessing", None), "crop", None) or size
    maps = LayerAttribution.interpolate(maps, (crop, crop), "bilinear")
    before = (size - crop) // 2
    after = size - crop - before
    return pad(maps, (before, after, before, after))
