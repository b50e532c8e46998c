"""How often an observer of a whole session works out one person's label, and how much is told.

Run with ``python -m benchmarks.group_privacy`` (minutes, one core; no data). Simulated people, not
names of tracks: whoever leaves comes back under another name. The observer knows who is in the room
and sees all that is told. Labels are drawn anew for each session and nobody changes theirs, which
is the observer's best case. *K* is the one who comes; the observer takes two told windows, the last
before and one after K came, and where one class alone has risen between them says that K shows it.

- *right*, *wrong*: how often that was so, of all sessions. Chance alone is right now and then.
- *told*: share of windows told of a class of 25, of whom each is lost and found again twice in
  twenty minutes, over forty minutes.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.figures import write_figures
from fer.core.defaults import WINDOW_SECONDS
from fer.core.labels import EMOTIONS
from fer.inference import Face
from fer.live import TrackedFace
from fer.live.aggregation import Aggregator, Cohort, Measures, Window

#: How often each label is shown, as faces of a class at work would: mostly neutral.
CHANCES = {"neutral": 0.5, "happy": 0.15, "sad": 0.1, "surprise": 0.1, "angry": 0.05,
           "fear": 0.05, "disgust": 0.05}  # fmt: skip
#: Seconds for which a track outlives its face, as in a session.
PATIENCE = 5.0

Frames = Iterator[Sequence[str]]


def watched(
    frames: Frames, labels: Callable[[str, int], str], lot: Random, least: int = 5
) -> list[Window]:
    """Return what is told of people who come and go.

    Args:
        frames: the people in sight in each window. Who was away gets another name.
        labels: what a person shows in a window.
        lot: of the cohort.
        least: the group minimum.
    """
    aggregator = Aggregator(Measures(EMOTIONS), cohort=Cohort(least, lot=lot))
    count, names, seen = itertools.count(), dict[str, str](), dict[str, float]()
    windows = []
    for number, people in enumerate(frames):
        time = WINDOW_SECONDS * (number + 0.5)
        for person in people:
            if time - seen.get(person, -np.inf) > PATIENCE:
                names[person] = f"t{next(count)}"
            seen[person] = time
        alive = {names[person] for person, last in seen.items() if time - last <= PATIENCE}
        faces = [TrackedFace(names[one], reading(labels(one, number))) for one in people]
        windows.append(aggregator.add(time, faces, alive))
    return [one for one in [*windows, aggregator.close()] if one is not None]


def reading(label: str) -> Face:
    chances = np.full(len(EMOTIONS), 0.02, dtype=np.float32)
    chances[EMOTIONS.index(label)] = 0.88
    return Face((0, 0, 40, 40), 0.9, label, chances)


def guess(windows: Sequence[Window], without: range, with_k: range) -> str | None:
    """Return what an observer takes for K's label; None: no idea.

    Args:
        windows: of the session.
        without: those before K came, or after.
        with_k: those with K.
    """
    told = {one.number: one for one in windows if one.shares is not None}
    for ours in [told[n] for n in without if n in told][::-1]:
        for theirs in [told[n] for n in with_k if n in told and told[n].faces == ours.faces]:
            moved = {
                name: ours.faces * (share - (ours.shares or {})[name])
                for name, share in (theirs.shares or {}).items()
            }
            up = [name for name, change in moved.items() if change > 0.5]
            down = [name for name, change in moved.items() if change < -0.5]
            if len(up) == 1 and len(down) <= 1:
                return up[0]
    return None


def scenes(away: int) -> Mapping[str, tuple[list[Sequence[str]], range, range]]:
    """Return who is in sight in each window, and the windows without K and with K to compare.

    Args:
        away: windows between the two, in which names are lost.
    """
    five, more, class_ = list("abcde"), list("fghij"), [f"p{n}" for n in range(24)]
    out: list[Sequence[str]] = [[]] * away
    before, after = range(10), range(10 + away, 25 + away)

    def then(first: Sequence[str], second: Sequence[str]) -> list[Sequence[str]]:
        return [first] * 10 + out + [second] * 15

    return {
        "five, then six": (then(five, [*five, "K"]), before, after),
        "five; six join and leave; five rejoin": (
            [five] * 10 + [[*five, *more, "K"]] * 10 + [five] * away + [[*five, *more]] * 15,
            range(20 + away, 35 + away), range(10, 20)),
        "five, then five, one exchanged": (then(five, [*five[:4], "K"]), before, after),
        "six, then six, one exchanged": (then([*five, "f"], [*five, "K"]), before, after),
        "ten, then ten, one exchanged": (
            then([*five, *more], [*five, *more[:4], "K"]), before, after),
        "25, then 25, one exchanged": (then([*class_, "x"], [*class_, "K"]), before, after),
    }  # fmt: skip


def attacked(name: str, away: int, sessions: int) -> tuple[int, int]:
    """Return in how many sessions the observer was right about K, and wrong."""
    right = wrong = 0
    frames, without, with_k = scenes(away)[name]
    for seed in range(sessions):
        random = Random(seed)
        shown: dict[str, str] = {}

        def label(person: str, _: int, shown: dict[str, str] = shown, r: Random = random) -> str:
            if person not in shown:
                (shown[person],) = r.choices(list(CHANCES), list(CHANCES.values()))
            return shown[person]

        said = guess(watched(iter(frames), label, Random(seed)), without, with_k)
        if said is not None:
            right, wrong = right + (said == shown["K"]), wrong + (said != shown["K"])
    return right, wrong


def restless(windows: int, people: int, seed: int, each: float = 600.0) -> Frames:
    """Yield a class of whom each is lost for six seconds once in ``each`` seconds."""
    random = Random(seed)
    back = dict.fromkeys(range(people), 0)
    for number in range(windows):
        for person in back:
            if number >= back[person] and random.random() < WINDOW_SECONDS / each:
                back[person] = number + 3
        yield [f"p{person}" for person, when in back.items() if number >= when]


def told_of(people: int, sessions: int, windows: int = 1200) -> tuple[float, float, float]:
    """Return the share of windows told of a restless class, that of read ones, the most counted."""
    told, read, most = [], [], 0
    for seed in range(sessions):
        random = Random(seed)
        made = watched(
            restless(windows, people, seed), lambda *_, r=random: r.choice(EMOTIONS), Random(seed)
        )
        told.append(np.mean([not one.withheld for one in made]))
        read += [one.read / one.faces for one in made if one.faces]
        most = max([most, *(one.faces for one in made)])
    return float(np.mean(told)), float(np.mean(read)) if read else 0.0, most


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--to", type=Path, help="a folder for python -m tools.ledger add")
    options = parser.parse_args()
    found: dict[str, dict[str, float]] = {"right": {}, "wrong": {}, "told": {}}
    for away in (4, 70):
        print(
            f"{'nobody in sight for ' + str(round(away * WINDOW_SECONDS)) + ' s':<42}right  wrong"
        )
        for name in scenes(away):
            right, wrong = attacked(name, away, options.sessions)
            print(f"  {name:<40}{right:>5} {wrong:>6}", flush=True)
            key = "_".join(name.replace(",", "").replace(";", "").split()) + f"_{away}"
            found["right"][key], found["wrong"][key] = right, wrong
    for people in (6, 8, 12, 25):
        told, read, most = told_of(people, max(1, options.sessions // 100))
        print(f"{people} people: told {told:.1%}, of those counted read {read:.0%}, at most {most}")
        found["told"][str(people)] = told
    if options.to is not None:
        write_figures(options.to, found, {"sessions": options.sessions}, "people made up")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
