"""Make an object from a plain description, so that a checkpoint can rebuild what it holds.

A *spec* is a mapping with the import path of a class under ``_target_`` and its keyword arguments
beside it: the form that the YAML files of ``conf/`` have once composed. It holds plain containers
only, so it is stored in checkpoints and read back with ``weights_only=True``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, TypeVar

from fer.errors import UserError

T = TypeVar("T")


class BuildError(UserError):
    """A part can't be made from its description; the message says which and why."""


def locate(path: str) -> Any:
    """Import what a dotted path names.

    Raises:
        BuildError: the module can't be imported or has no such name.

    Example:
        >>> locate("torch.optim.Adam").__name__
        'Adam'
    """
    module_name, _, name = path.rpartition(".")
    try:
        module = import_module(module_name)
    except (ImportError, ValueError) as error:
        raise BuildError(f"_target_ {path!r}: can't import {module_name!r} ({error})") from error
    if not hasattr(module, name):
        near = get_close_matches(name, dir(module), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise BuildError(f"_target_ {path!r}: module {module_name!r} has no {name!r}{hint}")
    return getattr(module, name)


def takes(spec: Mapping[str, Any], name: str) -> bool:
    """Say whether the class of a spec takes an argument of that name.

    Raises:
        BuildError: the class can't be imported.

    Example:
        >>> takes({"_target_": "torch.nn.Linear"}, "bias")
        True
    """
    return name in inspect.signature(locate(str(spec.get("_target_")))).parameters


def build(spec: Mapping[str, Any], *args: Any, expects: type[T], **wiring: Any) -> T:
    """Make the object that ``spec`` describes.

    Args:
        spec: ``_target_`` and keyword arguments.
        *args: positional arguments that the assembling code supplies (widths, sizes).
        expects: the class that the target must be or derive from; anything else is refused before
            it is called, so that a checkpoint can't name an arbitrary function.
        **wiring: keyword arguments that the assembling code supplies.

    Raises:
        BuildError: the target is missing, of another kind, or does not take these arguments.

    Example:
        >>> import torch
        >>> build({"_target_": "torch.nn.Linear", "bias": False}, 4, 2, expects=torch.nn.Module)
        Linear(in_features=4, out_features=2, bias=False)
    """
    options = dict(spec)
    path = options.pop("_target_", None)
    if not isinstance(path, str):
        raise BuildError(f"a part needs the import path of its class under '_target_': {options}")
    target = locate(path)
    if not (inspect.isclass(target) and issubclass(target, expects)):
        raise BuildError(f"_target_ {path!r} is not a {expects.__name__}")
    try:
        inspect.signature(target).bind(*args, **options, **wiring)
    except TypeError as error:
        known = [name for name in inspect.signature(target).parameters if name != "self"]
        raise BuildError(f"{path}: {error}; it takes {', '.join(known)}") from error
    try:
        made: T = target(*args, **options, **wiring)
    except BuildError:
        raise
    except (ValueError, TypeError) as error:
        raise BuildError(f"{path}: {error}") from error
    return made
