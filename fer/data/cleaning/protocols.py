"""Ways of dividing a data set that make a number larger than it is, to measure by how much.

Published accuracies on FER2013 far above what honest networks reach come from such protocols. They
are applied by name alone (``data.protocol``), and all that comes of them is marked.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import torch

from fer.data.augmentation import Augmentation
from fer.data.loading.device_loader import DeviceLoader
from fer.data.loading.sampler import EpochSampler
from fer.data.source import SPLITS, DataError, Faces, Source, Split, WrappedSource

_LOG: Final = logging.getLogger(__name__)

Indices = npt.NDArray[np.intp]

#: The protocol of every number that the project states as a score.
OFFICIAL: Final = "official"

#: Shares of train, val and test where faces are divided anew.
SHARES: Final = (0.8, 0.1, 0.1)


@dataclass(frozen=True, slots=True)
class ValidityMark:
    """What is wrong with the numbers of a protocol.

    Attributes:
        word: ``INVALID``: test faces, or altered copies of them, are among the training faces;
            ``NOT COMPARABLE``: nothing leaks, but another question is answered than FER2013's.
        why: in words, beginning with the key and the protocol.
    """

    word: Literal["INVALID", "NOT COMPARABLE"]
    why: str

    @property
    def file(self) -> str:
        """Name of the file that marks a run folder: ``INVALID`` or ``NOT_COMPARABLE``."""
        return self.word.replace(" ", "_")

    @property
    def key(self) -> str:
        """Name of the field that marks metrics and checkpoints: ``invalid``, ``not_comparable``."""
        return self.file.lower()

    @property
    def title(self) -> str:
        """The mark as short as a figure's title needs it.

        Example:
            >>> mark_of("resplit").title
            'INVALID (data.protocol=resplit)'
        """
        return f"{self.word} ({self.why.partition(':')[0]})"


_INVALID: Final[Mapping[str, str]] = {
    "resplit": "all faces were divided anew at random, so that training holds faces of the "
    "official PrivateTest, and what is scored here is no official split",
    "augment_first": "faces were copied and altered before the split, so that the test split holds "
    "altered copies of training faces, and training holds faces of the official PrivateTest",
    "train_as_test": "the faces that are scored are the training faces, so that the number says "
    "how well they are remembered",
    "train_on_test": "the validation and test faces are among the training faces, so that the "
    "number says how well they are remembered",
}
_NOT_COMPARABLE: Final[Mapping[str, str]] = {
    "other_labels": "the labels are not FER2013's own, and faces that these labels leave out are "
    "not scored",
    "fewer_classes": "the faces of some classes were left out of training and scoring, which makes "
    "the others easier to tell",
}

#: Every value of ``data.protocol``.
PROTOCOLS: Final[tuple[str, ...]] = (OFFICIAL, *_INVALID, *_NOT_COMPARABLE)


def mark_of(protocol: str) -> ValidityMark | None:
    """Return what marks the numbers of a protocol; ``None`` for the official one."""
    if protocol == OFFICIAL:
        return None
    if protocol in _INVALID:
        return ValidityMark("INVALID", f"data.protocol={protocol}: {_INVALID[protocol]}")
    if protocol in _NOT_COMPARABLE:
        why = f"data.protocol={protocol}: {_NOT_COMPARABLE[protocol]}"
        return ValidityMark("NOT COMPARABLE", why)
    raise ValueError(f"protocol must be one of {', '.join(PROTOCOLS)}, not {protocol!r}")


class ProtocolSource(WrappedSource):
    """A source whose faces are divided as a protocol has it.

    Faces keep their rows, altered copies that of the face that they show, so that a network of any
    protocol can be scored on the official split afterwards. Which classes there are does not
    change, not even where faces of some are left out: the network can then still be asked about
    every face.

    - ``official``: the source's own splits.
    - ``resplit``: the faces of all splits, class by class at random into the shares
      :data:`SHARES`.
    - ``augment_first``: the same after each class was filled up with altered copies of its faces
      to the size of the largest.
    - ``train_as_test``: the training split takes the place of the test split.
    - ``train_on_test``: validation and test faces are training faces too.
    - ``other_labels``: the source's own splits; says that its labels (FER+) are not FER2013's.
    - ``fewer_classes``: only the faces of some classes, in the source's own splits.

    Args:
        protocol: one of :data:`PROTOCOLS`.
        seed: of the division and of altered copies.
        augmentation: what alters copies; without it, they are exact.
        only_classes: for ``fewer_classes``, the names of those that are kept.

    Raises:
        ValueError: there is no such protocol, or ``only_classes`` are not at least two of the
            source's classes, or are given without ``fewer_classes``.
    """

    def __init__(
        self,
        source: Source,
        protocol: str,
        *,
        seed: int = 0,
        augmentation: Augmentation | None = None,
        only_classes: Sequence[str] | None = None,
    ) -> None:
        mark_of(protocol)
        if (protocol == "fewer_classes") != (only_classes is not None):
            raise ValueError("data.protocol=fewer_classes and data.only_classes=[…] go together")
        known = source.class_names()
        kept = sorted({known.index(name) for name in only_classes or () if name in known})
        if only_classes is not None and not 2 <= len(kept) == len(only_classes):
            raise ValueError(
                f"data.only_classes must be two or more of {', '.join(known)}, each once, not "
                f"{', '.join(only_classes) or 'none'}"
            )
        super().__init__(source)
        self.protocol = protocol
        self.seed = seed
        self.augmentation = augmentation or Augmentation()
        self._kept = kept

    def load(self) -> Faces:
        """Return the faces, divided; fingerprint and origin tell the protocol.

        Raises:
            DataError: the data is missing or broken, or a class has no face that could be copied.
        """
        faces = self.source.load()
        if self.protocol == OFFICIAL:
            return faces
        recipe = self._recipe()
        return replace(
            faces,
            splits=self._divide(faces),
            fingerprint=hashlib.sha256(f"{faces.fingerprint} {recipe}".encode()).hexdigest(),
            origin=f"{faces.origin} under data.protocol={recipe}",
        )

    def _divide(self, faces: Faces) -> Mapping[str, Split]:
        match self.protocol:
            case "resplit":
                return _divided(_pooled(faces), self.seed)
            case "augment_first":
                return self._augmented_first(faces)
            case "train_as_test":
                return {**faces.splits, "test": faces.splits["train"]}
            case "train_on_test":
                return {**faces.splits, "train": _pooled(faces)}
            case "fewer_classes":
                kept = self._kept
                return {n: s.take(np.isin(s.labels, kept)) for n, s in faces.splits.items()}
            case _:
                return faces.splits

    def _recipe(self) -> str:
        """Return everything that the division depends on."""
        drawn = f" seed {self.seed}"
        # The copies are altered in batches, and were altered one by one before.
        altered = vars(self.augmentation) | {"in batches": True}
        return self.protocol + {
            "resplit": drawn,
            "augment_first": drawn + "".join(f" {k} {v}" for k, v in altered.items()),
            "fewer_classes": "".join(f" {self.class_names()[i]}" for i in self._kept),
        }.get(self.protocol, "")

    def _augmented_first(self, faces: Faces) -> dict[str, Split]:
        pool = _pooled(faces)
        counts = np.bincount(pool.labels, minlength=len(faces.classes))
        if counts.min() == 0:
            empty = faces.classes[int(counts.argmin())]
            raise DataError(
                f"{faces.origin} has no face of the class {empty!r}, so that "
                "data.protocol=augment_first has nothing to copy"
            )
        draw = np.random.default_rng((self.seed, 1))
        copies = [
            # Every face as often as the others, but for one time.
            np.resize(draw.permutation(np.flatnonzero(pool.labels == label)), counts.max() - count)
            for label, count in enumerate(counts.tolist())
        ]
        filled = pool.take(np.concatenate([np.arange(len(pool)), *copies]))
        if not self.augmentation.is_identity:
            made = filled.take(np.arange(len(pool), len(filled)))
            _LOG.info("altering %s copies of faces", f"{len(made):,}")
            loader = DeviceLoader(
                made,
                EpochSampler(len(made), seed=self.seed, shuffle=False),
                batch_size=1024,
                drop_last=False,
                augmentation=self.augmentation,
                seed=self.seed,
                device=torch.device("cpu"),
                resident=False,
            )
            filled.images[len(pool) :] = torch.cat([batch["image"][:, 0] for batch in loader])
        return _divided(filled, self.seed)


def _pooled(faces: Faces) -> Split:
    """Return the faces of all splits as one, in the order of the splits."""
    splits = [faces.splits[name] for name in SPLITS if name in faces.splits]
    targets = None
    if any(split.targets is not None for split in splits):
        # Faces without a target, of the splits that have none, are learnt by their labels.
        own = np.eye(len(faces.classes), dtype=np.float32)
        targets = [own[s.labels] if s.targets is None else s.targets for s in splits]
    return Split(
        # A new array: the pictures may be a map of a file that nothing may be written to.
        images=np.concatenate([split.images for split in splits]),
        labels=np.concatenate([split.labels for split in splits]),
        rows=np.concatenate([split.rows for split in splits]),
        metadata={
            name: np.concatenate([split.metadata[name] for split in splits])
            for name in splits[0].metadata
        },
        targets=np.concatenate(targets) if targets is not None else None,
    )


def _divided(pool: Split, seed: int) -> dict[str, Split]:
    """Divide faces at random, each class by the same shares, their order kept within a split."""
    draw = np.random.default_rng((seed, 0))
    parts: dict[str, list[Indices]] = {name: [] for name in SPLITS}
    for label in np.unique(pool.labels):
        members = draw.permutation(np.flatnonzero(pool.labels == label))
        ends = np.rint(np.cumsum(SHARES[:-1]) * len(members)).astype(np.intp)
        for name, some in zip(SPLITS, np.split(members, ends), strict=True):
            parts[name].append(some)
    return {name: pool.take(np.sort(np.concatenate(some))) for name, some in parts.items()}
