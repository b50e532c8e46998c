"""What a training starts from: a checkpoint to resume, or the weights of another training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fer.checkpoints import renamed
from fer.core.errors import UserError
from fer.learning.checkpoint_io import check_protocol, network_weights, read_checkpoint
from fer.learning.module import FerModule

#: Hyperparameters that have a message of their own.
_MARKS = ("invalid", "not_comparable")


def check_resumable(path: Path, module: FerModule | None) -> None:
    """Check a checkpoint to resume from against the module that is to be resumed, if there is one.

    Raises:
        UserError: it is not a checkpoint of a training, is of another network, was trained with
            other settings, which Lightning would take up silently, or was trained on faces that
            this training must not have seen.
    """
    stored = read_checkpoint(path)
    if not ("loops" in stored and stored.get("optimizer_states")):
        raise UserError(
            f"{path} holds weights alone, which can't be resumed from: begin with them by "
            f"init_from={path}, or name last.ckpt of a run folder",
            code="weights_alone",
            where=str(path),
        )
    if module is None:
        return
    if names := _different(stored["state_dict"], module.state_dict()):
        raise UserError(
            f"{path} is of another network: {', '.join(names[:3])} and others differ",
            code="other_network",
            where=str(path),
        )
    groups = [group.get("name") for group in stored["optimizer_states"][0]["param_groups"]]
    names_here: list[str | None] = [group.name for group in module.rate_groups]
    if groups != (names_here or [None]):
        raise UserError(
            f"{path} is of a training by other stages: choose the callbacks that it had, or begin "
            "anew with its weights by init_from",
            code="other_stages",
            where=str(path),
        )
    check_protocol(path, stored, module.invalid, "can't be resumed")
    options = stored.get("hyper_parameters", {})
    differences = [
        text
        for name in sorted({*options} & {*module.hparams} - {*_MARKS})
        for text in _differences(name, options[name], module.hparams[name])
    ]
    if differences:
        raise UserError(
            f"{path} was trained with other settings ({'; '.join(differences)}): leave them as "
            f"they were, or begin anew with its weights by init_from={path}",
            code="other_settings",
            where=differences[0].split()[0],
        )


def load_initial_weights(path: Path, module: FerModule) -> str:
    """Load the weights and statistics of another training's network.

    Where the classes are others, or in another order, the last layer is left as it is.

    Args:
        path: a checkpoint of ``python -m fer.train``.
        module: on an error it is left as it was.

    Returns:
        A line that says what was loaded.

    Raises:
        UserError: there is no such checkpoint, it is of another network, or it was trained on faces
            that this training must not have seen.
    """
    stored = read_checkpoint(path)
    check_protocol(path, stored, module.invalid, "can't be begun with")
    loaded = network_weights(stored)
    own = module.network.state_dict()
    classes = tuple(stored.get("hyper_parameters", {}).get("classes", ()))
    message = f"began with the weights of {path}"
    if classes != module.classes:
        last = _last_layer(module.network, len(module.classes))
        loaded |= {name: own[name] for name in own if name.startswith(f"{last}.")}
        message += f"; its classes are others ({', '.join(classes)}), so {last} is made anew"
    _check_weights(path, loaded, own)
    module.network.load_state_dict(loaded)
    return f"{message}\n"


def _check_weights(path: Path, loaded: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    if different := _different(loaded, own):
        first = different[0]
        theirs, ours = (
            tuple(weights[first].shape) if first in weights else "not there"
            for weights in (loaded, own)
        )
        raise UserError(
            f"{path} is of another network: {first} is {theirs}, and {ours} here; "
            f"{len(different)} of {len({*loaded, *own})} tensors differ. "
            f"Choose the same model, backbone, lstm, fusion and sizes{_recipe(path)}",
            code="other_network",
            where=first,
        )
    for name, tensor in own.items():
        if name.startswith("preprocessing.") and not torch.equal(tensor, loaded[name]):
            raise UserError(
                f"{path} was trained on faces that were scaled otherwise ({name}): set "
                "model.preprocessing.mean and std as that run's config.yaml has them",
                code="other_preprocessing",
                where=name,
            )


def _different(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> list[str]:
    """Return the names of tensors that have another shape, or are on one side alone."""
    shapes, wanted = ({name: t.shape for name, t in w.items()} for w in (theirs, ours))
    return sorted(n for n in {*shapes, *wanted} if shapes.get(n) != wanted.get(n))


def _differences(name: str, was: Any, now: Any) -> list[str]:
    if isinstance(was, dict) and isinstance(now, dict):
        keys = sorted({*was, *now})
        return [text for k in keys for text in _differences(f"{name}.{k}", was.get(k), now.get(k))]
    if name.endswith("._target_") and renamed(str(was)) == renamed(str(now)):
        return []
    return [] if was == now else [f"{name} was {was!r}, is {now!r}"]


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
            "that could be made anew",
            code="no_last_layer",
            where="init_from",
        )
    return layers[-1]


def _recipe(path: Path) -> str:
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
