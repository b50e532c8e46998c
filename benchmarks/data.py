"""How fast faces come from the disk, beside the same faces in memory, and what memory they take.

Run with ``python -m benchmarks.data [--faces N] [--to FOLDER]`` on a machine that does nothing
else. Each line is a pair: an epoch of shuffled batches of faces that stay on the disk
(``fer.data.disk_images``), and of the same faces as an array in memory, by the same loader, in
turns, each turn in a process of its own; the ratio is that of the medians, above 1 where the disk
is faster. The augmentation is that of ``augmentation=paper``. The last lines are the peaks of
memory of one epoch of as many faces as FER2013 has, and of ten times as many.

``python -m benchmarks.data --files 1000000 [--in FOLDER]`` measures something else: the memory and
the time of ``python -m fer.train`` on so many picture files, read for the first time, from the
cache, and from the cache as a table that names them. It takes a while and 5 GB for a million.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np

from benchmarks.figures import peak_mib, write_figures
from benchmarks.scoring import faces

_FER2013 = 35_887
_BATCH = 64
_KINDS: dict[str, dict[str, Any]] = {
    "plain": {"augmented": False, "workers": 0},
    "augmented": {"augmented": True, "workers": 0},
    "augmented, one worker": {"augmented": True, "workers": 1},
}


def epoch(kind: str, way: str, file: Path) -> dict[str, float]:
    """Return the faces a second of an epoch, and the peak of memory in MiB."""
    import torch

    from fer.core.labels import EMOTIONS
    from fer.data.augmentation import Augmentation
    from fer.data.datamodule import FaceDataModule
    from fer.data.disk_images import DiskImages
    from fer.data.source import Faces, Split

    torch.set_num_threads(1)
    settings = _KINDS[kind]
    paper = Augmentation(rotation=10.0, zoom=0.1, flip=0.5)

    mapped = np.load(file, mmap_mode="r")
    rows = np.arange(len(mapped), dtype=np.int64)
    images: Any = DiskImages(mapped, rows) if way == "disk" else np.array(mapped)
    train = Split(images, rows % 7, rows)

    class Source:
        def load(self) -> Faces:
            splits = {"train": train, "val": train.take(np.arange(_BATCH))}
            return Faces(EMOTIONS, splits, "made up", str(file))

    data = FaceDataModule(
        cast("Any", Source()),
        paper if settings["augmented"] else Augmentation(),
        size=48,
        batch_size=_BATCH,
        resident=False,
        workers=settings["workers"],
        seed=0,
    )
    loader = data.train_dataloader()
    batches = iter(loader)
    next(batches)  # What warms up is not counted.
    start, seen = time.perf_counter(), 0
    for batch in batches:
        seen += len(batch["label"])
    return {"rate": seen / (time.perf_counter() - start), "mib": peak_mib()}


def write(file: Path, count: int) -> None:
    """Write made-up faces, a million of which need not fit into memory."""
    to = np.lib.format.open_memmap(file, "w+", np.uint8, (count, 48, 48))
    for start in range(0, count, 10_000):
        to[start : start + 10_000] = faces(start, min(10_000, count - start))


def write_files(root: Path, count: int) -> None:
    """Write folders of classes with so many pictures of noise, and a table of them."""
    from fer.core.labels import EMOTIONS

    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for label in EMOTIONS:
            (root / split / label).mkdir(parents=True)
    with (root / "faces.csv").open("w") as table:
        table.write("path,label,split\n")
        for number in range(count):
            label, split = EMOTIONS[number % 7], "val" if number // 7 % 100 == 0 else "train"
            name = f"{split}/{label}/{number:08}.pgm"
            (root / name).write_bytes(b"P5 48 48 255\n" + rng.bytes(48 * 48))
            table.write(f"{name},{label},{split}\n")


def train_on_files(root: Path, way: str) -> dict[str, float]:
    """Return the seconds and the peak of memory in MiB of a training of a hundred steps."""
    where = root if way == "folder" else root / "faces.csv"
    command = [
        sys.executable, "-m", "fer.train", f"data={way}", f"data.root={where}", "trainer=cpu",
        "model=cnn", "lstm=none", "fusion=none", "model.backbone.widths=[4,4,4,4]", "test=false",
        "trainer.max_epochs=1", "trainer.limit_train_batches=100", "trainer.limit_val_batches=20",
        f"paths.cache={root / 'cache'}", f"paths.runs={root / 'runs'}",
    ]  # fmt: skip
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the training ended with {os.waitstatus_to_exitcode(status)}")
    return {"seconds": time.perf_counter() - start, "mib": usage.ru_maxrss / 1024}


def measure_files(count: int, folder: Path) -> dict[str, dict[str, float]]:
    """Print and return what trainings on so many picture files took."""
    write_files(folder, count)
    print(f"{f'{count:,} files':<24}{'seconds':>11}{'peak MiB':>11}")
    found = {}
    for name in ("folder, first reading", "folder", "table"):
        found[name] = train_on_files(folder, name.split(",")[0])
        print(f"{name:<24}{found[name]['seconds']:>11.0f}{found[name]['mib']:>11.0f}", flush=True)
    return found


def measured(kind: str, way: str, file: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.data", "--worker", kind, way, str(file)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=_FER2013, help="of the smaller set")
    parser.add_argument("--turns", type=int, default=3, help="of each pair (default 3)")
    parser.add_argument("--to", type=Path, help="a folder for python -m tools.ledger add")
    parser.add_argument("--files", type=int, help="train on so many picture files instead")
    parser.add_argument("--in", dest="inside", type=Path, help="where these files are written")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        kind, way, file = options.worker
        print(json.dumps(epoch(kind, way, Path(file))))
        return 0
    if options.files:
        with TemporaryDirectory(dir=options.inside) as name:
            measure_files(options.files, Path(name))
        return 0
    metrics: dict[str, Any] = {"throughput": {}, "memory": {}}
    with TemporaryDirectory() as name:
        folder = Path(name)
        small, large = options.faces, 10 * options.faces
        for count in (small, large):
            write(folder / f"{count}.npy", count)
        print(f"{'epoch':<24}{'disk /s':>11}{'memory /s':>11}{'ratio':>8}  ratios of the turns")
        for kind in _KINDS:
            turns = [
                [measured(kind, way, folder / f"{small}.npy")["rate"] for way in ("disk", "memory")]
                for _ in range(options.turns)
            ]
            disk, held = (statistics.median(column) for column in zip(*turns, strict=True))
            found = {"disk": disk, "memory": held, "ratio": disk / held}
            metrics["throughput"][kind.replace(", ", "_").replace(" ", "_")] = found
            each = " ".join(f"{a / b:.2f}" for a, b in turns)
            print(f"{kind:<24}{disk:>11,.0f}{held:>11,.0f}{disk / held:>8.2f}  {each}",
                  flush=True)  # fmt: skip
        print(f"{'memory of an epoch':<24}{'disk MiB':>11}{'memory MiB':>11}")
        for count in (small, large):
            peaks = [
                measured("plain", way, folder / f"{count}.npy")["mib"] for way in ("disk", "memory")
            ]
            metrics["memory"][str(count)] = dict(zip(("disk", "memory"), peaks, strict=True))
            print(f"{f'{count:,} faces':<24}{peaks[0]:>11.0f}{peaks[1]:>11.0f}", flush=True)
    if options.to:
        write_figures(options.to, metrics, {"faces": options.faces}, "faces made up from seed 0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
