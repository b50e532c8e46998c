"""Check an exported model of unknown origin in a child process with a deadline.

A checksum shows damage, not malice, and ONNX Runtime can't be stopped while it folds constants or
runs a node.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from fer.inference.description import ModelFileError

#: Seconds for loading and the first answer. The largest shipped model takes under two.
DEADLINE: Final = 30
#: Bytes that it may take in addition to four times the file: folded constants may be large.
_MEMORY: Final = 4 * 2**30
_REFUSED: Final = 2

_CHILD: Final = """
import sys
from fer.core.errors import UserError
from fer.inference.onnx_model import OnnxModel
path, threads, memory, seconds, refused = sys.argv[1], *map(int, sys.argv[2:])
try:
    import resource
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    # Ends it also where the process that waits for it was killed.
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
except (ImportError, ValueError, OSError):
    pass  # not on Windows, or a stricter limit holds
try:
    OnnxModel(path, threads=threads)
except (UserError, OSError) as error:
    print(error, file=sys.stderr)
    sys.exit(refused)
"""


def check_in_child(path: Path, threads: int) -> None:
    """Load an exported model and classify one face, in a child process.

    Raises:
        ModelFileError: it can't be loaded, crashes, or takes longer than :data:`DEADLINE` seconds.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    # -P: a module in the working folder must not shadow one of ours.
    memory = _MEMORY + 4 * path.stat().st_size
    limits = (threads, memory, DEADLINE * threads, _REFUSED)
    command = [sys.executable, "-P", "-c", _CHILD, str(path), *map(str, limits)]
    try:
        done = subprocess.run(  # noqa: S603
            command, env=environment, capture_output=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL, timeout=DEADLINE, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ModelFileError(
            f"{path} took more than {DEADLINE} seconds to load and answer about one face, so it is "
            "not used. A model of fer export takes a few. What to do: use a file from a source "
            "that you trust, or export it again",
            code="model_too_slow",
            where=str(path),
        ) from None
    if done.returncode == _REFUSED:
        raise ModelFileError(done.stderr.strip(), code="model_refused", where=str(path))
    if done.returncode:
        raise ModelFileError(
            f"{path} ended the process that loaded it (exit code {done.returncode}), so it is not "
            "used. What to do: use a file from a source that you trust, or export it again",
            code="model_crashed",
            where=str(path),
        )
