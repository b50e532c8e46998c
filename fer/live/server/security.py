"""Checks of every request (host, origin, token) and the security headers of every answer."""

from __future__ import annotations

import hmac
import ipaddress
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fer.live.server.limits import ClientBuckets
from fer.live.server.metrics import Metrics
from fer.live.server.settings import WRONG_TOKEN_BURST, WRONG_TOKEN_RATE, Settings

#: Subprotocol of the WebSocket, and what its second one begins with: the token. A browser's script
#: can't set headers there, and addresses are written down in too many places.
PROTOCOL: Final = "fer.v1"
TOKEN_PROTOCOL: Final = "fer.token."  # noqa: S105
#: What may be had without the token: the page itself, which holds nothing but words, and whether
#: the server is alive.
_OPEN: Final = ("/", "/health", "/openapi.json")
_OPEN_FOLDER: Final = "/page/"
#: What browsers say of requests that no other page caused.
_OWN_SITES: Final = ("same-origin", "none")

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), display-capture=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class SecurityMiddleware:
    """Lets through what may come, and gives every answer its security headers."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._names = settings.known_names
        self._wrong = ClientBuckets(WRONG_TOKEN_RATE, WRONG_TOKEN_BURST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request or a WebSocket."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        secured = _with_headers(send, headers.get("host", ""))
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._app(scope, receive, secured)
            return
        reason, code, words = refusal
        self._metrics.refuse(reason)
        answer = JSONResponse({"error": words}, code)
        if scope["type"] == "http":
            await answer(scope, receive, secured)
            return
        # A WebSocket, before it is one.
        await receive()
        if "websocket.http.response" in scope.get("extensions", {}):
            await answer(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[str, int, str] | None:
        """Return why a request is refused: a word to count, the status, and words to read."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if len(headers.getlist("host")) != 1 or not self._is_known(host):
            return "host", 421, "this server does not answer to that name: see --allow-host"
        is_open = scope["type"] == "http" and (
            scope["path"] in _OPEN or scope["path"].startswith(_OPEN_FOLDER)
        )
        if origin is not None:
            scheme = "https" if self._settings.is_secure else "http"
            is_own = origin.lower() == f"{scheme}://{host.lower()}"
        else:
            # Browsers leave it out where they don't expect harm, but say where they come from. A
            # link that somebody follows may lead here.
            is_own = headers.get("sec-fetch-site", "none") in _OWN_SITES or (
                is_open and headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
            )
        if not is_own:
            return "origin", 403, "other pages may not ask this server"
        return None if is_open or not self._settings.token else self._token_refusal(scope, headers)

    def _token_refusal(self, scope: Scope, headers: Headers) -> tuple[str, int, str] | None:
        """Return why the token does not let a client in; who tries many has to wait."""
        tokens = _tokens(scope, headers)
        client = scope.get("client")
        bucket = self._wrong.of(client[0] if client else "")
        if tokens and not bucket.has_one:
            return "token", 429, "too many wrong tokens from this address: wait some seconds"
        right = self._settings.token.encode()
        # All are compared, each in a time that does not tell how much of it is right.
        if sum(hmac.compare_digest(token.encode(), right) for token in tokens) > 0:
            return None
        if tokens:
            bucket.try_acquire()
        return "token", 401, "the token is missing or wrong"

    def _is_known(self, host: str) -> bool:
        """Return True if a Host header is an address or name of this server (no DNS rebinding)."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True


def token_protocol(token: str) -> str:
    """Return the subprotocol that carries a token: its bytes as hexadecimal digits.

    Example:
        >>> token_protocol("ab")
        'fer.token.6162'
    """
    return TOKEN_PROTOCOL + token.encode().hex()


def _tokens(scope: Scope, headers: Headers) -> list[str]:
    kind, _, token = headers.get("authorization", "").partition(" ")
    tokens = [token.strip()] if kind.lower() == "bearer" else []
    for protocol in scope.get("subprotocols", ()):
        if protocol.startswith(TOKEN_PROTOCOL):
            with suppress(ValueError):
                tokens.append(bytes.fromhex(protocol.removeprefix(TOKEN_PROTOCOL)).decode())
    return [token for token in tokens if token]


def _with_headers(send: Send, host: str) -> Send:
    # Spelled out beside 'self', which some browsers don't take for WebSockets; the name is checked.
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self' ws://{host} wss://{host}; media-src 'self'; manifest-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

    async def sent(message: Message) -> None:
        if message["type"] in {"http.response.start", "websocket.http.response.start"}:
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = policy
            for name, value in _HEADERS.items():
                headers[name] = value
        await send(message)

    return sent
