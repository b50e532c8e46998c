"""Decodes and reads the pictures of all pages, in threads outside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from fer.inference import Recognizer
from fer.live.server.settings import MAX_PAGES, MAX_PIXELS, MAX_UPLOADS, USUAL_PIXELS
from fer.pictures import PictureError, decoded
from fer.pixels import Image

_T = TypeVar("_T")


class InferenceWorker:
    """Works for all pages in turn: each has one frame in work at most."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognizer = recognizer
        self._model = ThreadPoolExecutor(1, "fer model")
        # A picture that takes long holds up no other page's, since each has one in work at most.
        self._pictures = ThreadPoolExecutor(MAX_PAGES + MAX_UPLOADS, "fer pictures")
        # Large ones take memory: they wait for each other.
        self._large = ThreadPoolExecutor(2, "fer large pictures")

    async def decode(self, data: bytes) -> Image:
        """Return the picture in some bytes, uint8 ``[H, W, 3]`` RGB.

        Raises:
            PictureError: there is none, it is damaged, or too large, which its header tells.
        """
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pictures, _decode, data, USUAL_PIXELS)
        except PictureError as error:
            if not (is_too_large(error) or error.code == "too_many_scans"):
                raise
        return await loop.run_in_executor(self._large, _decode, data, MAX_PIXELS)

    async def run(self, task: Callable[[], _T]) -> _T:
        """Do what needs the model, when its turn comes."""
        return await asyncio.get_running_loop().run_in_executor(self._model, task)

    def run_blocking(self, task: Callable[[], _T]) -> _T:
        """Do the same from a thread of one's own, which waits."""
        return self._model.submit(task).result()

    def close(self) -> None:
        """Let the threads end; what waits is left undone."""
        for pool in (self._model, self._pictures, self._large):
            pool.shutdown(wait=False, cancel_futures=True)


def is_too_large(error: PictureError) -> bool:
    """Return True if a picture was refused for its pixels."""
    return error.code == "too_many_pixels"


def _decode(data: bytes, max_pixels: int) -> Image:
    image = decoded(data, max_pixels=max_pixels)
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
