"""What the live server does for one page and for sixteen, beside the bare pipeline of the same run.

Run with ``FER_DATA_ROOT=FOLDER python -m benchmarks.live MODEL.onnx`` on a machine that does
nothing else. The server runs in a process of its own, as ``fer serve`` does; the clients speak
WebSocket from here, without a browser, and send JPEG frames of FER2013's PublicTest faces, two on
their way at once as the page has it. *Delay* is from sending a frame to its answer. The bare
pipeline (detector and model in this process, no server) is what the ratio is to.

Aims on two cores: 20 frames a second at 640 x 480 with 5 faces, 12 at 1280 x 720 with 30, delay
p95 below 250 ms; one a second each for 16 pages, memory flat, and the 17th refused.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import websockets

import fer
from benchmarks.pasted import frames, public_test


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="an exported model, or the name of a shipped one")
    parser.add_argument("--detector", default="default")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    data = public_test()
    if data is None:
        return 2
    rng = np.random.default_rng(0)
    scenes = {
        (640, 480, 5): list(frames(data[0], 20, each=5, sides=(70, 120), size=(640, 480))),
        (1280, 720, 30): list(frames(data[0], 20, each=30, sides=(60, 110), size=(1280, 720))),
    }
    cv2.setNumThreads(options.threads)
    bare = fer.load(options.model, threads=options.threads, detector=options.detector)
    print(f"{'':<24}{'frames/s':>9}{'ratio':>7}{'p50 ms':>8}{'p95 ms':>8}")
    with served(options) as (port, pid):
        for (width, height, faces), some in scenes.items():
            pictures = [as_jpeg(one.image) for one in some]
            alone = bare_rate(bare, [one.image for one in some], options.seconds / 4)
            rate, delays = asyncio.run(one_page(port, pictures, options.seconds))
            p50, p95 = np.percentile(delays, [50, 95])
            name = f"{width} x {height}, {faces} faces"
            print(f"{name:<24}{rate:>9.1f}{rate / alone:>7.2f}{p50:>8.0f}{p95:>8.0f}")
            print(f"{'  bare pipeline':<24}{alone:>9.1f}{1:>7.2f}{1000 / alone:>8.0f}{'-':>8}")
        pictures = [as_jpeg(one.image) for one in scenes[640, 480, 5]]
        rng.shuffle(pictures)
        before = resident_mib(pid)
        rates, refused = asyncio.run(many_pages(port, pictures, options.seconds, options.clients))
        after = resident_mib(pid)
    print(f"{options.clients} pages: {min(rates):.2f} to {max(rates):.2f} frames/s each")
    print(f"  memory {before:.0f} -> {after:.0f} MiB; one more is told: {refused}")
    return 0


async def one_page(
    port: int, pictures: list[bytes], seconds: float, in_flight: int = 2
) -> tuple[float, list[float]]:
    """Return the frames a second of one page, and the delay of each in milliseconds."""
    delays: list[float] = []
    sent: dict[int, float] = {}
    async with websockets.connect(f"ws://127.0.0.1:{port}/v1/live", max_size=None) as link:
        start = time.perf_counter()
        number = 0
        # The first second warms up.
        while time.perf_counter() - start < seconds + 1:
            while len(sent) < in_flight:
                number += 1
                sent[number] = time.perf_counter()
                await link.send(struct.pack(">I", number) + pictures[number % len(pictures)])
            message = json.loads(await link.recv())
            if message["type"] == "end":
                raise RuntimeError(message["words"])
            if message["type"] == "faces":
                now = time.perf_counter()
                if now - start > 1:
                    delays.append(1000 * (now - sent[message["id"]]))
                for one in [key for key in sent if key <= message["id"]]:
                    del sent[one]
    return len(delays) / seconds, delays


async def many_pages(
    port: int, pictures: list[bytes], seconds: float, count: int
) -> tuple[list[float], str]:
    """Return the frames a second of each page, and what one more is told."""

    async def one_more() -> str:
        await asyncio.sleep(seconds / 2)
        try:
            async with websockets.connect(f"ws://127.0.0.1:{port}/v1/live") as link:
                told = json.loads(await asyncio.wait_for(link.recv(), 10))
        except (TimeoutError, OSError, websockets.WebSocketException) as error:
            return f"nothing ({error!r})"
        return str(told.get("words", told["type"]))

    pages = [one_page(port, pictures, seconds) for _ in range(count)]
    *answers, refused = await asyncio.gather(*pages, one_more())
    return [rate for rate, _ in answers], refused


def bare_rate(recognizer: fer.Recognizer, images: list[np.ndarray], seconds: float) -> float:
    """Return how many frames a second the pipeline reads by itself."""
    recognizer.analyze(images[0])
    start = time.perf_counter()
    count = 0
    while time.perf_counter() - start < seconds:
        recognizer.analyze(images[count % len(images)])
        count += 1
    return count / (time.perf_counter() - start)


@contextmanager
def served(options: argparse.Namespace) -> Iterator[tuple[int, int]]:
    """Run ``fer serve`` and yield its port and process."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = [sys.executable, "-m", "fer.cli", "serve", "--port", str(port)]
    command += ["--model", options.model, "--detector", options.detector]
    root = Path(__file__).resolve().parents[1]
    process = subprocess.Popen(
        [*command, "--threads", str(options.threads)],
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError("fer serve ended") from None
                time.sleep(0.1)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def as_jpeg(image: np.ndarray) -> bytes:
    """Return a picture as the page sends it."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, 85]
    return cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), quality)[1].tobytes()


def resident_mib(pid: int) -> float:
    """Return the memory that a process holds now (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


if __name__ == "__main__":
    sys.exit(main())
