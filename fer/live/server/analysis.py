"""``POST /v1/analyze``: a picture in, the faces in it out; in the individual view alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from fer.inference import Face
from fer.live.server import settings as limits
from fer.live.server.limits import ClientBuckets, Slot, Slots
from fer.live.server.metrics import Metrics
from fer.live.server.settings import Settings
from fer.live.server.worker import InferenceWorker, is_too_large
from fer.pictures import PictureError

#: Letters of a form's boundary (RFC 2046, section 5.1.1).
_BOUNDARY: Final = 70
_PICTURE: Final = {"type": "string", "format": "binary"}
_FORM: Final = {"type": "object", "required": ["image"], "properties": {"image": _PICTURE}}
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {"image/*": {"schema": _PICTURE}, "multipart/form-data": {"schema": _FORM}},
    }
}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "no picture, or one that can't be read"},
    401: {"description": "the token is missing or wrong"},
    403: {"description": "not in the class view, or asked by another page"},
    413: {"description": "too many bytes, or too many pixels"},
    415: {"description": "neither image/* nor multipart/form-data"},
    429: {"description": "too many pictures a second, or too many wrong tokens"},
    503: {"description": "too many pictures on their way, or this one stalled"},
}


class FaceAnswer(BaseModel):
    """A face that was found.

    Attributes:
        box: x, y, width, height in pixels, from the top left corner.
        score: confidence that it is a face.
        label: the likeliest class, or ``uncertain``.
        probabilities: calibrated, of each class.
    """

    box: tuple[int, int, int, int]
    score: float
    label: str
    probabilities: dict[str, float]

    @classmethod
    def of(cls, face: Face, classes: tuple[str, ...]) -> FaceAnswer:
        """Return what is told of a face."""
        rounded = [round(float(p), 6) for p in face.probabilities]
        return cls(
            box=face.box,
            score=round(face.score, 4),
            label=face.label,
            probabilities=dict(zip(classes, rounded, strict=True)),
        )


class Answer(BaseModel):
    """What a picture shows.

    Attributes:
        width: of the picture in pixels.
        height: likewise.
        faces: in it, the surest found first.
    """

    width: int
    height: int
    faces: list[FaceAnswer]


class Refused(Exception):  # noqa: N818
    """A request that is not answered; status and words."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


def routes(settings: Settings, worker: InferenceWorker, metrics: Metrics) -> APIRouter:
    """Return the route of the analysis."""
    router = APIRouter()
    buckets = ClientBuckets(limits.ANALYSIS_RATE, limits.ANALYSIS_BURST)
    slots = Slots(limits.MAX_UPLOADS, limits.UPLOAD_STALLED)

    @router.post("/v1/analyze", response_model=Answer, responses=_RESPONSES, openapi_extra=_BODY)
    async def analyze(request: Request) -> Answer | JSONResponse:
        """Say what the faces in a picture show: the label that annotators would give them."""
        recognizer = worker.recognizer
        try:
            if settings.view != "individual":
                raise Refused(403, "off in the class view, where no single face is told of: "
                               "fer serve --view individual")  # fmt: skip
            if not buckets.of(request.client.host if request.client else "").try_acquire():
                raise Refused(429, "too many pictures a second: wait a moment")
            async with _upload(request, slots) as picture:
                image = await worker.decode(picture)
                faces = await worker.run(lambda: recognizer.analyze(image))
        except PictureError as error:
            metrics.refuse("analysis")
            return JSONResponse({"error": str(error)}, 413 if is_too_large(error) else 400)
        except Refused as refused:
            metrics.refuse("analysis")
            return JSONResponse({"error": refused.words}, refused.code)
        height, width = image.shape[:2]
        answers = [FaceAnswer.of(face, recognizer.classes) for face in faces]
        return Answer(width=width, height=height, faces=answers)

    return router


@asynccontextmanager
async def _upload(request: Request, slots: Slots) -> AsyncIterator[bytes]:
    """Yield the picture of a request, which is in memory until the block ends, nowhere else."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary") if kind == b"multipart/form-data" else None
    if boundary is not None and len(boundary) > _BOUNDARY:
        raise Refused(400, f"the form's boundary has more than {_BOUNDARY} letters")
    if boundary is None and not kind.startswith((b"image/", b"application/octet-stream")):
        raise Refused(
            415, "send the picture as image/jpeg, image/png, …, or as multipart/form-data"
        )
    scope = anyio.CancelScope()
    slot = slots.acquire(request.client.host if request.client else "", scope.cancel)
    if slot is None:
        raise Refused(503, f"{limits.MAX_UPLOADS} pictures are on their way already: try again")
    try:
        picture = None
        with scope:
            chunks = _chunks(request, slot)
            if boundary is None:
                picture = b"".join([chunk async for chunk in chunks])
            else:
                picture = await _first_file(boundary, chunks)
        if picture is None:
            raise Refused(503, "another picture needed the place of this one, which stalled")
        slot.work()
        yield picture
    finally:
        slots.release(slot)


async def _chunks(request: Request, slot: Slot) -> AsyncGenerator[bytes, None]:
    """Yield the body of a request; of a large one, no more than is allowed."""
    too_large = Refused(413, f"the picture has more than {limits.MAX_PICTURE:,} bytes")
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > limits.MAX_PICTURE:
        raise too_large
    received = 0
    try:
        async for chunk in request.stream():
            slot.touch()
            received += len(chunk)
            if received > limits.MAX_PICTURE:
                raise too_large
            yield chunk
    except ClientDisconnect:
        raise Refused(400, "the picture is cut off") from None


class _MemoryParser(MultiPartParser):
    """Starlette's reader of forms, which never moves a file to the disk."""

    spool_max_size = limits.MAX_PICTURE + 1


async def _first_file(boundary: bytes, chunks: AsyncGenerator[bytes, None]) -> bytes:
    """Return the first file of a form."""
    kind = f'multipart/form-data; boundary="{boundary.decode("latin-1")}"'
    headers = Headers({"content-type": kind})
    parser = _MemoryParser(headers, chunks, max_files=limits.MAX_PARTS, max_fields=limits.MAX_PARTS)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Refused(400, f"the form can't be read: {error.message}") from None
    try:
        for _, part in form.multi_items():
            if isinstance(part, UploadFile):
                return await part.read()
    finally:
        await form.close()
    raise Refused(400, "the form holds no file")
