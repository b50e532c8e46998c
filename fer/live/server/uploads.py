"""Pictures that are sent for an analysis: a few at once, read into memory and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from fer.live.server.places import Slot, Slots
from fer.live.server.settings import BODIES, PARTS, PICTURE, STALLED

#: Letters of a boundary (RFC 2046, section 5.1.1).
_BOUNDARY: Final = 70


class Refused(Exception):  # noqa: N818
    """A request that is not answered; status and words."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


class Uploads:
    """Takes pictures of all clients, so many at once."""

    def __init__(self) -> None:
        self._places = Slots(BODIES, STALLED)

    @asynccontextmanager
    async def picture(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the picture of a request, which is in memory until the block ends.

        Raises:
            Refused: there is none, it is too large, or too many are on their way.
        """
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        boundary = None
        if kind == b"multipart/form-data" and b"boundary" in options:
            boundary = options[b"boundary"]
            if len(boundary) > _BOUNDARY:
                raise Refused(400, f"the form's boundary has more than {_BOUNDARY} letters")
        elif not kind.startswith(b"image/") and kind != b"application/octet-stream":
            words = "send the picture as image/jpeg, image/png, …, or as multipart/form-data"
            raise Refused(415, words)
        scope = anyio.CancelScope()
        place = self._places.take(request.client.host if request.client else "", scope.cancel)
        if place is None:
            raise Refused(503, f"{BODIES} pictures are on their way already: try again")
        try:
            body = None
            with scope:
                body = await _body(request, place)
            if body is None:
                raise Refused(503, "another picture needed the place of this one, which stalled")
            place.work()
            yield body if boundary is None else _first_file(body, boundary)
        finally:
            self._places.free(place)


async def _body(request: Request, place: Slot) -> bytes:
    large = Refused(413, f"the picture has more than {PICTURE:,} bytes")
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > PICTURE:
        raise large
    body = bytearray()
    try:
        async for chunk in request.stream():
            place.hear()
            body += chunk
            if len(body) > PICTURE:
                raise large
    except ClientDisconnect:
        raise Refused(400, "the picture is cut off") from None
    return bytes(body)


def _first_file(body: bytes, boundary: bytes) -> bytes:
    """Return the first part of a form that holds a file.

    Read here since the form reader of the framework writes large files to the disk.
    """
    parts: list[bytearray] = []
    header = bytearray()
    names: list[bytes] = []

    def begin() -> None:
        if len(parts) == PARTS:
            raise Refused(400, f"the form has more than {PARTS} parts")
        parts.append(bytearray())
        names.append(b"")

    def value(data: bytes, start: int, end: int) -> None:
        header.extend(data[start:end])

    def header_end() -> None:
        names[-1] += bytes(header) + b";"
        header.clear()

    def content(data: bytes, start: int, end: int) -> None:
        parts[-1].extend(data[start:end])

    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": begin,
                "on_header_value": value,
                "on_header_end": header_end,
                "on_part_data": content,
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise Refused(400, "the form can't be read") from None
    for name, part in zip(names, parts, strict=True):
        if b"filename" in name:
            return bytes(part)
    raise Refused(400, "the form holds no file")
