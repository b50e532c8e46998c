"""The description of an exported model, which is stored in its file."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from fer.core.errors import UserError
from fer.pixels import FITS, Fit

#: The key of the description, as JSON, in an ONNX file's metadata.
KEY: Final = "fer"
#: Largest height and width of faces, as in training configurations: a damaged file may say more
#: than fits into memory.
LARGEST: Final = 1024
#: Stands where the checksum of the file will be, see :mod:`fer.inference.onnx_file`.
NO_CHECKSUM: Final = "0" * 64
#: To be raised when older versions of this package can't read a new description.
FORMAT: Final = 1
#: Whole numbers in JSON may be too large for a float.
_MAX: Final = sys.float_info.max
#: Unicode categories of control characters and of surrogates, which no file can hold.
_NO_TEXT: Final = ("Cc", "Cs")


class ModelFileError(UserError):
    """A file is no exported model of this package; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class Description:
    """What is needed to use a model, in plain values.

    Attributes:
        classes: in the order of the outputs.
        size: height and width of the input faces, in pixels.
        fit: how pictures become square, see :func:`fer.pixels.square_grey`.
        temperature: divides the logits before the softmax.
        columns: description of the metadata that it reads, or None.
        frames: the most frames of the clips that a clip model learnt from (it reads any number), or
            None for single faces.
        precision: of its arithmetic.
        storage: of the weights in the file.
        not_comparable: why its scores can't be compared with those on the data's own labels.
        recipe: how it was made, as far as known: ``model`` (its configuration), ``data``,
            ``fingerprint``, ``protocol``, ``seed``, ``commit``, ``version``, ``metrics``.
    """

    classes: tuple[str, ...]
    size: int
    fit: Fit = "pad"
    temperature: float = 1.0
    columns: Mapping[str, Any] | None = None
    frames: int | None = None
    precision: Literal["float32", "int8"] = "float32"
    storage: Literal["float32", "float16"] = "float32"
    not_comparable: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> str:
        """Return the description as :meth:`from_json` reads it."""
        told = {"format": FORMAT, "sha256": NO_CHECKSUM, **asdict(self)}
        return json.dumps(told, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, path: object) -> Description:
        """Read the JSON of :meth:`as_json`; ``path`` is for messages.

        Raises:
            ModelFileError: it is no description, or one of a later version.
        """
        try:
            stored = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _unsound(path, f"is no JSON: {error}") from None
        if not isinstance(stored, dict) or type(stored.get("format")) is not int:
            raise _unsound(path, "is none of this package's")
        if stored["format"] > FORMAT:
            raise ModelFileError(
                f"{path} was exported by a later version of fer (its description has format "
                f"{stored['format']}, this version reads up to {FORMAT}): use that version",
                code="later_format",
                where=str(path),
            )
        known = {name: stored[name] for name in cls.__dataclass_fields__ if name in stored}
        if not _is_sound(known):
            raise _unsound(path, "does not say classes and size rightly")
        return cls(**{**known, "classes": tuple(known["classes"])})


def _unsound(path: object, why: str) -> ModelFileError:
    return ModelFileError(
        f"{path}: its description {why}", code="model_description", where=str(path)
    )


def checksum_in(text: str) -> str:
    """Return the checksum that a description holds; empty where it has none."""
    told = json.loads(text).get("sha256")
    return told if isinstance(told, str) and told.isascii() else ""


def _is_sound(known: Mapping[str, Any]) -> bool:
    size, frames, temperature = known.get("size"), known.get("frames"), known.get("temperature", 1)
    return (
        are_names(known.get("classes"))
        and len(known["classes"]) > 1
        and type(size) is int
        and 1 <= size <= LARGEST
        and known.get("fit", "pad") in tuple(FITS)
        and type(temperature) in (int, float)
        and 0 < temperature <= _MAX
        and are_columns(known.get("columns"))
        and (frames is None or (type(frames) is int and frames > 0))
        and known.get("precision", "float32") in ("float32", "int8")
        and known.get("storage", "float32") in ("float32", "float16")
        and isinstance(known.get("not_comparable", ""), str)
        and isinstance(known.get("recipe", {}), dict)
    )


def are_names(value: Any) -> bool:
    """Return True for a list of unique, printable class names."""
    return (
        isinstance(value, list | tuple)
        and len(value) > 0
        and all(isinstance(name, str) and _is_text(name) for name in value)
        and len(set(value)) == len(value)
    )


def _is_text(name: str) -> bool:
    return not any(unicodedata.category(letter) in _NO_TEXT for letter in name)


def are_columns(value: Any) -> bool:
    """Return True for a description of metadata (:mod:`fer.core.metadata`) or None."""
    return value is None or (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(column, Mapping) and _is_column(column) for column in value.values())
    )


def _is_column(column: Mapping[str, Any]) -> bool:
    if "values" in column:
        return are_names(column["values"])
    return all(
        isinstance(one, int | float) and abs(one) <= _MAX
        for one in (column.get("mean"), column.get("std"))
    )
