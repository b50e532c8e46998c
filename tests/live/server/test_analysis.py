"""``POST /v1/analyze``."""

from __future__ import annotations

import struct
import zlib

import pytest
from starlette.testclient import TestClient

from fer.core.labels import EMOTIONS
from fer.live.server import settings
from tests.live.server.conftest import Serve
from tests.support.emotion_squares import as_file, room
from tests.support.picture_folders import png_without_palette

PICTURE = as_file(room(["happy", "sad"]))
PNG = {"Content-Type": "image/png"}


def bomb() -> bytes:
    """A PNG that says it is 60,000 pixels wide and high, in a few bytes."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    made = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")):
        check = zlib.crc32(kind + data)
        made += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)
    return made


def test_a_picture(serve: Serve) -> None:
    answer = serve(view="individual").post("/v1/analyze", content=PICTURE, headers=PNG)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["width"], told["height"]) == (640, 480)
    assert {face["label"] for face in told["faces"]} == {"happy", "sad"}
    for face in told["faces"]:
        assert list(face["probabilities"]) == list(EMOTIONS)
        assert sum(face["probabilities"].values()) == pytest.approx(1)


def test_a_form_says_the_same_and_stays_in_memory(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file")

    client = serve(view="individual")
    for name in ("NamedTemporaryFile", "TemporaryFile", "mkstemp"):
        monkeypatch.setattr(f"tempfile.{name}", nothing)
    large = as_file(room(["happy"], size=(1600, 1200)), ".bmp")
    assert len(large) > 2**22
    plain = client.post("/v1/analyze", content=large, headers={"Content-Type": "image/bmp"})
    form = client.post(
        "/v1/analyze", data={"note": "x"}, files={"image": ("a.bmp", large, "image/bmp")}
    )
    assert form.json() == plain.json()
    assert len(form.json()["faces"]) == 1


def test_the_class_view_has_none(serve: Serve) -> None:
    answer = serve().post("/v1/analyze", content=PICTURE, headers=PNG)
    assert answer.status_code == 403
    assert "--view individual" in answer.json()["error"]


FORM = "multipart/form-data; boundary=x"
BAD: dict[str, tuple[bytes, str, int]] = {
    "nothing": (b"", "image/png", 400),
    "text": (b"hello", "image/jpeg", 400),
    "cut off": (PICTURE[:2000], "image/png", 400),
    "without its palette": (png_without_palette(), "image/png", 400),
    "a bomb": (bomb(), "image/png", 413),
    "large": (bytes(settings.MAX_PICTURE + 1), "image/png", 413),
    "of another kind": (PICTURE, "text/plain", 415),
    "of no kind": (PICTURE, "", 415),
    "a form without a boundary": (b"", "multipart/form-data", 415),
    "a form of garbage": (b"hello", FORM, 400),
    "a form without a file": (
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n', FORM, 400
    ),
    "a form of tiny parts": (
        b"--x\r\nA: b\r\n\r\n\r\n" * 1000
        + b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n'
        + PICTURE + b"\r\n--x--\r\n",
        FORM, 400,
    ),
    "a long boundary": (b"--" + b"x" * 300, f"multipart/form-data; boundary={'x' * 300}", 400),
    "a form with garbage": (
        b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n1\r\n--x--\r\n',
        FORM,
        400,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused(serve: Serve, name: str) -> None:
    content, kind, code = BAD[name]
    client = serve(view="individual")
    answer = client.post("/v1/analyze", content=content, headers={"Content-Type": kind})
    assert answer.status_code == code
    assert answer.json()["error"]


def test_a_body_that_does_not_tell_its_length(serve: Serve) -> None:
    def chunks() -> object:
        for _ in range(settings.MAX_PICTURE // 2**20 + 1):
            yield bytes(2**20)

    answer = serve(view="individual").post("/v1/analyze", content=chunks(), headers=PNG)
    assert answer.status_code == 413


def test_each_address_has_a_rate_of_its_own(serve: Serve) -> None:
    client = serve(view="individual")
    codes = [
        client.post("/v1/analyze", content=b"x", headers=PNG).status_code
        for _ in range(settings.ANALYSIS_BURST + 20)
    ]
    assert codes[0] == 400
    assert codes[-1] == 429
    other = TestClient(client.app, headers={"Host": "localhost"}, client=("192.0.2.9", 1))
    assert other.post("/v1/analyze", content=PICTURE, headers=PNG).status_code == 200


def test_openapi(serve: Serve) -> None:
    told = serve(view="individual").get("/openapi.json").json()
    body = told["paths"]["/v1/analyze"]["post"]["requestBody"]["content"]
    assert set(body) == {"image/*", "multipart/form-data"}
    assert {"200", "400", "413"} <= set(told["paths"]["/v1/analyze"]["post"]["responses"])
