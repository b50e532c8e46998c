"""Convert pictures and clips into the square grey faces that a model reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fer.core.clips import subsample
from fer.core.errors import UserError
from fer.pixels import Fit, square_grey

Crops = npt.NDArray[np.uint8] | Sequence[npt.NDArray[np.uint8]]
#: The frames of one face, in order.
Clip = npt.NDArray[np.uint8] | Sequence[npt.NDArray[np.uint8]]


class FacesError(UserError):
    """Faces or clips have the wrong type or shape; the message says what is needed."""


def _faces_error(message: str) -> FacesError:
    return FacesError(message, code="not_faces")


def preprocess(faces: Crops, size: int, fit: Fit) -> npt.NDArray[np.uint8]:
    """Return faces as uint8 ``[N, size, size]``.

    Args:
        faces: uint8 ``[N, H, W]`` grey or ``[N, H, W, 3]`` RGB, or a sequence of ``[H, W]`` and
            ``[H, W, 3]`` of any sizes.
        size: in pixels.
        fit: see :func:`fer.pixels.square_grey`.

    Raises:
        FacesError: another type or shape.
    """
    if isinstance(faces, np.ndarray):
        _check(faces)
        if faces.ndim == 3 and faces.shape[1:] == (size, size):
            return faces
    elif not isinstance(faces, list | tuple):
        raise _faces_error(f"faces must be a uint8 array or a list of them, not {_kind(faces)}")
    small = np.empty((len(faces), size, size), dtype=np.uint8)
    for place, face in enumerate(faces):
        try:
            small[place] = square_grey(face, size, fit)
        except (ValueError, AttributeError) as error:
            why = error if isinstance(face, np.ndarray) else f"must be an array, not {_kind(face)}"
            raise _faces_error(f"face {place}: {why}") from None
    return small


def preprocess_clips(
    clips: Sequence[Clip], size: int, fit: Fit, most: int
) -> list[npt.NDArray[np.uint8]]:
    """Return each clip as uint8 ``[T, size, size]``.

    Args:
        clips: uint8 ``[T, H, W]`` grey or ``[T, H, W, 3]`` RGB each, or sequences of pictures.
        size: in pixels.
        fit: see :func:`fer.pixels.square_grey`.
        most: frames of a clip; of longer ones evenly spaced frames are taken.

    Raises:
        FacesError: another type or shape, or a clip without frames.
    """
    if not isinstance(clips, list | tuple | np.ndarray):
        raise _faces_error(f"clips must be a list of arrays of frames, not {_kind(clips)}")
    found = []
    for place, clip in enumerate(clips):
        if isinstance(clip, np.ndarray) and clip.ndim < 3:
            raise _faces_error(
                f"clip {place}: must be frames [T, H, W] or [T, H, W, 3], not {list(clip.shape)}: "
                "a list of clips is needed, clips=[frames] for one"
            )
        if not isinstance(clip, list | tuple | np.ndarray) or len(clip) == 0:
            kind = "one without frames" if hasattr(clip, "__len__") else _kind(clip)
            raise _faces_error(f"clip {place}: must be one frame or more, not {kind}")
        taken = subsample(len(clip), most)
        try:
            found.append(preprocess([clip[i] for i in taken], size, fit))
        except FacesError as error:
            # Frames are numbered as in the caller's clip.
            number = re.search(r"\bface (\d+)", str(error))
            was = f"frame {taken[int(number[1])]}" if number else "frame"
            told = str(error).replace(number[0] if number else "face", was, 1)
            raise _faces_error(f"clip {place}: {told}") from None
    return found


def _check(faces: npt.NDArray[Any]) -> None:
    if faces.dtype != np.uint8:
        hint = " (multiply by 255 and round, if it goes from 0 to 1)" * (faces.dtype.kind == "f")
        raise _faces_error(f"faces must be uint8 from 0 to 255, not {faces.dtype}{hint}")
    is_color = faces.ndim == 4 and faces.shape[3] == 3
    if is_color or (faces.ndim == 3 and faces.shape[2] > 4):
        return
    hint = ""
    if faces.ndim == 2 or (faces.ndim == 3 and faces.shape[2] == 3):
        hint = ": this looks like one face; write faces[None]"
    elif faces.ndim == 4 and faces.shape[3] in {1, 4}:
        hint = f": leave the last of {faces.shape[3]} channels out"
    elif faces.ndim == 4 and faces.shape[1] in {1, 3}:
        hint = ": channels come last here"
    raise _faces_error(f"faces must be [N, H, W] or [N, H, W, 3], not {list(faces.shape)}{hint}")


def _kind(value: object) -> str:
    return type(value).__name__
