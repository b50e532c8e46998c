"""FER2013 as folders of pictures: ``train/<emotion>/*``, ``test/<emotion>/*``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from fer.core.labels import EMOTIONS, canonical
from fer.data._class_folders import split_folders, split_of
from fer.data._csv import SIDE, USAGES
from fer.data._pictures import PictureFile, folders_in, pictures_in, read_pictures
from fer.data.cache import Entry
from fer.data.source import DataError
from fer.pixels import Image, square_grey

#: The two folders, and the splits whose pictures each may hold.
_FOLDERS: Final = {"train": ("Training",), "test": ("PublicTest", "PrivateTest")}
_NAME: Final = re.compile(rf"({'|'.join(USAGES)})_\d+\.\w+")
_INSTEAD: Final = (
    "To train on the folders as they are, with a validation split taken from train/, use "
    "data=folder data.root=FOLDER."
)


def is_picture_folder(path: Path) -> bool:
    """Say whether a folder looks like FER2013 as pictures."""
    return "train" in split_folders(path)


def is_official(path: Path) -> bool:
    """Say whether a folder holds FER2013 as pictures, with names that tell the official split."""
    roots = split_folders(path)
    if [*roots] != [*_FOLDERS]:
        return False
    for split, usages in _FOLDERS.items():
        for file in pictures_in(path, roots[split]):
            match = _NAME.fullmatch(Path(file.name).name)
            if match is None or match[1] not in usages:
                return False
    return True


def list_folders(root: Path) -> tuple[list[PictureFile], dict[str, list[str]]]:
    """Return the pictures sorted by name, and what else there is, by kind.

    A face's row is its position here.

    Raises:
        DataError: a folder is missing, or is none of an emotion.
        OSError: a folder cannot be read.
    """
    files, others = list[PictureFile](), dict[str, list[str]]()
    roots = split_folders(root)
    read = [roots.get(split) for split in _FOLDERS]
    if strange := [name for name in folders_in(root) if name not in read]:
        others["folder"] = strange
    for split in _FOLDERS:
        if (folder := roots.get(split)) is None:
            raise DataError(f"{root}: there is no folder {split}, beside the other")
        for name in folders_in(root / folder):
            try:
                canonical(name)
            except ValueError as error:
                raise DataError(f"{root / folder}: {error}. {_INSTEAD}") from None
            files += pictures_in(root, folder, name, others=others)
    return sorted(files, key=lambda file: file.name), others


def parse_folders(root: Path, files: Sequence[PictureFile], *, drop_defects: bool) -> Entry:
    """Read the pictures into the arrays of a cache entry, split by split.

    Raises:
        DataError: the official split cannot be told, or pictures are broken or of another size
            and not to be left out, or a split has none.
        OSError: a picture cannot be read.
    """
    usages = _official_split(root, files)
    pictures = read_pictures(root, files, SIDE, _exact, drop_defects=drop_defects)
    assert pictures.images is not None  # noqa: S101 - they were not written to a file
    splits = np.array([USAGES.index(usages[i]) for i in pictures.kept], dtype=np.uint8)
    for code, usage in enumerate(USAGES):
        if code not in splits:
            raise DataError(f"{root}: no usable picture has the split {usage}. {_INSTEAD}")
    order = np.argsort(splits, kind="stable")
    rows = pictures.kept[order]
    emotions = [EMOTIONS.index(canonical(file.name.split("/")[1])) for file in files]
    return Entry(
        arrays={
            "images": pictures.images[order],
            "labels": np.array(emotions, dtype=np.int64)[rows],
            "splits": splits[order],
            "rows": rows,
            "names": np.array([file.name for file in files]),
        },
        info={
            "sha256": pictures.sha256,
            "counts": dict(zip(USAGES, np.bincount(splits).tolist(), strict=True)),
            "source": str(root),
            "defects": [[i, usages[i], problem] for i, problem in pictures.broken],
        },
    )


def _exact(image: Image) -> Image:
    if image.shape[:2] != (SIDE, SIDE):
        height, width = image.shape[:2]
        raise ValueError(f"{width}×{height} pixels instead of {SIDE}×{SIDE}")
    return square_grey(image, SIDE)


def _official_split(root: Path, files: Sequence[PictureFile]) -> list[str]:
    """Return the official split of each picture, which only its name tells."""
    usages, untold = [], []
    for file in files:
        folder, *_, name = file.name.split("/")
        match = _NAME.fullmatch(name)
        if match is None:
            untold.append(file.name)
        elif match[1] not in _FOLDERS[split_of(folder)]:
            raise DataError(
                f"{root}: {file.name} is in {folder}/, but its name says {match[1]}: the folders "
                "are not FER2013 as it was published"
            )
        else:
            usages.append(match[1])
    if untold:
        raise DataError(
            f"{root}: {len(untold):,} of {len(files):,} pictures have names that do not tell their "
            f"official split, such as {untold[0]}. FER2013's are Training_N, PublicTest_N and "
            "PrivateTest_N; without them PublicTest, which is to choose by, and PrivateTest, which "
            f"is to score once, cannot be told apart. {_INSTEAD}"
        )
    return usages
