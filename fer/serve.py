"""The command ``fer serve``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fer.core.errors import UserError
from fer.options import MIN_GROUP, WINDOW, add_group_options, add_model_options, recognizer_of

if TYPE_CHECKING:
    from fer.live.server import Settings

#: Letters of a token that are read from a file.
_LONGEST_TOKEN: Final = 1000

_DESCRIPTION: Final = """\
Serve a page that shows what a group's faces show, live, in the browser: how many there are, the
shares of the emotions and how they change. All is computed on this machine; pictures are in its
memory only, and no single face is told of. With --view individual one person sees their own face's
emotions at their own camera, and nothing is kept."""

_EPILOG: Final = """\
examples:
  fer serve                                            # http://127.0.0.1:8000, the browser's camera
  fer serve --source 0                                 # the first camera of this machine
  fer serve --source rtsp://user:password@camera.local/stream
  fer serve --view individual
  fer serve --min-group 8 --index sharma2019
  export FER_TOKEN="$(openssl rand -hex 16)"
  fer serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem

The output is the label that annotators would give a face, not what a person feels. In the European
Union the AI Act, Article 5(1)(f), bans inferring emotions in workplaces and education, medical and
safety reasons apart. The page says so before a camera starts; docs/privacy.md says what is kept
where.

Beyond this machine the server needs a token (FER_TOKEN or --token-file), and browsers give their
camera to https only, or to localhost. Pages are asked for the token, or find it behind '#token=' in
the address, which browsers keep to themselves. Programs send it as 'Authorization: Bearer TOKEN'.
--allow-host names further names that the server is asked by: others are refused, since they may be
traps (DNS rebinding).

GET /health says that it runs, GET /metrics how (Prometheus), GET /v1/timeline what may be told of
the group of --source. POST /v1/analyze reads a picture in the individual view.

exit codes: 2 wrong use or bad input: nothing was started, 130 ended by Ctrl-C"""


def main(arguments: Sequence[str]) -> int:
    """Run ``fer serve`` and return its exit code.

    Args:
        arguments: what follows ``fer serve``.
    """
    options = _parser().parse_args(arguments)
    try:
        return _serve(options)
    except KeyboardInterrupt:
        sys.stderr.write("fer serve: ended\n")
        return 130
    except (UserError, OSError) as error:
        sys.stderr.write(f"fer serve: {error}\n")
        return 2


def _serve(options: argparse.Namespace) -> int:
    for name in ("fastapi", "uvicorn", "websockets", "python_multipart", "prometheus_client"):
        if find_spec(name) is None:
            raise UserError(f"this needs {name}, not installed: pip install '.[serve]'")
    from fer.live import open_source
    from fer.live.aggregation import Measures
    from fer.live.server import bind_socket, check_settings, is_loopback, make_app, run

    settings = _settings(options)
    check_settings(settings)
    with bind_socket(settings) as socket:
        recognizer = recognizer_of(options)
        source = None
        if options.source is not None:
            source = open_source(options.source, say=_say)
        if not Measures(recognizer.classes).has_valence:
            _say("valence, shifts and indices are left out: the model's classes are not the seven "
                 "emotions")  # fmt: skip
        app = make_app(settings, recognizer, source)
        scheme = "https" if settings.is_secure else "http"
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        _say(f"{scheme}://{host}:{socket.getsockname()[1]} ({settings.view} view; Ctrl-C ends it)")
        if not is_loopback(settings.host) and not settings.is_secure:
            _say("browsers give their camera to https only, or to localhost: for pages on other "
                 "machines add --tls-cert and --tls-key")  # fmt: skip
        run(app, settings, socket)
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    from fer.live import source_title
    from fer.live.server import Settings

    return Settings(
        host=options.host,
        port=options.port,
        view=options.view,
        has_source=options.source is not None,
        source_name="" if options.source is None else source_title(options.source),
        min_group=options.min_group or MIN_GROUP,
        seconds=options.window or WINDOW,
        index=options.index,
        token=_token(options),
        names=tuple(options.allow_host),
        certificate=options.tls_cert,
        key=options.tls_key,
    )


def _token(options: argparse.Namespace) -> str:
    if options.token is not None:
        _say("other users of this machine see --token in its list of processes: FER_TOKEN of the "
             "environment and --token-file tell nobody")  # fmt: skip
        return str(options.token)
    if options.token_file is None:
        return os.environ.get("FER_TOKEN", "")
    from fer.pictures import shown

    try:
        with options.token_file.open(encoding="ascii") as file:
            token: str = file.read(_LONGEST_TOKEN + 1).strip()
    except UnicodeDecodeError:
        raise UserError(f"the token in {shown(options.token_file)} must be ASCII") from None
    if not token or len(token) > _LONGEST_TOKEN:
        raise UserError(
            f"{shown(options.token_file)} must hold a token of 1 to {_LONGEST_TOKEN} letters"
        )
    return token


def _say(what: str) -> None:
    sys.stderr.write(f"fer serve: {what}\n")
    sys.stderr.flush()


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be a port from 0 to 65535, not {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fer serve",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this "
        "machine only)")  # fmt: skip
    add("--port", type=_port, default=8000, metavar="N", help="port to listen on; 0: any that is "
        "free (default: 8000)")  # fmt: skip
    add("--source", metavar="FILE|CAMERA|RTSP", help="a camera, stream or film of this machine, in "
        "place of the browser's camera")  # fmt: skip
    add("--view", choices=("class", "individual"), default="class", help="a group, of which "
        "no single face is told, or one person at their own camera (default: class)")  # fmt: skip
    add_group_options(parser)
    add_token = parser.add_mutually_exclusive_group().add_argument
    add_token("--token-file", type=Path, metavar="FILE", help="file of what pages and programs "
        "have to know, 16 letters at least; beyond this machine there must be one (default: "
        "FER_TOKEN of the environment, or none)")  # fmt: skip
    add_token("--token", help="the same on the command line, where other users of this machine can "
        "see it")  # fmt: skip
    add("--allow-host", action="append", default=[], metavar="NAME", help="a further name that the "
        "server is asked by; may be given again")  # fmt: skip
    add("--tls-cert", type=Path, metavar="FILE", help="certificate for https, PEM")
    add("--tls-key", type=Path, metavar="FILE", help="its key, PEM")
    add_model_options(parser)
    return parser
