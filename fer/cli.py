"""The ``fer`` command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Final

from fer import __version__
from fer.core.io import expand_option_user
from fer.core.text import escape_unencodable_output

_HELP: Final = """\
usage: fer COMMAND …

Commands
  train         train a network, as python -m fer.train does
  evaluate      judge a network or any system's answers, as python -m fer.evaluate does
  data check    say what is wrong with a data set
  predict       find the faces in pictures and say what each shows
  video         follow the faces of a film, a camera or a stream
  serve         the live page: a group's emotions in the browser, as they change
  export        write a trained network as one ONNX file, or as a small checkpoint

Options
  -h, --help     this text; fer COMMAND --help says more
  -V, --version  the version

Examples
  fer train data=synthetic trainer=cpu
  fer evaluate ckpt=PATH data=fer2013
  fer predict photo.jpg
  fer video lesson.mp4 --out annotated.mp4
  fer serve
  fer export runs/cnn_lstm/TIME/checkpoints/best.ckpt --to model.onnx
  fer train --help
  fer data check fer2013.csv --html report.html

Exit codes: 0 done, 1 done but some items failed, 2 wrong use, configuration or
input, 130 interrupted.
"""


def main() -> int:
    """Run the command that the first argument names and return its exit code."""
    escape_unencodable_output()
    arguments = [expand_option_user(word) for word in sys.argv[1:]]
    command = arguments[0] if arguments else "--help"
    if command in ("-h", "--help"):
        sys.stdout.write(_HELP)
        return 0
    if command in ("-V", "--version"):
        sys.stdout.write(f"fer {__version__}\n")
        return 0
    if command not in _COMMANDS:
        sys.stderr.write(f"fer: there is no command {command!r}; fer --help lists them\n")
        return 2
    return _COMMANDS[command](arguments[1:])


def _train(arguments: list[str]) -> int:
    """Train as ``python -m fer.train`` does: so are further processes of the training started."""
    from fer.train import main as train

    # Hydra reads the process's arguments.
    sys.argv = ["fer train", *arguments]
    this = sys.modules["__main__"]
    before, this.__spec__ = this.__spec__, find_spec("fer.train")
    try:
        return train()
    finally:
        this.__spec__ = before


def _evaluate(arguments: list[str]) -> int:
    from fer.evaluate import main as evaluate

    sys.argv = ["fer evaluate", *arguments]
    return evaluate()


def _export(arguments: list[str]) -> int:
    from fer.export import main as export

    return export(arguments)


def _predict(arguments: list[str]) -> int:
    from fer.predict import main as predict

    return predict(arguments)


def _video(arguments: list[str]) -> int:
    from fer.video import main as video

    return video(arguments)


def _serve(arguments: list[str]) -> int:
    from fer.serve import main as serve

    return serve(arguments)


def _data(arguments: list[str]) -> int:
    from fer.data.check.command import main as data

    return data(arguments)


_COMMANDS: Final[dict[str, Callable[[list[str]], int]]] = {
    "train": _train,
    "evaluate": _evaluate,
    "predict": _predict,
    "video": _video,
    "serve": _serve,
    "export": _export,
    "data": _data,
}

if __name__ == "__main__":
    sys.exit(main())
