"""Write faces as folders of pictures, as people have them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from fer.core.labels import EMOTIONS

FOLDERS = {"Training": "train", "PublicTest": "test", "PrivateTest": "test"}


def write_picture(path: Path, image: npt.NDArray[np.uint8]) -> Path:
    """Write a picture, uint8 ``[H, W]`` or ``[H, W, 3]`` RGB, in the format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if image.ndim == 3:
        image = image[..., ::-1]
    # Not imwrite, which cannot write to every path.
    path.write_bytes(cv2.imencode(path.suffix, np.ascontiguousarray(image))[1].tobytes())
    return path


def png_without_palette() -> bytes:
    """A PNG of which Pillow's decoder ends in an AssertionError."""
    file = io.BytesIO()
    Image.new("P", (8, 8)).save(file, "PNG")
    data = file.getvalue()
    start = data.index(b"PLTE") - 4
    return data[:start] + data[start + 12 + int.from_bytes(data[start : start + 4]) :]


def write_fer2013_folders(
    root: Path,
    images: Sequence[npt.NDArray[np.uint8]] | npt.NDArray[np.uint8],
    labels: Iterable[int],
    usages: Iterable[str],
    *,
    suffix: str = ".png",
    numbers: Sequence[int] | None = None,
) -> list[str]:
    """Write faces as FER2013's folders of pictures have them and return each one's name.

    Args:
        root: the folder that gets ``train`` and ``test``.
        images: N pictures.
        labels: N numbers 0-6.
        usages: N official splits.
        suffix: ``.png`` loses nothing, ``.jpg`` is what is passed around.
        numbers: in the names; by default N to 1, so that the order of names is not that of faces.
    """
    names = []
    numbers = numbers or range(len(images), 0, -1)
    for image, label, usage, number in zip(images, labels, usages, numbers, strict=True):
        name = f"{FOLDERS[usage]}/{EMOTIONS[label]}/{usage}_{number:04}{suffix}"
        write_picture(root / name, image)
        names.append(name)
    return names


def write_class_folders(
    root: Path, counts: Mapping[str, int], size: tuple[int, int] = (20, 30), seed: int = 0
) -> dict[str, npt.NDArray[np.uint8]]:
    """Write ``counts[folder]`` grey pictures into each folder below ``root``.

    Returns:
        The pictures by name, uint8 ``[height, width]`` each.
    """
    rng = np.random.default_rng(seed)
    pictures = {}
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            name = f"{folder}/{i:03}.png"
            pictures[name] = rng.integers(0, 256, size, dtype=np.uint8)
            write_picture(root / name, pictures[name])
    return pictures


def write_clip_folders(
    root: Path, counts: Mapping[str, int], *, size: tuple[int, int] = (20, 24), seed: int = 0
) -> dict[str, npt.NDArray[np.uint8]]:
    """Write ``counts[folder]`` clips of 1 to 6 grey frames into each folder below ``root``.

    Returns:
        The clips by name, uint8 ``[T, height, width]`` each.
    """
    rng = np.random.default_rng(seed)
    clips = {}
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            name = f"{folder}/clip{i}"
            clips[name] = rng.integers(0, 256, (1 + i % 6, *size), dtype=np.uint8)
            for number, frame in enumerate(clips[name]):
                write_picture(root / name / f"frame{number}.png", frame)
    return clips
