"""``POST /v1/analyze``: a picture in, the faces in it out; in the individual view alone."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from fer.inference import Face
from fer.live.server.limits import ClientBuckets
from fer.live.server.metrics import Metrics
from fer.live.server.places import client_of
from fer.live.server.settings import ANALYSES, ANALYSES_BURST, Settings
from fer.live.server.uploads import Refused, Uploads
from fer.live.server.worker import InferenceWorker, is_too_large
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


def routes(settings: Settings, workshop: InferenceWorker, metrics: Metrics) -> APIRouter:
    """Return the route of the analysis."""
    router = APIRouter()
    buckets, uploads = ClientBuckets(ANALYSES, ANALYSES_BURST), Uploads()

    @router.post("/v1/analyze", response_model=Answer, responses=_WORDS, openapi_extra=_BODY)
    async def analyze(request: Request) -> JSONResponse:
        """Say what the faces in a picture show: the label that annotators would give them."""
        try:
            if settings.view != "individual":
                raise Refused(403, "off in the class view, where no single face is told of: "
                               "fer serve --view individual")  # fmt: skip
            client = client_of(request.client.host if request.client else "")
            if not buckets.of(client).try_acquire():
                raise Refused(429, "too many pictures a second: wait a moment")
            async with uploads.picture(request) as picture:
                image = await workshop.decode(picture)
                faces = await workshop.work(lambda: workshop.recognizer.analyze(image))
        except PictureError as error:
            return _refusal(metrics, 413 if is_too_large(error) else 400, str(error))
        except Refused as refused:
            return _refusal(metrics, refused.code, refused.words)
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
