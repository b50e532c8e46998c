"""Which face comes when, and what each use of randomness draws from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, get_args

import numpy as np
from torch.utils.data import Sampler

#: Draws that a sampler hands out from one list.
_AT_A_TIME: Final = 4096

#: What a training draws at random, each from a stream of its own.
Use = Literal["order", "augmentation", "mixing", "dropout", "transforms"]
_USES: Final[tuple[Use, ...]] = get_args(Use)


def stream(use: Use, seed: int, *place: int) -> np.random.SeedSequence:
    """Return the seed sequence of one use of randomness.

    ``place`` is epoch, face, batch or process, always as many numbers for one use: NumPy treats
    ``(seed, epoch)`` and ``(seed, epoch, 0)`` alike.
    """
    return np.random.SeedSequence((seed, *place), spawn_key=(_USES.index(use),))


class EpochSampler(Sampler[int]):
    """Draws of one epoch, in an order that depends on seed and epoch alone.

    A *draw* is ``epoch * size + index``: it tells the data set which face and which epoch, so that
    loader workers that outlive an epoch know the epoch.

    Every process of a distributed run takes every ``world_size``-th draw. When shuffling, the last
    few draws are left out so that all processes take the same number of steps (another order leaves
    out others); otherwise no face is left out or doubled, so that an evaluation counts each once.

    Args:
        size: number of faces.
        seed: of the order.
        shuffle: draw in random order.
        rank: of this process.
        world_size: number of processes.
    """

    def __init__(
        self, size: int, *, seed: int, shuffle: bool, rank: int = 0, world_size: int = 1
    ) -> None:
        self.size = size
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this before each."""
        self.epoch = epoch

    def __len__(self) -> int:
        if self.shuffle:
            return self.size // self.world_size
        return len(range(self.rank, self.size, self.world_size))

    def __iter__(self) -> Iterator[int]:
        if self.shuffle:
            rng = np.random.default_rng(stream("order", self.seed, self.epoch))
            order = rng.permutation(self.size)
        else:
            order = np.arange(self.size)
        mine = order[self.rank :: self.world_size][: len(self)]
        # Some at a time: as Python's numbers, those of millions would be much of the memory.
        for start in range(0, len(mine), _AT_A_TIME):
            yield from (mine[start : start + _AT_A_TIME] + self.epoch * self.size).tolist()
