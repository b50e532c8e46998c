"""Begin with the weights of another training."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from fer.core.errors import UserError
from fer.learning.checkpoint_io import read_checkpoint
from fer.learning.module import FerModule

_PREFIX = "network."


def begin_with(path: Path, module: FerModule) -> str:
    """Give a learner the weights and statistics of another run's network.

    Where the classes are others, or in another order, the last layer stays as it was made.

    Args:
        path: a checkpoint of ``python -m fer.train``.
        module: the learner; on an error it is left as it was.

    Returns:
        What was taken, in a line.

    Raises:
        UserError: there is no such checkpoint, it is of another network, or it has seen faces that
            this training must not have seen.
    """
    stored = read_checkpoint(path)
    weights, options = stored["state_dict"], stored.get("hyper_parameters", {})
    invalid = options.get("invalid", "")
    if invalid and invalid != module.invalid:
        raise UserError(f"{path} can't be begun with under another protocol. INVALID: {invalid}")
    taken = {
        name.removeprefix(_PREFIX): tensor
        for name, tensor in weights.items()
        if name.startswith(_PREFIX)
    }
    ours = module.network.state_dict()
    classes = tuple(options.get("classes", ()))
    said = f"began with the weights of {path}"
    if classes != module.classes:
        last = _last_layer(module.network, len(module.classes))
        made_anew = [name for name in ours if name.startswith(f"{last}.")]
        taken |= {name: ours[name] for name in made_anew}
        said += f"; its classes are others ({', '.join(classes)}), so {last} is made anew"
    _check(path, taken, ours)
    module.network.load_state_dict(taken)
    return f"{said}\n"


def _last_layer(network: nn.Module, classes: int) -> str:
    """Return the name of the layer that gives a number to each class."""
    layers: list[str] = [
        name
        for name, part in network.named_modules()
        if isinstance(part, nn.Linear) and part.out_features == classes
    ]
    if not layers:
        raise UserError(
            "the classes are others, and the network has no linear layer with one output a class "
            "that could be made anew"
        )
    return layers[-1]


def _as_in(path: Path) -> str:
    """Say where the choices of the network in a file stand."""
    # Models that come with the package have their recipe beside them.
    recipe = path.with_suffix(".json")
    if not recipe.is_file():
        return " as that run's config.yaml has"
    try:
        command = str(json.loads(recipe.read_text(encoding="utf-8"))["recipe"]["command"])
    except (OSError, ValueError, LookupError, TypeError):
        return f"; {recipe}, which should say how, can't be read"
    names = [word for word in command.split() if word.startswith("experiment=")]
    return f": {' '.join(names)} has them" if names else f" as in {command!r}"


def _check(path: Path, taken: dict[str, Tensor], ours: dict[str, Tensor]) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in taken.items()}
    wanted = {name: tuple(tensor.shape) for name, tensor in ours.items()}
    different = sorted(n for n in {*shapes, *wanted} if shapes.get(n) != wanted.get(n))
    if different:
        first = different[0]
        raise UserError(
            f"{path} is of another network: {first} is {shapes.get(first, 'not there')}, and "
            f"{wanted.get(first, 'not there')} here; {len(different)} of {len({*shapes, *wanted})} "
            f"tensors differ. Choose the same model, backbone, lstm, fusion and sizes{_as_in(path)}"
        )
    for name, tensor in ours.items():
        if name.startswith("preprocessing.") and not torch.equal(tensor, taken[name]):
            raise UserError(
                f"{path} was trained on faces that were scaled otherwise ({name}): set "
                "model.preprocessing.mean and std as that run's config.yaml has them"
            )
