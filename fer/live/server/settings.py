"""How a server is set, what it refuses to be, and the limits that it holds everybody to."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from fer.core.defaults import MIN_GROUP, WINDOW_SECONDS
from fer.core.errors import UserError
from fer.pictures import shown

#: Connections at once, of all kinds.
MAX_CONNECTIONS: Final = 256
#: Seconds for the head of a request or the handshake of https, for a body, and of silence in it.
HEAD_TIMEOUT: Final = 10.0
BODY_TIMEOUT: Final = 60.0
BODY_SILENCE: Final = 10.0
#: Pages that are served at once.
MAX_PAGES: Final = 16
#: Seconds in which a page has to begin, and after which one that sends nothing may lose its place
#: to another page.
START_TIMEOUT: Final = 10.0
PAGE_IDLE: Final = 60.0
#: Uploaded pictures in memory at once, and seconds after which a stalled one may lose its place.
MAX_UPLOADS: Final = 8
UPLOAD_STALLED: Final = 2.0
#: Parts of a form, and fragments of a message.
MAX_PARTS: Final = 16
MAX_FRAGMENTS: Final = 1024
#: Bytes of one message of a page, and of an uploaded picture.
MAX_MESSAGE: Final = 4 * 2**20
MAX_PICTURE: Final = 16 * 2**20
#: Pixels of a picture, looked at in its header: as many as the largest webcam has.
MAX_PIXELS: Final = 4096 * 3072
#: Pixels of what a camera's page usually sends: of larger pictures two are decoded at once.
USUAL_PIXELS: Final = 1920 * 1080
#: Messages of one page a second, and how many may come at once.
MESSAGE_RATE: Final = 60.0
MESSAGE_BURST: Final = 120
#: Letters of a token at least; and how many wrong ones an address may send a second, and at once.
TOKEN_LENGTH: Final = 16
WRONG_TOKEN_RATE: Final = 1.0
WRONG_TOKEN_BURST: Final = 10
#: Pictures for an analysis a second of each address, and at once.
ANALYSIS_RATE: Final = 10.0
ANALYSIS_BURST: Final = 20
#: Unreadable pictures in a row after which a page is sent away.
MAX_UNREADABLE: Final = 20
#: Seconds after which a page that takes nothing is dropped, and bytes that wait for it until then.
SEND_TIMEOUT: Final = 5.0
SEND_BUFFER: Final = 256 * 1024
#: Seconds for which a session waits for its page to come back.
SESSION_KEPT: Final = 120.0
#: Windows that are kept for a page that comes back: a rolling timeline.
HISTORY: Final = 900


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server is set.

    Attributes:
        port: 0: any that is free.
        view: of the group, or of one person at their own camera.
        has_source: whether frames are the server's, and not those of the pages.
        source_name: what the source is called on the page: no path, no password.
        min_group: faces below which no emotion is shown.
        seconds: length of a window.
        index: name of an index that is shown too.
        token: what pages and callers have to know; empty: nothing.
        names: host names that the server is asked by, beside addresses and this machine's own name.
        certificate: file of the certificate for https, with its chain.
        key: file of its key.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    view: Literal["class", "individual"] = "class"
    has_source: bool = False
    source_name: str = ""
    min_group: int = MIN_GROUP
    seconds: float = WINDOW_SECONDS
    index: str | None = None
    token: str = ""
    names: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None

    @property
    def is_secure(self) -> bool:
        """Whether it speaks https."""
        return self.certificate is not None

    @property
    def known_names(self) -> frozenset[str]:
        """The names, in small letters, that a page may ask it by."""
        own = socket.gethostname().lower()
        return frozenset({"localhost", own, *(name.lower() for name in self.names)})


def is_loopback(host: str) -> bool:
    """Return True if only this machine can reach an address.

    Example:
        >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0")]
        [True, True, True, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_settings(settings: Settings) -> None:
    """Refuse what would be unsafe or can't work."""
    host, token = settings.host, settings.token
    problems = [
        (settings.view == "individual" and settings.has_source, "individual_with_source", "--view",
         "--view individual is for one person at their own camera, in the browser: leave --source "
         "out, or use the class view"),
        (not (token.isascii() and token.isprintable()), "token_not_ascii", "--token",
         "the token must be ASCII: letters, digits and signs"),
        (0 < len(token) < TOKEN_LENGTH, "token_too_short", "--token",
         f"the token has {len(token)} letters and can be guessed: at least {TOKEN_LENGTH}, such as "
         "those of: openssl rand -hex 16"),
        (not is_loopback(host) and not token, "token_missing", "--host",
         f"--host {host} can be reached from other machines, which needs a token: a word that "
         "pages have to know, in FER_TOKEN of the environment or in the file of --token-file. "
         "openssl rand -hex 16 makes one"),
        ((settings.certificate is None) != (settings.key is None), "tls_pair", "--tls-cert",
         "--tls-cert and --tls-key go together: name both files"),
    ]  # fmt: skip
    for is_wrong, code, where, words in problems:
        if is_wrong:
            raise UserError(words, code=code, where=where)
    if settings.certificate is not None and settings.key is not None:
        _check_certificate(settings.certificate, settings.key)


def _check_certificate(certificate: Path, key: Path) -> None:
    for path in (certificate, key):
        if not path.is_file():
            raise UserError(
                f"there is no file {shown(path)} for https", code="no_file", where=shown(path)
            )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ssl.SSLError) as error:
        raise UserError(
            f"{shown(certificate)} and {shown(key)} are not a certificate and its key in PEM "
            f"({error})",
            code="tls_unreadable",
            where=shown(certificate),
        ) from None


def bind_socket(settings: Settings) -> socket.socket:
    """Return a socket that listens.

    Raises:
        UserError: the address can't be had.
    """
    host, port = settings.host, settings.port
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(64)
        except OSError:
            bound.close()
            raise
    # A name of too long a part is no OSError but one of its coding.
    except (OSError, OverflowError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(
            f"can't listen on {host}, port {port} ({why}): name another --port or --host",
            code="cannot_listen",
            where=f"{host}:{port}",
        ) from None
    return bound
