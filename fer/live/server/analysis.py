"""``POST /v1/analyze``: a picture in, the faces in it out; in the individual view alone."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from fer.inference import Face
from fer.live.server.limits import Bucket
from fer.live.server.metrics import Metrics
from fer.live.server.settings import ANALYSES, ANALYSES_BURST, PICTURE, Settings
from fer.live.server.workshop import Workshop
from fer.pictures import PictureError

_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": {"type": "string", "format": "binary"}},
                }
            },
        },
    }
}
_WORDS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "no picture, or one that can't be read"},
    401: {"description": "the token is missing or wrong"},
    403: {"description": "not in the class view, or asked by another page"},
    413: {"description": "too many bytes, or too many pixels"},
    415: {"description": "neither image/* nor multipart/form-data"},
    429: {"description": "too many pictures a second"},
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


class _Refused(Exception):  # noqa: N818
    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


def routes(settings: Settings, workshop: Workshop, metrics: Metrics) -> APIRouter:
    """Return the route of the analysis."""
    router = APIRouter()
    bucket = Bucket(ANALYSES, ANALYSES_BURST)

    @router.post("/v1/analyze", response_model=Answer, responses=_WORDS, openapi_extra=_BODY)
    async def analyze(request: Request) -> JSONResponse:
        """Say what the faces in a picture show: the label that annotators would give them."""
        try:
            if settings.view != "individual":
                raise _Refused(403, "off in the class view, where no single face is told of: "
                               "fer serve --view individual")  # fmt: skip
            if not bucket.takes():
                raise _Refused(429, "too many pictures a second: wait a moment")
            image = await workshop.decode(await _picture(request))
        except PictureError as error:
            large = "pixels: scale it down" in str(error)
            return _refusal(metrics, 413 if large else 400, str(error))
        except _Refused as refused:
            return _refusal(metrics, refused.code, refused.words)
        faces = await workshop.work(lambda: workshop.recognizer.analyze(image))
        told = [_told(one, workshop.recognizer.classes) for one in faces]
        return JSONResponse({"width": image.shape[1], "height": image.shape[0], "faces": told})

    return router


def _refusal(metrics: Metrics, code: int, words: str) -> JSONResponse:
    metrics.refused["analysis"] += 1
    return JSONResponse({"error": words}, code)


def _told(face: Face, classes: tuple[str, ...]) -> dict[str, Any]:
    chances = (round(float(one), 6) for one in face.probabilities)
    return {
        "box": list(face.box),
        "score": round(face.score, 4),
        "label": face.label,
        "probabilities": dict(zip(classes, chances, strict=True)),
    }


async def _picture(request: Request) -> bytes:
    """Return the bytes of the picture in a request, read into memory and nowhere else."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    body = await _body(request)
    if kind.startswith(b"image/") or kind == b"application/octet-stream":
        return body
    if kind == b"multipart/form-data" and b"boundary" in options:
        return _first_file(body, options[b"boundary"])
    raise _Refused(415, "send the picture as image/jpeg, image/png, …, or as multipart/form-data")


async def _body(request: Request) -> bytes:
    large = _Refused(413, f"the picture has more than {PICTURE:,} bytes")
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > PICTURE:
        raise large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > PICTURE:
            raise large
    return bytes(body)


def _first_file(body: bytes, boundary: bytes) -> bytes:
    """Return the first part of a form that holds a file.

    Read here since the form reader of the framework writes large files to the disk.
    """
    parts: list[bytearray] = []
    header = bytearray()
    names: list[bytes] = []

    def begin() -> None:
        parts.append(bytearray())
        names.append(b"")

    def value(data: bytes, start: int, end: int) -> None:
        header.extend(data[start:end])

    def header_end() -> None:
        names[-1] += bytes(header) + b";"
        header.clear()

    def content(data: bytes, start: int, end: int) -> None:
        parts[-1].extend(data[start:end])

    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": begin,
            "on_header_value": value,
            "on_header_end": header_end,
            "on_part_data": content,
        },
    )
    try:
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise _Refused(400, "the form can't be read") from None
    for name, part in zip(names, parts, strict=True):
        if b"filename" in name:
            return bytes(part)
    raise _Refused(400, "the form holds no file")
