"""Make an object from a plain description, so that a checkpoint can rebuild what it holds.

A *spec* is a mapping with the import path of a class under ``_target_`` and its keyword arguments
beside it: the form that the YAML files of ``conf/`` have once composed. It holds plain containers
only, so it is stored in checkpoints and read back with ``weights_only=True``.

Importing a module runs it, and a description may come from a file of anybody. So only parts of
:data:`ROOTS` are imported, and what the user named: see :func:`allowing`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Final, TypeVar

from fer.core.errors import UserError

T = TypeVar("T")

#: Packages whose public parts any description may name. Networks are made of no others: metrics of
#: torchmetrics fetch networks when they are made, and no part of Lightning is one of a network.
ROOTS: Final = ("fer", "torch", "timm")

_allowed: ContextVar[tuple[str, ...]] = ContextVar("allowed", default=())


class BuildError(UserError):
    """A part can't be made from its description; the message says which and why."""


@contextmanager
def allowing(names: Iterable[str]) -> Iterator[None]:
    """Let descriptions name further code, within the block and in this thread.

    Args:
        names: modules, packages or classes that the user trusts: what is below them is too.

    Example:
        >>> with allowing(["collections"]):
        ...     locate("collections.OrderedDict").__name__
        'OrderedDict'
    """
    before = _allowed.set((*_allowed.get(), *names))
    try:
        yield
    finally:
        _allowed.reset(before)


def targets(node: Any) -> Iterator[str]:
    """Yield the import paths that a description names, with those of the parts within it.

    Example:
        >>> list(targets({"_target_": "a.B", "parts": [{"_target_": "c.D"}]}))
        ['a.B', 'c.D']
    """
    if isinstance(node, Mapping):
        if isinstance(path := node.get("_target_"), str):
            yield path
        node = list(node.values())
    if isinstance(node, list | tuple):
        for value in node:
            yield from targets(value)


def of_roots(path: str) -> bool:
    """Say whether an import path is one of :data:`ROOTS`' own."""
    return path.partition(".")[0] in ROOTS


def locate(path: str) -> Any:
    """Import what a dotted path names, if it may be imported.

    Raises:
        BuildError: it is neither of :data:`ROOTS` nor allowed, the module can't be imported or has
            no such name.

    Example:
        >>> locate("torch.optim.Adam").__name__
        'Adam'
    """
    module_name, _, name = path.rpartition(".")
    is_allowed = any(f"{path}.".startswith(f"{one}.") for one in _allowed.get())
    # A ``__main__`` is a program, which would run.
    is_public = of_roots(path) and "._" not in path
    if not (is_public or is_allowed):
        root = path.partition(".")[0]
        raise BuildError(
            f"_target_ {path!r}: can't import {module_name!r}, since a file may name public "
            f"parts of {', '.join(ROOTS)} alone. If you trust that code, name it: --allow {root}, "
            f"for fer train and fer evaluate 'allow=[{root}]', in Python allow=[{root!r}]"
        )
    try:
        module = import_module(module_name)
    except (ImportError, ValueError) as error:
        hint = "" if of_roots(path) else "; PYTHONPATH=FOLDER says where it lies"
        raise BuildError(
            f"_target_ {path!r}: can't import {module_name!r} ({error}){hint}"
        ) from error
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
