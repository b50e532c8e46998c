"""The one place where pictures are decoded and read, for all pages, beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from fer.inference import Recognizer
from fer.live.server.settings import BODIES, CONNECTIONS, PIXELS, USUAL
from fer.pictures import PictureError, decoded
from fer.pixels import Image

_T = TypeVar("_T")


class InferenceWorker:
    """Works for all pages in turn.

    Each page has one frame in work at most, so that they take turns, and the model uses all its
    cores for one frame after the other.

    Args:
        recognizer: says what faces show.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognizer = recognizer
        self._model = ThreadPoolExecutor(1, "fer model")
        # A picture that takes long holds up no other page's, since each has one in work at most.
        self._pictures = ThreadPoolExecutor(CONNECTIONS + BODIES, "fer pictures")
        # Large ones take memory: they wait for each other.
        self._large = ThreadPoolExecutor(2, "fer large pictures")

    async def decode(self, data: bytes) -> Image:
        """Return the picture in some bytes, uint8 ``[H, W, 3]`` RGB.

        Raises:
            PictureError: it is none, is damaged, or too large, which its header tells.
        """
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pictures, _picture, data, USUAL)
        except PictureError as error:
            if not (is_too_large(error) or "too many for its size" in str(error)):
                raise
        return await loop.run_in_executor(self._large, _picture, data, PIXELS)

    async def work(self, task: Callable[[], _T]) -> _T:
        """Do what needs the model, when its turn comes."""
        return await asyncio.get_running_loop().run_in_executor(self._model, task)

    def work_here(self, task: Callable[[], _T]) -> _T:
        """Do the same from a thread of one's own, which waits."""
        return self._model.submit(task).result()

    def close(self) -> None:
        """Let the threads end; what waits is left undone."""
        self._model.shutdown(wait=False, cancel_futures=True)
        self._pictures.shutdown(wait=False, cancel_futures=True)
        self._large.shutdown(wait=False, cancel_futures=True)


def is_too_large(error: PictureError) -> bool:
    """Say whether a picture was refused for its pixels."""
    return "pixels: scale it down" in str(error)


def _picture(data: bytes, pixels: int) -> Image:
    image = decoded(data, max_pixels=pixels)
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
