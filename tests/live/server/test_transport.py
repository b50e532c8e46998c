"""Pages that take nothing."""

from __future__ import annotations

import asyncio

import pytest
import uvicorn
from uvicorn.server import ServerState

from fer.live.server import transport as transport_module


class Transport(asyncio.Transport):
    """Writes down whether it was cut."""

    def __init__(self) -> None:
        super().__init__()
        self.is_cut = False
        self.high: int | None = None

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high

    def abort(self) -> None:
        self.is_cut = True


@pytest.mark.parametrize("recovers", [True, False])
def test_who_takes_nothing_is_cut(recovers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "SEND_TIMEOUT", 0.05)

    async def slow() -> Transport:
        async def app(scope: object, receive: object, send: object) -> None:
            pass

        config = uvicorn.Config(app, lifespan="off", interface="asgi3")
        config.load()
        protocol = transport_module.WebSocketProtocol(config, ServerState(), {})
        transport = Transport()
        protocol.connection_made(transport)
        protocol.pause_writing()
        if recovers:
            protocol.resume_writing()
        await asyncio.sleep(0.2)
        return transport

    transport = asyncio.run(slow())
    assert transport.is_cut is not recovers
    assert transport.high == transport_module.SEND_BUFFER
