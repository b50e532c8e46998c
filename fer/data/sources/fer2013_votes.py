"""The source ``fer2013_votes``: FER2013, whose training faces are taught by FER+'s votes too."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fer.core.labels import EMOTIONS
from fer.core.ranges import Share
from fer.data.source import Faces, WrappedSource
from fer.data.sources.fer2013 import Defects, Fer2013
from fer.data.sources.ferplus import load_joined, majority_vote


class Fer2013WithVotes(WrappedSource):
    """FER2013 on its official split, with extra labels for training: the votes of FER+.

    A training face's target is ``(1 - w) * its label + w * the votes' distribution``, over the
    seven emotions: votes for contempt, unknown and no face are left out (Barsoum et al. 2016,
    arXiv:1608.01041). A face without votes for any of the seven is learnt by its label alone. Faces
    and labels are FER2013's own, all of them, and nothing is changed in validation and test: a
    score is one on FER2013, of a network that was taught by more than FER2013.

    Args:
        root: where FER2013 is, see :class:`fer.data.sources.fer2013.Fer2013`.
        votes: the table of votes, looked for as in :class:`fer.data.sources.ferplus.FerPlus`.
        votes_weight: ``w``, from 0 (the labels alone) to 1 (the votes alone).
        manifest: which pixels are which row; needed for folders of pictures.
        cache: the folder for the parsed copy of FER2013.
        defects: as for FER2013.
    """

    def __init__(
        self,
        root: str | None = None,
        *,
        votes: str | None = None,
        votes_weight: Share = 0.5,
        manifest: str | None = None,
        cache: str | None = None,
        defects: Defects = "fatal",
    ) -> None:
        if not 0 <= votes_weight <= 1:
            raise ValueError(f"votes_weight must be from 0 to 1, not {votes_weight}")
        self._fer2013 = Fer2013(root, cache, defects, manifest)
        super().__init__(self._fer2013)
        self._votes = Path(votes).expanduser() if votes else None
        self.votes_weight = votes_weight

    def load(self) -> Faces:
        """Return the faces of FER2013, those of the training split with targets.

        Raises:
            DataNotFoundError: FER2013, the votes or the manifest are not there.
            DataError: FER2013 or the votes are broken, they do not belong together, or folders of
                pictures come without a manifest.
            CacheError: the cache folder cannot be written.
        """
        path, votes, faces, rows, manifest_hash = load_joined(
            self._fer2013, self._votes, self._fer2013.manifest
        )
        train, known = faces.splits["train"], rows["train"] >= 0
        place = np.where(known, rows["train"], 0)
        shares = majority_vote(votes.counts[place], votes.named[place], EMOTIONS).shares
        shares[~known] = 0
        targets = blended(train.labels, shares, self.votes_weight)
        identity = [faces.fingerprint, votes.sha256, f"votes_weight {self.votes_weight}"]
        identity += [manifest_hash] if manifest_hash else []
        return replace(
            faces,
            splits={**faces.splits, "train": replace(train, targets=targets)},
            fingerprint=hashlib.sha256(" ".join(identity).encode()).hexdigest(),
            # What a run keeps in its provenance, so that the extra labels are told there.
            origin=f"{faces.origin} with extra labels for training, the votes of {path} at the "
            f"weight {self.votes_weight}",
        )


def blended(
    labels: npt.NDArray[np.int64], shares: npt.NDArray[np.float32], weight: float
) -> npt.NDArray[np.float32]:
    """Return targets between labels and votes.

    ``shares``, float32 ``[N, C]``, is the share of each class among the votes; where there are none
    it is zero, and the target is the label alone. ``weight``, 0 to 1, is that of the votes. Each
    row of the result, float32 ``[N, C]``, is a distribution.

    Example:
        >>> shares = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]], dtype=np.float32)
        >>> blended(np.array([0, 2]), shares, 0.5).tolist()
        [[0.75, 0.25, 0.0], [0.0, 0.0, 1.0]]
    """
    own = np.eye(shares.shape[1], dtype=np.float32)[labels]
    share = np.where(shares.any(axis=1, keepdims=True), np.float32(weight), np.float32(0))
    return ((1 - share) * own + share * shares).astype(np.float32, copy=False)
