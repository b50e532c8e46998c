"""A server in this process, and what it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

pytest.importorskip("fastapi")

from starlette.testclient import TestClient

from fer.inference import Recognizer
from fer.live import Source
from fer.live.server import Settings, make_app
from tests.support.emotion_squares import square_recognizer

Serve = Callable[..., TestClient]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return what starts a server and returns a client of it."""
    with ExitStack() as stack:

        def start(
            *, source: Source | None = None, recognizer: Recognizer | None = None, **settings: Any
        ) -> TestClient:
            made = make_app(
                Settings(has_source=source is not None, **settings),
                recognizer or square_recognizer(),
                source,
            )
            return stack.enter_context(TestClient(made, headers={"Host": "localhost:8000"}))

        yield start
