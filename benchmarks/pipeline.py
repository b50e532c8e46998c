"""What a whole frame costs and what is found in it, beside PyPI's ``fer`` on the same frames.

Run with ``FER_DATA_ROOT=FOLDER python -m benchmarks.pipeline MODEL.onnx [--detector yunet:PATH]``
on a machine that does nothing else. Frames of 1280 x 720 hold up to 30 of FER2013's PublicTest
faces, pasted 60 to 130 pixels wide; none is skipped. *Same* is the share of the faces found that
get the label of their bare picture; a face counts as found when the middle of a box lies in it.

``--to FOLDER`` keeps the figures for ``python -m tools.ledger add``: ``ours.ms``, ``ours.found``,
``ours.same`` and the like.

``--memory N`` follows N frames of 320 x 180 instead and prints by how much the process grew after
the first 1,000.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from platformdirs import user_cache_path

import fer
from benchmarks import peer
from benchmarks.crop_margin import answers, matches
from benchmarks.figures import write_figures
from benchmarks.pasted import Frame, Pixels, frames, public_test
from fer.inference.detection import Detection

#: Frames after which a process's size counts.
_SETTLED = 1000


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="an exported model, or the name of a shipped one")
    parser.add_argument("--detector", default="default")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--to", type=Path, help="the folder of the figures")
    parser.add_argument("--memory", type=int, metavar="N", help="follow N frames instead")
    parser.add_argument(
        "--reference",
        type=Path,
        default=user_cache_path("fer-framework") / "peer",
        help="the folder of the peer's environment",
    )
    options = parser.parse_args()
    if options.memory and options.memory <= _SETTLED:
        parser.error(f"--memory: more than {_SETTLED:,} frames, after which growth counts")
    cv2.setNumThreads(options.threads)
    recognizer = fer.load(options.model, threads=options.threads, detector=options.detector)
    data = public_test()
    if data is None:
        return 2
    if options.memory:
        grown = growth(recognizer, data[0], options.memory)
        print(f"{options.memory:,} frames: {grown:+.1f} MiB after the first {_SETTLED:,}")
        return 0
    scenes = list(frames(data[0], options.frames, each=30, sides=(60, 130)))
    theirs = measured_peer(peer.environment(options.reference), scenes, options.threads)
    rows = {"PyPI fer": theirs, "ours": measured(recognizer, scenes, data[0])}
    there = sum(len(one.faces) for one in scenes)
    print(f"{there} faces in {len(scenes)} frames of 1280 x 720, {options.threads} threads")
    print(f"{'':<10}{'ms a frame':>11}{'ratio':>7}{'detecting':>11}{'found':>7}{'false':>7}"
          f"{'same %':>8}")  # fmt: skip
    for name, row in rows.items():
        detecting = f"{row['detect']:.1f}" if "detect" in row else "-"
        same = f"{100 * row['same']:.1f}" if "same" in row else "-"
        print(
            f"{name:<10}{row['ms']:>11.1f}{row['ms'] / theirs['ms']:>7.2f}{detecting:>11}"
            f"{row['found']:>7}{row['false']:>7}{same:>8}"
        )
    if options.to:
        config = {
            "model": Path(options.model).name,
            "detector": options.detector.split(":")[0],
            "frames": options.frames,
            "threads": options.threads,
        }
        write_figures(options.to, rows, config, "FER2013 faces of PublicTest, pasted")
    return 0


def measured(recognizer: fer.Recognizer, scenes: list[Frame], faces: Pixels) -> dict[str, float]:
    """Return the medians of our pipeline, and what it found."""
    recognizer.analyze(scenes[0].image)
    whole, detecting, found, false, same = [], [], 0, 0, 0
    for scene in scenes:
        start = time.perf_counter()
        boxes = recognizer.detector.detect(scene.image)
        middle = time.perf_counter()
        read = recognizer.read(scene.image, boxes)
        whole.append(1000 * (time.perf_counter() - start))
        detecting.append(1000 * (middle - start))
        of, none = matches(scene, boxes)
        found, false = found + len(of), false + none
        bare = answers(recognizer.classify(faces[scene.faces]))
        label = {one.box: int(one.probabilities.argmax()) for one in read}
        same += sum(label[one.box] == bare[place] for place, one in of.items())
    return {
        "ms": statistics.median(whole),
        "detect": statistics.median(detecting),
        "found": found,
        "false": false,
        "same": same / max(1, found),
    }


def measured_peer(python: Path, scenes: list[Frame], threads: int) -> dict[str, float]:
    """Return the medians of the peer's pipeline, and what it found."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "frames.npy"
        np.save(path, np.stack([one.image for one in scenes]))
        answer: Any = peer.run(python, "frames", str(path), str(threads))
    found = false = 0
    for scene, boxes in zip(scenes, answer["boxes"], strict=True):
        of, none = matches(scene, [Detection(tuple(box), 1.0) for box in boxes])
        found, false = found + len(of), false + none
    return {"ms": answer["ms"], "found": found, "false": false}


def growth(recognizer: fer.Recognizer, faces: Pixels, count: int) -> float:
    """Return by how many MiB the process grows after the first :data:`_SETTLED` frames."""
    from fer.live import FacePipeline
    from fer.live import Frame as Seen

    scenes = list(frames(faces, 50, each=5, sides=(60, 90), size=(320, 180)))
    pipeline = FacePipeline(recognizer)
    before = 0.0
    for number in range(count):
        if number == _SETTLED:
            before = resident_mib()
        pipeline.step(Seen(scenes[number // 20 % len(scenes)].image, number / 25, number))
    return resident_mib() - before


def resident_mib() -> float:
    """Return the memory that this process holds now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


if __name__ == "__main__":
    sys.exit(main())
