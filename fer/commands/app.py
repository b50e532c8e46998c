"""The ``fer`` command: its subcommands, their help and their exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial, wraps
from importlib.util import find_spec
from typing import Annotated

import typer

from fer import __version__
from fer.commands import data_check, exit_codes, export, predict, serve, video
from fer.core.io import expand_option_user
from fer.core.text import escape_unencodable_output

_EPILOG = """\
examples:
  fer train data=synthetic trainer=cpu
  fer evaluate ckpt=PATH data=fer2013
  fer predict photo.jpg
  fer video lesson.mp4 --out annotated.mp4
  fer serve
  fer export runs/cnn_lstm/TIME/checkpoints/best.ckpt --to model.onnx
  fer train --help
  fer data check fer2013.csv --html report.html

exit codes: 0 done, 1 done but some items failed, 2 wrong use, configuration or input,
130 interrupted"""


def _verbatim(text: str) -> str:
    """Keep the lines of lists and examples as they are; prose is wrapped."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(f"\b\n{one}" if "\n  " in one else one for one in paragraphs)


app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=_verbatim(_EPILOG),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
_data = typer.Typer(rich_markup_mode=None, help="Look at data sets.")


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"fer {__version__}\n")
        raise typer.Exit


_Version = Annotated[bool, typer.Option("--version", "-V", is_eager=True, callback=_print_version,
    help="The version.")]  # fmt: skip


@app.callback()
def fer(
    version: _Version = False,
) -> None:
    """Recognise facial expressions; fer COMMAND --help says more."""


def _add(
    place: typer.Typer,
    name: str,
    command: Callable[..., int],
    epilog: str,
    *,
    interrupted: str = "interrupted; nothing was written",
) -> None:
    """Add a command that returns its exit code."""

    @wraps(command)
    def run(**options: object) -> None:
        work = partial(command, **options)
        full_name = f"fer data {name}" if place is _data else f"fer {name}"
        raise typer.Exit(exit_codes.run(full_name, work, interrupted=interrupted))

    place.command(name, epilog=_verbatim(epilog))(run)


#: The arguments of these are Hydra's, ``--help`` included.
_HYDRA = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "allow_interspersed_args": False,
    "help_option_names": [],
}


@app.command("train", context_settings=_HYDRA)
def train(context: typer.Context) -> None:
    """Train a network, as python -m fer.train does."""
    from fer.train import main as start

    # Hydra reads the process's arguments, and starts further processes by the main module's name.
    sys.argv = ["fer train", *context.args]
    this = sys.modules["__main__"]
    before, this.__spec__ = this.__spec__, find_spec("fer.train")
    try:
        raise typer.Exit(start())
    finally:
        this.__spec__ = before


@app.command("evaluate", context_settings=_HYDRA)
def evaluate(context: typer.Context) -> None:
    """Evaluate a network or any system's answers, as python -m fer.evaluate does."""
    from fer.evaluate import main as start

    sys.argv = ["fer evaluate", *context.args]
    raise typer.Exit(start())


_add(app, "predict", predict.predict, predict.EPILOG)
_add(app, "video", video.video, video.EPILOG)
_add(app, "serve", serve.serve, serve.EPILOG, interrupted="ended")
_add(app, "export", export.export, export.EPILOG)
_add(_data, "check", data_check.check, data_check.EPILOG)
app.add_typer(_data, name="data")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the ``fer`` command and return its exit code.

    Args:
        arguments: what follows ``fer``; those of this process if not given.
    """
    escape_unencodable_output()
    words = [expand_option_user(word) for word in (arguments or sys.argv[1:])]
    try:
        app(words or ["--help"], prog_name="fer")
    except SystemExit as end:
        return int(end.code or 0)
    return 0
