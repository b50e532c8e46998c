"""Read checkpoints without executing anything or taking more memory than their size justifies."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any, Final

from fer.core.errors import UserError

#: How many times the file's bytes its weights may take, since views share bytes.
_TIMES: Final = 4
#: Most values in a checkpoint's description of its network and training.
_VALUES: Final = 100_000
_DEPTH: Final = 50
#: Bytes of a number, by storage class.
_BYTES: Final = {
    "DoubleStorage": 8, "FloatStorage": 4, "HalfStorage": 2, "BFloat16Storage": 2,
    "LongStorage": 8, "IntStorage": 4, "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1,
    "BoolStorage": 1, "ComplexDoubleStorage": 16, "ComplexFloatStorage": 8, "UntypedStorage": 1,
}  # fmt: skip

OTHER: Final = "no checkpoint of python -m fer.train"

#: Classes that had another name when earlier checkpoints and run folders were written.
_RENAMED: Final = {
    "BestAndLast": "BestLastCheckpoint",
    "Consistent": "ConsistencyRegularization",
    "ExponentialAverage": "EMAWeights",
    "Progressive": "GradualUnfreezing",
}


class CheckpointError(UserError):
    """A file is no usable checkpoint; the message gives the reason."""


def not_a_checkpoint(path: Path, why: str) -> CheckpointError:
    """Return the error for a file that is no checkpoint of ``python -m fer.train``."""
    return CheckpointError(f"{path} is {OTHER}: {why}", code="not_a_checkpoint", where=str(path))


class _UnsafeError(Exception):
    """A pickle refers to code or objects."""


def renamed(name: str) -> str:
    """Return the present name of a class, or of its state in a checkpoint.

    Classes of this package lose their module, which may have moved.

    Example:
        >>> renamed("fer.learning.callbacks.ExponentialAverage"), renamed("torch.optim.Adam")
        ('EMAWeights', 'torch.optim.Adam')
        >>> renamed("BestAndLast{'monitor': 'val/acc'}")
        "BestLastCheckpoint{'monitor': 'val/acc'}"
    """
    if name.startswith("fer."):
        name = name.rpartition(".")[2]
    return re.sub(r"^\w+", lambda word: _RENAMED.get(word[0], word[0]), name)


def read_stored(path: Path, *, map_location: Any = "cpu") -> dict[str, Any]:
    """Return the containers and tensors of a checkpoint.

    Its pickle is checked before torch reads it with ``weights_only=True``, which executes nothing
    either but would take any memory that the file asks for.

    Raises:
        CheckpointError: there is no such file, or it is no checkpoint, damaged or unsafe.
    """
    if not path.is_file():
        raise CheckpointError(
            f"there is no checkpoint {path}", code="no_such_file", where=str(path)
        )
    with path.open("rb") as file:
        try:
            why = _look(file, path.stat().st_size)
        except _UnsafeError as error:
            raise CheckpointError(
                f"{path} is {OTHER}: it holds code or objects, which are never loaded ({error}); "
                "nothing of it was executed",
                code="unsafe_checkpoint",
                where=str(path),
            ) from None
        except Exception:
            # Readers of archives and pickles may raise anything.
            why = "the archive can't be read"
    if not why:
        import torch

        try:
            stored = torch.load(path, weights_only=True, map_location=map_location)
        except Exception as error:
            why = f"{type(error).__name__} of torch"
    if why:
        raise CheckpointError(
            f"{path} is {OTHER}, or one that is damaged or cut off ({why}); nothing of it was "
            "executed. What to do: copy it again, or name best.ckpt of a run folder",
            code="damaged_checkpoint",
            where=str(path),
        )
    if not isinstance(stored, dict):
        raise not_a_checkpoint(path, f"it holds a {type(stored).__name__}")
    if why := _misfit(stored, path.stat().st_size):
        raise not_a_checkpoint(path, why)
    return stored


def _look(file: Any, size: int) -> str:
    """Return why an archive must not be read, or an empty text."""
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if any(one.compress_type != zipfile.ZIP_STORED for one in entries):
            return "it is compressed, as no checkpoint is"
        if sum(one.file_size for one in entries) > size:
            return "it says to hold more than it does"
        if (damaged := archive.testzip()) is not None:
            return f"{damaged} can't be read"
        (pickled,) = (one for one in entries if one.filename.endswith("/data.pkl"))
        root = pickled.filename.removesuffix("data.pkl")
        sizes = {one.filename.removeprefix(f"{root}data/"): one.file_size for one in entries}
        with archive.open(pickled) as content:
            _Looker(content, sizes).load()
    return ""


# Python's unpickler: the one in C allocates memory for any memo index in a damaged pickle.
class _Looker(pickle._Unpickler):
    """Reads a pickle into plain containers, to check the names in it."""

    def __init__(self, content: Any, sizes: Mapping[str, int]) -> None:
        super().__init__(content)
        self.sizes = sizes

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module in ("torch", "torch.storage") and name in _BYTES:
            return _Storage(name)
        if (module, name) in (
            ("torch._utils", "_rebuild_tensor_v2"),
            ("torch._utils", "_rebuild_parameter"),
            ("torch", "Size"),
            ("torch", "device"),
            ("builtins", "set"),
            ("__builtin__", "set"),
            ("_codecs", "encode"),
        ):
            return lambda *_: OrderedDict()
        raise _UnsafeError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> None:
        kind, storage, key, _, numbers = pid
        if kind != "storage" or self.sizes[key] != numbers * storage.bytes:
            raise ValueError("a tensor of another size than its record")


class _Storage:
    """Stands for a class of storages, which is never called here."""

    def __init__(self, name: str) -> None:
        self.bytes = _BYTES[name]

    def __call__(self, *_: Any) -> None:
        raise _UnsafeError("a storage without a record")


def _misfit(stored: Mapping[Any, Any], size: int) -> str:
    """Return what in a checkpoint no training writes, or an empty text."""
    weights, options = stored.get("state_dict", {}), stored.get("hyper_parameters", {})
    if not isinstance(weights, Mapping) or not isinstance(options, Mapping):
        return "it has no weights or no description of them"
    return _of_weights(weights, size) or _of_description([options, stored.get("fer")])


def _of_weights(weights: Mapping[Any, Any], size: int) -> str:
    import torch

    total = 0
    for name, one in weights.items():
        if not isinstance(name, str) or not isinstance(one, torch.Tensor):
            return "it has no weights or no description of them"
        taken = prod(one.shape) * one.element_size()
        if taken > one.untyped_storage().nbytes():
            return f"{name} is larger than what the file holds of it"
        total += taken
    return "its weights are larger than the file" if total > _TIMES * size else ""


def _of_description(told: list[Any]) -> str:
    nodes, left = [(one, 0) for one in told], _VALUES
    while nodes:
        (node, depth), left = nodes.pop(), left - 1
        inner: list[Any] = []
        if isinstance(node, Mapping):
            inner = [*node, *node.values()]
        elif isinstance(node, list | tuple):
            inner = list(node)
        elif not isinstance(node, str | int | float | None):
            return "its description is not of plain values"
        nodes += [(one, depth + 1) for one in inner]
        if depth > _DEPTH or left < len(nodes):
            return f"its description has more than {_VALUES:,} values, or is too deep"
    return ""
