"""Pictures in files: listed, read once into the cache, then divided into splits."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self

import numpy as np
import numpy.typing as npt

from fer.core.metadata import Columns, describe
from fer.core.ranges import PictureSide, ShareBelowOne
from fer.data.cache import Cache, Entry, folder_key, folder_of
from fer.data.disk_images import rows_of
from fer.data.issues import LISTED, DataError, Finding
from fer.data.source import SPLITS, Faces, Split
from fer.picture_folders import is_folder, left_out, list_pictures
from fer.pictures import decoded, file_bytes
from fer.pixels import FITS, Fit, Image, square_grey

_LOG: Final = logging.getLogger(__name__)
_VERSION: Final = 4  # raise it when the same files would be read as something else
#: The errors of links that lead nowhere.
_NOWHERE: Final = (errno.ENOENT, errno.ELOOP)


class PictureFiles:
    """Pictures that are there, not read yet; in columns, since there may be millions.

    Attributes:
        names: their paths below the root, with ``/`` on every system.
        sizes: in bytes.
        times: when each was last changed, in nanoseconds.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.sizes = array("q")
        self.times = array("q")

    def __len__(self) -> int:
        return len(self.names)

    def add(self, name: str, stat: os.stat_result) -> None:
        """Add one picture."""
        self.names.append(name)
        self.sizes.append(stat.st_size)
        self.times.append(stat.st_mtime_ns)

    def take(self, order: Iterable[int]) -> Self:
        """Return those at some positions."""
        chosen = type(self)()
        for i in order:
            chosen.names.append(self.names[i])
            chosen.sizes.append(self.sizes[i])
            chosen.times.append(self.times[i])
        return chosen

    def sorted(self, key: Callable[[str], Any] = str) -> Self:
        """Return them in the order of their names."""
        return self.take(sorted(range(len(self)), key=lambda i: key(self.names[i])))

    def states(self) -> Iterator[tuple[str, int, int]]:
        """Yield what is known of each."""
        return zip(self.names, self.sizes, self.times, strict=True)


@dataclass(frozen=True, slots=True)
class Listing:
    """The pictures of a data set, none of which was read yet.

    Attributes:
        root: what their names are below.
        files: the pictures; a picture's row is its position here.
        splits: int64 ``[N]``, positions in :data:`fer.data.source.SPLITS`.
        labels: int64 ``[N]``, positions in the classes.
        metadata: one array ``[N]`` a column.
        digest: of the table that labels or metadata were read from.
        notes: what was left out, for people to read.
    """

    root: Path
    files: PictureFiles
    classes: tuple[str, ...]
    splits: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    metadata: Mapping[str, npt.NDArray[np.generic]] = field(default_factory=dict)
    digest: str = ""
    notes: tuple[str, ...] = ()


class PictureSource:
    """Pictures in files: any size, any number of classes, grey or colour.

    The first load reads the pictures into the cache, scaled; later ones map it into memory, or read
    each batch from the disk where the set is large (:class:`fer.data.disk_images.DiskImages`).
    Where there is no validation split, a part of ``train`` is taken in its place, of each class the
    same share.

    Args:
        root: the folder or file that says which pictures there are.
        size: height and width that pictures are scaled to, in pixels.
        fit: how pictures that are not square become so, see :func:`fer.pixels.square_grey`.
        val_share: of the training pictures of each class, taken for validation where there is no
            such split.
        seed: of that draw.
        cache: the folder for the scaled copies; by default ``$FER_CACHE`` or the user's cache
            folder.
        defects: pictures that cannot be read: ``fatal`` refuses the whole, with a list of them;
            ``drop`` leaves them out and reports them.
    """

    #: How the entries of the cache are named.
    kind: ClassVar[str] = "pictures"

    def __init__(
        self,
        root: str | None,
        *,
        size: PictureSide = 48,
        fit: Fit = "pad",
        val_share: ShareBelowOne = 0.1,
        seed: int = 0,
        cache: str | None = None,
        defects: Literal["fatal", "drop"] = "fatal",
    ) -> None:
        if size < 1 or fit not in FITS or not 0 <= val_share < 1 or seed < 0:
            raise ValueError(
                f"size must be at least 1, fit one of {', '.join(FITS)}, val_share at least 0 and "
                f"below 1, seed at least 0: got {size}, {fit!r}, {val_share}, {seed}"
            )
        if defects not in ("fatal", "drop"):
            raise ValueError(f"defects must be fatal or drop, not {defects!r}")
        self.root = Path(root).expanduser() if root else None
        self.size = size
        self.fit: Fit = fit
        self.val_share = val_share
        self.seed = seed
        self.drops_defects = defects == "drop"
        self._cache = Cache(folder_of(cache))

    def listing(self) -> Listing:
        """Return which pictures there are.

        Raises:
            DataNotFoundError: the root is not given or not there.
            DataError: what is there is not a data set of this form.
        """
        raise NotImplementedError

    def convert(self, image: Image) -> Image:
        """Return a picture, uint8 ``[H, W]`` or ``[H, W, 3]`` RGB, as uint8 ``[size, size]``.

        Raises:
            ValueError: the picture will not do.
        """
        return square_grey(image, self.size, self.fit)

    def fingerprint(self, contents: str, *settings: object) -> str:
        """Return what identifies the data: a hash of all files, and the settings."""
        text = " ".join(map(str, (contents, *settings)))
        return hashlib.sha256(text.encode()).hexdigest()

    def metadata_columns(self) -> Columns:
        """Return the description of the training pictures' metadata; nothing where there is none.

        Raises:
            DataError: the data set or its table is not as it should be.
        """
        listing = self.listing()
        train = listing.splits == SPLITS.index("train")
        return describe({column: values[train] for column, values in listing.metadata.items()})

    def load(self) -> Faces:
        """Return the faces: uint8 ``[N, size, size]`` images.

        Raises:
            DataNotFoundError: the root is not given or not there.
            DataError: what is there is not a data set of this form, pictures are broken and not to
                be left out, or there is no validation split and none is to be made.
            CacheError: the cache folder cannot be written.
        """
        listing = self.listing()
        entry = self.read(listing.root, listing.files, lambda: self.listing().files)
        kept: npt.NDArray[np.int64] = np.array(entry.arrays["kept"])
        splits = listing.splits[kept]
        members = {name: np.flatnonzero(splits == code) for code, name in enumerate(SPLITS)}
        drawn = not (listing.splits == SPLITS.index("val")).any()
        if drawn:
            train = members["train"]
            chosen = self.draw_val(listing.labels[kept[train]], "pictures")
            members |= {"train": train[~chosen], "val": train[chosen]}
        names = listing.files.names
        settings: list[object] = [listing.digest, self.size, self.fit]
        settings += [self.val_share, self.seed] if drawn else []
        return Faces(
            listing.classes,
            {
                split: Split(
                    rows_of(entry.arrays["images"], chosen),
                    listing.labels[kept[chosen]],
                    kept[chosen],
                    {column: values[kept[chosen]] for column, values in listing.metadata.items()},
                )
                for split, chosen in members.items()
                if len(chosen)
            },
            fingerprint=self.fingerprint(entry.info["sha256"], *settings),
            origin=str(self.root),
            findings=tuple(
                Finding(
                    row, SPLITS[listing.splits[row]], "defect", "dropped", None,
                    f"{names[row]}: {problem}",
                )
                for row, problem in entry.info["defects"]
            ),
            names=names,
            notes=listing.notes,
        )  # fmt: skip

    def read(self, root: Path, files: PictureFiles, again: Callable[[], PictureFiles]) -> Entry:
        """Return pictures as the cache keeps them: ``images``, and ``kept``, their positions.

        ``again`` lists them once more after reading, to find files that changed meanwhile.

        Raises:
            DataError: pictures are broken and not to be left out, or changed meanwhile.
            CacheError: the cache folder cannot be written.
        """

        def build(folder: Path) -> Entry:
            _LOG.info("reading %s, once: later loads read the cached copy", root)
            entry = self._read_all(root, files.names, folder / "images.npy")
            if self._key(root, again()) != key:
                raise DataError(
                    f"{root}: files changed while they were read; load them again",
                    code="changed_meanwhile",
                    where=str(root),
                )
            return entry

        key = self._key(root, files)
        return self._cache.get(key, build)

    def _key(self, root: Path, files: PictureFiles) -> str:
        kind = f"{self.kind}-sound" if self.drops_defects else self.kind
        return folder_key(root, files.states(), kind, _VERSION, self.size, self.fit)

    def _read_all(self, root: Path, names: Sequence[str], to: Path) -> Entry:
        """Write the pictures to a ``.npy`` file with a row a file; the last ones may be unused."""
        # Not through a memory map, whose pages would count as memory of this process.
        from tqdm import tqdm

        kept: list[int] = []
        broken: list[tuple[int, str]] = []
        digest = hashlib.sha256()
        shape = (len(names), self.size, self.size)
        bar = tqdm(names, desc=f"reading {root.name}", unit=" pictures", leave=False, disable=None)
        with to.open("wb") as images:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(images, header)
            for i, name in enumerate(bar):
                digest.update(f"{name}\n".encode())
                try:
                    data = file_bytes(root / name)
                    digest.update(hashlib.sha256(data).digest())
                    image = self.convert(decoded(data))
                except (ValueError, OSError) as error:
                    if isinstance(error, OSError) and error.errno not in _NOWHERE:
                        raise
                    broken.append((i, getattr(error, "strerror", None) or str(error)))
                    continue
                images.write(image.tobytes())
                kept.append(i)
            images.truncate(images.tell() + len(broken) * self.size**2)
        if broken and not self.drops_defects:
            lines = [f"{root}: {len(broken):,} of {len(names):,} pictures cannot be used:"]
            lines += [f"  {names[i]}: {problem}" for i, problem in broken[:LISTED]]
            if len(broken) > LISTED:
                lines.append(f"  ... and {len(broken) - LISTED:,} more")
            lines.append(
                "What to do: mend or remove them, or leave them out with data.clean.defects=drop."
            )
            where = f"{root}/{names[broken[0][0]]}"
            raise DataError("\n".join(lines), code="broken_pictures", where=where)
        return Entry(
            arrays={"kept": np.array(kept, dtype=np.int64)},
            info={"sha256": digest.hexdigest(), "defects": broken},
        )

    def draw_val(self, labels: npt.NDArray[np.int64], things: str) -> npt.NDArray[np.bool_]:
        """Return which training items are the validation split, where there is none.

        Labels are int64 ``[N]``; ``things`` is what messages call the items.

        Raises:
            DataError: ``val_share`` is 0.
        """
        if self.val_share == 0:
            raise DataError(
                f"{self.root} has no {things} in the split 'val': add some, or take a part of "
                "train in its place by data.val_share=0.1",
                code="no_split",
                where="data.val_share",
            )
        chosen = _stratified(labels, self.val_share, self.seed)
        _LOG.warning(
            "%s has no split 'val': %d of its %d training %s are the validation split, drawn class "
            "by class (data.val_share=%g, seed %d)",
            self.root, chosen.sum(), len(labels), things, self.val_share, self.seed,
        )  # fmt: skip
        return chosen


def folders_in(folder: Path) -> list[str]:
    """Return the sorted names of the folders in one, hidden ones left out."""
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if is_folder(e) and not e.name.startswith("."))


def pictures_in(
    root: Path,
    *parts: str,
    deep: bool = True,
    others: dict[str, list[str]] | None = None,
    files: PictureFiles | None = None,
) -> PictureFiles:
    """Return the pictures in a folder below ``root``, in any order.

    Args:
        deep: look into the folders in it too.
        others: gets what else lies there, by kind.
        files: what the pictures are added to.

    Raises:
        DataError: a name is not UTF-8, so that no table, page or JSON could hold it.
    """
    folder = "/".join(parts)
    listing = list_pictures(root / folder, deep=deep)
    if others is not None:
        for kind, names in listing.others.items():
            others.setdefault(kind, []).extend(f"{folder}/{name}" for name in names)
    found = PictureFiles() if files is None else files
    for below in listing.pictures:
        name = f"{folder}/{below}"
        path = f"{root}/{name}"
        try:
            path.encode()
        except UnicodeEncodeError:
            raw = str(os.fsencode(path))
            raise DataError(
                f"the name {raw} is no UTF-8: rename it, and its folders if need be",
                code="name_not_utf8",
                where=raw,
            ) from None
        try:
            stat = os.stat(path)  # noqa: PTH116 - as fast as can be: there may be millions.
        except OSError as error:
            if error.errno not in _NOWHERE:
                raise
            # A link that leads nowhere is a broken picture, until it leads somewhere.
            stat = os.lstat(path)
        found.add(name, stat)
    return found


def note_left_out(root: Path, others: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the note on what is not read among the pictures of a data set; log it, too."""
    if not others:
        return ()
    note = f"left out: {left_out(others)}"
    _LOG.warning("%s: %s", root, note)
    return (note,)


def _stratified(labels: npt.NDArray[np.int64], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Choose a share of each class: of those with two faces or more at least one, never all."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        count = min(max(round(share * len(members)), 1), len(members) - 1)
        chosen[members[:count]] = True
    return chosen
