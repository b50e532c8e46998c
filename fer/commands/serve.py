"""The command ``fer serve``."""

from __future__ import annotations

import os
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from fer.commands import options as opt
from fer.commands.exit_codes import DONE, warn
from fer.core.defaults import DETECT_SIZE, MIN_FACE, MIN_GROUP, WINDOW_SECONDS
from fer.core.errors import UserError

if TYPE_CHECKING:
    from fer.live.server import Settings

#: Letters of a token that are read from a file.
_LONGEST_TOKEN: Final = 1000

EPILOG: Final = """\
examples:
  fer serve                              # http://127.0.0.1:8000, the browser's camera
  fer serve --source 0                   # the first camera of this machine
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

_say = partial(warn, "fer serve")

_Host = Annotated[str, typer.Option(metavar="HOST", help="Address to listen on; 127.0.0.1 is this "
    "machine only.")]  # fmt: skip
_Port = Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Port to listen on; 0: any "
    "that is free.")]  # fmt: skip
_Source = Annotated[str | None, typer.Option(metavar="FILE|CAMERA|RTSP", help="A camera, stream or "
    "film of this machine, in place of the browser's camera.")]  # fmt: skip
_View = Annotated[Literal["class", "individual"], typer.Option(help="A group, of which no single "
    "face is told, or one person at their own camera.")]  # fmt: skip
_TokenFile = Annotated[Path | None, opt.file_option("--token-file", "File of what pages and "
    "programs have to know, 16 letters at least; beyond this machine there must be one; FER_TOKEN "
    "of the environment, or none, if not given.")]  # fmt: skip
_Token = Annotated[str | None, typer.Option(metavar="TOKEN", help="The same on the command line, "
    "where other users of this machine can see it.")]  # fmt: skip
_AllowHost = Annotated[list[str], typer.Option(metavar="NAME", show_default=False, help="A further "
    "name that the server is asked by; may be given again.")]  # fmt: skip
_TlsCert = Annotated[Path | None, opt.file_option("--tls-cert", "Certificate for https, PEM.")]
_TlsKey = Annotated[Path | None, opt.file_option("--tls-key", "Its key, PEM.")]


def serve(
    host: _Host = "127.0.0.1",
    *,
    port: _Port = 8000,
    source: _Source = None,
    view: _View = "class",
    min_group: opt.MinGroup = None,
    window: opt.WindowSeconds = None,
    index: opt.GroupIndex = None,
    token_file: _TokenFile = None,
    token: _Token = None,
    allow_host: _AllowHost = opt.NONE,
    tls_cert: _TlsCert = None,
    tls_key: _TlsKey = None,
    model: opt.Model = "default",
    allow: opt.Allow = opt.NONE,
    threads: opt.Threads = None,
    confidence: opt.Confidence = 0.0,
    min_face: opt.MinFace = MIN_FACE,
    detector: opt.DetectorName = "default",
    detect_size: opt.DetectSize = DETECT_SIZE,
) -> int:
    """Serve a page that shows what a group's faces show, live, in the browser.

    It shows how many there are, the shares of the emotions and how they change. All is computed on
    this machine; pictures are in its memory only, and no single face is told of. With --view
    individual one person sees their own face's emotions at their own camera, and nothing is kept.
    """
    for name in ("fastapi", "uvicorn", "websockets", "python_multipart"):
        if find_spec(name) is None:
            raise UserError(f"this needs {name}, not installed: pip install '.[serve]'")
    from fer.live import source_title
    from fer.live.server import Settings

    settings = Settings(
        host=host,
        port=port,
        view=view,
        has_source=source is not None,
        source_name="" if source is None else source_title(source),
        min_group=min_group or MIN_GROUP,
        seconds=window or WINDOW_SECONDS,
        index=index,
        token=_token(token, token_file),
        names=tuple(allow_host),
        certificate=tls_cert,
        key=tls_key,
    )
    using = opt.ModelOptions(model, allow, threads, confidence, min_face, detector, detect_size)
    return _serve(settings, source, using)


def _serve(settings: Settings, source_name: str | None, using: opt.ModelOptions) -> int:
    from fer.live import open_source
    from fer.live.aggregation import Measures
    from fer.live.server import bind_socket, check_settings, is_loopback, make_app, run

    check_settings(settings)
    with bind_socket(settings) as socket:
        recognizer = opt.load_recognizer(using)
        source = None
        if source_name is not None:
            source = open_source(source_name, say=_say)
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
    return DONE


def _token(token: str | None, file: Path | None) -> str:
    if token is not None:
        if file is not None:
            raise UserError("--token and --token-file don't go together: leave --token out")
        _say("other users of this machine see --token in its list of processes: FER_TOKEN of the "
             "environment and --token-file tell nobody")  # fmt: skip
        return token
    if file is None:
        return os.environ.get("FER_TOKEN", "")
    from fer.pictures import shown

    try:
        with file.open(encoding="ascii") as stream:
            token = stream.read(_LONGEST_TOKEN + 1).strip()
    except UnicodeDecodeError:
        raise UserError(f"the token in {shown(file)} must be ASCII") from None
    if not token or len(token) > _LONGEST_TOKEN:
        raise UserError(f"{shown(file)} must hold a token of 1 to {_LONGEST_TOKEN} letters")
    return token
