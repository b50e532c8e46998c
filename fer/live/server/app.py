"""The application: which address leads where."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, WebSocket
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles

from fer import __version__
from fer.inference import Recognizer
from fer.live.aggregation import Measures
from fer.live.server.analysis import routes
from fer.live.server.broadcaster import Broadcaster
from fer.live.server.connection import ConnectionHandler
from fer.live.server.messages import welcome
from fer.live.server.metrics import Metrics
from fer.live.server.security import PROTOCOL, SecurityMiddleware
from fer.live.server.sessions import LiveSession, SessionStore
from fer.live.server.settings import Settings
from fer.live.server.worker import InferenceWorker
from fer.live.sources import Source

_PAGE: Final = Path(__file__).parent / "page"


def make_app(settings: Settings, recognizer: Recognizer, source: Source | None = None) -> FastAPI:
    """Return the application of a server."""
    metrics = Metrics()
    worker = InferenceWorker(recognizer)
    broadcaster = None
    if source is not None:
        session = LiveSession(recognizer, settings, metrics)
        broadcaster = Broadcaster(source, session, worker, metrics)
    sessions = SessionStore(recognizer, settings, metrics)
    connections = ConnectionHandler(worker, sessions, broadcaster, metrics)
    greeting = welcome(settings, Measures(recognizer.classes, settings.index))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if broadcaster is not None:
            broadcaster.start()
        yield
        if broadcaster is not None:
            broadcaster.close()
        worker.close()

    # The framework's own pages of the interface would fetch scripts from elsewhere.
    app = FastAPI(
        title="fer", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.metrics = metrics
    app.add_middleware(SecurityMiddleware, settings=settings, metrics=metrics)
    app.include_router(routes(settings, worker, metrics))
    app.mount("/page", StaticFiles(directory=_PAGE), name="page")

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(_PAGE / "index.html")

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Return that the server is alive, and the state of its source."""
        status = {"status": "ok", "version": __version__}
        return status if broadcaster is None else status | {"source": broadcaster.state}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def counts() -> PlainTextResponse:
        """Return how the server works, for Prometheus: nothing of what it sees."""
        return PlainTextResponse(metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/v1/welcome")
    async def greet() -> dict[str, Any]:
        """Return what a page has to know before it begins."""
        return greeting

    @app.get("/v1/timeline")
    async def timeline() -> JSONResponse:
        """Return what may be told of the group that the server's own source shows."""
        if broadcaster is None:
            words = "pages with a camera of their own have a session each: there is no common one"
            return JSONResponse({"error": words}, 404)
        history = list(broadcaster.session.history)
        return JSONResponse({"source": broadcaster.state, "timeline": history})

    @app.websocket("/v1/live")
    async def live(socket: WebSocket) -> None:
        offered = socket.scope.get("subprotocols", [])
        await connections.handle(socket, PROTOCOL if PROTOCOL in offered else None)

    return app
