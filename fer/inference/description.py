"""What an exported model says of itself: it travels inside the file, so it can't be lost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from fer.errors import UserError
from fer.pixels import FITS, Fit

#: The key of an ONNX file's metadata under which the description lies, as JSON.
KEY: Final = "fer"

#: Raised when older versions of this package could no longer read what is written.
FORMAT: Final = 1


class ModelFileError(UserError):
    """A file is no exported model of this package; the message says why."""


@dataclass(frozen=True, slots=True)
class Description:
    """What one has to know of a model to use it rightly, in plain values.

    Attributes:
        classes: the class names, in the order of the outputs.
        size: height and width of the faces that it reads, in pixels.
        fit: how pictures that are not square become so, see :func:`fer.pixels.square_grey`.
        temperature: that its logits are divided by before the softmax.
        columns: description of the metadata that it reads beside the faces, or None.
        frames: the most frames of the clips that a clip model learnt from (it reads any number), or
            None for single faces.
        precision: ``float32`` or ``int8``, of its arithmetic.
        storage: ``float32`` or ``float16``, of the weights in the file.
        not_comparable: why its scores can't be held against others' on the data's own labels.
        recipe: what it was made of (``model``, its configuration) and how, as far as that is known:
            ``data``, ``fingerprint``, ``protocol``, ``seed``, ``commit``, ``version``, ``metrics``.
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
        return json.dumps({"format": FORMAT, **asdict(self)}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, path: object) -> Description:
        """Read a description.

        Args:
            text: JSON of :meth:`as_json`.
            path: where it was found, for messages.

        Raises:
            ModelFileError: it is none, or one of a later version.
        """
        try:
            stored = json.loads(text)
        except ValueError as error:
            raise ModelFileError(f"{path}: its description is no JSON: {error}") from None
        if not isinstance(stored, dict) or not isinstance(stored.get("format"), int):
            raise ModelFileError(f"{path}: its description is none of this package's")
        if stored["format"] > FORMAT:
            raise ModelFileError(
                f"{path} was exported by a later version of fer (its description has format "
                f"{stored['format']}, this version reads up to {FORMAT}): use that version"
            )
        known = {name: stored[name] for name in cls.__dataclass_fields__ if name in stored}
        if not _is_sound(known):
            raise ModelFileError(f"{path}: its description does not say classes and size")
        return cls(**{**known, "classes": tuple(known["classes"])})


def _is_sound(known: Mapping[str, Any]) -> bool:
    classes, size = known.get("classes"), known.get("size")
    frames, columns = known.get("frames"), known.get("columns")
    temperature = known.get("temperature", 1.0)
    return (
        isinstance(classes, Sequence)
        and not isinstance(classes, str)
        and len(classes) > 1
        and all(isinstance(name, str) for name in classes)
        and isinstance(size, int)
        and size > 0
        and known.get("fit", "pad") in FITS
        and isinstance(temperature, int | float)
        and temperature > 0
        and isinstance(columns, Mapping | None)
        and isinstance(frames, int | None)
    )
