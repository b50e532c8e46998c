"""The page: complete, self-contained, and with the numbers of ``metrics.json``."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fer.core.labels import EMOTIONS, FERPLUS
from fer.data.fer2013_reference import AnnotatorVotes
from fer.evaluation import EvaluationInput, evaluate_predictions
from fer.evaluation.branches import branch_contributions
from fer.evaluation.corruptions import measure_robustness
from fer.inference import OnnxModel
from fer.reporting.evaluation import write_report
from fer.reporting.evaluation.page import VERDICTS, verdict_text
from tests.support.answers import NAMES, some_faces, some_predictions
from tests.support.models import untrained_model

SECTIONS = (
    "headline", "verdict", "scores", "classes", "confusion", "probabilities", "slices",
    "robustness", "errors", "looks", "branches", "missing", "terms", "origin",
)  # fmt: skip
VOID = {"meta", "img", "br"}
#: Whose end may be left out.
OPEN = {"p", "li", "tr", "td", "th", "dt", "dd"}


class Page(HTMLParser):
    """What a browser would see: tags in balance, addresses, numbers by section, words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.ids: list[str] = []
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.numbers: dict[str, list[float]] = {}
        self.words: dict[str, str] = {"": ""}
        self._open: list[str] = []
        self._section = ""
        self.feed(text)
        self.close()
        assert {*self._open} <= OPEN, self._open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self._open.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(str(value))
                if value in SECTIONS:
                    self._section = str(value)
            elif name in {"src", "srcset", "data", "action", "poster"}:
                self.pictures.append(str(value))
            elif name == "href":
                self.links.append(str(value))
            elif name == "value":
                self.numbers.setdefault(self._section, []).append(float(str(value)))
            assert not name.startswith("on")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open[-1] in OPEN and self._open[-1] != tag:
            self._open.pop()
        assert self._open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data: str) -> None:
        self.words[self._section] = self.words.get(self._section, "") + data

    def of(self, section: str) -> str:
        return " ".join(self.words[section].split())


def made(
    tmp_path: Path,
    classes: tuple[str, ...] = EMOTIONS,
    *,
    model: Any = None,
    pictures: bool = True,
    measured: Mapping[str, Any] | None = None,
    **changed: Any,
) -> tuple[Page, dict[str, Any]]:
    """Return the page of a made-up case and what it was made of."""
    faces = changed.pop("faces", None) or some_faces(val=60, test=90, classes=classes)
    known = {"predictions": some_predictions(faces), "names": NAMES, "copied": np.arange(90) < 9}
    case = EvaluationInput(**{**known, "faces": faces, **changed})
    metrics = evaluate_predictions(case) | dict(measured or {})
    write_report(tmp_path / "report.html", metrics, case, model=model, pictures=pictures)
    return Page((tmp_path / "report.html").read_text(encoding="utf-8")), metrics


def a_crowd() -> AnnotatorVotes:
    """Return votes that are all for fear."""
    counts = np.zeros((180, 10), dtype=np.int64)
    counts[:, list(FERPLUS.values()).index("fear")] = 7
    counts[:, list(FERPLUS).index("NF")] = 3
    winner = np.full(180, EMOTIONS.index("fear"))
    return AnnotatorVotes(counts, winner, winner, "votes")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, dict[str, Any]]:
    """Return a page that has everything."""
    model = untrained_model(classes=EMOTIONS, size=16)
    faces = some_faces(val=60, test=90, classes=EMOTIONS)
    test = faces.splits["test"]
    views = np.random.default_rng(0).normal(size=(3, 90, 7)).astype(np.float32)
    robustness = measure_robustness(model, test.images, test.labels, kinds=["dark", "yaw"])
    measured = {
        "robustness": {"split": "val", **robustness},
        "branches": branch_contributions(model, test.images, test.labels),
    }
    folder = tmp_path_factory.mktemp("full")
    return made(folder, faces=faces, model=model, views=views, crowd=a_crowd(), measured=measured)


def test_nothing_is_outside_the_page(full: tuple[Page, dict[str, Any]]) -> None:
    page, _ = full
    assert "://" not in page.text
    assert "url(" not in page.text
    assert "@import" not in page.text
    assert "<script" not in page.text
    assert "<link" not in page.text
    assert len(page.pictures) > 30
    for address in page.pictures:
        data = re.fullmatch(r"data:image/(?:png|jpeg);base64,(.+)", address)[1]
        raw = base64.b64decode(data, validate=True)
        assert cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR) is not None
    assert {link for link in page.links if not link.startswith("#")} == set()
    assert {link[1:] for link in page.links} <= {*page.ids}
    assert len({*page.ids}) == len(page.ids)


def test_every_section_is_there(full: tuple[Page, dict[str, Any]]) -> None:
    page, _ = full
    assert [name for name in page.ids if name in SECTIONS] == list(SECTIONS)
    assert "Left out" not in page.text
    assert "This page contains face pictures." in page.of("")
    assert "backbone.stages.3.norm" in page.of("looks")
    assert "CNN" in page.of("branches")
    assert page.of("errors").count("crowd: fear 7, no face 3") == 24
    assert "LSTM" in page.of("branches")


def numbers_in(node: Any) -> Iterator[float]:
    if isinstance(node, Mapping):
        for value in node.values():
            yield from numbers_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from numbers_in(value)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield node


def test_the_numbers_are_those_of_the_metrics(full: tuple[Page, dict[str, Any]]) -> None:
    page, metrics = full
    blocks = [metrics[k] for k in ("official", "deduplicated")]
    blocks += [metrics["tta"][k] for k in ("official", "deduplicated")]
    scores = [
        [b["n"], b["accuracy"], *b["accuracy_ci95"], b["macro_f1"], b["balanced_accuracy"],
         b["ece"], b["ece_calibrated"], b["ece_null"], b["nll"]]
        for b in blocks
    ]  # fmt: skip
    assert page.numbers["scores"] == [number for row in scores for number in row]
    crowd = metrics["crowd_accuracy"]["per_class"]
    rows = metrics["official"]["per_class"]
    table = [
        number
        for name, row in rows.items()
        for number in (row["support"], row["precision"], row["recall"], row["f1"], crowd[name])
        if number is not None
    ]
    assert page.numbers["classes"][: len(table)] == table
    said = page.numbers["verdict"]
    of = {name: metrics[f"memorisation_{name}"] for name in ("rate", "n", "ratio", "ratio_ci95")}
    assert said[:5] == [of["rate"], of["n"], of["ratio"], *of["ratio_ci95"]]
    known = {*numbers_in(metrics)}
    for section in ("headline", "slices", "branches"):
        guess = max(row["support"] for row in rows.values()) / 90
        assert {*page.numbers[section]} <= known | {guess}, section
    assert f"{metrics['official']['accuracy']:.1%}".replace("%", "\u00a0%") in page.text
    assert metrics["verdict_reason"][1:] in page.of("verdict")


def test_the_confusion_matrix_is_counted_by_hand(full: tuple[Page, dict[str, Any]]) -> None:
    page, _ = full
    test = some_predictions(some_faces(val=60, test=90, classes=EMOTIONS)).of("test")
    expected: list[float] = []
    for i in range(7):
        mine = test.label == i
        for j in range(7):
            count = int((mine & (test.answer == j)).sum())
            expected += [count, count / mine.sum()]
        expected.append(int(mine.sum()))
    assert page.numbers["confusion"] == pytest.approx(expected)


@pytest.mark.parametrize("n", [2, 12])
def test_names_of_classes_are_text(tmp_path: Path, n: int) -> None:
    classes = ("<b>$x$</b>", '"&\u00e9', *(f"class {i}" for i in range(n - 2)))
    marks = {"not_comparable": "it has <i>other</i> labels"}
    page, metrics = made(tmp_path, classes, marks=marks, why_not={"crowd": "<u>none</u>"})
    assert "<b>$" not in page.text
    assert "<i>other" not in page.text
    assert "<u>" not in page.text
    assert page.of("classes").count("<b>$x$</b>") == 1
    assert page.of("origin").count('"&é') == 1
    assert "NOT COMPARABLE by its training run, it has <i>other</i> labels. No number" in page.of(
        ""
    )
    assert "<title>NOT COMPARABLE: " in page.text
    assert "Training: not by the protocol" in page.of("verdict")
    assert len(metrics["official"]["per_class"]) == n
    assert len(page.numbers["confusion"]) == n * (2 * n + 1)
    assert "annotators" in page.of("verdict")
    assert "feels" not in page.text


def test_answers_without_probabilities_have_reasons(tmp_path: Path) -> None:
    faces = some_faces(val=60, test=90, classes=EMOTIONS)
    labels = replace(some_predictions(faces), probabilities=None, logits=None)
    page, _ = made(tmp_path, faces=faces, predictions=labels)
    assert [name for name in page.ids if name in SECTIONS] == list(SECTIONS)
    assert page.pictures == []
    for section, words in {
        "scores": "No ECE and NLL: the answers are labels without probabilities",
        "classes": "No crowd beside the classes: there are no votes",
        "probabilities": "Left out: precision–recall and reliability curves, since",
        "robustness": "which a file of answers is not",
        "errors": "no error is more confident than another, since the answers are labels",
        "looks": "gradients, which a file of answers does not give",
        "branches": "they were not measured",
        "missing": "ece_calibrated, ece, ece_null, nll: the answers are labels",
        "verdict": "Not judged",
    }.items():
        assert words in page.of(section), section


def test_a_page_without_face_pictures_has_none(tmp_path: Path) -> None:
    model = untrained_model(classes=EMOTIONS, size=16)
    page, _ = made(tmp_path, model=model, pictures=False)
    assert "This page contains no face pictures." in page.of("")
    assert page.pictures == []
    assert "report_pictures=false" in page.of("looks")
    assert "Grad-CAM (Selvaraju" not in page.text
    assert page.of("errors").count("answered") >= 10


def test_an_exported_model_is_named_in_words(tmp_path: Path, exported: OnnxModel) -> None:
    page, _ = made(tmp_path, model=exported, pictures=False)
    assert "Evaluated: an exported model that computes in float32, on" in page.of("")


def test_a_perfect_system_has_no_errors(tmp_path: Path) -> None:
    faces = some_faces(val=60, test=90, classes=EMOTIONS)
    model = untrained_model(classes=EMOTIONS, size=16)
    page, _ = made(
        tmp_path, faces=faces, predictions=some_predictions(faces, skill=99), model=model
    )
    assert "Left out: no answer is wrong" in page.of("errors")
    assert "Left out: no answer is wrong" in page.of("looks")


def test_the_same_case_is_the_same_page(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    model = untrained_model(classes=EMOTIONS, size=16)
    one, two = (made(tmp_path / name, model=model)[0].text for name in ("a", "b"))
    assert one == two


def test_folders_of_whoever_made_the_page_are_not_in_it(tmp_path: Path) -> None:
    faces = replace(some_faces(val=60, test=90, classes=EMOTIONS), origin="/home/ada/faces.csv")
    page, _ = made(tmp_path, faces=faces)
    assert "ada" not in page.text.replace("metadata", "")
    assert "faces.csv" in page.of("origin")


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        (None, "a file of answers does not tell"),
        ({}, "does not say what it was trained on"),
        ({"fingerprint": "other", "data": "mine", "seed": 4}, "on mine, seed 4: other data than"),
        ({"fingerprint": "same", "data": "f.csv", "seed": 4, "commit": "a" * 40},
         "on f.csv, seed 4, commit aaaaaaaaaaaa: it was trained on train"),
    ],
)  # fmt: skip
def test_how_it_was_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: dict[str, Any] | None, says: str
) -> None:
    model = None
    if recipe is not None:
        model = untrained_model(classes=EMOTIONS, size=16)
        monkeypatch.setattr(type(model), "made", recipe)
    page, _ = made(tmp_path, model=model, pictures=False, fingerprints={"data": "same"})
    assert says in page.of("verdict")


def test_a_low_ratio_does_not_clear_what_was_trained_on_the_test() -> None:
    invalid = verdict_text("ok", {"invalid": "it did"})
    assert invalid not in VERDICTS.values()
    assert verdict_text("ok", {"not_comparable": "other labels"}) == VERDICTS["ok"]
    assert verdict_text("leaked", {"invalid": "it did"}) == VERDICTS["leaked"]
