"""Faces as pictures within the page."""

from __future__ import annotations

import base64
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from fer.core.clips import subsample

Image = npt.NDArray[np.uint8]

#: Height and width of the largest picture in the page: twice what is shown, for fine screens.
_LARGEST: Final = 160
#: How much of a place is covered where the map is highest.
_COVERED: Final = 0.65
_QUALITY: Final = 88
#: Rows and columns of the frames of a clip.
_ROWS: Final = 3


def face_uri(image: Image) -> str:
    """Return a face uint8 ``[H, W]`` as a PNG within a data URI, scaled down where it is large."""
    if max(image.shape) > _LARGEST:
        image = _scaled(image)
    # A copy: OpenCV reads no memory maps.
    return _uri("png", cv2.imencode(".png", np.array(image))[1])


def clip_uri(frames: npt.NDArray[np.uint8]) -> str:
    """Return nine evenly spaced frames of a clip ``[T, H, W]`` as one picture, row by row."""
    some = np.array(frames[subsample(len(frames), _ROWS**2)])
    some = some[np.minimum(np.arange(_ROWS**2), len(some) - 1)]
    rows = [np.concatenate(list(row), axis=1) for row in np.split(some, _ROWS)]
    return face_uri(np.concatenate(rows, axis=0))


def overlay_uri(image: Image, heat: npt.NDArray[np.float32]) -> str:
    """Return a face under a map of where a network looked, as a JPEG within a data URI.

    ``heat`` is float32 ``[H, W]`` from 0 to 1; 0 leaves the face as it is.
    """
    grey = _scaled(np.array(image)).astype(np.float32)[..., None]
    weight = np.clip(cv2.resize(heat, (_LARGEST, _LARGEST)), 0, 1)[..., None]
    colors = cv2.applyColorMap(np.rint(255 * weight).astype(np.uint8), cv2.COLORMAP_INFERNO)
    cover = _COVERED * weight
    picture = np.rint(grey * (1 - cover) + colors * cover).clip(0, 255).astype(np.uint8)
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    return _uri("jpeg", cv2.imencode(".jpg", picture, options)[1])


def _scaled(image: Image) -> Image:
    shrinks = max(image.shape) > _LARGEST
    way = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    scaled = cv2.resize(image, (_LARGEST, _LARGEST), interpolation=way)
    return scaled.astype(np.uint8, copy=False)


def _uri(kind: str, data: npt.NDArray[np.uint8]) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode('ascii')}"
