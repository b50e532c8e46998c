"""How a server is set, what it refuses to be, and the limits that it holds everybody to."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from fer.core.errors import UserError
from fer.live.aggregation import MIN_GROUP, SECONDS
from fer.pictures import shown

#: Connections at once, of all kinds.
LINKS: Final = 256
#: Seconds for the head of a request, or of https, and for its body; and seconds of silence in it.
HEAD: Final = 10.0
BODY: Final = 60.0
SILENT: Final = 10.0
#: Pages that are served at once; the next is told so.
CONNECTIONS: Final = 16
#: Seconds in which a page has to begin, and after which one that sends nothing may lose its place
#: to another page.
START: Final = 10.0
IDLE: Final = 60.0
#: Pictures for an analysis in memory at once, and seconds after which one that does not come on
#: may lose its place to another.
BODIES: Final = 8
STALLED: Final = 2.0
#: Parts of a form, pieces of a message.
PARTS: Final = 16
FRAGMENTS: Final = 1024
#: Bytes of one message of a page, and of a picture that is sent for an analysis.
MESSAGE: Final = 4 * 2**20
PICTURE: Final = 16 * 2**20
#: Pixels of a picture, looked at in its header: as many as the largest webcam has.
PIXELS: Final = 4096 * 3072
#: Messages of one page a second, and how many may come at once.
RATE: Final = 60.0
BURST: Final = 120
#: Pixels of what a camera's page usually sends: of larger pictures two are decoded at once.
USUAL: Final = 1920 * 1080
#: Letters of a token at least; and how many wrong ones an address may send a second, and at once.
TOKEN: Final = 16
WRONG: Final = 1.0
WRONG_BURST: Final = 10
#: Pictures for an analysis a second of each address, and at once.
ANALYSES: Final = 10.0
ANALYSES_BURST: Final = 20
#: Unreadable pictures in a row after which a page is sent away.
BAD: Final = 20
#: Seconds after which a page that takes nothing is dropped, and bytes that wait for it until then.
SLOW: Final = 5.0
WAITING: Final = 256 * 1024
#: Seconds for which a session waits for its page to come back.
KEPT: Final = 120.0
#: Code of a link that ends since another tab has taken its session over: it is not taken up again.
TAKEN: Final = 4001
#: Windows that are kept for a page that comes back: a rolling timeline.
HISTORY: Final = 900


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server is set.

    Attributes:
        host: address that it listens on.
        port: likewise; 0: any that is free.
        view: of the group, or of one person at their own camera.
        has_source: whether frames are the server's, and not those of the pages.
        source_name: what the source is called on the page: no path, no password.
        min_group: faces below which no emotion is told.
        seconds: length of a window.
        index: name of an index that is told too.
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
    seconds: float = SECONDS
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
    """Say whether only this machine can reach an address.

    Example:
        >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0")]
        [True, True, True, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_settings(settings: Settings) -> None:
    """Refuse what would be unsafe or can't work.

    Raises:
        UserError: with the reason and what to do.
    """
    if settings.view == "individual" and settings.has_source:
        raise UserError(
            "--view individual is for one person at their own camera, in the browser: leave "
            "--source out, or use the class view"
        )
    if settings.token and not (settings.token.isascii() and settings.token.isprintable()):
        raise UserError("the token must be ASCII: letters, digits and signs")
    if 0 < len(settings.token) < TOKEN:
        raise UserError(
            f"the token has {len(settings.token)} letters and can be guessed: at least {TOKEN}, "
            "such as those of: openssl rand -hex 16"
        )
    if not is_loopback(settings.host) and not settings.token:
        raise UserError(
            f"--host {settings.host} can be reached from other machines, which needs a token: a "
            "word that pages have to know, in FER_TOKEN of the environment or in the file of "
            "--token-file. openssl rand -hex 16 makes one"
        )
    if (settings.certificate is None) != (settings.key is None):
        raise UserError("--tls-cert and --tls-key go together: name both files")
    if settings.certificate is not None and settings.key is not None:
        for path in (settings.certificate, settings.key):
            if not path.is_file():
                raise UserError(f"there is no file {shown(path)} for https")
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(settings.certificate, settings.key, password="")
        except (OSError, ssl.SSLError) as error:
            raise UserError(
                f"{shown(settings.certificate)} and {shown(settings.key)} are no certificate and "
                f"key in PEM that fit together ({error})"
            ) from None


def listening(settings: Settings) -> socket.socket:
    """Return a socket that listens.

    Raises:
        UserError: the address can't be had.
    """
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind(address)
            made.listen(64)
        except OSError:
            made.close()
            raise
    # A name of too long a part is no OSError but one of its coding.
    except (OSError, OverflowError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(
            f"can't listen on {settings.host}, port {settings.port} ({why}): name another --port "
            "or --host"
        ) from None
    return made
