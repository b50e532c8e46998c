"""Write tables of votes as FER+ has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

HEADER = (
    "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
)


def write_votes(
    path: Path, usages: Iterable[str], votes: Iterable[Sequence[int]], unnamed: Iterable[int] = ()
) -> Path:
    """Write votes as FER+ does and return ``path``.

    Args:
        path: the file to write.
        usages: the official split of each row.
        votes: ten numbers a row.
        unnamed: the rows that have no image name, being left out by FER+.
    """
    left_out = set(unnamed)
    lines = [HEADER]
    number = 0
    for row, (usage, counts) in enumerate(zip(usages, votes, strict=True)):
        # As in FER+, only pictures with a name are numbered.
        name = "" if row in left_out else f"fer{number:07}.png"
        number += row not in left_out
        lines.append(f"{usage},{name},{','.join(map(str, counts))}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
